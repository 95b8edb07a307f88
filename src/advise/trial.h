/** @file trial.h  Cases simulated with something changed, on the same draws: what explain and advise
 *  ask. Every trial runs in a forked child of its own. */
#ifndef MS_ADVISE_TRIAL_H
#define MS_ADVISE_TRIAL_H

#include <jansson.h>

#include "base/err.h"
#include "sweep/case_run.h"
#include "sweep/plan.h"

struct ms_trial {
    const struct ms_plan *plan;
    size_t index;                   /**< case of the plan */
    struct ms_case_options options; /**< n_threads is set here */
    /** Changes the scenario before it is resolved; NULL: as it is. */
    enum ms_status (*change)(const void *ctx, struct ms_case *c, struct ms_err *err);
    const void *ctx;
    bool skip;      /**< not to be run */
    json_t *record; /**< out: the body of its record; NULL: it failed */
    char error[400];
};

/** Run them all, at most n_procs at once. Failed ones have their sentence.
 *  @return MS_OK; MS_INTERRUPTED; what ms_farm_run returns */
enum ms_status ms_trials_run(struct ms_trial *t, size_t n, int n_procs, int *signal_number,
                             struct ms_err *err);
void ms_trials_finish(struct ms_trial *t, size_t n);

/** A number of a record by its path ("exchange.p99_us"); NAN: it has none. */
double ms_trial_number(const struct ms_trial *t, const char *path);

#endif
