/** @file lane.h  The actors of a simulation. Inside sim/ only. */
#ifndef MS_SIM_LANE_H
#define MS_SIM_LANE_H

#include "sim/core.h"

/** Who has come to a barrier. */
struct ms_barrier {
    int n_in;
    double latest_s;
};

/** Wait until somebody calls ms_lane_wake; in between the lane can start nothing. */
void ms_lane_wait(struct ms_lane *lane);
/** Let it go; between hold and release only when release comes, in the order of the calls. */
void ms_lane_wake(struct ms_lane *lane);
void ms_lanes_hold(struct ms_core *c);
void ms_lanes_release(struct ms_core *c);
/** The earliest time at which a lane can do anything that the network does not cause: until then
 * the network may run without asking SimGrid. INFINITY: all lanes wait; -INFINITY: one is awake. */
double ms_lanes_horizon_s(const struct ms_core *c);

/** Make the rank actors and the director that leads them through the runs; they start with
 * simgrid_run. */
enum ms_status ms_lanes_start(struct ms_core *c);

#endif
