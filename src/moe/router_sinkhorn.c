/* S-BASE (arXiv 2202.01169) as Megatron-LM's sinkhorn() does it: the choice is the top-k of the
 * doubly normalised d1 * exp(z) * d0; weights are the softmax (k = 1: the sigmoid) of the plain
 * logits. In evaluation plain top-k. */
#include "moe/router.h"

#include <math.h>

enum { ITERATIONS_MAX = 10000 };
static const double tolerance = 1e-4, eps = 1e-8;

static void exponentials(const struct ms_route_problem *p, float *cost)
{
    for (int t = 0; t < p->T; t++) {
        const float *z = p->logits + (size_t)t * (size_t)p->E;
        float top = z[0]; /* a row's factor is taken up by d0: no overflow, the same answer */
        for (int e = 1; e < p->E; e++)
            top = z[e] > top ? z[e] : top;
        for (int e = 0; e < p->E; e++)
            cost[(size_t)t * (size_t)p->E + (size_t)e] = expf(z[e] - top);
    }
}

/* One round over the rows in d1, next: column sums for the new d1. */
static void normalise_rows(const struct ms_route_problem *p, const float *cost, const double *d1,
                           double *next)
{
    for (int e = 0; e < p->E; e++)
        next[e] = 0;
    for (int t = 0; t < p->T; t++) {
        const float *row = cost + (size_t)t * (size_t)p->E;
        double sum = 0;
        for (int e = 0; e < p->E; e++)
            sum += d1[e] * row[e];
        double d0 = 1 / (p->T * (sum + eps));
        for (int e = 0; e < p->E; e++)
            next[e] += d0 * row[e];
    }
}

static void choose(const struct ms_route_problem *p, struct ms_router_work *w, struct ms_routes *r)
{
    if (p->train) {
        double *d1 = w->sums, *next = w->sums + p->E;
        exponentials(p, w->wide);
        for (int e = 0; e < p->E; e++)
            d1[e] = 1;
        double error = 1;
        for (int i = 0; i < ITERATIONS_MAX && error > tolerance; i++) {
            normalise_rows(p, w->wide, d1, next);
            error = 0;
            for (int e = 0; e < p->E; e++) {
                double d = 1 / (p->E * (next[e] + eps));
                error += fabs(d - d1[e]) / p->E;
                d1[e] = d;
            }
        }
        for (size_t i = 0, n = (size_t)p->T * (size_t)p->E; i < n; i++)
            w->choice[i] =
                (float)(d1[i % (size_t)p->E] * w->wide[i]); /* d0 does not change a row's order */
    }
    ms_router_choose_top_k(p, w);
}

const struct ms_router ms_router_sinkhorn = {
    .name = "sinkhorn",
    .help = "Megatron's S-BASE: top-k after Sinkhorn normalisation over the batch; plain top-k in "
            "evaluation",
    .score = MS_SCORE_SOFTMAX,
    .weights = MS_WEIGHTS_UNNORMALISED,
    .causal = true,
    .choose = choose,
};
