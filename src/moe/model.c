/* Making a model: parameters and their names, room for activations, accessors. */
#include "moe/model.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "moe/blas.h"
#include "moe/model_internal.h"

/* ---- parameters ---- */

/* Counts when m->params is NULL, fills afterwards; the same walk both times. */
struct layout {
    struct ms_model *m;
    size_t n_params, n_values;
    bool failed;
};

static size_t add(struct layout *w, int layer, const char *name, size_t a, size_t b, size_t c)
{
    size_t at = w->n_values, n = a * (b ? b : 1) * (c ? c : 1);
    if (w->m->params) {
        struct ms_param *p = &w->m->params[w->n_params];
        struct ms_buf text = {0};
        if (layer < 0)
            ms_buf_adds(&text, name);
        else
            ms_buf_printf(&text, "model.layers.%d.%s", layer, name);
        *p = (struct ms_param){.n_dims = c   ? 3
                                         : b ? 2
                                             : 1,
                               .shape = {a, b, c},
                               .n = n,
                               .layer = layer};
        p->name = text.p ? ms_arena_strdup(&w->m->arena, text.p) : NULL;
        w->failed |= text.failed || !p->name;
        ms_buf_finish(&text);
    }
    w->n_params++;
    w->n_values += n;
    return at;
}

static void lay_out_layer(struct layout *w, int l)
{
    const struct ms_moe_config *c = &w->m->c;
    struct layer *y = &w->m->layers[l];
    size_t C = (size_t)c->hidden, hd = (size_t)c->head_dim, HD = (size_t)c->heads * hd;
    size_t KD = (size_t)c->kv_heads * hd, E = (size_t)c->experts, F;
    bool width = c->qk_norm == MS_QK_NORM_WIDTH;
    *y = (struct layer){.qnorm = NONE, .knorm = NONE, .gate = NONE, .noise = NONE, .moe = -1};
    y->norm1 = add(w, l, "input_layernorm.weight", C, 0, 0);
    y->wqkv = add(w, l, "self_attn.q_proj.weight", HD, C, 0);
    add(w, l, "self_attn.k_proj.weight", KD, C, 0);
    add(w, l, "self_attn.v_proj.weight", KD, C, 0);
    y->wo = add(w, l, "self_attn.o_proj.weight", C, HD, 0);
    if (c->qk_norm) {
        y->qnorm = add(w, l, "self_attn.q_norm.weight", width ? HD : hd, 0, 0);
        y->knorm = add(w, l, "self_attn.k_norm.weight", width ? KD : hd, 0, 0);
    }
    y->norm2 = add(w, l, "post_attention_layernorm.weight", C, 0, 0);
    y->E = c->dense[l] ? 1 : c->experts;
    y->F = c->dense[l] ? c->dense_intermediate : c->expert_intermediate;
    F = (size_t)y->F;
    if (c->dense[l]) {
        y->wgu = add(w, l, "mlp.gate_proj.weight", F, C, 0);
        add(w, l, "mlp.up_proj.weight", F, C, 0);
        y->wd = add(w, l, "mlp.down_proj.weight", C, F, 0);
        return;
    }
    y->gate = add(w, l, "mlp.gate.weight", E, C, 0);
    if (w->m->noise_gate)
        y->noise = add(w, l, "mlp.gate_noise.weight", E, C, 0);
    y->wgu = add(w, l, "mlp.experts.gate_up_proj", E, 2 * F, C);
    y->wd = add(w, l, "mlp.experts.down_proj", E, C, F);
}

static bool lay_out(struct ms_model *m)
{
    const struct ms_moe_config *c = &m->c;
    struct layout w = {.m = m};
    m->embed = add(&w, -1, "model.embed_tokens.weight", (size_t)c->vocab, (size_t)c->hidden, 0);
    for (int l = 0; l < c->layers; l++)
        lay_out_layer(&w, l);
    m->norm = add(&w, -1, "model.norm.weight", (size_t)c->hidden, 0, 0);
    m->head =
        c->tied ? m->embed : add(&w, -1, "lm_head.weight", (size_t)c->vocab, (size_t)c->hidden, 0);
    m->n_params = w.n_params;
    m->n_values = w.n_values;
    return !w.failed;
}

