/* Decides the rounds in which plans are tried, which are simulated on held-out batches, and what is
 * said of them there. */
#include "advise/advise.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "advise/trial.h"
#include "demand/demand.h"

enum { FIRST_REPEATS = 2, ROUNDS = 3, HELD_OUT = 12, MOST_LAYERS = 8, KEPT = 6 };
/* Added to the seed of batches that no plan was chosen on. */
static const uint64_t HELD_OUT_SEED = 1000003;

/* ---- a plan as a case ---- */

/** What a round asks: so many repeats and layers, on which draws. */
struct asked {
    int repeats, layers;
    uint64_t seed_shift;
};

static enum ms_status ask(const void *ctx, struct ms_case *c, struct ms_err *err)
{
    const struct asked *q = ctx;
    (void)err;
    c->s.repeats = q->repeats;
    c->s.twin = false;
    c->s.seed += q->seed_shift;
    int layers = c->s.workload.layers > 0 ? c->s.workload.layers : c->s.model.moe_layers;
    c->s.workload.layers = layers < q->layers ? layers : q->layers;
    if (c->s.routing.source == MS_SOURCE_MATRIX)
        c->s.workload.layers = 1;
    return MS_OK;
}

static enum ms_status read_plan(const struct ms_advise_options *o, struct ms_advised *a,
                                struct ms_advice *p, struct ms_errs *errs)
{
    const char *set[300];
    size_t n = 0;
    for (size_t i = 0; i < o->n_sets && n < 280; i++)
        set[n++] = o->sets[i];
    for (int i = 0; i < p->n_sets; i++)
        set[n++] = p->set[i];
    enum ms_status s = ms_study_read(&p->study, o->scenario, set, n, errs);
    if (s == MS_OK)
        s = ms_plan_make(&p->plan, &p->study, MS_USE_RUN, false, &a->inputs, errs);
    return s;
}

/* One that the scenario or the platform does not allow is no candidate. A platform that was asked for
 * and cannot be is the caller's mistake: its errors are told. */
static enum ms_status try_to_read(const struct ms_advise_options *o, struct ms_advised *a,
                                  struct ms_advice *p, struct ms_errs *told)
{
    struct ms_errs errs = {0};
    bool asked = ms_advise_changes(p, "platform=");
    enum ms_status s = read_plan(o, a, p, asked ? told : &errs);
    p->score_us = s == MS_OK && p->plan.n == 1 ? 0 : INFINITY;
    a->n_impossible += p->score_us == INFINITY;
    ms_errs_finish(&errs);
    return asked ? s : MS_OK;
}

/* ---- rounds ---- */

static void metric_path(const struct ms_advised *a, char *path, size_t size)
{
    snprintf(path, size, "%s", a->metric);
}

static enum ms_status simulate(struct ms_advised *a, struct ms_advice **plan, size_t n,
                               const struct asked *q, int n_procs, int *signal_number,
                               struct ms_err *err)
{
    struct ms_trial *t = calloc(n + 1, sizeof *t);
    char path[80];
    if (!t)
        return ms_err_set(err, MS_NOMEM, "out of memory");
    metric_path(a, path, sizeof path);
    for (size_t i = 0; i < n; i++)
        t[i] = (struct ms_trial){.plan = &plan[i]->plan,
                                 .options = {.details = q->seed_shift > 0},
                                 .change = ask,
                                 .ctx = q};
    enum ms_status s = ms_trials_run(t, n, n_procs, signal_number, err);
    for (size_t i = 0; i < n; i++) {
        ms_trials_finish(&plan[i]->trial, 1);
        plan[i]->trial = t[i];
        double v = ms_trial_number(&t[i], path);
        plan[i]->score_us = isfinite(v) ? v : INFINITY;
        a->n_evaluations += (size_t)q->repeats;
    }
    free(t);
    return s;
}

static int by_score(const void *a, const void *b)
{
    const struct ms_advice *x = *(struct ms_advice *const *)a, *y = *(struct ms_advice *const *)b;
    if (x->score_us != y->score_us)
        return x->score_us < y->score_us ? -1 : 1;
    return (x > y) - (x < y);
}

/* Plans of one kind of work, the base left out. */
static size_t gather(struct ms_advised *a, struct ms_advice **list)
{
    size_t n = 0;
    for (size_t i = 1; i < a->n; i++)
        if (a->all[i].score_us < INFINITY && !a->all[i].other_work)
            list[n++] = &a->all[i];
    return n;
}

