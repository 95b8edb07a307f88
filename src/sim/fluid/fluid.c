/* Time: arrivals, changes of capacity, the steps of the components, events in their order. */
#include "sim/fluid/fluid.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "sim/fluid/fluid_internal.h"

#define SPAN                                                                                       \
    3          /* quanta in one solve, at most; credit makes up for what they are longer than one  \
                */
#define RAMP 2 /* times its ramp (ms_fluid_set_ramp) */
#define MANY_FLOWS 16 /* a link, from which on it is the most */

static double wall_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static bool allocate(struct ms_fluid *f, size_t n)
{
    f->capacity = calloc(n + 1, sizeof *f->capacity);
    f->fat = calloc(n + 1, 1);
    f->kept = calloc(n + 1, 1);
    f->comp_of = calloc(n + 1, sizeof *f->comp_of);
    f->local_of = calloc(n + 1, sizeof *f->local_of);
    f->carried = calloc(n + 1, sizeof *f->carried);
    f->off = calloc(1, sizeof *f->off);
    return f->capacity && f->fat && f->kept && f->comp_of && f->local_of && f->carried && f->off;
}

enum ms_status ms_fluid_create(const struct ms_fluid_link *links, size_t n_links,
                               struct ms_pool *pool, struct ms_fluid **out, struct ms_err *err)
{
    struct ms_fluid *f = calloc(1, sizeof *f);
    if (!f || !allocate(f, n_links)) {
        ms_fluid_destroy(f);
        return ms_err_set(err, MS_NOMEM, "out of memory for %zu links", n_links);
    }
    f->n_links = n_links;
    f->free_node = MS_FLUID_NONE;
    f->pool = pool;
    for (size_t l = 0; l < n_links; l++) {
        f->capacity[l] = links[l].capacity_Bps;
        f->fat[l] = links[l].fatpipe;
        if (links[l].capacity_Bps > 0 && isfinite(links[l].capacity_Bps))
            continue;
        ms_fluid_destroy(f);
        return ms_err_set(err, MS_INVALID,
                          "link %zu has capacity %g B/s; allowed: more than 0, finite", l,
                          links[l].capacity_Bps);
    }
    *out = f;
    return MS_OK;
}

void ms_fluid_destroy(struct ms_fluid *f)
{
    if (!f)
        return;
    for (uint32_t i = 0; i < f->n_comps; i++)
        ms_fluid_comp_finish(&f->comp[i]);
    free(f->capacity), free(f->fat), free(f->kept), free(f->comp_of), free(f->local_of),
        free(f->carried);
    free(f->hop), free(f->off), free(f->scratch), free(f->comp), free(f->step_heap), free(f->dirty);
    free(f->wait), free(f->run), free(f->change), free(f->sink), free(f->free_sink), free(f->ready);
    free(f->event), free(f->node), free(f->span), free(f->span_off), free(f);
}

enum ms_status ms_fluid_route(struct ms_fluid *f, const uint32_t *links, size_t n, uint32_t *route,
                              struct ms_err *err)
{
    size_t from = f->off[f->n_routes], to = from, off_cap = f->route_cap + 1;
    f->hop = ms_fluid_grow(f->hop, &f->hop_cap, from + n, sizeof *f->hop);
    f->off = ms_fluid_grow(f->off, &off_cap, f->n_routes + 2, sizeof *f->off);
    f->route_cap = off_cap - 1;
    for (size_t i = 0; i < n; i++) {
        assert(links[i] < f->n_links);
        size_t j = from;
        while (j < to && f->hop[j] != links[i])
            j++;
        if (j == to)
            f->hop[to++] = links[i];
    }
    if (to - from >= f->longest) {
        f->longest = to - from + 1;
        f->scratch = realloc(f->scratch, (f->longest + 1) * sizeof *f->scratch);
        if (!f->scratch)
            return ms_err_set(err, MS_NOMEM, "out of memory for routes");
    }
    *route = (uint32_t)f->n_routes;
    f->off[++f->n_routes] = to;
    return MS_OK;
}

void ms_fluid_set_quantum(struct ms_fluid *f, double quantum_s)
{
    assert(quantum_s >= 0);
    f->quantum_s = quantum_s;
}

void ms_fluid_set_ramp(struct ms_fluid *f, double epoch_s, double share)
{
    f->ramp_epoch_s = epoch_s;
    f->ramp_share = share;
}

static bool run_before(const struct ms_fluid_run *a, const struct ms_fluid_run *b)
{
    return a->start_s < b->start_s || (a->start_s == b->start_s && a->seq < b->seq);
}

static bool change_before(const struct ms_fluid_change *a, const struct ms_fluid_change *b)
{
    return a->at_s < b->at_s || (a->at_s == b->at_s && a->seq < b->seq);
}

