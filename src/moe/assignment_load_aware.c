/* Token assignment `load_aware`: halved logits less the load's distance from its mean decide;
 * busy experts lose tokens in proportion to their load. */
#include "moe/assignment.h"

static void choose(const struct ms_route_problem *p, struct ms_router_work *w, struct ms_routes *r)
{
    double mean = ms_assign_load(p, r, w->sums);
    for (int e = 0; e < p->E; e++)
        w->sums[e] = (w->sums[e] - mean) / (mean + 1e-10);
    for (size_t i = 0, n = (size_t)p->T * (size_t)p->E; i < n; i++)
        w->choice[i] = (float)(p->logits[i] / 2 - w->sums[i % (size_t)p->E]);
    ms_router_choose_top_k(p, w);
}

const struct ms_router ms_assignment_load_aware = {
    .name = "load_aware",
    .help = "top-k of half the logits less each expert's relative excess load in the batch",
    .weights = MS_WEIGHTS_OWN,
    .causal = false,
    .choose = choose,
};
