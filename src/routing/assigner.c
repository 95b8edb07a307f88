/* Decides what scores a token assignment sees where a law stands for the router: ln weight plus
 * Gumbel noise, one source rank's tokens as a batch. */
#include "routing/assigner.h"

#include <math.h>
#include <stdlib.h>

#include "routing/sample_vector.h"

struct ms_assigner {
    struct ms_arena arena;
    const struct ms_model_shape *m;
    const struct ms_router *how;
    struct ms_router_params params;
    struct ms_routes routes;
    struct ms_router_work work;
    int width;
    float *logits, *log_weight; /* [T][E], [E] */
};

int ms_assigner_width(const struct ms_model_shape *m, const struct ms_router *how)
{
    return how->expert_choice ? m->experts : m->top_k;
}

static enum ms_status init(struct ms_assigner *a, int T, struct ms_err *err)
{
    int E = a->m->experts, K = a->m->top_k;
    enum ms_status s = ms_router_check(a->how, &a->params, E, K, err);
    if (s == MS_OK)
        s = ms_moe_routes_init(&a->routes, &a->arena, a->how, &a->params, T, E, K, err);
    if (s == MS_OK)
        s = ms_router_work_init(&a->work, &a->arena, a->how, &a->params, T, E, K, err);
    a->logits = MS_NEW(&a->arena, float, ms_cell(T, E, 16));
    a->log_weight = MS_NEW(&a->arena, float, (size_t)E);
    if (s == MS_OK && (!a->logits || !a->log_weight))
        s = ms_err_set(err, MS_NOMEM, "out of memory for %d tokens of %d experts", T, E);
    return s;
}

struct ms_assigner *ms_assigner_create(const struct ms_model_shape *m, const struct ms_router *how,
                                       double factor, int max_tokens, struct ms_err *err)
{
    struct ms_assigner *a = calloc(1, sizeof *a);
    if (!a) {
        ms_err_set(err, MS_NOMEM, "out of memory");
        return NULL;
    }
    a->m = m;
    a->how = how;
    a->width = ms_assigner_width(m, how);
    a->params = ms_router_params_default();
    if (m->groups > 1 && m->group_limit < m->groups) {
        a->params.groups = m->groups;
        a->params.group_limit = m->group_limit;
        a->params.group_score = m->group_score;
    }
    if (how->expert_choice)
        a->params.capacity_factor = factor;
    if (init(a, max_tokens > 0 ? max_tokens : 1, err) != MS_OK) {
        ms_assigner_destroy(a);
        return NULL;
    }
    return a;
}

void ms_assigner_destroy(struct ms_assigner *a)
{
    if (!a)
        return;
    ms_arena_finish(&a->arena);
    free(a);
}

/* z = ln f + Gumbel noise, the noise -ln of an exponential. */
static void draw_logits(struct ms_assigner *a, const double *f, struct ms_rng *stream, int n)
{
    enum { BATCH = 256 };
    int E = a->m->experts;
    uint32_t word[BATCH];
    const struct ms_vector_ops *ops = ms_vector_ops();
    for (int e = 0; e < E; e++)
        a->log_weight[e] = (float)log(f[e]);
    size_t total = ms_cell(n, E, 0);
    for (size_t i = 0; i < total; i += BATCH) {
        float noise[BATCH];
        ms_rng_fill(stream, word, BATCH / 4);
        ops->exponentials(word, noise, BATCH);
        for (size_t j = i; j < total && j < i + BATCH; j++)
            a->logits[j] = a->log_weight[j % (size_t)E] - logf(noise[j - i]);
    }
}

int64_t ms_assigner_draw(struct ms_assigner *a, const double *f, struct ms_rng stream,
                         uint64_t seed, int layer, uint64_t first_token, int n, uint16_t *chosen,
                         float *prob)
{
    int E = a->m->experts;
    draw_logits(a, f, &stream, n);
    struct ms_route_problem p = {.T = n,
                                 .E = E,
                                 .K = a->m->top_k,
                                 .logits = a->logits,
                                 .params = a->params,
                                 .own_weights = MS_WEIGHTS_RENORMALISED,
                                 .seed = seed,
                                 .layer = layer,
                                 .first_token = first_token};
    ms_router_forward(a->how, &p, &a->work, &a->routes);
    const struct ms_routes *r = &a->routes;
    int64_t selected = 0;
    for (int t = 0; t < n; t++) {
        int first = r->token_start[t], last = r->token_start[t + 1];
        for (int k = 0; k < a->width; k++) {
            bool used = first + k < last;
            int e = used ? r->expert[r->token_pair[first + k]] : E;
            size_t at = ms_cell(t, a->width, k);
            chosen[at] = (uint16_t)e;
            selected += used;
            if (prob)
                prob[at] = used ? r->prob[ms_cell(t, E, e)] : 0;
        }
    }
    return selected;
}
