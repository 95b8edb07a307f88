/** @file wiring.h  The physical graph behind a platform's routes.
 *
 * A file names links and routes, not who is plugged into whom. Where a route goes from one link to
 * the next, the end of the one and the start of the other are the same place: joining these
 * (union-find) gives the switches, spines included that no <router> stands for. Vertices and edges
 * count from 0. */
#ifndef MS_CLUSTER_WIRING_H
#define MS_CLUSTER_WIRING_H

#include "base/arena.h"
#include "cluster/platform.h"

enum ms_place { MS_PLACE_HOST, MS_PLACE_NVSWITCH, MS_PLACE_SWITCH };

struct ms_wiring_vertex {
    enum ms_place place;
    int host;         /**< of hosts: number in the platform; else -1 */
    int node;         /**< of hosts and NVSwitches, -1 unknown */
    int tier;         /**< 0 hosts and NVSwitches, 1 next to hosts, 2 next to those … */
    const char *name; /**< of a router in the file, else NULL */
};

struct ms_wiring_edge {
    int a, b; /**< vertices, a nearer to the hosts */
    double bandwidth_Bps;
    int cables;  /**< 0 unknown */
    int link;    /**< in the platform: the UP direction */
    int sharers; /**< hosts that share the link (a NIC of several GPUs): an edge each; else 1 */
};

struct ms_wiring {
    struct ms_arena arena;
    struct ms_wiring_vertex *vertex;
    struct ms_wiring_edge *edge; /**< both directions of a link once; FATPIPE links left out */
    int n_vertices, n_edges, n_tiers;
};

/** @return MS_OK; MS_INFEASIBLE when the file's links are not all known; MS_NOMEM */
enum ms_status ms_wiring_find(const struct ms_platform *p, struct ms_wiring *out,
                              struct ms_err *err);
void ms_wiring_finish(struct ms_wiring *w);

#endif
