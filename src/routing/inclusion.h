/** @file inclusion.h  Inclusion frequencies from weights: how often an expert is among a token's
 *  top_k where choices follow weights as far as no expert can be taken twice. */
#ifndef MS_ROUTING_INCLUSION_H
#define MS_ROUTING_INCLUSION_H

#include "routing/routing.h"

/** v <- min(1, s v) with s such that it sums to total; v [n] >= 0, total <= the number of v > 0. */
void ms_cap_at_one(double *v, int n, double total);
/** f [experts], weights > 0 of any scale, becomes inclusion / top_k (of sum 1): min(1, s f). Under a
 *  group limit a group's experts share what its visits can carry, so that it can be drawn. */
void ms_inclusion_of(const struct ms_model_shape *m, double *f);
/** How often each of n groups is among the `limit` chosen: in proportion to its part, none above 1
 *  (then the others share what is left).  @param q [n], out */
void ms_group_inclusion(const double *part, int n, int limit, double *q);

#endif
