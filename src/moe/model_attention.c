/* Causal grouped-query attention of one batch row: head by head, QUERY_ROWS queries at a time
 * against the keys up to the last of them, so that memory is linear in T. Only the log-sum-exp of
 * each query is kept; backward computes the probabilities again (as in FlashAttention, Dao et al.
 * 2022). Keys and values are packed once for all heads that share them. */
#include <math.h>
#include <string.h>

#include "moe/model_internal.h"

struct head {
    const float *q, *k, *v; /* [T][hd] at stride W */
    float *o;               /* [T][hd] at stride H*hd */
    float *lse;             /* [T] */
};

static struct head head_of(const struct ms_model *m, int layer, int b, int h)
{
    const struct acts *a = &m->acts[layer];
    int hd = m->c.head_dim, T = m->in.T, kv = h / (m->c.heads / m->c.kv_heads);
    const float *row = a->qkv + (size_t)b * (size_t)T * (size_t)m->W;
    return (struct head){row + (size_t)h * (size_t)hd, row + m->HD + (size_t)kv * (size_t)hd,
                         row + m->HD + (size_t)(m->c.kv_heads + kv) * (size_t)hd,
                         a->att + (size_t)b * (size_t)T * (size_t)m->HD + (size_t)h * (size_t)hd,
                         a->lse + ((size_t)b * (size_t)m->c.heads + (size_t)h) * (size_t)T};
}

/* Scores of a query, whole vectors. */
static size_t row_floats(const struct ms_model *m, int keys)
{
    size_t panel = (size_t)m->k->panel;
    return ((size_t)keys + panel - 1) / panel * panel;
}

static size_t square_floats(const struct ms_model *m)
{
    return (size_t)QUERY_ROWS * row_floats(m, m->T);
}

static size_t wide_pack(const struct ms_model *m) /* of k^T, v^T: [hd][T] */
{
    return ms_packed_size(m->k, m->c.head_dim, m->T);
}

static size_t tall_pack(const struct ms_model *m) /* of k, v: [T][hd] */
{
    return ms_packed_size(m->k, m->T, m->c.head_dim);
}

void ms_model_attention_forward(struct ms_model *m, int layer, int b, float *scratch)
{
    const struct ms_kernels *K = m->k;
    int T = m->in.T, hd = m->c.head_dim, group = m->c.heads / m->c.kv_heads;
    size_t W = (size_t)m->W, HD = (size_t)m->HD, ldk = (size_t)hd;
    float scale = 1.0f / sqrtf((float)hd);
    float *s = scratch, *kt = s + square_floats(m), *v = kt + wide_pack(m);
    for (int h = 0; h < m->c.heads; h++) {
        struct head x = head_of(m, layer, b, h);
        if (h % group == 0) {
            K->pack(1, hd, T, x.k, W, kt);
            K->pack(0, T, hd, x.v, W, v);
        }
        for (int q = 0; q < T; q += QUERY_ROWS) {
            int rows = T - q < QUERY_ROWS ? T - q : QUERY_ROWS, keys = q + rows;
            size_t ld = row_floats(m, keys);
            K->gemm(rows, keys, hd, scale, x.q + (size_t)q * W, W, 1, kt, ldk, 0, s, ld);
            K->softmax_causal(rows, q, keys, s, ld, x.lse + q);
            K->gemm(rows, hd, keys, 1, s, ld, 1, v, (size_t)T, 0, x.o + (size_t)q * HD, HD);
        }
    }
}

struct gradient {
    float *dq, *dk, *dv;      /* [T][hd] at stride W; dk and dv are added to */
    const float *dout;        /* [T][hd] at stride H*hd */
    float *p, *dp, *d, *pack; /* scratch */
    float *kt, *vt, *k;       /* packed keys and values */
};

/* QUERY_ROWS queries from q on: dV += P^T dO, dS = P (dO V^T - rowsum(dO O)), dQ = dS K, dK += dS^T
 * Q. */
static void backward_block(struct ms_model *m, const struct head *x, const struct gradient *g,
                           int q)
{
    const struct ms_kernels *K = m->k;
    int T = m->in.T, hd = m->c.head_dim, rows = T - q < QUERY_ROWS ? T - q : QUERY_ROWS,
        keys = q + rows;
    size_t W = (size_t)m->W, HD = (size_t)m->HD, ldk = (size_t)hd, ld = row_floats(m, keys);
    size_t at = (size_t)q * W, out = (size_t)q * HD;
    float scale = 1.0f / sqrtf((float)hd);
    K->gemm(rows, keys, hd, scale, x->q + at, W, 1, g->kt, ldk, 0, g->p, ld);
    K->exp_causal(rows, q, keys, g->p, ld, x->lse + q);
    K->pack(0, rows, hd, g->dout + out, HD, g->pack);
    K->gemm(keys, hd, rows, 1, g->p, 1, ld, g->pack, (size_t)rows, 1, g->dv, W);
    K->gemm(rows, keys, hd, 1, g->dout + out, HD, 1, g->vt, ldk, 0, g->dp, ld);
    K->dots(rows, hd, g->dout + out, HD, x->o + out, HD, g->d);
    K->softmax_backward(rows, keys, g->p, g->dp, ld, g->d);
    K->gemm(rows, hd, keys, scale, g->dp, ld, 1, g->k, (size_t)T, 0, g->dq + at, W);
    K->pack(0, rows, hd, x->q + at, W, g->pack);
    K->gemm(keys, hd, rows, scale, g->dp, 1, ld, g->pack, (size_t)rows, 1, g->dk, W);
}

void ms_model_attention_backward(struct ms_model *m, int layer, int b, const float *datt,
                                 float *dqkv, float *scratch)
{
    int T = m->in.T, hd = m->c.head_dim, group = m->c.heads / m->c.kv_heads;
    size_t W = (size_t)m->W, HD = (size_t)m->HD;
    struct gradient g = {.p = scratch, .dp = scratch + square_floats(m)};
    g.kt = g.dp + square_floats(m);
    g.vt = g.kt + wide_pack(m);
    g.k = g.vt + wide_pack(m);
    g.pack = g.k + tall_pack(m);
    g.d = g.pack + ms_packed_size(m->k, QUERY_ROWS, hd);

    const float *base = m->acts[layer].qkv + (size_t)b * (size_t)T * W;
    for (size_t t = 0; t < (size_t)T; t++)
        memset(dqkv + t * W + HD, 0, (W - HD) * sizeof *dqkv);
    for (int h = 0; h < m->c.heads; h++) {
        struct head x = head_of(m, layer, b, h);
        g.dq = dqkv + (x.q - base);
        g.dk = dqkv + (x.k - base);
        g.dv = dqkv + (x.v - base);
        g.dout = datt + (size_t)h * (size_t)hd;
        if (h % group == 0) {
            m->k->pack(1, hd, T, x.k, W, g.kt);
            m->k->pack(1, hd, T, x.v, W, g.vt);
            m->k->pack(0, T, hd, x.k, W, g.k);
        }
        for (int q = 0; q < T; q += QUERY_ROWS)
            backward_block(m, &x, &g, q);
    }
}

size_t ms_model_attention_scratch(const struct ms_model *m)
{
    return 2 * square_floats(m) + 2 * wide_pack(m) + tall_pack(m) +
           ms_packed_size(m->k, QUERY_ROWS, m->c.head_dim) + QUERY_ROWS;
}
