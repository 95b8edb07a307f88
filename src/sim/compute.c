#include "sim/compute.h"

#include <math.h>
#include <string.h>

static const struct ms_sim_name profiles[] = {
    {"none", "computing is free"},
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

double ms_compute_ffn_s(const struct ms_compute_params *p, int hidden, int intermediate,
                        double tokens)
{
    double shape = (double)hidden * intermediate;
    if (p->profile)
        return 0;
    double flops_s = p->flops > 0 ? 6 * shape * tokens / p->flops : 0;
    double read_s = p->bandwidth > 0 ? 3 * shape * 2 / p->bandwidth : 0;
    return fmax(flops_s, read_s);
}

/* Tokens that rank has itself: what it sent out, with the dropped ones put back on average. */
static double own_tokens(const struct ms_model_shape *m, const struct ms_traffic *t, int rank)
{
    double selections = 0, kept = t->requested - t->dropped;
    for (int r = 0; r < t->n_ranks; r++)
        selections += t->selections[(size_t)rank * t->n_ranks + r];
    double scale = kept > 0 ? t->requested / kept : 1;
    return m->top_k > 0 ? selections * scale / m->top_k : 0;
}

double ms_compute_experts_s(const struct ms_compute_params *p, const struct ms_model_shape *m,
                            const struct ms_traffic *t, int rank, double share)
{
    if (t->is_matrix || !m || (p->profile && !strcmp(p->profile, "none")))
        return 0;
    int per_rank = t->n_slots / t->n_ranks;
    double sum = 0;
    for (int s = rank * per_rank; s < (rank + 1) * per_rank; s++)
        if (t->slot_tokens[s] > 0)
            sum +=
                ms_compute_ffn_s(p, m->hidden, m->expert_intermediate, t->slot_tokens[s] * share);
    double own = m->shared_experts > 0 ? own_tokens(m, t, rank) * share : 0;
    if (own > 0)
        sum += ms_compute_ffn_s(p, m->hidden, m->expert_intermediate * m->shared_experts, own);
    return p->profile ? sum : fmax(p->floor_s, sum);
}
