/* The auxiliary loss of GShard and the Switch Transformer (arXiv 2101.03961, eq. 4) for k choices:
 * E * sum f_e P_e with f a share of all k*T choices, so that balance gives 1. Over each
 * micro-batch, as data-parallel training does. */
#include "moe/loss_each.h"

static double value(struct ms_loss_state *s, double weight)
{
    int parts = s->problem->micro_batches;
    return ms_loss_switch_parts(s, weight, parts > 1 ? parts : 1);
}

const struct ms_loss ms_loss_switch = {
    .name = "switch",
    .help = "E * sum f_e P_e of each micro-batch (Switch Transformer's auxiliary loss, LBL)",
    .usual_weight = 0.01,
    .value = value,
};
