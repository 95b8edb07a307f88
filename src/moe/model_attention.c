/* Causal grouped-query attention of one batch row: head by head, QUERY_ROWS queries at a time
 * against the keys up to the last of them, so that memory is linear in T. Only the log-sum-exp of
 * each query is kept; backward computes the probabilities again (as in FlashAttention, Dao et al.
 * 2022). */
#include <math.h>
#include <string.h>

#include "moe/blas.h"
#include "moe/model_internal.h"

struct heads {
    const float *q, *k, *v; /* [T][hd] at stride W */
    float *o;               /* [T][hd] at stride H*hd */
    float *lse;             /* [T] */
};

static struct heads head_of(const struct ms_model *m, int layer, int b, int h)
{
    const struct acts *a = &m->acts[layer];
    int hd = m->c.head_dim, T = m->in.T, kv = h / (m->c.heads / m->c.kv_heads);
    const float *row = a->qkv + (size_t)b * (size_t)T * (size_t)m->W;
    return (struct heads){row + (size_t)h * (size_t)hd, row + m->HD + (size_t)kv * (size_t)hd,
                          row + m->HD + (size_t)(m->c.kv_heads + kv) * (size_t)hd,
                          a->att + (size_t)b * (size_t)T * (size_t)m->HD + (size_t)h * (size_t)hd,
                          a->lse + ((size_t)b * (size_t)m->c.heads + (size_t)h) * (size_t)T};
}

void ms_model_attention_forward(struct ms_model *m, int layer, int b, float *scratch)
{
    int T = m->in.T, hd = m->c.head_dim;
    float scale = 1.0f / sqrtf((float)hd);
    for (int h = 0; h < m->c.heads; h++) {
        struct heads x = head_of(m, layer, b, h);
        for (int q = 0; q < T; q += QUERY_ROWS) {
            int rows = T - q < QUERY_ROWS ? T - q : QUERY_ROWS, keys = q + rows;
            ms_sgemm(0, 1, rows, keys, hd, scale, x.q + (size_t)q * (size_t)m->W, m->W, x.k, m->W,
                     0, scratch, keys);
            m->k->softmax_causal(rows, q, keys, scratch, (size_t)keys, x.lse + q);
            ms_sgemm(0, 0, rows, hd, keys, 1, scratch, keys, x.v, m->W, 0,
                     x.o + (size_t)q * (size_t)m->HD, m->HD);
        }
    }
}

void ms_model_attention_backward(struct ms_model *m, int layer, int b, const float *datt,
                                 float *scratch)
{
    int T = m->in.T, hd = m->c.head_dim, W = m->W, HD = m->HD;
    float scale = 1.0f / sqrtf((float)hd);
    float *p = scratch, *dp = p + (size_t)QUERY_ROWS * (size_t)T,
          *d = dp + (size_t)QUERY_ROWS * (size_t)T;
    float *row = m->dqkv + (size_t)b * (size_t)T * (size_t)W;
    memset(row, 0, (size_t)T * (size_t)W * sizeof *row);
    for (int h = 0; h < m->c.heads; h++) {
        struct heads x = head_of(m, layer, b, h);
        const float *base = m->acts[layer].qkv + (size_t)b * (size_t)T * (size_t)W;
        float *dq = row + (x.q - base), *dk = row + (x.k - base), *dv = row + (x.v - base);
        for (int q = 0; q < T; q += QUERY_ROWS) {
            int rows = T - q < QUERY_ROWS ? T - q : QUERY_ROWS, keys = q + rows;
            size_t at = (size_t)q * (size_t)W, out = (size_t)q * (size_t)HD;
            const float *go = datt + out + (size_t)h * (size_t)hd;
            ms_sgemm(0, 1, rows, keys, hd, scale, x.q + at, W, x.k, W, 0, p, keys);
            m->k->exp_causal(rows, q, keys, p, (size_t)keys, x.lse + q);
            ms_sgemm(1, 0, keys, hd, rows, 1, p, keys, go, HD, 1, dv, W);
            ms_sgemm(0, 1, rows, keys, hd, 1, go, HD, x.v, W, 0, dp, keys);
            m->k->dots(rows, hd, go, (size_t)HD, x.o + out, (size_t)HD, d);
            m->k->softmax_backward(rows, keys, p, dp, (size_t)keys, d);
            ms_sgemm(0, 0, rows, hd, keys, scale, dp, keys, x.k, W, 0, dq + at, W);
            ms_sgemm(1, 0, keys, hd, rows, scale, dp, keys, x.q + at, W, 1, dk, W);
        }
    }
}

size_t ms_model_attention_scratch(const struct ms_model *m)
{
    return (size_t)QUERY_ROWS * (size_t)m->T * (m->train ? 2 : 1) + QUERY_ROWS;
}
