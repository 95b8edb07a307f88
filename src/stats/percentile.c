/* Decides which value of a sample is its percentile (the nearest rank) and how large a sample must
 * be to carry one. */
#include "stats/percentile.h"

#include <stdlib.h>

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
    size_t rest = (size_t)(100 - percent);
    return (100 + rest - 1) / rest;
}

const char *ms_percentile_supported(size_t n)
{
    if (n >= ms_percentile_needs(99))
        return "p99";
    if (n >= ms_percentile_needs(95))
        return "p95";
    return n >= ms_percentile_needs(50) ? "p50" : "none";
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

struct ms_summary ms_summarise(double *x, size_t n)
{
    struct ms_summary s = {.n = n, .supported = ms_percentile_supported(n)};
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
