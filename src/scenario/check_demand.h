/** @file check_demand.h  The inputs of routing and placement (traces, matrices, laws, slots), tried
 * once for every different demand of a study. Inside this room only. */
#ifndef MS_SCENARIO_CHECK_DEMAND_H
#define MS_SCENARIO_CHECK_DEMAND_H

#include "base/hash.h"
#include "scenario/scenario.h"

/** What has been tried. Zero-initialise; finish frees. */
struct ms_demand_trials {
    struct ms_hash *key;
    size_t n, cap;
};

/** Create and drop the demand of a case that has no other error. @return false where it failed with
 * err (its key names the place; a checkpoint is left to the run, which reads it once) */
bool ms_demand_try(struct ms_demand_trials *t, const struct ms_scenario *s,
                   const struct ms_platform *platform, struct ms_err *err);
void ms_demand_trials_finish(struct ms_demand_trials *t);

#endif
