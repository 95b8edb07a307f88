/* The same over the whole batch (arXiv 2501.11873): f is the share in all micro-batches
 * together. */
#include "moe/loss_each.h"

static double value(struct ms_loss_state *s, double weight)
{
    return ms_loss_switch_parts(s, weight, 1);
}

const struct ms_loss ms_loss_global_batch = {
    .name = "global_batch",
    .help = "E * sum f_e P_e with f over the whole batch",
    .usual_weight = 0.01,
    .value = value,
};
