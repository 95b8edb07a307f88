/** @file percentile.h  Percentiles as the results define them: nearest rank, with the support of
 *  the sample.
 *
 *  x[ceil(P n / 100) - 1] of the sorted sample, counted in integers (0.95 x 20 must be 19, not
 *  19.000000000000004). Always a number; whether the sample carries it is said beside it:
 *  percentile P needs n >= 100 / (100 - P), so p50 two, p95 twenty, p99 a hundred. A
 *  distribution-free 95 % interval of p99 needs 368 (0.99^368 < 0.025). Values in whatever unit the
 *  caller has. */
#ifndef MS_STATS_PERCENTILE_H
#define MS_STATS_PERCENTILE_H

#include <stddef.h>

struct ms_summary {
    double p50, p95, p99, max, mean; /**< 0 when n is 0 */
    size_t n;
    const char *supported; /**< "p99", "p95", "p50" or "none": the highest percentile n carries */
};

/** 1-based nearest rank of percentile 1..100 among n >= 1 values. */
size_t ms_percentile_rank(int percent, size_t n);
/** sorted: ascending, n >= 1. */
double ms_percentile(const double *sorted, size_t n, int percent);
/** The smallest sample that carries a percentile: 100 / (100 - percent), rounded up; percent
 *  1..99. */
size_t ms_percentile_needs(int percent);
const char *ms_percentile_supported(size_t n);
/** Sort x (n values, n may be 0) in place and sum it up; the mean is taken in sorted order. */
struct ms_summary ms_summarise(double *x, size_t n);

#endif
