/* Weights exp(sigma x normal): what measured loads of ranks fit best (DeepSeek-R1 at EP32: sigma
 * 1.13). */
#include <math.h>

#include "routing/law.h"

static enum ms_status draw(const double *param, int n_experts, int top_k, struct ms_rng *rng,
                           double *w, struct ms_err *err)
{
    for (int e = 0; e < n_experts; e++)
        w[e] = exp(param[0] * ms_rng_normal(rng));
    return MS_OK;
}

static const struct ms_field fields[] = {
    {"sigma", MS_FIELD_NUMBER, 0, MS_UNIT_NONE, 0, 20, "1", NULL,
     "standard deviation of ln weight; 0 = uniform", false},
    {.key = NULL},
};

const struct ms_law ms_law_lognormal = {
    .name = "lognormal",
    .help = "weights exp(sigma x normal): what measured per-rank loads fit best",
    .fields = fields,
    .draw = draw,
};
