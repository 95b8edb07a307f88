/* What a segment of an expert's tokens does: gather, two products around SwiGLU, and back,
 * CHUNK_ROWS tokens at a time so that nothing leaves the core's cache in between; the weights are
 * packed once for the segment. The pair's weight is applied where outputs are summed (forward) and
 * where the hidden layer's gradient is made (backward). */
#include <string.h>

#include "moe/model_internal.h"

static void gather(const struct ms_routes *r, int first, int n, size_t C, const float *from,
                   float *to)
{
    for (int i = 0; i < n; i++)
        memcpy(to + (size_t)i * C, from + (size_t)r->token[first + i] * C, C * sizeof *to);
}

struct chunk {
    const struct ms_kernels *k;
    const struct ms_routes *r;
    int C, F, first, n; /* pairs first .. first+n-1 */
    size_t ldc, ldf;    /* C and F again */
    float *xg, *gu;     /* [n][C], [n][2F] */
};

/* Chunk i of the segment, cut into equal parts of at most CHUNK_ROWS. */
static int n_chunks(const struct task *t)
{
    return (t->c + CHUNK_ROWS - 1) / CHUNK_ROWS;
}

static struct chunk chunk_of(const struct ms_model *m, const struct task *t, int i)
{
    const struct layer *y = &m->layers[t->layer];
    const struct acts *a = &m->acts[t->layer];
    int from = (int)((long)t->c * i / n_chunks(t)), to = (int)((long)t->c * (i + 1) / n_chunks(t));
    struct chunk c = {m->k,      routes_of(m, t->layer), m->c.hidden,  y->F, t->b + from,
                      to - from, (size_t)m->c.hidden,    (size_t)y->F, NULL, NULL};
    if (m->train) {
        c.xg = a->xg + (size_t)c.first * c.ldc;
        c.gu = a->gu + (size_t)c.first * 2 * c.ldf;
    }
    return c;
}

/* Ask for memory that was last used long ago, all at once, instead of waiting line by line. */
static void prefetch(const float *p, size_t n, int write)
{
    for (size_t i = 0; i < n; i += 16) {
        if (write)
            __builtin_prefetch(p + i, 1, 2);
        else
            __builtin_prefetch(p + i, 0, 2);
    }
}

/* y [n][C] = down(silu(gate x) * up x) */
static void forward_chunk(const struct chunk *c, const float *x, const float *gate_up,
                          const float *down, float *h, float *y, bool cold)
{
    if (cold)
        prefetch(c->gu, (size_t)c->n * 2 * c->ldf, 1);
    gather(c->r, c->first, c->n, c->ldc, x, c->xg);
    c->k->gemm(c->n, 2 * c->F, c->C, 1, c->xg, c->ldc, 1, gate_up, c->ldc, 0, c->gu, 2 * c->ldf);
    c->k->swiglu(c->n, c->F, c->gu, h);
    c->k->gemm(c->n, c->C, c->F, 1, h, c->ldf, 1, down, c->ldf, 0, y, c->ldc);
}

void ms_model_expert_forward(struct ms_model *m, const struct task *t, float *scratch)
{
    const struct layer *l = &m->layers[t->layer];
    int C = m->c.hidden, F = l->F;
    size_t e = (size_t)t->a, weight = (size_t)F * (size_t)C;
    float *gate_up = scratch, *down = gate_up + ms_packed_size(m->k, C, 2 * F),
          *h = down + ms_packed_size(m->k, F, C);
    float *gu = h + CHUNK_ROWS * (size_t)F, *xg = gu + CHUNK_ROWS * 2 * (size_t)F;
    if (m->source && l->moe >= 0) {
        float *raw = scratch + ms_model_expert_scratch(m);
        fetch(m, l->gate_up_param, e * 2 * weight, 2 * weight, raw);
        m->k->pack(1, C, 2 * F, raw, (size_t)C, gate_up);
        fetch(m, l->down_param, e * weight, weight, raw);
        m->k->pack(1, F, C, raw, (size_t)F, down);
    } else {
        m->k->pack(1, C, 2 * F, value_at(m, l->wgu) + e * 2 * weight, (size_t)C, gate_up);
        m->k->pack(1, F, C, value_at(m, l->wd) + e * weight, (size_t)F, down);
    }
    for (int i = 0; i < n_chunks(t); i++) {
        struct chunk c = chunk_of(m, t, i);
        if (!m->train) {
            c.xg = xg;
            c.gu = gu;
        }
        forward_chunk(&c, m->xn2, gate_up, down, h, m->y + (size_t)c.first * c.ldc, m->train);
    }
}

