/** @file fits.h  Do the experts that a rank holds fit its GPU? A warning, never an error: one may ask about
 *  a cluster that could not hold the model. */
#ifndef MS_SWEEP_FITS_H
#define MS_SWEEP_FITS_H

#include "base/err.h"
#include "scenario/scenario.h"

/** Weigh the experts of all MoE layers of a rank against the memory that the platform's property
 *  `gpu_memory` or the profile in force says; silent where neither does. */
void ms_fits_warn(const struct ms_scenario *s, const struct ms_platform *p, struct ms_errs *errs);

#endif
