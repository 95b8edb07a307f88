/* Balancing loss `cv_squared`: the square of the coefficient of variation (population) of the
 * mean router probabilities. */
#include "moe/loss_each.h"

static double cv_squared(const double *P, int n, double *gradient, double *scratch)
{
    return ms_loss_cv_squared_of(P, n, gradient);
}

static double value(struct ms_loss_state *s, double weight)
{
    return ms_loss_each_layer(s, weight, cv_squared);
}

const struct ms_loss ms_loss_cv_squared = {
    .name = "cv_squared",
    .help = "squared coefficient of variation of the experts' mean probabilities",
    .usual_weight = 0.01,
    .value = value,
};
