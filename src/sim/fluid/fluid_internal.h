/** @file fluid_internal.h  The fluid solver as a whole; for fluid_*.c only.
 *
 *  The network is reduced once to the links that can bind (fluid_net.c) and falls into components
 *  that share none of them (fluid_comp.h). A component has its own rates, quantum and next step, so
 *  what happens in one costs nothing in the others.
 *
 *  Functions that return bool say false when memory ran out. */
#ifndef MS_SIM_FLUID_INTERNAL_H
#define MS_SIM_FLUID_INTERNAL_H

#include "base/heap.h"
#include "sim/fluid/fluid_comp.h"

struct ms_fluid_sink {
    double last_s;  /**< latest end so far of flows that are off the books */
    double tent_s;  /**< latest among the `tent`; INFINITY: to be looked up when it is needed */
    double ready_s; /**< when it is complete, as things stand; INFINITY: not known */
    uint64_t tag;
    uint32_t left;  /**< flows not off the books, those not added yet included */
    uint32_t tent;  /**< of these, in some component's `ending` */
    uint32_t chain; /**< trace of the flow that ended at last_s */
    bool delivered;
};

/** Flows that start together. */
struct ms_fluid_run {
    uint32_t first, n; /**< of wait[]; an unused run: first is the next unused one */
};

struct ms_fluid_change {
    double capacity_Bps;
    uint32_t link; /**< an unused change: the next unused one */
};

/** Of a trace chain, newest first. */
struct ms_fluid_node {
    double from_s;
    uint32_t link, prev;
};

/** Routes as one array of links: route i crosses hop[off[i]] to hop[off[i + 1] - 1]. */
struct ms_fluid_routes {
    const uint32_t *hop;
    const uint64_t *off; /**< [n + 1] */
    size_t n;
    uint64_t *winding; /**< [winding_cap] bits: it crosses a shared link twice */
    size_t winding_cap;
};

struct ms_fluid {
    /* the network */
    size_t n_links;
    double *capacity;
    uint8_t *fat, *kept; /**< kept: can bind */
    uint32_t *comp_of, *local_of;
    double *carried; /**< units of all flows started so far */
    uint8_t *twice;  /**< crossed twice by some route */
    struct ms_fluid_routes own, lent;
    uint32_t *hop; /**< of its own */
    uint64_t *off;
    size_t hop_cap, off_cap;
    size_t n_prepared; /**< routes the reduction knows, lent ones included */
    bool capacity_changed;
    uint32_t (*tie)[2];             /**< routes whose links are of one component */
    size_t n_ties, tie_cap, n_tied; /**< tied: those the components know */
    uint32_t *tied_up; /**< [n_links] union-find: the first links of routes tied, or NULL */
    uint32_t *scratch; /**< links of the route at hand */
    size_t scratch_cap;
    /* flows */
    struct ms_fluid_comp *comp;
    uint32_t n_comps;
    struct ms_heap steps; /**< components by end_s */
    uint32_t *dirty;      /**< components to be solved */
    uint32_t n_dirty;
    struct ms_fluid_block *block;
    struct ms_fluid_wait *wait;
    size_t n_waits, wait_cap, n_waiting;
    struct ms_heap runs, changes; /**< numbers of run[] and change[] by time, then by seq */
    struct ms_fluid_run *run;
    size_t run_cap;
    uint32_t *due, *sorted, *due_link; /**< scratch: flows that start now, of wait[] */
    size_t due_cap, sorted_cap, due_link_cap;
    struct ms_fluid_change *change;
    size_t change_cap;
    uint32_t n_runs, free_run, n_changes, free_change;
    uint64_t seq, n_live;
    /* sinks */
    struct ms_fluid_sink *sink;
    uint32_t n_sinks, n_free;
    uint32_t *free_sink;
    size_t sink_cap, free_cap;
    struct ms_heap ready; /**< sinks by ready_s; stale entries are skipped */
    struct ms_fluid_event *event;
    size_t n_events, event_cap;
    /* trace */
    bool tracing;
    struct ms_fluid_node *node;
    uint32_t n_nodes, free_node;
    size_t node_cap;
    struct ms_fluid_span *span;
    size_t n_spans, span_cap;
    size_t *span_off; /**< [n_events+1] */
    size_t span_off_cap;

    void (*beat)(void *ctx, uint64_t n_left); /**< told after every solve; NULL: nobody */
    void *beat_ctx;

    bool no_memory; /**< ran out once: everything but destroying says so */
    double now_s, quantum_s;
    double ramp_epoch_s, ramp_share;
    struct ms_pool *pool;
    struct ms_fluid_stats stats;
};

/** The links of a route: [link, end). */
struct ms_fluid_hops {
    const uint32_t *link, *end;
};

static inline const struct ms_fluid_routes *ms_fluid_routes_of(const struct ms_fluid *f,
                                                               uint32_t route)
{
    return route & MS_FLUID_LENT ? &f->lent : &f->own;
}
static inline struct ms_fluid_hops ms_fluid_hops(const struct ms_fluid *f, uint32_t route)
{
    const struct ms_fluid_routes *t = ms_fluid_routes_of(f, route);
    const uint64_t *off = t->off + (route & ~MS_FLUID_LENT);
    return (struct ms_fluid_hops){t->hop + off[0], t->hop + off[1]};
}
static inline bool ms_fluid_is_route(const struct ms_fluid *f, uint32_t route)
{
    return (route & ~MS_FLUID_LENT) < ms_fluid_routes_of(f, route)->n;
}
static inline bool ms_fluid_winds(const struct ms_fluid *f, uint32_t route)
{
    uint32_t i = route & ~MS_FLUID_LENT;
    return ms_fluid_routes_of(f, route)->winding[i / 64] >> (i % 64) & 1;
}

