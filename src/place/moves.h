/** @file moves.h  What must be carried so that one placement takes over from another: which rank gets
 *  an expert's weights from which.
 *
 *  A rank that holds an expert already, in whatever slot, gets nothing. Otherwise the nearest holder
 *  sends it: one of its node if there is one, and of equally near ones the one that has sent least so
 *  far. Ranks count from 0. */
#ifndef MS_PLACE_MOVES_H
#define MS_PLACE_MOVES_H

#include "place/place.h"

/** Experts of a layer from rank to rank.
 *  @param rank_node [n_ranks]  @param slot of the layer before and after, [from_slots], [to_slots]
 *  @param sent [n_ranks] what each has sent before this layer, added to
 *  @param count [n_ranks][n_ranks] experts that go from row to column, added to
 *  @return how many move */
int ms_place_moves(const int *rank_node, int n_ranks, const int *from, int from_slots,
                   const int *to, int to_slots, int *sent, double *count);
/** Experts that ranks hold in `to` and did not hold in `from`, of a layer. */
int ms_place_moved(int n_ranks, const int *from, int from_slots, const int *to, int to_slots);

#endif
