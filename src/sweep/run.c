/* What of a plan is left to simulate, in which order, on how many processes; and what is told on
 * the way. */
#include "sweep/run.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/pool.h"
#include "sweep/case_run.h"
#include "sweep/farm.h"
#include "sweep/lines.h"
#include "sweep/train_case.h"

struct runner {
    const struct ms_plan *plan;
    const struct ms_run_options *options;
    const struct ms_run_watch *watch;
    struct ms_run_state *state;
    struct ms_store *store;
    struct ms_arena arena;
    size_t *job; /* [n_jobs] case indices, the longest first */
    size_t n_jobs;
    int n_procs;
    int n_threads;                /* of a child that does one case */
    struct ms_sim_engine *engine; /* in a child that may do several cases */
    double start_s, cost_left, cost_done;
    double under_way, cost_under_way; /* of cases, of their cost: since the last tick */
};

/* Cases that take less than this share a child with others; a child takes so much of them. */
#define SMALL_S 0.1
#define BATCH_S 2.0
enum { BATCH_CASES = 256 };

static bool is_small(const struct runner *r, size_t index)
{
    const struct ms_plan_case *c = &r->plan->c[index];
    return c->repeatable && c->cost_s < SMALL_S && !r->options->timeline && !r->options->train;
}

/* ---- in the child ---- */

static enum ms_status work(void *ctx, size_t job, struct ms_message *out, struct ms_err *err)
{
    struct runner *r = ctx;
    struct ms_case c = {0};
    enum ms_status s = ms_study_case(r->plan->study, job, &c, err);
    if (s != MS_OK)
        return s;
    if (r->options->train) {
        s = ms_train_case_run(&c.s, &r->plan->store.c[job], r->options->dir, r->n_threads, out,
                              err);
        ms_case_finish(&c);
        return s;
    }
    c.s.in_force = r->plan->c[job].hardware;
    struct ms_case_options o = {
        .n_threads = r->n_threads, .samples = r->options->samples, .causes = r->options->causes};
    if (is_small(r, job)) {
        if (!r->engine && !(r->engine = ms_sim_engine_create()))
            return ms_err_set(err, MS_NOMEM, "out of memory for a case");
        o.engine = r->engine;
        o.n_threads = 1;
    }
    if (r->options->timeline) {
        char name[64];
        snprintf(name, sizeof name, "trace/%s.json", r->plan->store.c[job].id);
        o.timeline_path = ms_path_join(&c.arena, r->options->dir, name);
        o.timeline_case = r->plan->store.c[job].id;
    }
    s = ms_case_run(&c.s, &r->plan->c[job], &r->plan->inputs->files, &o, out, err);
    out->last = s == MS_OK && o.engine &&
                !ms_sim_engine_serves(o.engine, r->plan->c[job].platform, &c.s.sim);
    ms_case_finish(&c);
    return s;
}

/* ---- in the parent ---- */

static void tell(struct runner *r)
{
    struct ms_run_state *s = r->state;
    double done = r->cost_done + r->cost_under_way;
    s->elapsed_s = ms_clock_s() - r->start_s;
    s->left_s = done > 0 ? s->elapsed_s * fmax(0, r->cost_left - r->cost_under_way) / done : -1;
    s->done = (double)s->n_done + r->under_way;
    if (r->watch->progress)
        r->watch->progress(r->watch->ctx, s);
}

static enum ms_status fail(struct runner *r, size_t index, const char *error, struct ms_err *err)
{
    const struct ms_store_case *c = &r->plan->store.c[index];
    r->state->n_failed++;
    if (r->watch->failed)
        r->watch->failed(r->watch->ctx, c->id, c->axes_json, error);
    return ms_store_fail(r->store, index, error, err);
}

static enum ms_status done(void *ctx, const struct ms_farm_answer *a, struct ms_err *err)
{
    struct runner *r = ctx;
    const struct ms_message *m = a->message;
    enum ms_status s;
    if (m->status != MS_OK) {
        s = fail(r, a->job, m->error, err);
    } else {
        s = ms_store_add(r->store, a->job, &m->part[MS_PART_RECORD], &m->part[MS_PART_TIMING],
                         &m->part[MS_PART_SAMPLES], err);
        r->state->n_failed += s == MS_OK && !ms_store_has(r->store, a->job);
        if (*a->talk && r->watch->talk)
            r->watch->talk(r->watch->ctx, r->plan->store.c[a->job].id, a->talk);
    }
    r->state->n_done++;
    r->cost_done += r->plan->c[a->job].cost_s;
    r->cost_left -= r->plan->c[a->job].cost_s;
    return s;
}

/* How much of a case is done by its estimate: what it takes beyond is never known to be little. */
static double share_by_time(double elapsed_s, double cost_s)
{
    double t = cost_s > 0 ? elapsed_s / cost_s : 0;
    return t < 0.5 ? t : 1 - 0.25 / t;
}

/* A child counts its flows; while it draws tokens, plans a leg or asks for routes, time tells. */
static void under_way(void *ctx, size_t job, double share, double elapsed_s)
{
    struct runner *r = ctx;
    share = fmax(share, share_by_time(elapsed_s, r->plan->c[job].cost_s));
    r->under_way += share;
    r->cost_under_way += share * r->plan->c[job].cost_s;
}

static void tick(void *ctx, size_t n_running)
{
    struct runner *r = ctx;
    r->state->n_running = n_running;
    ms_store_sync(r->store, NULL); /* a disk that fails tells so at the next record */
    tell(r);
    r->under_way = r->cost_under_way = 0;
}

