/** @file plan.h  All cases of a study, checked and named, before anything is simulated.
 *
 *  Every file of every case is read here, so that an error is found before the first fork. A case
 * gets its id (c0000, in the order of the sweep, last axis fastest), the hash of its canonical text
 * (files by content), its key (that with moesim's and SimGrid's versions) and the hash of its work
 * (record.h). */
#ifndef MS_SWEEP_PLAN_H
#define MS_SWEEP_PLAN_H

#include "base/arena.h"
#include "base/err.h"
#include "base/hash.h"
#include "scenario/scenario.h"
#include "sweep/store.h"

struct ms_plan_case {
    struct ms_hash work_hash;
    double cost_s;       /**< estimated wall time of one process; 0 unknown */
    const char *invalid; /**< why it cannot be simulated, NULL = it can */
};

/** Zero-initialise; finish frees. Borrows the study. */
struct ms_plan {
    struct ms_arena arena;
    const struct ms_study *study;
    size_t n;
    struct ms_plan_case *c;      /**< [n] */
    struct ms_store_study store; /**< the same cases as the results folder sees them */
};

/** @param errs every error of every case, each once
 *  @return MS_OK; MS_INVALID with errors in errs (the plan is usable for the cases that are not
 * `invalid`); MS_IO; MS_NOMEM */
enum ms_status ms_plan_make(struct ms_plan *out, const struct ms_study *study,
                            struct ms_errs *errs);
void ms_plan_finish(struct ms_plan *p);

/** Estimated wall time of a case in one process, from its number of flows (estimate.c). */
double ms_plan_estimate(const struct ms_scenario *s);

#endif