/* Of plans that come out the same (a window that is never full), the first alone. */
static size_t drop_equals(struct ms_advice **list, size_t n)
{
    size_t kept = 0;
    for (size_t i = 0; i < n; i++) {
        double step = ms_trial_number(&list[i]->trial, "step.mean_us");
        bool same = kept > 0 && list[i]->score_us == list[kept - 1]->score_us &&
                    step == ms_trial_number(&list[kept - 1]->trial, "step.mean_us");
        if (!same)
            list[kept++] = list[i];
    }
    return kept;
}

/* All on few repeats, the better half on twice as many. The best come first. */
static enum ms_status halve(struct ms_advised *a, const struct ms_advise_options *o,
                            struct ms_advice **list, size_t *n, int *signal_number,
                            struct ms_err *err)
{
    enum ms_status s = MS_OK;
    struct asked q = {FIRST_REPEATS, a->n_layers, 0};
    for (int round = 0; round < ROUNDS && s == MS_OK && *n > 0; round++) {
        if (o->tell)
            o->tell("plans tried", *n);
        s = simulate(a, list, *n, &q, o->n_procs, signal_number, err);
        qsort(list, *n, sizeof *list, by_score);
        *n = drop_equals(list, *n);
        while (*n > 0 && list[*n - 1]->score_us == INFINITY)
            (*n)--;
        size_t half = (*n + 1) / 2;
        *n = half > KEPT || round == ROUNDS - 1 ? half : *n < KEPT ? *n : KEPT;
        q.repeats *= 2;
    }
    return s;
}

bool ms_advise_changes(const struct ms_advice *p, const char *section)
{
    for (int i = 0; i < p->n_sets; i++)
        if (strncmp(p->set[i], section, strlen(section)) == 0)
            return true;
    return false;
}

/* The best that changes a section: of those left, else of all that were tried, by their last round. */
static struct ms_advice *best_of(struct ms_advised *a, struct ms_advice **list, size_t n,
                                 const char *section)
{
    struct ms_advice *best = NULL;
    for (size_t i = 0; i < n; i++)
        if (ms_advise_changes(list[i], section))
            return list[i];
    for (size_t i = 1; i < a->n; i++)
        if (!a->all[i].other_work && ms_advise_changes(&a->all[i], section) &&
            a->all[i].score_us < INFINITY && (!best || a->all[i].score_us < best->score_us))
            best = &a->all[i];
    return best;
}

static int by_kind_and_score(const void *a, const void *b)
{
    const struct ms_advice *x = *(struct ms_advice *const *)a, *y = *(struct ms_advice *const *)b;
    return x->other_work != y->other_work ? (int)x->other_work - (int)y->other_work
                                          : by_score(a, b);
}

/* ---- held out ---- */

/* Samples of a series, in repeats. @return false: it has none */
static bool samples(const struct ms_trial *t, const char *series, struct ms_arena *arena,
                    struct ms_clustered *out)
{
    char key[80];
    snprintf(key, sizeof key, "%s_us", series);
    const json_t *rows = json_object_get(json_object_get(t->record, "samples"), key);
    size_t R = json_array_size(rows), n = 0, at = 0;
    for (size_t r = 0; r < R; r++)
        n += json_array_size(json_array_get(rows, r));
    double *v = MS_NEW(arena, double, n + 1);
    int *repeat = MS_NEW(arena, int, n + 1);
    if (n == 0 || !v || !repeat)
        return false;
    for (size_t r = 0; r < R; r++)
        for (size_t i = 0; i < json_array_size(json_array_get(rows, r)); i++) {
            v[at] = json_number_value(json_array_get(json_array_get(rows, r), i));
            repeat[at++] = (int)r;
        }
    *out = (struct ms_clustered){v, repeat, n, (int)R};
    return true;
}

static enum ms_status against(const struct ms_advised *a, const struct ms_trial *x,
                              const struct ms_trial *y, const char *series, int stat,
                              struct ms_ratio *out, struct ms_err *err)
{
    struct ms_arena arena = {0};
    struct ms_clustered p, q;
    *out = (struct ms_ratio){.ratio = NAN, .lo = NAN, .hi = NAN, .p_inside = 1};
    enum ms_status s = MS_OK;
    if (samples(x, series, &arena, &p) && samples(y, series, &arena, &q) &&
        p.n_repeats == q.n_repeats)
        s = ms_boot_ratio(&p, &q, stat, 1, a->margin, out, err);
    ms_arena_finish(&arena);
    return s;
}