enum ms_status ms_fluid_set_capacity(struct ms_fluid *f, uint32_t link, double at_s,
                                     double capacity_Bps, struct ms_err *err)
{
    assert(link < f->n_links && capacity_Bps >= 0 && isfinite(capacity_Bps));
    struct ms_fluid_change x = {at_s > f->now_s ? at_s : f->now_s, capacity_Bps, f->seq++, link};
    f->change = ms_fluid_grow(f->change, &f->change_cap, f->n_changes + 1, sizeof *f->change);
    size_t i = f->n_changes++;
    for (; i > 0 && change_before(&x, &f->change[(i - 1) / 2]); i = (i - 1) / 2)
        f->change[i] = f->change[(i - 1) / 2];
    f->change[i] = x;
    return MS_OK;
}

static void pop_change(struct ms_fluid *f)
{
    struct ms_fluid_change x = f->change[--f->n_changes];
    size_t i = 0;
    for (size_t child; (child = 2 * i + 1) < f->n_changes; i = child) {
        if (child + 1 < f->n_changes && change_before(&f->change[child + 1], &f->change[child]))
            child++;
        if (!change_before(&f->change[child], &x))
            break;
        f->change[i] = f->change[child];
    }
    f->change[i] = x;
}

static void push_run(struct ms_fluid *f, struct ms_fluid_run x)
{
    f->run = ms_fluid_grow(f->run, &f->run_cap, f->n_runs + 1, sizeof *f->run);
    size_t i = f->n_runs++;
    for (; i > 0 && run_before(&x, &f->run[(i - 1) / 2]); i = (i - 1) / 2)
        f->run[i] = f->run[(i - 1) / 2];
    f->run[i] = x;
}

static void pop_run(struct ms_fluid *f)
{
    struct ms_fluid_run x = f->run[--f->n_runs];
    size_t i = 0;
    for (size_t child; (child = 2 * i + 1) < f->n_runs; i = child) {
        if (child + 1 < f->n_runs && run_before(&f->run[child + 1], &f->run[child]))
            child++;
        if (!run_before(&f->run[child], &x))
            break;
        f->run[i] = f->run[child];
    }
    f->run[i] = x;
}

/* Waiting flows that have started leave gaps at the front of their array: close them when they are
 * most of it. */
static void squeeze_waits(struct ms_fluid *f)
{
    if (f->n_waits < 1024 || f->n_waiting * 2 > f->n_waits)
        return;
    struct ms_fluid_wait *w = malloc((f->n_waiting + 1) * sizeof *w);
    size_t n = 0;
    if (!w)
        abort();
    for (size_t i = 0; i < f->n_runs; i++) {
        memcpy(w + n, f->wait + f->run[i].first, f->run[i].n * sizeof *w);
        f->run[i].first = (uint32_t)n;
        n += f->run[i].n;
    }
    free(f->wait);
    f->wait = w;
    f->n_waits = f->wait_cap = n;
}

enum ms_status ms_fluid_add(struct ms_fluid *f, const struct ms_fluid_flow *flows, size_t n,
                            struct ms_err *err)
{
    double t0 = wall_s();
    for (size_t i = 0; i < n; i++) {
        if (!(flows[i].bytes >= 0) || !isfinite(flows[i].bytes) || isnan(flows[i].start_s))
            return ms_err_set(err, MS_INVALID,
                              "a flow of %g bytes at %g s; allowed: finite, at least 0",
                              flows[i].bytes, flows[i].start_s);
        assert(flows[i].route < f->n_routes && flows[i].sink < f->n_sinks);
    }
    squeeze_waits(f);
    assert(f->n_waits + n < UINT32_MAX);
    f->wait = ms_fluid_grow(f->wait, &f->wait_cap, f->n_waits + n, sizeof *f->wait);
    struct ms_fluid_run run = {0};
    for (size_t i = 0; i < n; i++) {
        double start_s = flows[i].start_s > f->now_s ? flows[i].start_s : f->now_s;
        if (run.n && start_s != run.start_s) {
            push_run(f, run);
            run.n = 0;
        }
        if (run.n == 0)
            run = (struct ms_fluid_run){start_s, f->seq++, (uint32_t)f->n_waits, 0};
        f->wait[f->n_waits++] =
            (struct ms_fluid_wait){flows[i].bytes, flows[i].route, flows[i].sink};
        run.n++;
    }
    if (run.n)
        push_run(f, run);
    f->n_waiting += n;
    f->stats.n_flows += n;
    f->stats.solver_s += wall_s() - t0;
    return MS_OK;
}