struct backward {
    float *gate_up, *down;     /* packed as [2F][C] and [C][F] */
    float *g, *dh, *wh, *pack; /* [n][C], [n][F], [n][F] */
    float *d_gate_up, *d_down; /* gradients [2F][C], [C][F] */
    int add;                   /* to them */
};

/* With y = W_d h: dh = W_d^T g, and the gradient of the pair's weight is g.y = dh.h. */
static void backward_chunk(const struct chunk *c, const struct backward *b, const float *dx,
                           float *dxg, float *dweight)
{
    int n = c->n, C = c->C, F = c->F;
    size_t ldn = (size_t)n;
    prefetch(c->gu, ldn * 2 * c->ldf, 1);
    prefetch(c->xg, ldn * c->ldc, 0);
    gather(c->r, c->first, n, c->ldc, dx, b->g);
    c->k->gemm(n, F, C, 1, b->g, c->ldc, 1, b->down, c->ldc, 0, b->dh, c->ldf);
    c->k->swiglu_backward(n, F, c->gu, b->dh, c->r->weight + c->first, b->wh, dweight);
    c->k->pack(0, n, F, b->wh, c->ldf, b->pack);
    c->k->gemm(C, F, n, 1, b->g, 1, c->ldc, b->pack, ldn, b->add, b->d_down, c->ldf);
    c->k->gemm(n, C, 2 * F, 1, c->gu, 2 * c->ldf, 1, b->gate_up, 2 * c->ldf, 0, dxg, c->ldc);
    c->k->pack(0, n, C, c->xg, c->ldc, b->pack);
    c->k->gemm(2 * F, C, n, 1, c->gu, 1, 2 * c->ldf, b->pack, ldn, b->add, b->d_gate_up, c->ldc);
}

void ms_model_expert_backward(struct ms_model *m, const struct task *t, float *scratch)
{
    const struct layer *l = &m->layers[t->layer];
    int C = m->c.hidden, F = l->F;
    size_t e = (size_t)t->a, weight = (size_t)F * (size_t)C;
    struct backward b = {.gate_up = scratch, .d_gate_up = t->C, .d_down = t->D};
    b.down = b.gate_up + ms_packed_size(m->k, 2 * F, C);
    b.g = b.down + ms_packed_size(m->k, C, F);
    b.dh = b.g + CHUNK_ROWS * (size_t)C;
    b.wh = b.dh + CHUNK_ROWS * (size_t)F;
    b.pack = b.wh + CHUNK_ROWS * (size_t)F;
    if (!t->c) {
        memset(t->C, 0, 2 * weight * sizeof *t->C);
        memset(t->D, 0, weight * sizeof *t->D);
        return;
    }
    m->k->pack(0, 2 * F, C, value_at(m, l->wgu) + e * 2 * weight, (size_t)C, b.gate_up);
    m->k->pack(0, C, F, value_at(m, l->wd) + e * weight, (size_t)F, b.down);
    for (int i = 0; i < n_chunks(t); i++) {
        struct chunk c = chunk_of(m, t, i);
        b.add = i > 0;
        backward_chunk(&c, &b, m->dx, m->dxg + (size_t)c.first * c.ldc, m->dweight + c.first);
    }
}

size_t ms_model_expert_scratch(const struct ms_model *m)
{
    int F = 1, C = m->c.hidden;
    for (int l = 0; l < m->c.layers; l++)
        F = m->layers[l].F > F ? m->layers[l].F : F;
    int wide = C > F ? C : F;
    size_t forward = ms_packed_size(m->k, C, 2 * F) + ms_packed_size(m->k, F, C) +
                     CHUNK_ROWS * (3 * (size_t)F + (size_t)C);
    size_t backward = ms_packed_size(m->k, 2 * F, C) + ms_packed_size(m->k, C, F) +
                      CHUNK_ROWS * (2 * (size_t)F + (size_t)C) +
                      ms_packed_size(m->k, CHUNK_ROWS, wide);
    return forward > backward ? forward : backward;
}

size_t ms_model_fetch_floats(const struct ms_model *m)
{
    size_t C = (size_t)m->c.hidden, expert = 2 * (size_t)m->c.expert_intermediate * C,
           head = HEAD_BLOCK * C;
    return expert > head ? expert : head;
}
