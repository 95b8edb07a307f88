/** @file requests_mix.h  Shares of the domains among what arrives, at any step past or present. */
#ifndef MS_DEMAND_REQUESTS_MIX_H
#define MS_DEMAND_REQUESTS_MIX_H

#include "demand/requests.h"

struct ms_mix;

/** NULL: out of memory. The problem is borrowed. */
struct ms_mix *ms_mix_create(const struct ms_requests_problem *p);
void ms_mix_destroy(struct ms_mix *m);
/** A domain for what arrives at a rank of a group at a step (negative: before the first), by u in
 *  (0, 1). -1: out of memory. */
int ms_mix_domain(struct ms_mix *m, int64_t step, int rank, double u);

#endif
