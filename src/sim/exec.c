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
        x->cursor = malloc(n_ranks * sizeof *x->cursor);
        x->rank_cap = x->cursor ? n_ranks : 0;
    }
    return x->rank_cap >= n_ranks;
}

enum ms_status ms_exec_init(struct ms_exec *x, const struct ms_leg *leg,
                            const struct ms_exec_ops *ops, void *owner, struct ms_err *err)
{
    if (!grow(x, leg->n_joins, (uint32_t)leg->n_ranks))
        return ms_err_set(err, MS_NOMEM, "out of memory starting an exchange of %d ranks",
                          leg->n_ranks);
    x->leg = leg;
    x->ops = ops;
    x->owner = owner;
    x->n_stack = x->n_fired = 0;
    x->firing = false;
    memcpy(x->pending, leg->need, leg->n_joins * sizeof *x->pending);
    memset(x->time_s, 0, leg->n_joins * sizeof *x->time_s);
    memcpy(x->cursor, leg->queue_first, (size_t)leg->n_ranks * sizeof *x->cursor);
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
    memset(x, 0, sizeof *x);
}

/* One need of join j is met at at_s. */
static void meet(struct ms_exec *x, uint32_t j, double at_s)
{
    if (at_s > x->time_s[j])
        x->time_s[j] = at_s;
    if (!--x->pending[j])
        x->stack[x->n_stack++] = j;
}

/* Let `n` more of a rank's queue go. */
static void advance_queue(struct ms_exec *x, uint32_t rank, uint32_t n, double at_s)
{
    const struct ms_leg *leg = x->leg;
    for (; n && x->cursor[rank] < leg->queue_first[rank + 1]; n--)
        meet(x, leg->queue[x->cursor[rank]++], at_s);
}

static void fire(struct ms_exec *x, uint32_t j)
{
    const struct ms_leg *leg = x->leg;
    double at_s = x->time_s[j];
    uint32_t n_ranks = (uint32_t)leg->n_ranks;
    x->n_fired++;
    if (leg->gate_first[j] < leg->gate_first[j + 1])
        x->ops->start(x, j, at_s);
    for (uint32_t e = leg->edge_first[j]; e < leg->edge_first[j + 1]; e++)
        meet(x, leg->edge_to[e], at_s + leg->edge_delay_s[e]);
    if (leg->slot[j])
        advance_queue(x, leg->slot[j] - 1, 1, at_s);
    if (j < n_ranks && leg->window)
        advance_queue(x, j, leg->window, at_s);
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
    meet(x, ms_leg_entry(rank), at_s);
    settle(x);
}

void ms_exec_ended(struct ms_exec *x, uint32_t join, double at_s)
{
    meet(x, join, at_s);
    settle(x);
}
