/** @file exec.h  Running a plan: fires joins as their needs are met, and tells the transport
 *  what to start.
 *
 *  Knows times but no clock: the ranks say when they enter, the transport says when flows have
 *  ended. A join may fire at a time that is still ahead (a delay); whoever is told waits until
 *  then. Both transports share it, so an exchange means the same in every network model.
 *  Seconds, counted from the start of the run. */
#ifndef MS_SIM_EXEC_H
#define MS_SIM_EXEC_H

#include "sim/leg_plan.h"

struct ms_exec;

struct ms_exec_ops {
    /** Start n flows of the plan, flow[i] at at_s[i] plus its own latency. */
    void (*start)(struct ms_exec *x, const uint32_t *flow, const double *at_s, uint32_t n);
    /** Rank's leg is complete at at_s, which may be ahead. */
    void (*complete)(struct ms_exec *x, int rank, double at_s);
    /** Rank's own sends are over; told in plans that queue. */
    void (*sent)(struct ms_exec *x, int rank, double at_s);
    /** Everything has happened; x may be initialised anew from here. NULL: not told. */
    void (*done)(struct ms_exec *x);
};

/** One leg under way. Memory is kept from use to use; zero-initialise, finish frees. */
struct ms_exec {
    const struct ms_leg *leg;
    const struct ms_exec_ops *ops;
    void *owner;       /**< of whoever runs it */
    uint32_t *pending; /**< [n_joins] needs still open */
    double *time_s;    /**< [n_joins] latest of those met */
    uint32_t *cursor;  /**< [2G] next of each queue */
    uint32_t *stack;   /**< joins to fire */
    uint32_t n_stack, n_fired;
    uint32_t *flow; /**< those that start together */
    double *flow_s;
    uint32_t join_cap, rank_cap, flow_cap;
    bool firing;
};

/** leg closed, borrowed until the exec is done. @return MS_OK or MS_NOMEM */
enum ms_status ms_exec_init(struct ms_exec *x, const struct ms_leg *leg,
                            const struct ms_exec_ops *ops, void *owner, struct ms_err *err);
void ms_exec_finish(struct ms_exec *x);
/** Rank enters at at_s (once). */
void ms_exec_enter(struct ms_exec *x, int rank, double at_s);
/** Rank's sends of the leg before are over; it has all that it waits for of the leg before (each
 *  once, in plans that queue). */
void ms_exec_out(struct ms_exec *x, int rank, double at_s);
void ms_exec_clear(struct ms_exec *x, int rank, double at_s);
/** The same of a rank that was so before the leg began; nothing starts before a rank enters. */
void ms_exec_catch_up(struct ms_exec *x, int rank, bool out, bool clear);
/** Everything that ends in `join` (leg->ends of it) has ended, the last at at_s: once for each
 *  join with ends. */
void ms_exec_ended(struct ms_exec *x, uint32_t join, double at_s);
/** Everything has happened: every rank complete, every flow ended. */
static inline bool ms_exec_done(const struct ms_exec *x)
{
    return x->n_fired == x->leg->n_joins;
}

#endif
