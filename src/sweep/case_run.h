/** @file case_run.h  One case simulated, in the process that is called: routing, placement,
 *  simulation, record.
 *
 *  Meant for a forked child (farm.h): SimGrid's engine can be loaded once a process. Routing is
 *  drawn when a run starts, so that one repeat at a time is in memory; where there is more than one
 *  thread, while SimGrid loads the platform and earlier layers are simulated. Run 2r is repeat r and run
 *  2r + 1 its balanced twin, left out when an equal twin was simulated before (once per
 *  distinct total). */
#ifndef MS_SWEEP_CASE_RUN_H
#define MS_SWEEP_CASE_RUN_H

#include "base/err.h"
#include "base/hash.h"
#include "demand/demand.h"
#include "scenario/scenario.h"
#include "sweep/message.h"
#include "sweep/plan.h"

struct ms_case_options {
    int n_threads;             /**< >= 1 */
    bool samples;              /**< also make samples/cNNNN.csv */
    const char *timeline_path; /**< NULL = none */
    int timeline_repeat;       /**< which one is drawn */
    const char *timeline_case; /**< what it calls the case */
    bool details; /**< the record also has ranks' loads by layer, and what slots allow */
    bool causes;  /**< the record also says what the slowest exchanges went into */
    struct ms_sim_engine
        *engine; /**< kept by the process for its next cases; NULL: there are none */
};

/** What demand and simulator are asked for a scenario on a platform. Zero-initialise; finish
 *  frees. */
struct ms_case_input {
    struct ms_arena arena;
    struct ms_scenario s; /**< resolved */
    struct ms_demand_input demand;
    struct ms_sim_input sim;
};

/** Nodes from cluster.gpus_per_node where the file has none; ranks; the node of every rank.
 *  @param platform grouped in place  @param files NULL = read them again; all are borrowed
 *  @return MS_OK; MS_INVALID; MS_NOMEM */
enum ms_status ms_case_input_init(struct ms_case_input *in, const struct ms_scenario *s,
                                  struct ms_platform *platform, struct ms_files *files,
                                  int n_threads, struct ms_err *err);
void ms_case_input_finish(struct ms_case_input *in);

/** Simulate; with out->send the process may end in it. What the platform costs is found in a thread
 *  beside. @param c how the plan names it  @param out on MS_OK its record, timing and (asked for)
 *  samples parts */
enum ms_status ms_case_run(const struct ms_scenario *s, const struct ms_plan_case *c,
                           struct ms_files *files, const struct ms_case_options *options,
                           struct ms_message *out, struct ms_err *err);

#endif
