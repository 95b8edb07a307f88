/* Noisy top-k (Shazeer et al., arXiv 1701.06538, eq. 3-5): H = z + normal * std, the k best of H,
 * weights the softmax over them. std = softplus(noise logits) where the model has the learned noise
 * gate, else noise_std; its default 1/E is V-MoE's (arXiv 2106.05974). Noise acts in training
 * only. */
#include "moe/router.h"

#include <math.h>

#include "base/rng.h"

static void perturb(const struct ms_route_problem *p, struct ms_routes *r, int first, int last)
{
    float fixed = (float)(p->params.noise_std > 0 ? p->params.noise_std : 1.0 / p->E);
    for (int t = first; t < last; t++) {
        struct ms_rng rng;
        ms_rng_init(&rng, p->seed, "noise", p->step, (uint64_t)p->layer,
                    p->first_token + (uint64_t)t);
        for (int e = 0; e < p->E; e++) {
            size_t i = (size_t)t * (size_t)p->E + (size_t)e;
            float n = p->noise_logits ? p->noise_logits[i] : 0;
            r->noise_std[i] = p->noise_logits ? (n > 20 ? n : log1pf(expf(n))) : fixed;
            r->noisy[i] = p->logits[i] + r->noise_std[i] * (float)ms_rng_normal(&rng);
        }
    }
}

static void choose(const struct ms_route_problem *p, struct ms_router_work *w, struct ms_routes *r)
{
    ms_router_choose_top_k(p, w);
}

static const struct ms_field fields[] = {
    {.key = "noise_std",
     .type = MS_FIELD_NUMBER,
     .offset = offsetof(struct ms_router_params, noise_std),
     .min = 0,
     .max = 1e3,
     .fallback = "0",
     .help = "deviation of the noise on the logits; 0 = 1/experts"},
    {0},
};

const struct ms_router ms_router_noisy_top_k = {
    .name = "noisy_top_k",
    .help = "Shazeer 2017: top-k of logits with normal noise, weights the softmax over the k",
    .fields = fields,
    .score = MS_SCORE_SOFTMAX,
    .weights = MS_WEIGHTS_RENORMALISED,
    .causal = true,
    .noise_gate = true,
    .perturb = perturb,
    .choose = choose,
};
