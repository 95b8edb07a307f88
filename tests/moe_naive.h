/* The language model once more, in double, one number at a time, straight from the formulas of
 * transformers' modeling_mixtral.py, modeling_olmoe.py and modeling_qwen3_moe.py: what the fast
 * kernels must equal. No blocking, no batching, no gradient (tests take central differences of it).
 * Top-k routing without capacity. */
#ifndef MOE_NAIVE_H
#define MOE_NAIVE_H

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "moe/config.h"
#include "moe/model.h"

struct naive {
    struct ms_moe_config c;
    size_t n_params;
    const struct ms_param *params;
    double **value; /* [n_params], a copy that a test may move */
    double *logits; /* [B*T][V] of the last forward */
    double *router; /* [L][B*T][E] */
    const float
        *extra; /* NULL or [L][B*T][E]: forward adds sum(extra * router logits) to its result */
};

static struct naive naive_of(const struct ms_model *m, int B, int T)
{
    struct naive n = {.c = *ms_model_config(m)};
    n.params = ms_model_params(m, &n.n_params);
    n.value = calloc(n.n_params, sizeof *n.value);
    for (size_t i = 0; i < n.n_params; i++) {
        n.value[i] = calloc(n.params[i].n, sizeof **n.value);
        for (size_t j = 0; j < n.params[i].n; j++)
            n.value[i][j] = (double)n.params[i].value[j];
    }
    n.logits = calloc((size_t)(B * T * n.c.vocab), sizeof *n.logits);
    n.router = calloc((size_t)(n.c.layers * B * T * n.c.experts), sizeof *n.router);
    return n;
}

static void naive_free(struct naive *n)
{
    for (size_t i = 0; i < n->n_params; i++)
        free(n->value[i]);
    free(n->value);
    free(n->logits);
    free(n->router);
}

static const double *naive_weight(const struct naive *n, int layer, const char *name)
{
    char full[160];
    snprintf(full, sizeof full, layer < 0 ? "%.0d%s" : "model.layers.%d.%s", layer < 0 ? 0 : layer,
             name);
    for (size_t i = 0; i < n->n_params; i++)
        if (strcmp(n->params[i].name, full) == 0)
            return n->value[i];
    return NULL;
}

static void naive_norm(int len, double eps, const double *x, const double *w, double *y)
{
    double sum = 0;
    for (int i = 0; i < len; i++)
        sum += x[i] * x[i];
    for (int i = 0; i < len; i++)
        y[i] = w[i] * x[i] / sqrt(sum / len + eps);
}

/* y [out] = W [out][in] x */
static void naive_linear(int out, int in, const double *W, const double *x, double *y)
{
    for (int o = 0; o < out; o++) {
        y[o] = 0;
        for (int i = 0; i < in; i++)
            y[o] += W[o * in + i] * x[i];
    }
}

static void naive_rope(const struct ms_moe_config *c, int t, double *head)
{
    int half = c->head_dim / 2;
    for (int i = 0; i < half; i++) {
        double angle = t * pow(c->rope_theta, -2.0 * i / c->head_dim), a = head[i],
               b = head[i + half];
        head[i] = a * cos(angle) - b * sin(angle);
        head[i + half] = b * cos(angle) + a * sin(angle);
    }
}

static void naive_qk(const struct naive *n, int layer, const char *norm, int heads, int t,
                     double *x)
{
    int hd = n->c.head_dim;
    const double *w = naive_weight(n, layer, norm);
    if (n->c.qk_norm == MS_QK_NORM_WIDTH)
        naive_norm(heads * hd, n->c.rms_eps, x, w, x);
    for (int h = 0; h < heads; h++) {
        if (n->c.qk_norm == MS_QK_NORM_HEAD)
            naive_norm(hd, n->c.rms_eps, x + h * hd, w, x + h * hd);
        naive_rope(&n->c, t, x + h * hd);
    }
}

/* x [T][C] += attention of one row */
static void naive_attention(const struct naive *n, int layer, int T, double *x)
{
    const struct ms_moe_config *c = &n->c;
    int C = c->hidden, hd = c->head_dim, HD = c->heads * hd, KD = c->kv_heads * hd;
    double *q = calloc((size_t)(T * (HD + 2 * KD + HD + C + C + T)), sizeof *q);
    double *k = q + T * HD, *v = k + T * KD, *o = v + T * KD, *y = o + T * HD, *out = y + T * C,
           *p = out + T * C;
    for (int t = 0; t < T; t++) {
        naive_norm(C, c->rms_eps, x + t * C, naive_weight(n, layer, "input_layernorm.weight"), y);
        naive_linear(HD, C, naive_weight(n, layer, "self_attn.q_proj.weight"), y, q + t * HD);
        naive_linear(KD, C, naive_weight(n, layer, "self_attn.k_proj.weight"), y, k + t * KD);
        naive_linear(KD, C, naive_weight(n, layer, "self_attn.v_proj.weight"), y, v + t * KD);
        naive_qk(n, layer, "self_attn.q_norm.weight", c->heads, t, q + t * HD);
        naive_qk(n, layer, "self_attn.k_norm.weight", c->kv_heads, t, k + t * KD);
    }
    for (int h = 0; h < c->heads; h++)
        for (int t = 0; t < T; t++) {
            int kv = h / (c->heads / c->kv_heads) * hd;
            double sum = 0;
            for (int s = 0; s <= t; s++) {
                double dot = 0;
                for (int i = 0; i < hd; i++)
                    dot += q[t * HD + h * hd + i] * k[s * KD + kv + i];
                sum += p[s] = exp(dot / sqrt(hd));
            }
            for (int s = 0; s <= t; s++)
                for (int i = 0; i < hd; i++)
                    o[t * HD + h * hd + i] += p[s] / sum * v[s * KD + kv + i];
        }
    for (int t = 0; t < T; t++) {
        naive_linear(C, HD, naive_weight(n, layer, "self_attn.o_proj.weight"), o + t * HD, y);
        for (int i = 0; i < C; i++)
            x[t * C + i] += y[i];
    }
    free(q);
}

