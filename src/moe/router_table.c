/* The tables of routers and token assignments, their common parameters, and the memory of a
 * call. */
#include "moe/router.h"

#include <limits.h>
#include <math.h>
#include <string.h>

#include "moe/assignment.h"

#define X(n) extern const struct ms_router ms_router_##n;
#include "moe/router_registry.inc"
#undef X
#define X(n) extern const struct ms_router ms_assignment_##n;
#include "moe/assignment_registry.inc"
X(expert_choice)
#undef X

const struct ms_router *const ms_routers[] = {
#define X(n) &ms_router_##n,
#include "moe/router_registry.inc"
#undef X
    NULL,
};

const struct ms_router *const ms_assigns[] = {
    &ms_router_top_k,
#define X(n) &ms_assignment_##n,
#include "moe/assignment_registry.inc"
#undef X
    &ms_assignment_expert_choice,
    NULL,
};

static const char *const drop_policies[] = {"probs", "position", NULL};
static const char *const weight_styles[] = {"default", "own", "renormalised", "unnormalised", NULL};

const struct ms_field ms_router_fields[] = {
    {.key = "capacity_factor",
     MS_NUMBER(0, 1e6),
     .above_min = true,
     MS_WORD("none", 0),
     .offset = offsetof(struct ms_router_params, capacity_factor),
     .fallback = "none",
     .help = "an expert takes at most ceil(capacity_factor*k*T/E) tokens; none = no limit"},
    {.key = "drop_policy",
     .type = MS_FIELD_ENUM,
     .offset = offsetof(struct ms_router_params, drop_policy),
     .names = drop_policies,
     .fallback = "probs",
     .help = "which tokens an expert over capacity drops: lowest probability first, or last "
             "position first"},
    {.key = "weights",
     .type = MS_FIELD_ENUM,
     .offset = offsetof(struct ms_router_params, weights),
     .names = weight_styles,
     .fallback = "default",
     .help = "weights of the chosen experts: divided by their sum or not; own = as the model's "
             "family does"},
    {.key = "scale",
     .type = MS_FIELD_NUMBER,
     .offset = offsetof(struct ms_router_params, scale),
     .min = 0,
     .max = 1e3,
     .above_min = true,
     .fallback = "1",
     .help = "factor on every weight"},
    {0},
};

struct ms_router_params ms_router_params_default(void)
{
    return (struct ms_router_params){.groups = 1, .scale = 1};
}

static const struct ms_router *find(const struct ms_router *const *table, const char *name)
{
    for (; *table; table++)
        if (strcmp((*table)->name, name) == 0)
            return *table;
    return NULL;
}

const struct ms_router *ms_router_find(const char *name)
{
    return find(ms_routers, name);
}

const struct ms_router *ms_assign_find(const char *name)
{
    return find(ms_assigns, name);
}

enum ms_score ms_router_score(const struct ms_router *r, const struct ms_router_params *p, int K)
{
    if (r == &ms_router_group_limited && p->group_score == MS_GROUP_TOP2_SUM)
        return MS_SCORE_SIGMOID;
    if (r == &ms_router_sinkhorn && K == 1)
        return MS_SCORE_SIGMOID;
    return r->score;
}

static int count_excluded(const struct ms_router_params *p, int E)
{
    int n = 0;
    for (int e = 0; p->excluded && e < E; e++)
        n += p->excluded[e] != 0;
    return n;
}

enum ms_status ms_router_check(const struct ms_router *r, const struct ms_router_params *p, int E,
                               int K, struct ms_err *err)
{
    if (K < 1 || K > E)
        return ms_err_at(err, MS_INVALID, NULL, 0, 0, "top_k", "%d experts a token of %d experts",
                         K, E);
    if (p->groups > 1 && (p->groups > E || E % p->groups != 0))
        return ms_err_at(err, MS_INVALID, NULL, 0, 0, "groups",
                         "%lld groups do not divide %d experts", (long long)p->groups, E);
    if (p->group_limit > p->groups && p->groups > 1)
        return ms_err_at(err, MS_INVALID, NULL, 0, 0, "group_limit", "%lld of %lld groups",
                         (long long)p->group_limit, (long long)p->groups);
    if (p->groups > 1 && p->group_limit > 0 && p->group_limit * (E / p->groups) < K)
        return ms_err_at(err, MS_INVALID, NULL, 0, 0, "group_limit",
                         "%lld groups of %lld experts hold fewer than top_k = %d",
                         (long long)p->group_limit, (long long)(E / p->groups), K);
    if (E - count_excluded(p, E) < K)
        return ms_err_at(err, MS_INVALID, NULL, 0, 0, "exclude",
                         "fewer than top_k = %d experts are left", K);
    return MS_OK;
}

