/** @file weather_simgrid.h  The events of a platform and of a scenario's faults, done to SimGrid's
 *  links.
 *
 *  SimGrid bounds a flow by the rate that its links have when it starts, for as long as it lasts
 *  (held_rates.h). A platform's bandwidth_file means that; a fault that ends means that the link is
 *  as before. So whoever starts a flow lifts its route's links out of their faults and drops them
 *  again: all at one instant of SimGrid's clock, so no byte moves at the lifted rate. Several may do
 *  so at once: the last one drops. Not where latency is in the flows (lv08, smpi, ib): there SimGrid
 *  3.32 can forget a flow that waits for its latency when its link's rate changes, and flows that
 *  start in a fault stay slow. */
#ifndef MS_SIM_WEATHER_SIMGRID_H
#define MS_SIM_WEATHER_SIMGRID_H

#include "sim/core.h"

/** Zero-initialise. Its memory is the core's. */
struct ms_weather {
    struct ms_core *core;
    double *now_Bps; /**< [links] what each has, but for lifts; NULL: no rate changes */
    int *n_lifts;    /**< [links] */
    bool *at_fault;  /**< [links] of the scenario's faults */
    bool lifts;
};

/** At the start of each run. @return MS_OK; MS_NOMEM, noted in the core */
enum ms_status ms_weather_begin(struct ms_weather *w, struct ms_core *c);
/** Around the start of a flow over a route of the core's table. */
void ms_weather_lift(struct ms_weather *w, uint32_t route);
void ms_weather_drop(struct ms_weather *w, uint32_t route);

#endif