/* The heap of components by their next step. */
static bool step_before(const struct ms_fluid *f, uint32_t a, uint32_t b)
{
    return f->comp[a].end_s < f->comp[b].end_s || (f->comp[a].end_s == f->comp[b].end_s && a < b);
}

static void step_moved(struct ms_fluid *f, uint32_t comp)
{
    uint32_t *h = f->step_heap, i = f->comp[comp].heap_at;
    for (; i > 0 && step_before(f, comp, h[(i - 1) / 2]); i = (i - 1) / 2)
        f->comp[h[i] = h[(i - 1) / 2]].heap_at = i;
    for (uint32_t child; (child = 2 * i + 1) < f->n_comps; i = child) {
        if (child + 1 < f->n_comps && step_before(f, h[child + 1], h[child]))
            child++;
        if (!step_before(f, h[child], comp))
            break;
        f->comp[h[i] = h[child]].heap_at = i;
    }
    f->comp[h[i] = comp].heap_at = i;
}

void ms_fluid_mark_dirty(struct ms_fluid *f, uint32_t comp)
{
    struct ms_fluid_comp *c = &f->comp[comp];
    if (!c->dirty)
        f->dirty[f->n_dirty++] = comp;
    c->dirty = true;
    c->end_s = INFINITY;
    step_moved(f, comp);
}

/* Flows that ended before at_s left their bandwidth idle until then. What the others gain by it is
 * known only once rates are solved for again; they are then credited with that gain for the time it
 * was idle on average, link by link: credit = (idle bytes) / (rates that ended). Over a link that
 * is full the gains sum to the rates that ended, and a flow is credited for the least time of its
 * links where it gains and for the longest where it loses, so a full link never carries more than
 * it could: ends stay late, never early, but by much less than the time between solves. */
static void count_idle(struct ms_fluid_comp *c, double at_s)
{
    double *rates = c->fill.room, *idle = c->credit, all_rates = 0, all_idle = 0;
    memset(rates, 0, c->m * sizeof *rates);
    memset(idle, 0, c->m * sizeof *idle);
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
        all_rates += rate;
        all_idle += rate * (at_s - e->finish_s);
    }
    c->crediting = all_idle > 0;
    for (uint32_t l = 0; c->crediting && l < c->m; l++)
        idle[l] = rates[l] > 0 ? idle[l] / rates[l] : all_idle / all_rates;
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
        count_idle(c, at_s);
    ms_fluid_sink_apply(f, c, at_s);
    for (uint32_t l = 0; l < c->m; l++)
        c->serve[l] = c->level[l] * c->cut_s;
    c->serving = c->n_live > 0;
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

static void solve_one(void *ctx, size_t item, int thread)
{
    struct ms_fluid *f = ctx;
    struct ms_fluid_comp *c = &f->comp[f->dirty[item]];
    ms_fluid_comp_tidy(c);
    ms_fluid_isa_of_this_cpu()->fill(c);
    ms_fluid_pass(c, span_s(f, c), f->n_dirty > 1 ? NULL : f->pool);
}

