/* What one batch row does forward: the attention sub-layer with the norms and the router's logits,
 * and the head. The experts' outputs of the layer below are summed here too, so that a layer needs
 * two waits only. */
#include <string.h>

#include "moe/model_internal.h"

void ms_model_sum_pairs(const struct ms_model *m, const struct ms_routes *r, size_t n,
                        const float *rows, const float *weight, const float *x, float *out)
{
    enum { ONCE = 16 }; /* pairs; a token rarely has more */
    const float *y[ONCE];
    float w[ONCE];
    int i = r->token_start[n], end = r->token_start[n + 1], C = m->c.hidden;
    do {
        int k = 0;
        for (; i < end && k < ONCE; i++) {
            int pair = r->token_pair[i];
            if (pair >= r->n) /* dropped */
                continue;
            y[k] = rows + (size_t)pair * (size_t)C;
            w[k++] = weight ? weight[pair] : 1;
        }
        m->k->combine(C, x, k, y, w, out);
        x = out;
    } while (i < end);
}

/* out [T][C] = mid + the weighted outputs of each token's experts */
static void combine(struct ms_model *m, int layer, int b, float *out)
{
    const struct ms_routes *r = routes_of(m, layer);
    size_t C = (size_t)m->c.hidden, first = ms_model_token(m, b);
    for (size_t t = 0; t < (size_t)m->in.T; t++)
        ms_model_sum_pairs(m, r, first + t, m->y, r->weight, m->acts[layer].mid + (first + t) * C,
                           out + t * C);
}

static void embed(struct ms_model *m, int b, float *out)
{
    size_t C = (size_t)m->c.hidden, first = ms_model_token(m, b);
    for (size_t t = 0; t < (size_t)m->in.T; t++) {
        size_t row = (size_t)m->in.tokens[first + t] * C;
        if (m->source)
            fetch(m, 0, row, C, out + t * C);
        else
            memcpy(out + t * C, value_at(m, m->embed) + row, C * sizeof *out);
    }
}

static void norm_qk(struct ms_model *m, const struct layer *y, const struct acts *a, size_t first)
{
    size_t hd = (size_t)m->c.head_dim, Q = (size_t)m->HD, KD = (size_t)m->c.kv_heads * hd,
           W = (size_t)m->W;
    struct ms_norm_shape q = ms_model_qk_shape(m, m->c.heads),
                         k = ms_model_qk_shape(m, m->c.kv_heads);
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
    size_t first = ms_model_token(m, t->a), at = first * (size_t)C;
    float *x = a->x + at, *mid = a->mid + at, *qkv = a->qkv + first * (size_t)W, *xn1 = scratch;
    if (t->layer)
        combine(m, t->layer - 1, t->a, x);
    else
        embed(m, t->a, x);
    m->k->norm(ms_model_norm_shape(m), (float)m->c.rms_eps, x, (size_t)C, value_at(m, y->norm1),
               xn1, (size_t)C, a->r1 + first);
    m->k->gemm(T, W, C, 1, xn1, (size_t)C, 1, w->qkv, (size_t)C, 0, qkv, (size_t)W);
    if (m->c.qk_norm)
        norm_qk(m, y, a, first);
    m->k->rope(T, m->c.heads + m->c.kv_heads, hd, m->cosines, m->sines, 1, qkv,
               (size_t)W); /* k lies behind q */
    ms_model_attention_forward(m, t->layer, t->a, scratch);
    memcpy(mid, x, (size_t)T * (size_t)C * sizeof *mid);
    m->k->gemm(T, C, HD, 1, a->att + first * (size_t)HD, (size_t)HD, 1, w->out, (size_t)HD, 1, mid,
               (size_t)C);
    m->k->norm(ms_model_norm_shape(m), (float)m->c.rms_eps, mid, (size_t)C, value_at(m, y->norm2),
               m->xn2 + at, (size_t)C, a->r2 + first);
    if (y->moe < 0)
        return;
    size_t row = first * (size_t)y->E;
    m->k->gemm(T, y->E, C, 1, m->xn2 + at, (size_t)C, 1, w->gate, (size_t)C, 0,
               m->router_logits[y->moe] + row, (size_t)y->E);
    if (m->noise_gate)
        m->k->gemm(T, y->E, C, 1, m->xn2 + at, (size_t)C, 1, w->noise, (size_t)C, 0,
                   m->noise_logits[y->moe] + row, (size_t)y->E);
}

void ms_model_head_forward(struct ms_model *m, const struct task *t, float *scratch)
{
    int T = m->in.T, C = m->c.hidden, V = m->c.vocab;
    size_t first = ms_model_token(m, t->a), at = first * (size_t)C;
    float *logits = m->logits + first * (size_t)V;
    const int32_t *targets = m->in.targets ? m->in.targets + first : m->no_targets;
    combine(m, m->c.layers - 1, t->a, m->xlast + at);
    m->k->norm(ms_model_norm_shape(m), (float)m->c.rms_eps, m->xlast + at, (size_t)C,
               value_at(m, m->norm), m->xf + at, (size_t)C, m->rf + first);
    m->k->gemm(T, V, C, 1, m->xf + at, (size_t)C, 1, m->head_pack, (size_t)C, 0, logits, (size_t)V);
    double sum = 0;
    if (m->in.targets) {
        m->k->cross_entropy(T, V, logits, targets, m->lse + first, m->nll + first);
        for (int i = 0; i < T; i++)
            sum += (double)m->nll[first + (size_t)i];
    }
    m->row_nll[t->a] = sum;
}
