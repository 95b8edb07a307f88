/* Reads the shape of a mixture-of-experts model from config.json: the keys of every family in the
 * field, in tables of names that mean the same. */
#include "routing/model_config_parts.h"

#include <math.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"

/* Names of one thing, the most particular first. */
static const char *const k_hidden[] = {"hidden_size", "d_model", "n_embd",
                                       "model_dim",   "dim",     NULL};
static const char *const k_layers[] = {"num_hidden_layers", "n_layers",       "n_layer",
                                       "num_layers",        "encoder_layers", NULL};
static const char *const k_experts[] = {
    "n_routed_experts", "num_routed_experts", "num_experts", "num_local_experts",
    "moe_num_experts",  "num_moe_experts",    "n_experts",   NULL};
/* What says of its experts apart from the model: DBRX, Mistral's own params.json, Yuan. */
static const char *const k_apart[] = {"ffn_config", "moe", "moe_config", NULL};
static const char *const k_top_k[] = {"num_experts_per_tok",
                                      "num_experts_per_token",
                                      "n_experts_per_token",
                                      "moe_top_k",
                                      "moe_topk",
                                      "moe_k",
                                      "top_k_experts",
                                      "experts_per_token",
                                      "num_selected_experts",
                                      "num_experts_per_topk",
                                      "n_activated_experts",
                                      "router_topk",
                                      "router_top_k",
                                      NULL};
static const char *const k_width[] = {"moe_intermediate_size",
                                      "expert_intermediate_size",
                                      "expert_ffn_hidden_size",
                                      "moe_ffn_hidden_size",
                                      "intermediate_size_moe",
                                      "expert_dim",
                                      "moe_inter_dim",
                                      "expert_hidden_dim",
                                      "intermediate_size",
                                      "ffn_hidden_size",
                                      "ffn_dim",
                                      "encoder_ffn_dim",
                                      "d_ff",
                                      "hidden_dim",
                                      NULL};
static const char *const k_shared[] = {"n_shared_experts", "num_shared_experts",
                                       "num_shared_expert", "moe_num_shared_experts", NULL};
static const char *const k_dense_width[] = {"intermediate_size", "ffn_hidden_size", NULL};
static const char *const k_vocabulary[] = {"vocab_size", "padded_vocab_size", NULL};
static const char *const k_shared_width[] = {"shared_expert_intermediate_size",
                                             "moe_shared_expert_intermediate_size",
                                             "shared_intermediate_size", "share_expert_dim", NULL};
static const char *const k_groups[] = {"n_group", "num_expert_group", "num_expert_groups",
                                       "n_expert_groups", NULL};
static const char *const k_limit[] = {"topk_group", "top_k_group", "num_limited_groups",
                                      "n_limited_groups", NULL};
static const char *const k_score[] = {"scoring_func", "score_function", "score_func",
                                      "moe_router_activation_func", NULL};
static const char *const k_latent[] = {"moe_latent_size", "routed_expert_hidden_size", NULL};

void ms_config_fail(struct ms_config_reader *r, const char *key, const char *why)
{
    if (r->status == MS_OK)
        r->status = ms_err_at(r->err, MS_INVALID, r->path, 0, 0, key, "%s", why);
}

const json_t *ms_config_given(const json_t *o, const char *key)
{
    const json_t *v = json_object_get(o, key);
    return json_is_null(v) ? NULL : v;
}

/* The first of the names that is there. */
static const json_t *any_of(const struct ms_config_reader *r, const char *const *names,
                            const char **name)
{
    for (; *names; names++) {
        const json_t *v = ms_config_given(r->o, *names);
        *name = *names;
        if (v || (r->moe && (v = ms_config_given(r->moe, *names))))
            return v;
    }
    return NULL;
}

