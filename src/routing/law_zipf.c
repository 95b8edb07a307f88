/* Weights 1 / i^exponent of popularity rank i: one very hot expert and a long tail, as words have in
 * text. */
#include "routing/law.h"

struct zipf {
    double exponent;
};

/* clang-format off */
static const struct ms_field fields[] = {
    {.key = "exponent", MS_AT(struct zipf, exponent),
     MS_NUMBER(0, 20), .fallback = "1",
     .help = "power of the rank; 0 = uniform"},
    {0},
};
/* clang-format on */

static enum ms_status draw(const void *params, int n_experts, int top_k, struct ms_rng *rng,
                           double *w, struct ms_err *err)
{
    const struct zipf *p = params;
    for (int e = 0; e < n_experts; e++)
        w[e] = pow(e + 1, -p->exponent);
    return MS_OK;
}

const struct ms_law ms_law_zipf = {
    .name = "zipf",
    .help = "expert of popularity rank i has weight 1 / i^exponent",
    .fields = fields,
    .params_size = sizeof(struct zipf),
    .draw = draw,
};
