/** @file sample.h  Which experts each token chooses.
 *
 *  The definition (ms_select_top): every (token, expert) pair has a score; the groups with the best
 *  group score are kept (group_limit of them; group score = best score, or the sum of the two
 *  best), then the best top_k experts within them. Laws: score = ln weight + standard Gumbel noise.
 *  ms_sampler draws from exactly that distribution without scoring every expert (sample_weight.c,
 *  sample_top2.c). Inclusion frequencies: expert e is chosen with probability pi_e = top_k * f_e
 *  exactly (sample_pi.c). What is drawn depends on the stream and the token's number alone. */
#ifndef MS_ROUTING_SAMPLE_H
#define MS_ROUTING_SAMPLE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/rng.h"
#include "routing/routing.h"

/** Is it a shape that can be drawn from? Error keys are those of the section model. */
enum ms_status ms_shape_check(const struct ms_model_shape *m, struct ms_err *err);

/** The definition: top_k experts of one token by scores [experts], best first.
 *  @param chosen [top_k] */
void ms_select_top(const struct ms_model_shape *m, const double *score, uint16_t *chosen);
/** The plain way: draw every score. weight [experts] > 0.
 *  @param score [experts] scratch, left with the last token's */
void ms_sample_plain(const struct ms_model_shape *m, const double *weight, struct ms_rng *rng,
                     int n_tokens, uint16_t *chosen, double *score);

/** Tables and scratch for one popularity at a time; one a thread. */
struct ms_sampler;
/** NULL: out of memory. m must have passed ms_shape_check and is borrowed. */
struct ms_sampler *ms_sampler_create(const struct ms_model_shape *m);
void ms_sampler_destroy(struct ms_sampler *s);

/** Popularity to draw from next: f [experts] of sum 1. inclusion: top_k * f_e at most 1 + 1e-9, and
 *  under a group limit no expert above its group's share (MS_INVALID, one sentence, without a
 *  place). */
enum ms_status ms_sampler_set(struct ms_sampler *s, const double *f, bool inclusion,
                              struct ms_err *err);
/** Start the tokens of one stream. */
void ms_sampler_begin(struct ms_sampler *s, struct ms_rng stream);
/** The next n tokens of the stream; n a multiple of MS_SAMPLE_BLOCK except the last time, so that
 *  the tokens do not depend on n.
 *  @param chosen [n][top_k] distinct experts (laws: best first)
 *  @param prob [n][top_k] router probability of each (softmax over the chosen), or NULL */
void ms_sampler_draw(struct ms_sampler *s, int n, uint16_t *chosen, float *prob);

enum { MS_SAMPLE_BLOCK = 256 };

#endif
