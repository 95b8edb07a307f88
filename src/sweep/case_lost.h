/** @file case_lost.h  A case in which ranks are lost (faults.hosts): which and when, and what the others
 *  do afterwards.
 *
 *  Until the first ranks are lost a run is what it would be without: what is completed by then stays,
 *  everything later has no samples (sim.h). With on_failure: remap the ranks that are left go on with the
 *  step after the one that could not be completed: experts are handed over, weights cross the fabric, and
 *  the rest of the run is simulated among fewer ranks; once more for each later time at which ranks are
 *  lost. */
#ifndef MS_SWEEP_CASE_LOST_H
#define MS_SWEEP_CASE_LOST_H

#include "sweep/case_run.h"
#include "sweep/record.h"

/** Zero-initialise; lives in the arena it is opened with. */
struct ms_case_lost {
    const struct ms_case_input *in;
    struct ms_arena *arena;
    int R, n_times; /**< ranks; different times at which some are lost */
    double *at_s;   /**< [R] INFINITY: never */
    double *time_s; /**< [n_times] rising */
    int *gone;      /**< [R] ranks of the first time */
    struct ms_record_degraded told;
};

/** Which ranks are lost when, into in->sim; nothing where the scenario loses none. */
enum ms_status ms_case_lost_open(struct ms_case_lost *l, struct ms_case_input *in,
                                 struct ms_arena *arena, struct ms_err *err);
/** After the first simulation: go on with fewer ranks where that is asked for, and put what they do into
 *  out. l->told is what the record says; its repeats are 0 where no run was under way any more. */
enum ms_status ms_case_lost_finish(struct ms_case_lost *l, struct ms_demand *demand,
                                   struct ms_sim_output *out, struct ms_err *err);

#endif
