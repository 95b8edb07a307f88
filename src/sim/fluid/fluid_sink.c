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

bool ms_fluid_sink_check(struct ms_fluid *f, uint32_t sink)
{
    struct ms_fluid_sink *s = &f->sink[sink];
    if (s->tent != s->left || s->ready_s < INFINITY)
        return true;
    s->ready_s = s->tent && s->tent_s > s->last_s ? s->tent_s : s->last_s;
    return ms_heap_push(&f->ready, (struct ms_heap_item){s->ready_s, 0, sink});
}

bool ms_fluid_sink_tentative(struct ms_fluid *f, const struct ms_fluid_comp *c)
{
    bool fine = true;
    for (size_t i = 0; i < c->n_ending; i++) {
        struct ms_fluid_sink *s = &f->sink[c->ending[i].sink];
        double t = c->ending[i].finish_s;
        s->tent_s = s->tent++ && s->tent_s > t ? s->tent_s : t;
    }
    for (size_t i = 0; fine && i < c->n_ending; i++)
        fine = ms_fluid_sink_check(f, c->ending[i].sink);
    return fine;
}

/* After one component withdrew its share: the latest end among what others hold. */
static void find_tentative(struct ms_fluid *f, uint32_t sink)
{
    struct ms_fluid_sink *s = &f->sink[sink];
    s->tent_s = 0;
    for (uint32_t k = 0; k < f->n_comps; k++) {
        const struct ms_fluid_comp *c = &f->comp[k];
        for (size_t i = 0; i < c->n_ending; i++) {
            if (c->ending[i].sink == sink)
                s->tent_s = fmax(s->tent_s, c->ending[i].finish_s);
        }
    }
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

void ms_fluid_sink_apply(struct ms_fluid *f, struct ms_fluid_comp *c, double at_s)
{
    size_t n = c->n_ending;
    c->n_ending = 0;
    for (size_t i = 0; i < n; i++) {
        struct ms_fluid_ending *e = &c->ending[i];
        struct ms_fluid_sink *s = &f->sink[e->sink];
        struct ms_fluid_bucket *b = c->by_k[e->k];
        s->tent--;
        if (e->finish_s > at_s) {
            s->ready_s = INFINITY;
            continue;
        }
        uint32_t chain = b->chain ? b->chain[e->flow] : MS_FLUID_NONE;
        ms_fluid_comp_remove(c, e->k, e->flow);
        f->n_live--;
        ms_fluid_sink_end(f, e->sink, e->finish_s, chain);
    }
    for (size_t i = 0; i < n; i++) {
        if (c->ending[i].finish_s > at_s && f->sink[c->ending[i].sink].tent)
            find_tentative(f, c->ending[i].sink);
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
            if (c->ending[i].sink == sink && c->ending[i].finish_s == s->ready_s)
                return c->by_k[c->ending[i].k]->chain[c->ending[i].flow];
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
