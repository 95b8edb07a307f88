/* Every expert equally likely: what balanced routing means, and what every skewed law is compared
 * with. */
#include "routing/law.h"

static enum ms_status draw(const double *param, int n_experts, int top_k, struct ms_rng *rng,
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
