/** @file fluid_comp.h  A component of the fluid solver's network and its flows: how they are kept, filled
 *  and passed over. For fluid_*.c only.
 *
 *  In a component links count from 0 (`m` of them; index m is a dummy that swallows what dead
 *  entries write). Flows that cross k of its links stand in bucket k as structure of arrays; each
 *  link has, per bucket, the list of its flows, which is what progressive filling reads
 *  (fluid_fill.c): of k = 2 as the other link of each, of more as their numbers. Flows that ended
 *  stay as holes until an eighth is hollow. One pass over the flows (fluid_pass.c) takes off what the
 *  last rates served and finds the next ones to end at the new rates.
 *
 *  A component is plain as long as each of its flows uses one route at weight 1 and has no share of
 *  its own. The first other flow makes it weighted until it has none left: then all its flows stand
 *  in struct ms_fluid_weighted (fluid_weighted.c), each with its list of (link, units a unit of
 *  level), and its rates are kept a flow (fluid_weighted_fill.c).
 *
 *  Functions that return bool say false when memory ran out. */
#ifndef MS_SIM_FLUID_COMP_H
#define MS_SIM_FLUID_COMP_H

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
    uint32_t listed;   /**< the first ones, which stand in the lists (or bits) */
    bool stale;        /**< lists (or bits) are to be made anew */
    bool dense;        /**< k = 2 only: bits instead of lists */
    uint32_t **link;   /**< [k][cap] */
    uint32_t **pos;    /**< [2][cap] of k = 2: place of the flow in that link's list */
    uint32_t *row;     /**< [cap][k] of k > 2: its links again, all of a hole the dummy */
    uint64_t *frozen;  /**< [cap / 64 + 1] of k > 2: bits, scratch of filling */
    double *left;      /**< [cap] bytes at the last settling; INFINITY: a hole */
    uint32_t *sink;    /**< [cap] */
    uint32_t *also;    /**< [cap] its second sink, or NULL: none has one */
    uint32_t *route;   /**< [cap] */
    uint32_t *chain;   /**< [cap] newest span of the trace, or NULL */
    uint32_t *live;    /**< [m] flows that are no holes */
    uint32_t *at;      /**< [m] a link's list: its first entry, */
    uint32_t *len;     /**< [m] its entries, */
    uint32_t *space;   /**< [m] and how many it has space for */
    uint32_t *other;   /**< [entries] of k = 2: the flow's other link; of a hole the dummy */
    uint32_t *owner;   /**< [entries] flow */
    uint32_t used;     /**< entries given to lists */
    size_t n_entries;  /**< allocated */
    uint64_t *bits; /**< [planes][m][words] dense: the other link of each flow; a plane more where
                          two flows have the same two links */
    uint32_t planes, words;
    uint32_t *lo, *hi; /**< [m] words of a row that can hold bits */
};

/** What a flow has beyond one route and two sinks; its lists stand in a block that all flows of one
 *  ms_fluid_add share. */
struct ms_fluid_more {
    struct ms_fluid_block *block;
    const struct ms_fluid_use *use; /**< [n_first + n_then] the first hop's, then the second's */
    const uint32_t *sink; /**< [n_sinks] the first n_sent hear when the first hop is over */
    double bytes, share;
    double chunk; /**< <= bytes; 0 without a second hop */
    uint32_t n_first, n_then, n_sinks, n_sent;
};

/** Goes when the last of its flows has ended; all there are stand in a list. */
struct ms_fluid_block {
    struct ms_fluid_block *next, **at; /**< at: what points at this one */
    uint32_t n_left;
    struct ms_fluid_more more[];
};

/** Hops that a flow moves over; of a stream in this order: fill, steady, drain. */
enum { MS_FLUID_FIRST = 1, MS_FLUID_BOTH = 3, MS_FLUID_SECOND = 2 };

/** A flow on its way into a component, before its start or from another component. */
struct ms_fluid_wait {
    union {
        double bytes;
        struct ms_fluid_more *more; /**< where route is MS_FLUID_NONE */
    };
    uint32_t route;
    uint32_t sink[2]; /**< MS_FLUID_NONE: none */
};

/** Of two sinks, the first filled first. */
static inline uint32_t ms_fluid_n_sinks(const uint32_t *sink)
{
    return sink[0] == MS_FLUID_NONE ? 0 : sink[1] == MS_FLUID_NONE ? 1 : 2;
}

/** {capacity not given out, weights and number of uses not frozen, credit} of a link. */
typedef double ms_fluid_state __attribute__((vector_size(32)));

/** A level that a flow cannot exceed: what a fatpipe leaves it. */
struct ms_fluid_ceiling {
    double level[2];  /**< by hop; INFINITY: none */
    uint32_t link[2]; /**< of the network */
};

