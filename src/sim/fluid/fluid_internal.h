/** @file fluid_internal.h  How the fluid solver keeps its flows; for fluid_*.c only.
 *
 *  The network is reduced once to the links that can bind (fluid_net.c) and falls into components
 *  that share none of them. A component has its own rates, quantum and next step, so what happens
 *  in one costs nothing in the others.
 *
 *  In a component links count from 0 (`m` of them; index m is a dummy that swallows what dead
 *  entries write). Flows that cross k of its links stand in bucket k as structure of arrays; each
 *  link has, per bucket, the list of its flows as "the other k-1 links of each", which is all that
 *  progressive filling reads (fluid_fill.c). Flows that ended stay as holes until an eighth is
 *  hollow. One pass over the flows (fluid_pass.c) takes off what the last rates served and finds
 *  the next ones to end at the new rates.
 *
 *  Functions that return bool say false when memory ran out. */
#ifndef MS_SIM_FLUID_INTERNAL_H
#define MS_SIM_FLUID_INTERNAL_H

#include "base/heap.h"
#include "sim/fluid/fluid.h"

#define MS_FLUID_NONE UINT32_MAX
/** Level of a link that limits nobody; finite, so that no NaN comes up. */
#define MS_FLUID_FREE_RATE 1e300

/** Flows of a component that cross k of its links. */
struct ms_fluid_bucket {
    uint32_t k;
    uint32_t n, cap;   /**< flows with holes; allocated */
    uint32_t dead;     /**< holes */
    uint32_t n_served; /**< the first ones, which ran at the rates that `serve` stands for */
    bool stale;        /**< lists (or bits) are to be made anew */
    bool dense;        /**< k = 2 only: bits instead of lists */
    uint32_t **link;   /**< [k][cap] */
    uint32_t **pos;    /**< [k][cap] place of the flow in that link's list; k = 1 has no lists */
    double *left;      /**< [cap] bytes at the last settling; INFINITY: a hole */
    uint32_t *sink;    /**< [cap] */
    uint32_t *route;   /**< [cap] */
    uint32_t *chain;   /**< [cap] newest span of the trace, or NULL */
    uint32_t *live;    /**< [m] flows that are no holes */
    uint32_t *at;      /**< [m] a link's list: its first entry, */
    uint32_t *len;     /**< [m] its entries, */
    uint32_t *space;   /**< [m] and how many it has space for */
    uint32_t *other;   /**< [entries][k-1] */
    uint32_t *owner;   /**< [entries] flow */
    uint32_t used;     /**< entries given to lists */
    size_t n_entries;  /**< allocated */
    uint64_t *bits; /**< [planes][m][words] dense: the other link of each flow; a plane more where
                          two flows have the same two links */
    uint32_t planes, words;
    uint32_t *lo, *hi; /**< [m] words of a row that can hold bits */
};

/** A flow that ends before the component's next step, if nothing comes in between. */
struct ms_fluid_ending {
    double finish_s;
    uint32_t k, flow, sink;
};

/** Scratch of progressive filling, in cache lines. */
struct ms_fluid_filling {
    double *rest;     /**< [64 x words] capacity not yet given out */
    double *key;      /**< [64 x words] levels */
    int32_t *crowd;   /**< [64 x words] flows not yet frozen */
    uint8_t *done;    /**< [m+1] */
    uint64_t *undone; /**< [words] the same in bits, turned over */
    uint32_t words;
    double reach; /**< how far above the least the front goes; kept from solve to solve */
};

/** Links that flows share, directly or through others, and their flows. */
struct ms_fluid_comp {
    uint32_t m;        /**< links */
    uint32_t m_shared; /**< the first ones are shared, the rest fatpipes in ascending order */
    uint32_t *global;  /**< [m] the network's link */
    double *capacity;  /**< [m] */
    uint8_t *fat;      /**< [m] */
    uint32_t *crowd;   /**< [m] live flows */
    double *level;     /**< [m+1] rate of the flows this link limits; of others more than any of its
                          flows has */
    double *serve;     /**< [m+1] bytes at that rate from solved_s to the settling */
    struct ms_fluid_filling fill;
    struct ms_fluid_bucket **by_k; /**< [k_max+1], NULL where empty so far */
    uint32_t k_max;
    uint64_t n_live;
    double busy_s;   /**< since when it has had flows */
    double solved_s; /**< when the rates were computed */
    double end_s;    /**< next step: when the bandwidth freed is handed out; INFINITY: never */
    bool dirty;      /**< settled at solved_s, rates to be computed */
    bool no_memory;  /**< the solve ran out of it */
    double *credit;  /**< [m+1] seconds, see ms_fluid_cut */
    bool crediting;
    double cut_s; /**< length of what `serve` stands for */
    bool serving; /**< `serve` still has to be taken off the flows */
    struct ms_fluid_ending *ending;
    size_t n_ending, ending_cap;
    double *cand_t; /**< [cand_cap] scratch of the pass: candidates, at the place of their chunk */
    uint32_t *cand_flow;
    size_t cand_cap;
};

