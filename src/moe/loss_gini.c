/* Balancing loss `gini`: the Gini coefficient of the mean router probabilities,
 * (n+1-2*sum(cumsum(sort P))/sum P)/n. */
#include "moe/loss_each.h"

/* 0-based rank of P[e] in ascending order, ties by index. */
static int rank_of(const double *P, int n, int e)
{
    int rank = 0;
    for (int i = 0; i < n; i++)
        rank += P[i] < P[e] || (P[i] == P[e] && i < e);
    return rank;
}

static double gini(const double *P, int n, double *gradient, double *scratch)
{
    double sum = 0, cumulated = 0;
    for (int e = 0; e < n; e++) {
        scratch[e] = n - rank_of(P, n, e); /* times P[e] is in the sum of cumulated sums */
        sum += P[e];
        cumulated += scratch[e] * P[e];
    }
    for (int e = 0; e < n; e++)
        gradient[e] = -2.0 / n * (scratch[e] / sum - cumulated / (sum * sum));
    return (n + 1 - 2 * cumulated / sum) / n;
}

static double value(struct ms_loss_state *s, double weight)
{
    return ms_loss_each_layer(s, weight, gini);
}

const struct ms_loss ms_loss_gini = {
    .name = "gini",
    .help = "Gini coefficient of the experts' mean probabilities",
    .usual_weight = 0.01,
    .value = value,
};
