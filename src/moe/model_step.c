/* The order of a step. Each layer is two waits: batch rows, then (after the router) the experts'
 * chunks; in backward the products that only make weight gradients run beside the next stage, which
 * keeps every thread busy. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "moe/model_internal.h"

/* ---- work items ---- */

static struct task *push(struct ms_model *m, struct task t)
{
    assert(m->n_tasks < m->max_tasks);
    m->tasks[m->n_tasks] = t;
    return &m->tasks[m->n_tasks++];
}

static void run_one(void *ctx, size_t item, int thread)
{
    struct ms_model *m = ctx;
    m->tasks[item].run(m, &m->tasks[item], m->scratch[thread]);
}

static void run(struct ms_model *m)
{
    ms_pool_run(m->pool, m->n_tasks, run_one, m);
    m->n_tasks = 0;
}

typedef void (*task_fn)(struct ms_model *m, const struct task *t, float *scratch);

static void push_rows(struct ms_model *m, task_fn fn, int layer)
{
    for (int b = 0; b < m->in.B; b++)
        push(m, (struct task){.run = fn, .layer = layer, .a = b});
}

/* Parts an expert's pairs are cut into; all experts together at most SEGMENTS more than there are
 * experts. */
static int n_segments(const struct ms_routes *r, int e)
{
    int n = r->expert_start[e + 1] - r->expert_start[e], most = (r->n + SEGMENTS - 1) / SEGMENTS;
    most = most < CHUNK_ROWS ? CHUNK_ROWS : most;
    return n > most ? (n + most - 1) / most : 1;
}

static int by_size(const void *x, const void *y)
{
    const struct task *a = x, *b = y;
    if (a->c != b->c)
        return a->c > b->c ? -1 : 1;
    return a->b < b->b ? -1 : a->b > b->b; /* empty ones need no order */
}

/* Every segment of every expert, the largest first. In backward, the first segment of an expert
 * writes its gradient, the others write spare ones that push_spare_sums adds. */
static void push_experts(struct ms_model *m, task_fn fn, int layer, bool backward)
{
    const struct layer *y = &m->layers[layer];
    const struct ms_routes *r = routes_of(m, layer);
    size_t C = (size_t)m->c.hidden, F = (size_t)y->F, first = m->n_tasks, spare = 0;
    for (int e = 0; e < y->E; e++) {
        int start = r->expert_start[e], n = r->expert_start[e + 1] - start,
            parts = n_segments(r, e);
        for (int i = 0; i < parts; i++) {
            int from = (int)((long)n * i / parts), to = (int)((long)n * (i + 1) / parts);
            struct task t = {.run = fn, .layer = layer, .a = e, .b = start + from, .c = to - from};
            if (backward) {
                float *more = i ? m->spare + spare++ * m->spare_ld : NULL;
                t.C = i ? more : m->gradients + y->wgu + (size_t)e * 2 * F * C;
                t.D = i ? more + 2 * F * C : m->gradients + y->wd + (size_t)e * F * C;
            }
            if (n || backward)
                push(m, t);
        }
    }
    qsort(m->tasks + first, m->n_tasks - first, sizeof *m->tasks, by_size);
}

static void run_product(struct ms_model *m, const struct task *t, float *scratch)
{
    m->k->gemm(t->M, t->N, t->K, 1, t->A, 1, (size_t)t->lda, t->B, (size_t)t->K, 0, t->C,
               (size_t)t->N);
}

/* a: what is there already counts */
static void run_sums(struct ms_model *m, const struct task *t, float *scratch)
{
    if (!t->a)
        memset(t->C, 0, (size_t)t->N * sizeof *t->C);
    for (int k = 0; k < t->K; k++)
        m->k->axpy(t->N, 1, t->B + (size_t)k * (size_t)t->ldb, t->C);
}

static void push_spare_sums(struct ms_model *m, int layer)
{
    const struct layer *y = &m->layers[layer];
    size_t C = (size_t)m->c.hidden, F = (size_t)y->F, spare = 0;
    for (int e = 0; e < y->E; e++) {
        int more = n_segments(routes_of(m, layer), e) - 1;
        if (!more)
            continue;
        struct task t = {.run = run_sums,
                         .a = 1,
                         .K = more,
                         .ldb = (int)m->spare_ld,
                         .B = m->spare + spare * m->spare_ld};
        t.C = m->gradients + y->wgu + (size_t)e * 2 * F * C;
        t.N = (int)(2 * F * C);
        push(m, t);
        t.B += 2 * F * C;
        t.C = m->gradients + y->wd + (size_t)e * F * C;
        t.N = (int)(F * C);
        push(m, t);
        spare += (size_t)more;
    }
}

