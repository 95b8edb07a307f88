/* Loss `z`: mean(logsumexp(logits)^2), which keeps router logits small (ST-MoE, Zoph et al.,
 * arXiv 2202.08906, eq. 5). */
#include <math.h>

#include "moe/loss.h"

/* item = l*S + s: one sequence of one layer. */
static double sequence_sum(struct ms_loss_state *s, size_t item, double weight)
{
    const struct ms_loss_problem *p = s->problem;
    size_t E = (size_t)p->E, n = (size_t)(p->T / p->S), l = item / (size_t)p->S;
    size_t first = item % (size_t)p->S * n;
    double sum = 0;
    for (size_t t = first; t < first + n; t++) {
        const float *z = p->logits[l] + t * E;
        float *dz = s->dlogits[l] + t * E;
        float top = z[0];
        for (size_t e = 1; e < E; e++)
            top = z[e] > top ? z[e] : top;
        double total = expf(z[0] - top);
        for (size_t e = 1; e < E; e++)
            total += expf(z[e] - top);
        double lse = top + log(total), scale = weight * 2 * lse / (p->L * (double)p->T) / total;
        sum += lse * lse;
        for (size_t e = 0; e < E; e++)
            dz[e] += (float)(scale * expf(z[e] - top));
    }
    return sum;
}

static double value(struct ms_loss_state *s, double weight)
{
    double sum = 0;
    for (size_t item = 0; item < (size_t)s->problem->L * (size_t)s->problem->S; item++)
        sum += sequence_sum(s, item, weight);
    return sum / ((double)s->problem->L * s->problem->T);
}

const struct ms_loss ms_loss_z = {
    .name = "z",
    .help = "mean squared logsumexp of the router's logits",
    .usual_weight = 1e-3,
    .value = value,
};
