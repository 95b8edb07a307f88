/* A plain first implementation of fluid.h: every solve visits every flow and link. */
#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "sim/fluid/fluid.h"

struct flow {
    double start_s, bytes, left, rate, due_s;
    uint32_t route, sink, limit;
    bool active, frozen;
};
struct change {
    double at_s, capacity;
    uint32_t link;
};
struct sink {
    double last_s;
    uint64_t tag;
    uint32_t left;
};
struct ms_fluid {
    struct ms_fluid_link *link;
    double *room, *carried;
    uint32_t *crowd;
    size_t n_links;
    uint32_t *hop;
    size_t *off;
    size_t n_routes;
    struct flow *flow;
    size_t n_flows;
    struct change *change;
    size_t n_changes;
    struct sink *sink;
    size_t n_sinks;
    struct ms_fluid_event *event;
    size_t n_events;
    double now, end, solved, busy, q; /* end: of the quantum */
    bool dirty;
    struct ms_fluid_stats stats;
};

static void *grow(void *p, size_t n, size_t size)
{
    if (n & (n - 1))
        return p;
    return realloc(p, (n ? 2 * n : 1) * size);
}

enum ms_status ms_fluid_create(const struct ms_fluid_link *links, size_t n_links,
                               struct ms_pool *pool, struct ms_fluid **out, struct ms_err *err)
{
    struct ms_fluid *f = calloc(1, sizeof *f);
    if (!f)
        return ms_err_set(err, MS_NOMEM, "out of memory");
    f->link = malloc((n_links + 1) * sizeof *f->link);
    f->room = calloc(n_links + 1, sizeof(double));
    f->carried = calloc(n_links + 1, sizeof(double));
    f->crowd = calloc(n_links + 1, sizeof(uint32_t));
    f->off = calloc(1, sizeof(size_t));
    f->n_links = n_links;
    f->end = INFINITY;
    memcpy(f->link, links, n_links * sizeof *links);
    for (size_t l = 0; l < n_links; l++) {
        if (!(links[l].capacity_Bps > 0) || !isfinite(links[l].capacity_Bps)) {
            ms_fluid_destroy(f);
            return ms_err_set(err, MS_INVALID, "link %zu: capacity %g is not positive", l,
                              links[l].capacity_Bps);
        }
    }
    *out = f;
    return MS_OK;
}

void ms_fluid_destroy(struct ms_fluid *f)
{
    if (!f)
        return;
    free(f->link), free(f->room), free(f->carried), free(f->crowd), free(f->hop), free(f->off);
    free(f->flow), free(f->change), free(f->sink), free(f->event), free(f);
}

enum ms_status ms_fluid_route(struct ms_fluid *f, const uint32_t *links, size_t n, uint32_t *route,
                              struct ms_err *err)
{
    size_t at = f->off[f->n_routes];
    f->hop = realloc(f->hop, (at + n + 1) * sizeof *f->hop);
    f->off = realloc(f->off, (f->n_routes + 2) * sizeof *f->off);
    for (size_t i = 0; i < n; i++) {
        bool seen = false;
        for (size_t j = f->off[f->n_routes]; j < at; j++)
            seen |= f->hop[j] == links[i];
        if (!seen)
            f->hop[at++] = links[i];
    }
    *route = (uint32_t)f->n_routes;
    f->off[++f->n_routes] = at;
    return MS_OK;
}

void ms_fluid_trace(struct ms_fluid *f, bool on)
{
}

void ms_fluid_set_quantum(struct ms_fluid *f, double quantum_s)
{
    f->q = quantum_s;
}

enum ms_status ms_fluid_set_capacity(struct ms_fluid *f, uint32_t link, double at_s,
                                     double capacity_Bps, struct ms_err *err)
{
    f->change = grow(f->change, f->n_changes, sizeof *f->change);
    f->change[f->n_changes++] = (struct change){fmax(at_s, f->now), capacity_Bps, link};
    return MS_OK;
}

enum ms_status ms_fluid_open(struct ms_fluid *f, uint32_t n_flows, uint64_t tag, uint32_t *sink,
                             struct ms_err *err)
{
    f->sink = grow(f->sink, f->n_sinks, sizeof *f->sink);
    f->sink[f->n_sinks] = (struct sink){0, tag, n_flows};
    *sink = (uint32_t)f->n_sinks++;
    return MS_OK;
}

