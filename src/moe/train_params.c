/* What training is asked for: the shape of a model that starts at random, the defaults, and what no
 * single parameter can say. */
#include "moe/train.h"

#include <string.h>

const char *const ms_train_families[] = {"mixtral", NULL};

#define COUNT(member, low, high, standard, text)                                                   \
    {                                                                                              \
        .key = #member, .type = MS_FIELD_INT, .offset = offsetof(struct ms_train_model, member),   \
        .min = (low), .max = (high), .fallback = (standard), .help = (text)                        \
    }

const struct ms_field ms_train_model_fields[] = {
    {.key = "family",
     .type = MS_FIELD_ENUM,
     .offset = offsetof(struct ms_train_model, family),
     .names = ms_train_families,
     .fallback = "mixtral",
     .help = "architecture of a model that starts at random"},
    COUNT(vocab, 2, 1 << 20, "256", "tokens of the vocabulary; 256 = bytes"),
    COUNT(hidden, 2, 65536, "128", "width of the model"),
    COUNT(layers, 1, MS_MOE_MAX_LAYERS, "4", "transformer layers, each with a mixture of experts"),
    COUNT(heads, 1, 1024, "4", "attention heads"),
    COUNT(kv_heads, 1, 1024, "2", "key and value heads; divides heads"),
    COUNT(experts, 1, 4096, "8", "experts a layer"),
    COUNT(top_k, 1, 256, "2", "experts a token"),
    COUNT(expert_intermediate, 1, 1 << 20, "256", "width inside an expert"),
    COUNT(max_positions, 2, 1 << 20, "256", "longest sequence the model is made for"),
    {0},
};
#undef COUNT

struct ms_train_params ms_train_params_default(void)
{
    return (struct ms_train_params){
        .init = "random",
        .model = {.vocab = 256,
                  .hidden = 128,
                  .layers = 4,
                  .heads = 4,
                  .kv_heads = 2,
                  .experts = 8,
                  .top_k = 2,
                  .expert_intermediate = 256,
                  .max_positions = 256},
        .data = {.heldout = 0.1},
        .batch = 16,
        .seq = 128,
        .steps = 500,
        .optimizer = ms_adamw_params_default(),
        .router = ms_router_find("top_k"),
        .router_params = ms_router_params_default(),
        .micro_batches = 1,
        .evaluate_every = 100,
        .checkpoint_every = 100,
        .seed = 1,
    };
}

static enum ms_status bad(struct ms_err *err, const char *key, const char *text, int64_t a,
                          int64_t b)
{
    char line[256];
    snprintf(line, sizeof line, text, (long long)a, (long long)b);
    return ms_err_at(err, MS_INVALID, NULL, 0, 0, key, "%s", line);
}

static enum ms_status check_model(const struct ms_train_params *p, struct ms_err *err)
{
    const struct ms_train_model *m = &p->model;
    if (strcmp(p->init, "random") != 0)
        return MS_OK; /* the checkpoint's own shape holds */
    if (m->hidden % m->heads != 0)
        return bad(err, "train.model.heads", "%2$lld heads do not divide hidden %1$lld", m->hidden,
                   m->heads);
    if (m->hidden / m->heads % 2 != 0)
        return bad(err, "train.model.heads",
                   "a head of %lld values; rotary positions need an even number",
                   m->hidden / m->heads, 0);
    if (m->heads % m->kv_heads != 0)
        return bad(err, "train.model.kv_heads", "%2$lld kv_heads do not divide %1$lld heads",
                   m->heads, m->kv_heads);
    if (m->top_k > m->experts)
        return bad(err, "train.model.top_k", "%lld experts a token of %lld experts", m->top_k,
                   m->experts);
    if (p->seq > m->max_positions)
        return bad(err, "train.seq",
                   "%lld tokens a sequence, but train.model.max_positions is %lld", p->seq,
                   m->max_positions);
    if (p->data.n_text > 0 && m->vocab != 256)
        return bad(err, "train.model.vocab", "%lld, but data.text are bytes: 256", m->vocab, 0);
    return ms_router_check(p->router, &p->router_params, (int)m->experts, (int)m->top_k, err);
}

static enum ms_status check_losses(const struct ms_train_params *p, struct ms_err *err)
{
    char key[80];
    for (size_t i = 0; i < p->n_losses; i++) {
        const char *name = p->losses[i].loss->name;
        bool grouped = strcmp(name, "device") == 0 || strcmp(name, "communication") == 0;
        snprintf(key, sizeof key, "train.losses.%s", name);
        for (size_t j = 0; j < i; j++)
            if (p->losses[i].loss == p->losses[j].loss)
                return ms_err_at(err, MS_INVALID, NULL, 0, 0, key, "given twice");
        if (grouped && p->router_params.groups < 2)
            return ms_err_at(
                err, MS_INVALID, NULL, 0, 0, key,
                "balances groups of experts, and router '%s' has none; use router: {name: "
                "group_limited, groups: N, group_limit: N}",
                p->router->name);
    }
    return MS_OK;
}

static enum ms_status check_bias(const struct ms_train_params *p, struct ms_err *err)
{
    if (p->bias_update <= 0)
        return MS_OK;
    if (!p->router->uses_bias)
        return ms_err_at(err, MS_INVALID, NULL, 0, 0, "train.bias_update",
                         "router '%s' has no bias; use sigmoid_bias or group_limited",
                         p->router->name);
    if (ms_router_score(p->router, &p->router_params, (int)p->model.top_k) != MS_SCORE_SIGMOID)
        return ms_err_at(err, MS_INVALID, NULL, 0, 0, "train.bias_update",
                         "group_limited has a bias with group_score: top2_sum only");
    return MS_OK;
}

enum ms_status ms_train_params_check(const struct ms_train_params *p, struct ms_err *err)
{
    if ((p->data.n_text > 0) == (p->data.tokens != NULL))
        return ms_err_at(err, MS_INVALID, NULL, 0, 0, "train.data", "%s",
                         p->data.tokens ? "text and tokens exclude each other"
                                        : "give text: [files] or tokens: file.npy");
    if (p->data.heldout < 0 || p->data.heldout >= 1)
        return ms_err_at(err, MS_INVALID, NULL, 0, 0, "train.data.heldout",
                         "%g is not in 0..1 (1 excluded)", p->data.heldout);
    if (p->batch * p->seq > 1 << 24)
        return bad(err, "train.batch",
                   "%lld sequences of %lld tokens are more than 16777216 tokens a step", p->batch,
                   p->seq);
    if (p->micro_batches > 1 && p->batch % p->micro_batches != 0)
        return bad(err, "train.micro_batches", "%lld parts do not divide a batch of %lld",
                   p->micro_batches, p->batch);
    enum ms_status s = check_losses(p, err);
    s = s ? s : check_bias(p, err);
    return s ? s : check_model(p, err);
}
