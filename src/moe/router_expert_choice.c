/* Expert choice (Zhou et al., arXiv 2202.09368): every expert takes its C =
 * ceil(capacity_factor*K*T/E) best tokens by softmax score, which is also the weight. A token may
 * get any number of experts, none included. It looks at the whole batch, future tokens too. As a
 * token assignment (evaluation) weights are the model's own. */
#include "moe/router.h"

static void choose(const struct ms_route_problem *p, struct ms_router_work *w, struct ms_routes *r)
{
    double factor = p->params.capacity_factor > 0 ? p->params.capacity_factor : 1;
    int C = ms_router_capacity(factor, p->T, p->E, p->K), n = 0;
    for (int e = 0; e < p->E; e++) {
        int32_t *tokens = w->order;
        for (int t = 0; t < p->T; t++)
            tokens[t] = t;
        ms_router_select_best(tokens, p->T, C, w->choice + e, (size_t)p->E);
        for (int i = 0; i < C; i++)
            w->dropped[tokens[i]] = 1;
        for (int t = 0; t < p->T; t++) {
            if (w->dropped[t]) {
                w->pair_expert[n] = e;
                w->pair_token[n++] = t;
            }
            w->dropped[t] = 0;
        }
    }
    w->n_pairs = n;
}

const struct ms_router ms_router_expert_choice = {
    .name = "expert_choice",
    .help = "each expert takes its best ceil(capacity_factor*k*T/E) tokens; sees the whole batch",
    .score = MS_SCORE_SOFTMAX,
    .weights = MS_WEIGHTS_UNNORMALISED,
    .causal = false,
    .expert_choice = true,
    .choose = choose,
};

const struct ms_router ms_assignment_expert_choice = {
    .name = "expert_choice",
    .help = "each expert takes its best ceil(capacity_factor*k*T/E) tokens; sees the whole batch",
    .score = MS_SCORE_SOFTMAX,
    .weights = MS_WEIGHTS_OWN,
    .causal = false,
    .expert_choice = true,
    .choose = choose,
};
