/* How a flow enters the network: into which component, in which of its two forms, and what it puts
 * into the links' books. */
#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "sim/fluid/fluid_internal.h"

enum { AHEAD = 16 };

static struct ms_fluid_more *more_of(const struct ms_fluid_wait *x)
{
    return x->route == MS_FLUID_NONE ? x->more : NULL;
}

/* The component of a flow that is more than a route: that of a shared link, or of a fatpipe.
 * @return MS_FLUID_NONE: nothing limits it */
static uint32_t comp_of_more(const struct ms_fluid *f, const struct ms_fluid_more *m)
{
    uint32_t fat = MS_FLUID_NONE;
    for (uint32_t k = 0; k < m->n_first + m->n_then; k++) {
        uint32_t route = m->use[k].route, l = ms_fluid_net_first(f, route);
        if (l != MS_FLUID_NONE)
            return f->comp_of[l];
        for (struct ms_fluid_hops h = ms_fluid_hops(f, route); h.link < h.end; h.link++)
            fat = f->kept[*h.link] ? *h.link : fat;
    }
    return fat == MS_FLUID_NONE ? fat : f->comp_of[fat];
}

/* Back to plain where the last weighted flow has gone. */
static bool choose_form(struct ms_fluid *f, struct ms_fluid_comp *c, bool weighted)
{
    struct ms_fluid_weighted *w = &c->weighted;
    if (c->n_live == 0 && !weighted && w->on) {
        w->on = false;
        w->n = w->dead = w->listed = 0;
        w->n_asks = 0;
        w->stale = true;
    }
    return !weighted || w->on || ms_fluid_comp_weigh(f, c);
}

/* The component that a flow goes into, and of a plain one the links of it, into f->scratch; *k their
 * number. @return MS_FLUID_NONE: nothing limits it */
static uint32_t find_comp(struct ms_fluid *f, const struct ms_fluid_wait *flow, uint32_t *k)
{
    const struct ms_fluid_more *m = more_of(flow);
    uint32_t comp;
    *k = 0;
    if (m)
        return comp_of_more(f, m);
    *k = ms_fluid_net_links(f, flow->route, &comp);
    return *k ? comp : MS_FLUID_NONE;
}

/* Into its component, after find_comp. */
static bool enter(struct ms_fluid *f, uint32_t comp, uint32_t k, const struct ms_fluid_wait *flow,
                  double left, uint8_t hops, uint32_t chain)
{
    struct ms_fluid_comp *c = &f->comp[comp];
    if (!choose_form(f, c, k == 0))
        return false;
    if (c->weighted.on)
        return ms_fluid_weighted_add(f, c, flow, left, hops, chain);
    return ms_fluid_comp_add(c, f->scratch, k, left, flow, chain, f->tracing);
}

bool ms_fluid_place(struct ms_fluid *f, const struct ms_fluid_wait *flow, double left, uint8_t hops,
                    uint32_t chain, uint32_t *comp)
{
    uint32_t k;
    *comp = find_comp(f, flow, &k);
    return *comp == MS_FLUID_NONE || enter(f, *comp, k, flow, left, hops, chain);
}

void ms_fluid_carry(const struct ms_fluid *f, const struct ms_fluid_wait *flow, const double *bytes,
                    double sign, double *carried)
{
    const struct ms_fluid_more *m = more_of(flow);
    for (uint32_t k = 0; k < (m ? m->n_first + m->n_then : 1); k++) {
        uint32_t route = m ? m->use[k].route : flow->route;
        double units = sign * (m ? m->use[k].weight * bytes[k >= m->n_first] : bytes[0]);
        for (struct ms_fluid_hops h = ms_fluid_hops(f, route); h.link < h.end; h.link++)
            carried[*h.link] += units;
    }
}

/* It ends at its start: there is nothing to carry, or nothing that limits it. */
static bool pass_through(struct ms_fluid *f, const struct ms_fluid_wait *x)
{
    const struct ms_fluid_more *m = more_of(x);
    const uint32_t *sink = m ? m->sink : x->sink;
    uint32_t n = m ? m->n_sinks : ms_fluid_n_sinks(x->sink);
    bool fine = true;
    for (uint32_t k = 0; k < n && fine; k++) {
        uint32_t chain = MS_FLUID_NONE;
        fine = !f->tracing || ms_fluid_trace_none(f, &chain);
        if (fine)
            ms_fluid_sink_end(f, sink[k], f->now_s, chain);
        fine = fine && ms_fluid_sink_check(f, sink[k]);
    }
    if (m)
        ms_fluid_more_drop(x->more);
    return fine;
}

/* Where the flow is going, before it is there: what ends by now ends, and the gain of what ended
 * before is that of those who were there. */
static bool make_way(struct ms_fluid *f, uint32_t comp)
{
    struct ms_fluid_comp *c = &f->comp[comp];
    ms_fluid_cut(f, comp, f->now_s);
    if (c->crediting && !ms_fluid_comp_settle(c))
        return false;
    if (c->n_live == 0)
        c->busy_s = f->now_s;
    return true;
}

static bool start_flow(struct ms_fluid *f, const struct ms_fluid_wait *x)
{
    const struct ms_fluid_more *m = more_of(x);
    double bytes = m ? m->bytes : x->bytes, left = bytes;
    uint8_t hops = MS_FLUID_FIRST;
    uint32_t k = 0, comp = bytes > 0 ? find_comp(f, x, &k) : MS_FLUID_NONE;
    if (m) {
        hops = m->n_then == 0 || m->chunk > 0 ? MS_FLUID_FIRST : MS_FLUID_BOTH;
        left = (m->chunk > 0 ? m->chunk : bytes) / m->share;
    }
    if (comp == MS_FLUID_NONE)
        return pass_through(f, x);
    ms_fluid_carry(f, x, (double[]){bytes, bytes}, 1, f->carried);
    f->n_live++;
    return make_way(f, comp) && enter(f, comp, k, x, left, hops, MS_FLUID_NONE);
}