/* The head's gradient [V][C] = logits' [N][V]^T xf [N][C], BLOCK_ROWS of its rows in an item. */
static void push_head_gradient(struct ms_model *m)
{
    int V = m->c.vocab, C = m->c.hidden, block = BLOCK_ROWS;
    for (int i = 0; i < V; i += block)
        push(m, (struct task){.run = run_product,
                              .A = m->logits + i,
                              .B = m->xf_pack,
                              .C = m->gradients + m->head + (size_t)i * (size_t)C,
                              .M = V - i < block ? V - i : block,
                              .N = C,
                              .K = m->in.B * m->in.T,
                              .lda = V});
}

/* a, b: columns of xf, a on a panel's edge */
static void run_pack_xf(struct ms_model *m, const struct task *t, float *scratch)
{
    int N = m->in.B * m->in.T;
    m->k->pack(0, N, t->b - t->a, m->xf + t->a, (size_t)m->c.hidden,
               m->xf_pack + (size_t)t->a * (size_t)N);
}

static void push_xf_packs(struct ms_model *m)
{
    int C = m->c.hidden, block = m->k->panel;
    for (int i = 0; i < C; i += block)
        push(m, (struct task){.run = run_pack_xf, .a = i, .b = C - i < block ? C : i + block});
}

/* gradient [n] = sum over the groups of batch rows of a piece of their parts */
static void push_parts(struct ms_model *m, size_t gradient, size_t piece, size_t n)
{
    push(m, (struct task){.run = run_sums,
                          .B = m->parts + piece,
                          .C = m->gradients + gradient,
                          .N = (int)n,
                          .K = ms_model_groups(m),
                          .ldb = (int)m->part_ld});
}

static void push_groups(struct ms_model *m, task_fn fn, int layer)
{
    for (int i = 0; i < ms_model_groups(m); i++)
        push(m, (struct task){.run = fn, .layer = layer, .a = i});
}

/* ---- forward ---- */

static enum ms_status check_input(struct ms_model *m, const struct ms_model_input *in,
                                  struct ms_err *err)
{
    if (in->B < 1 || in->B > m->B || in->T < 1 || in->T > m->T)
        return ms_err_set(err, MS_INVALID, "a batch of %d x %d, but the model was made for %d x %d",
                          in->B, in->T, m->B, m->T);
    m->n_counted = 0;
    for (size_t i = 0; i < (size_t)in->B * (size_t)in->T; i++) {
        int token = in->tokens[i], target = in->targets ? in->targets[i] : -1;
        if (token < 0 || token >= m->c.vocab || target < -1 || target >= m->c.vocab)
            return ms_err_set(err, MS_INVALID,
                              "token %d at position %zu is outside the vocabulary of %d",
                              token < 0 || token >= m->c.vocab ? token : target, i, m->c.vocab);
        m->n_counted += target >= 0;
    }
    return MS_OK;
}

static struct ms_route_problem problem_of(struct ms_model *m, int layer)
{
    int i = m->layers[layer].moe;
    return (struct ms_route_problem){.T = m->in.B * m->in.T,
                                     .E = m->c.experts,
                                     .K = m->c.top_k,
                                     .logits = m->router_logits[i],
                                     .noise_logits = m->noise_gate ? m->noise_logits[i] : NULL,
                                     .bias = m->bias + (size_t)i * (size_t)m->c.experts,
                                     .params = m->router_params,
                                     .own_weights = m->c.renormalised ? MS_WEIGHTS_RENORMALISED
                                                                      : MS_WEIGHTS_UNNORMALISED,
                                     .train = m->in.train,
                                     .seed = m->in.seed,
                                     .step = m->in.step,
                                     .layer = layer,
                                     .first_token = m->in.first_token,
                                     .pool = m->pool};
}

