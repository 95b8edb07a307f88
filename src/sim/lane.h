/** @file lane.h  The actors of a simulation. Inside sim/ only. */
#ifndef MS_SIM_LANE_H
#define MS_SIM_LANE_H

#include "sim/core.h"

/** Who has come to a barrier. */
struct ms_barrier {
    int n_in;
    double latest_s;
};

/** Make the rank actors and the director that leads them through the runs; they start with
 * simgrid_run. */
enum ms_status ms_lanes_start(struct ms_core *c);

#endif
