/* When a sink is complete: flows are counted in, and the latest end of them is its own. Decides the
 * order of events.
 *
 * Flows in some component's `ending` are tentative: an arrival may withdraw them. A sink all of
 * whose flows are tentative or off the books is ready at the latest of their ends; ready sinks wait
 * in a heap, stale entries are skipped. */
#include <assert.h>
#include <math.h>
#include <stdlib.h>

#include "sim/fluid/fluid_internal.h"

static bool stale(const struct ms_fluid *f, const struct ms_heap_item *r)
{
    return f->sink[r->id].delivered || f->sink[r->id].ready_s != r->time_s;
}

/* Space for every sink to be free at once, so that giving one back cannot fail. */
static bool reserve_sinks(struct ms_fluid *f)
{
    return ms_fluid_grow(&f->sink, &f->sink_cap, (size_t)f->n_sinks + 1, sizeof *f->sink) &&
           ms_fluid_grow(&f->free_sink, &f->free_cap, f->sink_cap, sizeof *f->free_sink);
}

static void recycle(struct ms_fluid *f, uint32_t sink)
{
    f->free_sink[f->n_free++] = sink;
}

enum ms_status ms_fluid_open(struct ms_fluid *f, uint32_t n_flows, uint64_t tag, uint32_t *sink,
                             struct ms_err *err)
{
    assert(n_flows >= 1);
    if (f->no_memory || (!f->n_free && !reserve_sinks(f)))
        return ms_fluid_no_memory(f, err);
    *sink = f->n_free ? f->free_sink[--f->n_free] : f->n_sinks++;
    f->sink[*sink] = (struct ms_fluid_sink){
        .tag = tag, .left = n_flows, .ready_s = INFINITY, .chain = MS_FLUID_NONE};
    return MS_OK;
}

/* The sinks that wait for an end. */
static uint32_t sinks_of(const struct ms_fluid_comp *c, const struct ms_fluid_ending *e,
                         const uint32_t **sinks)
{
    if (e->k == 0)
        return ms_fluid_weighted_sinks(&c->weighted, e->flow, sinks);
    *sinks = e->sink;
    return ms_fluid_n_sinks(e->sink);
}

static bool waits_for(const struct ms_fluid_comp *c, const struct ms_fluid_ending *e, uint32_t sink)
{
    const uint32_t *s;
    for (uint32_t n = sinks_of(c, e, &s); n > 0; n--, s++) {
        if (*s == sink)
            return true;
    }
    return false;
}

/* After a component withdrew its share: the latest end among what others hold. */
static void find_tentative(struct ms_fluid *f, uint32_t sink)
{
    struct ms_fluid_sink *s = &f->sink[sink];
    s->tent_s = 0;
    for (uint32_t k = 0; k < f->n_comps; k++) {
        const struct ms_fluid_comp *c = &f->comp[k];
        for (size_t i = 0; i < c->n_ending; i++) {
            if (waits_for(c, &c->ending[i], sink))
                s->tent_s = fmax(s->tent_s, c->ending[i].finish_s);
        }
    }
}

bool ms_fluid_sink_check(struct ms_fluid *f, uint32_t sink)
{
    struct ms_fluid_sink *s = &f->sink[sink];
    if (s->tent != s->left || s->ready_s < INFINITY)
        return true;
    if (s->tent && s->tent_s == INFINITY)
        find_tentative(f, sink);
    s->ready_s = s->tent && s->tent_s > s->last_s ? s->tent_s : s->last_s;
    return ms_heap_push(&f->ready, (struct ms_heap_item){s->ready_s, 0, sink});
}

bool ms_fluid_sink_tentative(struct ms_fluid *f, const struct ms_fluid_comp *c)
{
    const uint32_t *sink;
    bool fine = true;
    for (size_t i = 0; i < c->n_ending; i++) {
        double t = c->ending[i].finish_s;
        for (uint32_t n = sinks_of(c, &c->ending[i], &sink); n > 0; n--, sink++) {
            struct ms_fluid_sink *s = &f->sink[*sink];
            s->tent_s = s->tent++ && s->tent_s > t ? s->tent_s : t;
        }
    }
    for (size_t i = 0; i < c->n_ending; i++) {
        for (uint32_t n = sinks_of(c, &c->ending[i], &sink); n > 0 && fine; n--, sink++)
            fine = ms_fluid_sink_check(f, *sink);
    }
    return fine;
}

