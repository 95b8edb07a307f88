/* Memory for everything a step needs, taken once when the model is made: activations of each
 * layer, packed weights, scratch of each thread. */
#include <math.h>
#include <string.h>

#include "moe/model_internal.h"

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

/* To the nearest bfloat16, ties to even. */
static float to_bf16(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    bits = (bits + 0x7fffu + (bits >> 16 & 1)) & 0xffff0000u;
    memcpy(&x, &bits, sizeof bits);
    return x;
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
            inv = m->rope_bf16 ? to_bf16(inv) : inv;
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
    if (!m->no_head) {
        m->xlast = floats(r, N, C, ok);
        m->xf = floats(r, N, C, ok);
        m->rf = floats(r, N, 1, ok);
        m->logits = floats(r, N, (size_t)m->c.vocab, ok);
        m->lse = floats(r, N, 1, ok);
        m->nll = floats(r, N, 1, ok);
    }
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

static void make_packs_back(struct ms_model *m, struct packs *w, bool *ok)
{
    struct ms_arena *r = &m->arena;
    int C = m->c.hidden, E = m->c.experts;
    w->qkv_back = floats(r, ms_packed_size(m->k, m->W, C), 1, ok);
    w->out_back = floats(r, ms_packed_size(m->k, C, m->HD), 1, ok);
    w->gate_back = floats(r, ms_packed_size(m->k, E, C), 1, ok);
    if (m->noise_gate)
        w->noise_back = floats(r, ms_packed_size(m->k, E, C), 1, ok);
}

static void make_packs(struct ms_model *m, bool *ok)
{
    struct ms_arena *r = &m->arena;
    int C = m->c.hidden, V = m->c.vocab;
    m->packs = MS_NEW(r, struct packs, (size_t)m->c.layers);
    *ok = *ok && m->packs;
    for (int l = 0; *ok && l < m->c.layers; l++) {
        struct packs *w = &m->packs[l];
        if (m->source && l > 0) {
            *w = m->packs[0];
            continue;
        }
        w->qkv = floats(r, ms_packed_size(m->k, C, m->W), 1, ok);
        w->out = floats(r, ms_packed_size(m->k, m->HD, C), 1, ok);
        w->gate = floats(r, ms_packed_size(m->k, C, m->c.experts), 1, ok);
        if (m->noise_gate)
            w->noise = floats(r, ms_packed_size(m->k, C, m->c.experts), 1, ok);
        if (m->train)
            make_packs_back(m, w, ok);
    }
    if (!m->no_head)
        m->head_pack = floats(r, ms_packed_size(m->k, C, V), 1, ok);
    if (m->train) {
        m->head_back = floats(r, ms_packed_size(m->k, V, C), 1, ok);
        m->xf_pack = floats(r, ms_packed_size(m->k, m->B * m->T, C), 1, ok);
    }
}

static void make_scratch(struct ms_model *m, bool *ok)
{
    size_t n = ms_model_row_scratch(m), experts = ms_model_expert_scratch(m);
    int threads = ms_pool_threads(m->pool);
    n = n > experts ? n : experts;
    n += m->source ? ms_model_fetch_floats(m) : 0;
    m->scratch = MS_NEW(&m->arena, float *, (size_t)threads);
    *ok = *ok && m->scratch;
    for (int t = 0; *ok && t < threads; t++)
        m->scratch[t] = floats(&m->arena, n + 64, 1, ok);
}

bool ms_model_make_memory(struct ms_model *m)
{
    size_t N = (size_t)m->B * (size_t)m->T;
    bool ok = true;
    make_layers(m, N, &ok);
    make_rope(m, &ok);
    make_shared(m, N, &ok);
    make_packs(m, &ok);
    if (ok)
        make_scratch(m, &ok);
    return ok;
}

/* Every token as a pair of weight 1: how a dense layer is routed. */
static void make_whole(struct ms_model *m, int N, bool *ok)
{
    struct ms_arena *a = &m->route_arena;
    struct ms_routes *w = &m->whole;
    *w = (struct ms_routes){.E = 1, .K = 1, .cap = N};
    w->token = MS_NEW(a, int32_t, (size_t)N);
    w->token_pair = MS_NEW(a, int32_t, (size_t)N);
    w->token_start = MS_NEW(a, int32_t, (size_t)N + 1);
    w->expert_start = MS_NEW(a, int32_t, 2);
    w->weight = floats(a, (size_t)N, 1, ok);
    *ok = *ok && w->token && w->token_pair && w->token_start && w->expert_start;
    for (int i = 0; *ok && i < N; i++) {
        w->token[i] = w->token_pair[i] = w->token_start[i] = i;
        w->weight[i] = 1;
    }
    if (*ok)
        w->token_start[N] = N;
}

/* What depends on the router: choices, and memory for its pairs. */
enum ms_status ms_model_make_routes(struct ms_model *m, struct ms_err *err)
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
    make_whole(m, N, &ok);
    m->max_tasks = (size_t)m->B + VOCAB_BLOCKS + 2 * ((size_t)E + SEGMENTS + 1) +
                   4 * (size_t)m->c.layers + 32 +
                   (size_t)(m->W + m->c.vocab + m->c.hidden + 2 * E) / BLOCK_ROWS +
                   (size_t)(m->c.hidden / m->k->panel);
    m->tasks = MS_NEW(a, struct task, m->max_tasks);
    return ok && m->tasks ? MS_OK
                          : ms_err_set(err, MS_NOMEM, "out of memory for the model's pairs");
}
