/** @file route_ruled.h  Routes by the rule of a generated platform (cluster/route_rule.h), for the
 *  ranks of a simulation and in the numbers of SimGrid's links. */
#ifndef MS_SIM_ROUTE_RULED_H
#define MS_SIM_ROUTE_RULED_H

#include "cluster/route_rule.h"
#include "sim/route_table.h"

/** Zero: there is no rule, SimGrid is asked. */
struct ms_ruled_routes {
    const struct ms_route_rule *rule;
    int *gpu;          /**< [R] what the rule calls each rank's host */
    uint32_t *link;    /**< [links of the platform file] SimGrid's number of each */
    uint32_t *scratch; /**< one route in the file's numbers */
};

/** Set up, where the platform has a rule.
 *  @param host [n_hosts] host of the platform of each rank
 *  @param link_name [n_links] SimGrid's links in name order
 *  @return MS_OK (then out->rule may still be NULL); MS_NOMEM */
enum ms_status ms_ruled_init(struct ms_ruled_routes *out, const struct ms_platform *p,
                             const int *host, int n_hosts, const char *const *link_name,
                             int n_links, struct ms_arena *arena, struct ms_err *err);
/** The links of the route from rank src to rank dst (of all ranks, src != dst) into out->links, all of
 *  them or none: n > max_links, call again with a longer one. Latency and bandwidth are the caller's. */
void ms_ruled_links(const struct ms_ruled_routes *r, int src, int dst, struct ms_route *out);

#endif
