/** @file leg_plan.h  The plan of one leg (a dispatch or a combine): which flows, and what each
 *  waits for.
 *
 *  A plan is a graph of *flows* and *joins*. A flow moves bytes from one rank to another over
 *  one route (one physical hop). A join is a moment: it fires when everything it needs has
 *  happened, at the latest time among them. A flow starts when its `gate` join fires (plus its
 *  route's latency, which the transport adds) and counts down its `end` join when its last byte
 *  has arrived. An edge fires one join a fixed delay after another. So every algorithm is data:
 *
 *        join r          rank r has entered the leg (after its start-up time), 0 <= r < G
 *        join G + r      all bytes *for* rank r have arrived, and r has entered: its leg is over
 *        join 2G ...     whatever the algorithm needs between them
 *
 *  Windows: a rank's queue is a list of joins; its entry releases the first `window` of them,
 *  and each time a join that holds one of its slots fires, the next. The plan knows no clock, no
 *  link and no SimGrid; exec.h runs it.
 *
 *  Ranks are those of one expert-parallel group, 0..G-1. Bytes are payload on the wire of that
 *  hop; seconds. */
#ifndef MS_SIM_LEG_PLAN_H
#define MS_SIM_LEG_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/** No join. */
#define MS_LEG_NONE UINT32_MAX

/** Build: init, then joins, flows, edges, queues in any order, then close. A plan may be reset
 *  and built again: its memory is kept. Out of memory while building is remembered and told by
 *  close. */
struct ms_leg {
    int n_ranks;
    uint32_t n_flows, n_joins, n_edges, n_queued;

    /* flows: structure of arrays; after close in the order of their gates */
    uint32_t *src, *dst; /**< [n_flows] */
    uint32_t *end;       /**< [n_flows] join that counts it */
    uint32_t *messages;  /**< [n_flows] messages it stands for (message gap) */
    double *bytes;       /**< [n_flows] > 0 */
    uint32_t *gate;      /**< [n_flows] */

    /* joins; valid after close */
    uint32_t *need; /**< [n_joins] edges in + entry or queue slot + 1 where flows end in it */
    uint32_t *ends; /**< [n_joins] flows that end in it; all have the same dst */
    /** [n_joins + 1] flows of gate j: gate_first[j] .. gate_first[j + 1] - 1, all of one src */
    uint32_t *gate_first;
    uint32_t *edge_first;          /**< [n_joins + 1] */
    uint32_t *edge_from, *edge_to; /**< [n_edges], after close in the order of edge_from */
    double *edge_delay_s;          /**< [n_edges] >= 0 */

    /* windows */
    uint32_t window;       /**< slots a rank; 0 = no queues */
    uint32_t *queue;       /**< [n_queued] joins, after close rank by rank in the order added */
    uint32_t *queue_rank;  /**< [n_queued] */
    uint32_t *queue_first; /**< [G + 1] */
    uint32_t *slot; /**< [n_joins] 1 + the rank whose slot it frees when it fires, 0 = none */

    /** [G] bytes for each rank itself, as the algorithm states them (for the conservation check) */
    double *delivered;
    double total_bytes; /**< over all flows: payload per hop */

    uint32_t flow_cap, join_cap, edge_cap, queue_cap;
    uint32_t index_cap, rank_cap; /**< sizes of the arrays made by close */
    bool failed;
};

/** Start an empty plan with joins 0..2G-1 and an edge entry -> complete for every rank. The plan
 *  may hold an older one. */
void ms_leg_init(struct ms_leg *leg, int n_ranks);
void ms_leg_finish(struct ms_leg *leg);
/** Take memory at once for plans that know their size. */
void ms_leg_reserve(struct ms_leg *leg, size_t n_flows, size_t n_joins, size_t n_edges);

static inline uint32_t ms_leg_entry(int rank)
{
    return (uint32_t)rank;
}
static inline uint32_t ms_leg_complete(const struct ms_leg *leg, int rank)
{
    return (uint32_t)(leg->n_ranks + rank);
}

/** A new join that fires when everything added to it later has happened. */
uint32_t ms_leg_join(struct ms_leg *leg);
/** to fires at the earliest delay_s after from. */
void ms_leg_edge(struct ms_leg *leg, uint32_t from, uint32_t to, double delay_s);
/** A flow of bytes > 0 from src to dst, src != dst. `delivered` of its bytes are for dst itself
 *  (0: all are forwarded). */
void ms_leg_flow(struct ms_leg *leg, uint32_t gate, int src, int dst, double bytes,
                 uint32_t messages, double delivered, uint32_t end);
/** Queue join `start` on rank's window; when `done` fires, the slot is free again. */
void ms_leg_queue(struct ms_leg *leg, int rank, uint32_t start, uint32_t done);

/** Sort by gate, count, index. @return MS_OK; MS_NOMEM; MS_INTERNAL for a flow or edge that
 *  cannot be (an algorithm's mistake: a self-send, bytes that are not positive and finite, a
 *  join that nothing fires) */
enum ms_status ms_leg_close(struct ms_leg *leg, struct ms_err *err);

#endif
