/* Population coefficient of variation std(P)/mean(P); no gradient at perfect balance, where it has
 * a kink. */
#include <math.h>

#include "moe/loss_each.h"

static double cv(const double *P, int n, double *gradient, double *scratch)
{
    double value = sqrt(ms_loss_cv_squared_of(P, n, gradient));
    for (int e = 0; e < n; e++)
        gradient[e] = value > 0 ? gradient[e] / (2 * value) : 0;
    return value;
}

static double value(struct ms_loss_state *s, double weight)
{
    return ms_loss_each_layer(s, weight, cv);
}

const struct ms_loss ms_loss_cv = {
    .name = "cv",
    .help = "population coefficient of variation of the experts' mean probabilities",
    .usual_weight = 0.01,
    .value = value,
};
