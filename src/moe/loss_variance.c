/* Balancing loss `variance`: mean((P - 1/n)^2) of the mean router probabilities P. */
#include "moe/loss_each.h"

static double variance(const double *P, int n, double *gradient, double *scratch)
{
    double sum = 0;
    for (int e = 0; e < n; e++) {
        double gap = P[e] - 1.0 / n;
        sum += gap * gap / n;
        gradient[e] = 2 * gap / n;
    }
    return sum;
}

static double value(struct ms_loss_state *s, double weight)
{
    return ms_loss_each_layer(s, weight, variance);
}

const struct ms_loss ms_loss_variance = {
    .name = "variance",
    .help = "mean squared distance of the experts' mean probabilities from 1/E",
    .usual_weight = 0.01,
    .value = value,
};
