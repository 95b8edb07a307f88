/** @file compute.h  How long a rank's experts take (MODEL.md, "Computing"). Seconds, tokens,
 *  flop/s, bytes/s.
 *
 *  An expert is a SwiGLU FFN in bf16: 6 hidden x intermediate flops a token, 3 hidden x
 *  intermediate weights of 2 bytes read once if it has any token. The experts of a rank run one
 *  after another (or as one grouped kernel, which takes as long). Shared experts run on the
 *  rank's own tokens. */
#ifndef MS_SIM_COMPUTE_H
#define MS_SIM_COMPUTE_H

#include "routing/traffic.h"
#include "sim/sim.h"

/** Is there such a profile (or a roofline)? */
bool ms_compute_known(const struct ms_compute_params *p);
/** Expert phase of a rank: `share` of its tokens (0.5: a half-batch). 0 for profile none and for
 *  matrices. */
double ms_compute_experts_s(const struct ms_compute_params *p, const struct ms_model_shape *m,
                            const struct ms_traffic *t, int rank, double share);
/** Attention and what else is dense in a layer, of `share` of a rank's own tokens: the time given, or
 *  the attention table's. */
double ms_compute_dense_s(const struct ms_compute_params *p, const struct ms_model_shape *m,
                          const struct ms_workload *w, const struct ms_traffic *t, int rank,
                          double share);
/** What a step spends outside its MoE layers: the time given, or that of the model's dense layers
 *  (attention and a FFN of their width) and of its head. Where only `n_layers` of the model's MoE
 *  layers are simulated, as much of it as of them. */
double ms_compute_outside_s(const struct ms_compute_params *p, const struct ms_model_shape *m,
                            const struct ms_workload *w, const struct ms_traffic *t, int rank,
                            int n_layers, double share);
/** Tokens that a rank has itself: what it sent out, with the dropped ones put back on average. */
double ms_compute_own_tokens(const struct ms_traffic *t, int top_k, int rank);
/** How much longer computing takes while communication kernels hold so many SMs. 1 where the GPU's
 *  SMs are not known (no measured table). */
double ms_compute_sharing(const struct ms_compute_params *p, int sms_taken);
/** n experts of one shape on one rank, with tokens[n] each; those without tokens cost nothing. */
double ms_compute_ffns_s(const struct ms_compute_params *p, int hidden, int intermediate,
                         const double *tokens, int n);

#endif
