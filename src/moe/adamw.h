/** @file adamw.h  AdamW with decoupled weight decay on every parameter (Loshchilov and Hutter,
 *  2019; PyTorch's update).
 *
 *  Parameters are a list of tensors; work is cut into fixed chunks over the pool and the gradient's
 *  norm is summed chunk by chunk in order, so results are the same for any number of threads.
 *  Learning rate: linear warm-up over `warmup` steps (step s of 0..: lr * (s+1)/warmup), then
 *  constant. */
#ifndef MS_MOE_ADAMW_H
#define MS_MOE_ADAMW_H

#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/field.h"
#include "base/pool.h"

struct ms_adamw_params {
    int name; /**< 0: adamw */
    double lr;
    double betas[2];
    double eps;
    double weight_decay;
    double clip;    /**< the gradient's global norm is cut to it; 0 = no clipping */
    int64_t warmup; /**< steps */
};

/** One tensor to train; both borrowed. */
struct ms_adamw_part {
    const char *name; /**< for messages */
    float *value, *gradient;
    size_t n;
};

struct ms_adamw {
    struct ms_adamw_params params;
    const struct ms_kernels *kernels;
    const struct ms_adamw_part *parts;
    size_t n_parts;
    size_t n_values; /**< of all parts */
    float *m, *v;    /**< [n_values], parts in order: the state a checkpoint keeps, with n_steps */
    int64_t n_steps; /**< done */
    size_t n_chunks;
    struct ms_adamw_chunk *chunks;
    double *sums;                                    /**< [n_chunks] */
    double lr_now, correction1, correction2, factor; /**< of the step under way */
};

/** Fields of `train.optimizer` but betas (offsets in struct ms_adamw_params). */
extern const struct ms_field ms_adamw_fields[];
struct ms_adamw_params ms_adamw_params_default(void);

/** Moments start at zero. parts stay borrowed. Everything else is owned by the arena. */
enum ms_status ms_adamw_init(struct ms_adamw *o, struct ms_arena *a, struct ms_adamw_params params,
                             const struct ms_adamw_part *parts, size_t n_parts, struct ms_err *err);
/** The global 2-norm of all gradients, in double. */
double ms_adamw_norm(struct ms_adamw *o, struct ms_pool *pool);
/** The first part with a value (gradients: of_gradient) that is not finite, or -1. */
long ms_adamw_not_finite(const struct ms_adamw *o, int of_gradient);
/** One update of every value; gradients are scaled by min(1, clip/(norm + 1e-6)) as torch's
 *  clip_grad_norm_ does.
 *  @param norm what ms_adamw_norm gave */
void ms_adamw_step(struct ms_adamw *o, double norm, struct ms_pool *pool);

#endif
