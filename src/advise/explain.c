/* Decides which counterfactuals are simulated, and in which order causes are named: what is gained
 * most by taking it away comes first. */
#include "advise/explain.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "routing/law.h"

/* A cause with less of the time is not looked into. */
static const double LEAST_SHARE = 0.01;
/* What taking it away must gain, of p99, for a cause to be more than the floor. */
static const double LEAST_GAIN = 0.02;

/* ---- what is changed, in the child ---- */

static void even_loads(struct ms_case *c, struct ms_err *err)
{
    struct ms_routing_params *r = &c->s.routing;
    ms_popularity_init(&r->popularity, "uniform", true, &c->arena, err);
    r->drift = 0;
    c->s.workload.requests.tilt = 0;
}

enum { MOST_CABLES = 1 << 10 };

/* A link, both its directions, as its kind; faults of the scenario on it are gone. */
static enum ms_status mend_link(const struct ms_explained_cause *x, struct ms_case *c,
                                struct ms_err *err)
{
    struct ms_fault_params *f = &c->s.sim.faults;
    struct ms_fault_link *links = MS_NEW(&c->arena, struct ms_fault_link, (size_t)f->n_links + 1);
    char *pattern = ms_arena_alloc(&c->arena, strlen(x->link) + 3, 1);
    int n = 0;
    if (!links || !pattern)
        return ms_err_set(err, MS_NOMEM, "out of memory");
    for (int i = 0; i < f->n_links; i++) {
        char up[300], down[300];
        snprintf(up, sizeof up, "%s_UP", x->link);
        snprintf(down, sizeof down, "%s_DOWN", x->link);
        const struct ms_fault_link *l =
            &f->links[i]; /* of a cable: it is meant whatever their number */
        if (!ms_fault_hits(l, x->link, -1, MOST_CABLES) && !ms_fault_hits(l, up, -1, MOST_CABLES) &&
            !ms_fault_hits(l, down, -1, MOST_CABLES))
            links[n++] = f->links[i];
    }
    if (x->factor > 1) {
        sprintf(pattern, "%s*", x->link);
        links[n++] = (struct ms_fault_link){
            .pattern = pattern, .until_s = INFINITY, .bandwidth_factor = x->factor};
    }
    f->links = links;
    f->n_links = n;
    return MS_OK;
}

static enum ms_status cure(const void *ctx, struct ms_case *c, struct ms_err *err)
{
    const struct ms_explained_cause *x = ctx;
    struct ms_sim_params *p = &c->s.sim;
    c->s.twin = false;
    switch (x->cure) {
    case MS_CURE_EVEN:
        even_loads(c, err);
        return err->status;
    case MS_CURE_LINK:
        return mend_link(x, c, err);
    case MS_CURE_STRAGGLERS:
        p->faults.straggler_share = 0;
        break;
    case MS_CURE_JITTER:
        p->faults.jitter_sigma = p->faults.jitter_tail_share = 0;
        break;
    case MS_CURE_START_UP:
        p->hardware.dispatch_alpha_s = p->hardware.combine_alpha_s = 0;
        break;
    case MS_CURE_MESSAGES:
        p->hardware.message_gap_s = 0;
        break;
    case MS_CURE_SPRAY:
        p->network.multipath = MS_PATHS_SPRAY;
        break;
    case MS_CURE_STAY:
        c->s.placement.rebalance.every = 0;
        break;
    case MS_CURE_BACKGROUND:
        p->background.utilisation = 0;
        break;
    case MS_CURE_COMPUTE:
        p->compute.profile = "none";
        break;
    default:
        break;
    }
    return MS_OK;
}

/* As many spare experts as there are ranks, placed by past loads. */
static int spare_experts(const struct ms_scenario *s, int ranks)
{
    int slots = s->model.experts + s->placement.redundant_experts;
    return s->placement.redundant_experts + (slots % ranks ? ranks - slots % ranks : ranks);
}

static enum ms_status with_spares(const void *ctx, struct ms_case *c, struct ms_err *err)
{
    const struct ms_explained *e = ctx;
    (void)err;
    c->s.twin = false;
    c->s.placement.strategy = "eplb";
    for (const struct ms_place_strategy *const *s = ms_place_strategies(); *s; s++)
        if ((*s)->plans_shares)
            c->s.placement.strategy = (*s)->name;
    c->s.placement.redundant_experts = e->spare_experts;
    c->s.placement.replica_choice = "auto";
    return MS_OK;
}

/* ---- which are worth it ---- */

static bool is(const json_t *told, const char *word)
{
    return strcmp(json_string_value(json_object_get(told, "cause")), word) == 0;
}

