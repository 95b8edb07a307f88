/** @file components.h  Where the variance of a time lies: between layers, between batches, within.
 *
 *  A batch is one step of one repeat: all its layers carry the same requests. A time is taken as
 *  mean + layer + batch + (repeat, layer) + rest: what a batch does to all its layers, and what the
 *  requests of a repeat do to one layer while they stay, both count as batch; what a batch of a
 *  single step does to one layer only cannot be told from the rest. Variances by the method of
 *  moments (analysis of variance; Searle, Casella and McCulloch 1992), those below 0 as 0. */
#ifndef MS_STATS_COMPONENTS_H
#define MS_STATS_COMPONENTS_H

#include "base/err.h"

/** Shares of the variance, of sum 1; all 0 where nothing varies. NAN where they cannot be told
 *  apart: one batch; batch and within with one layer and one unit. */
struct ms_components {
    double layer, batch, within;
};

/** Times by repeat, step, layer and (groups side by side) unit; each count >= 1. */
struct ms_times {
    const double *x; /**< [repeats][steps][layers][units] */
    size_t repeats, steps, layers, units;
};

/** @return MS_OK or MS_NOMEM */
enum ms_status ms_components_of(const struct ms_times *t, struct ms_components *out,
                                struct ms_err *err);

#endif
