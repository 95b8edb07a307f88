/* What is to come, by time: changes of capacity, and flows that have not started. Flows of one call
 * that start together are one run. */
#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/huge.h"
#include "sim/fluid/fluid_internal.h"

enum ms_status ms_fluid_set_capacity(struct ms_fluid *f, uint32_t link, double at_s,
                                     double capacity_Bps, struct ms_err *err)
{
    assert(link < f->n_links && capacity_Bps >= 0 && isfinite(capacity_Bps));
    size_t need = (size_t)f->n_changes + 1;
    uint32_t id = f->free_change;
    if (f->no_memory || !ms_heap_reserve(&f->changes, f->changes.n + 1) ||
        !ms_fluid_grow(&f->change, &f->change_cap, need, sizeof *f->change))
        return ms_fluid_no_memory(f, err);
    if (id != MS_FLUID_NONE)
        f->free_change = f->change[id].link;
    else
        id = f->n_changes++;
    f->change[id] = (struct ms_fluid_change){capacity_Bps, link};
    ms_heap_push(&f->changes, (struct ms_heap_item){fmax(at_s, f->now_s), f->seq++, id});
    return MS_OK;
}

struct ms_fluid_change ms_fluid_pop_change(struct ms_fluid *f)
{
    uint32_t id = ms_heap_pop(&f->changes).id;
    struct ms_fluid_change x = f->change[id];
    f->change[id].link = f->free_change;
    f->free_change = id;
    return x;
}

static bool push_run(struct ms_fluid *f, double start_s, struct ms_fluid_run x)
{
    uint32_t id = f->free_run;
    if (!ms_fluid_grow(&f->run, &f->run_cap, (size_t)f->n_runs + 1, sizeof *f->run))
        return false;
    if (id != MS_FLUID_NONE)
        f->free_run = f->run[id].first;
    else
        id = f->n_runs++;
    f->run[id] = x;
    return ms_heap_push(&f->runs, (struct ms_heap_item){start_s, f->seq++, id});
}

struct ms_fluid_run ms_fluid_pop_run(struct ms_fluid *f)
{
    uint32_t id = ms_heap_pop(&f->runs).id;
    struct ms_fluid_run x = f->run[id];
    f->run[id].first = f->free_run;
    f->free_run = id;
    return x;
}

/* Waiting flows that have started leave gaps at the front of their array: close them when they are
 * most of it. */
static bool squeeze_waits(struct ms_fluid *f)
{
    if (f->n_waits < 1024 || f->n_waiting * 2 > f->n_waits)
        return true;
    struct ms_fluid_wait *w = ms_huge_alloc((f->n_waiting + 1) * sizeof *w);
    size_t n = 0;
    if (!w)
        return false;
    for (size_t i = 0; i < f->runs.n; i++) {
        struct ms_fluid_run *r = &f->run[f->runs.item[i].id];
        memcpy(w + n, f->wait + r->first, r->n * sizeof *w);
        r->first = (uint32_t)n;
        n += r->n;
    }
    free(f->wait);
    f->wait = w;
    f->n_waits = f->wait_cap = n;
    return true;
}

/* A plain flow; its first sink is the one it has if it has one. */
static struct ms_fluid_wait as_is(const struct ms_fluid_flow *flow)
{
    uint32_t also = flow->n_also ? flow->also[0] : MS_FLUID_NONE;
    bool one = flow->sink != MS_FLUID_NO_SINK;
    return (struct ms_fluid_wait){.bytes = flow->bytes,
                                  .route = flow->route,
                                  .sink = {one ? flow->sink : also, one ? also : MS_FLUID_NONE}};
}

/* The flows at the end of what waits, a run for each stretch of one start. */
static bool add_runs(struct ms_fluid *f, const struct ms_fluid_flow *flows, size_t n,
                     struct ms_fluid_more *more)
{
    struct ms_fluid_run run = {0};
    double run_s = 0;
    bool fine = true;
    for (size_t i = 0; i < n && fine; i++) {
        double start_s = flows[i].start_s > f->now_s ? flows[i].start_s : f->now_s;
        if (run.n && start_s != run_s) {
            fine = push_run(f, run_s, run);
            run.n = 0;
        }
        if (run.n == 0)
            run.first = (uint32_t)f->n_waits;
        run_s = start_s;
        struct ms_fluid_wait *w = &f->wait[f->n_waits++];
        if (more && ms_fluid_more_needed(f, &flows[i]))
            *w = (struct ms_fluid_wait){.more = more++, .route = MS_FLUID_NONE};
        else
            *w = as_is(&flows[i]);
        run.n++;
    }
    return fine && (run.n == 0 || push_run(f, run_s, run));
}

static bool is_amount(double x)
{
    return x >= 0 && isfinite(x);
}

static bool are_weights(const struct ms_fluid *f, const struct ms_fluid_use *use, uint32_t n)
{
    bool fine = true;
    for (uint32_t i = 0; i < n; i++) {
        assert(ms_fluid_is_route(f, use[i].route));
        fine = fine && is_amount(use[i].weight);
    }
    return fine;
}

static enum ms_status check(const struct ms_fluid *f, const struct ms_fluid_flow *flow,
                            struct ms_err *err)
{
    assert(flow->route == MS_FLUID_NO_ROUTE || ms_fluid_is_route(f, flow->route));
    assert(flow->sink < f->n_sinks || flow->sink == MS_FLUID_NO_SINK);
    assert(flow->n_sent <= flow->n_also);
    if (!is_amount(flow->bytes) || isnan(flow->start_s))
        return ms_err_set(err, MS_INVALID,
                          "a flow of %g bytes at %g s; allowed: finite, at least 0", flow->bytes,
                          flow->start_s);
    if (!is_amount(flow->share) || !is_amount(flow->chunk_bytes))
        return ms_err_set(err, MS_INVALID,
                          "a flow of share %g with chunks of %g bytes; allowed: finite, at least 0",
                          flow->share, flow->chunk_bytes);
    if (!are_weights(f, flow->with, flow->n_with) || !are_weights(f, flow->then, flow->n_then))
        return ms_err_set(err, MS_INVALID, "a weight of a flow; allowed: finite, at least 0");
    return MS_OK;
}

enum ms_status ms_fluid_add(struct ms_fluid *f, const struct ms_fluid_flow *flows, size_t n,
                            struct ms_err *err)
{
    struct ms_fluid_block *block = NULL;
    enum ms_status s = MS_OK;
    for (size_t i = 0; i < n && !s; i++)
        s = check(f, &flows[i], err);
    if (s)
        return s;
    if (f->no_memory || !squeeze_waits(f) ||
        !ms_fluid_grow(&f->wait, &f->wait_cap, f->n_waits + n, sizeof *f->wait) ||
        !ms_fluid_more_make(f, flows, n, &block))
        return ms_fluid_no_memory(f, err);
    assert(f->n_waits + n < UINT32_MAX);
    if (!add_runs(f, flows, n, block ? block->more : NULL))
        return ms_fluid_no_memory(f, err);
    f->n_waiting += n;
    f->stats.n_flows += n;
    return MS_OK;
}
