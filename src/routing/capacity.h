/** @file capacity.h  Expert capacity: which selections are dropped.
 *
 *  Per source rank and expert at most C = ceil(capacity_factor * top_k * T / E) of the rank's T
 *  tokens (Megatron-LM, GShard); dropped before de-duplication. */
#ifndef MS_ROUTING_CAPACITY_H
#define MS_ROUTING_CAPACITY_H

#include <stdint.h>

#include "base/err.h"
#include "routing/routing.h"

int64_t ms_capacity(double factor, int top_k, int64_t n_tokens, int n_experts);

/** Replace dropped entries of chosen [n][top_k] by `experts` (one past the last).
 *  @param policy enum ms_drop_policy: PROBS drops the lowest prob [n][top_k] first (ties: the later
 *  token), POSITION the last tokens  @param dropped their number  @return MS_OK or MS_NOMEM */
enum ms_status ms_capacity_drop(const struct ms_model_shape *m, int64_t capacity, int policy, int n,
                                uint16_t *chosen, const float *prob, int64_t *dropped,
                                struct ms_err *err);

#endif