struct ms_fluid_sink {
    double last_s;  /**< latest end so far of flows that are off the books */
    double tent_s;  /**< latest among the `tent` */
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

/** A flow that has not started. */
struct ms_fluid_wait {
    double bytes;
    uint32_t route, sink;
};

/** Of a trace chain, newest first. */
struct ms_fluid_node {
    double from_s;
    uint32_t link, prev;
};

struct ms_fluid {
    /* the network */
    size_t n_links;
    double *capacity;
    uint8_t *fat, *kept; /**< kept: can bind */
    uint32_t *comp_of, *local_of;
    double *carried; /**< bytes of all flows started so far */
    uint32_t *hop;   /**< routes, CSR */
    size_t *off;
    size_t n_routes, off_cap, hop_cap;
    size_t n_prepared; /**< routes the reduction knows */
    bool capacity_changed;
    uint32_t *scratch; /**< links of the route at hand */
    size_t scratch_cap;
    /* flows */
    struct ms_fluid_comp *comp;
    uint32_t n_comps;
    struct ms_heap steps; /**< components by end_s */
    uint32_t *dirty;      /**< components to be solved */
    uint32_t n_dirty;
    struct ms_fluid_wait *wait;
    size_t n_waits, wait_cap, n_waiting;
    struct ms_heap runs, changes; /**< numbers of run[] and change[] by time, then by seq */
    struct ms_fluid_run *run;
    size_t run_cap;
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

    bool no_memory; /**< ran out once: everything but destroying says so */
    double now_s, quantum_s;
    double ramp_epoch_s, ramp_share;
    struct ms_pool *pool;
    struct ms_fluid_stats stats;
};

/* fluid.c */
/** From now on the solver is good for destroying only. */
enum ms_status ms_fluid_no_memory(struct ms_fluid *f, struct ms_err *err);

/* fluid_net.c */
/** By capacity, then number. */
bool ms_fluid_smaller(const struct ms_fluid *f, uint32_t a, uint32_t b);
/** kept[]. */
bool ms_fluid_net_reduce(struct ms_fluid *f);

/* fluid_split.c */
/** Find the links that can bind and the components anew, if routes or capacities changed; moves all
 *  flows over. */
bool ms_fluid_net_prepare(struct ms_fluid *f);
/** The component and, into f->scratch, its links on a route. @return their number; 0: nothing
 *  limits the flow */
uint32_t ms_fluid_net_links(struct ms_fluid *f, uint32_t route, uint32_t *comp);

/* fluid_comp.c */
/** Give the array that `array` points at space for `need` items of `size` bytes, at least half as
 *  much again as it had. @return false: no memory, and it is as before */
bool ms_fluid_grow(void *array, size_t *cap, size_t need, size_t size);
bool ms_fluid_comp_init(struct ms_fluid_comp *c, uint32_t m, uint32_t m_shared);
void ms_fluid_comp_finish(struct ms_fluid_comp *c);
bool ms_fluid_comp_add(struct ms_fluid_comp *c, const uint32_t *links, uint32_t k, double bytes,
                       uint32_t route, uint32_t sink, uint32_t chain, bool tracing);
/** Take a flow off its links. */
void ms_fluid_comp_remove(struct ms_fluid_comp *c, uint32_t k, uint32_t flow);
/** Before a solve: squeeze holes out and make lists anew where due. */
bool ms_fluid_comp_tidy(struct ms_fluid_comp *c);
/** Take off what was served and credited (for which rates are computed); a solve does it on the
 *  way. */
bool ms_fluid_comp_settle(struct ms_fluid_comp *c);

/* fluid_bits.c: dense buckets */
/** Bits of all flows, if that is the quicker form for their number. @return false: lists are */
bool ms_fluid_bits_make(const struct ms_fluid_comp *c, struct ms_fluid_bucket *b);
/** @return false: too many flows between the same two links */
bool ms_fluid_bits_add(const struct ms_fluid_comp *c, struct ms_fluid_bucket *b, uint32_t l,
                       uint32_t o);
void ms_fluid_bits_remove(const struct ms_fluid_comp *c, struct ms_fluid_bucket *b, uint32_t l,
                          uint32_t o);

/* fluid_pass.c */
/** Settle, then find the flows that end before the next step: ending, end_s. pool may be NULL. */
bool ms_fluid_pass(struct ms_fluid_comp *c, double quantum_s, struct ms_pool *pool);

/* fluid_fill.c and fluid_kernel.c are compiled once for each instruction set that pays. */
struct ms_fluid_kernel_args;
struct ms_fluid_isa {
    void (*fill)(struct ms_fluid_comp *c); /**< level[] of every link with flows */
    uint32_t (*kernel)(const struct ms_fluid_kernel_args *a, uint32_t begin, uint32_t end,
                       double *first);
};
const struct ms_fluid_isa *ms_fluid_isa_of_this_cpu(void);

struct ms_fluid_kernel_args {
    uint32_t k;
    uint32_t *const *link;
    double *left;
    const double *serve;       /**< NULL: nothing to take off */
    const double *level;       /**< NULL: only take off */
    const double *credit;      /**< seconds, see struct ms_fluid_comp; NULL: none */
    double per_s;              /**< 1 / what `serve` stands for */
    double window, window_rel; /**< candidates: t <= first + max(window, window_rel * first) */
    double *cand_t;            /**< at least end - begin; NULL: none wanted */
    uint32_t *cand_flow;
};
/** Flows begin..end-1: left -= what was served, t = left / rate; candidates among them.
 *  @param first in and out: smallest t so far. @return the number of candidates */
uint32_t ms_fluid_kernel_base(const struct ms_fluid_kernel_args *a, uint32_t begin, uint32_t end,
                              double *first);
void ms_fluid_fill_base(struct ms_fluid_comp *c);
#if defined(__x86_64__)
uint32_t ms_fluid_kernel_avx512(const struct ms_fluid_kernel_args *a, uint32_t begin, uint32_t end,
                                double *first);
void ms_fluid_fill_avx512(struct ms_fluid_comp *c);
#endif

/* fluid_wait.c */
struct ms_fluid_change ms_fluid_pop_change(struct ms_fluid *f);
struct ms_fluid_run ms_fluid_pop_run(struct ms_fluid *f);

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
bool ms_fluid_trace_event(struct ms_fluid *f, uint32_t chain, double finish_s);

#endif
