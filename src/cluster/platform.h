/** @file platform.h  A SimGrid platform file, read and checked without SimGrid.
 *
 * SimGrid aborts, exits or goes on silently when it meets a bad file, so every file is read here
 * first, with libxml2, and only a file without errors may be given to SimGrid. This header decides
 * what a good platform is: well-formed XML without tricks (entities, DTDs of its own, CDATA), known
 * elements and attributes in the order SimGrid wants, quantities with units, finite and positive,
 * names that resolve and are unique, every pair of hosts connected, radicals and topo_parameters
 * that fit, other files only inside the platform's folder, no `<config>` outside a short list. It
 * never asks for a route (sim/probe.h does) and never writes.
 *
 * Hosts, nodes and links count from 0. Hosts are in natural name order (n2 before n10): that is the
 * order of ranks. Rates in bytes per second, times in seconds. */
#ifndef MS_CLUSTER_PLATFORM_H
#define MS_CLUSTER_PLATFORM_H

#include <stdbool.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/file.h"
#include "base/hash.h"

/** Whether routes may pass through a third host: the zone property `transit`. */
enum ms_transit {
    /** never (no property, or "none") */
    MS_TRANSIT_NONE,
    /** "nvlink": cross-rail traffic hops over a local GPU, for every exchange */
    MS_TRANSIT_NVLINK,
    /** "pxn": the fabric does not join the rails; a direct exchange needs exchange.forwarding */
    MS_TRANSIT_PXN,
};

enum ms_link_policy {
    /** flows share its bandwidth; each direction of a SPLITDUPLEX link is one of these */
    MS_LINK_SHARED,
    MS_LINK_FATPIPE, /**< every flow may have all of it */
};

/** One direction of one link, as SimGrid names it: "nic_3_UP" and "nic_3_DOWN" for a SPLITDUPLEX
 * link "nic_3". */
struct ms_platform_link {
    const char *name;
    double bandwidth_Bps, latency_s;
    enum ms_link_policy policy;
    /** physical cables it stands for: the link property `cables`; 0 where it says nothing */
    int cables;
};

/** The hosts a link ends and starts at, as the routes show: the one plugged into it, or the two of a
 * cable between hosts. -1: none; [0] = -2: more than two, so none in particular. */
struct ms_link_ends {
    int into[2], out_of[2];
};

struct ms_platform_prop {
    const char *key, *value;
};

/** What a profile file changes, each "TIME VALUE" line from its time on. */
enum ms_profile_kind {
    MS_PROFILE_BANDWIDTH,  /**< of a link, bytes/s */
    MS_PROFILE_LINK_STATE, /**< 0: off */
    MS_PROFILE_HOST_STATE,
};

struct ms_profile_event {
    double at_s, value;
};

/** A profile file of one link or host. SimGrid applies it to both directions of a SPLITDUPLEX link. */
struct ms_platform_profile {
    enum ms_profile_kind kind;
    const char *element; /**< as the file names it: "nic_3" of "nic_3_UP" and "nic_3_DOWN" */
    int line;            /**< of the element in the platform file */
    int n;
    struct ms_profile_event *event; /**< [n], times rising */
    /** after the last event all come again, as much later (LOOPAFTER); 0: never */
    double repeat_s;
    bool period; /**< it was written as PERIODICITY, from the first time 0 to the next */
};

struct ms_graph;
struct ms_route_rule;

/** Owned by the platform as a whole; copying the struct moves it. Zero-initialise; finish frees. */
struct ms_platform {
    struct ms_arena arena;
    const char *path;    /**< as given */
    const char *name;    /**< the file's stem: rail-8x8 */
    struct ms_hash hash; /**< of the file's bytes and of every file it refers to */
    /** what SimGrid loads in its place, where the file holds what is read over; empty: the file */
    struct ms_buf copy;
    size_t n_unjoined; /**< pairs of hosts and zones without a route */

    int n_hosts;            /**< at least 1 */
    int n_hosts_in_file;    /**< before ms_platform_select */
    size_t n_bytes;         /**< of the file */
    const char **host_name; /**< [n_hosts] */
    double *host_speed;     /**< [n_hosts] flop/s */
    /** [n_hosts] node of each host; -1 for all where the file has no `node` property */
    int *host_node;
    int *host_local;        /**< [n_hosts] index within its node, -1 likewise */
    int n_nodes;            /**< 0 where the file has no `node` property */
    const char **node_name; /**< [n_nodes] in order of first appearance */
    int *node_size;         /**< [n_nodes] hosts of each */
    int gpus_per_node;      /**< when equal for every node, else 0 */

