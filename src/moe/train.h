/** @file train.h  Training and fine-tuning of the language model: parameters and the loop.
 *
 *  A run's folder holds history.jsonl (one sealed line a step, base/seal.h), loads.csv (tokens per expert, a
 *  routing.trace), timing.jsonl (speed: not reproducible, so apart) and checkpoint/. Started again
 *  in the same folder it goes on from the checkpoint, cuts history and loads back to it, and ends
 *  with the bytes an undisturbed run would have. A checkpoint or a log that is not what was written
 *  (manifest.h) is refused by name. */
#ifndef MS_MOE_TRAIN_H
#define MS_MOE_TRAIN_H

#include "moe/adamw.h"
#include "moe/config.h"
#include "moe/loss.h"

/** `train.model`: the shape of a model that starts at random. */
struct ms_train_model {
    int family; /**< index into ms_train_families; only mixtral starts at random */
    int64_t vocab, hidden, layers, heads, kv_heads, experts, top_k, expert_intermediate,
        max_positions;
};

/** `train.data`: either text or tokens. */
struct ms_train_data {
    const char *const *text; /**< [n_text] files, one domain each; bytes are tokens */
    size_t n_text;
    double heldout; /**< last share of each file kept for evaluation */
    /** .npy int32 [steps, batch, seq+1], used in order; NULL when text is given */
    const char *tokens;
};

/** The section `train` of a scenario; strings and lists owned by whoever filled it. */
struct ms_train_params {
    const char *init; /**< "random", or a checkpoint folder */
    struct ms_train_model model;
    struct ms_train_data data;
    int64_t batch, seq, steps;
    struct ms_adamw_params optimizer;
    const struct ms_router *router;
    struct ms_router_params router_params;
    struct ms_loss_term *losses; /**< [n_losses] */
    size_t n_losses;
    int normalise;         /**< enum ms_normalise */
    int64_t micro_batches; /**< parts of a batch that the loss `switch` balances on their own */
    double bias_update;    /**< gamma of the loss-free bias; 0 = off */
    int64_t evaluate_every, checkpoint_every; /**< steps; 0 = only at the end */
    uint64_t seed;                            /**< the scenario's `seed` */
};

/** Parameters of `train.model`, offsets in ms_train_model. */
extern const struct ms_field ms_train_model_fields[];
extern const char *const ms_train_families[];
/** Every default of the scenario section `train`; data empty, no losses. */
struct ms_train_params ms_train_params_default(void);
/** What no single field can say: heads divide hidden, top_k <= experts, a divisible batch, text or
 *  tokens, …
 *  @return MS_OK or MS_INVALID with the key under `train.` */
enum ms_status ms_train_params_check(const struct ms_train_params *p, struct ms_err *err);

/** Could this machine hold the training? By an estimate of what it takes at the least.
 *  @param c the model to fine-tune, NULL: the one of train.model  @return MS_OK or MS_INVALID */
enum ms_status ms_train_memory_check(const struct ms_train_params *p, const struct ms_moe_config *c,
                                     struct ms_err *err);

/** Where a run stands, for a progress bar. */
struct ms_train_progress {
    int64_t step, steps; /**< done, of */
    int64_t first;       /**< step this process started at */
    double wall_s;       /**< since this process started */
    double tokens_per_s; /**< of the last steps */
    double ce;           /**< of the last step */
    double heldout_ce;   /**< mean over the domains at the last evaluation; NaN before the first */
};

struct ms_train_options {
    const char *dir; /**< made where missing */
    int threads;     /**< >= 1 */
    bool force;      /**< start over where the folder holds another run */
    /** not 0: write a checkpoint and return MS_INTERRUPTED; may be NULL */
    const volatile int *stop;
    void (*progress)(void *ctx,
                     const struct ms_train_progress *p); /**< after each step; may be NULL */
    void *ctx;
    struct ms_errs *warnings; /**< may be NULL */
};

/** Train to p->steps, from the folder's checkpoint where there is one.
 *  @return MS_OK, also where nothing was left to do; MS_INVALID: wrong input (by key and file);
 *  MS_USAGE: the folder holds another run; MS_IO: another process works in it; MS_FAILED: the loss or a
 *  tensor is not finite or the loss diverges, with step, layer and tensor (the last checkpoint
 *  stays); MS_INTERRUPTED; MS_IO; MS_NOMEM */
enum ms_status ms_train_run(const struct ms_train_params *p, const struct ms_train_options *o,
                            struct ms_err *err);

#endif
