/* Which link set a flow's rate over its life: a chain of spans, newest first, one more whenever the
 * link changes. */
#include <assert.h>
#include <math.h>

#include "sim/fluid/fluid_internal.h"

void ms_fluid_trace(struct ms_fluid *f, bool on)
{
    assert(f->stats.n_flows == 0);
    f->tracing = on;
    f->free_node = MS_FLUID_NONE;
}

/* A span at the head of a chain. */
static bool push_node(struct ms_fluid *f, uint32_t link, double from_s, uint32_t *chain)
{
    uint32_t i = f->free_node;
    if (!ms_fluid_grow(&f->node, &f->node_cap, (size_t)f->n_nodes + 1, sizeof *f->node))
        return false;
    if (i != MS_FLUID_NONE)
        f->free_node = f->node[i].prev;
    else
        i = f->n_nodes++;
    f->node[i] = (struct ms_fluid_node){from_s, link, *chain};
    *chain = i;
    return true;
}

bool ms_fluid_trace_none(struct ms_fluid *f, uint32_t *chain)
{
    *chain = MS_FLUID_NONE;
    return push_node(f, MS_FLUID_NONE, f->now_s, chain);
}

void ms_fluid_trace_drop(struct ms_fluid *f, uint32_t chain)
{
    while (chain != MS_FLUID_NONE) {
        uint32_t prev = f->node[chain].prev;
        f->node[chain].prev = f->free_node;
        f->free_node = chain;
        chain = prev;
    }
}

uint32_t ms_fluid_trace_copy(struct ms_fluid *f, uint32_t chain)
{
    uint32_t copy = MS_FLUID_NONE, last = MS_FLUID_NONE;
    for (; chain != MS_FLUID_NONE; chain = f->node[chain].prev) {
        uint32_t node = MS_FLUID_NONE;
        if (!push_node(f, f->node[chain].link, f->node[chain].from_s, &node)) {
            f->no_memory = true;
            return copy;
        }
        *(last == MS_FLUID_NONE ? &copy : &f->node[last].prev) = node;
        last = node;
    }
    return copy;
}

/* A flow's rate is set by `link` from now on. */
static bool note(struct ms_fluid *f, uint32_t link, double from_s, uint32_t *chain)
{
    if (*chain != MS_FLUID_NONE && f->node[*chain].link == link)
        return true;
    return push_node(f, link, from_s, chain);
}

static bool note_weighted(struct ms_fluid *f, struct ms_fluid_comp *c)
{
    struct ms_fluid_weighted *w = &c->weighted;
    for (uint32_t i = 0; i < w->n; i++) {
        if (w->left[i] < INFINITY && !note(f, w->limit[i], c->solved_s, &w->chain[i]))
            return false;
    }
    return true;
}

bool ms_fluid_trace_note(struct ms_fluid *f, struct ms_fluid_comp *c)
{
    if (c->weighted.on)
        return note_weighted(f, c);
    for (uint32_t k = 1; k <= c->k_max; k++) {
        struct ms_fluid_bucket *b = c->by_k[k];
        for (uint32_t i = 0; b && i < b->n; i++) {
            uint32_t best = b->link[0][i];
            if (b->left[i] == INFINITY)
                continue;
            for (uint32_t j = 1; j < k; j++) {
                uint32_t l = b->link[j][i];
                best = c->level[l] < c->level[best] ? l : best;
            }
            if (!note(f, c->global[best], c->solved_s, &b->chain[i]))
                return false;
        }
    }
    return true;
}

bool ms_fluid_trace_event(struct ms_fluid *f, uint32_t chain, double finish_s)
{
    size_t first = f->n_spans;
    if (!ms_fluid_grow(&f->span_off, &f->span_off_cap, f->n_events + 1, sizeof *f->span_off))
        return false;
    f->span_off[f->n_events - 1] = first;
    for (double to = finish_s; chain != MS_FLUID_NONE; chain = f->node[chain].prev) {
        if (f->node[chain].from_s == to && f->node[chain].prev != MS_FLUID_NONE)
            continue; /* credited to its end */
        if (!ms_fluid_grow(&f->span, &f->span_cap, f->n_spans + 1, sizeof *f->span))
            return false;
        f->span[f->n_spans++] =
            (struct ms_fluid_span){f->node[chain].link, to - f->node[chain].from_s};
        to = f->node[chain].from_s;
    }
    for (size_t i = first, j = f->n_spans; i + 1 < j; i++) {
        struct ms_fluid_span x = f->span[i];
        f->span[i] = f->span[--j];
        f->span[j] = x;
    }
    f->span_off[f->n_events] = f->n_spans;
    return true;
}

size_t ms_fluid_spans(const struct ms_fluid *f, size_t e, const struct ms_fluid_span **spans)
{
    *spans = NULL;
    if (!f->tracing || e >= f->n_events)
        return 0;
    *spans = f->span + f->span_off[e];
    return f->span_off[e + 1] - f->span_off[e];
}
