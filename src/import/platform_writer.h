/** @file platform_writer.h  A platform file under way (write_platform.c and the platform_*.c
 *  only): what is known of the fabric, and its rows.
 *
 *  GPUs, hubs, ports and trunks count from 0 as in map.h and levels.h; `out` keeps its first
 *  failure. */
#ifndef MS_IMPORT_PLATFORM_WRITER_H
#define MS_IMPORT_PLATFORM_WRITER_H

#include "import/import.h"
#include "import/levels.h"

struct ms_writer {
    const struct ms_map *m;
    const struct ms_levels *l;
    const struct ms_import_options *o;
    struct ms_buf *out;
    int *order;       /* GPUs by node name and index */
    int *number;      /* of each GPU in that order */
    int *first, *way; /* trunks of each hub: way[first[h]] … */
    int *port_of_gpu;
    int longest; /* trunks between two leaves */
    int nvlink_pads, nic_pads;
    bool zones; /* a zone a leaf */
};

/* What is known before the first row (platform_ways.c); @return false: no memory */

/** GPUs by the name of their node and their index; and the port of each. */
bool ms_write_order(struct ms_writer *w);
/** The trunks of each hub. */
bool ms_write_index(struct ms_writer *w);
/** How far leaves are apart, and whether each domain hangs on one leaf: pads and zones follow. */
bool ms_write_measure(struct ms_writer *w);

int ms_write_other_end(const struct ms_writer *w, int trunk, int hub);
/** Fewest trunks from one hub to all: far[h], and the trunk by which h is reached. queue:
 * [n_hubs] */
void ms_write_search(const struct ms_writer *w, int from, int *far, int *by, int *queue);

/* Rows and names (platform_rows.c) */

/** "leaf3", "spine0", "level4_1" */
void ms_write_hub_name(const struct ms_writer *w, int hub, char *out, size_t size);
/** "leaf_3" into the hub above, "peer_2_5" beside. */
void ms_write_trunk_name(const struct ms_writer *w, int trunk, char *out, size_t size);
void ms_write_gpu_id(struct ms_writer *w, int gpu);
/** Is its NVLink at a switch? */
bool ms_write_has_nvlink(const struct ms_writer *w, int gpu);
/** A link from GPU to GPU: its rate, 0 none. */
double ms_write_mesh_Bps(const struct ms_writer *w, int a, int b);
/** The opening, down to the outermost zone and what it says of the fabric. */
void ms_write_top(struct ms_writer *w, const char *routing, const char *command);
void ms_write_host(struct ms_writer *w, const char *in, int gpu);
void ms_write_port(struct ms_writer *w, int port);
void ms_write_nvlink(struct ms_writer *w, int gpu);
void ms_write_trunks(struct ms_writer *w);
/** The links of a GPU with those that have a higher number. gpu: [n] those of its zone, or all */
void ms_write_mesh(struct ms_writer *w, int a, const int *gpu, int n);
void ms_write_mesh_ctn(struct ms_writer *w, int a, int b);
/** Pads in a route, and as links. Each NVSwitch and each leaf has pads of its own: a link that
 * all share would join them all. */
void ms_write_pads(struct ms_writer *w, const char *kind, int number, int n);
void ms_write_pad_links(struct ms_writer *w, const char *kind, int number, int n);

/* The two forms, behind the top and before the end. */

void ms_write_flat(struct ms_writer *w, const char *command);  /**< platform_flat.c */
void ms_write_zones(struct ms_writer *w, const char *command); /**< platform_zones.c */

#endif
