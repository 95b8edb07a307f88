/** @file svg_picture.h  One picture under way: svg_layout.c says where, svg.c draws. Pixels, y
 * downwards. */
#ifndef MS_CLUSTER_SVG_PICTURE_H
#define MS_CLUSTER_SVG_PICTURE_H

#include "cluster/svg.h"
#include "cluster/wiring.h"

enum { MS_SVG_TITLE_H = 64, MS_SVG_KINDS = 12 };

struct ms_svg_kind {
    char text[160];
    double width;
    const char *colour;
    double bandwidth_Bps;
    char name[48];
    int cables;
    bool arc;
};

struct ms_svg_picture {
    const struct ms_platform *p;
    const struct ms_wiring *w;
    struct ms_buf *out;
    double *x, *y; /* [vertices] middle */
    double *box_x; /* [nodes] left */
    int n_nodes, M, cols, rows;
    double gpu, box_w, box_h, width, height, base; /* base: top of the node boxes */
    double k;        /* text, switches and distances grow with wide pictures */
    double switch_w; /* of the narrowest tier */
    bool nvlink_only;
    const struct ms_svg_heat *heat; /* NULL: none */
    double least_Bps;               /* of trunks and NICs */
    struct ms_svg_kind kind[MS_SVG_KINDS];
    int n_kinds;
};

/** Sizes, and a place for every vertex. @return false: no memory */
bool ms_svg_layout(struct ms_svg_picture *d);
/** Switches of this tier are joined to each other. */
bool ms_svg_flat_tier(const struct ms_wiring *w, int tier);

#endif