/* y [C] += weight * down(silu(gate x) * up x) */
static void naive_ffn(int C, int F, const double *gate, const double *up, const double *down,
                      double weight, const double *x, double *y)
{
    double *h = calloc((size_t)(2 * F), sizeof *h);
    naive_linear(F, C, gate, x, h);
    naive_linear(F, C, up, x, h + F);
    for (int i = 0; i < F; i++)
        h[i] = h[i] / (1 + exp(-h[i])) * h[F + i];
    for (int o = 0; o < C; o++)
        for (int i = 0; i < F; i++)
            y[o] += weight * down[o * F + i] * h[i];
    free(h);
}

/* One token: x [C] += its experts; z [E] receives the router's logits. */
static void naive_moe(const struct naive *n, int layer, double *x, double *z)
{
    const struct ms_moe_config *c = &n->c;
    int C = c->hidden, E = c->experts, F = c->expert_intermediate;
    double *y = calloc((size_t)(C + E), sizeof *y), *p = y + C, total = 0, chosen = 0;
    int *best = calloc((size_t)E, sizeof *best);
    naive_norm(C, c->rms_eps, x, naive_weight(n, layer, "post_attention_layernorm.weight"), y);
    naive_linear(E, C, naive_weight(n, layer, "mlp.gate.weight"), y, z);
    for (int e = 0; e < E; e++)
        total += p[e] = exp(z[e]);
    for (int e = 0; e < E; e++) {
        int better = 0;
        for (int f = 0; f < E; f++)
            better += z[f] > z[e] || (z[f] == z[e] && f < e);
        best[e] = better < c->top_k;
        chosen += best[e] ? p[e] : 0;
    }
    const double *gu = naive_weight(n, layer, "mlp.experts.gate_up_proj");
    const double *down = naive_weight(n, layer, "mlp.experts.down_proj");
    for (int e = 0; e < E; e++)
        if (best[e])
            naive_ffn(C, F, gu + e * 2 * F * C, gu + (e * 2 + 1) * F * C, down + e * C * F,
                      p[e] / (c->renormalised ? chosen : total), y, x);
    free(best);
    free(y);
}

static void naive_dense(const struct naive *n, int layer, double *x)
{
    int C = n->c.hidden;
    double *y = calloc((size_t)C, sizeof *y);
    naive_norm(C, n->c.rms_eps, x, naive_weight(n, layer, "post_attention_layernorm.weight"), y);
    naive_ffn(C, n->c.dense_intermediate, naive_weight(n, layer, "mlp.gate_proj.weight"),
              naive_weight(n, layer, "mlp.up_proj.weight"),
              naive_weight(n, layer, "mlp.down_proj.weight"), 1, y, x);
    free(y);
}

/* Logits of one token and its -log p(target). */
static double naive_head(const struct naive *n, const double *x, int target, double *logits)
{
    int C = n->c.hidden, V = n->c.vocab;
    double *y = calloc((size_t)C, sizeof *y), sum = 0;
    naive_norm(C, n->c.rms_eps, x, naive_weight(n, -1, "model.norm.weight"), y);
    naive_linear(V, C,
                 naive_weight(n, -1, n->c.tied ? "model.embed_tokens.weight" : "lm_head.weight"), y,
                 logits);
    for (int v = 0; v < V; v++)
        sum += exp(logits[v]);
    free(y);
    return target < 0 ? 0 : log(sum) - logits[target];
}

/* Mean cross-entropy over targets that are not -1, plus the extra term. */
static double naive_forward(struct naive *n, int B, int T, const int32_t *tokens,
                            const int32_t *targets)
{
    int C = n->c.hidden, V = n->c.vocab, E = n->c.experts, counted = 0;
    double *x = calloc((size_t)(T * C), sizeof *x), nll = 0, more = 0;
    for (int b = 0; b < B; b++) {
        for (int t = 0; t < T; t++)
            memcpy(x + t * C,
                   naive_weight(n, -1, "model.embed_tokens.weight") + tokens[b * T + t] * C,
                   (size_t)C * sizeof *x);
        for (int l = 0; l < n->c.layers; l++) {
            naive_attention(n, l, T, x);
            for (int t = 0; t < T; t++) {
                size_t at = ((size_t)(l * B + b) * (size_t)T + (size_t)t) * (size_t)E;
                if (n->c.dense[l])
                    naive_dense(n, l, x + t * C);
                else
                    naive_moe(n, l, x + t * C, n->router + at);
                for (int e = 0; !n->c.dense[l] && n->extra && e < E; e++)
                    more += (double)n->extra[at + (size_t)e] * n->router[at + (size_t)e];
            }
        }
        for (int t = 0; t < T; t++) {
            nll += naive_head(n, x + t * C, targets[b * T + t], n->logits + (b * T + t) * V);
            counted += targets[b * T + t] >= 0;
        }
    }
    free(x);
    return (counted ? nll / counted : 0) + more;
}

#endif
