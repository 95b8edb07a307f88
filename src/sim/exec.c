/* What fires when: joins count down what they need, and let go flows, other joins and what queues
 * for a window. Times are handed through, never looked up. */
#include "sim/exec.h"

#include <stdlib.h>
#include <string.h>

static bool grow(struct ms_exec *x, uint32_t n_joins, uint32_t n_ranks)
{
    if (n_joins > x->join_cap) {
        free(x->pending);
        free(x->time_s);
        free(x->stack);
        x->pending = malloc(n_joins * sizeof *x->pending);
        x->time_s = malloc(n_joins * sizeof *x->time_s);
        x->stack = malloc(n_joins * sizeof *x->stack);
        x->join_cap = x->pending && x->time_s && x->stack ? n_joins : 0;
        if (!x->join_cap)
            return false;
    }
    if (n_ranks > x->rank_cap) {
        free(x->cursor);
        x->cursor = malloc(2 * (size_t)n_ranks * sizeof *x->cursor);
        x->rank_cap = x->cursor ? n_ranks : 0;
    }
    return x->rank_cap >= n_ranks;
}

/* The most flows that one join can let go. */
static uint32_t most_at_once(const struct ms_leg *leg)
{
    uint32_t most = 0;
    for (uint32_t j = 0; j < leg->n_joins; j++) {
        uint32_t n = leg->gate_first[j + 1] - leg->gate_first[j];
        if (leg->n_meets)
            n += leg->meet_first[j + 1] - leg->meet_first[j];
        most = n > most ? n : most;
    }
    return most;
}

enum ms_status ms_exec_init(struct ms_exec *x, const struct ms_leg *leg,
                            const struct ms_exec_ops *ops, void *owner, struct ms_err *err)
{
    if (!grow(x, leg->n_joins, (uint32_t)leg->n_ranks))
        return ms_err_set(err, MS_NOMEM, "out of memory starting an exchange of %d ranks",
                          leg->n_ranks);
    uint32_t most = most_at_once(leg);
    if (most > x->flow_cap) {
        free(x->flow);
        free(x->flow_s);
        x->flow = malloc(most * sizeof *x->flow);
        x->flow_s = malloc(most * sizeof *x->flow_s);
        x->flow_cap = x->flow && x->flow_s ? most : 0;
        if (!x->flow_cap)
            return ms_err_set(err, MS_NOMEM, "out of memory starting %u flows", most);
    }
    x->leg = leg;
    x->ops = ops;
    x->owner = owner;
    x->n_stack = x->n_fired = 0;
    x->firing = false;
    memcpy(x->pending, leg->need, leg->n_joins * sizeof *x->pending);
    memset(x->time_s, 0, leg->n_joins * sizeof *x->time_s);
    memcpy(x->cursor, leg->queue_first, 2 * (size_t)leg->n_ranks * sizeof *x->cursor);
    return MS_OK;
}

void ms_exec_finish(struct ms_exec *x)
{
    if (!x)
        return;
    free(x->pending);
    free(x->time_s);
    free(x->stack);
    free(x->cursor);
    free(x->flow);
    free(x->flow_s);
    memset(x, 0, sizeof *x);
}

/* One need of join j is met at at_s. */
static void satisfy(struct ms_exec *x, uint32_t j, double at_s)
{
    if (at_s > x->time_s[j])
        x->time_s[j] = at_s;
    if (!--x->pending[j])
        x->stack[x->n_stack++] = j;
}

/* Let `n` more of a queue go. */
static void advance_queue(struct ms_exec *x, uint32_t queue, uint32_t n, double at_s)
{
    const struct ms_leg *leg = x->leg;
    for (; n && x->cursor[queue] < leg->queue_first[queue + 1]; n--)
        satisfy(x, leg->queue[x->cursor[queue]++], at_s);
}

/* Of a join that has fired; its needs are met before. */
static const uint32_t fired = UINT32_MAX;

enum { AHEAD = 16 }; /* flows that are fetched early */