static enum ms_status judge(struct ms_advised *a, struct ms_advice *p, struct ms_err *err)
{
    char series[64], path[80];
    snprintf(series, sizeof series, "%.*s", (int)strcspn(a->metric, "."), a->metric);
    metric_path(a, path, sizeof path);
    p->metric_us = ms_trial_number(&p->trial, path);
    p->tokens_per_s = ms_trial_number(&p->trial, "step.tokens_per_s");
    snprintf(path, sizeof path, "bound%s", a->metric + strlen(series));
    bool has_bound = strcmp(series, "exchange") == 0; /* a layer or a step has none */
    p->bound_us = has_bound ? ms_trial_number(&p->trial, path) : NAN;
    p->cables = ms_trial_number(&p->trial, "platform.cables");
    p->keeps_slo = a->slo_us > 0 && p->metric_us <= a->slo_us;
    enum ms_status s = against(a, &p->trial, &a->base->trial, series, a->stat, &p->metric, err);
    if (s == MS_OK)
        s = against(a, &p->trial, &a->base->trial, "step", MS_STAT_MEAN, &p->step, err);
    p->rank_load = ms_trial_number(&p->trial, "imbalance.rank_max_over_mean");
    p->slots_bound = ms_trial_number(&p->trial, "loads.slots_bound");
    return s;
}

static const char *hardware_of(const struct ms_advice *p)
{
    const char *name = json_string_value(json_object_get(p->trial.record, "hardware"));
    return name ? name : "none";
}

bool ms_advise_same_hardware(const struct ms_advised *a, const struct ms_advice *p)
{
    return strcmp(hardware_of(a->base), hardware_of(p)) == 0;
}

/* Verdicts together: each must stand beside the others (Holm). */
static void verdicts(struct ms_advised *a)
{
    double p[MS_PLANS_TOLD];
    bool beyond[MS_PLANS_TOLD] = {0};
    for (size_t i = 0; i < a->n_best; i++)
        p[i] = a->best[i]->metric.p_inside;
    if (a->n_best > 0)
        ms_holm(p, a->n_best, 0.05, beyond);
    for (size_t i = 0; i < a->n_best; i++) {
        bool alike = ms_advise_same_hardware(a, a->best[i]);
        a->best[i]->verdict =
            alike ? ms_verdict(&a->best[i]->metric, a->margin, beyond[i]) : MS_VERDICT_UNCLEAR;
        a->best[i]->step_verdict =
            alike ? ms_verdict(&a->best[i]->step, a->margin, beyond[i]) : MS_VERDICT_UNCLEAR;
    }
}

static double price(const struct ms_advice *p)
{
    return p->memory_bytes * 1e6 + (isfinite(p->moved_bytes) ? p->moved_bytes : 0) + p->n_sets;
}

static void find_cheapest(struct ms_advised *a)
{
    if (a->base->keeps_slo)
        a->cheapest = a->base;
    for (size_t i = 0; i < a->n_best && a->cheapest != a->base; i++)
        if (a->best[i]->keeps_slo && (!a->cheapest || price(a->best[i]) < price(a->cheapest)))
            a->cheapest = a->best[i];
}

/* The base and the best, on draws that nothing was chosen on. */
static enum ms_status hold_out(struct ms_advised *a, const struct ms_advise_options *o,
                               struct ms_advice **list, size_t n, int *signal_number,
                               struct ms_err *err)
{
    struct ms_advice *again[MS_PLANS_TOLD + 1];
    struct asked q = {a->n_repeats, a->n_layers, HELD_OUT_SEED};
    n = n < MS_PLANS_TOLD ? n : MS_PLANS_TOLD;
    again[0] = a->base;
    for (size_t i = 0; i < n; i++)
        again[i + 1] = list[i];
    if (o->tell)
        o->tell("plans on held-out batches", n + 1);
    enum ms_status s = simulate(a, again, n + 1, &q, o->n_procs, signal_number, err);
    if (s == MS_OK && !a->base->trial.record)
        s = ms_err_set(err, MS_FAILED, "what is there cannot be simulated: %s",
                       a->base->trial.error);
    for (size_t i = 0; i < n && s == MS_OK; i++)
        if (list[i]->trial.record)
            a->best[a->n_best++] = list[i];
    if (s == MS_OK)
        s = judge(a, a->base, err);
    for (size_t i = 0; i < a->n_best && s == MS_OK; i++)
        s = judge(a, a->best[i], err);
    qsort(a->best, a->n_best, sizeof *a->best, by_kind_and_score);
    verdicts(a);
    if (s == MS_OK)
        s = ms_advise_costs(a, HELD_OUT_SEED, o->n_procs, signal_number, err);
    find_cheapest(a);
    return s;
}

/* ---- all of it ---- */

