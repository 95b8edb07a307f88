/** @file router.h  Which experts a token goes to, with which weight, and the gradient of that.
 *
 *  A router is one const struct in its own file router_<name>.c (used in training) or
 *  assignment_<name>.c (a token assignment for evaluation: the same thing, put on the logits of a model
 *  trained otherwise) and one word in meson.build. It only chooses (token, expert) pairs; the frame
 *  (ms_router_forward) scores, applies capacity, sorts, weighs, and knows the gradient, because
 *  every weight is a function of the scores of the chosen pairs:
 *
 *      score s = softmax(z) or sigmoid(z)
 *      weight  = scale * s  or  scale * s / (sum of s over the token's pairs)
 *
 *  Softmax over the k chosen logits (Mixtral) and the renormalised E-softmax (Qwen3-MoE) are the
 *  same function. T tokens, E experts, K choices a token; everything row-major; tokens and experts
 *  count from 0. No call allocates after the init functions. Results do not depend on the thread
 *  count of `pool`. */
#ifndef MS_MOE_ROUTER_H
#define MS_MOE_ROUTER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/field.h"
#include "base/pool.h"
#include "moe/choice.h"

enum ms_score { MS_SCORE_SOFTMAX, MS_SCORE_SIGMOID };
/** OWN in a router: as the checkpoint's family does it (problem.own_weights). DEFAULT in the
 *  parameters: the router's. */
enum ms_weights {
    MS_WEIGHTS_DEFAULT,
    MS_WEIGHTS_OWN,
    MS_WEIGHTS_RENORMALISED,
    MS_WEIGHTS_UNNORMALISED
};

/** What a scenario may set; zero is a valid default except `scale` (use
 *  ms_router_params_default). */
struct ms_router_params {
    double capacity_factor;  /**< an expert takes at most ceil(factor*K*T/E) pairs; 0 = no limit */
    int drop_policy;         /**< enum ms_drop_policy: lowest score first, or last token first */
    int64_t groups;          /**< equal ranges of experts; 0 and 1 = none */
    int64_t group_limit;     /**< groups a token may use; 0 = all */
    int group_score;         /**< enum ms_group_score */
    int weights;             /**< enum ms_weights */
    double scale;            /**< factor on every weight (routed_scaling_factor) */
    double noise_std;        /**< noisy_top_k without a learned noise gate; 0 = 1/E (V-MoE) */
    const uint8_t *excluded; /**< [E] or NULL: experts that top_k_filtered never chooses */
};

/** One layer's problem; all borrowed for the call. */
struct ms_route_problem {
    int T, E, K;
    const float *logits; /**< [T][E] */
    /** [T][E] or NULL: of the learned noise gate, std = softplus (Shazeer 2017) */
    const float *noise_logits;
    /** [E] or NULL: added to sigmoid scores for the choice, never to a weight */
    const float *bias;
    struct ms_router_params params;
    int own_weights; /**< enum ms_weights of the model's family: RENORMALISED or UNNORMALISED */
    bool train;      /**< sinkhorn and noise act only then */
    uint64_t seed;   /**< of the streams of noise and random choice */
    uint64_t step;   /**< names those streams together with layer and token */
    int layer;
    /** position of token 0 in the whole text: round_robin and random count from it */
    uint64_t first_token;
    struct ms_pool *pool; /**< may be NULL */
};

/** The answer. Pairs 0..n-1 are computed, sorted by expert and then token; pairs n..n_selected-1
 *  were chosen but dropped by capacity (weight 0, same order). Owned by the arena given to
 *  ms_moe_routes_init. */
struct ms_routes {
    int T, E, K;
    int cap; /**< most pairs */
    int n, n_selected;
    int32_t *expert, *token; /**< [cap] */
    float *weight;           /**< [cap] */
    /** [E+1]: pairs of expert e are expert_start[e] .. expert_start[e+1]-1, all < n */
    int32_t *expert_start;
    int32_t *token_start; /**< [T+1] */
    /** [cap]: pairs of token t (ascending, dropped ones last) are token_pair[token_start[t] ..
     *  token_start[t+1]-1] */
    int32_t *token_pair;
    int32_t *selected; /**< [E]: chosen, before drops */
    float *score;      /**< [T][E]: what the weights are made of */
    /** [T][E]: of the clean logits, each row sums to 1; what losses look at. May be == score */
    float *prob;
    float *noisy, *noise_std; /**< [T][E] or NULL: logits with their noise, and its deviation */
    bool has_noise;
};

