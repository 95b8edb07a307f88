/* DeepSeek-V3 (arXiv 2412.19437, eq. 12-16): s = sigmoid(z); the k best of s + b are chosen,
 * weighted with s over the sum of the chosen s. b moves by the loss-free update
 * (ms_router_bias_update) and has no gradient. */
#include "moe/router.h"

static void choose(const struct ms_route_problem *p, struct ms_router_work *w, struct ms_routes *r)
{
    ms_router_choose_top_k(p, w);
}

const struct ms_router ms_router_sigmoid_bias = {
    .name = "sigmoid_bias",
    .help =
        "DeepSeek-V3: top-k of sigmoid scores plus a bias that balances the load without a loss",
    .score = MS_SCORE_SIGMOID,
    .weights = MS_WEIGHTS_RENORMALISED,
    .causal = true,
    .uses_bias = true,
    .choose = choose,
};
