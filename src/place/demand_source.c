/* What the tokens are drawn from: a law, a trace or a matrix; and how many tokens each rank has. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "place/demand_int.h"
#include "routing/assign.h"
#include "routing/sample.h"

/* Inclusion frequencies that cannot be: found before anything is drawn, and named. */
static enum ms_status check_trace(struct ms_demand *d, struct ms_err *err)
{
    const struct ms_trace *t = &d->trace;
    struct ms_sampler *s = ms_sampler_create(d->in.model);
    if (s == NULL)
        return ms_err_set(err, MS_NOMEM, "out of memory");
    enum ms_status status = MS_OK;
    size_t rows = (size_t)t->n_steps * t->n_ranks * t->n_layers;
    for (size_t i = 0; i < rows && status == MS_OK; i++) {
        struct ms_err local = {0};
        status = ms_sampler_set(s, d->trace_f + i * d->E, true, &local);
        if (status != MS_OK)
            ms_err_at(err, status, d->in.routing->trace, 0, 0, "routing.trace", "layer %d: %s",
                      t->layer_id[i % t->n_layers], local.text);
    }
    ms_sampler_destroy(s);
    return status;
}

static double max_over_mean(const double *v, int n)
{
    double sum = 0, top = 0;
    for (int i = 0; i < n; i++) {
        sum += v[i];
        top = fmax(top, v[i]);
    }
    return sum > 0 ? top * n / sum : 1;
}

static enum ms_status normalise_trace(struct ms_demand *d, struct ms_err *err)
{
    const struct ms_trace *t = &d->trace;
    size_t rows = (size_t)t->n_steps * t->n_ranks * t->n_layers;
    d->trace_f = MS_NEW(&d->arena, double, rows *(size_t)d->E);
    if (d->trace_f == NULL)
        return ms_err_set(err, MS_NOMEM, "out of memory");
    for (size_t i = 0; i < rows; i++) {
        double sum = 0, *f = d->trace_f + i * d->E;
        for (int e = 0; e < d->E; e++)
            sum += t->count[i * d->E + e];
        for (int e = 0; e < d->E; e++)
            f[e] = t->count[i * d->E + e] / sum;
    }
    return check_trace(d, err);
}

static void note_trace(struct ms_demand *d, double *scratch)
{
    int layers = d->L < d->trace.n_layers ? d->L : d->trace.n_layers;
    double sum = 0;
    for (int l = 0; l < layers; l++) {
        ms_trace_layer(&d->trace, 0, l, scratch);
        sum += max_over_mean(scratch, d->E);
    }
    d->note.requested_max_over_mean = sum / layers;
    d->note.has_requested = true;
    d->note.co_selection_measured = d->trace.ids != NULL;
}

/* What the file or the checkpoint says, read. */
static enum ms_status read_trace(struct ms_demand *d, struct ms_err *err)
{
    const struct ms_routing_params *r = d->in.routing;
    bool checkpoint = r->source == MS_SOURCE_CHECKPOINT;
    struct ms_trace_request q = {.path = checkpoint ? r->checkpoint : r->trace,
                                 .filter = r->filter,
                                 .n_filter = r->n_filter,
                                 .axes = r->trace_axes,
                                 .n_axes = r->n_trace_axes,
                                 .n_experts = d->E,
                                 .top_k = d->K};
    if (q.path == NULL)
        return ms_err_at(err, MS_INVALID, NULL, 0, 0,
                         checkpoint ? "routing.checkpoint" : "routing.trace",
                         "is needed with source: %s", checkpoint ? "checkpoint" : "trace");
    return checkpoint ? ms_trace_from_checkpoint(&q, r->text, r->n_text, r->assignment, d->in.seed,
                                                 d->in.n_threads, &d->trace, err)
                      : ms_trace_read(&q, &d->trace, err);
}

