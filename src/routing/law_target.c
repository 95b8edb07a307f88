/* Log-normal loads of a given imbalance: the member of the family whose gini or max/mean is the one
 * asked for, met exactly in expectation. */
#include <math.h>
#include <stdlib.h>

#include "routing/law.h"

/* The family: log-normal quantiles f_i ~ exp(sigma z_i), none above 1 / top_k (what is cut goes to
 * the others in proportion). sigma 0 is uniform; large sigma ends at top_k experts of 1 / top_k
 * each. sigma is found by bisection. */

static double normal_quantile(double p)
{
    double low = -9, high = 9;
    for (int i = 0; i < 60; i++) {
        double mid = 0.5 * (low + high);
        if (0.5 * erfc(-mid * M_SQRT1_2) < p)
            low = mid;
        else
            high = mid;
    }
    return 0.5 * (low + high);
}

/* Shares of the family for one sigma, falling. Weights are taken relative to the first that is not
 * cut, so that none of those that share what is left underflows. */
static void family(double sigma, const double *z, int n, int top_k, double *w)
{
    double cap = 1.0 / top_k, left = 1;
    for (int i = 0; i < n; i++) {
        double sum = 0;
        for (int j = i; j < n; j++)
            sum += w[j] = exp(sigma * (z[j] - z[i]));
        if (left / sum > cap) {
            w[i] = cap;
            left -= cap;
            continue;
        }
        for (int j = i; j < n; j++)
            w[j] *= left / sum;
        return;
    }
}

static double gini_of(const double *falling, int n)
{
    double sum = 0;
    for (int i = 0; i < n; i++)
        sum += (n - 1 - 2.0 * i) * falling[i];
    return sum / n;
}

static enum ms_status check(const double *param, int n, int top_k, struct ms_err *err)
{
    if (isnan(param[0]) == isnan(param[1]))
        return ms_err_at(err, MS_INVALID, NULL, 0, 0, "routing.popularity",
                         "target takes exactly one of gini and max_over_mean");
    double most = isnan(param[1]) ? 1 - (double)top_k / n : (double)n / top_k;
    double wish = isnan(param[1]) ? param[0] : param[1];
    if (wish <= most)
        return MS_OK;
    return ms_err_at(
        err, MS_INVALID, NULL, 0, 0,
        isnan(param[1]) ? "routing.popularity.gini" : "routing.popularity.max_over_mean",
        "%g cannot be reached with top %d of %d experts: at most %g", wish, top_k, n, most);
}

static enum ms_status draw(const double *param, int n_experts, int top_k, struct ms_rng *rng,
                           double *w, struct ms_err *err)
{
    enum ms_status s = check(param, n_experts, top_k, err);
    if (s != MS_OK)
        return s;
    double *z = malloc((size_t)n_experts * sizeof *z);
    if (!z)
        return ms_err_set(err, MS_NOMEM, "out of memory");
    for (int i = 0; i < (n_experts + 1) / 2; i++) {
        z[i] = normal_quantile(1 - (i + 0.5) / n_experts);
        z[n_experts - 1 - i] = -z[i];
    }
    double low = 0, high = 1000;
    for (int i = 0; i < 64; i++) {
        double mid = 0.5 * (low + high);
        family(mid, z, n_experts, top_k, w);
        bool less =
            isnan(param[1]) ? gini_of(w, n_experts) < param[0] : w[0] * n_experts < param[1];
        if (less)
            low = mid;
        else
            high = mid;
    }
    family(0.5 * (low + high), z, n_experts, top_k, w);
    free(z);
    return MS_OK;
}

static const struct ms_field fields[] = {
    {"gini", MS_FIELD_NUMBER, 0, MS_UNIT_NONE, 0, 1, "none", NULL,
     "Gini coefficient of tokens per expert", false},
    {"max_over_mean", MS_FIELD_NUMBER, sizeof(double), MS_UNIT_NONE, 1, 1e6, "none", NULL,
     "tokens of the busiest expert over the mean", false},
    {.key = NULL},
};

const struct ms_law ms_law_target = {
    .name = "target",
    .help =
        "log-normal loads of a given imbalance: gini or max_over_mean, met exactly in expectation",
    .fields = fields,
    .inclusion = 1,
    .draw = draw,
};
