/* The order of a step. Each layer is two waits: batch rows, then (after the router) the experts'
 * chunks; in backward the products that only make weight gradients run beside the next stage, which
 * keeps every thread busy. */
#include <assert.h>
#include <string.h>

#include "moe/blas.h"
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

static void push_experts(struct ms_model *m, task_fn fn, int layer)
{
    const struct ms_routes *r = routes_of(m, layer);
    for (int e = 0; e < m->layers[layer].E; e++) {
        int n = r->expert_start[e + 1] - r->expert_start[e],
            parts = (n + CHUNK_ROWS - 1) / CHUNK_ROWS;
        for (int i = 0; i < parts; i++) { /* equal parts */
            int from = (int)((long)n * i / parts), to = (int)((long)n * (i + 1) / parts);
            push(m, (struct task){.run = fn,
                                  .layer = layer,
                                  .a = e,
                                  .b = r->expert_start[e] + from,
                                  .c = to - from});
        }
    }
}

static void run_product(struct ms_model *m, const struct task *t, float *scratch)
{
    ms_sgemm(1, 0, t->M, t->N, t->K, 1, t->A, t->lda, t->B, t->ldb, 0, t->C, t->N);
}

static void run_column_sums(struct ms_model *m, const struct task *t, float *scratch)
{
    memcpy(t->C, t->B, (size_t)t->N * sizeof *t->C);
    for (int k = 1; k < t->K; k++)
        m->k->axpy(t->N, 1, t->B + (size_t)k * (size_t)t->ldb, t->C);
}

/* gradient [out][in] = A [K][out]^T B [K][in], `block` of its rows in an item */
static void push_product(struct ms_model *m, size_t gradient, int out, int in, int K,
                         const float *A, int lda, const float *B, int ldb, int block)
{
    for (int i = 0; i < out; i += block)
        push(m, (struct task){.run = run_product,
                              .A = A + i,
                              .B = B,
                              .C = m->gradients + gradient + (size_t)i * (size_t)in,
                              .M = out - i < block ? out - i : block,
                              .N = in,
                              .K = K,
                              .lda = lda,
                              .ldb = ldb});
}

/* gradient [n] = sum over batch rows of a piece of dnorm */
static void push_sums(struct ms_model *m, size_t gradient, size_t piece, int n)
{
    push(m, (struct task){.run = run_column_sums,
                          .B = m->dnorm + piece,
                          .C = m->gradients + gradient,
                          .N = n,
                          .K = m->in.B,
                          .ldb = (int)m->dnorm_ld});
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

enum ms_status ms_model_forward(struct ms_model *m, const struct ms_model_input *in, double *out,
                                struct ms_err *err)
{
    enum ms_status s = check_input(m, in, err);
    if (s)
        return s;
    m->in = *in;
    for (int l = 0; l < m->c.layers; l++) {
        push_rows(m, ms_model_row_forward, l);
        run(m);
        route(m, l);
        push_experts(m, ms_model_expert_forward, l);
        run(m);
    }
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

static void push_layer_weights(struct ms_model *m, int l)
{
    const struct layer *y = &m->layers[l];
    int N = m->in.B * m->in.T, C = m->c.hidden, HD = m->HD, hd = m->c.head_dim;
    push_product(m, y->wqkv, m->W, C, N, m->dqkv, m->W, m->xn1, C, BLOCK_ROWS);
    push_product(m, y->wo, C, HD, N, m->dmid, C, m->acts[l].att, HD, BLOCK_ROWS);
    if (y->moe >= 0)
        push_product(m, y->gate, y->E, C, N, m->router_dlogits[y->moe], y->E, m->xn2, C,
                     BLOCK_ROWS);
    if (y->moe >= 0 && m->noise_gate)
        push_product(m, y->noise, y->E, C, N, m->dnoise[y->moe], y->E, m->xn2, C, BLOCK_ROWS);
    push_sums(m, y->norm1, 0, C);
    push_sums(m, y->norm2, (size_t)C, C);
    if (m->c.qk_norm) {
        int q = m->c.qk_norm == MS_QK_NORM_WIDTH ? HD : hd;
        push_sums(m, y->qnorm, 3 * (size_t)C, q);
        push_sums(m, y->knorm, 3 * (size_t)C + (size_t)q,
                  m->c.qk_norm == MS_QK_NORM_WIDTH ? m->c.kv_heads * hd : hd);
    }
}

static void push_expert_weights(struct ms_model *m, int l)
{
    const struct layer *y = &m->layers[l];
    const struct ms_routes *r = routes_of(m, l);
    size_t C = (size_t)m->c.hidden, F = (size_t)y->F;
    for (int e = 0; e < y->E; e++) {
        size_t at = (size_t)r->expert_start[e];
        int n = r->expert_start[e + 1] - r->expert_start[e];
        push_product(m, y->wgu + (size_t)e * 2 * F * C, 2 * y->F, (int)C, n,
                     m->acts[l].gu + at * 2 * F, 2 * y->F, m->acts[l].xg + at * C, (int)C,
                     EXPERT_BLOCK);
        push_product(m, y->wd + (size_t)e * C * F, (int)C, y->F, n, m->g + at * C, (int)C,
                     m->wh + at * F, y->F, EXPERT_BLOCK);
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
    int N = m->in.B * m->in.T, C = m->c.hidden, V = m->c.vocab;
    push_rows(m, ms_model_head_backward, -1);
    run(m);
    push_product(m, m->head, V, C, N, m->logits, V, m->xf, C, BLOCK_ROWS);
    push_sums(m, m->norm, 2 * (size_t)C, C);
    for (int l = m->c.layers - 1; l >= 0; l--) {
        push_experts(m, ms_model_expert_backward, l);
        run(m); /* and the weights of the stage before */
        int i = m->layers[l].moe;
        if (i >= 0) {
            struct ms_route_problem p = problem_of(m, l);
            ms_router_backward(m->router, &p, &m->work, &m->routes[i], m->dweight,
                               m->router_dlogits[i], m->noise_gate ? m->dnoise[i] : NULL);
        }
        push_rows(m, ms_model_row_backward, l);
        push_expert_weights(m, l);
        run(m);
        push_layer_weights(m, l);
    }
    for (int i = 0; i < VOCAB_BLOCKS; i++)
        push(m, (struct task){.run = run_embedding, .a = i});
    run(m);
}
