/* Attention times: a roofline of projections and of attention itself, corrected by the measured
 * points of the same shape. */
#include "sim/attention.h"

#include <math.h>
#include <stdbool.h>

struct attention_point {
    int decode, hidden, heads, kv_heads, head_dim;
    double tokens, context, us;
};

#include "attention_table.inc"

enum { N_POINTS = sizeof points / sizeof *points };

/* Latent attention (DeepSeek-V2 and later): ranks of the compressed query and key, and the size of a
 * value head. */
enum { Q_RANK = 1536, KV_RANK = 512, ROPE = 64, VALUE = 128 };

/* Weights of the projections. */
static double projections(double hidden, double heads, double kv_heads, double head_dim)
{
    if (kv_heads == 0)
        return hidden * Q_RANK + Q_RANK * heads * head_dim + hidden * (KV_RANK + ROPE) +
               KV_RANK * heads * (head_dim - ROPE + VALUE) + heads * VALUE * hidden;
    return 2 * hidden * head_dim * (heads + kv_heads);
}

/* Fitted to the points of prefill: 2.4 % off on average. The projections run at 653 TFLOP/s (of latent
 * attention, in more and narrower products, at 468), keys and values at 599. */
static double prefill_us(double weights, bool latent, double heads, double qk_and_v, double tokens,
                         double context)
{
    const double start_us = 27.1, projection_flops_us = latent ? 468.0e6 : 652.7e6,
                 attention_flops_us = 598.6e6;
    /* causal: of a whole sequence half of the keys on average, of its end more */
    double keys = tokens >= context ? context / 2 : context - tokens / 2;
    return start_us + 2 * weights * tokens / projection_flops_us +
           2 * heads * qk_and_v * tokens * keys / attention_flops_us;
}

/* To the points of decode: 5.4 % off. Weights are read at 1.66 TB/s, keys and values at 3.26; a
 * lone long sequence is bound by its own length. */
static double decode_us(double weights, double kv_values, double tokens, double context)
{
    const double start_us = 11.9, weights_per_us = 1.657e6, kv_bytes_per_us = 3.262e6,
                 sequence_us = 0.058, key_us = 3.94e-3, flops_us = 652.7e6;
    double read_us = fmax(2 * weights / weights_per_us, 2 * weights * tokens / flops_us);
    return start_us + read_us + 2 * kv_values * tokens * context / kv_bytes_per_us +
           sequence_us * tokens + key_us * context;
}

static double roofline_us(double hidden, double heads, double kv_heads, double head_dim,
                          bool decode, double tokens, double context)
{
    double weights = projections(hidden, heads, kv_heads, head_dim);
    if (decode) /* what is kept of a key: the latent, or keys and values of every head */
        return decode_us(weights, kv_heads == 0 ? KV_RANK + ROPE : 2 * kv_heads * head_dim, tokens,
                         context);
    return prefill_us(weights, kv_heads == 0, heads, head_dim + (kv_heads == 0 ? VALUE : head_dim),
                      tokens, context);
}

static double distance2(const struct attention_point *p, double tokens, double context)
{
    double a = log2(tokens / p->tokens), b = log2(context / p->context);
    return a * a + b * b;
}

/* What fp8 saves of the projections in prefill: an expert of DeepSeek-V3 takes 0.71 of its bf16 time
 * at 16,384 tokens (expert_ffn.csv, H100). */
static double fp8_saves_us(const struct ms_model_shape *m, double tokens)
{
    double weights = projections(m->hidden, m->heads, m->kv_heads, m->head_dim);
    return (1 - 0.71) * 2 * weights * tokens / (m->kv_heads == 0 ? 468.0e6 : 652.7e6);
}

double ms_attention_s(const struct ms_model_shape *m, bool decode, bool fp8, double tokens,
                      double context)
{
    double sum = 0, weight = 0;
    if (m->heads == 0 || tokens <= 0)
        return 0;
    double us = roofline_us(m->hidden, m->heads, m->kv_heads, m->head_dim, decode, tokens, context);
    for (int i = 0; i < N_POINTS;
         i++) { /* what the points say the roofline is off by, near ones most */
        const struct attention_point *p = &points[i];
        if (p->decode != decode || p->hidden != m->hidden || p->heads != m->heads ||
            p->kv_heads != m->kv_heads || p->head_dim != m->head_dim)
            continue;
        double d2 = distance2(p, tokens, context), w = 1 / (d2 * d2 + 1e-12);
        sum += w * log(p->us / roofline_us(p->hidden, p->heads, p->kv_heads, p->head_dim, decode,
                                           p->tokens, p->context));
        weight += w;
    }
    us *= weight > 0 ? exp(sum / weight) : 1;
    return 1e-6 * (fp8 && !decode ? us - fp8_saves_us(m, tokens) : us);
}
