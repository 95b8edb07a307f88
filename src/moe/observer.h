/** @file observer.h  A checkpoint opened to be looked at: evaluate, profile, and routing over text.
 *
 *  The checkpoint's own router is the one it was trained with (moesim notes it in the weights'
 *  metadata; Hugging Face families: top_k), as it acts outside training. Another token assignment
 *  keeps the model's own scores and weights and changes the choice alone. */
#ifndef MS_MOE_OBSERVER_H
#define MS_MOE_OBSERVER_H

#include "moe/checkpoint.h"
#include "moe/perplexity.h"

struct ms_observer {
    struct ms_checkpoint *checkpoint;
    struct ms_model *model;
    struct ms_pool *pool;
    const struct ms_router *own;
    struct ms_router_params own_params;
    struct ms_router bent; /**< an assignment with the model's own score and weights */
    int N;                 /**< tokens a window */
    int B;                 /**< windows a call: what assignments that are not causal see at once */
    int n_layers, n_experts, top_k;
};

/** Load a checkpoint folder. @param N window length, 0 = the checkpoint's max_positions
 *  @param B windows a call, 0 = up to 8192 tokens, fewer where the vocabulary is large
 *  @param n_windows the most that will be asked for; 0 = unknown  @return MS_OK; MS_INVALID; MS_IO;
 *  MS_NOMEM */
enum ms_status ms_observer_open(struct ms_observer *p, const char *folder, int N, int B,
                                size_t n_windows, int threads, struct ms_err *err);
void ms_observer_close(struct ms_observer *p);
/** Route by this assignment from now on (top_k: the model's own router where it takes k experts a
 *  token).
 *  @param excluded [E] for top_k_filtered, or NULL  @param causal receives whether tokens see
 *  earlier ones only */
enum ms_status ms_observer_use(struct ms_observer *p, const struct ms_router *assign,
                               double capacity_factor, int drop_policy, const uint8_t *excluded,
                               bool *causal, struct ms_err *err);

/** Token ids of chosen experts, as a routing trace with co-selection. Owned; finish frees. */
struct ms_choices {
    size_t n_tokens;
    int n_layers, n_experts, top_k;
    int *layer_id;    /**< [n_layers] */
    uint16_t *expert; /**< [n_tokens][n_layers][top_k], ascending in a token */
};

/** Run a checkpoint's routers over texts (bytes; .gz too), one after the other, in whole windows of
 *  N.
 *  @param assign as in ms_observer_use; must take k experts a token  @param max_tokens 0 = all
 *  @return MS_OK; MS_INVALID: a file, a vocabulary that is not bytes, texts too short for one
 *  window; MS_IO; MS_NOMEM */
enum ms_status ms_choices_of_text(const char *folder, const char *const *text, size_t n_text,
                                  const struct ms_router *assign, int N, size_t max_tokens,
                                  uint64_t seed, int threads, struct ms_choices *out,
                                  struct ms_err *err);
void ms_choices_finish(struct ms_choices *c);

#endif
