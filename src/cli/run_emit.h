/** @file run_emit.h  `moesim run --emit`: the job script that runs a sweep on more than one machine. */
#ifndef MS_CLI_RUN_EMIT_H
#define MS_CLI_RUN_EMIT_H

#include "cli/verb.h"
#include "sweep/plan.h"

/** What the script is made from. Everything is borrowed. */
struct ms_emit {
    const char *how;            /**< a name of ms_emit_names() */
    const char *scenario, *dir; /**< as typed; the folder that the shards are joined into */
    const struct ms_plan *plan;
    const struct ms_args *args; /**< options that the shards' command line repeats */
    int n_procs;                /**< of a shard */
    double minutes;             /**< wall time that a shard shall take */
};

/** How a script can be run, "slurm|parallel". */
extern const char ms_emit_names[];
bool ms_emit_known(const char *how);
/** Append the script. @return false: out of memory */
bool ms_emit_script(const struct ms_emit *e, struct ms_buf *out);

#endif
