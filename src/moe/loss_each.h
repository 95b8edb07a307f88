/** @file loss_each.h  What losses that look at one layer's mean probabilities alone share. */
#ifndef MS_MOE_LOSS_EACH_H
#define MS_MOE_LOSS_EACH_H

#include "moe/loss.h"

/** Average over layers of value(P [n], n, gradient [n] to fill, scratch [3n]); the gradient goes to
 *  s->dmean. */
double ms_loss_each_layer(struct ms_loss_state *s, double weight,
                          double (*value)(const double *P, int n, double *gradient,
                                          double *scratch));
/** E * sum_e f_e P_e over `parts` equal parts of the batch, averaged over parts and layers, or as
 *  Hugging Face normalises it; the gradient goes to s->dP. Balanced = 1 (hf: K). */
double ms_loss_switch_parts(struct ms_loss_state *s, double weight, int parts);
/** Squared population coefficient of variation of v [n], and its gradient. 0 where the sum is 0. */
double ms_loss_cv_squared_of(const double *v, int n, double *gradient);

#endif
