/* Weights X^(1 + 2 level) of exponential X: the imbalance levels of the course project that this
 * program grew from. */
#include "routing/law.h"

struct exponential {
    double level;
};

/* clang-format off */
static const struct ms_field fields[] = {
    {.key = "level", MS_AT(struct exponential, level),
     MS_NUMBER(0, 10), .fallback = "0.5",
     .help = "imbalance level, 0..1 in the course project this grew from"},
    {0},
};
/* clang-format on */

static enum ms_status draw(const void *params, int n_experts, int top_k, struct ms_rng *rng,
                           double *w, struct ms_err *err)
{
    const struct exponential *p = params;
    for (int e = 0; e < n_experts; e++)
        w[e] = pow(ms_rng_exponential(rng), 1 + 2 * p->level);
    return MS_OK;
}

const struct ms_law ms_law_exponential = {
    .name = "exponential",
    .help = "weights X^(1 + 2 level), X exponential of mean 1",
    .fields = fields,
    .params_size = sizeof(struct exponential),
    .draw = draw,
};