static enum ms_cure cure_of(const json_t *told)
{
    if (json_object_get(told, "slow_link"))
        return MS_CURE_LINK;
    if (is(told, "wait_straggler"))
        return MS_CURE_STRAGGLERS;
    if (is(told, "wait_jitter"))
        return MS_CURE_JITTER;
    if (is(told, "alpha"))
        return MS_CURE_START_UP;
    if (is(told, "collision"))
        return MS_CURE_SPRAY;
    if (is(told, "wait_weights"))
        return MS_CURE_STAY;
    if (is(told, "background"))
        return MS_CURE_BACKGROUND;
    if (is(told, "message_rate"))
        return MS_CURE_MESSAGES;
    if (is(told, "compute"))
        return MS_CURE_COMPUTE;
    if (is(told, "latency") || is(told, "sms"))
        return MS_CURE_NONE;
    return MS_CURE_EVEN;
}

static enum ms_status read_causes(struct ms_explained *e, struct ms_arena *arena,
                                  struct ms_err *err)
{
    const json_t *cause = json_object_get(e->base.record, "cause");
    const json_t *list = json_object_get(cause, "causes"), *told;
    size_t i;
    const char *metric = json_string_value(json_object_get(cause, "metric"));
    snprintf(e->metric, sizeof e->metric, "%s", metric ? metric : "exchange");
    char path[48];
    snprintf(path, sizeof path, "%s.p99_us", e->metric);
    e->p99_us = ms_trial_number(&e->base, path);
    e->cause = MS_NEW(arena, struct ms_explained_cause, json_array_size(list) + 1);
    if (!e->cause)
        return ms_err_set(err, MS_NOMEM, "out of memory");
    json_array_foreach((json_t *)list, i, told)
    {
        struct ms_explained_cause *x = &e->cause[e->n++];
        double left = json_number_value(json_object_get(told, "left"));
        *x = (struct ms_explained_cause){
            .told = told, .cure = cure_of(told), .trial = SIZE_MAX, .without_us = NAN};
        x->link = json_string_value(json_object_get(told, "slow_link"));
        if (x->link && left >= 0.9)
            x->factor = json_number_value(json_object_get(told, "usual_Bps")) /
                        json_number_value(json_object_get(told, "link_Bps"));
        if (json_number_value(json_object_get(told, "share")) < LEAST_SHARE)
            x->cure = MS_CURE_NONE;
    }
    return MS_OK;
}

/* The same cure serves all causes that it takes away. */
static bool same_cure(const struct ms_explained_cause *a, const struct ms_explained_cause *b)
{
    return a->cure == b->cure && (a->cure != MS_CURE_LINK || strcmp(a->link, b->link) == 0);
}

static struct ms_trial *another(struct ms_trial *all, size_t *n, const struct ms_explained *e)
{
    struct ms_trial *t = &all[(*n)++];
    *t = (struct ms_trial){.plan = e->base.plan, .index = e->base.index};
    return t;
}

/* Are loads as even already as a counterfactual would make them? */
static bool is_even(const struct ms_scenario *s)
{
    const struct ms_popularity *p = &s->routing.popularity;
    return p->law && strcmp(p->law->name, "uniform") == 0 && !(s->workload.requests.tilt > 0);
}

static void choose(struct ms_explained *e, struct ms_trial *all, size_t *n)
{
    const struct ms_plan *plan = e->base.plan;
    struct ms_case c = {0};
    bool drawn = false, loads = false;
    if (ms_study_case(plan->study, e->base.index, &c, NULL) == MS_OK)
        drawn = c.s.routing.source == MS_SOURCE_SYNTHETIC && !is_even(&c.s);
    for (size_t i = 0; i < e->n; i++) {
        struct ms_explained_cause *x = &e->cause[i];
        loads |= x->cure == MS_CURE_EVEN;
        if (x->cure == MS_CURE_NONE || (x->cure == MS_CURE_EVEN && !drawn))
            continue;
        for (size_t k = 0; k < i && x->trial == SIZE_MAX; k++)
            if (same_cure(x, &e->cause[k]))
                x->trial = e->cause[k].trial;
        if (x->trial != SIZE_MAX)
            continue;
        x->trial = *n;
        struct ms_trial *t = another(all, n, e);
        t->change = cure;
        t->ctx = x;
    }
    int ranks = (int)ms_trial_number(&e->base, "ranks");
    if (loads && ranks > 0 && c.s.routing.source != MS_SOURCE_MATRIX &&
        ms_trial_number(&e->base, "imbalance.rank_max_over_mean") > 1.1) {
        e->spare_experts = spare_experts(&c.s, ranks);
        e->spare = *n;
        struct ms_trial *t = another(all, n, e);
        t->change = with_spares;
        t->ctx = e;
    }
    ms_case_finish(&c);
}

/* Without a law to make even, the balanced twin says it. */
static double even_us(const struct ms_explained *e)
{
    return e->p99_us / ms_trial_number(&e->base, "slowdown.vs_balanced_p99");
}

static double gained(const struct ms_explained *e, const struct ms_explained_cause *x)
{
    return isfinite(x->without_us) ? e->p99_us - x->without_us : -INFINITY;
}

static double share(const struct ms_explained_cause *x)
{
    return json_number_value(json_object_get(x->told, "share"));
}

