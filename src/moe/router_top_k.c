/* The k best scores; weights as the model's family has them: Mixtral (arXiv 2401.04088) and
 * Qwen3-MoE divide by their sum, OLMoE (arXiv 2409.02060) does not. */
#include "moe/router.h"

static void choose(const struct ms_route_problem *p, struct ms_router_work *w, struct ms_routes *r)
{
    ms_router_choose_top_k(p, w);
}

const struct ms_router ms_router_top_k = {
    .name = "top_k",
    .help = "the k largest softmax probabilities",
    .score = MS_SCORE_SOFTMAX,
    .weights = MS_WEIGHTS_OWN,
    .causal = true,
    .choose = choose,
};
