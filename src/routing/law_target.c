/* Loads of a given imbalance: log-normal quantiles whose Gini coefficient or max/mean is met exactly
 * in expectation; the skew is found, not given.
 *
 * The family: f_i ~ exp(sigma z_i), none above 1 / top_k (what is cut goes to the others in
 * proportion). sigma 0 is uniform; large sigma ends at top_k experts of 1 / top_k each. sigma is
 * found by bisection. */
#include <stdlib.h>

#include "routing/law.h"

struct target {
    double gini, max_over_mean; /* NaN: not given; exactly one is */
};

/* clang-format off */
static const struct ms_field fields[] = {
    {.key = "gini", MS_AT(struct target, gini),
     MS_NUMBER(0, 1), MS_WORD("none", NAN), .fallback = "none",
     .help = "Gini coefficient of tokens per expert"},
    {.key = "max_over_mean", MS_AT(struct target, max_over_mean),
     MS_NUMBER(1, 1e6), MS_WORD("none", NAN), .fallback = "none",
     .help = "tokens of the busiest expert over the mean"},
    {0},
};
/* clang-format on */

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

static enum ms_status check(const struct target *p, int n, int top_k, struct ms_err *err)
{
    bool by_gini = isnan(p->max_over_mean);
    if (isnan(p->gini) == by_gini)
        return ms_err_at(err, MS_INVALID, NULL, 0, 0, "routing.popularity",
                         "target takes exactly one of gini and max_over_mean");
    double most = by_gini ? 1 - (double)top_k / n : (double)n / top_k;
    double wish = by_gini ? p->gini : p->max_over_mean;
    if (wish <= most)
        return MS_OK;
    return ms_err_at(err, MS_INVALID, NULL, 0, 0,
                     by_gini ? "routing.popularity.gini" : "routing.popularity.max_over_mean",
                     "%g cannot be reached with top %d of %d experts: at most %g", wish, top_k, n,
                     most);
}

/* Is the family of some sigma, in w, less uneven than wished? */
static bool too_even(const struct target *p, const double *w, int n)
{
    return isnan(p->max_over_mean) ? gini_of(w, n) < p->gini : w[0] * n < p->max_over_mean;
}

static enum ms_status draw(const void *params, int n_experts, int top_k, struct ms_rng *rng,
                           double *w, struct ms_err *err)
{
    const struct target *p = params;
    enum ms_status s = check(p, n_experts, top_k, err);
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
        if (too_even(p, w, n_experts))
            low = mid;
        else
            high = mid;
    }
    family(0.5 * (low + high), z, n_experts, top_k, w);
    free(z);
    return MS_OK;
}

const struct ms_law ms_law_target = {
    .name = "target",
    .help =
        "log-normal loads of a given imbalance: gini or max_over_mean, met exactly in expectation",
    .fields = fields,
    .params_size = sizeof(struct target),
    .inclusion = 1,
    .draw = draw,
};