static bool make_params(struct ms_model *m)
{
    m->layers = MS_NEW(&m->arena, struct layer, (size_t)m->c.layers);
    if (!m->layers || !lay_out(m))
        return false;
    m->params = MS_NEW(&m->arena, struct ms_param, m->n_params);
    m->values = MS_NEW(&m->arena, float, m->n_values);
    m->gradients = m->train ? MS_NEW(&m->arena, float, m->n_values) : NULL;
    if (!m->params || !m->values || (m->train && !m->gradients) || !lay_out(m))
        return false;
    size_t at = 0;
    for (size_t i = 0; i < m->n_params; i++) {
        m->params[i].value = m->values + at;
        m->params[i].gradient = m->train ? m->gradients + at : NULL;
        at += m->params[i].n;
    }
    return true;
}

void ms_model_init(struct ms_model *m, uint64_t seed)
{
    for (size_t i = 0; i < m->n_params; i++) {
        const struct ms_param *p = &m->params[i];
        struct ms_rng r;
        ms_rng_init(&r, seed, "weights", i, 0, 0);
        for (size_t j = 0; j < p->n; j++) /* norms are the only vectors */
            p->value[j] =
                p->n_dims == 1 ? 1.0f : (float)(ms_rng_normal(&r) * m->c.initializer_range);
    }
    memset(m->bias, 0, (size_t)m->n_moe * (size_t)m->c.experts * sizeof *m->bias);
}

/* ---- room ---- */

static float *floats(struct ms_arena *a, size_t n, size_t each, bool *ok)
{
    float *p = ms_arena_alloc(a, n, each * sizeof(float));
    *ok &= p != NULL;
    return p;
}

static void make_acts(struct ms_model *m, struct acts *a, size_t N, bool *ok)
{
    const struct ms_moe_config *c = &m->c;
    struct ms_arena *r = &m->arena;
    size_t C = (size_t)c->hidden;
    bool width = c->qk_norm == MS_QK_NORM_WIDTH;
    a->x = floats(r, N, C, ok);
    a->mid = floats(r, N, C, ok);
    a->r1 = floats(r, N, 1, ok);
    a->r2 = floats(r, N, 1, ok);
    a->qkv = floats(r, N, (size_t)m->W, ok);
    if (c->qk_norm) {
        a->raw = floats(r, N, (size_t)(c->heads + c->kv_heads) * (size_t)c->head_dim, ok);
        a->rq = floats(r, N, width ? 1 : (size_t)c->heads, ok);
        a->rk = floats(r, N, width ? 1 : (size_t)c->kv_heads, ok);
    }
    a->lse = floats(r, N, (size_t)c->heads, ok);
    a->att = floats(r, N, (size_t)m->HD, ok);
}

static void make_layers(struct ms_model *m, size_t N, bool *ok)
{
    size_t L = (size_t)m->c.layers, E = (size_t)m->c.experts;
    m->acts = MS_NEW(&m->arena, struct acts, L);
    m->n_moe = ms_moe_config_moe_layers(&m->c);
    size_t n = (size_t)m->n_moe;
    m->moe_id = MS_NEW(&m->arena, int, n);
    m->routes = MS_NEW(&m->arena, struct ms_routes, n);
    m->router_logits = MS_NEW(&m->arena, float *, n);
    m->router_dlogits = MS_NEW(&m->arena, float *, n);
    m->noise_logits = MS_NEW(&m->arena, float *, n);
    m->dnoise = MS_NEW(&m->arena, float *, n);
    m->bias = floats(&m->arena, n, E, ok);
    *ok = *ok && m->acts && m->moe_id && m->routes && m->router_logits && m->router_dlogits &&
          m->noise_logits && m->dnoise;
    int i = 0;
    for (int l = 0; *ok && l < m->c.layers; l++) {
        if (m->train || l == 0)
            make_acts(m, &m->acts[l], N, ok);
        else
            m->acts[l] = m->acts[0];
        m->layers[l].moe = m->c.dense[l] ? -1 : i;
        if (m->c.dense[l])
            continue;
        m->moe_id[i] = l;
        m->router_logits[i] = floats(&m->arena, N, E, ok);
        m->router_dlogits[i] = floats(&m->arena, N, E, ok);
        if (m->noise_gate) {
            m->noise_logits[i] = floats(&m->arena, N, E, ok);
            m->dnoise[i] = floats(&m->arena, N, E, ok);
        }
        i++;
    }
}

