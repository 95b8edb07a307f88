/* What one batch row does: the attention sub-layer with the norms and the router's logits, and the
 * head. The experts' outputs of the layer below are summed here too, so that a layer needs two
 * waits only. */
#include <string.h>

#include "moe/blas.h"
#include "moe/model_internal.h"

static struct ms_norm_shape whole_rows(const struct ms_model *m)
{
    return (struct ms_norm_shape){m->in.T, 1, m->c.hidden};
}

/* The pieces of q (or k) that are normed on their own. */
static struct ms_norm_shape qk_shape(const struct ms_model *m, int heads)
{
    int hd = m->c.head_dim;
    return m->c.qk_norm == MS_QK_NORM_WIDTH ? (struct ms_norm_shape){m->in.T, 1, heads * hd}
                                            : (struct ms_norm_shape){m->in.T, heads, hd};
}

static size_t first_token(const struct ms_model *m, int b)
{
    return (size_t)b * (size_t)m->in.T;
}

/* Partial gradients of the norms' weights of batch row b. */
enum partial { NORM1, NORM2, NORM_LAST, NORM_Q, NORM_K };
static float *partial(const struct ms_model *m, int b, enum partial which)
{
    size_t C = (size_t)m->c.hidden,
           q = m->c.qk_norm == MS_QK_NORM_WIDTH ? (size_t)m->HD : (size_t)m->c.head_dim;
    float *row = m->dnorm + (size_t)b * m->dnorm_ld;
    return which == NORM_K ? row + 3 * C + q : row + (size_t)which * C;
}

/* out [T][C] = mid + the weighted outputs of each token's experts */
static void combine(struct ms_model *m, int layer, int b, float *out)
{
    const struct ms_routes *r = routes_of(m, layer);
    size_t C = (size_t)m->c.hidden, first = first_token(m, b);
    memcpy(out, m->acts[layer].mid + first * C, (size_t)m->in.T * C * sizeof *out);
    for (size_t t = 0; t < (size_t)m->in.T; t++)
        for (int i = r->token_start[first + t]; i < r->token_start[first + t + 1]; i++) {
            int pair = r->token_pair[i];
            if (pair < r->n)
                m->k->axpy((int)C, r->weight[pair], m->y + (size_t)pair * C, out + t * C);
        }
}

static void embed(struct ms_model *m, int b, float *out)
{
    size_t C = (size_t)m->c.hidden, first = first_token(m, b);
    for (size_t t = 0; t < (size_t)m->in.T; t++)
        memcpy(out + t * C, value_at(m, m->embed) + (size_t)m->in.tokens[first + t] * C,
               C * sizeof *out);
}

static void norm_qk(struct ms_model *m, const struct layer *y, const struct acts *a, size_t first)
{
    size_t hd = (size_t)m->c.head_dim, Q = (size_t)m->HD, KD = (size_t)m->c.kv_heads * hd,
           W = (size_t)m->W;
    struct ms_norm_shape q = qk_shape(m, m->c.heads), k = qk_shape(m, m->c.kv_heads);
    float *qkv = a->qkv + first * W, *raw = a->raw + first * (Q + KD);
    for (size_t t = 0; t < (size_t)m->in.T; t++)
        memcpy(raw + t * (Q + KD), qkv + t * W, (Q + KD) * sizeof *raw);
    m->k->norm(q, (float)m->c.rms_eps, raw, Q + KD, value_at(m, y->qnorm), qkv, W,
               a->rq + first * (size_t)q.parts);
    m->k->norm(k, (float)m->c.rms_eps, raw + Q, Q + KD, value_at(m, y->knorm), qkv + Q, W,
               a->rk + first * (size_t)k.parts);
}

