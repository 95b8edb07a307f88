/* Balancing loss `entropy`: 1 - H(P)/ln n of the mean router probabilities P, zero when every
 * expert is equally likely. */
#include <math.h>

#include "moe/loss_each.h"

static double entropy(const double *P, int n, double *gradient, double *scratch)
{
    double sum = 0, most = n > 1 ? log(n) : 1;
    for (int e = 0; e < n; e++) {
        double ln =
            P[e] > 0 ? log(P[e]) : -745; /* below the smallest double's logarithm nothing can be */
        sum += P[e] * ln;
        gradient[e] = n > 1 ? (ln + 1) / most : 0;
    }
    return n > 1 ? 1 + sum / most : 0;
}

static double value(struct ms_loss_state *s, double weight)
{
    return ms_loss_each_layer(s, weight, entropy);
}

const struct ms_loss ms_loss_entropy = {
    .name = "entropy",
    .help = "1 - normalised entropy of the experts' mean probabilities",
    .usual_weight = 0.01,
    .value = value,
};
