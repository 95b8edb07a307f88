/** @file port_rates.h  What a library gets of its ports, where that is less than the wire's rate.
 *
 *  A rank's NIC and its NVLink, each direction and leg, may be a resource of their own whose capacity
 *  is the kernels' own rate (hardware/form.h). It is one more link at the end of a pair's route, so
 *  flows stay plain and the fabric keeps its rate. It is left out where the port's own link is no
 *  faster, since then it never binds. Bytes per second; links count from 0. */
#ifndef MS_SIM_PORT_RATES_H
#define MS_SIM_PORT_RATES_H

#include "sim/layout.h"
#include "sim/route_table.h"

struct ms_port_rates {
    double nic_Bps[2], nvlink_Bps[2]; /**< dispatch, combine; INFINITY: the wire's */
    uint32_t first_link;              /**< of the resources, among the solver's links */
    int n_ranks, n_total;             /**< of a group; of all groups */
    const struct ms_layout *layout;   /**< [groups] */
    const double *capacity_Bps;       /**< of the platform's links */
    const bool *shared;               /**< false: FATPIPE, the rate of each flow */
};

/** Where both legs have the same rate, and a port's link carries nothing else, that rate is simply the
 *  link's: no resource is needed. Lowers capacities and takes what is done out of p.
 *  @param t asked for the routes of each rank to its first neighbour and to its first far rank, and
 *  back  @param capacity_Bps [platform's links] what the solver is to be given */
enum ms_status ms_port_rates_lower(struct ms_port_rates *p, struct ms_route_table *t,
                                   double *capacity_Bps, struct ms_err *err);
/** Do the kernels have a rate of their own in a leg? */
bool ms_port_rates_act(const struct ms_port_rates *p, int leg);
/** How many links the resources are: 0 or 8 a rank. */
size_t ms_port_rates_links(const struct ms_port_rates *p);
double ms_port_rates_capacity(const struct ms_port_rates *p, size_t i);
/** The links of a pair's route with its ports' resources.
 *  @param out [links of the route + 2]  @return how many; those of the route alone: none binds */
size_t ms_port_rates_route(const struct ms_port_rates *p, const struct ms_route_table *t, int group,
                           uint32_t src, uint32_t dst, int leg, uint32_t *out);

#endif
