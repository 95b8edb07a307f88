/* What is to come: changes of capacity and flows that have not started, by time. */
#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "sim/fluid/fluid_internal.h"

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

void ms_fluid_pop_change(struct ms_fluid *f)
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

void ms_fluid_pop_run(struct ms_fluid *f)
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
    return MS_OK;
}
