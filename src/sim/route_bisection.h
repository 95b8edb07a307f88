/** @file route_bisection.h  Bisection over SimGrid's own routes, for platforms whose links only
 *  SimGrid knows (its ready-made torus, fat-tree and dragonfly clusters). */
#ifndef MS_SIM_ROUTE_BISECTION_H
#define MS_SIM_ROUTE_BISECTION_H

#include "sim/route_query.h"

/** As ms_platform_cost, but the bisection comes from the routes between all pairs (up to 256
 *  hosts; -1 above) where the file does not tell. @return MS_OK, MS_INTERNAL, MS_NOMEM */
enum ms_status ms_route_cost(const struct ms_platform *p, struct ms_platform_cost *out,
                             struct ms_err *err);

#endif