/* What every exchange takes, however even: told last, unless nothing else is worth taking away. */
static bool is_floor(const struct ms_explained *e, const struct ms_explained_cause *x)
{
    bool fixed = x->cure == MS_CURE_NONE || x->cure == MS_CURE_START_UP ||
                 x->cure == MS_CURE_MESSAGES || x->cure == MS_CURE_COMPUTE;
    return fixed || !(gained(e, x) > LEAST_GAIN * e->p99_us);
}

/* A few causes: by what is gained, then by their share. */
static bool comes_later(const struct ms_explained *e, const struct ms_explained_cause *x,
                        const struct ms_explained_cause *y)
{
    if (is_floor(e, x) != is_floor(e, y))
        return is_floor(e, x);
    if (!is_floor(e, x) && gained(e, x) != gained(e, y))
        return gained(e, x) < gained(e, y);
    return share(x) < share(y);
}

static void order(struct ms_explained *e)
{
    for (size_t i = 1; i < e->n; i++)
        for (size_t k = i; k > 0; k--) {
            if (!comes_later(e, &e->cause[k - 1], &e->cause[k]))
                break;
            struct ms_explained_cause x = e->cause[k];
            e->cause[k] = e->cause[k - 1];
            e->cause[k - 1] = x;
        }
}

static void read_cures(struct ms_explained *e, const struct ms_trial *all)
{
    char path[48];
    snprintf(path, sizeof path, "%s.p99_us", e->metric);
    for (size_t i = 0; i < e->n; i++) {
        struct ms_explained_cause *x = &e->cause[i];
        if (x->trial != SIZE_MAX)
            x->without_us = ms_trial_number(&all[x->trial], path);
        else if (x->cure == MS_CURE_EVEN)
            x->without_us = even_us(e);
    }
    if (e->spare != SIZE_MAX)
        e->spare_us = ms_trial_number(&all[e->spare], path);
    order(e);
}

static enum ms_status draw_timeline(const struct ms_explained *e, const char *path,
                                    int *signal_number, struct ms_err *err)
{
    const json_t *slow = json_object_get(json_object_get(e->base.record, "cause"), "slowest");
    const json_t *repeat = json_object_get(json_array_get(slow, 0), "repeat");
    struct ms_trial t = {.plan = e->base.plan, .index = e->base.index};
    t.options.timeline_path = path;
    t.options.timeline_case = e->id;
    t.options.timeline_repeat = (int)json_integer_value(repeat);
    enum ms_status s = ms_trials_run(&t, 1, 1, signal_number, err);
    if (s == MS_OK && !t.record)
        s = ms_err_set(err, MS_FAILED, "no timeline: %s", t.error);
    ms_trials_finish(&t, 1);
    return s;
}

/* All cases as they are, with the causes. */
static enum ms_status run_bases(const struct ms_plan *plan, const size_t *cases, size_t n,
                                int n_procs, struct ms_arena *arena, struct ms_explained *out,
                                int *signal_number, struct ms_err *err)
{
    struct ms_trial *t = MS_NEW(arena, struct ms_trial, n);
    if (!t)
        return ms_err_set(err, MS_NOMEM, "out of memory");
    for (size_t i = 0; i < n; i++)
        t[i] = (struct ms_trial){.plan = plan, .index = cases[i], .options = {.causes = true}};
    enum ms_status s = ms_trials_run(t, n, n_procs, signal_number, err);
    for (size_t i = 0; i < n; i++) {
        out[i].base = t[i];
        out[i].id = plan->store.c[cases[i]].id;
        out[i].axes = plan->store.c[cases[i]].axes_json;
        out[i].spare = SIZE_MAX;
        out[i].spare_us = NAN;
        if (s == MS_OK && t[i].record)
            s = read_causes(&out[i], arena, err);
    }
    return s;
}

enum ms_status ms_explain(const struct ms_plan *plan, const size_t *cases, size_t n,
                          const struct ms_explain_options *o, struct ms_arena *arena,
                          struct ms_explained *out, int *signal_number, struct ms_err *err)
{
    size_t n_trials = 0, most = 0;
    enum ms_status s = run_bases(plan, cases, n, o->n_procs, arena, out, signal_number, err);
    for (size_t i = 0; i < n; i++)
        most += out[i].n + 1;
    struct ms_trial *t = MS_NEW(arena, struct ms_trial, most + 1);
    if (s == MS_OK && !t)
        s = ms_err_set(err, MS_NOMEM, "out of memory");
    for (size_t i = 0; s == MS_OK && o->cures && i < n; i++)
        choose(&out[i], t, &n_trials);
    if (s == MS_OK)
        s = ms_trials_run(t, n_trials, o->n_procs, signal_number, err);
    for (size_t i = 0; s == MS_OK && i < n; i++)
        read_cures(&out[i], t);
    if (s == MS_OK && o->timeline && out[0].base.record)
        s = draw_timeline(&out[0], o->timeline, signal_number, err);
    ms_trials_finish(t, n_trials);
    return s;
}

void ms_explain_finish(struct ms_explained *e, size_t n)
{
    for (size_t i = 0; i < n; i++)
        ms_trials_finish(&e[i].base, 1);
}