    int n_links; /**< those written in the file and those of <cluster topology="FLAT">, <cabinet>
                    and <peer>; the links of SimGrid's own torus, fat-tree and dragonfly clusters
                    are known to SimGrid only */
    struct ms_platform_link *link;
    struct ms_link_ends *link_ends; /**< [n_links] */
    bool links_complete;            /**< false where SimGrid makes links of its own */

    int n_profiles; /**< bandwidth_file and state_file, in the order of the file */
    struct ms_platform_profile *profile;

    int n_props; /**< of the top zone */
    struct ms_platform_prop *prop;
    enum ms_transit transit;
    /** property `planes`: equal planes each message is striped over; their rates are summed in each
     * link, which is exact as long as no plane fails. 1 without the property */
    int planes;
    const char *topology; /**< property `topology` (the generator's word), or NULL */
    int n_switches;       /**< property `switches`, -1 unknown */
    int n_cables;         /**< property `cables`, -1 unknown */

    /** points, hops and links (cluster/platform_check.h), for this room; owned here */
    struct ms_graph *graph;
    int *host_point; /**< [n_hosts] in graph */
    /** routes of a generated file (cluster/route_rule.h); NULL: only SimGrid knows them */
    const struct ms_route_rule *rule;
};

/** Read and check a file. Errors (at most 20 are kept) and warnings are added to errs with file and
 * line.
 * @param path a regular file of at most 256 MiB; "-" is refused
 * @param out zeroed on entry; filled on MS_OK, zero otherwise
 * @return MS_OK; MS_INVALID with at least one error in errs; MS_IO; MS_NOMEM */
enum ms_status ms_platform_read(const char *path, struct ms_platform *out, struct ms_errs *errs);
void ms_platform_finish(struct ms_platform *p);

/** Give nodes to a platform without `node` properties: hosts in order, gpus_per_node each.
 * @return MS_OK; MS_INVALID when the file has nodes already, or the hosts are no multiple */
enum ms_status ms_platform_group(struct ms_platform *p, int gpus_per_node, struct ms_err *err);

/** The value of a property of the top zone, or NULL. */
const char *ms_platform_prop(const struct ms_platform *p, const char *key);

/** Whether a pair of hosts has a route; false for the pairs that reading the file warned of. */
bool ms_platform_joined(const struct ms_platform *p, int src, int dst);

/** Arrays that selecting and grouping hosts change become p's own, in its arena: for a copy of the
 * struct that shares all else. @return MS_OK or MS_NOMEM */
enum ms_status ms_platform_own_hosts(struct ms_platform *p, struct ms_err *err);

/** Keep the hosts whose names match one of the shell wildcards; before ms_platform_group.
 * @return MS_OK; MS_INVALID when none does, or one pattern matches nothing; MS_NOMEM */
enum ms_status ms_platform_select(struct ms_platform *p, const char *const *pattern, size_t n,
                                  struct ms_err *err);

/** What a link is for, by its name: without numbers and direction ("nic_12_UP": "nic",
 * "local_0_1_UP": "local"). */
void ms_platform_link_kind(const char *link, char *out, size_t size);

/** The host where a route arrives by one link and leaves by another, other than its own two ends;
 * -1 none. */
int ms_platform_passes(const struct ms_platform *p, int arrives, int leaves, int src, int dst);

/** Whether SimGrid computes the paths in the zone of a host (Floyd, Dijkstra), so that hosts may
 * become way stations by accident; false where the author wrote every route (Full). */
bool ms_platform_computes_routes(const struct ms_platform *p, int host);

/** Links that could stand in for each other: same rate and policy, from the same router to routers
 * with the same neighbours (leaf 0 to each spine). twin[l] = the first link of l's group, itself
 * where it has no twin.
 * @param twin [n_links] @return MS_OK or MS_NOMEM */
enum ms_status ms_platform_twins(const struct ms_platform *p, int *twin);

/** What the fabric costs and carries; the columns of `platform show` and `compare`. */
struct ms_platform_cost {
    int n_switches; /**< -1 unknown */
    int n_cables;   /**< NVLink not counted; -1 unknown */
    /** max flow from the first half of the nodes (of the hosts, on a platform of one node) to the
     * second, over the file's links; -1 unknown (one host, or SimGrid's own links) */
    double bisection_Bps;
    double bisection_per_gpu_Bps; /**< divided by the hosts of the first half; -1 unknown */
};
/** @return MS_OK or MS_NOMEM */
enum ms_status ms_platform_cost(const struct ms_platform *p, struct ms_platform_cost *out,
                                struct ms_err *err);

#endif