static enum ms_status open_trace(struct ms_demand *d, struct ms_err *err)
{
    if (d->in.routing->drift != 0)
        return ms_err_at(err, MS_INVALID, NULL, 0, 0, "routing.drift",
                         "a trace does not drift; drift needs source: synthetic");
    enum ms_status s = read_trace(d, err);
    if (s != MS_OK)
        return s;
    d->inclusion = true;
    double *scratch = MS_NEW(&d->arena, double, (size_t)d->E);
    if (scratch == NULL)
        return ms_err_set(err, MS_NOMEM, "out of memory");
    note_trace(d, scratch);
    return d->trace.ids != NULL ? MS_OK : normalise_trace(d, err);
}

static enum ms_status open_law(struct ms_demand *d, struct ms_err *err)
{
    enum ms_status s = ms_law_resolve(&d->in.routing->popularity, &d->law, d->param, err);
    if (s != MS_OK)
        return s;
    d->inclusion = d->law->inclusion;
    /* One draw now finds what the law refuses for this model. */
    double *f = MS_NEW(&d->arena, double, (size_t)d->E);
    struct ms_sampler *sampler = ms_sampler_create(d->in.model);
    struct ms_rng rng;
    ms_rng_init(&rng, d->in.seed, "popularity", 0, 0, 0);
    if (f == NULL || sampler == NULL)
        s = ms_err_set(err, MS_NOMEM, "out of memory");
    if (s == MS_OK)
        s = ms_law_draw(d->law, d->param, d->in.routing->popularity.order, d->E, d->K, &rng, f,
                        err);
    struct ms_err local = {0};
    if (s == MS_OK && (s = ms_sampler_set(sampler, f, d->inclusion, &local)) != MS_OK)
        ms_err_at(err, s, NULL, 0, 0, "routing.popularity", "%s", local.text);
    ms_sampler_destroy(sampler);
    if (s == MS_OK && d->inclusion) {
        d->note.has_requested = true;
        d->note.requested_max_over_mean = max_over_mean(f, d->E);
    }
    return s;
}

static enum ms_status open_matrix(struct ms_demand *d, struct ms_err *err)
{
    const struct ms_routing_params *r = d->in.routing;
    if (r->matrix == NULL)
        return ms_err_at(err, MS_INVALID, NULL, 0, 0, "routing.matrix",
                         "is needed with source: matrix");
    if (d->L != 1 || d->P != 1)
        return ms_err_at(err, MS_INVALID, NULL, 0, 0, "workload",
                         "a matrix is one exchange: layers and steps must be 1");
    enum ms_status s = ms_matrix_read(r->matrix, r->filter, r->n_filter, &d->matrix, err);
    if (s == MS_OK && d->matrix.n != d->G)
        return ms_err_at(err, MS_INVALID, r->matrix, 0, 0, "routing.matrix",
                         "is for %d ranks, but workload.ranks is %d", d->matrix.n, d->G);
    return s;
}

static enum ms_status check_tokens(const struct ms_demand *d, struct ms_err *err)
{
    const struct ms_tokens *t = &d->in.workload->tokens;
    if (t->kind == MS_TOKENS_TRACE && d->in.routing->source != MS_SOURCE_TRACE &&
        d->in.routing->source != MS_SOURCE_CHECKPOINT)
        return ms_err_at(err, MS_INVALID, NULL, 0, 0, "workload.tokens_per_rank",
                         "'trace' needs routing.source: trace or checkpoint");
    if (t->kind == MS_TOKENS_LIST && t->n_list != d->G)
        return ms_err_at(err, MS_INVALID, NULL, 0, 0, "workload.tokens_per_rank",
                         "a list of %d for %d ranks", t->n_list, d->G);
    return MS_OK;
}

/* Another strategy than top_k works on scores: those of a law of weights, or of a checkpoint's
 * router, which has chosen by it already. */
static enum ms_status open_assignment(struct ms_demand *d, struct ms_err *err)
{
    const struct ms_routing_params *r = d->in.routing;
    d->width = d->K;
    if (r->assignment == NULL || strcmp(r->assignment, "top_k") == 0 ||
        r->source == MS_SOURCE_CHECKPOINT)
        return MS_OK;
    d->assign = ms_assign_find(r->assignment);
    if (d->assign == NULL)
        return ms_err_at(err, MS_INVALID, NULL, 0, 0, "routing.assignment",
                         "'%s' is not a token assignment", r->assignment);
    const struct ms_law *law =
        r->source == MS_SOURCE_SYNTHETIC ? ms_law_find(r->popularity.law) : NULL;
    if (r->source != MS_SOURCE_SYNTHETIC || (law != NULL && law->inclusion))
        return ms_err_at(err, MS_INVALID, NULL, 0, 0, "routing.assignment",
                         "'%s' works on the scores of a router: a checkpoint has them, and so has "
                         "a popularity law of "
                         "weights; counts and targets have none",
                         r->assignment);
    d->width = ms_assigner_width(d->in.model, d->assign);
    return MS_OK;
}

