/* Reads config.json of the three families into one struct, refusing by key what the model here
 * does not compute, and writes it back for Hugging Face. */
#include "moe/config.h"
#include "base/json.h"

#include <jansson.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char *const family_names[MS_FAMILY_N] = {"mixtral", "olmoe", "qwen3_moe"};
static const char *const architectures[MS_FAMILY_N] = {"MixtralForCausalLM", "OlmoeForCausalLM",
                                                       "Qwen3MoeForCausalLM"};
/* the key of the experts' width, and of their number (the second spelling is read too) */
static const char *const width_keys[MS_FAMILY_N] = {"intermediate_size", "intermediate_size",
                                                    "moe_intermediate_size"};

struct ms_moe_config ms_moe_config_default(void)
{
    return (struct ms_moe_config){.family = MS_FAMILY_MIXTRAL,
                                  .vocab = 256,
                                  .hidden = 128,
                                  .layers = 4,
                                  .heads = 4,
                                  .kv_heads = 2,
                                  .head_dim = 32,
                                  .experts = 8,
                                  .top_k = 2,
                                  .expert_intermediate = 256,
                                  .max_positions = 256,
                                  .renormalised = true,
                                  .rms_eps = 1e-5,
                                  .rope_theta = 1e6,
                                  .initializer_range = 0.02};
}

int ms_moe_config_moe_layers(const struct ms_moe_config *c)
{
    int n = 0;
    for (int l = 0; l < c->layers; l++)
        n += !c->dense[l];
    return n;
}