void ms_model_row_forward(struct ms_model *m, const struct task *t, float *scratch)
{
    const struct layer *y = &m->layers[t->layer];
    const struct acts *a = &m->acts[t->layer];
    const struct packs *w = &m->packs[t->layer];
    int T = m->in.T, C = m->c.hidden, W = m->W, HD = m->HD, hd = m->c.head_dim;
    size_t first = first_token(m, t->a), at = first * (size_t)C;
    float *x = a->x + at, *mid = a->mid + at, *qkv = a->qkv + first * (size_t)W, *xn1 = scratch;
    if (t->layer)
        combine(m, t->layer - 1, t->a, x);
    else
        embed(m, t->a, x);
    m->k->norm(whole_rows(m), (float)m->c.rms_eps, x, (size_t)C, value_at(m, y->norm1), xn1,
               (size_t)C, a->r1 + first);
    m->k->gemm(T, W, C, 1, xn1, (size_t)C, 1, w->qkv, (size_t)C, 0, qkv, (size_t)W);
    if (m->c.qk_norm)
        norm_qk(m, y, a, first);
    m->k->rope(T, m->c.heads + m->c.kv_heads, hd, m->cosines, m->sines, 1, qkv,
               (size_t)W); /* k lies behind q */
    ms_model_attention_forward(m, t->layer, t->a, scratch);
    memcpy(mid, x, (size_t)T * (size_t)C * sizeof *mid);
    m->k->gemm(T, C, HD, 1, a->att + first * (size_t)HD, (size_t)HD, 1, w->out, (size_t)HD, 1, mid,
               (size_t)C);
    m->k->norm(whole_rows(m), (float)m->c.rms_eps, mid, (size_t)C, value_at(m, y->norm2),
               m->xn2 + at, (size_t)C, a->r2 + first);
    if (y->moe < 0)
        return;
    size_t row = first * (size_t)y->E;
    ms_sgemm(0, 1, T, y->E, C, 1, m->xn2 + at, C, value_at(m, y->gate), C, 0,
             m->router_logits[y->moe] + row, y->E);
    if (m->noise_gate)
        ms_sgemm(0, 1, T, y->E, C, 1, m->xn2 + at, C, value_at(m, y->noise), C, 0,
                 m->noise_logits[y->moe] + row, y->E);
}

void ms_model_head_forward(struct ms_model *m, const struct task *t, float *scratch)
{
    int T = m->in.T, C = m->c.hidden, V = m->c.vocab;
    size_t first = first_token(m, t->a), at = first * (size_t)C;
    float *logits = m->logits + first * (size_t)V;
    const int32_t *targets = m->in.targets ? m->in.targets + first : m->no_targets;
    combine(m, m->c.layers - 1, t->a, m->xlast + at);
    m->k->norm(whole_rows(m), (float)m->c.rms_eps, m->xlast + at, (size_t)C, value_at(m, m->norm),
               m->xf + at, (size_t)C, m->rf + first);
    m->k->gemm(T, V, C, 1, m->xf + at, (size_t)C, 1, m->head_pack, (size_t)C, 0, logits, (size_t)V);
    double sum = 0;
    if (m->in.targets) {
        m->k->cross_entropy(T, V, logits, targets, m->lse + first, m->nll + first);
        for (int i = 0; i < T; i++)
            sum += (double)m->nll[first + (size_t)i];
    }
    m->row_nll[t->a] = sum;
}

void ms_model_head_backward(struct ms_model *m, const struct task *t, float *scratch)
{
    int T = m->in.T, C = m->c.hidden, V = m->c.vocab;
    size_t first = first_token(m, t->a), at = first * (size_t)C;
    float *logits = m->logits + first * (size_t)V, *dxf = scratch;
    m->k->cross_entropy_backward(T, V, logits, m->in.targets + first, m->lse + first,
                                 1.0f / (float)(m->n_counted ? m->n_counted : 1));
    m->k->gemm(T, C, V, 1, logits, (size_t)V, 1, m->head_back, (size_t)V, 0, dxf, (size_t)C);
    memset(partial(m, t->a, NORM_LAST), 0, (size_t)C * sizeof(float));
    m->k->norm_backward(whole_rows(m), m->xlast + at, (size_t)C, value_at(m, m->norm),
                        m->rf + first, dxf, (size_t)C, m->dx + at, (size_t)C, 0,
                        partial(m, t->a, NORM_LAST));
}

/* dxn2 [T][C]: from the router's logits and from the token's experts. */
static void gather_dxn2(struct ms_model *m, int layer, int b, float *dxn2)
{
    const struct layer *y = &m->layers[layer];
    const struct ms_routes *r = routes_of(m, layer);
    int T = m->in.T, C = m->c.hidden, E = y->E;
    size_t first = first_token(m, b), row = first * (size_t)E;
    if (y->moe < 0)
        memset(dxn2, 0, (size_t)T * (size_t)C * sizeof *dxn2);
    else
        ms_sgemm(0, 0, T, C, E, 1, m->router_dlogits[y->moe] + row, E, value_at(m, y->gate), C, 0,
                 dxn2, C);
    if (y->moe >= 0 && m->noise_gate)
        ms_sgemm(0, 0, T, C, E, 1, m->dnoise[y->moe] + row, E, value_at(m, y->noise), C, 1, dxn2,
                 C);
    for (size_t t = 0; t < (size_t)T; t++)
        for (int i = r->token_start[first + t]; i < r->token_start[first + t + 1]; i++) {
            int pair = r->token_pair[i];
            if (pair < r->n)
                m->k->axpy(C, 1, m->dxg + (size_t)pair * (size_t)C, dxn2 + t * (size_t)C);
        }
}