/* A whole number; of a list (one a layer, or one a modality) the first that is not 0. */
int ms_config_whole(struct ms_config_reader *r, const json_t *v, const char *key)
{
    size_t i;
    const json_t *one;
    if (json_is_array(v))
        json_array_foreach(v, i, one)
        {
            if (!json_is_number(one) || json_number_value(one) != 0 ||
                i + 1 == json_array_size(v)) {
                v = one;
                break;
            }
        }
    double d = json_is_number(v) ? json_number_value(v) : -1;
    if (d < 0 || d > 1e9 || d != floor(d)) {
        ms_config_fail(r, key, "is not a whole number of 0 or more");
        return 0;
    }
    return (int)d;
}

/* fallback < 0: must be there. */
static int number(struct ms_config_reader *r, const char *const *names, int fallback)
{
    const char *name;
    const json_t *v = any_of(r, names, &name);
    if (v)
        return ms_config_whole(r, v, name);
    if (fallback < 0)
        ms_config_fail(r, names[0], "is missing, and so are its other names");
    return fallback;
}

int ms_config_option(struct ms_config_reader *r, const char *key, int fallback)
{
    const json_t *v = ms_config_given(r->o, key);
    v = v || !r->moe ? v : ms_config_given(r->moe, key);
    return v ? ms_config_whole(r, v, key) : fallback;
}

/* ---- the rest ---- */

/* Llama 4 and Hunyuan share an expert that their files do not count. */
static int always_shared(const struct ms_config_reader *r)
{
    return strncmp(r->family, "llama4", 6) == 0 ||
           json_is_true(ms_config_given(r->o, "use_mixed_mlp_moe"));
}

/* Shared experts in units of a routed one: wider ones count as several. */
static int shared(struct ms_config_reader *r, int width)
{
    int n = number(r, k_shared, always_shared(r)), w = number(r, k_shared_width, 0);
    if (w <= 0 || width <= 0)
        return n;
    int wide = (int)floor((double)w / width + 0.5);
    return wide > n ? wide : n > 0 ? n : 1;
}

/* DeepSeek-V2 takes the best expert of a group, V3 and those after it (a bias, sigmoids) the two best.
 * What transformers writes of V3 itself names neither the method nor the score. */
static bool by_two_best(const struct ms_config_reader *r)
{
    const char *method = json_string_value(ms_config_given(r->o, "topk_method")), *name;
    const char *score = json_string_value(any_of(r, k_score, &name));
    if (method)
        return strcmp(method, "noaux_tc") == 0;
    if (score)
        return strcmp(score, "sigmoid") == 0;
    return *r->family && strcmp(r->family, "deepseek_v2") != 0;
}

/* Which groups a token may reach, if not all. */
static void read_groups(struct ms_config_reader *r, struct ms_model_shape *m)
{
    const char *method = json_string_value(ms_config_given(r->o, "topk_method"));
    m->groups = number(r, k_groups, 1);
    m->group_limit = number(r, k_limit, m->groups);
    bool all = m->groups <= 1 || m->group_limit < 1 || m->group_limit >= m->groups ||
               (method && strcmp(method, "greedy") == 0);
    if (all) {
        m->groups = m->group_limit = 1;
        return;
    }
    if (m->experts % m->groups != 0)
        ms_config_fail(r, k_groups[0], "does not divide the experts");
    m->group_score = by_two_best(r) ? MS_GROUP_TOP2_SUM : MS_GROUP_MAX;
}

/* Bytes of a word for a number's type; 0: not one of them. */
static double word_bytes(const char *word)
{
    static const struct {
        const char *word;
        double bytes;
    } types[] = {{"float32", 4},     {"bfloat16", 2},  {"float16", 2}, {"fp8", 1},
                 {"float8", 1},      {"int8", 1},      {"fbgemm", 1},  {"mxfp4", 4.25 / 8},
                 {"nvfp4", 4.5 / 8}, {"fp4", 4.5 / 8}, {"int4", 0.5}};
    for (size_t k = 0; word && k < sizeof types / sizeof *types; k++)
        if (strstr(word, types[k].word))
            return types[k].bytes;
    return 0;
}

