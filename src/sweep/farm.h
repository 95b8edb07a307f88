/** @file farm.h  Jobs in forked children: what a child does can cost its own case, never another's.
 *
 *  SimGrid's engine can be loaded once a process and answers bad input with abort(), exit(2) or
 *  even exit(0), so every case runs in a child forked before SimGrid starts, and counts as done
 *  only when its complete frame (message.h) came through its pipe. Jobs that are alike and short may
 *  share a child, one after another (`batch`); only what the first job of a child does is final, of a
 *  later one a good answer counts, and anything else is tried again in a child of its own: so that
 *  what is said of a job never depends on which ones went before it. A child that crashes, hangs,
 *  exits silently, is killed, or writes something else becomes a failed answer with its own
 *  sentence and the end of what it wrote on stderr. Children die with the parent
 *  (PR_SET_PDEATHSIG), read nothing from stdin, and offer themselves first to the kernel when
 *  memory runs out.
 *
 *  SIGINT, SIGTERM and SIGHUP (unless it is ignored: nohup) are taken from a signalfd while the farm
 *  runs: no handler, no global. */
#ifndef MS_SWEEP_FARM_H
#define MS_SWEEP_FARM_H

#include <stddef.h>

#include "base/err.h"
#include "sweep/message.h"

/** What became of one job; borrowed for the call. */
struct ms_farm_answer {
    size_t job;
    const struct ms_message *message; /**< status MS_OK: the parts; otherwise .error says why */
    const char *talk; /**< the end of what the child wrote on stdout and stderr, "" = nothing */
    double wall_s;
};

struct ms_farm {
    void *ctx;
    int n_procs;      /**< children at once, >= 1 */
    double timeout_s; /**< wall time a job may take; 0 = for ever */
    /** How many of the next n jobs one child may do, 1..n; NULL: one. */
    size_t (*batch)(void *ctx, const size_t *jobs, size_t n);
    /** In the child. A failure's err becomes the answer. The child ends after its last job, after a
     *  failure, and after a message that says it is the last; it may also send its only answer itself
     *  (ms_message.send) and end in there. */
    enum ms_status (*work)(void *ctx, size_t job, struct ms_message *out, struct ms_err *err);
    /** In the parent, as jobs end, in any order. Not MS_OK: the farm stops and returns that. */
    enum ms_status (*done)(void *ctx, const struct ms_farm_answer *a, struct ms_err *err);
    /** In the parent, before each tick, for each job under way: how much of it is done as the child
     *  says, 0 to 1, and since how many seconds it is; NULL = not wanted. */
    void (*under_way)(void *ctx, size_t job, double share, double elapsed_s);
    /** In the parent, a few times a second; NULL = not wanted. */
    void (*tick)(void *ctx, size_t n_running);
};

/** Run the jobs, started in the order given. @param signal_number the signal on MS_INTERRUPTED,
 *  else 0
 *  @return MS_OK (failed jobs included: they were given to `done`); MS_INTERRUPTED; what `done`
 *  returned; MS_INTERNAL when pipes or processes cannot be had; MS_NOMEM */
enum ms_status ms_farm_run(const struct ms_farm *f, const size_t *jobs, size_t n_jobs,
                           int *signal_number, struct ms_err *err);

#endif
