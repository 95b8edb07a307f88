/* Weights from a symmetric Dirichlet: Gamma(alpha) draws, normalised. Small shapes underflow, so
 * the logarithm is drawn: Gamma(a) = Gamma(a+1) x U^(1/a). */
#include <math.h>

#include "routing/law.h"

static enum ms_status draw(const double *param, int n_experts, int top_k, struct ms_rng *rng,
                           double *w, struct ms_err *err)
{
    double top = -INFINITY;
    for (int e = 0; e < n_experts; e++) {
        w[e] = log(ms_rng_gamma(rng, param[0] + 1)) + log(ms_rng_unit(rng)) / param[0];
        top = fmax(top, w[e]);
    }
    for (int e = 0; e < n_experts; e++)
        w[e] = exp(w[e] - top);
    return MS_OK;
}

static const struct ms_field fields[] = {
    {"alpha", MS_FIELD_NUMBER, 0, MS_UNIT_NONE, 0.001, 1e9, "1", NULL,
     "concentration; small = skewed", false},
    {.key = NULL},
};

const struct ms_law ms_law_dirichlet = {
    .name = "dirichlet",
    .help = "weights from a symmetric Dirichlet",
    .fields = fields,
    .draw = draw,
};
