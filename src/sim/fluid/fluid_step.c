/* Time: when each component is solved next, what happens in between, and how far the caller's step
 * goes. */
#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "sim/fluid/fluid_internal.h"

/* Quanta in one solve, at most (credit makes up for what they are longer than one), and times the
 * ramp (ms_fluid_set_ramp); from so many flows a link on. */
#define SPAN 3
#define RAMP 2
#define MANY_FLOWS 16

void ms_fluid_mark_dirty(struct ms_fluid *f, uint32_t comp)
{
    struct ms_fluid_comp *c = &f->comp[comp];
    if (!c->dirty)
        f->dirty[f->n_dirty++] = comp;
    c->dirty = true;
    c->end_s = INFINITY;
    ms_heap_move(&f->steps, comp, INFINITY);
}

/* Flows that ended before at_s left their bandwidth idle until then. What the others gain by it is
 * known only once rates are solved for again; they are then credited with that gain for the time it
 * was idle on average, link by link: credit = (idle bytes) / (rates that ended). Over a link that
 * is full the gains sum to the rates that ended, and a flow is credited for the least time of its
 * links where it gains and for the longest where it loses, so a full link never carries more than
 * it could: ends stay late, never early, but by much less than the time between solves. */
static void count_idle(const struct ms_fluid_comp *c, double at_s, double *rates, double *idle)
{
    for (size_t i = 0; i < c->n_ending; i++) {
        const struct ms_fluid_ending *e = &c->ending[i];
        uint32_t *const *link = c->by_k[e->k]->link;
        double rate = MS_FLUID_FREE_RATE;
        if (e->finish_s > at_s)
            continue;
        for (uint32_t j = 0; j < e->k; j++)
            rate = fmin(rate, c->level[link[j][e->flow]]);
        for (uint32_t j = 0; j < e->k; j++) {
            rates[link[j][e->flow]] += rate;
            idle[link[j][e->flow]] += rate * (at_s - e->finish_s);
        }
        rates[c->m] += rate;
        idle[c->m] += rate * (at_s - e->finish_s);
    }
}

static void find_credit(struct ms_fluid_comp *c, double at_s)
{
    double *rates = c->fill.rest, *idle = c->credit;
    memset(rates, 0, (c->m + 1) * sizeof *rates);
    memset(idle, 0, (c->m + 1) * sizeof *idle);
    if (c->weighted.on)
        ms_fluid_weighted_idle(c, at_s, rates, idle);
    else
        count_idle(c, at_s, rates, idle);
    c->crediting = idle[c->m] > 0;
    for (uint32_t l = 0; c->crediting && l < c->m; l++)
        idle[l] = rates[l] > 0 ? idle[l] / rates[l] : idle[c->m] / rates[c->m];
}

void ms_fluid_cut(struct ms_fluid *f, uint32_t comp, double at_s)
{
    struct ms_fluid_comp *c = &f->comp[comp];
    if (c->dirty)
        return;
    c->cut_s = at_s - c->solved_s;
    assert(c->cut_s >= 0);
    c->crediting = false;
    if (f->quantum_s > 0 && c->cut_s > 0)
        find_credit(c, at_s);
    if (c->weighted.on)
        ms_fluid_weighted_serve(c);
    ms_fluid_sink_apply(f, c, at_s);
    for (uint32_t l = 0; !c->weighted.on && l < c->m; l++)
        c->serve[l] = c->level[l] * c->cut_s;
    c->serving = !c->weighted.on && c->n_live > 0;
    c->solved_s = at_s;
    ms_fluid_mark_dirty(f, comp);
}

/* The time one solve stands for. Where few flows share a link one that ends leaves much of it idle:
 * then hardly more than a quantum. */
static double span_s(const struct ms_fluid *f, const struct ms_fluid_comp *c)
{
    double crossings = 0, links = 0;
    for (uint32_t l = 0; l < c->m; l++) {
        crossings += c->crowd[l];
        links += c->crowd[l] > 0;
    }
    double many = links > 0 ? fmin(1, crossings / (links * MANY_FLOWS)) : 0;
    double span = f->quantum_s * (1 + many * (SPAN - 1));
    double ramp = RAMP * f->ramp_share * (c->solved_s - f->ramp_epoch_s);
    return f->ramp_share > 0 ? fmin(span, ramp) : span;
}

static bool solve(struct ms_fluid *f, struct ms_fluid_comp *c)
{
    double span = span_s(f, c);
    if (c->weighted.on) {
        bool fine = ms_fluid_weighted_tidy(c) && ms_fluid_isa_of_this_cpu()->weighted_fill(c);
        ms_fluid_weighted_credit(c);
        return fine && ms_fluid_weighted_pass(c, span);
    }
    if (!ms_fluid_comp_tidy(c))
        return false;
    ms_fluid_isa_of_this_cpu()->fill(c);
    return ms_fluid_pass(c, span, f->n_dirty > 1 ? NULL : f->pool);
}

