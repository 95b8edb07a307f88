/* The first K of a seeded random permutation of the experts, drawn for every token and layer
 * (Floyd's sampling: the same distribution of sets without making the permutation). */
#include "moe/router.h"

#include "base/rng.h"

static void choose(const struct ms_route_problem *p, struct ms_router_work *w, struct ms_routes *r)
{
    for (int t = 0; t < p->T; t++) {
        struct ms_rng rng;
        ms_rng_init(&rng, p->seed, "assign", (uint64_t)p->layer, p->first_token + (uint64_t)t, 0);
        int32_t *chosen = w->pair_expert + (size_t)t * (size_t)p->K;
        for (int j = 0; j < p->K; j++) {
            int last = p->E - p->K + j;
            int32_t e = (int32_t)ms_rng_below(&rng, (uint32_t)last + 1);
            for (int i = 0; i < j; i++)
                if (chosen[i] == e)
                    e = last;
            chosen[j] = e;
            w->pair_token[t * p->K + j] = t;
        }
    }
    w->n_pairs = p->T * p->K;
}

const struct ms_router ms_assignment_random = {
    .name = "random",
    .help = "k experts drawn at random for each token and layer, seeded",
    .weights = MS_WEIGHTS_OWN,
    .causal = true,
    .choose = choose,
};
