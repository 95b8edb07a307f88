/** @file inputs.h  What a command has read: platforms, checkpoints' headers, and all other input
 *  files, each opened once however many scenarios and cases use it.
 *
 *  Children forked while the inputs are held find everything in memory. SimGrid alone reads the
 *  platform file again, in its own process. */
#ifndef MS_SWEEP_INPUTS_H
#define MS_SWEEP_INPUTS_H

#include "base/files.h"
#include "cluster/platform.h"
#include "routing/routing.h"
#include "scenario/scenario.h"

struct ms_inputs_platform;
struct ms_inputs_checkpoint;
struct ms_inputs_hardware;

/** Zero-initialise; finish frees. */
struct ms_inputs {
    struct ms_arena arena;
    struct ms_files files;
    struct ms_inputs_platform *platforms;
    struct ms_inputs_checkpoint *checkpoints;
    struct ms_inputs_hardware *hardware;
};

/** Was this platform asked for before? */
bool ms_inputs_knows(const struct ms_inputs *in, const char *platform);
/** A platform; with a scenario: the hosts it chooses (cluster.hosts), in nodes of its gpus_per_node
 *  where the file has none of its own (a number that does not fit leaves them alone:
 *  ms_scenario_check says why).
 *  @param s NULL: as the file is
 *  @param errs gets the file's errors and warnings each time it is asked for
 *  @return borrowed until finish; NULL after an error */
struct ms_platform *ms_inputs_platform(struct ms_inputs *in, const char *path,
                                       const struct ms_scenario *s, struct ms_errs *errs);
/** Can a checkpoint's headers be read, and the texts it is to route: by its tokenizer, and in whole
 *  windows? Weights are left to the run. @param r source: checkpoint */
enum ms_status ms_inputs_checkpoint(struct ms_inputs *in, const struct ms_routing_params *r,
                                    struct ms_err *err);
/** The hardware profile in force for a scenario on a platform, into s->in_force (NULL: none); its
 *  errors are added each time. */
void ms_inputs_hardware(struct ms_inputs *in, struct ms_scenario *s,
                        const struct ms_platform *platform, struct ms_errs *errs);
void ms_inputs_finish(struct ms_inputs *in);

#endif
