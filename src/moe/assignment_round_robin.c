/* Token assignment `round_robin`: token t takes the k experts that follow those of token t-1;
 * what the router says is ignored. */
#include "moe/router.h"

static void choose(const struct ms_route_problem *p, struct ms_router_work *w, struct ms_routes *r)
{
    for (int t = 0; t < p->T; t++) {
        for (int j = 0; j < p->K; j++) {
            uint64_t counter = (p->first_token + (uint64_t)t) * (uint64_t)p->K + (uint64_t)j;
            w->pair_token[t * p->K + j] = t;
            w->pair_expert[t * p->K + j] = (int32_t)(counter % (uint64_t)p->E);
        }
    }
    w->n_pairs = p->T * p->K;
}

const struct ms_router ms_assignment_round_robin = {
    .name = "round_robin",
    .help = "experts in turn, whatever the logits say",
    .weights = MS_WEIGHTS_OWN,
    .causal = true,
    .choose = choose,
};
