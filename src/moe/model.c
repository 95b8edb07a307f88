/* Makes a model: its parameters under the names transformers 5 gives them, one block of values
 * and one of gradients; accessors. */
#include "moe/model.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
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
    /* experts and the vocabulary's matrices stay where they are */
    bool held = !w->m->source || (!c && layer >= 0) || !b;
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
        p->value = held ? w->m->values + at : NULL;
        p->gradient = w->m->train ? w->m->gradients + at : NULL;
        w->failed |= text.failed || !p->name;
        ms_buf_finish(&text);
    }
    w->n_params++;
    w->n_values += held ? n : 0;
    return held ? at : NONE;
}

static void lay_out_layer(struct layout *w, int l)
{
    const struct ms_moe_config *c = &w->m->c;
    struct layer *y = &w->m->layers[l];
    size_t C = (size_t)c->hidden, hd = (size_t)c->head_dim, HD = (size_t)c->heads * hd;
    size_t KD = (size_t)c->kv_heads * hd, E = (size_t)c->experts, F;
    bool width = c->qk_norm == MS_QK_NORM_WIDTH;
    *y = (struct layer){.qnorm = NONE, .knorm = NONE, .gate = NONE, .noise = NONE, .moe = -1};
    y->first_param = w->n_params;
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
        y->n_params = w->n_params - y->first_param;
        return;
    }
    y->gate = add(w, l, "mlp.gate.weight", E, C, 0);
    if (w->m->noise_gate)
        y->noise = add(w, l, "mlp.gate_noise.weight", E, C, 0);
    y->gate_up_param = w->n_params;
    y->wgu = add(w, l, "mlp.experts.gate_up_proj", E, 2 * F, C);
    y->down_param = w->n_params;
    y->wd = add(w, l, "mlp.experts.down_proj", E, C, F);
    y->n_params = w->n_params - y->first_param;
}

static bool lay_out(struct ms_model *m)
{
    const struct ms_moe_config *c = &m->c;
    struct layout w = {.m = m};
    m->embed = add(&w, -1, "model.embed_tokens.weight", (size_t)c->vocab, (size_t)c->hidden, 0);
    size_t start = w.n_values, most = start;
    for (int l = 0; l < c->layers; l++) {
        if (m->source) /* one layer at a time */
            w.n_values = start;
        lay_out_layer(&w, l);
        most = w.n_values > most ? w.n_values : most;
    }
    w.n_values = most;
    m->norm_param = w.n_params;
    m->norm = add(&w, -1, "model.norm.weight", (size_t)c->hidden, 0, 0);
    m->head_param = c->tied ? 0 : w.n_params;
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
    assert(!o->train || (!o->source && !o->no_head));
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
    m->source = o->source;
    m->no_head = o->no_head;
    m->rope_bf16 = o->rope_bf16;
    m->B = o->B;
    m->T = o->T;
    m->HD = c->heads * c->head_dim;
    m->W = m->HD + 2 * c->kv_heads * c->head_dim;
    m->k = ms_kernels_pick();
    m->router = o->router ? o->router : ms_router_find("top_k");
    m->router_params = o->params ? *o->params : ms_router_params_default();
    m->noise_gate = m->router->noise_gate;
    s = ms_router_check(m->router, &m->router_params, c->experts, c->top_k, err);
    bool ok = !s && make_params(m);
    if (ok) {
        ok = ms_model_make_memory(m);
    }
    if (!s && !ok)
        s = ms_err_set(err, MS_NOMEM, "out of memory for a model of %zu values", m->n_values);
    if (!s)
        s = ms_model_make_routes(m, err);
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
    return ms_model_make_routes(m, err);
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

float *const *ms_model_dnoise(const struct ms_model *m)
{
    return m->noise_gate ? m->dnoise : NULL;
}

float *ms_model_router_bias(struct ms_model *m)
{
    return m->bias;
}