struct ms_fluid_capped {
    double level;
    uint32_t flow;
};

/** Of a flow: a link and the units a second it takes of it at level 1, weight x share. */
struct ms_fluid_ask {
    double units;
    uint32_t link;
};

/** Sums of units are formed anew when so little of them is left that what was taken off them no
 *  longer is: 16 decades of weights may stand side by side. */
#define MS_FLUID_LITTLE 1e-6

/** What filling needs of a flow, in half a cache line. */
struct ms_fluid_held {
    double level;
    double credit;     /**< of the last solve */
    uint32_t ask_at;   /**< what it asks for: where that begins, */
    uint16_t n_first;  /**< the links of the first hop, */
    uint16_t n_asks;   /**< and of both */
    uint8_t hops;      /**< that it moves over now; 0: a hole */
    uint8_t unused[7]; /**< to 32 bytes */
};

/** The flows of a weighted component. Levels are rates / share, so bytes / share are left. */
struct ms_fluid_weighted {
    bool on;                    /**< the component is weighted */
    uint32_t n, dead;           /**< flows with holes; holes */
    size_t cap;                 /**< of the arrays of flows */
    double *left;               /**< [cap] of the part at hand; INFINITY: a hole */
    struct ms_fluid_held *held; /**< [cap] */
    uint8_t *open; /**< [cap] scratch of filling: its hops while it is not frozen, then 0 */
    struct ms_fluid_wait *flow;       /**< [cap] as it came */
    uint32_t *chain;                  /**< [cap] newest span of the trace, or NULL */
    uint32_t *limit;                  /**< [cap] the network's link that set its level, or NULL */
    struct ms_fluid_ceiling *ceiling; /**< [cap], or NULL: no flow has one */
    struct ms_fluid_ask *ask;         /**< [ask_cap] in the order of the flows */
    size_t n_asks, ask_cap;
    bool stale;      /**< lists are to be made anew */
    uint32_t listed; /**< the first flows, which stand in the lists */
    uint32_t *at;    /**< [m] a link's list: its first entry, */
    uint32_t *len;   /**< [m] its entries, */
    uint32_t *space; /**< [m] and how many it has space for */
    uint32_t *owner; /**< [owner_cap] 2 x flow, + 1 where it is asked for by its second hop */
    size_t used, owner_cap;
    double *sum, *top;              /**< [m] units asked for now, and the most since formed anew */
    uint32_t *where;                /**< [m] scratch: what the flow at hand asks of a link */
    ms_fluid_state *state;          /**< [m+1] scratch of filling */
    double *least, *key;            /**< [m] scratch of filling */
    struct ms_fluid_capped *capped; /**< ceilings of flows, ascending */
    size_t n_capped, capped_cap;
    double reach; /**< see struct ms_fluid_filling */
};

/** What a flow asks for in the part at hand: [*from, *to). */
static inline void ms_fluid_asks(const struct ms_fluid_held *x, size_t *from, size_t *to)
{
    *from = x->ask_at + (x->hops & MS_FLUID_FIRST ? 0U : x->n_first);
    *to = x->ask_at + (x->hops & MS_FLUID_SECOND ? x->n_asks : x->n_first);
}

/** A flow, or a part of a stream, that ends before the component's next step, if nothing comes in
 *  between. */
