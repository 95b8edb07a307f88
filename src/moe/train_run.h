/** @file train_run.h  The inside of a training run, shared by the train_*.c files and nobody
 *  else. */
#ifndef MS_MOE_TRAIN_RUN_H
#define MS_MOE_TRAIN_RUN_H

#include <stdio.h>

#include "base/hash.h"
#include "moe/data.h"
#include "moe/manifest.h"
#include "moe/model.h"
#include "moe/perplexity.h"
#include "moe/train.h"
#include "stats/imbalance.h"

/** What a checkpoint carries beside the weights. */
struct ms_train_state {
    int64_t step;   /**< steps done */
    int64_t n_high; /**< steps in a row with a cross-entropy far above guessing */
    long long history_bytes, loads_bytes; /**< length of the files at that point */
};

struct ms_train_run {
    const struct ms_train_params *p;
    const struct ms_train_options *o;
    struct ms_arena arena;
    struct ms_pool *pool;
    struct ms_model *model;
    struct ms_data data;
    struct ms_adamw adamw;
    struct ms_loss_state losses;
    struct ms_train_state state;
    struct ms_hash identity; /**< of everything that decides the run's bytes */
    char *config_text;       /**< config.json of the folder fine-tuned, or NULL */
    FILE *history, *loads, *timing;
    struct ms_hasher *history_hash, *loads_hash; /**< of the bytes in them so far */
    int lock_fd;
    int B, T, L, E, K; /**< batch, seq, MoE layers, experts, choices */
    enum ms_score score;
    int32_t *tokens, *targets;  /**< [B][T] */
    int *row_domain;            /**< [B] */
    double *values;             /**< [n_losses] */
    double *load, *scratch;     /**< [E] */
    int64_t *domain_counts;     /**< [n_domains][L][E] */
    double ce, loss, grad_norm; /**< of the last step */
    double forward_s, backward_s, update_s;
    struct ms_perplexity *heldout; /**< [n_domains] at the last evaluation */
    struct ms_train_progress progress;
};

/* train_memory.c */
/** The model of a section `train.model`. */
struct ms_moe_config ms_train_config(const struct ms_train_model *m);

/* train_step.c */
/** Forward, losses, backward, update of step state.step; counts it. Failures name step, layer and
 *  tensor. */
enum ms_status ms_train_step(struct ms_train_run *r, struct ms_err *err);
/** Held-out cross-entropy of every text domain. */
enum ms_status ms_train_evaluate(struct ms_train_run *r, struct ms_err *err);

/* train_log.c */
/** Lock the folder, one process each, and open timing.jsonl. */
enum ms_status ms_train_log_lock(struct ms_train_run *r, struct ms_err *err);
/** Do history and loads begin as they did when the checkpoint was written? Counts their hashes on
 *  from there; NULL: from nothing. @return MS_OK; MS_INVALID: the log that does not; MS_IO; MS_NOMEM */
enum ms_status ms_train_log_check(struct ms_train_run *r, const struct ms_manifest *m,
                                  struct ms_err *err);
/** Open history and loads, cut to the state's lengths. */
enum ms_status ms_train_log_open(struct ms_train_run *r, struct ms_err *err);
/** Lines of the step just done. */
enum ms_status ms_train_log_step(struct ms_train_run *r, bool evaluated, struct ms_err *err);
/** Everything on disk; lengths into the state. */
enum ms_status ms_train_log_sync(struct ms_train_run *r, struct ms_err *err);
void ms_train_log_close(struct ms_train_run *r);

/* train_state.c */
/** Hash of parameters and data: a checkpoint of another run is not taken for this one's. */
enum ms_status ms_train_identity(struct ms_train_run *r, struct ms_err *err);
/** Load weights, optimiser and state from DIR/checkpoint, once all of it, and the logs up to it, are
 *  known to be what was written. @param found false: there is none, or options force a new start */
enum ms_status ms_train_state_load(struct ms_train_run *r, bool *found, struct ms_err *err);
/** Replace DIR/checkpoint as one: a reader sees the old or the new folder, whole. */
enum ms_status ms_train_state_save(struct ms_train_run *r, struct ms_err *err);

/** Seconds of the monotonic clock. */
double ms_train_clock(void);

#endif
