/** @file move.h  Weights that cross so that another placement can be in force. Inside sim/ only.
 *
 *  Either all ranks wait for them before the step, in one leg of all layers; or every layer's weights
 *  cross beside its exchanges of the step before, and the layer of the step waits for them. Its legs
 *  are legs of their own, which nobody's dispatch or combine queues behind. */
#ifndef MS_SIM_MOVE_H
#define MS_SIM_MOVE_H

#include "sim/core.h"

/** Before the first run. */
enum ms_status ms_moves_init(struct ms_core *c);
/** A run starts. */
void ms_moves_begin(struct ms_core *c);
/** A rank is about to begin a step, or a layer of it. @return false: go home */
bool ms_moves_step(struct ms_actor *actor, int step);
bool ms_moves_layer(struct ms_actor *actor, int step, int layer);

/* For leg_run.c. */
/** The plan of a leg that moves weights. */
enum ms_status ms_moves_plan(struct ms_core *c, struct ms_leg_run *leg);
/** Its bytes by hop. */
void ms_moves_bytes(struct ms_core *c, const struct ms_leg_run *leg);
/** A rank has all it gets (and, where ranks wait, has sent all). */
void ms_moves_complete(struct ms_leg_run *leg, int rank, double at_s);
/** The leg is over. */
void ms_moves_done(struct ms_core *c, const struct ms_leg_run *leg);

#endif
