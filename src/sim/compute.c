/* Expert times: the measured tables, what lies between and beyond them, and rooflines. */
#include "sim/compute.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "sim/attention.h"

enum { MOST_TOKENS = 20 };

struct ffn_shape {
    double weights; /* 3 x hidden x intermediate */
    double us[MOST_TOKENS];
};

#include "ffn_tables.inc"

#define LENGTH(array) (int)(sizeof(array) / sizeof *(array))
#define TABLE(gpu_dtype)                                                                           \
    gpu_dtype##_tokens, LENGTH(gpu_dtype##_tokens), gpu_dtype##_shapes, LENGTH(gpu_dtype##_shapes)

/* A GPU and a number format, alone or as one grouped kernel. */
static const struct ffn_table {
    const char *name;
    const double *tokens;
    int n_tokens;
    const struct ffn_shape *shape;
    int n_shapes;
    bool grouped;
} tables[] = {
    {"h200", TABLE(h200_bf16), false},    {"h200-grouped", TABLE(h200_bf16), true},
    {"h100", TABLE(h100_bf16), false},    {"h100-grouped", TABLE(h100_bf16), true},
    {"h100-fp8", TABLE(h100_fp8), false}, {"h100-fp8-grouped", TABLE(h100_fp8), true},
};

static const struct ms_sim_name profiles[] = {
    {"auto", "what the hardware profile in force says; none without one"},
    {"none", "computing is free"},
    {"h200", "measured on an H200, bf16: a rank's experts one after another in one CUDA graph"},
    {"h200-grouped", "the same as one grouped kernel, measured on an H200"},
    {"h100", "measured on an H100, bf16: one after another in one CUDA graph"},
    {"h100-grouped",
     "the same as one grouped kernel, which costs more than its experts as on an H200"},
    {"h100-fp8", "measured on an H100, fp8 with activations quantised between the products"},
    {"h100-fp8-grouped", "the same as one grouped kernel, as for h100-grouped"},
    {NULL, NULL},
};

const struct ms_sim_name *ms_sim_compute_profiles(void)
{
    return profiles;
}

static const struct ffn_table *find_table(const char *name)
{
    for (int i = 0; i < LENGTH(tables); i++)
        if (strcmp(tables[i].name, name) == 0)
            return &tables[i];
    return NULL;
}

bool ms_compute_known(const struct ms_compute_params *p)
{
    if (!p->profile)
        return true;
    for (const struct ms_sim_name *n = profiles; n->name; n++)
        if (!strcmp(n->name, p->profile))
            return true;
    return false;
}

/* Linear between the measured counts; beyond them at the last one's rate. */
static double at_tokens(const struct ffn_table *t, const struct ffn_shape *s, double tokens)
{
    int i = 1, last = t->n_tokens - 1;
    if (tokens <= t->tokens[0])
        return s->us[0];
    if (tokens >= t->tokens[last])
        return s->us[last] * tokens / t->tokens[last];
    while (t->tokens[i] < tokens)
        i++;
    double w = (tokens - t->tokens[i - 1]) / (t->tokens[i] - t->tokens[i - 1]);
    return s->us[i - 1] + w * (s->us[i] - s->us[i - 1]);
}

/* Between the measured shapes linear in the weights, as the roofline is: a fixed part, then
 * reading the weights, then flops (the floors of the H200 at 4.7, 44 and 176 million weights lie on
 * a line). Beyond them what lies above the fixed part is in proportion to the weights. */
#define FIXED_SHARE 0.8 /* of the smallest shape's floor */

static double expert_us(const struct ffn_table *t, double weights, double tokens)
{
    int i = 1;
    while (i < t->n_shapes - 1 && t->shape[i].weights < weights)
        i++;
    const struct ffn_shape *a = &t->shape[i - 1], *b = &t->shape[i];
    double ta = at_tokens(t, a, tokens), tb = at_tokens(t, b, tokens);
    double w = (weights - a->weights) / (b->weights - a->weights);
    double fixed = FIXED_SHARE * t->shape[0].us[0];
    if (w < 0)
        return fixed + (ta - fixed) * weights / a->weights;
    if (w > 1)
        return fixed + (tb - fixed) * weights / b->weights;
    return ta + w * (tb - ta);
}

/* What a list of experts takes. Launches in one graph overlap by 3 us each; a grouped kernel
 * pays most of the fixed part once and is slower per expert, more so for larger ones (both fitted to
 * grouped_ffn.csv, H200: mean error 5 and 6 %). */
#define GRAPH_OVERLAP_US 3
#define GROUPED_FIXED_SHARE 0.7 /* of the smallest shape's floor */

static double grouped_factor(double weights)
{
    return fmax(1, 1.03 + 0.058 * log(weights / (3.0 * 2048 * 768)));
}

