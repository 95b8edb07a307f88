/** @file actor.h  The actors of a simulation. Inside sim/ only. */
#ifndef MS_SIM_ACTOR_H
#define MS_SIM_ACTOR_H

#include "sim/core.h"

/** Who has come to a barrier. */
struct ms_barrier {
    int n_in;
    double latest_s;
};

/** Wait until somebody calls ms_actor_wake; in between it can start nothing. */
void ms_actor_wait(struct ms_actor *actor);
/** Sleep until at_s, unless the network has run there already. */
void ms_actor_sleep_until(struct ms_actor *actor, double at_s);
/** Let it go; between hold and release only when release comes, in the order of the calls. */
void ms_actor_wake(struct ms_actor *actor);
void ms_actors_hold(struct ms_core *c);
void ms_actors_release(struct ms_core *c);
/** The earliest time at which an actor can do anything that the network does not cause: until
 *  then the network may run without asking SimGrid. INFINITY: all actors wait; -INFINITY: one is
 *  awake. */
double ms_actors_horizon_s(const struct ms_core *c);

/** Make the rank actors and the director that leads them through the runs; they start with
 *  simgrid_run. */
enum ms_status ms_actors_start(struct ms_core *c);
/** SimGrid has returned and everybody is home: give their semaphores back. */
void ms_actors_finish(struct ms_core *c);

#endif
