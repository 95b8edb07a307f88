/** @file boot.h  Is one case slower than another, or is it noise? Intervals and verdicts of a
 *  ratio.
 *
 *  The paired cluster bootstrap: exchanges of one repeat share their routing, so repeats are what
 *  is resampled, with the same repeats on both sides (the same routing seeds run on every
 *  platform). 2000 draws, 95 % interval by the percentile method (Efron and Tibshirani 1993, ch.
 *  13), stream "boot": the same samples and seed give the same bytes. Several alternatives against
 *  one baseline go through Holm's step-down correction (Holm 1979). A verdict also needs |ratio -
 *  1| of at least a margin, so that more repeats do not make 0.1 % "significant". */
#ifndef MS_STATS_BOOT_H
#define MS_STATS_BOOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum { MS_BOOT_DRAWS = 2000, MS_BOOT_FEW_REPEATS = 20 };

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
    double lo, hi; /**< 95 % */
    /** two-sided, of the bootstrap: share of draws on the far side of 1, doubled, at most 1 */
    double p_value;
    bool has_interval; /**< false under two repeats, or when ratio is NaN */
    bool few_repeats;  /**< under 20 repeats: the interval is flagged */
};

/** The statistic of one sample. n >= 1. @return MS_OK or MS_NOMEM */
enum ms_status ms_stat(const struct ms_clustered *s, int stat, double *out);
/** stat(a) / stat(b) with its interval. Both sides must have the same n_repeats (paired by repeat).
 *  @return MS_OK; MS_INVALID when they have not; MS_NOMEM */
enum ms_status ms_boot_ratio(const struct ms_clustered *a, const struct ms_clustered *b, int stat,
                             uint64_t seed, struct ms_ratio *out, struct ms_err *err);

/** Holm's step-down procedure at level alpha: reject[i] says whether hypothesis i of m falls. */
enum ms_status ms_holm(const double *p_value, size_t m, double alpha, bool *reject);

enum ms_verdict { MS_VERDICT_TIE, MS_VERDICT_FASTER, MS_VERDICT_SLOWER };
/** Tie when the interval spans 1, |ratio - 1| < margin, or Holm keeps the null hypothesis; else
 *  faster (ratio < 1) or slower. Without an interval the margin alone decides. */
enum ms_verdict ms_verdict(const struct ms_ratio *r, double margin, bool holm_rejects);
const char *ms_verdict_name(enum ms_verdict v);

#endif
