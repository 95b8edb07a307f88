/* Token assignment `balanced`: the k best logits after each gives way by the logarithm of its
 * expert's load, so that busy experts are chosen less often. */
#include "moe/router.h"

#include "moe/assignment.h"

static void choose(const struct ms_route_problem *p, struct ms_router_work *w, struct ms_routes *r)
{
    double mean = ms_assign_load(p, r, w->sums);
    for (int e = 0; e < p->E; e++)
        w->sums[e] = log(w->sums[e] / (mean + 1e-10) + 1e-10);
    for (size_t i = 0, n = (size_t)p->T * (size_t)p->E; i < n; i++)
        w->choice[i] = (float)(p->logits[i] - w->sums[i % (size_t)p->E]);
    ms_router_choose_top_k(p, w);
}

const struct ms_router ms_assignment_balanced = {
    .name = "balanced",
    .help = "top-k of the logits less the log of each expert's relative load in the batch",
    .weights = MS_WEIGHTS_OWN,
    .causal = false,
    .choose = choose,
};
