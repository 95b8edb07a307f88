/* DeepSeek-V2's device-level balance loss (arXiv 2405.04434, eq. 26-28): sum over devices (groups)
 * of f'_i P'_i, f' the mean of the group's f_j = E/(K T) * choices, P' the sum of its P_j. Balance
 * gives 1. */
#include "moe/loss.h"

static double value(struct ms_loss_state *s, double weight)
{
    const struct ms_loss_problem *p = s->problem;
    int D = p->groups > 1 ? p->groups : 1, size = p->E / D;
    double sum = 0;
    for (int l = 0; l < p->L; l++) {
        for (int d = 0; d < D; d++) {
            size_t first = (size_t)l * (size_t)p->E + (size_t)d * (size_t)size;
            double f = 0, P = 0;
            for (size_t e = first; e < first + (size_t)size; e++) {
                f += s->f[e] * p->E / size;
                P += s->mean[e];
            }
            sum += f * P;
            for (size_t e = first; e < first + (size_t)size; e++)
                s->dmean[e] += weight * f / p->L;
        }
    }
    return sum / p->L;
}

const struct ms_loss ms_loss_device = {
    .name = "device",
    .help = "DeepSeek-V2's device-level balance loss over the router's groups",
    .usual_weight = 0.05,
    .value = value,
};
