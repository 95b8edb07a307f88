/* The frame of the balancing losses: the tables they look at, and their gradient back to the
 * logits. */
#include "moe/loss.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#define X(n) extern const struct ms_loss ms_loss_##n;
#include "moe/loss_registry.inc"
#undef X

const struct ms_loss *const ms_losses[] = {
#define X(n) &ms_loss_##n,
#include "moe/loss_registry.inc"
#undef X
    NULL,
};

const struct ms_loss *ms_loss_find(const char *name)
{
    for (const struct ms_loss *const *l = ms_losses; *l; l++)
        if (strcmp((*l)->name, name) == 0)
            return *l;
    return NULL;
}

enum ms_status ms_loss_state_init(struct ms_loss_state *s, struct ms_arena *a, int L, int S, int E,
                                  struct ms_err *err)
{
    size_t rows = (size_t)L * (size_t)E, grid = rows * (size_t)S;
    *s = (struct ms_loss_state){0};
    s->P = MS_NEW(a, double, grid);
    s->dP = MS_NEW(a, double, grid);
    s->C = MS_NEW(a, double, grid);
    s->mean = MS_NEW(a, double, rows);
    s->dmean = MS_NEW(a, double, rows);
    s->f = MS_NEW(a, double, rows);
    s->scratch = MS_NEW(a, double, 4 * (size_t)E + 4);
    if (!s->P || !s->dP || !s->C || !s->mean || !s->dmean || !s->f || !s->scratch)
        return ms_err_set(err, MS_NOMEM, "no memory for the losses of %d layers", L);
    return MS_OK;
}

/* item = l*S + s: the means of one sequence in one layer. */
static void mean_item(void *ctx, size_t item, int thread)
{
    struct ms_loss_state *st = ctx;
    const struct ms_loss_problem *p = st->problem;
    int E = p->E, l = (int)item / p->S, s = (int)item % p->S, n = p->T / p->S;
    double *P = st->P + item * (size_t)E;
    const float *prob = p->routes[l].prob + (size_t)s * (size_t)n * (size_t)E;
    memset(P, 0, (size_t)E * sizeof *P);
    for (int t = 0; t < n; t++)
        for (int e = 0; e < E; e++)
            P[e] += prob[(size_t)t * (size_t)E + (size_t)e];
    for (int e = 0; e < E; e++)
        P[e] /= n;
}

static void count_layer(struct ms_loss_state *st, int l)
{
    const struct ms_loss_problem *p = st->problem;
    const struct ms_routes *r = &p->routes[l];
    size_t E = (size_t)p->E, S = (size_t)p->S, n = (size_t)(p->T / p->S);
    double *C = st->C + (size_t)l * S * E;
    memset(C, 0, S * E * sizeof *C);
    for (int i = 0; i < r->n_selected; i++)
        C[(size_t)r->token[i] / n * E + (size_t)r->expert[i]] += 1;
    for (size_t e = 0; e < E; e++) {
        double mean = 0, count = 0;
        for (size_t s = 0; s < S; s++) {
            mean += st->P[((size_t)l * S + s) * E + e];
            count += C[s * E + e];
        }
        st->mean[(size_t)l * E + e] = mean / p->S;
        st->f[(size_t)l * E + e] = count / ((double)p->K * p->T);
    }
}

/* Gradient of the sequence's mean probabilities back through softmax, or through s / sum s of
 * sigmoids. */
static void back_item(void *ctx, size_t item, int thread)
{
    struct ms_loss_state *st = ctx;
    const struct ms_loss_problem *p = st->problem;
    size_t E = (size_t)p->E, n = (size_t)(p->T / p->S), l = item / (size_t)p->S,
           s = item % (size_t)p->S;
    const double *dP = st->dP + item * E;
    for (size_t t = s * n; t < (s + 1) * n; t++) {
        const float *prob = p->routes[l].prob + t * E, *score = p->routes[l].score + t * E;
        float *dz = st->dlogits[l] + t * E;
        double dot = 0, sum = 0;
        for (size_t e = 0; e < E; e++) {
            dot += dP[e] * prob[e];
            sum += score[e];
        }
        for (size_t e = 0; e < E; e++) {
            double d = (dP[e] - dot) / (double)n;
            if (p->score == MS_SCORE_SIGMOID)
                dz[e] += (float)(sum > 0 ? d * score[e] * (1 - score[e]) / sum : 0);
            else
                dz[e] += (float)(d * prob[e]);
        }
    }
}

double ms_loss_compute(const struct ms_loss_term *terms, int n, const struct ms_loss_problem *p,
                       struct ms_loss_state *s, double *values, float *const *dlogits,
                       float *const *dnoise)
{
    assert(p->S >= 1 && p->T % p->S == 0);
    size_t items = (size_t)p->L * (size_t)p->S, rows = (size_t)p->L * (size_t)p->E;
    s->problem = p;
    s->dlogits = dlogits;
    s->dnoise = dnoise;
    ms_pool_run(p->pool, items, mean_item, s);
    for (int l = 0; l < p->L; l++)
        count_layer(s, l);
    memset(s->dP, 0, items * (size_t)p->E * sizeof *s->dP);
    memset(s->dmean, 0, rows * sizeof *s->dmean);
    double total = 0;
    for (int i = 0; i < n; i++) {
        values[i] = terms[i].loss->value(s, terms[i].weight);
        total += terms[i].weight * values[i];
    }
    for (size_t item = 0; item < items; item++)
        for (size_t e = 0; e < (size_t)p->E; e++)
            s->dP[item * (size_t)p->E + e] +=
                s->dmean[item / (size_t)p->S * (size_t)p->E + e] / p->S;
    ms_pool_run(p->pool, items, back_item, s);
    return total;
}