static void route(struct ms_model *m, int layer)
{
    int i = m->layers[layer].moe;
    size_t n = (size_t)m->in.B * (size_t)m->in.T * (size_t)m->c.experts;
    if (i < 0) {
        m->whole.T = m->whole.n = m->whole.n_selected = m->whole.expert_start[1] =
            m->in.B * m->in.T;
        return;
    }
    struct ms_route_problem p = problem_of(m, layer);
    ms_router_forward(m->router, &p, &m->work, &m->routes[i]);
    memset(m->router_dlogits[i], 0, n * sizeof(float));
    if (m->noise_gate)
        memset(m->dnoise[i], 0, n * sizeof(float));
}

static void pack_gates(struct ms_model *m, int layer)
{
    const struct layer *y = &m->layers[layer];
    const struct packs *p = &m->packs[layer];
    int C = m->c.hidden, E = y->E;
    if (y->moe < 0)
        return;
    m->k->pack(1, C, E, value_at(m, y->gate), (size_t)C, p->gate);
    if (m->noise_gate)
        m->k->pack(1, C, E, value_at(m, y->noise), (size_t)C, p->noise);
    if (m->train)
        m->k->pack(0, E, C, value_at(m, y->gate), (size_t)C, p->gate_back);
    if (m->train && m->noise_gate)
        m->k->pack(0, E, C, value_at(m, y->noise), (size_t)C, p->noise_back);
}

/* layer < 0: the head */
static void run_pack(struct ms_model *m, const struct task *t, float *scratch)
{
    int C = m->c.hidden, HD = m->HD, W = m->W, V = m->c.vocab;
    if (t->layer < 0 && m->source) { /* a block of its rows */
        int first = t->a * HEAD_BLOCK, n = V - first < HEAD_BLOCK ? V - first : HEAD_BLOCK;
        size_t at = (size_t)first * (size_t)C;
        fetch(m, m->head_param, at, (size_t)n * (size_t)C, scratch);
        m->k->pack(1, C, n, scratch, (size_t)C, m->head_pack + at);
        return;
    }
    if (t->layer < 0) {
        const float *head = value_at(m, m->head);
        m->k->pack(1, C, V, head, (size_t)C, m->head_pack);
        if (m->train)
            m->k->pack(0, V, C, head, (size_t)C, m->head_back);
        return;
    }
    const struct packs *p = &m->packs[t->layer];
    const float *qkv = value_at(m, m->layers[t->layer].wqkv),
                *out = value_at(m, m->layers[t->layer].wo);
    m->k->pack(1, C, W, qkv, (size_t)C, p->qkv);
    m->k->pack(1, HD, C, out, (size_t)HD, p->out);
    pack_gates(m, t->layer);
    if (m->train) {
        m->k->pack(0, W, C, qkv, (size_t)C, p->qkv_back);
        m->k->pack(0, C, HD, out, (size_t)HD, p->out_back);
    }
}

static void push_packs(struct ms_model *m)
{
    for (int l = m->no_head ? 0 : -1; l < m->c.layers; l++)
        push(m, (struct task){.run = run_pack, .layer = l});
}

/* a: a parameter of the layer */
static void run_fetch(struct ms_model *m, const struct task *t, float *scratch)
{
    struct ms_param *p = &m->params[t->a];
    fetch(m, (size_t)t->a, 0, p->n, p->value);
}

static void fetch_held(struct ms_model *m, size_t first, size_t n)
{
    for (size_t i = first; i < first + n; i++)
        if (m->params[i].value)
            push(m, (struct task){.run = run_fetch, .a = (int)i});
    run(m);
}

/* The dense weights of a layer from the source, packed. */
static void fetch_layer(struct ms_model *m, int layer)
{
    fetch_held(m, m->layers[layer].first_param, m->layers[layer].n_params);
    push(m, (struct task){.run = run_pack, .layer = layer});
    run(m);
}

/* The last norm and the head, once: they stay. */
static void fetch_head(struct ms_model *m)
{
    if (m->no_head || m->head_packed)
        return;
    fetch_held(m, m->norm_param, 1);
    for (int i = 0; i * HEAD_BLOCK < m->c.vocab; i++) {
        push(m, (struct task){.run = run_pack, .layer = -1, .a = i});
        if (m->n_tasks == m->max_tasks)
            run(m);
    }
    run(m);
    m->head_packed = true;
}

