/* The losses of a model's routers over a text, batch by batch, and those of perfect balance beside
 * them. */
#include "moe/loss_values.h"

int ms_loss_count(void)
{
    int n = 0;
    while (ms_losses[n])
        n++;
    return n;
}

/* Sinks for the gradients, which nobody asks for here. */
static float *const *sinks(struct ms_arena *a, int L, size_t n)
{
    float **sink = MS_NEW(a, float *, (size_t)L), *one = MS_NEW(a, float, n);
    for (int l = 0; sink && l < L; l++)
        sink[l] = one;
    return one ? sink : NULL;
}

/* All losses of one batch. */
static enum ms_status compute(struct ms_loss_problem *p, double *value, struct ms_err *err)
{
    struct ms_arena a = {0};
    struct ms_loss_state state;
    size_t n = (size_t)ms_loss_count();
    struct ms_loss_term *term = MS_NEW(&a, struct ms_loss_term, n);
    float *const *sink = sinks(&a, p->L, (size_t)p->T * (size_t)p->E);
    enum ms_status s = ms_loss_state_init(&state, &a, p->L, p->S, p->E, err);
    if (s == MS_OK && (!term || !sink))
        s = ms_err_set(err, MS_NOMEM, "no memory for the losses of %d tokens", p->T);
    for (size_t i = 0; s == MS_OK && i < n; i++)
        term[i] = (struct ms_loss_term){ms_losses[i], 0};
    if (s == MS_OK)
        ms_loss_compute(term, (int)n, p, &state, value, sink, NULL);
    ms_arena_finish(&a);
    return s;
}

enum ms_status ms_loss_values_batch(void *values, struct ms_model *m,
                                    const struct ms_model_input *in, struct ms_err *err)
{
    struct ms_loss_values *x = values;
    struct ms_loss_problem p = {.L = ms_model_moe_layers(m),
                                .T = in->B * in->T,
                                .E = ms_model_config(m)->experts,
                                .K = ms_model_config(m)->top_k,
                                .S = in->B,
                                .score = x->score,
                                .logits = ms_model_router_logits(m),
                                .routes = ms_model_routes(m)};
    if (p.L == 0)
        return MS_OK;
    enum ms_status s = compute(&p, x->batch, err);
    x->tokens += p.T;
    for (int i = 0; s == MS_OK && i < ms_loss_count(); i++)
        x->value[i] += (x->batch[i] - x->value[i]) * p.T / x->tokens;
    return s;
}

/* E tokens, token t choosing the experts t .. t+K-1, counted around: pairs by expert and token. */
static void spread(struct ms_routes *r, int E, int K)
{
    for (int e = 0, i = 0; e < E; e++)
        for (int t = 0; t < E; t++)
            if ((e - t + E) % E < K) {
                r->expert[i] = e;
                r->token[i] = t;
                r->token_pair[t * K + (e - t + E) % E] = i++;
            }
    for (int t = 0; t <= E; t++)
        r->token_start[t] = t * K;
    r->n = r->n_selected = E * K;
    for (int i = 0; i < E * E; i++)
        r->prob[i] = 1.0F / (float)E;
}

enum ms_status ms_loss_values_balanced(int E, int K, double *value, struct ms_err *err)
{
    struct ms_arena a = {0};
    size_t pairs = (size_t)E * (size_t)K, grid = (size_t)E * (size_t)E;
    struct ms_routes r = {.T = E, .E = E, .K = K, .cap = E * K};
    const float *logits = MS_NEW(&a, float, grid);
    r.expert = MS_NEW(&a, int32_t, pairs);
    r.token = MS_NEW(&a, int32_t, pairs);
    r.token_pair = MS_NEW(&a, int32_t, pairs);
    r.token_start = MS_NEW(&a, int32_t, (size_t)E + 1);
    r.prob = r.score = MS_NEW(&a, float, grid);
    enum ms_status s = MS_OK;
    if (!logits || !r.expert || !r.token || !r.token_pair || !r.token_start || !r.prob)
        s = ms_err_set(err, MS_NOMEM, "no memory for %d experts", E);
    struct ms_loss_problem p = {
        .L = 1, .T = E, .E = E, .K = K, .S = 1, .logits = &logits, .routes = &r};
    if (s == MS_OK) {
        spread(&r, E, K);
        s = compute(&p, value, err);
    }
    ms_arena_finish(&a);
    return s;
}