enum ms_status ms_demand_open_source(struct ms_demand *d, struct ms_err *err)
{
    if (d->in.routing->source == MS_SOURCE_MATRIX)
        return open_matrix(d, err);
    enum ms_status s = check_tokens(d, err);
    if (s == MS_OK)
        s = open_assignment(d, err);
    if (s != MS_OK)
        return s;
    return d->in.routing->source == MS_SOURCE_SYNTHETIC ? open_law(d, err) : open_trace(d, err);
}

/* Scale f [n] to sum 1 with none above most: what passes it goes to the others in proportion. */
static void scale_capped(double *f, int n, double most)
{
    for (int pass = 0; pass <= n; pass++) {
        double left = 1, rest = 0;
        bool cut = false;
        for (int e = 0; e < n; e++) {
            left -= f[e] < 0 ? most : 0; /* negative: cut already */
            rest += f[e] < 0 ? 0 : f[e];
        }
        for (int e = 0; e < n; e++)
            if (f[e] >= 0 && f[e] / rest * left > most) {
                f[e] = -1;
                cut = true;
            }
        for (int e = 0; e < n && !cut; e++)
            f[e] = f[e] < 0 ? most : f[e] / rest * left;
        if (!cut)
            return;
    }
}

/* drift d: ln p <- sqrt(1 - d^2) ln p + d x (a fresh draw of the law, always shuffled). Inclusion
 * frequencies stay possible: none above 1 / top_k. */
static enum ms_status drift(struct ms_demand *d, const double *before, double amount,
                            struct ms_rng *rng, double *fresh, double *now, struct ms_err *err)
{
    enum ms_status s =
        ms_law_draw(d->law, d->param, MS_ORDER_SHUFFLED, d->E, d->K, rng, fresh, err);
    if (s != MS_OK)
        return s;
    double keep = sqrt(1 - amount * amount), top = -INFINITY;
    for (int e = 0; e < d->E; e++) {
        now[e] = keep * log(fmax(before[e], 1e-300)) + amount * log(fmax(fresh[e], 1e-300));
        top = fmax(top, now[e]);
    }
    for (int e = 0; e < d->E; e++)
        now[e] = exp(now[e] - top);
    scale_capped(now, d->E, d->inclusion ? 1.0 / d->K : 1);
    return MS_OK;
}

enum ms_status ms_demand_draw_popularity(struct ms_demand *d, int repeat, struct ms_err *err)
{
    if (d->law == NULL)
        return MS_OK;
    const struct ms_routing_params *r = d->in.routing;
    uint64_t draw = r->redraw == MS_REDRAW_POPULARITY ? (uint64_t)repeat : 0;
    double *fresh = MS_NEW(&d->run, double, (size_t)d->E);
    d->popularity = MS_NEW(&d->run, double, (size_t)d->P * d->L * d->E);
    if (fresh == NULL || d->popularity == NULL)
        return ms_err_set(err, MS_NOMEM, "out of memory");
    for (int step = 0; step < d->P; step++)
        for (int l = 0; l < d->L; l++) {
            double *f = d->popularity + ((size_t)step * d->L + l) * d->E;
            struct ms_rng rng;
            ms_rng_init(&rng, d->in.seed, "popularity", draw, (uint64_t)l, (uint64_t)step);
            enum ms_status s = MS_OK;
            if (step == 0)
                s = ms_law_draw(d->law, d->param, r->popularity.order, d->E, d->K, &rng, f, err);
            else if (r->drift > 0)
                s = drift(d, f - (size_t)d->L * d->E, r->drift, &rng, fresh, f, err);
            else
                memcpy(f, f - (size_t)d->L * d->E, (size_t)d->E * sizeof *f);
            if (s != MS_OK)
                return s;
        }
    return MS_OK;
}

