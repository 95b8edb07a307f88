/* Device-limited routing. DeepSeek-V2 (arXiv 2405.04434, section 2.2.2): groups ranked by their
 * best softmax score, plain softmax weights. DeepSeek-V3: by the sum of their two best sigmoid +
 * bias, renormalised weights. The frame masks the groups; group_score says which of the two. */
#include "moe/router.h"

static void choose(const struct ms_route_problem *p, struct ms_router_work *w, struct ms_routes *r)
{
    ms_router_choose_top_k(p, w);
}

static const char *const group_scores[] = {"max", "top2_sum", NULL};
static const struct ms_field fields[] = {
    {.key = "groups",
     .type = MS_FIELD_INT,
     .offset = offsetof(struct ms_router_params, groups),
     .min = 1,
     .max = 4096,
     .fallback = "4",
     .help = "equal ranges of experts"},
    {.key = "group_limit",
     .type = MS_FIELD_INT,
     .offset = offsetof(struct ms_router_params, group_limit),
     .min = 1,
     .max = 4096,
     .fallback = "2",
     .help = "groups a token may use"},
    {.key = "group_score",
     .type = MS_FIELD_ENUM,
     .offset = offsetof(struct ms_router_params, group_score),
     .names = group_scores,
     .fallback = "max",
     .help =
         "max: DeepSeek-V2 on softmax scores; top2_sum: DeepSeek-V3 on sigmoid scores plus bias"},
    {0},
};

const struct ms_router ms_router_group_limited = {
    .name = "group_limited",
    .help = "DeepSeek-V2 and V3: top-k within the best group_limit groups of experts",
    .fields = fields,
    .score = MS_SCORE_SOFTMAX,
    .weights = MS_WEIGHTS_UNNORMALISED,
    .causal = true,
    .uses_bias = true,
    .choose = choose,
};