int ms_router_capacity(double factor, int T, int E, int K)
{
    if (factor <= 0)
        return T;
    double c = ceil(factor * K * T / E);
    return c < T ? (int)c : T;
}

int ms_router_max_pairs(const struct ms_router *r, const struct ms_router_params *p, int T, int E,
                        int K)
{
    double factor = p->capacity_factor > 0 ? p->capacity_factor : 1;
    double n = r->expert_choice ? (double)E * ms_router_capacity(factor, T, E, K) : (double)T * K;
    return n < INT_MAX ? (int)n : INT_MAX;
}

double ms_assign_load(const struct ms_route_problem *p, const struct ms_routes *r, double *load)
{
    double sum = 0;
    for (int e = 0; e < p->E; e++)
        load[e] = 0;
    for (size_t i = 0, n = (size_t)p->T * (size_t)p->E; i < n; i++)
        load[i % (size_t)p->E] += r->prob[i];
    for (int e = 0; e < p->E; e++)
        sum += load[e];
    return sum / p->E;
}

enum ms_status ms_moe_routes_init(struct ms_routes *r, struct ms_arena *a,
                                  const struct ms_router *router, const struct ms_router_params *p,
                                  int T, int E, int K, struct ms_err *err)
{
    int cap = ms_router_max_pairs(router, p, T, E, K);
    size_t grid = (size_t)T * (size_t)E, pairs = (size_t)cap;
    *r = (struct ms_routes){.T = T, .E = E, .K = K, .cap = cap};
    r->expert = MS_NEW(a, int32_t, pairs);
    r->token = MS_NEW(a, int32_t, pairs);
    r->weight = MS_NEW(a, float, pairs);
    r->expert_start = MS_NEW(a, int32_t, (size_t)E + 1);
    r->token_start = MS_NEW(a, int32_t, (size_t)T + 1);
    r->token_pair = MS_NEW(a, int32_t, pairs);
    r->selected = MS_NEW(a, int32_t, (size_t)E);
    r->score = MS_NEW(a, float, grid);
    bool apart = router->perturb || ms_router_score(router, p, K) == MS_SCORE_SIGMOID;
    r->prob = apart ? MS_NEW(a, float, grid) : r->score;
    r->noisy = router->perturb ? MS_NEW(a, float, grid) : NULL;
    r->noise_std = router->perturb ? MS_NEW(a, float, grid) : NULL;
    if (!r->expert || !r->token || !r->weight || !r->expert_start || !r->token_start ||
        !r->token_pair || !r->selected || !r->score || !r->prob ||
        (router->perturb && (!r->noisy || !r->noise_std)))
        return ms_err_set(err, MS_NOMEM, "no memory for the routes of %d tokens over %d experts", T,
                          E);
    return MS_OK;
}

enum ms_status ms_router_work_init(struct ms_router_work *w, struct ms_arena *a,
                                   const struct ms_router *router, const struct ms_router_params *p,
                                   int T, int E, int K, struct ms_err *err)
{
    int cap = ms_router_max_pairs(router, p, T, E, K);
    size_t grid = (size_t)T * (size_t)E, longest = (size_t)(cap > T ? cap : T);
    *w = (struct ms_router_work){.T = T, .E = E, .K = K, .cap = cap};
    w->pair_expert = MS_NEW(a, int32_t, (size_t)cap);
    w->pair_token = MS_NEW(a, int32_t, (size_t)cap);
    w->choice = MS_NEW(a, float, grid);
    w->wide = MS_NEW(a, float, grid);
    w->sums = MS_NEW(a, double, 2 * ((size_t)T + (size_t)E));
    w->order = MS_NEW(a, int32_t, longest);
    w->order2 = MS_NEW(a, int32_t, longest);
    w->counts = MS_NEW(a, int32_t, (size_t)E + (size_t)T + 2);
    w->kept = MS_NEW(a, uint8_t, (size_t)cap);
    w->dropped = MS_NEW(a, uint8_t, (size_t)T);
    if (!w->pair_expert || !w->pair_token || !w->choice || !w->wide || !w->sums || !w->order ||
        !w->order2 || !w->counts || !w->kept || !w->dropped)
        return ms_err_set(err, MS_NOMEM, "no memory to route %d tokens over %d experts", T, E);
    return MS_OK;
}
