/** @file attention.h  How long the attention block of a layer takes (MODEL.md, "Computing").
 *
 *  Norm, projections, attention and residual in bf16 on one H100: measured points where there are
 *  some of the model's shape, a roofline between, beyond and for other shapes. Seconds. */
#ifndef MS_SIM_ATTENTION_H
#define MS_SIM_ATTENTION_H

#include "routing/routing.h"

/** @param decode one token each of `tokens` sequences, with `context` keys behind each; else
 *  `tokens` tokens of sequences of `context` each
 *  @param fp8 the projections take fp8: as much faster as experts of that size
 *  @return 0 for a model whose attention is not known (heads 0) */
double ms_attention_s(const struct ms_model_shape *m, bool decode, bool fp8, double tokens,
                      double context);

#endif
