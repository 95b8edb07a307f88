/* What `moesim profile` reads beside checkpoints: traces in every format of routing/, and the
 * routing of a scenario. */
#include <string.h>

#include "cli/expert_use.h"
#include "cli/trace_args.h"
#include "demand/demand.h"
#include "routing/trace.h"
#include "scenario/scenario.h"
#include "sweep/case_run.h"

static enum ms_status no_memory(struct ms_err *err)
{
    return ms_err_set(err, MS_NOMEM, "no memory for the counts");
}

static void add_to(double *sum, const double *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        sum[i] += x[i];
}

/* ---- traces ---- */

static enum ms_status count_trace(const struct ms_trace *t, int first, int last,
                                  struct ms_expert_use *p, struct ms_err *err)
{
    size_t E = (size_t)t->n_experts, grid = (size_t)t->n_layers * E;
    double *one = MS_NEW(&p->arena, double, grid);
    if (!one)
        return no_memory(err);
    for (int l = 0; l < t->n_layers; l++)
        p->layer_id[l] = t->layer_id ? t->layer_id[l] : l;
    for (int s = first; s < last; s++) {
        for (int l = 0; l < t->n_layers; l++)
            ms_trace_layer(t, s, l, one + (size_t)l * E);
        add_to(p->all.counts, one, grid);
        if (last - first > 1) {
            p->steps[s - first] = ms_use_mean(p, one);
            p->n_steps++;
        }
    }
    return MS_OK;
}

enum ms_status ms_use_trace(const struct ms_trace_request *request, long step,
                            struct ms_expert_use *p, struct ms_err *err)
{
    struct ms_trace t = {0};
    enum ms_status s = ms_trace_read(request, &t, err);
    if (s)
        return s;
    ms_trace_say(request, &t);
    if (step >= t.n_steps || step < MS_STEP_LAST)
        s = ms_err_at(err, MS_INVALID, request->path, 0, 0, "--step", "%ld is not in 0..%d", step,
                      t.n_steps - 1);
    int first = step == MS_STEP_ALL ? 0 : step == MS_STEP_LAST ? t.n_steps - 1 : (int)step;
    int last = step == MS_STEP_ALL ? t.n_steps : first + 1;
    s = s ? s : ms_use_make(p, t.n_layers, t.n_experts, 0, last - first, err);
    s = s ? s : count_trace(&t, first, last, p, err);
    if (!s && t.ids) {
        p->top_k = t.top_k;
        p->tokens = t.n_tokens;
    }
    ms_trace_finish(&t);
    return s;
}

/* ---- scenarios ---- */

static enum ms_status count_demand(struct ms_demand *d, const struct ms_case_input *in,
                                   struct ms_expert_use *p, struct ms_err *err)
{
    const struct ms_workload *w = &in->s.workload;
    size_t E = (size_t)p->n_experts;
    enum ms_status s = ms_demand_begin(d, 0, err);
    if (s)
        return s;
    for (int step = 0; step < w->steps; step++)
        for (int l = 0; l < w->layers; l++) {
            const struct ms_traffic *t = ms_demand_traffic(d, step, l, 0);
            if (t->n_experts != p->n_experts)
                return ms_err_set(err, MS_INVALID, "a byte matrix names no experts");
            add_to(p->all.counts + (size_t)l * E, t->expert_tokens, E);
            p->layer_id[l] = l;
            p->tokens += l == 0 && in->s.model.top_k > 0 ? t->requested / in->s.model.top_k : 0;
        }
    p->top_k = in->s.model.top_k;
    return MS_OK;
}

static enum ms_status run_case(const struct ms_scenario *s, int threads, struct ms_expert_use *p,
                               struct ms_errs *errs, struct ms_err *err)
{
    struct ms_platform platform = {0};
    struct ms_case_input in = {0};
    struct ms_demand *d = NULL;
    if (!s->platform)
        return ms_err_at(err, MS_INVALID, s->file, 0, 0, "platform",
                         "must be given: it says how many ranks there are");
    enum ms_status status = ms_platform_read(s->platform, &platform, errs);
    if (status == MS_OK)
        ms_scenario_check(s, &platform, MS_USE_RUN, errs);
    status = status ? status : errs->n > 0 ? MS_INVALID : MS_OK;
    if (status == MS_OK)
        status = ms_case_input_init(&in, s, &platform, NULL, threads, err);
    status = status ? status : ms_demand_create(&in.demand, &d, err);
    if (status == MS_OK)
        status = ms_use_make(p, in.s.workload.layers, in.s.has_model ? in.s.model.experts : 0, 0, 0,
                             err);
    status = status ? status : count_demand(d, &in, p, err);
    ms_demand_destroy(d);
    ms_case_input_finish(&in);
    ms_platform_finish(&platform);
    return status;
}

enum ms_status ms_use_scenario(const char *path, const char *const *sets, size_t n_sets,
                               int threads, struct ms_expert_use *p, struct ms_errs *errs,
                               struct ms_err *err)
{
    struct ms_study study = {0};
    enum ms_status s = ms_study_read(&study, path, sets, n_sets, errs);
    if (s == MS_OK && study.n_cases > 1)
        s = ms_err_at(err, MS_INVALID, path, 0, 0, "sweep",
                      "%zu cases; profile looks at one: fix the swept keys with --set",
                      study.n_cases);
    struct ms_case one = {0};
    s = s ? s : ms_study_case(&study, 0, &one, err);
    s = s ? s : run_case(&one.s, threads, p, errs, err);
    ms_case_finish(&one);
    ms_study_finish(&study);
    return s;
}
