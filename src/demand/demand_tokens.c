/* Decides how many tokens each rank has, from which frequencies it draws, and whether a token
 * assignment stands between. */
#include <math.h>
#include <string.h>

#include "demand/demand_int.h"
#include "routing/assigner.h"

enum { MOST_TOKENS = 1 << 26 }; /* of a rank */

enum ms_status ms_demand_check_tokens(const struct ms_demand *d, struct ms_err *err)
{
    const struct ms_tokens *t = &d->in.workload->tokens;
    if (t->kind == MS_TOKENS_TRACE && d->in.routing->source != MS_SOURCE_TRACE &&
        d->in.routing->source != MS_SOURCE_CHECKPOINT)
        return ms_err_at(err, MS_INVALID, NULL, 0, 0, "workload.tokens_per_rank",
                         "'trace' needs routing.source: trace or checkpoint");
    if (t->kind == MS_TOKENS_TRACE && d->in.workload->requests.phase != MS_REQUESTS_NONE)
        return ms_err_at(err, MS_INVALID, NULL, 0, 0, "workload.tokens_per_rank",
                         "'trace' and requests: the batch is as large as it is said to be; give "
                         "a number");
    if (t->kind == MS_TOKENS_LIST && t->n_list != d->G)
        return ms_err_at(err, MS_INVALID, NULL, 0, 0, "workload.tokens_per_rank",
                         "a list of %d for %d ranks", t->n_list, d->G);
    return MS_OK;
}

/* Another strategy than top_k works on scores: those of a law of weights, or of a checkpoint's
 * router, which has chosen by it already. */
enum ms_status ms_demand_open_assignment(struct ms_demand *d, struct ms_err *err)
{
    const struct ms_routing_params *r = d->in.routing;
    d->width = d->K;
    if (!r->assignment || !strcmp(r->assignment, "top_k"))
        return MS_OK;
    if (d->in.workload->requests.phase != MS_REQUESTS_NONE && r->source != MS_SOURCE_CHECKPOINT)
        return ms_err_at(err, MS_INVALID, NULL, 0, 0, "routing.assignment",
                         "'%s' and requests: the tokens of requests choose by their domain's "
                         "frequencies (top_k)",
                         r->assignment);
    d->by_rank = ms_rank_assign_find(r->assignment);
    if (d->by_rank && r->source != MS_SOURCE_SYNTHETIC)
        return ms_err_at(err, MS_INVALID, NULL, 0, 0, "routing.assignment",
                         "'%s' chooses by itself: it would leave a trace or a checkpoint unused; "
                         "take source: synthetic",
                         r->assignment);
    if (d->by_rank || r->source == MS_SOURCE_CHECKPOINT)
        return MS_OK;
    d->assign = ms_assign_find(r->assignment);
    if (!d->assign)
        return ms_err_at(err, MS_INVALID, NULL, 0, 0, "routing.assignment",
                         "'%s' is not a token assignment", r->assignment);
    if (r->source != MS_SOURCE_SYNTHETIC || r->popularity.law->inclusion)
        return ms_err_at(err, MS_INVALID, NULL, 0, 0, "routing.assignment",
                         "'%s' works on the scores of a router: a checkpoint has them, and so has "
                         "a popularity law of weights; counts and targets have none",
                         r->assignment);
    d->width = ms_assigner_width(d->in.model, d->assign);
    return MS_OK;
}

const double *ms_demand_frequencies(const struct ms_demand *d, int step, int layer, int group,
                                    int rank)
{
    int at = step < d->popularity_steps ? step : d->popularity_steps - 1;
    if (d->mean_f)
        return d->mean_f + ms_cell(d->law ? at : 0, d->L, layer) * (size_t)d->E;
    if (d->law)
        return d->popularity + ms_cell(at, d->L, layer) * (size_t)d->E;
    return ms_demand_traced(d, step, layer, group, rank);
}

bool ms_demand_ranks_differ(const struct ms_demand *d)
{
    return !d->law && d->trace.n_ranks > 1;
}

/* The trace's own totals: the rank's, or an equal part of all. */
static int64_t traced_tokens(const struct ms_demand *d, int step, int layer, int group, int rank)
{
    double selections = ms_demand_traced_total(d, step, layer, group, rank);
    int64_t all = (int64_t)nearbyint(selections / d->K);
    return d->trace.has_ranks ? all : all / d->G + (rank < all % d->G);
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
    d->token_layers = d->in.workload->tokens.kind == MS_TOKENS_TRACE ? d->L : 1;
    d->tokens = MS_NEW(&d->run, int64_t,
                       (size_t)d->P * (size_t)d->Q * (size_t)d->G * (size_t)d->token_layers);
    if (!d->tokens)
        return ms_err_set(err, MS_NOMEM, "out of memory");
    int64_t *out = d->tokens;
    for (int step = 0; step < d->P; step++)
        for (int q = 0; q < d->Q; q++)
            for (int r = 0; r < d->G; r++)
                for (int l = 0; l < d->token_layers; l++, out++) {
                    *out = count_tokens(d, repeat, step, q, r, l);
                    if (*out < 0 || *out > MOST_TOKENS)
                        return ms_err_at(err, MS_INVALID, NULL, 0, 0, "workload.tokens_per_rank",
                                         "%lld tokens on rank %d: at most %d", (long long)*out, r,
                                         MOST_TOKENS);
                }
    return MS_OK;
}

int64_t ms_demand_tokens(const struct ms_demand *d, int step, int layer, int group, int rank)
{
    size_t row = ms_cell(step, d->Q, group) * (size_t)d->G + (size_t)rank;
    if (ms_demand_gone(d, rank))
        return 0;
    size_t column = d->token_layers > 1 ? (size_t)layer : 0;
    return d->tokens[row * (size_t)d->token_layers + column];
}