/** All routes there are: number 0..ms_fluid_n_routes - 1, and each one's name. */
static inline size_t ms_fluid_n_routes(const struct ms_fluid *f)
{
    return f->lent.n + f->own.n;
}
static inline uint32_t ms_fluid_route_of(const struct ms_fluid *f, size_t number)
{
    return (uint32_t)(number < f->lent.n ? MS_FLUID_LENT + number : number - f->lent.n);
}

/* fluid.c */
/** From now on the solver is good for destroying only. */
enum ms_status ms_fluid_no_memory(struct ms_fluid *f, struct ms_err *err);

/* fluid_routes.c */
void ms_fluid_routes_finish(struct ms_fluid *f);

/* fluid_net.c */
/** By capacity, then number. */
bool ms_fluid_smaller(const struct ms_fluid *f, uint32_t a, uint32_t b);
/** kept[]. */
bool ms_fluid_net_reduce(struct ms_fluid *f);

/* fluid_more.c */
/** Is a flow more than one route at weight 1 and two sinks? */
bool ms_fluid_more_needed(const struct ms_fluid *f, const struct ms_fluid_flow *flow);
/** A block for those of the flows that are more; *out NULL where there are none. */
bool ms_fluid_more_make(struct ms_fluid *f, const struct ms_fluid_flow *flows, size_t n,
                        struct ms_fluid_block **out);
void ms_fluid_more_drop(struct ms_fluid_more *more);
void ms_fluid_more_finish(struct ms_fluid *f);

/* fluid_split.c */
/** Find the links that can bind and the components anew, if routes, capacities or ties changed;
 *  moves all flows over. */
bool ms_fluid_net_prepare(struct ms_fluid *f);
/** Make one component of what two routes use. */
bool ms_fluid_tie_pair(struct ms_fluid *f, uint32_t a, uint32_t b);
/** A shared link that can bind on a route; MS_FLUID_NONE. */
uint32_t ms_fluid_net_first(const struct ms_fluid *f, uint32_t route);
/** The component and, into f->scratch, its links on a route. @return their number; 0: nothing
 *  limits the flow */
uint32_t ms_fluid_net_links(struct ms_fluid *f, uint32_t route, uint32_t *comp);

/* fluid_wait.c */
struct ms_fluid_change ms_fluid_pop_change(struct ms_fluid *f);
struct ms_fluid_run ms_fluid_pop_run(struct ms_fluid *f);

/* fluid_start.c */
/** Bring a flow into its component; left, hops, chain as in ms_fluid_weighted_add. *comp: out, its
 *  component; MS_FLUID_NONE: nothing limits it, and it is in none. */
bool ms_fluid_place(struct ms_fluid *f, const struct ms_fluid_wait *flow, double left, uint8_t hops,
                    uint32_t chain, uint32_t *comp);
/** Start the flows of all runs that are due. */
bool ms_fluid_start_due(struct ms_fluid *f);
/** What a flow adds to the links' books, times `sign`: bytes[0] over the first hop, bytes[1] over
 *  the second. */
void ms_fluid_carry(const struct ms_fluid *f, const struct ms_fluid_wait *flow, const double *bytes,
                    double sign, double *carried);

/* fluid_step.c */
/** Stop a component at at_s <= end_s: what ended ends, the rest is settled there; rates are to be
 *  computed. */
void ms_fluid_cut(struct ms_fluid *f, uint32_t comp, double at_s);
void ms_fluid_mark_dirty(struct ms_fluid *f, uint32_t comp);

/* fluid_sink.c */
bool ms_fluid_sink_tentative(struct ms_fluid *f, const struct ms_fluid_comp *c);
/** Flows of c that end by at_s are off the books, the others go on. */
void ms_fluid_sink_apply(struct ms_fluid *f, struct ms_fluid_comp *c, double at_s);
void ms_fluid_sink_end(struct ms_fluid *f, uint32_t sink, double at_s, uint32_t chain);
bool ms_fluid_sink_check(struct ms_fluid *f, uint32_t sink);
/** Time of the earliest complete sink; INFINITY. */
double ms_fluid_sink_next(struct ms_fluid *f);
/** Hand out the sinks complete by at_s as events. */
bool ms_fluid_sink_deliver(struct ms_fluid *f, double at_s);

/* fluid_trace.c */
bool ms_fluid_trace_note(struct ms_fluid *f, struct ms_fluid_comp *c);
/** The chain of a flow that no link limited. */
bool ms_fluid_trace_none(struct ms_fluid *f, uint32_t *chain);
void ms_fluid_trace_drop(struct ms_fluid *f, uint32_t chain);
uint32_t ms_fluid_trace_copy(struct ms_fluid *f, uint32_t chain);
bool ms_fluid_trace_event(struct ms_fluid *f, uint32_t chain, double finish_s);

#endif
