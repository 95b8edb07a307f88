/** @file percentile.h  Percentiles as the results define them: nearest rank, with the support of
 *  the sample.
 *
 *  x[ceil(P n / 100) - 1] of the sorted sample, counted in integers (0.95 x 20 must be 19, not
 *  19.000000000000004). Always a number; whether the sample carries it is said beside it.
 *
 *  What counts is not n but the independent units in it: exchanges of one repeat share their
 *  routing. A percentile is carried when a distribution-free 95 % interval of it exists, that is
 *  when the largest of the units lies below it with a chance of less than 2.5 %: p50 needs 6 units,
 *  p95 73, p99 368 (David and Nagaraja, "Order Statistics", 2003, section 7.1). Values in whatever
 *  unit the caller has. */
#ifndef MS_STATS_PERCENTILE_H
#define MS_STATS_PERCENTILE_H

#include <stdbool.h>
#include <stddef.h>

struct ms_summary {
    double p50, p95, p99, max, mean; /**< 0 when n is 0 */
    size_t n;
    const char *supported; /**< "p99", "p95", "p50" or "none": the highest percentile carried */
};

/** 1-based nearest rank of percentile 1..100 among n >= 1 values. */
size_t ms_percentile_rank(int percent, size_t n);
/** sorted: ascending, n >= 1. */
double ms_percentile(const double *sorted, size_t n, int percent);
/** Independent units that carry a percentile 1..99. */
size_t ms_percentile_needs(int percent);
/** "p99", "p95", "p50" or "none": the highest that so many independent units carry. */
const char *ms_percentile_supported(double units);
/** The distribution-free 95 % interval of a percentile: order statistics of so many units, found in
 *  the pooled sample. sorted: ascending, n >= 1  @return false: the units do not carry it */
bool ms_percentile_interval(const double *sorted, size_t n, double units, int percent, double *lo,
                            double *hi);
/** Independent units in the means of n_repeats x n_steps steps: repeats x steps / (1 + (steps - 1)
 *  ICC), ICC the intraclass correlation of a repeat's steps (one-way analysis of variance). Equal
 *  values count as one step a repeat. @param mean [repeat][step] */
double ms_independent_units(const double *mean, int n_repeats, int n_steps);
/** Sort x (n values, n may be 0) in place and sum it up; the mean is taken in sorted order. */
struct ms_summary ms_summarise(double *x, size_t n, double units);

#endif
