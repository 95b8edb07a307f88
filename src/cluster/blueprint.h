/** @file blueprint.h  A cluster as the generator sees it, before it becomes XML: GPUs, edge
 * switches, trunks, routes.
 *
 * A *trunk* is a bundle of equal cables between two tiers, both directions; up leads away from the
 * GPU that owns it. With --multipath spray it is one link of the summed rate, which is exact for
 * packets sprayed evenly over equal cables; with dmodk and ecmp each cable is a link of its own and
 * a pair of GPUs uses one of them. GPUs, nodes, edges, trunks and cables count from 0; GPU g is GPU
 * g % M of node g / M. */
#ifndef MS_CLUSTER_BLUEPRINT_H
#define MS_CLUSTER_BLUEPRINT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/file.h"
#include "cluster/platform.h"

enum ms_multipath { MS_MULTIPATH_SPRAY, MS_MULTIPATH_DMODK, MS_MULTIPATH_ECMP };

/** Everything `platform generate` can be told. 0 in a count means: the topology decides (its help
 * says how). */
struct ms_topology_params {
    int64_t nodes, gpus_per_node;
    int64_t nics_per_node; /**< 0: one a GPU */
    const char *nic_of;    /**< "0,0,1,1": the NIC of each GPU of a node; empty: shared evenly */
    double nic_bandwidth_Bps, nic_latency_s, nvlink_bandwidth_Bps, nvlink_latency_s;
    double cable_bandwidth_Bps; /**< one switch-to-switch cable; 0: as the NIC's */
    double trunk_latency_s;
    double link_latency_s; /**< >= 0: NIC and trunk latency both */
    double gpu_speed_flops;
    bool no_nvlink;
    const char *hardware; /**< profile named in the file; "none" or NULL: none */
    int multipath;        /**< enum ms_multipath */
    int64_t seed;
    int64_t switch_ports;
    double oversubscription;
    int64_t nodes_per_leaf, levels, leaves_per_pod, planes;
    int64_t leaves_per_group, local_cables, global_cables;
    const char *dims;
    int cross_rail; /**< 0 spine, 1 nvlink */
};

struct ms_trunk {
    char name[40];
    int cables;
};

/** One trunk of a route. The cable must equal the one before it modulo `modulo` (1: free): an
 * uplink decides the spine, and only that spine's cables lead on. */
struct ms_route_hop {
    int trunk;
    bool down;
    int modulo;
};

enum { MS_MAX_ROUTE_HOPS = 128 };

struct ms_blueprint {
    const struct ms_topology_params *p;
    struct ms_arena *arena;
    int n_gpus, M;          /**< M GPUs a node */
    int N, *nic;            /**< N NICs a node; [M] the NIC of each of its GPUs */
    bool shared_nics;       /**< some NIC serves several GPUs */
    int n_edges;            /**< edge switches; each GPU's NIC is in one */
    int *edge;              /**< [n_gpus] */
    struct ms_trunk *trunk; /**< [n_trunks] */
    int n_trunks, cap_trunks;
    int *hub; /**< [n_edges] of rails: where edge e's trunk e leads, -1 nowhere */
    int n_hubs;
    int n_switches, n_cables, planes; /**< a cable of a P-plane fabric has 1/P of the NIC's rate */
    enum ms_transit transit;
    bool ports_are_trunks; /**< no NIC cable: a node's NIC ports are its trunks' ends */
    bool mirrored;         /**< the way back is the way there, turned around */
    bool rails;            /**< GPUs of one node have different edges */
    bool nvlink_only;      /**< no NIC at all */
    void *own;             /**< the topology's */
    /** Trunks from edge a to edge b (a != b) into out. @return how many, -1 when the fabric does
     * not join them */
    int (*route)(const struct ms_blueprint *f, int a, int b, struct ms_route_hop *out);
};

/** A trunk named by format. @return its number; the fabric's arena holds it; -1: no memory */
int ms_blueprint_trunk(struct ms_blueprint *f, int cables, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/** All links from GPU a to GPU b (a != b), as SimGrid will name them ("nic_0_UP"), the zero-latency
 * padding left out. The generator's own truth, against which routes are tested. names: at least
 * MS_MAX_ROUTE_HOPS + 8 rows.
 * @return how many */
typedef char ms_link_name[56];
/** The number of a GPU's NIC among all. */
int ms_blueprint_nic(const struct ms_blueprint *f, int gpu);
int ms_blueprint_links(const struct ms_blueprint *f, int a, int b, ms_link_name *names);

/** Takes a file piece by piece, whole rows each. @return false: the rest is not wanted */
struct ms_text_sink {
    bool (*take)(void *ctx, const char *text, size_t n);
    void *ctx;
};

/** The platform file. @return MS_OK, MS_NOMEM, MS_INFEASIBLE when the file would be too large */
enum ms_status ms_blueprint_write(const struct ms_blueprint *f, const char *topology,
                                  const char *command, const struct ms_text_sink *sink,
                                  struct ms_err *err);

#endif
