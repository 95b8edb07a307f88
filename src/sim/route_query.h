/** @file route_query.h  The routes SimGrid makes of a platform file, asked in a forked child.
 *
 *  SimGrid loads one platform a process, aborts on what it dislikes, and answers about routes
 *  only from inside an actor: so a child loads the file, asks, and writes the answers through a
 *  pipe; the parent only loads the library. The answer counts only when it came whole. Give it
 *  files that ms_platform_read accepted. Where a rule says the routes (cluster/route_rule.h) SimGrid is
 *  asked for a sample, and for all where that is not the rule's. */
#ifndef MS_SIM_ROUTE_QUERY_H
#define MS_SIM_ROUTE_QUERY_H

#include "cluster/platform.h"

struct ms_route_pair {
    int src, dst; /**< hosts of the platform, in its order; src != dst */
};

struct ms_route_link {
    const char *name;
    double bandwidth_Bps, latency_s;
    bool shared; /**< false: FATPIPE */
};

/** Owned by the arena. */
struct ms_route_query {
    struct ms_arena arena;
    size_t n_pairs;
    const int *first;        /**< [n_pairs + 1] into link_of */
    const int *link_of;      /**< links of each route in order, numbers in `link` */
    const double *latency_s; /**< [n_pairs] */
    int n_links;
    struct ms_route_link *link; /**< all links there are, or those of one route; in name order */
};

/** Ask for the routes of n pairs. @param out zeroed on entry, owned by the caller on MS_OK
 *  @return MS_OK; MS_INTERNAL with SimGrid's last words when the child died, hung (60 s) or said
 *  half; MS_NOMEM */
enum ms_status ms_route_query_ask(const struct ms_platform *p, const struct ms_route_pair *pair,
                                  size_t n, struct ms_route_query *out, struct ms_err *err);
void ms_route_query_finish(struct ms_route_query *p);

#endif
