/** @file loss_values.h  What every balancing loss says of the routings that a model makes over a
 *  text.
 *
 *  A loss is a function of one batch, so its value here is that of batches of B windows, as training
 *  with such batches would have seen it, and the mean over them by tokens. Unweighted; in the order
 *  of ms_losses. */
#ifndef MS_MOE_LOSS_VALUES_H
#define MS_MOE_LOSS_VALUES_H

#include "moe/loss.h"
#include "moe/perplexity.h"

/** Zero-initialise; give value and batch memory for one number a loss. */
struct ms_loss_values {
    enum ms_score score; /**< of the model's router */
    double *value;       /**< [ms_loss_count()], the means once the run is over */
    double *batch;       /**< [ms_loss_count()], scratch */
    double tokens;
};

/** How many losses there are. */
int ms_loss_count(void);
/** For ms_perplexity.batch, with a struct ms_loss_values as its ctx: takes the losses of each batch
 *  that goes through. @return MS_OK; MS_NOMEM */
enum ms_status ms_loss_values_batch(void *values, struct ms_model *m,
                                    const struct ms_model_input *in, struct ms_err *err);
/** The same for routers without preference: every probability 1/E, every expert chosen equally
 *  often.
 *  @return MS_OK; MS_NOMEM */
enum ms_status ms_loss_values_balanced(int E, int K, double *value, struct ms_err *err);

#endif