/* Of quantised weights: by the method's name, or by bits; groups of compressed-tensors agree on the
 * experts, so the first one's count. */
static double quantised_bytes(const json_t *q)
{
    static const char *const bits[] = {"bits", "w_bit", "num_bits", "nbits"};
    const json_t *groups = ms_config_given(q, "config_groups"), *group;
    const char *key;
    if (json_is_object(groups))
        json_object_foreach((json_t *)groups, key, group)
        {
            const json_t *w = ms_config_given(group, "weights");
            return json_is_object(w) ? quantised_bytes(w) : 0;
        }
    for (size_t k = 0; k < sizeof bits / sizeof *bits; k++)
        if (json_is_integer(ms_config_given(q, bits[k])))
            return (double)json_integer_value(ms_config_given(q, bits[k])) / 8;
    double bytes = word_bytes(json_string_value(ms_config_given(q, "quant_method")));
    return bytes > 0 ? bytes : word_bytes(json_string_value(ms_config_given(q, "quant_algo")));
}

/* Of an expert's weights: what is said of experts, of the quantised model, of the whole. */
static double weight_bytes(const json_t *root, const json_t *text)
{
    static const char *const keys[] = {"expert_dtype", "quantization_config", "compression_config",
                                       "dtype", "torch_dtype"};
    for (size_t k = 0; k < sizeof keys / sizeof *keys; k++)
        for (int at = 0; at < 2; at++) {
            const json_t *v = ms_config_given(at ? root : text, keys[k]);
            double bytes =
                json_is_object(v) ? quantised_bytes(v) : word_bytes(json_string_value(v));
            if (bytes > 0)
                return bytes;
        }
    return 0;
}

/* Experts a token where the family's files do not say it. -1: they do */
static int implied(const struct ms_config_reader *r)
{
    return strcmp(r->family, "switch_transformers") == 0 ? 1
           : strcmp(r->family, "nllb-moe") == 0          ? 2
                                                         : -1;
}

static void read_shape(struct ms_config_reader *r, struct ms_model_shape *m)
{
    int layers = ms_config_layers(r, number(r, k_layers, 0));
    if (r->status == MS_OK && !layers)
        ms_config_fail(r, k_layers[0], "is missing, and so are its other names");
    m->hidden = number(r, k_hidden, -1);
    m->experts = number(r, k_experts, -1);
    m->top_k = number(r, k_top_k, implied(r));
    m->expert_intermediate = number(r, k_width, -1);
    m->dispatch_width = number(r, k_latent, 0);
    m->shared_experts = shared(r, m->expert_intermediate);
    if (r->status == MS_OK && (layers < 1 || layers > MS_CONFIG_LAYERS))
        ms_config_fail(r, "num_hidden_layers", "is not between 1 and 4096");
    if (r->status != MS_OK)
        return;
    if (m->hidden < 1 || m->hidden > 1000000)
        ms_config_fail(r, k_hidden[0], "is not between 1 and 1000000");
    if (m->experts < 1 || m->experts > 65536)
        ms_config_fail(r, k_experts[0], "is not between 1 and 65536");
    if (m->top_k < 1 || m->top_k > m->experts)
        ms_config_fail(r, k_top_k[0], "is not between 1 and the experts");
    if (m->expert_intermediate < 1 || m->expert_intermediate > 10000000)
        ms_config_fail(r, k_width[0], "is not between 1 and 10000000");
    m->moe_layers = ms_config_moe_layers(r, layers);
    if (m->moe_layers < 1)
        ms_config_fail(r, "num_hidden_layers", "no layer of this model has experts");
    m->dense_layers = layers - m->moe_layers;
    m->dense_intermediate = number(r, k_dense_width, 0);
    m->vocabulary = number(r, k_vocabulary, 0);
    read_groups(r, m);
}

static const json_t *apart(const json_t *o)
{
    for (const char *const *k = k_apart; *k; k++)
        if (json_is_object(ms_config_given(o, *k)))
            return ms_config_given(o, *k);
    return NULL;
}