/* Angles as transformers makes them: float32 frequencies, float32 products. */
static void make_rope(struct ms_model *m, bool *ok)
{
    int half = m->c.head_dim / 2;
    m->cosines = floats(&m->arena, (size_t)m->T, (size_t)half, ok);
    m->sines = floats(&m->arena, (size_t)m->T, (size_t)half, ok);
    for (int t = 0; *ok && t < m->T; t++)
        for (int i = 0; i < half; i++) {
            float inv = (float)(1.0 / pow(m->c.rope_theta, (double)(2 * i) / m->c.head_dim));
            float angle = (float)t * inv;
            m->cosines[t * half + i] = (float)cos((double)angle);
            m->sines[t * half + i] = (float)sin((double)angle);
        }
}

static void make_shared(struct ms_model *m, size_t N, bool *ok)
{
    struct ms_arena *r = &m->arena;
    size_t C = (size_t)m->c.hidden, B = (size_t)m->B;
    m->xn2 = floats(r, N, C, ok);
    m->xlast = floats(r, N, C, ok);
    m->xf = floats(r, N, C, ok);
    m->rf = floats(r, N, 1, ok);
    m->logits = floats(r, N, (size_t)m->c.vocab, ok);
    m->lse = floats(r, N, 1, ok);
    m->nll = floats(r, N, 1, ok);
    m->row_nll = MS_NEW(r, double, B);
    m->no_targets = MS_NEW(r, int32_t, N);
    *ok = *ok && m->row_nll && m->no_targets;
    for (size_t i = 0; *ok && i < N; i++)
        m->no_targets[i] = -1;
    if (!m->train)
        return;
    m->dx = floats(r, N, C, ok);
    struct pieces *q = &m->piece;
    size_t W = (size_t)m->W, HD = (size_t)m->HD, gate = (size_t)m->c.experts * C;
    *q = (struct pieces){.norm1 = 0, .norm2 = C, .last = 2 * C, .qk = 3 * C, .qkv = 3 * C + W};
    q->out = q->qkv + W * C;
    q->gate = q->out + C * HD;
    q->noise = q->gate + gate;
    m->part_ld = q->noise + (m->noise_gate ? gate : 0);
    m->parts = floats(r, B < GROUPS ? B : GROUPS, m->part_ld, ok);
}

static void make_packs(struct ms_model *m, bool *ok)
{
    struct ms_arena *r = &m->arena;
    int C = m->c.hidden, V = m->c.vocab;
    m->packs = MS_NEW(r, struct packs, (size_t)m->c.layers);
    *ok = *ok && m->packs;
    for (int l = 0; *ok && l < m->c.layers; l++) {
        struct packs *w = &m->packs[l];
        w->qkv = floats(r, ms_packed_size(m->k, C, m->W), 1, ok);
        w->out = floats(r, ms_packed_size(m->k, m->HD, C), 1, ok);
        if (m->train) {
            w->qkv_back = floats(r, ms_packed_size(m->k, m->W, C), 1, ok);
            w->out_back = floats(r, ms_packed_size(m->k, C, m->HD), 1, ok);
        }
    }
    m->head_pack = floats(r, ms_packed_size(m->k, C, V), 1, ok);
    if (m->train)
        m->head_back = floats(r, ms_packed_size(m->k, V, C), 1, ok);
}

