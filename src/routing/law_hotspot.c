/* A few hot experts share a part of the weight equally, the others share the rest: the simplest
 * skew there is. */
#include "routing/law.h"

/* param: experts, share. */
static enum ms_status draw(const double *param, int n_experts, int top_k, struct ms_rng *rng,
                           double *w, struct ms_err *err)
{
    int hot = (int)param[0];
    if (hot >= n_experts)
        return ms_err_at(err, MS_INVALID, NULL, 0, 0, "routing.popularity.experts",
                         "%d hot experts, but the model has %d in all", hot, n_experts);
    for (int e = 0; e < n_experts; e++)
        w[e] = e < hot ? param[1] / hot : (1 - param[1]) / (n_experts - hot);
    return MS_OK;
}

static const struct ms_field fields[] = {
    {"experts", MS_FIELD_NUMBER, 0, MS_UNIT_NONE, 1, 1e6, "1", NULL, "number of hot experts",
     false},
    {"share", MS_FIELD_NUMBER, sizeof(double), MS_UNIT_NONE, 0, 1, "0.5", NULL,
     "their part of the total weight", false},
    {.key = NULL},
};

const struct ms_law ms_law_hotspot = {
    .name = "hotspot",
    .help = "a few hot experts share a part of the weight, the others the rest",
    .fields = fields,
    .draw = draw,
};
