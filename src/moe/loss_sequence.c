/* DeepSeek-V3's sequence-wise loss (arXiv 2412.19437, eq. 17-20): sum_e f_e P_e in each sequence,
 * f_e = E/(K n) times the sequence's choices of e, P_e the mean of s/sum s; averaged over
 * sequences. Balance gives 1. */
#include "moe/loss.h"

static double value(struct ms_loss_state *s, double weight)
{
    const struct ms_loss_problem *p = s->problem;
    size_t items = (size_t)p->L * (size_t)p->S, E = (size_t)p->E;
    double per_choice = p->E / ((double)p->K * (p->T / p->S)), sum = 0;
    for (size_t i = 0; i < items * E; i++) {
        double f = s->C[i] * per_choice;
        sum += f * s->P[i];
        s->dP[i] += weight * f / (double)items;
    }
    return sum / (double)items;
}

const struct ms_loss ms_loss_sequence = {
    .name = "sequence",
    .help = "DeepSeek-V3's sequence-wise balance loss",
    .usual_weight = 1e-4,
    .value = value,
};