enum ms_status ms_moe_config_check(const struct ms_moe_config *c, struct ms_err *err)
{
    const struct {
        const char *key;
        int value, max;
    } sizes[] = {{"vocab_size", c->vocab, 1 << 24},
                 {"hidden_size", c->hidden, 1 << 20},
                 {"num_hidden_layers", c->layers, MS_MOE_MAX_LAYERS},
                 {"num_attention_heads", c->heads, 1 << 16},
                 {"num_key_value_heads", c->kv_heads, 1 << 16},
                 {"head_dim", c->head_dim, 1 << 16},
                 {"num_experts", c->experts, 1 << 16},
                 {"num_experts_per_tok", c->top_k, 1 << 16},
                 {"intermediate_size", c->expert_intermediate, 1 << 20},
                 {"max_position_embeddings", c->max_positions, INT_MAX}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        if (sizes[i].value < 1 || sizes[i].value > sizes[i].max)
            return ms_err_at(err, MS_INVALID, NULL, 0, 0, sizes[i].key,
                             "%d is not between 1 and %d", sizes[i].value, sizes[i].max);
    if (c->heads % c->kv_heads)
        return ms_err_at(err, MS_INVALID, NULL, 0, 0, "num_key_value_heads",
                         "%d does not divide the %d heads", c->kv_heads, c->heads);
    if (c->head_dim % 2)
        return ms_err_at(err, MS_INVALID, NULL, 0, 0, "head_dim",
                         "%d is odd; rotary positions need pairs", c->head_dim);
    if (c->top_k > c->experts)
        return ms_err_at(err, MS_INVALID, NULL, 0, 0, "num_experts_per_tok",
                         "%d is more than the %d experts", c->top_k, c->experts);
    if (!(c->rms_eps >= 0 && c->rms_eps < 1))
        return ms_err_at(err, MS_INVALID, NULL, 0, 0, "rms_norm_eps", "%g is not between 0 and 1",
                         c->rms_eps);
    if (!(c->rope_theta > 0 && isfinite(c->rope_theta)))
        return ms_err_at(err, MS_INVALID, NULL, 0, 0, "rope_theta", "%g is not more than 0",
                         c->rope_theta);
    for (int l = 0; l < c->layers; l++)
        if (c->dense[l] && (c->dense_intermediate < 1 || c->dense_intermediate > 1 << 20))
            return ms_err_at(err, MS_INVALID, NULL, 0, 0, "intermediate_size",
                             "%d is not between 1 and %d", c->dense_intermediate, 1 << 20);
    return MS_OK;
}

/* ---- reading ---- */

struct reader {
    const char *path;
    json_t *root;
    struct ms_err *err;
    enum ms_status status;
};

static void fail(struct reader *r, const char *key, const char *why)
{
    if (!r->status)
        r->status = ms_err_at(r->err, MS_INVALID, r->path, 0, 0, key, "%s", why);
}

/* A key that is absent or null counts as not given. */
static json_t *given(json_t *o, const char *key)
{
    json_t *v = json_object_get(o, key);
    return json_is_null(v) ? NULL : v;
}

/* fallback < 0: must be given. */
static int integer(struct reader *r, const char *key, const char *other, int fallback)
{
    json_t *v = given(r->root, key);
    if (!v && other)
        v = given(r->root, other);
    if (!v && fallback >= 0)
        return fallback;
    if (!v)
        fail(r, key, "is missing");
    else if (!json_is_integer(v) || json_integer_value(v) < 0 || json_integer_value(v) > INT_MAX)
        fail(r, key, "is not a whole number from 0 to 2147483647");
    else
        return (int)json_integer_value(v);
    return 0;
}

static double number(struct reader *r, json_t *o, const char *key, double fallback)
{
    json_t *v = given(o, key);
    if (!v)
        return fallback;
    if (!json_is_number(v))
        fail(r, key, "is not a number");
    return json_number_value(v);
}

static bool boolean(struct reader *r, const char *key, bool fallback)
{
    json_t *v = given(r->root, key);
    if (v && !json_is_boolean(v))
        fail(r, key, "is not true or false");
    return v ? json_is_true(v) : fallback;
}

static void read_family(struct reader *r, struct ms_moe_config *c)
{
    const char *word = json_string_value(given(r->root, "model_type"));
    if (!word) {
        fail(r, "model_type", "is missing");
        return;
    }
    for (int f = 0; f < MS_FAMILY_N; f++)
        if (strcmp(word, family_names[f]) == 0) {
            c->family = (enum ms_moe_family)f;
            return;
        }
    char allowed[256];
    r->status = ms_err_at(r->err, MS_INVALID, r->path, 0, 0, "model_type",
                          "'%s' is not a model family that is read%s", word,
                          ms_allowed(allowed, sizeof allowed, word, family_names, MS_FAMILY_N));
}

/* rope_theta at the top (transformers 4) or in rope_parameters (5); any scaling is refused. */
static void read_rope(struct reader *r, struct ms_moe_config *c)
{
    static const char *const keys[] = {"rope_parameters", "rope_scaling"};
    c->rope_theta = number(r, r->root, "rope_theta", c->family == MS_FAMILY_MIXTRAL ? 1e6 : 1e4);
    for (int i = 0; i < 2; i++) {
        json_t *o = given(r->root, keys[i]);
        if (!o)
            continue;
        if (!json_is_object(o)) {
            fail(r, keys[i], "is not an object");
            continue;
        }
        json_t *type = given(o, "rope_type") ? given(o, "rope_type") : given(o, "type");
        if (type && (!json_is_string(type) || strcmp(json_string_value(type), "default") != 0))
            fail(r, keys[i], "rope scaling is not supported; allowed: rope_type default");
        else if (i == 1 && !type)
            fail(r, keys[i], "rope scaling is not supported; allowed: null");
        c->rope_theta = number(r, o, "rope_theta", c->rope_theta);
        if (number(r, o, "partial_rotary_factor", 1) != 1)
            fail(r, "partial_rotary_factor", "is not supported; allowed: 1");
    }
    if (number(r, r->root, "partial_rotary_factor", 1) != 1)
        fail(r, "partial_rotary_factor", "is not supported; allowed: 1");
}

/* A layer has experts unless listed, or off the sparse step (modeling_qwen3_moe.py). */
static void read_dense(struct reader *r, struct ms_moe_config *c)
{
    int step = integer(r, "decoder_sparse_step", NULL, 1);
    if (step < 1)
        fail(r, "decoder_sparse_step", "is not 1 or more");
    for (int l = 0; l < c->layers && step >= 1; l++)
        c->dense[l] = (l + 1) % step != 0;
    json_t *list = given(r->root, "mlp_only_layers"), *v;
    size_t i;
    if (list && !json_is_array(list))
        fail(r, "mlp_only_layers", "is not a list of layers");
    json_array_foreach(list, i, v)
    {
        if (!json_is_integer(v) || json_integer_value(v) < 0 || json_integer_value(v) >= c->layers)
            fail(r, "mlp_only_layers", "holds what is not a layer of this model");
        else
            c->dense[json_integer_value(v)] = true;
    }
    c->dense_intermediate = integer(r, "intermediate_size", NULL, -1);
}

/* What would change the computation and is not computed here. */
static void refuse(struct reader *r)
{
    static const char *const zero[] = {"attention_dropout", "router_jitter_noise", "hidden_dropout",
                                       "n_shared_experts", "shared_expert_intermediate_size"};
    static const char *const off[] = {"attention_bias", "mlp_bias"};
    for (size_t i = 0; i < sizeof zero / sizeof *zero; i++)
        if (number(r, r->root, zero[i], 0) != 0)
            fail(r, zero[i], "is not supported; allowed: 0");
    for (size_t i = 0; i < sizeof off / sizeof *off; i++)
        if (boolean(r, off[i], false))
            fail(r, off[i], "is not supported; allowed: false");
    if (given(r->root, "clip_qkv"))
        fail(r, "clip_qkv", "is not supported; allowed: null");
    if (given(r->root, "quantization_config"))
        fail(r, "quantization_config", "quantised weights are not supported");
    json_t *act = given(r->root, "hidden_act");
    if (act && (!json_is_string(act) || strcmp(json_string_value(act), "silu") != 0))
        fail(r, "hidden_act", "is not supported; allowed: silu");
}

static bool is_bfloat16(json_t *root)
{
    json_t *v = given(root, "dtype") ? given(root, "dtype") : given(root, "torch_dtype");
    return json_is_string(v) && strcmp(json_string_value(v), "bfloat16") == 0;
}

static void read_all(struct reader *r, struct ms_moe_config *c)
{
    read_family(r, c);
    if (r->status)
        return;
    bool mixtral = c->family == MS_FAMILY_MIXTRAL, qwen = c->family == MS_FAMILY_QWEN3_MOE;
    c->vocab = integer(r, "vocab_size", NULL, -1);
    c->hidden = integer(r, "hidden_size", NULL, -1);
    c->layers = integer(r, "num_hidden_layers", NULL, -1);
    c->heads = integer(r, "num_attention_heads", NULL, -1);
    c->kv_heads = integer(r, "num_key_value_heads", NULL, c->heads);
    c->head_dim = integer(r, "head_dim", NULL, 0);
    if (c->head_dim == 0 && c->heads > 0) {
        if (c->hidden % c->heads)
            fail(r, "num_attention_heads", "does not divide hidden_size, and no head_dim is given");
        c->head_dim = c->hidden / c->heads;
    }
    c->experts = mixtral ? integer(r, "num_local_experts", "num_experts", -1)
                         : integer(r, "num_experts", "num_local_experts", -1);
    c->top_k = integer(r, "num_experts_per_tok", NULL, -1);
    c->expert_intermediate = integer(r, width_keys[c->family], NULL, -1);
    c->max_positions = integer(r, "max_position_embeddings", NULL, mixtral ? 131072 : 4096);
    c->tied = boolean(r, "tie_word_embeddings", false);
    c->bf16 = is_bfloat16(r->root);
    c->renormalised = mixtral || boolean(r, "norm_topk_prob", false);
    c->qk_norm = mixtral ? MS_QK_NORM_NONE : qwen ? MS_QK_NORM_HEAD : MS_QK_NORM_WIDTH;
    c->rms_eps = number(r, r->root, "rms_norm_eps", qwen ? 1e-6 : 1e-5);
    c->initializer_range = number(r, r->root, "initializer_range", 0.02);
    c->aux_coef = number(r, r->root, "router_aux_loss_coef", qwen || mixtral ? 0.001 : 0.01);
    if (!qwen || boolean(r, "use_sliding_window", false))
        c->sliding_window = integer(r, "sliding_window", NULL, 0);
    read_rope(r, c);
    refuse(r);
    if (!r->status && c->layers > MS_MOE_MAX_LAYERS)
        fail(r, "num_hidden_layers", "is more than 256");
    if (!r->status && qwen)
        read_dense(r, c);
}

enum ms_status ms_moe_config_parse(const char *path, const char *text, size_t n,
                                   struct ms_moe_config *out, struct ms_err *err)
{
    json_error_t why;
    struct ms_moe_config c = {0};
    struct reader r = {
        .path = path, .root = json_loadb(text, n, JSON_REJECT_DUPLICATES, &why), .err = err};
    if (!r.root)
        return ms_err_at(err, MS_INVALID, path, why.line > 0 ? why.line : 0,
                         why.column > 0 ? why.column : 0, NULL, "%s", ms_json_reason(why.text));
    if (!json_is_object(r.root))
        fail(&r, NULL, "is not a JSON object");
    else
        read_all(&r, &c);
    json_decref(r.root);
    if (r.status)
        return r.status;
    struct ms_err found = {0};
    if (ms_moe_config_check(&c, &found))
        return ms_err_at(err, found.status, path, 0, 0, found.key, "%s", found.text);
    *out = c;
    return MS_OK;
}

/* ---- writing ---- */

static json_t *fresh(const struct ms_moe_config *c)
{
    bool qwen = c->family == MS_FAMILY_QWEN3_MOE, mixtral = c->family == MS_FAMILY_MIXTRAL;
    json_t *o = json_pack(
        "{s:[s], s:f, s:n, s:n, s:n, s:i, s:s, s:i, s:f, s:i, s:i, s:s, s:i, s:i, s:i, s:i, s:f, "
        "s:{s:f, s:s},"
        " s:f, s:f, s:b, s:b, s:i}",
        "architectures", architectures[c->family], "attention_dropout", 0.0, "bos_token_id",
        "eos_token_id", "pad_token_id", "head_dim", c->head_dim, "hidden_act", "silu",
        "hidden_size", c->hidden, "initializer_range", c->initializer_range, width_keys[c->family],
        c->expert_intermediate, "max_position_embeddings", c->max_positions, "model_type",
        family_names[c->family], "num_attention_heads", c->heads, "num_experts_per_tok", c->top_k,
        "num_hidden_layers", c->layers, "num_key_value_heads", c->kv_heads, "rms_norm_eps",
        c->rms_eps, "rope_parameters", "rope_theta", c->rope_theta, "rope_type", "default",
        "rope_theta", c->rope_theta, "router_aux_loss_coef", c->aux_coef, "tie_word_embeddings",
        c->tied, "use_cache", 1, "vocab_size", c->vocab);
    if (!o)
        return NULL;
    int bad = json_object_set_new(o, mixtral ? "num_local_experts" : "num_experts",
                                  json_integer(c->experts));
    if (c->sliding_window)
        bad |= json_object_set_new(o, "sliding_window", json_integer(c->sliding_window));
    else if (!qwen)
        bad |= json_object_set_new(o, "sliding_window", json_null());
    if (!mixtral)
        bad |= json_object_set_new(o, "norm_topk_prob", json_boolean(c->renormalised));
    if (qwen) {
        json_t *dense = json_array();
        for (int l = 0; l < c->layers; l++)
            if (c->dense[l])
                bad |= json_array_append_new(dense, json_integer(l));
        bad |= json_object_set_new(o, "mlp_only_layers", dense);
        bad |= json_object_set_new(o, "decoder_sparse_step", json_integer(1));
        bad |= json_object_set_new(
            o, "intermediate_size",
            json_integer(c->dense_intermediate ? c->dense_intermediate : c->expert_intermediate));
    }
    if (bad) {
        json_decref(o);
        return NULL;
    }
    return o;
}

enum ms_status ms_moe_config_print(const struct ms_moe_config *c, const char *original,
                                   struct ms_buf *out, struct ms_err *err)
{
    json_t *o = original ? json_loads(original, 0, NULL) : fresh(c);
    char *text = NULL;
    if (o && json_object_set_new(o, "dtype", json_string("float32")) == 0 &&
        json_object_set_new(o, "torch_dtype", json_string("float32")) == 0)
        text = json_dumps(o, JSON_INDENT(2) | JSON_SORT_KEYS | JSON_REAL_PRECISION(17));
    json_decref(o);
    if (!text)
        return ms_err_set(err, MS_NOMEM, "out of memory for a config.json");
    ms_buf_adds(out, text);
    ms_buf_adds(out, "\n");
    free(text);
    return MS_OK;
}
