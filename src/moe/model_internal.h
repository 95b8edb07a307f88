/** @file model_internal.h  What the parts of the model share: layout of parameters, activations and
 *  work items.
 *
 *  model.c makes and names, model_memory.c holds memory; model_rows.c and model_rows_back.c are what
 *  batch rows do (attention sub-layer, head), model_experts.c what a segment of an expert's tokens
 *  does, model_step.c the order of it all. W = (H + 2*KV)*hd floats of q, k and v of a token. */
#ifndef MS_MOE_MODEL_INTERNAL_H
#define MS_MOE_MODEL_INTERNAL_H

#include <stdatomic.h>

#include "base/arena.h"
#include "moe/kernels.h"
#include "moe/model.h"
#include "moe/router.h"

enum {
    CHUNK_ROWS =
        128, /* tokens of an expert worked on at once: what they need fits a core's cache */
    /* an expert with more than a SEGMENTS-th of all pairs is split into several work items */
    SEGMENTS = 6,
    QUERY_ROWS = 32,  /* queries of a head whose scores are held at once */
    BLOCK_ROWS = 128, /* rows of a dense weight's gradient in one work item */
    VOCAB_BLOCKS = 16,
    GROUPS = 8 /* of batch rows whose weight gradients are summed together */
};

/* Offsets into values and gradients; NONE where a layer has no such parameter. */
#define NONE SIZE_MAX
struct layer {
    size_t norm1, wqkv /* [W][C] */, qnorm, knorm, wo /* [C][H*hd] */, norm2;
    size_t gate, noise; /* [E][C] */
    size_t wgu /* [E][2F][C] */, wd /* [E][C][F] */;
    size_t first_param, n_params; /* of the layer, in the model's list */
    size_t gate_up_param, down_param;
    int E, F; /* a dense layer: E = 1 */
    int moe;  /* number among the MoE layers, or -1 */
};

/* What backward needs of a layer; without training all layers share one. */
struct acts {
    float *x, *mid; /* [N][C] input of the layer; after attention */
    float *r1, *r2; /* [N] scales of the norms */
    float *qkv;     /* [N][W], rotated */
    float *raw;     /* [N][(H+KV)*hd] q and k before their norms, where they have any */
    float *rq, *rk; /* [N][H or 1], [N][KV or 1] */
    float *lse;     /* [B][H][T] of the attention's softmax */
    float *att;     /* [N][H*hd] */
    float *xg,
        *gu; /* [P][C], [P][2F] inputs and first products of the experts; only with training */
};

/* Dense weights packed for the products of one step: forward x W^T, backward dy W. */
struct packs {
    float *qkv, *out, *gate, *noise, *qkv_back, *out_back, *gate_back, *noise_back;
};

/* A work item. */
struct task {
    void (*run)(struct ms_model *m, const struct task *t, float *scratch);
    int layer, a, b, c;
    /* products: C [M][N] = A[K][M]^T B[K][N], B packed; sums over rows: C [N] (+)= sum of B [K][N] */
    const float *A, *B;
    float *C, *D;
    int M, N, K, lda, ldb;
};

/* Where in a part the gradients lie: norms, then projections and gates. */
struct pieces {
    size_t norm1, norm2, last, qk, qkv, out, gate, noise;
};

struct ms_model {
    struct ms_moe_config c;
    struct ms_arena arena, route_arena; /* the second one is remade by set_router */
    struct ms_pool *pool;
    const struct ms_kernels *k;
    bool train, noise_gate, no_head, rope_bf16;
    const struct ms_weight_source *source; /* or NULL */
    bool head_packed;                      /* with a source: once for all */
    atomic_bool failed;                    /* a fetch of this forward */
    int B, T;                              /* most of a call */
    int HD, W;                             /* H*hd, (H+2KV)*hd */
    int n_moe;
    int *moe_id; /* [n_moe] -> layer */

    struct ms_param *params;
    size_t n_params, n_values;
    float *values, *gradients;
    size_t embed, norm, head;
    size_t norm_param, head_param; /* in the list; the embedding is 0 */
    struct layer *layers;
    float *bias; /* [n_moe][E] */

    struct packs *packs; /* [L] */
    float *head_pack, *head_back;
    float *xf_pack;    /* [N][C] of the last forward, for the head's gradient */
    struct acts *acts; /* [L] */
    float **router_logits, **router_dlogits, **noise_logits, **dnoise; /* [n_moe] -> [N][E] */
    float *cosines, *sines;                                            /* [T][hd/2] */
    float *xn2, *xlast, *xf, *rf, *logits, *lse, *nll; /* [N][C] x3, [N], [N][V], [N], [N] */
    int32_t *no_targets;                               /* [N] of -1 */
    float *dx;                                         /* [N][C] */
    /* [GROUPS][part_ld]: gradients of one layer's dense weights by group of batch rows */
    float *parts;
    size_t part_ld;
    struct pieces piece;
    double *row_nll; /* [B] */

