/** @file svg.h  A picture of a platform: nodes with their GPUs, tiers of switches, trunks with
 * their rates, a legend.
 *
 * Drawn from the file's own links (wiring.h), so it shows foreign platforms too. Self-contained, no
 * script, no font file; the bytes depend on the platform alone. */
#ifndef MS_CLUSTER_SVG_H
#define MS_CLUSTER_SVG_H

#include <stdbool.h>

#include "base/file.h"
#include "cluster/platform.h"

/** How busy each link is, as colour and as text on hovering. */
struct ms_svg_heat {
    void *ctx;
    /** Of a link by name: its utilisation, and words on it. @return false: not used */
    bool (*of)(void *ctx, const char *link, double *utilisation, char *words, size_t size);
    double most; /**< the utilisation drawn darkest */
};

/** @param heat NULL: colours tell leaves and rates
 * @return MS_OK; MS_INFEASIBLE when there is nothing to draw (only SimGrid knows the links);
 * MS_NOMEM */
enum ms_status ms_svg_platform(const struct ms_platform *p, const struct ms_platform_cost *cost,
                               const struct ms_svg_heat *heat, struct ms_buf *out,
                               struct ms_err *err);
/** The colour of a utilisation on a scale that ends at `most`. @param out at least 8 bytes */
const char *ms_svg_heat_colour(double utilisation, double most, char *out);

#endif