static void settle(struct ms_advised *a, const struct ms_advise_options *o,
                   const struct ms_scenario *s)
{
    const char *metric = o->metric ? o->metric : s->report.metric;
    snprintf(a->metric, sizeof a->metric, "%s", metric && *metric ? metric : "exchange.p99_us");
    a->stat = strstr(a->metric, ".p50")    ? 50
              : strstr(a->metric, ".p95")  ? 95
              : strstr(a->metric, ".mean") ? MS_STAT_MEAN
              : strstr(a->metric, ".max")  ? MS_STAT_MAX
                                           : 99;
    a->margin = s->report.margin;
    a->slo_us = o->slo_us;
    a->of_layers = s->workload.layers > 0 ? s->workload.layers : s->model.moe_layers;
    a->of_layers = s->routing.source == MS_SOURCE_MATRIX ? 1 : a->of_layers;
    int most = o->layers > 0 ? o->layers : MOST_LAYERS;
    a->n_layers = a->of_layers < most ? a->of_layers : most;
    a->n_repeats = o->repeats > 0 ? o->repeats : HELD_OUT;
}

static enum ms_status open_base(struct ms_advised *a, const struct ms_advise_options *o,
                                struct ms_errs *errs, struct ms_err *err)
{
    struct ms_advice first = {0};
    struct ms_case c = {0};
    enum ms_status s = read_plan(o, a, &first, errs);
    if (s == MS_OK && first.plan.n != 1)
        s = ms_err_at(err, MS_USAGE, o->scenario, 0, 0, "sweep",
                      "%zu cases: advise takes one; choose with --set KEY=VALUE", first.plan.n);
    if (s == MS_OK)
        s = ms_study_case(&first.study, 0, &c, err);
    if (s == MS_OK) {
        settle(a, o, &c.s);
        ms_advise_candidates(a, &c.s, first.plan.c[0].platform, o->platforms);
        a->base = &a->all[0];
        ms_case_finish(&c);
    }
    ms_plan_finish(&first.plan);
    ms_study_finish(&first.study);
    return s;
}

/* Platforms that were asked for are told, in the place of the last plans, however they come out. */
static size_t with_platforms(struct ms_advised *a, const struct ms_advise_options *o,
                             struct ms_advice **list, size_t n)
{
    size_t place = MS_PLANS_TOLD - 1;
    for (size_t i = 1; o->platforms && i < a->n && place > 1; i++) {
        bool there = false;
        if (!ms_advise_changes(&a->all[i], "platform") || !(a->all[i].score_us < INFINITY))
            continue;
        for (size_t k = 0; k < n; k++)
            there |= list[k] == &a->all[i];
        if (there)
            continue;
        if (n < MS_PLANS_TOLD - 1)
            list[n++] = &a->all[i];
        else
            list[--place] = &a->all[i];
    }
    return n;
}

enum ms_status ms_advise(const struct ms_advise_options *o, struct ms_advised *a,
                         struct ms_errs *errs, int *signal_number, struct ms_err *err)
{
    struct ms_advice *list[MS_PLANS_MOST];
    size_t n = 0;
    enum ms_status s = open_base(a, o, errs, err);
    if (s != MS_OK)
        return s;
    for (size_t i = 0; i < a->n && s == MS_OK; i++)
        s = try_to_read(o, a, &a->all[i], errs);
    if (s != MS_OK)
        return s;
    a->n_candidates = a->n - 1;
    n = gather(a, list);
    s = halve(a, o, list, &n, signal_number, err);
    struct ms_advice *x = best_of(a, list, n, "placement"), *y = best_of(a, list, n, "exchange");
    if (s == MS_OK && x && y) {
        ms_advise_combine(a, x, y);
        s = try_to_read(o, a, &a->all[a->n - 1], errs);
        if (a->all[a->n - 1].score_us < INFINITY && n < MS_PLANS_MOST) {
            memmove(list + 1, list, n * sizeof *list);
            list[0] = &a->all[a->n - 1];
            n++;
        }
    }
    n = n < MS_PLANS_TOLD - 1 ? n : MS_PLANS_TOLD - 1;
    n = with_platforms(a, o, list, n);
    for (size_t i = 1; i < a->n && n < MS_PLANS_TOLD; i++) /* one for throughput */
        if (a->all[i].other_work && a->all[i].score_us < INFINITY)
            list[n++] = &a->all[i];
    return s == MS_OK ? hold_out(a, o, list, n, signal_number, err) : s;
}

void ms_advise_finish(struct ms_advised *a)
{
    for (size_t i = 0; i < a->n; i++) {
        ms_trials_finish(&a->all[i].trial, 1);
        ms_plan_finish(&a->all[i].plan);
        ms_study_finish(&a->all[i].study);
    }
    ms_inputs_finish(&a->inputs);
}
