/** @file plan.h  All cases of a study, checked and named, before anything is simulated.
 *
 *  The one walk over the cases that `check`, `run`, its --dry-run and `traffic` make: keys,
 *  sections against each other and against the platform, and the inputs of routing and placement,
 *  so that an error is found before the first fork. Whoever comes later trusts it. A case gets its
 *  id (c0000, in the order of the sweep, last axis fastest), the hash of its canonical text (files
 *  by content), its key (that with moesim's and SimGrid's versions) and the hash of its work
 *  (record.h). */
#ifndef MS_SWEEP_PLAN_H
#define MS_SWEEP_PLAN_H

#include "base/arena.h"
#include "base/err.h"
#include "base/hash.h"
#include "scenario/scenario.h"
#include "sweep/inputs.h"
#include "sweep/store.h"

struct ms_plan_case {
    struct ms_platform *platform; /**< with its nodes; borrowed from the inputs, NULL = none */
    const struct ms_hardware *hardware; /**< in force; borrowed likewise */
    struct ms_hash work_hash;
    double cost_s;       /**< estimated wall time of one process; 0 unknown */
    double memory_bytes; /**< estimated memory of that process; 0 unknown */
    const char
        *repeatable;     /**< the network model, where such cases can share a process; else NULL */
    const char *invalid; /**< why it cannot be simulated, NULL = it can */
};

/** Zero-initialise; finish frees. Borrows the study and the inputs. */
struct ms_plan {
    struct ms_arena arena;
    const struct ms_study *study;
    struct ms_inputs *inputs;
    size_t n;
    bool misread;                /**< a case has values that cannot be read */
    struct ms_plan_case *c;      /**< [n] */
    struct ms_store_study store; /**< the same cases as the results folder sees them */
};

/** Check and name every case. Keys hold moesim's and SimGrid's versions, but for MS_USE_ANY; so SimGrid is
 *  loaded when this returns. Only before a run (MS_USE_RUN) does the walk go on after 20 errors,
 *  since --keep-going records every bad case.
 *  @param forward also try the routing of checkpoints, which takes a forward pass each
 *  @param study also one that ms_study_read found errors in
 *  @param errs as reading left it; every error of every case, each once, in file order
 *  @return MS_OK; MS_INVALID with errors in errs (the plan is usable for the cases that are not
 *  `invalid`); MS_IO; MS_NOMEM; MS_INTERNAL: SimGrid cannot be loaded */
enum ms_status ms_plan_make(struct ms_plan *out, const struct ms_study *study,
                            enum ms_scenario_use use, bool forward, struct ms_inputs *inputs,
                            struct ms_errs *errs);
void ms_plan_finish(struct ms_plan *p);

/** What a case of a study of n_cases takes in one process, within a factor of two (estimate.c). */
struct ms_estimate {
    double wall_s, memory_bytes;
};
struct ms_estimate ms_plan_estimate(const struct ms_scenario *s, const struct ms_platform *p,
                                    size_t n_cases);

#endif
