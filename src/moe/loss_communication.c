/* DeepSeek-V2's communication balance loss (arXiv 2405.04434, eq. 29-31): sum over devices (groups)
 * of f''_i P''_i, f'' = D/(M T) times the tokens sent to device i, M the devices a token may reach,
 * P'' the sum of the group's P_j. */
#include "moe/loss.h"

/* Tokens of a layer with at least one expert in each device. */
static void count_sent(const struct ms_routes *r, int size, double *sent, int D)
{
    for (int d = 0; d < D; d++)
        sent[d] = 0;
    for (int t = 0; t < r->T; t++) {
        for (int i = r->token_start[t]; i < r->token_start[t + 1]; i++) {
            int device = r->expert[r->token_pair[i]] / size, seen = 0;
            for (int j = r->token_start[t]; j < i; j++)
                seen |= r->expert[r->token_pair[j]] / size == device;
            sent[device] += !seen;
        }
    }
}

static double value(struct ms_loss_state *s, double weight)
{
    const struct ms_loss_problem *p = s->problem;
    int D = p->groups > 1 ? p->groups : 1, size = p->E / D, most = D < p->K ? D : p->K;
    int M = p->group_limit > 0 && p->group_limit < most ? p->group_limit : most;
    double sum = 0, *sent = s->scratch;
    for (int l = 0; l < p->L; l++) {
        count_sent(&p->routes[l], size, sent, D);
        for (int d = 0; d < D; d++) {
            double f = D * sent[d] / ((double)M * p->T);
            for (int e = d * size; e < (d + 1) * size; e++) {
                size_t at = (size_t)l * (size_t)p->E + (size_t)e;
                sum += f * s->mean[at];
                s->dmean[at] += weight * f / p->L;
            }
        }
    }
    return sum / p->L;
}

const struct ms_loss ms_loss_communication = {
    .name = "communication",
    .help =
        "DeepSeek-V2's communication balance loss: tokens received by each of the router's groups",
    .usual_weight = 0.02,
    .value = value,
};
