/** @file balanced_twin.h  The balanced twin of an exchange: the same totals, spread evenly.
 *
 *  What a perfectly balanced routing would have moved over the same legs. Pairs (selections and
 *  rank_copies) are spread over all pairs of different ranks; with per_node_leg (an algorithm with
 *  a leg of its own to each node) separately over pairs within a node, pairs whose destination has
 *  the source's local index on another node (the forwarding GPU), and other pairs across nodes, so
 *  that each leg keeps its bytes. The diagonal, own nodes and foreign nodes of node_copies, and
 *  slots each keep their total. */
#ifndef MS_DEMAND_BALANCED_TWIN_H
#define MS_DEMAND_BALANCED_TWIN_H

#include "routing/traffic.h"

/** How an exchange's ranks sit. */
struct ms_twin_seats {
    const int *rank_node; /**< [G] node column of each rank */
    int *local;           /**< [G] scratch */
    bool per_node_leg;
};

/** @param twin initialised with t's dimensions */
void ms_traffic_twin(const struct ms_traffic *t, struct ms_twin_seats seats,
                     struct ms_traffic *twin);

/** The totals a twin is made of: equal sums, ranks and nodes make equal twins.
 *  @param sums [MS_TWIN_SUMS] */
enum { MS_TWIN_SUMS = 16 };
void ms_traffic_twin_sums(const struct ms_traffic *t, struct ms_twin_seats seats, double *sums);

#endif
