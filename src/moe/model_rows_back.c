/* What a group of batch rows does backward: the head, and the attention sub-layer with its norms
 * and the router's gate. The gradients of the dense weights are summed over the group's rows while
 * their factors are in the core's cache; a later stage adds the groups, in order. */
#include <string.h>

#include "moe/model_internal.h"

static float *part_of(const struct ms_model *m, const struct task *t, size_t piece)
{
    return m->parts + (size_t)t->a * m->part_ld + piece;
}

/* The batch rows of group t->a. */
static int first_row(const struct ms_model *m, int group)
{
    return (int)((long)m->in.B * group / ms_model_groups(m));
}

void ms_model_head_backward(struct ms_model *m, const struct task *t, float *scratch)
{
    int T = m->in.T, C = m->c.hidden, V = m->c.vocab;
    float *dxf = scratch, *dnorm = part_of(m, t, m->piece.last);
    float scale = 1.0f / (float)(m->n_counted ? m->n_counted : 1);
    memset(dnorm, 0, (size_t)C * sizeof *dnorm);
    for (int b = first_row(m, t->a); b < first_row(m, t->a + 1); b++) {
        size_t first = ms_model_token(m, b), at = first * (size_t)C;
        float *logits = m->logits + first * (size_t)V;
        m->k->cross_entropy_backward(T, V, logits, m->in.targets + first, m->lse + first, scale);
        m->k->gemm(T, C, V, 1, logits, (size_t)V, 1, m->head_back, (size_t)V, 0, dxf, (size_t)C);
        m->k->norm_backward(ms_model_norm_shape(m), m->xlast + at, (size_t)C, value_at(m, m->norm),
                            m->rf + first, dxf, (size_t)C, m->dx + at, (size_t)C, 0, dnorm);
    }
}

/* dxn2 [T][C]: from the router's logits and from the token's experts. */
static void gather_dxn2(struct ms_model *m, int layer, int b, float *dxn2)
{
    const struct layer *y = &m->layers[layer];
    const struct ms_routes *r = routes_of(m, layer);
    const struct packs *w = &m->packs[layer];
    int T = m->in.T, C = m->c.hidden, E = y->E;
    size_t first = ms_model_token(m, b), row = first * (size_t)E;
    if (y->moe < 0)
        memset(dxn2, 0, (size_t)T * (size_t)C * sizeof *dxn2);
    else
        m->k->gemm(T, C, E, 1, m->router_dlogits[y->moe] + row, (size_t)E, 1, w->gate_back,
                   (size_t)E, 0, dxn2, (size_t)C);
    if (y->moe >= 0 && m->noise_gate)
        m->k->gemm(T, C, E, 1, m->dnoise[y->moe] + row, (size_t)E, 1, w->noise_back, (size_t)E, 1,
                   dxn2, (size_t)C);
    for (size_t t = 0; t < (size_t)T; t++)
        ms_model_sum_pairs(m, r, first + t, m->dxg, NULL, dxn2 + t * (size_t)C,
                           dxn2 + t * (size_t)C);
}

/* One row's place and scratch. */
struct back {
    const struct task *t;
    const struct layer *y;
    const struct acts *a;
    int b, add; /* add: not the group's first row */
    size_t first, at;
    float *wide;             /* [T][max(C, H*hd)]: dxn2, then the attention's gradient, then dxn1 */
    float *dmid, *xn, *dqkv; /* [T][C], [T][C], [T][W] */
    float *pack, *attention;
};

static void norm_qk_backward(struct ms_model *m, const struct back *r)
{
    size_t hd = (size_t)m->c.head_dim, Q = (size_t)m->HD, KD = (size_t)m->c.kv_heads * hd,
           W = (size_t)m->W;
    struct ms_norm_shape q = ms_model_qk_shape(m, m->c.heads),
                         k = ms_model_qk_shape(m, m->c.kv_heads);
    float *dq = part_of(m, r->t, m->piece.qk), *dk = dq + q.len;
    const float *raw = r->a->raw + r->first * (Q + KD);
    if (!r->add)
        memset(dq, 0, (size_t)(q.len + k.len) * sizeof *dq);
    m->k->norm_backward(q, raw, Q + KD, value_at(m, r->y->qnorm),
                        r->a->rq + r->first * (size_t)q.parts, r->dqkv, W, r->dqkv, W, 0, dq);
    m->k->norm_backward(k, raw + Q, Q + KD, value_at(m, r->y->knorm),
                        r->a->rk + r->first * (size_t)k.parts, r->dqkv + Q, W, r->dqkv + Q, W, 0,
                        dk);
}