    const struct ms_router *router;
    struct ms_router_params router_params;
    struct ms_router_work work;
    struct ms_routes *routes; /* [n_moe] */
    struct ms_routes whole;   /* of dense layers: every token, weight 1 */
    size_t P;                 /* most pairs */
    float *y, *dxg, *dweight; /* [P][C], [P][C], [P] */
    float *spare; /* [SEGMENTS + 1][spare_ld = 3FC] gradients of further segments of an expert */
    size_t spare_ld;

    float **scratch; /* [threads] */
    struct task *tasks;
    size_t n_tasks, max_tasks;
    size_t n_counted;         /* targets of the last forward */
    struct ms_model_input in; /* of the last forward */
};

static inline const float *value_at(const struct ms_model *m, size_t offset)
{
    return m->values + offset;
}

/* A piece of a parameter from the source; zeros where it fails. */
static inline void fetch(struct ms_model *m, size_t param, size_t first, size_t n, float *out)
{
    if (m->source->fetch(m->source->ctx, &m->params[param], first, n, out))
        return;
    for (size_t i = 0; i < n; i++)
        out[i] = 0;
    m->failed = true;
}

static inline const struct ms_routes *routes_of(const struct ms_model *m, int layer)
{
    return m->layers[layer].moe < 0 ? &m->whole : &m->routes[m->layers[layer].moe];
}

static inline size_t ms_model_token(const struct ms_model *m, int b)
{
    return (size_t)b * (size_t)m->in.T;
}

static inline int ms_model_groups(const struct ms_model *m)
{
    return m->in.B < GROUPS ? m->in.B : GROUPS;
}

static inline struct ms_norm_shape ms_model_norm_shape(const struct ms_model *m)
{
    return (struct ms_norm_shape){m->in.T, 1, m->c.hidden};
}

/* The pieces of q (or k) that are normed on their own. */
static inline struct ms_norm_shape ms_model_qk_shape(const struct ms_model *m, int heads)
{
    int hd = m->c.head_dim;
    return m->c.qk_norm == MS_QK_NORM_WIDTH ? (struct ms_norm_shape){m->in.T, 1, heads * hd}
                                            : (struct ms_norm_shape){m->in.T, heads, hd};
}

/* model_memory.c: everything but parameters; false: out of memory */
bool ms_model_make_memory(struct ms_model *m);
/* what depends on the router, in route_arena */
enum ms_status ms_model_make_routes(struct ms_model *m, struct ms_err *err);

/* out [C] = x + the sum over token n's computed pairs of weight (NULL: 1) times their row of rows
 * [P][C] */
void ms_model_sum_pairs(const struct ms_model *m, const struct ms_routes *r, size_t n,
                        const float *rows, const float *weight, const float *x, float *out);
/* model_rows.c: a = the batch row */
void ms_model_row_forward(struct ms_model *m, const struct task *t, float *scratch);
void ms_model_head_forward(struct ms_model *m, const struct task *t, float *scratch);
/* model_rows_back.c: a = the group of batch rows */
void ms_model_head_backward(struct ms_model *m, const struct task *t, float *scratch);
void ms_model_rows_backward(struct ms_model *m, const struct task *t, float *scratch);
size_t ms_model_row_scratch(const struct ms_model *m);
/* model_attention.c: heads of one batch row */
void ms_model_attention_forward(struct ms_model *m, int layer, int b, float *scratch);
/* datt [T][H*hd] -> dqkv [T][W], not yet turned back */
void ms_model_attention_backward(struct ms_model *m, int layer, int b, const float *datt,
                                 float *dqkv, float *scratch);
size_t ms_model_attention_scratch(const struct ms_model *m);
/* model_experts.c: a = expert, b = first pair, c = pairs; backward: gradients into C [2F][C] and D
 * [C][F] */
void ms_model_expert_forward(struct ms_model *m, const struct task *t, float *scratch);
void ms_model_expert_backward(struct ms_model *m, const struct task *t, float *scratch);
size_t ms_model_expert_scratch(const struct ms_model *m);
/* floats that the weights of one expert, or a block of the head, need while they are packed */
size_t ms_model_fetch_floats(const struct ms_model *m);
enum { HEAD_BLOCK = 1024 };

#endif
