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
    struct ms_weight_source *source; /**< of a model that holds no weights, or NULL */
    const struct ms_router *own;
    struct ms_router_params own_params;
    struct ms_router bent; /**< an assignment with the model's own score and weights */
    int N;                 /**< tokens a window */
    int B;                 /**< windows a call: what assignments that are not causal see at once */
    int n_layers, n_experts, top_k;
};

enum ms_observer_stream { MS_STREAM_AUTO, MS_STREAM_NEVER, MS_STREAM_ALWAYS };

/** Precision of the rotary frequencies. A model cast to bfloat16 as a whole holds them rounded to
 *  its 8 significant bits, which tell at most 256 positions apart; from_pretrained keeps them in
 *  float32. AUTO: bfloat16 where the config says so and no window can be longer than that. */
enum ms_observer_rope { MS_ROPE_AUTO, MS_ROPE_FLOAT32, MS_ROPE_BFLOAT16 };

/** How a checkpoint is opened; zero is a good default but for threads. */
struct ms_observer_options {
    int N; /**< window length, 0 = the checkpoint's max_positions */
    int B; /**< windows a call, 0 = up to 8192 tokens, fewer where there are many logits */
    size_t n_windows; /**< the most that will be asked for; 0 = unknown */
    int threads;
    bool counts_only; /**< routers only: no cross-entropy */
    int rope;         /**< enum ms_observer_rope */
    /** enum ms_observer_stream: weights stay in the mapped files and are converted as they are used;
     *  AUTO: where they are more than 2^28 values (1 GiB in float32) */
    int stream;
};

/** Open a checkpoint folder. @return MS_OK; MS_INVALID; MS_IO; MS_NOMEM */
enum ms_status ms_observer_open(struct ms_observer *p, const char *folder,
                                const struct ms_observer_options *o, struct ms_err *err);
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

/** What a checkpoint's routers are run over: texts through its tokenizer, or an array of ids. */
struct ms_choice_input {
    const char *const *text; /**< [n_text] files, one after the other; .gz too */
    size_t n_text;
    const char *tokens;             /**< an .npy of ids instead, or NULL */
    const struct ms_router *assign; /**< as in ms_observer_use; must take k experts a token */
    int N;                          /**< tokens a window, 0 = the model's max_positions */
    size_t max_tokens;              /**< 0 = all */
    uint64_t seed;
    int threads;
};

/** The experts that whole windows of the texts' tokens go to.
 *  @return MS_OK; MS_INVALID: a file, a text the checkpoint cannot read, texts too short for one
 *  window; MS_IO; MS_NOMEM */
enum ms_status ms_choices_of(const char *folder, const struct ms_choice_input *in,
                             struct ms_choices *out, struct ms_err *err);
/** What ms_choices_of would refuse of the texts, found without running the model: the tokenizer,
 *  the files, their length. */
enum ms_status ms_choices_check(const char *folder, const struct ms_choice_input *in,
                                struct ms_err *err);
void ms_choices_finish(struct ms_choices *c);

#endif