static int by_index(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

static void solve_dirty(struct ms_fluid *f)
{
    uint64_t work = 0;
    if (f->n_dirty == 0)
        return;
    if (f->n_dirty > 1)
        qsort(f->dirty, f->n_dirty, sizeof *f->dirty, by_index);
    for (uint32_t i = 0; i < f->n_dirty; i++)
        work += f->comp[f->dirty[i]].n_live;
    ms_pool_run(f->n_dirty > 1 && work > 20000 ? f->pool : NULL, f->n_dirty, solve_one, f);
    for (uint32_t i = 0; i < f->n_dirty; i++) { /* the heap takes one changed key at a time */
        struct ms_fluid_comp *c = &f->comp[f->dirty[i]];
        c->new_end_s = c->end_s;
        c->end_s = INFINITY;
    }
    for (uint32_t i = 0; i < f->n_dirty; i++) {
        struct ms_fluid_comp *c = &f->comp[f->dirty[i]];
        c->end_s = c->new_end_s;
        c->dirty = false;
        step_moved(f, f->dirty[i]);
        if (f->tracing)
            ms_fluid_trace_note(f, c);
        ms_fluid_sink_tentative(f, c);
    }
    f->stats.n_solves += f->n_dirty;
    f->n_dirty = 0;
}

static void start_flow(struct ms_fluid *f, struct ms_fluid_wait w)
{
    uint32_t comp, k = w.bytes > 0 ? ms_fluid_net_links(f, w.route, &comp) : 0;
    if (k == 0) {
        uint32_t none = f->tracing ? ms_fluid_trace_none(f) : MS_FLUID_NONE;
        ms_fluid_sink_end(f, w.sink, f->now_s, none);
        ms_fluid_sink_check(f, w.sink);
        return;
    }
    struct ms_fluid_comp *c = &f->comp[comp];
    ms_fluid_cut(f, comp, f->now_s);
    if (c->crediting)
        ms_fluid_comp_settle(c); /* the gain is that of those who were there */
    if (c->n_live == 0)
        c->busy_s = f->now_s;
    for (size_t h = f->off[w.route]; h < f->off[w.route + 1]; h++)
        f->carried[f->hop[h]] += w.bytes;
    ms_fluid_comp_add(c, f->scratch, k, w.bytes, w.route, w.sink, MS_FLUID_NONE, f->tracing);
    f->n_live++;
}

/* Everything that is due at f->now_s, events excepted. */
static void catch_up(struct ms_fluid *f)
{
    while (f->n_comps && f->comp[f->step_heap[0]].end_s <= f->now_s)
        ms_fluid_cut(f, f->step_heap[0], f->now_s);
    for (; f->n_changes && f->change[0].at_s <= f->now_s; pop_change(f)) {
        f->capacity[f->change[0].link] = f->change[0].capacity_Bps;
        f->capacity_changed = true;
    }
    if ((f->n_runs && f->run[0].start_s <= f->now_s) || (f->capacity_changed && f->n_live))
        ms_fluid_net_prepare(f);
    while (f->n_runs && f->run[0].start_s <= f->now_s) {
        struct ms_fluid_run r = f->run[0];
        pop_run(f);
        for (uint32_t i = 0; i < r.n; i++)
            start_flow(f, f->wait[r.first + i]);
        f->n_waiting -= r.n;
    }
    if (f->n_waiting == 0)
        f->n_waits = 0;
    if (f->n_live > f->stats.n_active_max)
        f->stats.n_active_max = f->n_live;
    solve_dirty(f);
}

static double next_s(struct ms_fluid *f)
{
    double t = ms_fluid_sink_next(f);
    if (f->n_comps)
        t = fmin(t, f->comp[f->step_heap[0]].end_s);
    if (f->n_runs)
        t = fmin(t, f->run[0].start_s);
    if (f->n_changes && (f->n_live || f->n_runs))
        t = fmin(t, f->change[0].at_s);
    return fmax(t, f->now_s);
}

double ms_fluid_next_s(struct ms_fluid *f)
{
    double t0 = wall_s();
    catch_up(f);
    f->stats.solver_s += wall_s() - t0;
    return next_s(f);
}

static size_t go(struct ms_fluid *f, double to_s, bool stop, const struct ms_fluid_event **events)
{
    double t0 = wall_s();
    f->n_events = f->n_spans = 0;
    for (;;) {
        catch_up(f);
        double t = next_s(f);
        if (t > to_s || t == INFINITY)
            break;
        f->now_s = t;
        ms_fluid_sink_deliver(f, t);
        if (stop && f->n_events)
            break;
    }
    if (!(stop && f->n_events) && to_s > f->now_s && to_s < INFINITY)
        f->now_s = to_s;
    f->stats.solver_s += wall_s() - t0;
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
    return f->now_s;
}

/* All that started, less what the running ones still have to do. */
void ms_fluid_link_bytes(struct ms_fluid *f, double *bytes)
{
    memcpy(bytes, f->carried, f->n_links * sizeof *bytes);
    for (uint32_t n = 0; n < f->n_comps; n++) {
        struct ms_fluid_comp *c = &f->comp[n];
        for (uint32_t k = 1; k <= c->k_max; k++) {
            struct ms_fluid_bucket *b = c->by_k[k];
            for (uint32_t i = 0; b && i < b->n; i++) {
                double low = INFINITY, serve = INFINITY;
                if (b->left[i] == INFINITY)
                    continue;
                for (uint32_t j = 0; j < k; j++) {
                    low = fmin(low, c->level[b->link[j][i]]);
                    serve = fmin(serve, c->serve[b->link[j][i]]);
                }
                double rest = b->left[i] - (c->serving && i < b->n_served ? serve : 0);
                rest -= c->dirty ? 0 : low * (f->now_s - c->solved_s);
                for (size_t h = f->off[b->route[i]]; h < f->off[b->route[i] + 1]; h++)
                    bytes[f->hop[h]] -= rest > 0 ? rest : 0;
            }
        }
    }
}

void ms_fluid_get_stats(const struct ms_fluid *f, struct ms_fluid_stats *out)
{
    *out = f->stats;
    out->n_components = f->n_comps;
    out->n_links = 0;
    for (uint32_t i = 0; i < f->n_comps; i++)
        out->n_links += f->comp[i].m;
}