/* The trace row of a rank, where the trace tells ranks apart. */
static int trace_rank(const struct ms_demand *d, int group, int rank)
{
    return (group * d->G + rank) % d->trace.n_ranks;
}

const double *ms_demand_frequencies(const struct ms_demand *d, int step, int layer, int group,
                                    int rank)
{
    if (d->law != NULL)
        return d->popularity + ((size_t)step * d->L + layer) * d->E;
    const struct ms_trace *t = &d->trace;
    size_t row = (size_t)(step % t->n_steps) * t->n_ranks + trace_rank(d, group, rank);
    return d->trace_f + (row * t->n_layers + layer % t->n_layers) * d->E;
}

bool ms_demand_ranks_differ(const struct ms_demand *d)
{
    return d->law == NULL && d->trace.n_ranks > 1;
}

/* The trace's own totals: the rank's, or an equal part of all. */
static int64_t traced_tokens(const struct ms_demand *d, int step, int layer, int group, int rank)
{
    const struct ms_trace *t = &d->trace;
    double sum = 0;
    if (t->ids != NULL) {
        sum = (double)t->n_tokens * d->K;
    } else {
        size_t row = (size_t)(step % t->n_steps) * t->n_ranks + trace_rank(d, group, rank);
        const double *c = t->count + (row * t->n_layers + layer % t->n_layers) * d->E;
        for (int e = 0; e < d->E; e++)
            sum += c[e];
    }
    if (t->has_ranks)
        return (int64_t)nearbyint(sum / d->K);
    int64_t all = (int64_t)nearbyint(sum / d->K);
    return all / d->G + (rank < all % d->G);
}

static int64_t count_tokens(const struct ms_demand *d, int repeat, int step, int group, int rank,
                            int layer)
{
    const struct ms_tokens *t = &d->in.workload->tokens;
    if (t->kind == MS_TOKENS_EQUAL)
        return t->count;
    if (t->kind == MS_TOKENS_LIST)
        return t->list[rank];
    if (t->kind == MS_TOKENS_TRACE)
        return traced_tokens(d, step, layer, group, rank);
    struct ms_rng rng;
    ms_rng_init(&rng, d->in.seed, "tokens_per_rank", (uint64_t)repeat, (uint64_t)step,
                (uint64_t)group << 32 | (unsigned)rank);
    double sigma2 = log1p(t->cv * t->cv);
    return (int64_t)nearbyint(t->mean * exp(sqrt(sigma2) * ms_rng_normal(&rng) - sigma2 / 2));
}

enum ms_status ms_demand_draw_tokens(struct ms_demand *d, int repeat, struct ms_err *err)
{
    const int64_t most = 1 << 26;
    d->token_layers = d->in.workload->tokens.kind == MS_TOKENS_TRACE ? d->L : 1;
    d->tokens = MS_NEW(&d->run, int64_t, (size_t)d->P * d->Q * d->G * d->token_layers);
    if (d->tokens == NULL)
        return ms_err_set(err, MS_NOMEM, "out of memory");
    int64_t *out = d->tokens;
    for (int step = 0; step < d->P; step++)
        for (int q = 0; q < d->Q; q++)
            for (int r = 0; r < d->G; r++)
                for (int l = 0; l < d->token_layers; l++, out++) {
                    *out = count_tokens(d, repeat, step, q, r, l);
                    if (*out < 0 || *out > most)
                        return ms_err_at(err, MS_INVALID, NULL, 0, 0, "workload.tokens_per_rank",
                                         "%lld tokens on rank %d: at most %lld", (long long)*out, r,
                                         (long long)most);
                }
    return MS_OK;
}

int64_t ms_demand_tokens(const struct ms_demand *d, int step, int layer, int group, int rank)
{
    size_t row = ((size_t)step * d->Q + group) * d->G + rank;
    return d->tokens[row * d->token_layers + (d->token_layers > 1 ? layer : 0)];
}
