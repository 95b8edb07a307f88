/* A few hot experts share a given part of the weight equally, all others the rest: the plainest
 * skew there is. */
#include "routing/law.h"

struct hotspot {
    int experts;
    double share;
};

/* clang-format off */
static const struct ms_field fields[] = {
    {.key = "experts", MS_AT(struct hotspot, experts),
     MS_INT32(1, 1e6), .fallback = "1",
     .help = "number of hot experts"},
    {.key = "share", MS_AT(struct hotspot, share),
     MS_NUMBER(0, 1), .fallback = "0.5",
     .help = "their part of the total weight"},
    {0},
};
/* clang-format on */

static enum ms_status draw(const void *params, int n_experts, int top_k, struct ms_rng *rng,
                           double *w, struct ms_err *err)
{
    const struct hotspot *p = params;
    if (p->experts >= n_experts)
        return ms_err_at(err, MS_INVALID, NULL, 0, 0, "routing.popularity.experts",
                         "%d hot experts, but the model has %d in all", p->experts, n_experts);
    for (int e = 0; e < n_experts; e++)
        w[e] = e < p->experts ? p->share / p->experts : (1 - p->share) / (n_experts - p->experts);
    return MS_OK;
}

const struct ms_law ms_law_hotspot = {
    .name = "hotspot",
    .help = "a few hot experts share a part of the weight, the others the rest",
    .fields = fields,
    .params_size = sizeof(struct hotspot),
    .draw = draw,
};
