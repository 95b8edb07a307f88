/** @file capacity.h  Capacity: which selections are dropped.
 *
 *  A holder (an expert as one source rank sees it, an expert, or a rank that receives) takes at most
 *  C = ceil(capacity_factor * top_k * T / holders) of the T tokens that it is counted over
 *  (Megatron-LM and GShard count per source rank and expert); dropped before de-duplication. */
#ifndef MS_ROUTING_CAPACITY_H
#define MS_ROUTING_CAPACITY_H

#include <stdint.h>

#include "base/err.h"
#include "routing/routing.h"

int64_t ms_capacity(double factor, int top_k, int64_t n_tokens, int n_holders);

struct ms_capacity_problem {
    int n_holders;
    int64_t most; /**< a holder takes */
    int policy;   /**< enum ms_drop_policy: PROBS drops the lowest prob first (ties: the later
                       selection), POSITION the last selections */
    size_t n;
    const uint16_t *holder; /**< [n] of each selection; n_holders = none, never dropped */
    const float *prob;      /**< [n], NULL for POSITION */
};

/** Replace the selections that are dropped by `none`.
 *  @param selection [n]  @param dropped their number  @return MS_OK or MS_NOMEM */
enum ms_status ms_capacity_drop(const struct ms_capacity_problem *p, uint16_t none,
                                uint16_t *selection, int64_t *dropped, struct ms_err *err);

#endif
