/** @file route_ruled.h  Routes by the rule of a generated platform (cluster/route_rule.h), for the
 *  ranks of a simulation and in the numbers of its links; and the sample by which SimGrid is asked
 *  whether it has the same. */
#ifndef MS_SIM_ROUTE_RULED_H
#define MS_SIM_ROUTE_RULED_H

#include "cluster/route_rule.h"
#include "sim/route_table.h"

/** Zero: there is no rule, SimGrid is asked. */
struct ms_ruled_routes {
    const struct ms_route_rule *rule;
    const struct ms_platform *platform;
    int *gpu;             /**< [R] what the rule calls each rank's host */
    const uint32_t *link; /**< [links of the platform file] the simulation's number of each */
    uint32_t *scratch;    /**< one route in the file's numbers */
};

/** Set up, where the platform has a rule.
 *  @param host [n_hosts] host of the platform of each rank
 *  @param link [links of the platform file] the simulation's numbers of them; borrowed
 *  @return MS_OK, MS_NOMEM */
enum ms_status ms_ruled_init(struct ms_ruled_routes *out, const struct ms_platform *p,
                             const int *host, int n_hosts, const uint32_t *link,
                             struct ms_arena *arena, struct ms_err *err);
/** The links of the route from rank src to rank dst (of all ranks, src != dst) into out->links, all of
 *  them or none: n > max_links, call again with a longer one. Latency and bandwidth are the caller's. */
void ms_ruled_links(const struct ms_ruled_routes *r, int src, int dst, struct ms_route *out);

/** Hosts between which SimGrid's routes are compared with the rule's, every way: neighbours, at even
 *  distances over the platform. */
enum { MS_RULE_SAMPLE = 16 };
/** @return how many: MS_RULE_SAMPLE, or all there are */
int ms_rule_sample(const struct ms_platform *p, int *host);
/** Does the rule say the same links? SimGrid's Dijkstra zones list the links of one hop the other way
 *  round, so order is not looked at.
 *  @param src, dst hosts of the platform  @param name [n] the links that SimGrid has; sorted here */
bool ms_rule_agrees(const struct ms_platform *p, int src, int dst, const char **name, int n);

#endif