/* The flows that had only this join to wait for. */
static void let_flows_go(struct ms_exec *x, uint32_t j)
{
    const struct ms_leg *leg = x->leg;
    uint32_t n = 0;
    for (uint32_t f = leg->gate_first[j]; f < leg->gate_first[j + 1]; f++) {
        uint32_t m = ms_leg_meet(leg, f);
        if (m != MS_LEG_NONE && x->pending[m] != fired)
            continue;
        x->flow[n] = f;
        x->flow_s[n++] =
            m != MS_LEG_NONE && x->time_s[m] > x->time_s[j] ? x->time_s[m] : x->time_s[j];
    }
    for (uint32_t i = leg->n_meets ? leg->meet_first[j] : 0;
         leg->n_meets && i < leg->meet_first[j + 1]; i++) {
        if (i + AHEAD < leg->meet_first[j + 1]) /* they stand far apart, one a source */
            __builtin_prefetch(&leg->src[leg->by_meet[i + AHEAD]]);
        uint32_t f = leg->by_meet[i], g = ms_leg_gate(leg, f);
        if (x->pending[g] != fired || g == j)
            continue;
        x->flow[n] = f;
        x->flow_s[n++] = x->time_s[g] > x->time_s[j] ? x->time_s[g] : x->time_s[j];
    }
    if (n)
        x->ops->start(x, x->flow, x->flow_s, n);
}

static void fire(struct ms_exec *x, uint32_t j)
{
    const struct ms_leg *leg = x->leg;
    double at_s = x->time_s[j];
    uint32_t n_ranks = (uint32_t)leg->n_ranks;
    x->n_fired++;
    x->pending[j] = fired;
    let_flows_go(x, j);
    for (uint32_t e = leg->edge_first[j]; e < leg->edge_first[j + 1]; e++)
        satisfy(x, leg->edge_to[e], at_s + leg->edge_delay_s[e]);
    if (leg->window && leg->send_slot[j])
        advance_queue(x, leg->send_slot[j] - 1, 1, at_s);
    if (leg->window && leg->take_slot[j])
        advance_queue(x, n_ranks + leg->take_slot[j] - 1, 1, at_s);
    if (leg->window && j - leg->first_start < n_ranks) {
        advance_queue(x, j - leg->first_start, leg->window, at_s);
        advance_queue(x, n_ranks + j - leg->first_start, leg->window, at_s);
    }
    if (leg->first_sent != MS_LEG_NONE && j - leg->first_sent < n_ranks)
        x->ops->sent(x, (int)(j - leg->first_sent), at_s);
    if (j >= n_ranks && j < 2 * n_ranks)
        x->ops->complete(x, (int)(j - n_ranks), at_s);
}

/* Fire everything that is ready; a transport may report an end from inside start. */
static void settle(struct ms_exec *x)
{
    if (x->firing)
        return;
    x->firing = true;
    while (x->n_stack)
        fire(x, x->stack[--x->n_stack]);
    x->firing = false;
    if (ms_exec_done(x) && x->ops->done)
        x->ops->done(x);
}

void ms_exec_enter(struct ms_exec *x, int rank, double at_s)
{
    satisfy(x, ms_leg_entry(rank), at_s);
    settle(x);
}

void ms_exec_out(struct ms_exec *x, int rank, double at_s)
{
    satisfy(x, ms_leg_start(x->leg, rank), at_s);
    settle(x);
}

void ms_exec_clear(struct ms_exec *x, int rank, double at_s)
{
    satisfy(x, ms_leg_clear(x->leg, rank), at_s);
    settle(x);
}

void ms_exec_catch_up(struct ms_exec *x, int rank, bool out, bool clear)
{
    if (out)
        satisfy(x, ms_leg_start(x->leg, rank), 0);
    if (clear)
        satisfy(x, ms_leg_clear(x->leg, rank), 0);
}

void ms_exec_ended(struct ms_exec *x, uint32_t join, double at_s)
{
    satisfy(x, join, at_s);
    settle(x);
}
