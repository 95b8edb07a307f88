/* What a training must hold at the least, so that one which this machine cannot hold is refused before
 * any of it is taken: four floats a weight (value, gradient, two moments), activations by layer. */
#include "base/machine.h"
#include "base/units.h"
#include "moe/train_run.h"

struct ms_moe_config ms_train_config(const struct ms_train_model *m)
{
    struct ms_moe_config c = ms_moe_config_default();
    c.vocab = (int)m->vocab;
    c.hidden = (int)m->hidden;
    c.layers = (int)m->layers;
    c.heads = (int)m->heads;
    c.kv_heads = (int)m->kv_heads;
    c.head_dim = (int)(m->hidden / m->heads);
    c.experts = (int)m->experts;
    c.top_k = (int)m->top_k;
    c.expert_intermediate = (int)m->expert_intermediate;
    c.max_positions = (int)m->max_positions;
    return c;
}

/* Width of q, k and v together. */
static double width_of(const struct ms_moe_config *c)
{
    return (c->heads + 2.0 * c->kv_heads) * c->head_dim;
}

static double n_weights(const struct ms_moe_config *c)
{
    double C = c->hidden, moe = ms_moe_config_moe_layers(c), dense = c->layers - moe;
    double attention = C * width_of(c) + C * c->heads * c->head_dim;
    double experts = c->experts * C * (1 + 3.0 * c->expert_intermediate);
    return c->vocab * C * (c->tied ? 1 : 2) + c->layers * attention + moe * experts +
           dense * 3 * C * c->dense_intermediate;
}

/* x, mid, q k v, attention's output; logits of the router and their gradients; of the last layer. */
static double n_activations(const struct ms_moe_config *c, double tokens)
{
    double C = c->hidden, layer = 2 * C + width_of(c) + (double)c->heads * c->head_dim;
    return tokens *
           (c->layers * layer + ms_moe_config_moe_layers(c) * 2.0 * c->experts + 4 * C + c->vocab);
}

enum ms_status ms_train_memory_check(const struct ms_train_params *p, const struct ms_moe_config *c,
                                     struct ms_err *err)
{
    struct ms_moe_config own = ms_train_config(&p->model);
    double tokens = (double)p->batch * (double)p->seq, have = ms_free_memory_bytes();
    c = c ? c : &own;
    double weights = n_weights(c), bytes = sizeof(float) * (4 * weights + n_activations(c, tokens));
    char need[32], free_bytes[32];
    if (bytes <= have)
        return MS_OK;
    return ms_err_at(err, MS_INVALID, NULL, 0, 0,
                     weights * 4 * sizeof(float) > bytes / 2 ? "train.model" : "train.batch",
                     "training %.3g weights on %.0f tokens a step takes %s of memory and more, and "
                     "%s is free",
                     weights, tokens, ms_units_show(bytes, MS_UNIT_BYTES, need, sizeof need),
                     ms_units_show(have, MS_UNIT_BYTES, free_bytes, sizeof free_bytes));
}
