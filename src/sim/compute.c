/* Expert times: the measured tables, what lies between and beyond them, and rooflines. */
#include "sim/compute.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "ffn_h200.inc"

#define N_TOKENS (sizeof h200_tokens / sizeof *h200_tokens)
#define N_SHAPES (sizeof h200_shapes / sizeof *h200_shapes)

static const struct ms_sim_name profiles[] = {
    {"auto", "what the hardware profile in force says; none without one"},
    {"none", "computing is free"},
    {"h200", "measured on an H200: a rank's experts one after another in one CUDA graph"},
    {"h200-grouped", "measured on an H200: a rank's experts as one grouped kernel"},
    {NULL, NULL},
};

const struct ms_sim_name *ms_sim_compute_profiles(void)
{
    return profiles;
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
static double at_tokens(const struct h200_shape *s, double tokens)
{
    size_t i = 1;
    if (tokens <= h200_tokens[0])
        return s->us[0];
    if (tokens >= h200_tokens[N_TOKENS - 1])
        return s->us[N_TOKENS - 1] * tokens / h200_tokens[N_TOKENS - 1];
    while (h200_tokens[i] < tokens)
        i++;
    double w = (tokens - h200_tokens[i - 1]) / (h200_tokens[i] - h200_tokens[i - 1]);
    return s->us[i - 1] + w * (s->us[i] - s->us[i - 1]);
}

/* Between the measured shapes linear in the weights, as the roofline is: a fixed part, then
 * reading the weights, then flops (the floors at 4.7, 44 and 176 million weights lie on a line).
 * Beyond them what lies above the fixed part is in proportion to the weights. */
#define FIXED_SHARE 0.8 /* of the smallest shape's floor */

static double h200_us(double weights, double tokens)
{
    size_t i = 1;
    while (i < N_SHAPES - 1 && h200_shapes[i].weights < weights)
        i++;
    const struct h200_shape *a = &h200_shapes[i - 1], *b = &h200_shapes[i];
    double ta = at_tokens(a, tokens), tb = at_tokens(b, tokens);
    double w = (weights - a->weights) / (b->weights - a->weights);
    double fixed = FIXED_SHARE * h200_shapes[0].us[0];
    if (w < 0)
        return fixed + (ta - fixed) * weights / a->weights;
    if (w > 1)
        return fixed + (tb - fixed) * weights / b->weights;
    return ta + w * (tb - ta);
}

/* What a list of experts takes. Launches in one graph overlap by 3 us each; a grouped kernel
 * pays the fixed 12 us once and is slower per expert, more so for larger ones (both fitted to
 * the measurements of grouped experts in tests/data/h200_grouped_ffn_dev.csv, mean error 6 and 9
 * %). */
#define GRAPH_OVERLAP_US 3
#define GROUPED_FIXED_US 12

static double grouped_factor(double weights)
{
    return fmax(1, 1.03 + 0.058 * log(weights / (3.0 * 2048 * 768)));
}

static double of_profile(const char *profile, double weights, const double *tokens, int n)
{
    double sum = 0, fixed = !strcmp(profile, "h200-grouped") ? GROUPED_FIXED_US : GRAPH_OVERLAP_US;
    int busy = 0;
    for (int i = 0; i < n; i++)
        if (tokens[i] > 0) {
            sum += h200_us(weights, tokens[i]) - (busy++ ? fixed : 0);
        }
    bool grouped = !strcmp(profile, "h200-grouped") && busy > 1;
    return 1e-6 * sum * (grouped ? grouped_factor(weights) : 1);
}

double ms_compute_ffns_s(const struct ms_compute_params *p, int hidden, int intermediate,
                         const double *tokens, int n)
{
    double shape = (double)hidden * intermediate, sum = 0;
    if (p->profile && !strcmp(p->profile, "none"))
        return 0;
    if (p->profile)
        return of_profile(p->profile, 3 * shape, tokens, n);
    double read_s = p->bandwidth > 0 ? 3 * shape * 2 / p->bandwidth : 0;
    for (int i = 0; i < n; i++)
        if (tokens[i] > 0)
            sum += fmax(p->flops > 0 ? 6 * shape * tokens[i] / p->flops : 0, read_s);
    return sum;
}

double ms_compute_own_tokens(const struct ms_traffic *t, int top_k, int rank)
{
    double selections = 0, kept = t->requested - t->dropped;
    for (int r = 0; r < t->n_ranks; r++)
        selections += t->selections[(size_t)rank * (size_t)t->n_ranks + (size_t)r];
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