/* Neighbours that are small, on one platform and with one network model; fewer of them towards the
 * end, so that no process is left alone with many. */
static size_t batch(void *ctx, const size_t *jobs, size_t n)
{
    struct runner *r = ctx;
    const struct ms_plan_case *c = r->plan->c;
    size_t most = n / (2 * (size_t)r->n_procs) + 1, k = 1;
    double cost_s = c[jobs[0]].cost_s;
    most = most < BATCH_CASES ? most : BATCH_CASES;
    if (!is_small(r, jobs[0]))
        return 1;
    while (k < most && is_small(r, jobs[k]) && c[jobs[k]].platform == c[jobs[0]].platform &&
           c[jobs[k]].repeatable == c[jobs[0]].repeatable &&
           (cost_s += c[jobs[k]].cost_s) < BATCH_S)
        k++;
    return k;
}

struct costly {
    double cost_s; /* small ones count as equal */
    const char *platform;
    size_t index;
};

static int by_cost(const void *a, const void *b)
{
    const struct costly *x = a, *y = b;
    if (x->cost_s != y->cost_s)
        return x->cost_s > y->cost_s ? -1 : 1;
    int c = strcmp(x->platform, y->platform);
    return c ? c : (x->index > y->index) - (x->index < y->index);
}

static struct costly costly(const struct runner *r, size_t index)
{
    const struct ms_plan_case *c = &r->plan->c[index];
    bool small = is_small(r, index);
    return (struct costly){small ? 0 : c->cost_s, small ? c->platform->path : "", index};
}

/* What the folder does not have, the longest first so that no process is left alone with it at the
 * end. */
static enum ms_status choose_jobs(struct runner *r, struct ms_err *err)
{
    size_t n = r->plan->n;
    struct costly *c = MS_NEW(&r->arena, struct costly, n);
    r->job = MS_NEW(&r->arena, size_t, n);
    if (!c || !r->job)
        return ms_err_set(err, MS_NOMEM, "out of memory for the cases");
    enum ms_status s = MS_OK;
    for (size_t i = r->options->shard - 1; s == MS_OK && i < n; i += r->options->n_shards) {
        r->state->n_cases++;
        if (r->plan->c[i].invalid) {
            r->state->n_done++;
            s = fail(r, i, r->plan->c[i].invalid, err);
        } else if (ms_store_has(r->store, i) &&
                   (!r->options->train ||
                    ms_train_case_whole(&r->plan->store.c[i], r->options->dir))) {
            r->state->n_done++;
            r->state->n_reused++;
        } else {
            c[r->n_jobs++] = costly(r, i);
            r->cost_left += r->plan->c[i].cost_s;
        }
    }
    qsort(c, r->n_jobs, sizeof *c, by_cost);
    for (size_t i = 0; i < r->n_jobs; i++)
        r->job[i] = c[i].index;
    return s;
}

static enum ms_status farm_out(struct runner *r, int *signal_number, struct ms_err *err)
{
    size_t procs =
        (size_t)r->options->n_procs < r->n_jobs ? (size_t)r->options->n_procs : r->n_jobs;
    if (procs == 0)
        return MS_OK;
    int spare = ms_cores() / (int)procs;
    r->n_threads = spare > 1 ? spare : 1;
    r->n_procs = (int)procs;
    struct ms_farm f = {.ctx = r,
                        .n_procs = (int)procs,
                        .timeout_s = r->options->timeout_s,
                        .batch = batch,
                        .work = work,
                        .done = done,
                        .under_way = under_way,
                        .tick = tick};
    return ms_farm_run(&f, r->job, r->n_jobs, signal_number, err);
}

static enum ms_status make_trace_dir(struct runner *r, struct ms_err *err)
{
    char *dir = ms_path_join(&r->arena, r->options->dir, "trace");
    if (!r->options->timeline)
        return MS_OK;
    return dir ? ms_dir_make(dir, err) : ms_err_set(err, MS_NOMEM, "out of memory for the cases");
}

static enum ms_status run(struct runner *r, int *signal_number, struct ms_err *err)
{
    enum ms_status s = make_trace_dir(r, err);
    if (s == MS_OK)
        s = choose_jobs(r, err);
    if (s == MS_OK) {
        tell(r);
        s = farm_out(r, signal_number, err);
    }
    struct ms_err late = {0};
    enum ms_status closed = ms_store_close(r->store, &late);
    if (closed != MS_OK && (s == MS_OK || s == MS_INTERRUPTED)) {
        if (err)
            *err = late;
        s = closed;
    }
    if (s == MS_OK && r->state->n_failed > 0)
        return ms_err_set(err, MS_FAILED, "%zu of %zu cases failed; the others are kept",
                          r->state->n_failed, r->state->n_cases);
    return s;
}

enum ms_status ms_plan_run(const struct ms_plan *plan, const struct ms_run_options *options,
                           const struct ms_run_watch *watch, struct ms_run_state *state,
                           int *signal_number, struct ms_err *err)
{
    struct runner r = {
        .plan = plan, .options = options, .watch = watch, .state = state, .start_s = ms_clock_s()};
    struct ms_store_study study = plan->store;
    study.needs_samples = options->samples;
    study.warnings = watch->warnings;
    *state = (struct ms_run_state){.left_s = -1};
    *signal_number = 0;
    enum ms_status s = ms_store_open(&r.store, options->dir, &study, options->force, err);
    if (s == MS_OK)
        s = run(&r, signal_number, err);
    ms_arena_finish(&r.arena);
    return s;
}
