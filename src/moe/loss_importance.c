/* Importance (Shazeer et al., arXiv 1701.06538, eq. 6-7): squared coefficient of variation of each
 * expert's probabilities summed over the batch, here of the clean softmax over all experts, as
 * V-MoE (arXiv 2106.05974) takes it. */
#include "moe/loss_each.h"

static double importance(const double *P, int n, double *gradient, double *scratch)
{
    return ms_loss_cv_squared_of(P, n,
                                 gradient); /* the sum over T tokens has the CV of their mean */
}

static double value(struct ms_loss_state *s, double weight)
{
    return ms_loss_each_layer(s, weight, importance);
}

const struct ms_loss ms_loss_importance = {
    .name = "importance",
    .help = "Shazeer 2017: squared CV of the experts' summed probabilities",
    .usual_weight = 0.1,
    .value = value,
};