void ms_fluid_sink_end(struct ms_fluid *f, uint32_t sink, double at_s, uint32_t chain)
{
    struct ms_fluid_sink *s = &f->sink[sink];
    assert(s->left > 0);
    s->left--;
    if (at_s >= s->last_s) {
        s->last_s = at_s;
        ms_fluid_trace_drop(f, s->chain);
        s->chain = chain;
    } else {
        ms_fluid_trace_drop(f, chain);
    }
    if (s->left == 0 && s->delivered) {
        ms_fluid_trace_drop(f, s->chain);
        recycle(f, sink);
    }
}

static void withdraw(struct ms_fluid *f, const uint32_t *sink, uint32_t n, bool ended)
{
    for (; n > 0; n--, sink++) {
        struct ms_fluid_sink *s = &f->sink[*sink];
        s->tent--;
        if (!ended)
            s->ready_s = s->tent_s = INFINITY;
    }
}

/* Its sinks hear of it; each takes a copy of the trace but the last, which takes the trace. */
static void tell(struct ms_fluid *f, const uint32_t *sink, uint32_t n, double at_s, uint32_t chain)
{
    for (; n > 1; n--, sink++)
        ms_fluid_sink_end(f, *sink, at_s, ms_fluid_trace_copy(f, chain));
    if (n)
        ms_fluid_sink_end(f, *sink, at_s, chain);
    else
        ms_fluid_trace_drop(f, chain);
}

/* A flow's end, or that of a part of a stream, has come. */
static void apply(struct ms_fluid *f, struct ms_fluid_comp *c, const struct ms_fluid_ending *e)
{
    struct ms_fluid_weighted *w = &c->weighted;
    const uint32_t *sink, i = e->flow;
    uint32_t n = sinks_of(c, e, &sink), chain = MS_FLUID_NONE;
    if (e->k) {
        chain = c->by_k[e->k]->chain ? c->by_k[e->k]->chain[i] : MS_FLUID_NONE;
        ms_fluid_comp_remove(c, e->k, i);
        f->n_live--;
        tell(f, sink, n, e->finish_s, chain);
        return;
    }
    bool over = ms_fluid_weighted_over(c, i);
    if (w->chain)
        chain = over ? w->chain[i] : ms_fluid_trace_copy(f, w->chain[i]);
    f->n_live -= over;
    tell(f, sink, n, e->finish_s, chain);
    if (over && w->flow[i].route == MS_FLUID_NONE)
        ms_fluid_more_drop(w->flow[i].more);
}

void ms_fluid_sink_apply(struct ms_fluid *f, struct ms_fluid_comp *c, double at_s)
{
    size_t n = c->n_ending;
    const uint32_t *sink;
    c->n_ending = 0;
    for (size_t i = 0; i < n; i++) {
        struct ms_fluid_ending *e = &c->ending[i];
        uint32_t n_sinks = sinks_of(c, e, &sink);
        withdraw(f, sink, n_sinks, e->finish_s <= at_s);
        if (e->finish_s <= at_s)
            apply(f, c, e);
    }
}

double ms_fluid_sink_next(struct ms_fluid *f)
{
    while (f->ready.n && stale(f, &f->ready.item[0]))
        ms_heap_pop(&f->ready);
    return f->ready.n ? f->ready.item[0].time_s : INFINITY;
}

static uint32_t chain_of_last(const struct ms_fluid *f, uint32_t sink)
{
    const struct ms_fluid_sink *s = &f->sink[sink];
    for (uint32_t k = 0; s->tent && k < f->n_comps; k++) {
        const struct ms_fluid_comp *c = &f->comp[k];
        for (size_t i = 0; i < c->n_ending; i++) {
            const struct ms_fluid_ending *e = &c->ending[i];
            if (e->finish_s == s->ready_s && waits_for(c, e, sink))
                return e->k ? c->by_k[e->k]->chain[e->flow] : c->weighted.chain[e->flow];
        }
    }
    return s->chain;
}

bool ms_fluid_sink_deliver(struct ms_fluid *f, double at_s)
{
    while (ms_fluid_sink_next(f) <= at_s) {
        if (!ms_fluid_grow(&f->event, &f->event_cap, f->n_events + 1, sizeof *f->event))
            return false;
        struct ms_heap_item r = ms_heap_pop(&f->ready);
        struct ms_fluid_sink *s = &f->sink[r.id];
        f->event[f->n_events++] = (struct ms_fluid_event){r.time_s, s->tag, r.id};
        if (f->tracing && !ms_fluid_trace_event(f, chain_of_last(f, r.id), r.time_s))
            return false;
        s->delivered = true;
        if (s->left == 0) {
            ms_fluid_trace_drop(f, s->chain);
            recycle(f, r.id);
        }
    }
    return true;
}
