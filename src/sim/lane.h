/** @file lane.h  The actors of a simulation. Inside sim/ only. */
#ifndef MS_SIM_LANE_H
#define MS_SIM_LANE_H

#include "sim/core.h"

/** Who has come to a barrier. */
struct ms_barrier {
    int n_in;
    double latest_s;
};

/** Wait until somebody calls ms_lane_wake; in between the lane can start nothing. When all lanes
 * wait so (n_quiet), only the network can make anything happen. */
void ms_lane_wait(struct ms_lane *lane);
void ms_lane_wake(struct ms_lane *lane);

/** Make the rank actors and the director that leads them through the runs; they start with
 * simgrid_run. */
enum ms_status ms_lanes_start(struct ms_core *c);

#endif
