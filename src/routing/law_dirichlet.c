/* Weights from a symmetric Dirichlet: how skewed is one number, the concentration. Gamma(alpha)
 * draws, normalised by the frame. */
#include "routing/law.h"

struct dirichlet {
    double alpha;
};

/* clang-format off */
static const struct ms_field fields[] = {
    {.key = "alpha", MS_AT(struct dirichlet, alpha),
     MS_NUMBER(0.001, 1e9), .fallback = "1",
     .help = "concentration; small = skewed"},
    {0},
};
/* clang-format on */

static enum ms_status draw(const void *params, int n_experts, int top_k, struct ms_rng *rng,
                           double *w, struct ms_err *err)
{
    const struct dirichlet *p = params;
    double top = -INFINITY;
    for (int e = 0; e < n_experts; e++) {
        /* Small shapes underflow, so the logarithm is drawn: Gamma(a) = Gamma(a+1) x U^(1/a). */
        w[e] = log(ms_rng_gamma(rng, p->alpha + 1)) + log(ms_rng_unit(rng)) / p->alpha;
        top = fmax(top, w[e]);
    }
    for (int e = 0; e < n_experts; e++)
        w[e] = exp(w[e] - top);
    return MS_OK;
}

const struct ms_law ms_law_dirichlet = {
    .name = "dirichlet",
    .help = "weights from a symmetric Dirichlet",
    .fields = fields,
    .params_size = sizeof(struct dirichlet),
    .draw = draw,
};
