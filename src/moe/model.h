/** @file model.h  The language model: forward to logits and cross-entropy, backward to the gradient
 *  of every parameter.
 *
 *  B batch rows, T positions, N = B*T tokens, C hidden, V vocabulary, L layers, E experts, K
 *  choices, P pairs (token, expert). Token n = b*T + t. float32 everywhere, cross-entropy summed in
 *  double. A model is made once for at most B x T tokens and allocates nothing in a step. Work is
 *  cut into fixed items (batch rows, chunks of an expert's tokens, blocks of a weight), so no bit
 *  depends on the number of threads. One call at a time per model.
 *
 *  A training step: forward; losses add to dlogits of each MoE layer; backward; the optimiser reads
 *  gradients. */
#ifndef MS_MOE_MODEL_H
#define MS_MOE_MODEL_H

#include <stdint.h>

#include "base/err.h"
#include "base/pool.h"
#include "moe/config.h"

struct ms_model;
struct ms_router;
struct ms_router_params;
struct ms_routes;

struct ms_param;

/** Where a model that holds no weights takes them from, piece by piece as float32: so that one much
 *  larger than memory can be run forward. Called by several threads. */
struct ms_weight_source {
    void *ctx;
    /** Elements first .. first+n-1 of a parameter. @return false: they cannot be had (`why` says) */
    bool (*fetch)(void *ctx, const struct ms_param *p, size_t first, size_t n, float *out);
    /** A layer is done with: memory behind its weights may go. */
    void (*done)(void *ctx);
    enum ms_status (*why)(void *ctx, struct ms_err *err);
};

struct ms_model_options {
    int B, T;   /**< most rows and positions of a call */
    bool train; /**< memory for backward; without it, layers share their activations */
    const struct ms_router *router;        /**< of every MoE layer (router.h); NULL = top_k */
    const struct ms_router_params *params; /**< NULL = defaults; copied */
    struct ms_pool *pool;                  /**< may be NULL; borrowed */
    /** NULL: the model holds its weights; not with train. Borrowed; a parameter's value is NULL or
     *  shared by all layers then */
    const struct ms_weight_source *source;
    bool no_head;   /**< routers only: no logits, no cross-entropy; not with train */
    bool rope_bf16; /**< rotary frequencies rounded to bfloat16, as a model cast to it holds them */
};

/** One trainable tensor, named as transformers 5 names it (experts stacked). Values and gradients
 *  of all parameters lie one after the other in this order, so the first one's pointers span all of
 *  them. */
struct ms_param {
    const char *name;
    int n_dims;
    size_t shape[3];
    size_t n;        /**< product of shape */
    float *value;    /**< [n] */
    float *gradient; /**< [n]; NULL unless made for training */
    int layer;       /**< or -1 */
};

/** One call's input; borrowed until the next forward. */
struct ms_model_input {
    int B, T;               /**< at most those of the options */
    const int32_t *tokens;  /**< [B][T], each 0..V-1 */
    const int32_t *targets; /**< [B][T], -1 = not counted; NULL: no cross-entropy */
    bool train;             /**< router noise and Sinkhorn act (router.h) */
    uint64_t seed, step;    /**< of the router's streams */
    uint64_t first_token;   /**< position of token 0 in the whole text, for stateful assignments */
};

/** @return MS_OK; MS_INVALID: sizes, a window shorter than T, router that does not fit (key named);
 *  MS_NOMEM */
enum ms_status ms_model_create(const struct ms_moe_config *c, const struct ms_model_options *o,
                               struct ms_model **out, struct ms_err *err);
void ms_model_destroy(struct ms_model *m);
/** Normal(0, initializer_range), norms 1, router bias 0: each parameter its own stream of
 *  `seed`. */
void ms_model_init(struct ms_model *m, uint64_t seed);

const struct ms_moe_config *ms_model_config(const struct ms_model *m);
/** @param n receives how many */
const struct ms_param *ms_model_params(const struct ms_model *m, size_t *n);
/** NULL where there is none. */
const struct ms_param *ms_model_param(const struct ms_model *m, const char *name);

/** @param out optional: mean cross-entropy over counted targets, nats (0 without targets)
 *  @return MS_OK; MS_INVALID: a token or target outside the vocabulary, by position */
enum ms_status ms_model_forward(struct ms_model *m, const struct ms_model_input *in, double *out,
                                struct ms_err *err);
/** Gradients of the mean cross-entropy of the last forward, plus of whatever was added to the
 *  router dlogits. Every gradient is overwritten. Uses up the logits. Once per forward with
 *  targets. */
void ms_model_backward(struct ms_model *m);

/** Of the last forward: [N][V]; gone after backward; NULL without a head. */
const float *ms_model_logits(const struct ms_model *m);
/** Of the last forward with targets: [N] -log p(target), 0 where not counted. */
const float *ms_model_nll(const struct ms_model *m);

/** MoE layers count 0..n-1 here (dense layers left out). */
int ms_model_moe_layers(const struct ms_model *m);
/** Layer number of MoE layer i. */
int ms_model_moe_layer_id(const struct ms_model *m, int i);
/** [n_moe_layers] each [N][E]: router logits of the last forward; dlogits, zeroed by forward, for
 *  losses to add to. */
const float *const *ms_model_router_logits(const struct ms_model *m);
float *const *ms_model_router_dlogits(const struct ms_model *m);
/** [n_moe_layers]: choices of the last forward. */
const struct ms_routes *ms_model_routes(const struct ms_model *m);
/** The gradient of the learned noise gate's logits, where the router has one: [n_moe_layers] ->
 *  [N][E], or NULL. */
float *const *ms_model_dnoise(const struct ms_model *m);
/** [n_moe_layers][E] bias of the choice (sigmoid_bias), zero at first; kept in checkpoints when not
 *  zero. */
float *ms_model_router_bias(struct ms_model *m);
/** Another router or assignment for the coming forwards (evaluate). Not during a step.
 *  @return MS_OK; MS_INVALID; MS_NOMEM */
enum ms_status ms_model_set_router(struct ms_model *m, const struct ms_router *router,
                                   const struct ms_router_params *params, struct ms_err *err);

#endif