enum ms_status ms_model_forward(struct ms_model *m, const struct ms_model_input *in, double *out,
                                struct ms_err *err)
{
    enum ms_status s = check_input(m, in, err);
    if (s)
        return s;
    m->in = *in;
    m->failed = false;
    if (m->source)
        fetch_head(m);
    else
        push_packs(m);
    run(m);
    for (int l = 0; l < m->c.layers && !m->failed; l++) {
        if (m->source)
            fetch_layer(m, l);
        push_rows(m, ms_model_row_forward, l);
        run(m);
        route(m, l);
        push_experts(m, ms_model_expert_forward, l, false);
        run(m);
        if (m->source)
            m->source->done(m->source->ctx);
    }
    if (m->failed)
        return m->source->why(m->source->ctx, err);
    if (out)
        *out = 0;
    if (m->no_head)
        return MS_OK;
    push_rows(m, ms_model_head_forward, -1);
    run(m);
    double sum = 0;
    for (int b = 0; b < in->B; b++)
        sum += m->row_nll[b];
    if (out)
        *out = m->n_counted ? sum / (double)m->n_counted : 0;
    return MS_OK;
}

/* ---- backward ---- */

/* Gradients of the dense weights of layer l, or of the head for l = L. */
static void push_weights(struct ms_model *m, int l)
{
    size_t C = (size_t)m->c.hidden, HD = (size_t)m->HD;
    if (l == m->c.layers) {
        push_head_gradient(m);
        push_parts(m, m->norm, m->piece.last, C);
        return;
    }
    const struct layer *y = &m->layers[l];
    push_parts(m, y->wqkv, m->piece.qkv, (size_t)m->W * C);
    push_parts(m, y->wo, m->piece.out, C * HD);
    if (y->moe >= 0)
        push_parts(m, y->gate, m->piece.gate, (size_t)y->E * C);
    if (y->moe >= 0 && m->noise_gate)
        push_parts(m, y->noise, m->piece.noise, (size_t)y->E * C);
    push_parts(m, y->norm1, m->piece.norm1, C);
    push_parts(m, y->norm2, m->piece.norm2, C);
    if (m->c.qk_norm) {
        size_t q = (size_t)ms_model_qk_shape(m, m->c.heads).len;
        push_parts(m, y->qnorm, m->piece.qk, q);
        push_parts(m, y->knorm, m->piece.qk + q, (size_t)ms_model_qk_shape(m, m->c.kv_heads).len);
    }
}

static void run_embedding(struct ms_model *m, const struct task *t, float *scratch)
{
    int V = m->c.vocab, from = (int)((long)V * t->a / VOCAB_BLOCKS),
        to = (int)((long)V * (t->a + 1) / VOCAB_BLOCKS);
    size_t C = (size_t)m->c.hidden, N = (size_t)m->in.B * (size_t)m->in.T;
    float *out = m->gradients + m->embed;
    if (!m->c.tied) /* else the head's gradient lies there already */
        memset(out + (size_t)from * C, 0, (size_t)(to - from) * C * sizeof *out);
    for (size_t n = 0; n < N; n++)
        if (m->in.tokens[n] >= from && m->in.tokens[n] < to)
            m->k->axpy((int)C, 1, m->dx + n * C, out + (size_t)m->in.tokens[n] * C);
}

void ms_model_backward(struct ms_model *m)
{
    assert(m->train && m->in.targets);
    push_xf_packs(m);
    push_groups(m, ms_model_head_backward, -1);
    run(m);
    for (int l = m->c.layers - 1; l >= 0; l--) {
        push_experts(m, ms_model_expert_backward, l, true);
        push_weights(m, l + 1);
        run(m);
        int i = m->layers[l].moe;
        if (i >= 0) {
            struct ms_route_problem p = problem_of(m, l);
            ms_router_backward(m->router, &p, &m->work, &m->routes[i], m->dweight,
                               m->router_dlogits[i], m->noise_gate ? m->dnoise[i] : NULL);
        }
        push_groups(m, ms_model_rows_backward, l);
        push_spare_sums(m, l);
        run(m);
    }
    push_weights(m, 0);
    for (int i = 0; i < VOCAB_BLOCKS; i++)
        push(m, (struct task){.run = run_embedding, .a = i});
    run(m);
}
