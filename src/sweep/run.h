/** @file run.h  A plan simulated into a results folder: what is left to do, on how many processes,
 *  and what came of it. */
#ifndef MS_SWEEP_RUN_H
#define MS_SWEEP_RUN_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "sweep/plan.h"

struct ms_run_options {
    const char *dir;
    int n_procs;            /**< >= 1 */
    size_t shard, n_shards; /**< cases i with i mod n_shards = shard - 1; 1 of 1 = all */
    double timeout_s;       /**< of one case; 0 = none */
    bool samples, timeline, force;
    bool train;  /**< the cases are trainings (train_case.h), not simulations */
    bool causes; /**< records say what the slowest exchanges went into */
};

/** Where a run stands. */
struct ms_run_state {
    size_t n_cases; /**< of this shard */
    size_t n_done;  /**< records there, reused ones and failed ones included */
    size_t n_reused, n_failed, n_running;
    double done; /**< cases, those under way by the share that they have said */
    double elapsed_s;
    double left_s; /**< estimated; < 0 while unknown */
};

/** Callbacks of the parent process, and a list; each may be NULL. */
struct ms_run_watch {
    void *ctx;
    void (*progress)(void *ctx, const struct ms_run_state *s);
    void (*failed)(void *ctx, const char *id, const char *axes_json, const char *error);
    void (*talk)(void *ctx, const char *id,
                 const char *text); /**< a good case that wrote on stderr */
    struct ms_errs *warnings;       /**< gets what of the folder was dropped */
};

/** Simulate what the folder does not have yet. Invalid cases of the plan become failed records.
 *  Whatever ends it, what is done is kept, sorted and summed up.
 *  @param state how it ended  @param signal_number on MS_INTERRUPTED
 *  @return MS_OK; MS_FAILED: some cases failed; MS_INTERRUPTED; and what ms_store_open and
 *  ms_farm_run return */
enum ms_status ms_plan_run(const struct ms_plan *plan, const struct ms_run_options *options,
                           const struct ms_run_watch *watch, struct ms_run_state *state,
                           int *signal_number, struct ms_err *err);

#endif
