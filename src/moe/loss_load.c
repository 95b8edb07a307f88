/* Load (Shazeer et al., arXiv 1701.06538, appendix A, eq. 8-11): squared coefficient of variation
 * of the smooth load sum_t Phi((z_i - threshold_i)/std_i), the chance that expert i is among the k
 * best when only its own noise is drawn anew; threshold_i = the k-th largest noisy logit of the
 * others. Where the router has no noise the logits are taken as they are and std = 1/E (V-MoE). */
#include <math.h>

#include "moe/loss_each.h"

/* The k-th largest of H leaving out i; ties by index. */
static int threshold_of(const float *H, int E, int K, int i, const int *order)
{
    int left = K;
    for (int j = 0; j < E; j++) {
        if (order[j] == i)
            continue;
        if (--left == 0)
            return order[j];
    }
    return -1;
}

/* The K+1 largest first; the others are not needed. */
static void sort_best(const float *H, int E, int K, int *order)
{
    int n = 0;
    for (int e = 0; e < E; e++) {
        if (n == K + 1 && !(H[e] > H[order[K]]))
            continue;
        int at = n < K + 1 ? n++ : K;
        for (; at > 0 && H[e] > H[order[at - 1]]; at--)
            order[at] = order[at - 1];
        order[at] = e;
    }
}

struct layer {
    const struct ms_loss_problem *p;
    const struct ms_routes *r;
    const float *z, *H;
    float *dz, *dn;
    double *load;        /* [E] */
    const double *dload; /* [E] or NULL: sum the load */
};

static void token_load(const struct layer *y, int t, int *order)
{
    int E = y->p->E, K = y->p->K;
    size_t row = (size_t)t * (size_t)E;
    const float *H = y->H + row, *z = y->z + row;
    const float *std = y->r->has_noise ? y->r->noise_std + row : NULL;
    sort_best(H, E, K, order);
    for (int i = 0; i < E; i++) {
        int at = threshold_of(H, E, K < E ? K : E, i, order);
        double deviation = std ? std[i] : 1.0 / E, u = (z[i] - H[at]) / deviation;
        if (!y->dload) {
            y->load[i] += 0.5 * erfc(-u * M_SQRT1_2);
            continue;
        }
        double g = y->dload[i] * exp(-u * u / 2) / sqrt(2 * M_PI) / deviation;
        y->dz[row + (size_t)i] += (float)g;
        y->dz[row + (size_t)at] -= (float)g;
        if (!y->dn || !std)
            continue;
        y->dn[row + (size_t)i] -= (float)(g * u * -expm1(-std[i]));
        y->dn[row + (size_t)at] -= (float)(g * (H[at] - z[at]) / std[at] * -expm1(-std[at]));
    }
}

static double value(struct ms_loss_state *s, double weight)
{
    const struct ms_loss_problem *p = s->problem;
    int E = p->E, *order = (int *)(s->scratch + 2 * E); /* [K + 1] */
    double sum = 0;
    if (p->K >= E)
        return 0; /* every expert is always chosen */
    for (int l = 0; l < p->L; l++) {
        const struct ms_routes *r = &p->routes[l];
        struct layer y = {.p = p, .r = r, .z = p->logits[l], .dz = s->dlogits[l]};
        y.H = r->has_noise ? r->noisy : p->logits[l];
        y.dn = s->dnoise ? s->dnoise[l] : NULL;
        y.load = s->scratch;
        double *gradient = s->scratch + E;
        for (int e = 0; e < E; e++)
            y.load[e] = 0;
        for (int t = 0; t < p->T; t++)
            token_load(&y, t, order);
        sum += ms_loss_cv_squared_of(y.load, E, gradient);
        for (int e = 0; e < E; e++)
            gradient[e] *= weight / p->L;
        y.dload = gradient;
        for (int t = 0; t < p->T; t++)
            token_load(&y, t, order);
    }
    return sum / p->L;
}

const struct ms_loss ms_loss_load = {
    .name = "load",
    .help = "Shazeer 2017: squared CV of the experts' smooth load under the router's noise",
    .usual_weight = 0.1,
    .value = value,
};