/* The object that describes the experts: the whole, or the text model inside. */
static const json_t *find_text(const json_t *o, int depth)
{
    static const char *const inside[] = {"text_config",    "language_config", "llm_config",
                                         "thinker_config", "language_model",  "llm"};
    for (const char *const *k = k_experts; *k; k++) {
        const json_t *moe = apart(o);
        if (ms_config_given(o, *k) || (moe && ms_config_given(moe, *k)))
            return o;
    }
    for (size_t i = 0; depth < 4 && i < sizeof inside / sizeof *inside; i++) {
        const json_t *x = ms_config_given(o, inside[i]);
        const json_t *found = json_is_object(x) ? find_text(x, depth + 1) : NULL;
        if (found)
            return found;
    }
    return NULL;
}

/* Python writes Infinity and NaN, which are no JSON: they become null. */
static void clean(char *text, size_t n)
{
    static const char *const words[] = {"-Infinity", "Infinity", "NaN"};
    bool quoted = false;
    for (size_t i = 0; i < n; i++) {
        if (text[i] == '"')
            quoted = !quoted;
        if (quoted && text[i] == '\\')
            i++;
        for (size_t k = 0; !quoted && k < sizeof words / sizeof *words; k++) {
            size_t m = strlen(words[k]);
            if (m > n - i || memcmp(text + i, words[k], m) != 0)
                continue;
            memset(text + i, ' ', m);
            memcpy(text + i, m == 3 ? "0" : "null", m == 3 ? 1 : 4);
            i += m - 1;
            break;
        }
    }
}

enum ms_status ms_model_config_parse(const char *path, const char *text, size_t n,
                                     struct ms_model_shape *out, struct ms_err *err)
{
    struct ms_buf copy = {0};
    json_error_t why;
    ms_buf_add(&copy, text, n);
    if (copy.failed || !copy.p) {
        ms_buf_finish(&copy);
        return n ? ms_err_set(err, MS_NOMEM, "out of memory")
                 : ms_err_at(err, MS_INVALID, path, 0, 0, NULL, "is empty");
    }
    clean(copy.p, copy.n);
    json_t *root = json_loadb(copy.p, copy.n, 0, &why);
    ms_buf_finish(&copy);
    if (!root)
        return ms_err_at(err, MS_INVALID, path, why.line, why.column, NULL, "is not JSON: %s",
                         ms_json_reason(why.text));
    struct ms_model_shape m = {
        .preset = out->preset, .config = out->config, .groups = 1, .group_limit = 1};
    struct ms_config_reader r = {.path = path, .o = find_text(root, 0), .err = err};
    if (r.o) {
        r.moe = apart(r.o);
        r.family = json_string_value(ms_config_given(r.o, "model_type"));
        r.family = r.family ? r.family : json_string_value(ms_config_given(root, "model_type"));
    }
    r.family = r.family ? r.family : "";
    if (!r.o)
        ms_config_fail(&r, k_experts[0],
                       "is missing, and so are its other names (num_experts, num_local_experts, "
                       "moe_num_experts): this is no configuration of a mixture of experts");
    else
        read_shape(&r, &m);
    if (r.status == MS_OK)
        m.weight_bytes = weight_bytes(root, r.o);
    json_decref(root);
    if (r.status == MS_OK)
        *out = m;
    return r.status;
}

enum ms_status ms_model_config_read(const char *path, struct ms_model_shape *out,
                                    struct ms_err *err)
{
    enum { MOST = 16 << 20 };
    struct ms_buf b = {0};
    enum ms_status s = ms_file_read(path, &b, err);
    if (s == MS_OK && b.n > MOST)
        s = ms_err_at(err, MS_INVALID, path, 0, 0, NULL, "is larger than 16 MiB");
    if (s == MS_OK)
        s = ms_model_config_parse(path, b.p ? b.p : "", b.n, out, err);
    ms_buf_finish(&b);
    return s;
}