static void solve_one(void *ctx, size_t item, int thread)
{
    struct ms_fluid *f = ctx;
    struct ms_fluid_comp *c = &f->comp[f->dirty[item]];
    c->no_memory = !solve(f, c);
}

static int by_index(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

/* What a solve means for the queues, the trace and the sinks. */
static bool solved(struct ms_fluid *f, uint32_t comp)
{
    struct ms_fluid_comp *c = &f->comp[comp];
    if (c->no_memory)
        return false;
    c->dirty = false;
    ms_heap_move(&f->steps, comp, c->end_s);
    return (!f->tracing || ms_fluid_trace_note(f, c)) && ms_fluid_sink_tentative(f, c);
}

static bool solve_dirty(struct ms_fluid *f)
{
    uint64_t work = 0;
    bool fine = true;
    if (f->n_dirty == 0)
        return true;
    if (f->n_dirty > 1)
        qsort(f->dirty, f->n_dirty, sizeof *f->dirty, by_index);
    for (uint32_t i = 0; i < f->n_dirty; i++)
        work += f->comp[f->dirty[i]].n_live;
    ms_pool_run(f->n_dirty > 1 && work > 20000 ? f->pool : NULL, f->n_dirty, solve_one, f);
    for (uint32_t i = 0; i < f->n_dirty; i++)
        fine = fine && solved(f, f->dirty[i]);
    f->stats.n_solves += f->n_dirty;
    if (f->beat)
        f->beat(f->beat_ctx, f->n_live + f->n_waiting);
    f->n_dirty = 0;
    return fine;
}

static bool runs_due(const struct ms_fluid *f)
{
    return f->runs.n && f->runs.item[0].time_s <= f->now_s;
}

/* Everything that is due at f->now_s, events excepted. */
static void catch_up(struct ms_fluid *f)
{
    bool fine = !f->no_memory;
    while (fine && f->steps.n && f->steps.item[0].time_s <= f->now_s)
        ms_fluid_cut(f, f->steps.item[0].id, f->now_s);
    while (fine && f->changes.n && f->changes.item[0].time_s <= f->now_s) {
        struct ms_fluid_change x = ms_fluid_pop_change(f);
        f->capacity[x.link] = x.capacity_Bps;
        f->capacity_changed = true;
    }
    if (runs_due(f) || (f->capacity_changed && f->n_live))
        fine = fine && ms_fluid_net_prepare(f);
    if (fine && runs_due(f))
        fine = ms_fluid_start_due(f);
    if (f->n_waiting == 0)
        f->n_waits = 0;
    if (f->n_live > f->stats.n_active_max)
        f->stats.n_active_max = f->n_live;
    fine = fine && !f->no_memory && solve_dirty(f);
    f->no_memory = f->no_memory || !fine;
}

static double next_s(struct ms_fluid *f)
{
    double t = ms_fluid_sink_next(f);
    if (f->steps.n)
        t = fmin(t, f->steps.item[0].time_s);
    if (f->runs.n)
        t = fmin(t, f->runs.item[0].time_s);
    if (f->changes.n && (f->n_live || f->runs.n))
        t = fmin(t, f->changes.item[0].time_s);
    return fmax(t, f->now_s);
}

double ms_fluid_next_s(struct ms_fluid *f)
{
    double t = next_s(f);
    if (f->no_memory)
        return f->now_s;
    if (f->n_dirty == 0 && (t > f->now_s || ms_fluid_sink_next(f) <= t))
        return t; /* nothing to catch up on */
    catch_up(f);
    return f->no_memory ? f->now_s : next_s(f);
}

static enum ms_status go(struct ms_fluid *f, double to_s, bool stop,
                         const struct ms_fluid_event **events, size_t *n_events, struct ms_err *err)
{
    f->n_events = f->n_spans = *n_events = 0;
    for (;;) {
        catch_up(f);
        double t = next_s(f);
        if (f->no_memory || t > to_s || t == INFINITY)
            break;
        f->now_s = t;
        f->no_memory = !ms_fluid_sink_deliver(f, t);
        if (f->no_memory || (stop && f->n_events))
            break;
    }
    if (f->no_memory)
        return ms_fluid_no_memory(f, err);
    if (!(stop && f->n_events) && to_s > f->now_s && to_s < INFINITY)
        f->now_s = to_s;
    *events = f->event;
    *n_events = f->n_events;
    return MS_OK;
}

enum ms_status ms_fluid_advance(struct ms_fluid *f, double to_s,
                                const struct ms_fluid_event **events, size_t *n_events,
                                struct ms_err *err)
{
    return go(f, to_s, false, events, n_events, err);
}

enum ms_status ms_fluid_run_to_event(struct ms_fluid *f, double to_s,
                                     const struct ms_fluid_event **events, size_t *n_events,
                                     struct ms_err *err)
{
    return go(f, to_s, true, events, n_events, err);
}