/* Do the flow's routes lead into several components? Then these are one. */
static bool tie_uses(struct ms_fluid *f, const struct ms_fluid_more *m)
{
    uint32_t one = MS_FLUID_NONE, comp = MS_FLUID_NONE;
    for (uint32_t k = 0; k < m->n_first + m->n_then; k++) {
        uint32_t route = m->use[k].route, l = ms_fluid_net_first(f, route);
        if (l == MS_FLUID_NONE)
            continue;
        if (one != MS_FLUID_NONE && f->comp_of[l] != comp) {
            if (!ms_fluid_tie_pair(f, one, route))
                return false;
        }
        if (one == MS_FLUID_NONE) {
            one = route;
            comp = f->comp_of[l];
        }
    }
    return true;
}

/* Where a flow's way begins. */
static uint32_t begins_at(const struct ms_fluid *f, const struct ms_fluid_wait *x)
{
    const struct ms_fluid_more *m = more_of(x);
    uint32_t route = !m ? x->route : m->n_first + m->n_then > 0 ? m->use[0].route : MS_FLUID_NONE;
    return route == MS_FLUID_NONE ? route : ms_fluid_net_first(f, route);
}

static int by_key(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

/* Few flows of many links. */
static bool sort_few(struct ms_fluid *f, uint32_t n)
{
    uint64_t *key = malloc((n + 1) * sizeof *key);
    for (uint32_t i = 0; key && i < n; i++)
        key[i] = (uint64_t)f->due_link[i] << 32 | i;
    if (key)
        qsort(key, n, sizeof *key, by_key);
    for (uint32_t i = 0; key && i < n; i++)
        f->sorted[i] = f->due[(uint32_t)key[i]];
    free(key);
    return key != NULL;
}

static bool sort_many(struct ms_fluid *f, uint32_t n)
{
    uint32_t *at = calloc(f->n_links + 2, sizeof *at);
    if (!at)
        return false;
    for (uint32_t i = 0; i < n; i++)
        at[f->due_link[i] + 1]++;
    for (size_t l = 0; l <= f->n_links; l++)
        at[l + 1] += at[l];
    for (uint32_t i = 0; i < n; i++)
        f->sorted[at[f->due_link[i]]++] = f->due[i];
    free(at);
    return true;
}

/* f->due by the link where a flow's way begins, stable; those that have none come last. */
static bool sort_due(struct ms_fluid *f, uint32_t n)
{
    bool ordered = true;
    if (!ms_fluid_grow(&f->due_link, &f->due_link_cap, n, sizeof *f->due_link) ||
        !ms_fluid_grow(&f->sorted, &f->sorted_cap, n, sizeof *f->sorted))
        return false;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t link = begins_at(f, &f->wait[f->due[i]]);
        f->due_link[i] = link == MS_FLUID_NONE ? (uint32_t)f->n_links : link;
        ordered = ordered && (i == 0 || f->due_link[i - 1] <= f->due_link[i]);
    }
    if (ordered)
        return true;
    if (!(n < f->n_links / 4 ? sort_few(f, n) : sort_many(f, n)))
        return false;
    uint32_t *was = f->due;
    size_t cap = f->due_cap;
    f->due = f->sorted;
    f->due_cap = f->sorted_cap;
    f->sorted = was;
    f->sorted_cap = cap;
    return true;
}

/* The flows of all runs that are due, into f->due; of several, those that begin at one link stand
 * together, for the pass over flows is faster then. */
static bool take_due(struct ms_fluid *f, uint32_t *n)
{
    uint32_t runs = 0;
    *n = 0;
    for (; f->runs.n && f->runs.item[0].time_s <= f->now_s; runs++) {
        struct ms_fluid_run r = ms_fluid_pop_run(f);
        if (!ms_fluid_grow(&f->due, &f->due_cap, (size_t)*n + r.n, sizeof *f->due))
            return false;
        for (uint32_t i = 0; i < r.n; i++)
            f->due[*n + i] = r.first + i;
        *n += r.n;
        f->n_waiting -= r.n;
    }
    return runs <= 1 || sort_due(f, *n);
}

/* What is going to be read of the flows behind the i-th, into the cache: theirs, then where their
 * routes' links stand, then these. */
static void fetch_ahead(const struct ms_fluid *f, uint32_t n, uint32_t i)
{
    if (i + AHEAD >= n)
        return;
    __builtin_prefetch(&f->wait[f->due[i + AHEAD]]);
    uint32_t next = f->wait[f->due[i + AHEAD / 2]].route,
             soon = f->wait[f->due[i + AHEAD / 4]].route;
    if (next != MS_FLUID_NONE)
        __builtin_prefetch(ms_fluid_routes_of(f, next)->off + (next & ~MS_FLUID_LENT));
    if (soon != MS_FLUID_NONE)
        __builtin_prefetch(ms_fluid_hops(f, soon).link);
}

bool ms_fluid_start_due(struct ms_fluid *f)
{
    uint32_t n;
    bool fine = take_due(f, &n);
    for (uint32_t i = 0; i < n && fine; i++) {
        const struct ms_fluid_more *m = more_of(&f->wait[f->due[i]]);
        fine = !m || tie_uses(f, m);
    }
    fine = fine && ms_fluid_net_prepare(f);
    for (uint32_t i = 0; i < n && fine; i++) {
        fetch_ahead(f, n, i);
        fine = start_flow(f, &f->wait[f->due[i]]);
    }
    return fine;
}
