/** @file cause.h  What the time of an exchange went into: the way back from its last completion.
 *
 *  Kept only when asked for (ms_sim_input.causes), since it costs the solver time. Of every flow that
 *  somebody waited for, the last to end, the solver tells which link set its rate for how long. From
 *  a leg's last completion the way leads back through such flows: a flow's start is the end of
 *  another one (plus the route's latency), or a rank's start-up. What is left is the wait for a rank
 *  that entered late, which its computing explains. Seconds of one leg or layer sum to its time. */
#ifndef MS_SIM_CAUSE_H
#define MS_SIM_CAUSE_H

#include <stddef.h>
#include <stdint.h>

#include "sim/core.h"
#include "sim/fluid/fluid.h"

/** In a span's link: the platform's link of which one cable is meant. */
#define MS_CAUSE_CABLE 0x80000000u

/** A run starts: forget the last one's. */
void ms_causes_begin(struct ms_core *c);
/** The last flow that somebody waited for in this leg ended. */
void ms_causes_ended(struct ms_leg_run *leg, double finish_s, const struct ms_fluid_span *span,
                     size_t n);
/** The leg is over. */
void ms_causes_leg(struct ms_core *c, struct ms_leg_run *leg);
/** A rank enters a leg at entry_s. */
void ms_causes_enter(struct ms_core *c, struct ms_leg_run *leg, const struct ms_actor *actor,
                     double entry_s);
/** A rank computed: so long by itself, and so many times longer as a straggler and by jitter. */
void ms_causes_compute(struct ms_core *c, const struct ms_actor *actor, double base_s,
                       double slowdown, double jitter);
/** A rank waited for weights that move. */
void ms_causes_weights(struct ms_core *c, const struct ms_actor *actor, double waited_s);
/** A rank's leg is over: what it computes from here on is before its next one. */
void ms_causes_complete(struct ms_core *c, const struct ms_actor *actor);
/** The run is over: its parts into the output. */
void ms_causes_end(struct ms_core *c);
void ms_causes_finish(struct ms_core *c);
void ms_causes_leg_finish(struct ms_leg_run *leg);

#endif