/** Scratch of one forward or backward at a time; may serve every layer. Owned by its arena. */
struct ms_router_work {
    int T, E, K, cap;
    int n_pairs;
    int32_t *pair_expert, *pair_token; /**< [cap]: what `choose` fills; expert -1 = none */
    float *choice;                     /**< [T][E]: scores to choose by */
    float *wide;                       /**< [T][E] */
    double *sums;                      /**< [2*(T + E)] */
    int32_t *order, *order2;           /**< [max(T, cap)] */
    int32_t *counts;                   /**< [E + T + 2] */
    uint8_t *kept;                     /**< [cap] */
    uint8_t *dropped;                  /**< [T], zero between uses */
};

struct ms_router {
    const char *name, *help;
    /** its own parameters, offsets in ms_router_params; may be NULL */
    const struct ms_field *fields;
    enum ms_score score;
    enum ms_weights weights; /**< OWN, RENORMALISED or UNNORMALISED */
    bool causal;             /**< false: a token's experts depend on later tokens */
    bool uses_bias;          /**< train with the loss-free bias update */
    bool noise_gate;    /**< a model that trains with it may add a second gate for noise_logits */
    bool expert_choice; /**< the number of experts of a token varies */
    /** NULL, or: put noise on the logits before anything is scored (only called with train): fills
     *  r->noisy and r->noise_std for tokens first..last-1. */
    void (*perturb)(const struct ms_route_problem *p, struct ms_routes *r, int first, int last);
    /** Fill work->pair_* and work->n_pairs; the pairs of one expert in ascending token order.
     *  r->score and r->prob are ready and work->choice holds what to choose by (scores plus bias,
     *  groups that are out at -infinity). */
    void (*choose)(const struct ms_route_problem *p, struct ms_router_work *w, struct ms_routes *r);
};

/** Every router that can train, by name; NULL-terminated. */
extern const struct ms_router *const ms_routers[];
/** Every token assignment for evaluation, top_k first. */
extern const struct ms_router *const ms_assigns[];
const struct ms_router *ms_router_find(const char *name);
const struct ms_router *ms_assign_find(const char *name);
/** Parameters every router has. */
extern const struct ms_field ms_router_fields[];
struct ms_router_params ms_router_params_default(void);

/** The score a router uses: group_limited with top2_sum is DeepSeek-V3's sigmoid; sinkhorn with K =
 *  1 is a sigmoid. */
enum ms_score ms_router_score(const struct ms_router *r, const struct ms_router_params *p, int K);
/** @return MS_OK; MS_INVALID (K > E, groups that do not divide E, groups too small for K, …) naming
 *  the key */
enum ms_status ms_router_check(const struct ms_router *r, const struct ms_router_params *p, int E,
                               int K, struct ms_err *err);
/** Pairs one call can give. */
int ms_router_max_pairs(const struct ms_router *r, const struct ms_router_params *p, int T, int E,
                        int K);
/** Capacity of an expert: ceil(factor*K*T/E), at most T; T when factor is 0. (Megatron, GShard) */
int ms_router_capacity(double factor, int T, int E, int K);

enum ms_status ms_moe_routes_init(struct ms_routes *r, struct ms_arena *a,
                                  const struct ms_router *router, const struct ms_router_params *p,
                                  int T, int E, int K, struct ms_err *err);
enum ms_status ms_router_work_init(struct ms_router_work *w, struct ms_arena *a,
                                   const struct ms_router *router, const struct ms_router_params *p,
                                   int T, int E, int K, struct ms_err *err);

/** Choose and weigh. problem.T may be below what r and w were made for. Logits with a NaN give some
 *  valid choice. */
void ms_router_forward(const struct ms_router *router, const struct ms_route_problem *p,
                       struct ms_router_work *w, struct ms_routes *r);
/** @param dweight [n_selected] gradient of pair weights (of dropped pairs: ignored)
 *  @param dlogits [T][E], added to  @param dnoise [T][E], added to; NULL allowed */
void ms_router_backward(const struct ms_router *router, const struct ms_route_problem *p,
                        struct ms_router_work *w, const struct ms_routes *r, const float *dweight,
                        float *dlogits, float *dnoise);

/** Loss-free balancing: b_e += gamma * sign(mean load - load_e) (DeepSeek-V3, arXiv 2412.19437
 *  section 2.1.2).
 *  @param load [E] tokens chosen, before drops */
void ms_router_bias_update(float *bias, const int32_t *load, int E, double gamma);

/** For routers: the K best of each row of w->choice (ties: lowest expert first) become the pairs,
 *  in chunks over the pool. Entries at -infinity are never chosen: such pairs get expert -1. */
void ms_router_choose_top_k(const struct ms_route_problem *p, struct ms_router_work *w);
/** For routers: reorder items so that the `keep` best come first; value[items[i] * stride] decides,
 *  high first, ties: lowest item first. Quickselect: the set is exact, its order is not defined. */
void ms_router_select_best(int32_t *items, int n, int keep, const float *value, size_t stride);

#endif
