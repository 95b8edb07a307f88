/* Log-normal weights: what measured loads of ranks fit best; the skew is one number, the standard
 * deviation of ln weight. */
#include "routing/law.h"

struct lognormal {
    double sigma;
};

/* clang-format off */
static const struct ms_field fields[] = {
    {.key = "sigma", MS_AT(struct lognormal, sigma),
     MS_NUMBER(0, 20), .fallback = "1",
     .help = "standard deviation of ln weight; 0 = uniform"},
    {0},
};
/* clang-format on */

static enum ms_status draw(const void *params, int n_experts, int top_k, struct ms_rng *rng,
                           double *w, struct ms_err *err)
{
    const struct lognormal *p = params;
    for (int e = 0; e < n_experts; e++)
        w[e] = exp(p->sigma * ms_rng_normal(rng));
    return MS_OK;
}

const struct ms_law ms_law_lognormal = {
    .name = "lognormal",
    .help = "weights exp(sigma x normal): what measured per-rank loads fit best",
    .fields = fields,
    .params_size = sizeof(struct lognormal),
    .draw = draw,
};