static double of_table(const struct ffn_table *t, double weights, const double *tokens, int n)
{
    double sum = 0, fixed = t->grouped ? GROUPED_FIXED_SHARE * t->shape[0].us[0] : GRAPH_OVERLAP_US;
    int busy = 0;
    for (int i = 0; i < n; i++)
        if (tokens[i] > 0)
            sum += expert_us(t, weights, tokens[i]) - (busy++ ? fixed : 0);
    return 1e-6 * sum * (t->grouped && busy > 1 ? grouped_factor(weights) : 1);
}

double ms_compute_ffns_s(const struct ms_compute_params *p, int hidden, int intermediate,
                         const double *tokens, int n)
{
    double shape = (double)hidden * intermediate, sum = 0;
    if (p->profile && !strcmp(p->profile, "none"))
        return 0;
    const struct ffn_table *t = p->profile ? find_table(p->profile) : NULL;
    if (p->profile)
        return t ? of_table(t, 3 * shape, tokens, n) : 0;
    double read_s = p->bandwidth > 0 ? 3 * shape * 2 / p->bandwidth : 0;
    for (int i = 0; i < n; i++)
        if (tokens[i] > 0)
            sum += fmax(p->flops > 0 ? 6 * shape * tokens[i] / p->flops : 0, read_s);
    return sum;
}

double ms_compute_sharing(const struct ms_compute_params *p, int sms_taken)
{
    const int sms = 132; /* of an H100 or H200, the only GPUs there are tables of */
    bool known = p->profile && find_table(p->profile);
    return known && sms_taken > 0 && sms_taken < sms ? (double)sms / (sms - sms_taken) : 1;
}

double ms_compute_dense_s(const struct ms_compute_params *p, const struct ms_model_shape *m,
                          const struct ms_workload *w, const struct ms_traffic *t, int rank,
                          double share)
{
    if (!isnan(p->dense_s))
        return p->dense_s * share;
    double tokens = ms_compute_own_tokens(t, m->top_k, rank) * share;
    bool fp8 = p->profile && strstr(p->profile, "fp8");
    return ms_attention_s(m, w->requests.phase == MS_REQUESTS_DECODE, fp8, tokens, w->context);
}

/* A prefill needs the word after each sequence, a decode that after each token; weights are read once,
 * both at the rates of attention's projections. */
static double head_s(const struct ms_model_shape *m, const struct ms_workload *w, double tokens)
{
    const double flops_per_s = 652.7e12, weights_per_s = 1.657e12;
    double values = (double)m->hidden * m->vocabulary,
           words = w->requests.phase == MS_REQUESTS_DECODE ? tokens
                                                           : ceil(tokens / fmax(1, w->context));
    return fmax(2 * values * words / flops_per_s, 2 * values / weights_per_s);
}

double ms_compute_outside_s(const struct ms_compute_params *p, const struct ms_model_shape *m,
                            const struct ms_workload *w, const struct ms_traffic *t, int rank,
                            int n_layers, double share)
{
    if (!isnan(p->outside_s))
        return p->outside_s * share;
    double tokens = ms_compute_own_tokens(t, m->top_k, rank) * share;
    double layer_s = ms_compute_dense_s(p, m, w, t, rank, share) +
                     ms_compute_ffns_s(p, m->hidden, m->dense_intermediate, &tokens, 1);
    double all_s = m->dense_layers * layer_s + (tokens > 0 ? head_s(m, w, tokens) : 0);
    return n_layers < m->moe_layers ? all_s * n_layers / m->moe_layers : all_s;
}

double ms_compute_own_tokens(const struct ms_traffic *t, int top_k, int rank)
{
    double selections = 0, kept = t->requested - t->dropped;
    for (int i = 0; i < t->row[rank].n; i++)
        selections += t->row[rank].selections[i];
    double scale = kept > 0 ? t->requested / kept : 1;
    return top_k > 0 ? selections * scale / top_k : 0;
}

double ms_compute_experts_s(const struct ms_compute_params *p, const struct ms_model_shape *m,
                            const struct ms_traffic *t, int rank, double share)
{
    if (t->is_matrix || !m || (p->profile && !strcmp(p->profile, "none")))
        return 0;
    int per_rank = t->n_slots / t->n_ranks;
    double tokens[256], sum = 0;
    for (int at = 0; at < per_rank; at += 256) { /* hardly any rank holds more */
        int n = per_rank - at < 256 ? per_rank - at : 256;
        for (int i = 0; i < n; i++)
            tokens[i] = t->slot_tokens[rank * per_rank + at + i] * share;
        sum += ms_compute_ffns_s(p, ms_model_width(m), m->expert_intermediate, tokens, n);
    }
    double own = m->shared_experts > 0 ? ms_compute_own_tokens(t, m->top_k, rank) * share : 0;
    if (own > 0)
        sum += ms_compute_ffns_s(p, m->hidden, m->expert_intermediate * m->shared_experts, &own, 1);
    return p->profile ? sum : fmax(p->floor_s, sum);
}
