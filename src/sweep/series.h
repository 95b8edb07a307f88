/** @file series.h  The measured series of a case, by name: what "exchange.p99_us" is a percentile
 *  of.
 *
 *  exchange = dispatch + combine of one (repeat, step, layer, group); rank = the same of one rank;
 *  step of one (repeat, step, group). Values in microseconds here and in the records. */
#ifndef MS_SWEEP_SERIES_H
#define MS_SWEEP_SERIES_H

#include <stdbool.h>
#include <stddef.h>

#include "scenario/scenario.h"
#include "sim/sim.h"

enum ms_series {
    MS_SERIES_EXCHANGE,
    MS_SERIES_DISPATCH,
    MS_SERIES_COMBINE,
    MS_SERIES_RANK,
    MS_SERIES_LAYER,
    MS_SERIES_STEP,
    MS_N_SERIES
};

/** "exchange" … */
const char *ms_series_name(enum ms_series which);
/** Is it defined for this scenario? A matrix has no combine and no layer; with overlap only layer
 *  and step are. */
bool ms_series_defined(enum ms_series which, const struct ms_scenario *s);
/** Values one run has. */
size_t ms_series_count(enum ms_series which, const struct ms_sim_output *out);
/** The values of one run, in us, in (step, layer, group, rank) order. @param value
 *  [ms_series_count] */
void ms_series_get(enum ms_series which, const struct ms_sim_output *out, int run, double *value);

#endif