enum ms_status ms_fluid_add(struct ms_fluid *f, const struct ms_fluid_flow *flows, size_t n,
                            struct ms_err *err)
{
    for (size_t i = 0; i < n; i++) {
        if (!(flows[i].bytes >= 0) || !isfinite(flows[i].bytes))
            return ms_err_set(err, MS_INVALID, "a flow of %g bytes", flows[i].bytes);
        f->flow = grow(f->flow, f->n_flows, sizeof *f->flow);
        f->flow[f->n_flows++] = (struct flow){.start_s = fmax(flows[i].start_s, f->now),
                                              .bytes = flows[i].bytes,
                                              .left = flows[i].bytes,
                                              .route = flows[i].route,
                                              .sink = flows[i].sink,
                                              .due_s = INFINITY};
    }
    f->stats.n_flows += n;
    return MS_OK;
}

static double share(const struct ms_fluid *f, size_t l)
{
    return f->crowd[l] == 0     ? INFINITY
           : f->link[l].fatpipe ? f->link[l].capacity_Bps
                                : fmax(f->room[l], 0) / f->crowd[l];
}

static void freeze(struct ms_fluid *f, size_t l, double rate)
{
    for (struct flow *w = f->flow; w < f->flow + f->n_flows; w++) {
        bool on = false;
        for (size_t h = f->off[w->route]; h < f->off[w->route + 1]; h++)
            on |= f->hop[h] == l;
        if (!w->active || w->frozen || !on)
            continue;
        w->frozen = true;
        w->rate = rate;
        for (size_t h = f->off[w->route]; h < f->off[w->route + 1]; h++) {
            f->room[f->hop[h]] -= rate;
            f->crowd[f->hop[h]]--;
        }
    }
}

static void solve(struct ms_fluid *f)
{
    for (size_t l = 0; l < f->n_links; l++) {
        f->room[l] = f->link[l].capacity_Bps;
        f->crowd[l] = 0;
    }
    for (struct flow *w = f->flow; w < f->flow + f->n_flows; w++) {
        w->frozen = false;
        for (size_t h = f->off[w->route]; w->active && h < f->off[w->route + 1]; h++)
            f->crowd[f->hop[h]]++;
    }
    for (;;) {
        size_t best = f->n_links;
        double low = INFINITY;
        for (size_t l = 0; l < f->n_links; l++) {
            if (share(f, l) < low)
                low = share(f, best = l);
        }
        if (best == f->n_links)
            break;
        freeze(f, best, low);
    }
    double first = INFINITY;
    for (struct flow *w = f->flow; w < f->flow + f->n_flows; w++) {
        w->due_s = w->active && w->rate > 0 ? f->now + w->left / w->rate : INFINITY;
        first = fmin(first, w->due_s);
    }
    double eps = 1e-11 * (first - f->busy) + 1e-15 * first;
    f->end = first;
    for (struct flow *w = f->flow; w < f->flow + f->n_flows; w++) {
        if (w->due_s <= first + fmax(f->q, eps))
            f->end = fmax(f->end, w->due_s);
    }
    f->solved = f->now;
    f->dirty = false;
    f->stats.n_solves++;
}

static double next_outer(const struct ms_fluid *f)
{
    double t = INFINITY;
    for (size_t i = 0; i < f->n_flows; i++) {
        if (!f->flow[i].active && f->flow[i].left >= 0)
            t = fmin(t, f->flow[i].start_s);
    }
    for (size_t i = 0; i < f->n_changes; i++)
        t = fmin(t, f->change[i].at_s);
    return t;
}

double ms_fluid_next_s(struct ms_fluid *f)
{
    if (f->dirty)
        solve(f);
    double t = next_outer(f);
    for (size_t i = 0; i < f->n_flows; i++)
        t = fmin(t, f->flow[i].due_s);
    return fmax(t, f->now);
}