struct ms_fluid_ending {
    double finish_s;
    uint32_t k; /**< its bucket; 0: of the weighted */
    uint32_t flow;
    uint32_t sink[2]; /**< of a bucket's flow; MS_FLUID_NONE: none */
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
    struct ms_fluid_weighted weighted;
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

/* fluid_comp.c */
/** Give the array that `array` points at space for `need` items of `size` bytes, at least half as
 *  much again as it had. @return false: no memory, and it is as before */
bool ms_fluid_grow(void *array, size_t *cap, size_t need, size_t size);
bool ms_fluid_comp_init(struct ms_fluid_comp *c, uint32_t m, uint32_t m_shared);
void ms_fluid_comp_finish(struct ms_fluid_comp *c);
/** left: of flow->bytes. */
bool ms_fluid_comp_add(struct ms_fluid_comp *c, const uint32_t *links, uint32_t k, double left,
                       const struct ms_fluid_wait *flow, uint32_t chain, bool tracing);
/** Make a plain component weighted, with its flows. */
bool ms_fluid_comp_weigh(struct ms_fluid *f, struct ms_fluid_comp *c);
/** Put the flows of a settled component of before where they belong now. */
bool ms_fluid_comp_move(struct ms_fluid *f, struct ms_fluid_comp *old);
/** Take a flow off its links. */
void ms_fluid_comp_remove(struct ms_fluid_comp *c, uint32_t k, uint32_t flow);
/** Before a solve: squeeze holes out and make lists anew where due. */
bool ms_fluid_comp_tidy(struct ms_fluid_comp *c);
/** Take off what was served and credited (for which rates are computed); a solve does it on the
 *  way. */
bool ms_fluid_comp_settle(struct ms_fluid_comp *c);

/* fluid_weighted.c */
bool ms_fluid_weighted_init(struct ms_fluid_weighted *w, uint32_t m);
void ms_fluid_weighted_finish(struct ms_fluid_weighted *w);
/** left: of the part that `hops` says. */
bool ms_fluid_weighted_add(struct ms_fluid *f, struct ms_fluid_comp *c,
                           const struct ms_fluid_wait *flow, double left, uint8_t hops,
                           uint32_t chain);
/** A flow's part is over: it goes on to the next (empty ones are left out), or ends.
 *  @return true: it ended */
bool ms_fluid_weighted_over(struct ms_fluid_comp *c, uint32_t flow);
/** The sinks that hear when the part at hand is over. @return their number */
uint32_t ms_fluid_weighted_sinks(const struct ms_fluid_weighted *w, uint32_t flow,
                                 const uint32_t **sinks);
bool ms_fluid_weighted_tidy(struct ms_fluid_comp *c);

/* fluid_weighted_fill.c */
/** The level of every flow, and with c->crediting its credit; those still open nothing limits.
 *  Compiled as fluid_fill.c is. */
bool ms_fluid_weighted_fill_base(struct ms_fluid_comp *c);
bool ms_fluid_weighted_fill_avx512(struct ms_fluid_comp *c);

/* fluid_weighted_pass.c */
/** Take off what the levels served for c->cut_s. */
void ms_fluid_weighted_serve(struct ms_fluid_comp *c);
/** Take off the credit of the last filling. */
void ms_fluid_weighted_credit(struct ms_fluid_comp *c);
/** As ms_fluid_pass, after ms_fluid_weighted_credit. */
bool ms_fluid_weighted_pass(struct ms_fluid_comp *c, double quantum_s);
/** Idle units and levels' units of what ends by at_s, link by link, see fluid_step.c. */
void ms_fluid_weighted_idle(const struct ms_fluid_comp *c, double at_s, double *rates,
                            double *idle);

/* fluid_lists.c: buckets that are not dense, of flows over two links and more */
/** @return false: out of memory */
bool ms_fluid_lists_make(const struct ms_fluid_comp *c, struct ms_fluid_bucket *b);
/** @return false: there is no space, they are to be made anew */
bool ms_fluid_lists_add(struct ms_fluid_bucket *b, uint32_t flow);
void ms_fluid_lists_remove(const struct ms_fluid_comp *c, struct ms_fluid_bucket *b, uint32_t flow);
/** The bucket has become dense. */
void ms_fluid_lists_drop(struct ms_fluid_bucket *b);

/* fluid_bits.c: dense buckets */
/** Bits of all flows, if that is the quicker form for their number. @return false: lists are */
bool ms_fluid_bits_make(const struct ms_fluid_comp *c, struct ms_fluid_bucket *b);
/** @return false: too many flows between the same two links */
bool ms_fluid_bits_add(const struct ms_fluid_comp *c, struct ms_fluid_bucket *b, uint32_t l,
                       uint32_t o);
void ms_fluid_bits_remove(const struct ms_fluid_comp *c, struct ms_fluid_bucket *b, uint32_t l,
                          uint32_t o);

/* fluid_pass.c */
/** Ends within this of each other are one; at least the quantum. */
double ms_fluid_window(const struct ms_fluid_comp *c, double quantum_s);
/** Ends closer than this part of the time since the component got busy are one. */
#define MS_FLUID_SAME 1e-11
/** Seconds at a rate of zero come out above this. */
#define MS_FLUID_FOREVER 1e250
/** A rate of zero: left / this is for ever. */
#define MS_FLUID_STILL 1e-300
/** Scratch for `need` candidates. */
bool ms_fluid_reserve_candidates(struct ms_fluid_comp *c, size_t need);
/** Settle, then find the flows that end before the next step: ending, end_s. pool may be NULL. */
bool ms_fluid_pass(struct ms_fluid_comp *c, double quantum_s, struct ms_pool *pool);

/* fluid_fill.c and fluid_kernel.c are compiled once for each instruction set that pays. */
struct ms_fluid_kernel_args;
struct ms_fluid_isa {
    void (*fill)(struct ms_fluid_comp *c); /**< level[] of every link with flows */
    bool (*weighted_fill)(struct ms_fluid_comp *c);
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

#endif
