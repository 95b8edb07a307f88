/* Every expert equally likely: the balanced case, as far as the law goes (tokens still choose at
 * random). */
#include "routing/law.h"

static enum ms_status draw(const void *params, int n_experts, int top_k, struct ms_rng *rng,
                           double *w, struct ms_err *err)
{
    for (int e = 0; e < n_experts; e++)
        w[e] = 1;
    return MS_OK;
}

const struct ms_law ms_law_uniform = {
    .name = "uniform",
    .help = "every expert equally likely",
    .draw = draw,
};
