/* What a chunk of at most CHUNK_ROWS tokens of one expert does: gather, two products around SwiGLU,
 * and back. The pair's weight is applied where outputs are summed (forward) and where the hidden
 * layer's gradient is made (backward). */
#include <string.h>

#include "moe/blas.h"
#include "moe/model_internal.h"

static void gather(const struct ms_routes *r, int first, int n, size_t C, const float *from,
                   float *to)
{
    for (int i = 0; i < n; i++)
        memcpy(to + (size_t)i * C, from + (size_t)r->token[first + i] * C, C * sizeof *to);
}

void ms_model_expert_forward(struct ms_model *m, const struct task *t, float *scratch)
{
    const struct layer *y = &m->layers[t->layer];
    const struct acts *a = &m->acts[t->layer];
    int C = m->c.hidden, F = y->F, n = t->c;
    size_t e = (size_t)t->a, at = (size_t)t->b;
    float *h = scratch; /* [n][F] */
    float *gu = m->train ? a->gu + at * 2 * (size_t)F : h + (size_t)CHUNK_ROWS * (size_t)F;
    float *xg = m->train ? a->xg + at * (size_t)C : gu + (size_t)CHUNK_ROWS * 2 * (size_t)F;
    gather(routes_of(m, t->layer), t->b, n, (size_t)C, m->xn2, xg);
    ms_sgemm(0, 1, n, 2 * F, C, 1, xg, C, value_at(m, y->wgu) + e * 2 * (size_t)F * (size_t)C, C, 0,
             gu, 2 * F);
    m->k->swiglu(n, F, gu, h);
    ms_sgemm(0, 1, n, C, F, 1, h, F, value_at(m, y->wd) + e * (size_t)C * (size_t)F, F, 0,
             m->y + at * (size_t)C, C);
}

void ms_model_expert_backward(struct ms_model *m, const struct task *t, float *scratch)
{
    const struct layer *y = &m->layers[t->layer];
    const struct ms_routes *r = routes_of(m, t->layer);
    int C = m->c.hidden, F = y->F, n = t->c;
    size_t e = (size_t)t->a, at = (size_t)t->b;
    float *g = m->g + at * (size_t)C, *gu = m->acts[t->layer].gu + at * 2 * (size_t)F,
          *dh = scratch; /* [n][F] */
    gather(r, t->b, n, (size_t)C, m->dx, g);
    ms_sgemm(0, 0, n, F, C, 1, g, C, value_at(m, y->wd) + e * (size_t)C * (size_t)F, F, 0, dh, F);
    m->k->swiglu_backward(n, F, gu, dh, r->weight + at, m->wh + at * (size_t)F, m->dweight + at);
    ms_sgemm(0, 0, n, C, 2 * F, 1, gu, 2 * F, value_at(m, y->wgu) + e * 2 * (size_t)F * (size_t)C,
             C, 0, m->dxg + at * (size_t)C, C);
}

size_t ms_model_expert_scratch(const struct ms_model *m)
{
    size_t F = 1, C = (size_t)m->c.hidden;
    for (int l = 0; l < m->c.layers; l++)
        F = (size_t)m->layers[l].F > F ? (size_t)m->layers[l].F : F;
    return CHUNK_ROWS * (m->train ? F : 3 * F + C);
}