static void norm_qk_backward(struct ms_model *m, const struct layer *y, const struct acts *a, int b)
{
    size_t hd = (size_t)m->c.head_dim, Q = (size_t)m->HD, KD = (size_t)m->c.kv_heads * hd,
           W = (size_t)m->W;
    size_t first = first_token(m, b);
    struct ms_norm_shape q = qk_shape(m, m->c.heads), k = qk_shape(m, m->c.kv_heads);
    float *d = m->dqkv + first * W;
    const float *raw = a->raw + first * (Q + KD);
    memset(partial(m, b, NORM_Q), 0, (size_t)q.len * sizeof(float));
    memset(partial(m, b, NORM_K), 0, (size_t)k.len * sizeof(float));
    m->k->norm_backward(q, raw, Q + KD, value_at(m, y->qnorm), a->rq + first * (size_t)q.parts, d,
                        W, d, W, 0, partial(m, b, NORM_Q));
    m->k->norm_backward(k, raw + Q, Q + KD, value_at(m, y->knorm), a->rk + first * (size_t)k.parts,
                        d + Q, W, d + Q, W, 0, partial(m, b, NORM_K));
}

void ms_model_row_backward(struct ms_model *m, const struct task *t, float *scratch)
{
    const struct layer *y = &m->layers[t->layer];
    const struct acts *a = &m->acts[t->layer];
    const struct packs *w = &m->packs[t->layer];
    int T = m->in.T, C = m->c.hidden, W = m->W, HD = m->HD;
    size_t first = first_token(m, t->a), at = first * (size_t)C, ld = (size_t)C,
           bytes = (size_t)T * ld * sizeof(float);
    float *dx = m->dx + at, *dmid = m->dmid + at, *dqkv = m->dqkv + first * (size_t)W;
    float *dxn = scratch, *datt = scratch, *rest = scratch + (size_t)T * (size_t)(C > HD ? C : HD);
    memset(partial(m, t->a, NORM1), 0, 2 * ld * sizeof(float)); /* and NORM2 */
    gather_dxn2(m, t->layer, t->a, dxn);
    memcpy(dmid, dx, bytes);
    m->k->norm_backward(whole_rows(m), a->mid + at, ld, value_at(m, y->norm2), a->r2 + first, dxn,
                        ld, dmid, ld, 1, partial(m, t->a, NORM2));
    m->k->norm(whole_rows(m), (float)m->c.rms_eps, a->mid + at, ld, value_at(m, y->norm2),
               m->xn2 + at, ld, a->r2 + first);
    m->k->gemm(T, HD, C, 1, dmid, ld, 1, w->out_back, ld, 0, datt, (size_t)HD);
    ms_model_attention_backward(m, t->layer, t->a, datt, rest);
    m->k->rope(T, m->c.heads + m->c.kv_heads, m->c.head_dim, m->cosines, m->sines, -1, dqkv,
               (size_t)W);
    if (m->c.qk_norm)
        norm_qk_backward(m, y, a, t->a);
    m->k->gemm(T, C, W, 1, dqkv, (size_t)W, 1, w->qkv_back, (size_t)W, 0, dxn, ld);
    m->k->norm(whole_rows(m), (float)m->c.rms_eps, a->x + at, ld, value_at(m, y->norm1),
               m->xn1 + at, ld, a->r1 + first);
    memcpy(dx, dmid, bytes);
    m->k->norm_backward(whole_rows(m), a->x + at, ld, value_at(m, y->norm1), a->r1 + first, dxn, ld,
                        dx, ld, 1, partial(m, t->a, NORM1));
}

size_t ms_model_row_scratch(const struct ms_model *m)
{
    size_t T = (size_t)m->T, C = (size_t)m->c.hidden, HD = (size_t)m->HD;
    return T * (C > HD ? C : HD) + ms_model_attention_scratch(m);
}
