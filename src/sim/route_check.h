/** @file route_check.h  What only the routes show: pairs without one, transit through third
 *  hosts, idle parallel links. */
#ifndef MS_SIM_ROUTE_CHECK_H
#define MS_SIM_ROUTE_CHECK_H

#include "sim/route_query.h"

struct ms_route_summary {
    size_t n_pairs;     /**< asked for */
    bool sampled;       /**< more than 256 hosts: 16 destinations for each source, spread evenly */
    size_t n_transit;   /**< routes over a link next to a third host */
    size_t n_accidents; /**< those among them that SimGrid computed (Floyd, Dijkstra) */
    size_t n_uneven;    /**< groups of interchangeable links carrying unequal numbers of routes */
    int longest;        /**< links */
    char text[200];     /**< "4032 routes of 2 to 4 links" */
};

/** Every pair up to 256 hosts, a spread sample above. Errors: a pair without a route; a computed
 *  route (Floyd, Dijkstra) through a third host where the zone property `transit` is none.
 *  Warnings: a written route that does so; interchangeable parallel links (same rate, between
 *  routers with the same neighbours) of which some carry more than 1.5 times the routes of
 *  others.
 *  @return MS_OK; MS_INVALID with errors added; MS_INTERNAL, MS_NOMEM with one error added */
enum ms_status ms_route_check(const struct ms_platform *p, struct ms_route_summary *out,
                              struct ms_errs *errs);

#endif