/* dmid = dx + what comes back through the experts and the router; the gate's gradient. */
static void back_to_mid(struct ms_model *m, const struct back *r)
{
    int T = m->in.T, C = m->c.hidden, E = r->y->E;
    size_t ld = (size_t)C, row = r->first * (size_t)E;
    float *dnorm = part_of(m, r->t, m->piece.norm2);
    if (!r->add)
        memset(dnorm, 0, ld * sizeof *dnorm);
    gather_dxn2(m, r->t->layer, r->b, r->wide);
    memcpy(r->dmid, m->dx + r->at, (size_t)T * ld * sizeof *r->dmid);
    m->k->norm_backward(ms_model_norm_shape(m), r->a->mid + r->at, ld, value_at(m, r->y->norm2),
                        r->a->r2 + r->first, r->wide, ld, r->dmid, ld, 1, dnorm);
    if (r->y->moe < 0)
        return;
    m->k->norm(ms_model_norm_shape(m), (float)m->c.rms_eps, r->a->mid + r->at, ld,
               value_at(m, r->y->norm2), r->xn, ld, r->a->r2 + r->first);
    m->k->pack(0, T, C, r->xn, ld, r->pack);
    m->k->gemm(E, C, T, 1, m->router_dlogits[r->y->moe] + row, 1, (size_t)E, r->pack, (size_t)T,
               r->add, part_of(m, r->t, m->piece.gate), ld);
    if (m->noise_gate)
        m->k->gemm(E, C, T, 1, m->dnoise[r->y->moe] + row, 1, (size_t)E, r->pack, (size_t)T, r->add,
                   part_of(m, r->t, m->piece.noise), ld);
}

/* dqkv from dmid; the gradient of the output projection. */
static void back_to_qkv(struct ms_model *m, const struct back *r)
{
    const struct ms_kernels *k = m->k;
    int T = m->in.T, C = m->c.hidden, HD = m->HD;
    size_t ld = (size_t)C, lda = (size_t)HD;
    k->pack(0, T, HD, r->a->att + r->first * lda, lda, r->pack);
    k->gemm(C, HD, T, 1, r->dmid, 1, ld, r->pack, (size_t)T, r->add, part_of(m, r->t, m->piece.out),
            lda);
    k->gemm(T, HD, C, 1, r->dmid, ld, 1, m->packs[r->t->layer].out_back, ld, 0, r->wide, lda);
    ms_model_attention_backward(m, r->t->layer, r->b, r->wide, r->dqkv, r->attention);
    k->rope(T, m->c.heads + m->c.kv_heads, m->c.head_dim, m->cosines, m->sines, -1, r->dqkv,
            (size_t)m->W);
    if (m->c.qk_norm)
        norm_qk_backward(m, r);
}

/* dx from dqkv and dmid; the gradient of the q, k, v projections. */
static void back_to_input(struct ms_model *m, const struct back *r)
{
    const struct ms_kernels *k = m->k;
    int T = m->in.T, C = m->c.hidden, W = m->W;
    size_t ld = (size_t)C;
    float *dnorm = part_of(m, r->t, m->piece.norm1);
    if (!r->add)
        memset(dnorm, 0, ld * sizeof *dnorm);
    k->norm(ms_model_norm_shape(m), (float)m->c.rms_eps, r->a->x + r->at, ld,
            value_at(m, r->y->norm1), r->xn, ld, r->a->r1 + r->first);
    k->pack(0, T, C, r->xn, ld, r->pack);
    k->gemm(W, C, T, 1, r->dqkv, 1, (size_t)W, r->pack, (size_t)T, r->add,
            part_of(m, r->t, m->piece.qkv), ld);
    k->gemm(T, C, W, 1, r->dqkv, (size_t)W, 1, m->packs[r->t->layer].qkv_back, (size_t)W, 0,
            r->wide, ld);
    memcpy(m->dx + r->at, r->dmid, (size_t)T * ld * sizeof *r->dmid);
    k->norm_backward(ms_model_norm_shape(m), r->a->x + r->at, ld, value_at(m, r->y->norm1),
                     r->a->r1 + r->first, r->wide, ld, m->dx + r->at, ld, 1, dnorm);
}

static size_t wide_floats(const struct ms_model *m)
{
    return (size_t)m->T * (size_t)(m->c.hidden > m->HD ? m->c.hidden : m->HD);
}

static size_t pack_floats(const struct ms_model *m)
{
    return ms_packed_size(m->k, m->T, m->c.hidden > m->HD ? m->c.hidden : m->HD);
}

void ms_model_rows_backward(struct ms_model *m, const struct task *t, float *scratch)
{
    size_t TC = (size_t)m->T * (size_t)m->c.hidden;
    struct back r = {.t = t, .y = &m->layers[t->layer], .a = &m->acts[t->layer], .wide = scratch};
    r.dmid = r.wide + wide_floats(m);
    r.xn = r.dmid + TC;
    r.dqkv = r.xn + TC;
    r.pack = r.dqkv + (size_t)m->T * (size_t)m->W;
    r.attention = r.pack + pack_floats(m);
    for (r.b = first_row(m, t->a); r.b < first_row(m, t->a + 1); r.b++, r.add = 1) {
        r.first = ms_model_token(m, r.b);
        r.at = r.first * (size_t)m->c.hidden;
        back_to_mid(m, &r);
        back_to_qkv(m, &r);
        back_to_input(m, &r);
    }
}

size_t ms_model_row_scratch(const struct ms_model *m)
{
    return wide_floats(m) + (size_t)m->T * (size_t)(2 * m->c.hidden + m->W) + pack_floats(m) +
           ms_model_attention_scratch(m);
}
