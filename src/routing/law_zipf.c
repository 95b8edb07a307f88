/* Weight 1 / i^exponent for the expert of popularity rank i: a heavy head, the rank-size law of
 * words. */
#include <math.h>

#include "routing/law.h"

static enum ms_status draw(const double *param, int n_experts, int top_k, struct ms_rng *rng,
                           double *w, struct ms_err *err)
{
    for (int e = 0; e < n_experts; e++)
        w[e] = pow(e + 1, -param[0]);
    return MS_OK;
}

static const struct ms_field fields[] = {
    {"exponent", MS_FIELD_NUMBER, 0, MS_UNIT_NONE, 0, 20, "1", NULL,
     "power of the rank; 0 = uniform", false},
    {.key = NULL},
};

const struct ms_law ms_law_zipf = {
    .name = "zipf",
    .help = "expert of popularity rank i has weight 1 / i^exponent",
    .fields = fields,
    .draw = draw,
};
