/** @file balanced_twin.h  The balanced twin of an exchange: the same bytes on the same kinds of
 *  pairs, spread evenly.
 *
 *  What a perfectly balanced routing would have moved: the same total within nodes and the same
 *  total between nodes, whatever the algorithm, each spread evenly over its own pairs. Where other
 *  ranks pass bytes on, pairs are told apart further, so that every hop keeps its total too:
 *  BY_RAIL (a leg to each node, or relays on the destination's rail) by whether the destination has
 *  the source's local index, BY_HOP (a ring of neighbours) by the hops within and between nodes that
 *  lie between the two. The diagonal, own nodes and foreign nodes of node_copies, and slots each
 *  keep their total. */
#ifndef MS_DEMAND_BALANCED_TWIN_H
#define MS_DEMAND_BALANCED_TWIN_H

#include "base/file.h"
#include "routing/traffic.h"

/** How an exchange algorithm's pairs are told apart. */
enum ms_twin_kinds { MS_TWIN_BY_NODE, MS_TWIN_BY_RAIL, MS_TWIN_BY_HOP };

struct ms_twin;

/** For exchanges of n_ranks whose nodes are rank_node [n_ranks] (column numbers). NULL: out of
 *  memory. */
struct ms_twin *ms_twin_create(int n_ranks, const int *rank_node, enum ms_twin_kinds by);
void ms_twin_destroy(struct ms_twin *w);

/** @param twin initialised with t's dimensions  @return false: out of memory */
bool ms_twin_fill(struct ms_twin *w, const struct ms_traffic *t, struct ms_traffic *twin);
/** Append the totals a twin is made of: equal totals, ranks and nodes make equal twins. */
void ms_twin_totals(struct ms_twin *w, const struct ms_traffic *t, struct ms_buf *out);

#endif
