/** @file bound.h  What no placement can do better than, whatever it knows. */
#ifndef MS_PLACE_BOUND_H
#define MS_PLACE_BOUND_H

/** The fullest rank over the mean rank that so many slots allow at best: the least T >= mean such that
 *  every expert cut into parts of at most T has a slot for each, sum max(1, ceil(load / T)) <=
 *  slots.
 *  @param load [n_experts] >= 0  @return >= 1; 1 where all loads are 0 */
double ms_place_bound(const double *load, int n_experts, int n_ranks, int n_slots);

#endif
