/** @file route_table.h  The routes of the pairs that are used, stored once and compactly.
 *
 *  A pair is asked for the first time it is needed (`fetch`: SimGrid from inside an actor, or a
 *  table in tests) and kept. Pairs are ranks of one group; links count from 0. */
#ifndef MS_SIM_ROUTE_TABLE_H
#define MS_SIM_ROUTE_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/** One route, filled by fetch. */
struct ms_route {
    uint32_t *links; /**< [max_links], n of them filled */
    size_t n, max_links;
    double latency_s;     /**< sum over the links */
    double bandwidth_Bps; /**< the least of them; INFINITY without links */
};

/** What many routes share. */
struct ms_route_shape {
    double latency_s, bandwidth_Bps;
};

struct ms_route_table {
    int n_groups, n_ranks; /**< ranks of a group */
    /** Fill `out` for rank src -> dst of a group. n > max_links on return: called again with
     *  a longer one. */
    enum ms_status (*fetch)(void *ctx, int group, int src, int dst, struct ms_route *out,
                            struct ms_err *err);
    void *ctx;
    uint32_t *pair; /**< [groups][G][G] 1 + route, 0 = not asked for yet */
    uint32_t n_routes, route_cap;
    uint64_t *first; /**< [n_routes + 1] */
    uint32_t *shape; /**< [n_routes] */
    uint32_t *link;  /**< the links, route by route */
    size_t n_link, link_cap;
    struct ms_route_shape *shapes;
    uint32_t n_shapes, shape_cap;
    struct ms_route scratch;
};

/** Pairs only; no route is asked for. @return MS_OK or MS_NOMEM; finish frees */
enum ms_status ms_route_table_init(struct ms_route_table *r, int n_groups, int n_ranks,
                                   struct ms_err *err);
void ms_route_table_finish(struct ms_route_table *r);
/** The number of the route src -> dst, src != dst. @return MS_OK, or what fetch says, or
 *  MS_NOMEM */
enum ms_status ms_route_table_get(struct ms_route_table *r, int group, int src, int dst,
                                  uint32_t *route, struct ms_err *err);

/** The way back of every pair of a group that is known, source by source. @return as the one above */
enum ms_status ms_route_table_return(struct ms_route_table *r, int group, struct ms_err *err);

/** Was the pair asked for before? */
static inline bool ms_route_table_has(const struct ms_route_table *r, int group, uint32_t src,
                                      uint32_t dst)
{
    size_t n = (size_t)r->n_ranks;
    return r->pair[((size_t)group * n + src) * n + dst] != 0;
}
/** A pair's route is going to be asked for: into the cache. */
static inline void ms_route_table_fetch(const struct ms_route_table *r, int group, uint32_t src,
                                        uint32_t dst)
{
    size_t n = (size_t)r->n_ranks;
    __builtin_prefetch(&r->pair[((size_t)group * n + src) * n + dst]);
}
/** The route of a pair that was asked for before. */
static inline uint32_t ms_route_table_known(const struct ms_route_table *r, int group, uint32_t src,
                                            uint32_t dst)
{
    size_t n = (size_t)r->n_ranks;
    return r->pair[((size_t)group * n + src) * n + dst] - 1;
}
static inline struct ms_route_shape ms_route_table_shape(const struct ms_route_table *r,
                                                         uint32_t route)
{
    return r->shapes[r->shape[route]];
}

#endif
