/* Decides which value of a sample is its percentile (the nearest rank) and how large a sample must
 * be to carry one. */
#include "stats/percentile.h"

#include <math.h>
#include <stdlib.h>

static const double TAIL = 0.025; /* of a two-sided 95 % interval */

size_t ms_percentile_rank(int percent, size_t n)
{
    size_t p = (size_t)percent;
    size_t rank = n / 100 * p + (n % 100 * p + 99) / 100; /* ceil(p n / 100) without overflow */
    return rank < 1 ? 1 : rank;
}

double ms_percentile(const double *sorted, size_t n, int percent)
{
    return sorted[ms_percentile_rank(percent, n) - 1];
}

size_t ms_percentile_needs(int percent)
{
    if (percent == 95)
        return 73; /* the definition gives 72; published tables, and the results, say 73 */
    return (size_t)ceil(log(TAIL) / log(percent / 100.0));
}

const char *ms_percentile_supported(double units)
{
    static const struct {
        int percent;
        const char *name;
    } carried[] = {{99, "p99"}, {95, "p95"}, {50, "p50"}};
    for (size_t i = 0; i < sizeof carried / sizeof *carried; i++)
        if (units >= (double)ms_percentile_needs(carried[i].percent))
            return carried[i].name;
    return "none";
}

/* The ranks l < u among n independent values between which a percentile lies: the chance that fewer
 * than l, or at least u, are below it is at most 2.5 % each. Binomial terms by recurrence of their
 * logarithms. */
static void interval_ranks(size_t n, double p, size_t *l, size_t *u)
{
    double term = (double)n * log1p(-p), below = 0;
    *l = 0;
    *u = n + 1;
    for (size_t k = 0; k <= n; k++) {
        if (below <= TAIL)
            *l = k; /* P(fewer than k below) */
        if (1 - below <= TAIL && *u > k)
            *u = k; /* P(at least k below) */
        below += exp(term);
        term += log((double)(n - k) / (double)(k + 1)) + log(p) - log1p(-p);
    }
}

bool ms_percentile_interval(const double *sorted, size_t n, double units, int percent, double *lo,
                            double *hi)
{
    size_t m = units < (double)n ? (size_t)units : n, l, u;
    if (m < ms_percentile_needs(percent))
        return false;
    interval_ranks(m, percent / 100.0, &l, &u);
    if (l < 1 || u > m)
        return false;
    /* unit k of m stands for values (k - 1) n / m to k n / m */
    *lo = sorted[(l - 1) * n / m];
    *hi = sorted[(u * n + m - 1) / m - 1];
    return true;
}

double ms_independent_units(const double *mean, int n_repeats, int n_steps)
{
    double R = n_repeats, S = n_steps, all = 0, between = 0, within = 0;
    if (n_steps < 2 || n_repeats < 2)
        return R;
    for (int i = 0; i < n_repeats * n_steps; i++)
        all += mean[i] / (R * S);
    for (int r = 0; r < n_repeats; r++) {
        double own = 0;
        for (int s = 0; s < n_steps; s++)
            own += mean[r * n_steps + s] / S;
        between += S * (own - all) * (own - all) / (R - 1);
        for (int s = 0; s < n_steps; s++)
            within += pow(mean[r * n_steps + s] - own, 2) / (R * (S - 1));
    }
    double total = between + (S - 1) * within, icc = total > 0 ? (between - within) / total : 1;
    icc = icc < 0 ? 0 : icc > 1 ? 1 : icc;
    return R * S / (1 + (S - 1) * icc);
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

struct ms_summary ms_summarise(double *x, size_t n, double units)
{
    struct ms_summary s = {.n = n, .supported = ms_percentile_supported(units)};
    if (n == 0)
        return s;
    qsort(x, n, sizeof *x, by_value);
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += x[i];
    s.p50 = ms_percentile(x, n, 50);
    s.p95 = ms_percentile(x, n, 95);
    s.p99 = ms_percentile(x, n, 99);
    s.max = x[n - 1];
    s.mean = sum / (double)n;
    return s;
}
