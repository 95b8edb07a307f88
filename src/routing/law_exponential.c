/* Weights X^(1 + 2 level), X exponential of mean 1: the imbalance level of the course project that
 * this program grew from. */
#include <math.h>

#include "routing/law.h"

static enum ms_status draw(const double *param, int n_experts, int top_k, struct ms_rng *rng,
                           double *w, struct ms_err *err)
{
    for (int e = 0; e < n_experts; e++)
        w[e] = pow(ms_rng_exponential(rng), 1 + 2 * param[0]);
    return MS_OK;
}

static const struct ms_field fields[] = {
    {"level", MS_FIELD_NUMBER, 0, MS_UNIT_NONE, 0, 10, "0.5", NULL,
     "imbalance level, 0..1 in the course project this grew from", false},
    {.key = NULL},
};

const struct ms_law ms_law_exponential = {
    .name = "exponential",
    .help = "weights X^(1 + 2 level), X exponential of mean 1",
    .fields = fields,
    .draw = draw,
};