static void make_scratch(struct ms_model *m, bool *ok)
{
    size_t n = ms_model_row_scratch(m), experts = ms_model_expert_scratch(m);
    int threads = ms_pool_threads(m->pool);
    n = n > experts ? n : experts;
    m->scratch = MS_NEW(&m->arena, float *, (size_t)threads);
    *ok = *ok && m->scratch;
    for (int t = 0; *ok && t < threads; t++)
        m->scratch[t] = floats(&m->arena, n + 64, 1, ok);
}

/* What depends on the router: choices, and room for its pairs. */
static enum ms_status make_routes(struct ms_model *m, struct ms_err *err)
{
    struct ms_arena *a = &m->route_arena;
    int N = m->B * m->T, E = m->c.experts, K = m->c.top_k, F = 1;
    enum ms_status s = ms_router_work_init(&m->work, a, m->router, &m->router_params, N, E, K, err);
    for (int i = 0; !s && i < m->n_moe; i++)
        s = ms_moe_routes_init(&m->routes[i], a, m->router, &m->router_params, N, E, K, err);
    if (s)
        return s;
    int pairs = ms_router_max_pairs(m->router, &m->router_params, N, E, K);
    m->P = (size_t)(pairs > N ? pairs : N);
    for (int l = 0; l < m->c.layers; l++)
        F = m->layers[l].F > F ? m->layers[l].F : F;
    bool ok = true;
    size_t C = (size_t)m->c.hidden;
    m->y = floats(a, m->P, C, &ok);
    if (m->train) {
        m->spare_ld = 3 * (size_t)F * C;
        m->spare = floats(a, SEGMENTS + 1, m->spare_ld, &ok);
        m->dxg = floats(a, m->P, C, &ok);
        m->dweight = floats(a, m->P, 1, &ok);
    }
    for (int l = 0; m->train && ok && l < m->c.layers; l++) {
        size_t P = m->layers[l].moe < 0 ? (size_t)N : (size_t)pairs;
        m->acts[l].xg = floats(a, P, C, &ok);
        m->acts[l].gu = floats(a, P, 2 * (size_t)m->layers[l].F, &ok);
    }
    struct ms_routes *w = &m->whole;
    *w = (struct ms_routes){.E = 1, .K = 1, .cap = N};
    w->token = MS_NEW(a, int32_t, (size_t)N);
    w->token_pair = MS_NEW(a, int32_t, (size_t)N);
    w->token_start = MS_NEW(a, int32_t, (size_t)N + 1);
    w->expert_start = MS_NEW(a, int32_t, 2);
    w->weight = floats(a, (size_t)N, 1, &ok);
    ok = ok && w->token && w->token_pair && w->token_start && w->expert_start;
    for (int i = 0; ok && i < N; i++) {
        w->token[i] = w->token_pair[i] = w->token_start[i] = i;
        w->weight[i] = 1;
    }
    if (ok)
        w->token_start[N] = N;
    m->max_tasks = (size_t)m->B + VOCAB_BLOCKS + 2 * ((size_t)E + SEGMENTS + 1) +
                   4 * (size_t)m->c.layers + 32 +
                   (size_t)(m->W + m->c.vocab + m->c.hidden + 2 * E) / BLOCK_ROWS;
    m->tasks = MS_NEW(a, struct task, m->max_tasks);
    return ok && m->tasks ? MS_OK
                          : ms_err_set(err, MS_NOMEM, "out of memory for the model's pairs");
}

/* ---- making ---- */

static enum ms_status check(const struct ms_moe_config *c, const struct ms_model_options *o,
                            struct ms_err *err)
{
    enum ms_status s = ms_moe_config_check(c, err);
    if (s)
        return s;
    if (o->B < 1 || o->T < 1 || (long)o->B * o->T > (1L << 28) / c->top_k)
        return ms_err_at(err, MS_INVALID, NULL, 0, 0, "seq", "%d rows of %d tokens are not a batch",
                         o->B, o->T);
    if (o->T > c->max_positions)
        return ms_err_at(err, MS_INVALID, NULL, 0, 0, "seq",
                         "%d positions, but the model has %d (max_position_embeddings)", o->T,
                         c->max_positions);
    if (c->sliding_window && o->T > c->sliding_window)
        return ms_err_at(err, MS_INVALID, NULL, 0, 0, "sliding_window",
                         "attention through a window of %d is not supported for sequences of %d",
                         c->sliding_window, o->T);
    return MS_OK;
}

