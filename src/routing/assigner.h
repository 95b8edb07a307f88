/** @file assigner.h  Token-assignment strategies (moe/router.h) on synthetic router scores.
 *
 *  A law has no router, but it has scores: ln weight + Gumbel noise per token and expert is what
 *  top-k takes its best from. Other strategies get the same scores as logits, one source rank's
 *  tokens of one layer as the batch they see. */
#ifndef MS_ROUTING_ASSIGNER_H
#define MS_ROUTING_ASSIGNER_H

#include "base/rng.h"
#include "moe/router.h"
#include "routing/routing.h"

struct ms_assigner;

/** For batches of up to max_tokens tokens. factor: of expert_choice. NULL with err: out of memory,
 *  or a shape the strategy refuses. */
struct ms_assigner *ms_assigner_create(const struct ms_model_shape *m, const struct ms_router *how,
                                       double factor, int max_tokens, struct ms_err *err);
void ms_assigner_destroy(struct ms_assigner *a);
/** Experts a token may get: top_k, or all of them. */
int ms_assigner_width(const struct ms_model_shape *m, const struct ms_router *how);

/** One batch. f [experts] weights > 0
 *  @param first_token number of the batch's first token among all, for round_robin and random
 *  @param chosen [n][width], unused places = `experts`
 *  @param prob [n][width] softmax over all experts, or NULL
 *  @return (token, expert) selections made */
int64_t ms_assigner_draw(struct ms_assigner *a, const double *f, struct ms_rng stream,
                         uint64_t seed, int layer, uint64_t first_token, int n, uint16_t *chosen,
                         float *prob);

#endif
