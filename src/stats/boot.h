/** @file boot.h  Is one case slower than another, or is it noise? Intervals and verdicts of a
 *  ratio.
 *
 *  The paired cluster bootstrap: exchanges of one repeat share their routing, so repeats are what
 *  is resampled, with the same repeats on both sides (the same routing seeds run on every
 *  platform). 2000 draws, 95 % interval by the percentile method (Efron and Tibshirani 1993,
 *  ch. 13), stream "boot": the same samples and seed give the same bytes.
 *
 *  A verdict is about a margin, not about 1: faster or slower when the whole interval lies beyond
 *  it and the chance of lying within it survives Holm's step-down correction over the alternatives
 *  (Holm 1979); a tie when the whole interval lies within it; unclear otherwise. More repeats turn
 *  unclear into one of the others and never make 0.1 % "significant". Intervals of few repeats are
 *  too short (a p99 ratio's covers 43 % at 2 repeats, 75 % at 5, 93 % at 10, 98 % at 20), so under
 *  ten repeats everything is unclear. */
#ifndef MS_STATS_BOOT_H
#define MS_STATS_BOOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum { MS_BOOT_DRAWS = 2000, MS_VERDICT_REPEATS = 10 };

/** The statistic of a sample: a percentile 1..99, or one of these. */
enum { MS_STAT_MEAN = 0, MS_STAT_MAX = 100 };

/** A sample in clusters. Borrowed. */
struct ms_clustered {
    const double *value; /**< [n] */
    const int *repeat;   /**< [n], 0..n_repeats-1 */
    size_t n;
    int n_repeats;
};

struct ms_ratio {
    /** stat(a) / stat(b) of the samples themselves; NaN when b is 0 or a side is empty */
    double ratio;
    double lo, hi;     /**< 95 % */
    double p_inside;   /**< two-sided p-value of lying within the margin, or on its other side */
    bool has_interval; /**< false under two repeats, or when ratio is NaN */
    int n_repeats;
};

/** The statistic of one sample. n >= 1. @return MS_OK or MS_NOMEM */
enum ms_status ms_stat(const struct ms_clustered *s, int stat, double *out);
/** stat(a) / stat(b) with its interval, and p_inside for a margin. Both sides must have the same n_repeats (paired by repeat).
 *  @return MS_OK; MS_INVALID when they have not; MS_NOMEM */
enum ms_status ms_boot_ratio(const struct ms_clustered *a, const struct ms_clustered *b, int stat,
                             uint64_t seed, double margin, struct ms_ratio *out,
                             struct ms_err *err);

/** Holm's step-down procedure at level alpha: reject[i] says whether hypothesis i of m falls. */
enum ms_status ms_holm(const double *p_value, size_t m, double alpha, bool *reject);

enum ms_verdict {
    MS_VERDICT_NONE, /**< nothing to judge: no ratio, or a number without samples */
    MS_VERDICT_TIE,
    MS_VERDICT_FASTER,
    MS_VERDICT_SLOWER,
    MS_VERDICT_UNCLEAR
};
/** @param beyond Holm's correction leaves p_inside standing */
enum ms_verdict ms_verdict(const struct ms_ratio *r, double margin, bool beyond);
const char *ms_verdict_name(enum ms_verdict v);

#endif