static void end_flow(struct ms_fluid *f, struct flow *w, double at_s)
{
    struct sink *s = &f->sink[w->sink];
    for (size_t h = f->off[w->route]; h < f->off[w->route + 1]; h++)
        f->carried[f->hop[h]] += w->bytes;
    s->last_s = fmax(s->last_s, at_s);
    w->active = false;
    w->left = -1;
    w->due_s = INFINITY;
    if (--s->left == 0) {
        f->event = grow(f->event, f->n_events, sizeof *f->event);
        f->event[f->n_events++] = (struct ms_fluid_event){s->last_s, s->tag, w->sink};
    }
}

/* Move everybody who is still active to f->now at the rates of the last solve; solve anew before
 * the next step. */
static void settle(struct ms_fluid *f)
{
    for (struct flow *w = f->flow; w < f->flow + f->n_flows; w++) {
        if (w->active)
            w->left = fmax(0, w->left - w->rate * (f->now - f->solved));
    }
    f->solved = f->now;
    f->dirty = true;
}

static void outer(struct ms_fluid *f)
{
    settle(f);
    size_t n = 0, active = 0;
    for (size_t i = 0; i < f->n_changes; i++) {
        if (f->change[i].at_s <= f->now)
            f->link[f->change[i].link].capacity_Bps = f->change[i].capacity;
        else
            f->change[n++] = f->change[i];
    }
    f->n_changes = n;
    for (size_t i = 0; i < f->n_flows; i++)
        active += f->flow[i].active;
    if (active == 0)
        f->busy = f->now;
    for (struct flow *w = f->flow; w < f->flow + f->n_flows; w++) {
        if (w->active || w->left < 0 || w->start_s > f->now)
            continue;
        w->active = true;
        active++;
        if (w->left == 0 || f->off[w->route] == f->off[w->route + 1])
            end_flow(f, w, w->start_s);
    }
    if (active > f->stats.n_active_max)
        f->stats.n_classes = f->stats.n_active_max = active;
}

static int by_time(const void *a, const void *b)
{
    const struct ms_fluid_event *x = a, *y = b;
    if (x->finish_s != y->finish_s)
        return x->finish_s < y->finish_s ? -1 : 1;
    return x->sink < y->sink ? -1 : 1;
}

static size_t go(struct ms_fluid *f, double to_s, bool stop, const struct ms_fluid_event **events)
{
    f->n_events = 0;
    while (!(stop && f->n_events)) {
        double t = ms_fluid_next_s(f);
        if (t > to_s || t == INFINITY)
            break;
        f->now = t;
        for (size_t i = 0; i < f->n_flows; i++) {
            if (f->flow[i].due_s <= t)
                end_flow(f, &f->flow[i], f->flow[i].due_s);
        }
        if (next_outer(f) <= t)
            outer(f);
        else if (t >= f->end)
            settle(f);
    }
    if (!(stop && f->n_events) && to_s != INFINITY)
        f->now = fmax(f->now, to_s);
    if (f->n_events)
        qsort(f->event, f->n_events, sizeof *f->event, by_time);
    *events = f->event;
    return f->n_events;
}

size_t ms_fluid_advance(struct ms_fluid *f, double to_s, const struct ms_fluid_event **events)
{
    return go(f, to_s, false, events);
}

size_t ms_fluid_run_to_event(struct ms_fluid *f, double to_s, const struct ms_fluid_event **events)
{
    return go(f, to_s, true, events);
}

double ms_fluid_now_s(const struct ms_fluid *f)
{
    return f->now;
}

size_t ms_fluid_spans(const struct ms_fluid *f, size_t e, const struct ms_fluid_span **spans)
{
    *spans = NULL;
    return 0;
}

void ms_fluid_link_bytes(struct ms_fluid *f, double *bytes)
{
    memcpy(bytes, f->carried, f->n_links * sizeof *bytes);
    for (const struct flow *w = f->flow; w < f->flow + f->n_flows; w++) {
        for (size_t h = f->off[w->route]; w->active && h < f->off[w->route + 1]; h++)
            bytes[f->hop[h]] += w->bytes - w->left + w->rate * (f->now - f->solved);
    }
}

void ms_fluid_get_stats(const struct ms_fluid *f, struct ms_fluid_stats *out)
{
    *out = f->stats;
}