enum ms_status ms_model_create(const struct ms_moe_config *c, const struct ms_model_options *o,
                               struct ms_model **out, struct ms_err *err)
{
    enum ms_status s = check(c, o, err);
    if (s)
        return s;
    struct ms_model *m = calloc(1, sizeof *m);
    if (!m)
        return ms_err_set(err, MS_NOMEM, "out of memory for a model");
    m->c = *c;
    m->pool = o->pool;
    m->train = o->train;
    m->B = o->B;
    m->T = o->T;
    m->HD = c->heads * c->head_dim;
    m->W = m->HD + 2 * c->kv_heads * c->head_dim;
    m->k = ms_kernels_pick();
    m->router = o->router ? o->router : ms_router_find("top_k");
    m->router_params = o->params ? *o->params : ms_router_params_default();
    m->noise_gate = m->router->noise_gate;
    ms_blas_one_thread();
    s = ms_router_check(m->router, &m->router_params, c->experts, c->top_k, err);
    bool ok = !s && make_params(m);
    if (ok) {
        size_t N = (size_t)m->B * (size_t)m->T;
        make_layers(m, N, &ok);
        make_rope(m, &ok);
        make_shared(m, N, &ok);
        make_packs(m, &ok);
        if (ok)
            make_scratch(m, &ok);
    }
    if (!s && !ok)
        s = ms_err_set(err, MS_NOMEM, "out of memory for a model of %zu values", m->n_values);
    if (!s)
        s = make_routes(m, err);
    if (s) {
        ms_model_destroy(m);
        return s;
    }
    *out = m;
    return MS_OK;
}

void ms_model_destroy(struct ms_model *m)
{
    if (!m)
        return;
    ms_arena_finish(&m->arena);
    ms_arena_finish(&m->route_arena);
    free(m);
}

enum ms_status ms_model_set_router(struct ms_model *m, const struct ms_router *router,
                                   const struct ms_router_params *params, struct ms_err *err)
{
    struct ms_router_params p = params ? *params : ms_router_params_default();
    enum ms_status s = ms_router_check(router, &p, m->c.experts, m->c.top_k, err);
    if (s)
        return s;
    m->router = router;
    m->router_params = p;
    ms_arena_finish(&m->route_arena);
    return make_routes(m, err);
}

/* ---- looking ---- */

const struct ms_moe_config *ms_model_config(const struct ms_model *m)
{
    return &m->c;
}

const struct ms_param *ms_model_params(const struct ms_model *m, size_t *n)
{
    *n = m->n_params;
    return m->params;
}

const struct ms_param *ms_model_param(const struct ms_model *m, const char *name)
{
    for (size_t i = 0; i < m->n_params; i++)
        if (strcmp(m->params[i].name, name) == 0)
            return &m->params[i];
    return NULL;
}

const float *ms_model_logits(const struct ms_model *m)
{
    return m->logits;
}

const float *ms_model_nll(const struct ms_model *m)
{
    return m->nll;
}

int ms_model_moe_layers(const struct ms_model *m)
{
    return m->n_moe;
}

int ms_model_moe_layer_id(const struct ms_model *m, int i)
{
    return m->moe_id[i];
}

const float *const *ms_model_router_logits(const struct ms_model *m)
{
    return (const float *const *)m->router_logits;
}

float *const *ms_model_router_dlogits(const struct ms_model *m)
{
    return m->router_dlogits;
}

const struct ms_routes *ms_model_routes(const struct ms_model *m)
{
    return m->routes;
}

const float *const *ms_model_noise_logits(const struct ms_model *m)
{
    return m->noise_gate ? (const float *const *)m->noise_logits : NULL;
}

float *const *ms_model_dnoise(const struct ms_model *m)
{
    return m->noise_gate ? m->dnoise : NULL;
}

float *ms_model_router_bias(struct ms_model *m)
{
    return m->bias;
}
