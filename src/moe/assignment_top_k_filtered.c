/* Token assignment `top_k_filtered`: the model's own choice among the experts that are not
 * excluded, which is what a lost or switched-off expert costs. */
#include "moe/router.h"

#include <math.h>

static void choose(const struct ms_route_problem *p, struct ms_router_work *w, struct ms_routes *r)
{
    for (size_t i = 0, n = (size_t)p->T * (size_t)p->E; i < n; i++)
        w->choice[i] =
            p->params.excluded && p->params.excluded[i % (size_t)p->E] ? -INFINITY : p->logits[i];
    ms_router_choose_top_k(p, w);
}

const struct ms_router ms_assignment_top_k_filtered = {
    .name = "top_k_filtered",
    .help = "top-k without the excluded experts",
    .weights = MS_WEIGHTS_OWN,
    .causal = true,
    .choose = choose,
};
