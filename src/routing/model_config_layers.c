/* Which layers of a model have experts, as the families' config.json say it: a word or a number a
 * layer, lists of layers, every so many, those after the first few. */
#include "routing/model_config_parts.h"

#include <stdio.h>
#include <string.h>

/* A word, a number, a truth or a letter a layer. */
static const char *const kinds[] = {"hybrid_override_pattern",
                                    "layers_block_type",
                                    "mlp_layer_types",
                                    "moe_layer_freq",
                                    "is_moe_layer",
                                    "block_configs",
                                    "layer_types",
                                    "block_types"};

static bool names_experts(const json_t *one)
{
    static const char *const words[] = {"moe", "sparse", "E", "moe_attention"};
    const char *word = json_string_value(one);
    if (json_is_object(one)) /* Nemotron's block_configs */
        word = json_string_value(json_object_get(one, "block_type"));
    for (size_t k = 0; word && k < sizeof words / sizeof *words; k++)
        if (strcmp(word, words[k]) == 0)
            return true;
    return json_is_true(one) || (json_is_number(one) && json_number_value(one) != 0);
}

/* "MEM*E", ["mamba", "moe"], [0, 1, 1], ["dense", "sparse"]. @param in NULL, or [layers] filled
 * @return how many there are, 0: not there, or (a list of kinds of attention) no experts named */
static int spelled(const struct ms_config_reader *r, const char *key, int layers, bool *in)
{
    const json_t *v = ms_config_given(r->o, key);
    const char *text = json_string_value(v);
    size_t n = text ? strlen(text) : json_array_size(v);
    bool any = false;
    for (size_t i = 0; i < n && i < MS_CONFIG_LAYERS; i++) {
        bool is = text ? text[i] == 'E' : names_experts(json_array_get(v, i));
        any |= is;
        if (in && i < (size_t)layers)
            in[i] = is;
    }
    return any && n <= MS_CONFIG_LAYERS ? (int)n : 0;
}

/* Nemotron: the list rules, and newer files have nothing else. */
int ms_config_layers(const struct ms_config_reader *r, int given)
{
    int n = 0;
    for (size_t i = 0; !n && i < 2; i++)
        n = spelled(r, kinds[i], 0, NULL);
    for (size_t i = 2; !n && !given && i < sizeof kinds / sizeof *kinds; i++)
        n = spelled(r, kinds[i], 0, NULL);
    return n ? n : given;
}

/* A list of layer numbers, or a text of them ("4,5,6"). false: the key is not there */
static bool listed(struct ms_config_reader *r, const char *key, int layers, bool *in)
{
    const json_t *v = ms_config_given(r->o, key), *one;
    const char *text = json_string_value(v);
    size_t i;
    int l;
    if (!v || (json_is_array(v) && json_array_size(v) == 0 && strcmp(key, "mlp_only_layers") != 0))
        return false;
    memset(in, 0, (size_t)layers);
    if (text) {
        for (int n = 0; sscanf(text, "%d%n", &l, &n) == 1; text += n + (text[n] == ','))
            if (l >= 0 && l < layers)
                in[l] = true;
        return true;
    }
    json_array_foreach(v, i, one)
    {
        l = json_is_integer(one) ? (int)json_integer_value(one) : -1;
        if (l < 0 || l >= layers)
            ms_config_fail(r, key, "holds what is not a layer of this model");
        else
            in[l] = true;
    }
    return true;
}

/* first: layers before it are dense; every: of the rest. */
static void regular(int layers, int first, int last, int every, int phase, bool *in)
{
    for (int l = 0; l < layers; l++)
        in[l] = l >= first && l <= last && every > 0 && l % every == phase % every;
}

/* Dense layers in front. */
static int first_of(struct ms_config_reader *r)
{
    static const char *const names[] = {"first_k_dense_replace", "num_dense_layers",
                                        "moe_layer_start_index", "moe_layer_num_skipped",
                                        "n_dense_layers"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (ms_config_given(r->o, names[i]) || (r->moe && ms_config_given(r->moe, names[i])))
            return ms_config_option(r, names[i], 0);
    return 0;
}

/* Ernie's: -1 is the last layer. */
static int last_of(struct ms_config_reader *r, int layers)
{
    const json_t *v = ms_config_given(r->o, "moe_layer_end_index");
    if (json_is_integer(v) && json_integer_value(v) < 0)
        return layers - 1;
    return ms_config_option(r, "moe_layer_end_index", layers - 1);
}

/* Families that count: the last of every so many layers, Jamba's offset, DeepSeek's first. */
static void count_off(struct ms_config_reader *r, int layers, bool *in)
{
    static const char *const last_of_every[] = {
        "interleave_moe_layer_step" /* Llama 4 */, "decoder_sparse_step" /* Qwen */,
        "moe_layer_frequency" /* Arctic */, "moe_layer_interval" /* Ernie, OpenMoE */};
    const json_t *freq = ms_config_given(r->o, "moe_layer_freq");
    int first = first_of(r), last = last_of(r, layers);
    if (ms_config_given(r->o, "expert_layer_period")) {
        regular(layers, 0, layers, ms_config_option(r, "expert_layer_period", 1),
                ms_config_option(r, "expert_layer_offset", 0), in);
        return;
    }
    for (size_t i = 0; i < sizeof last_of_every / sizeof *last_of_every; i++)
        if (ms_config_given(r->o, last_of_every[i])) {
            int every = ms_config_option(r, last_of_every[i], 1);
            regular(layers, first, last, every, every - 1, in);
            return;
        }
    regular(layers, first, last,
            json_is_number(freq) ? ms_config_option(r, "moe_layer_freq", 1) : 1, 0, in);
}

/* Encoders with decoders: Switch says how many layers of each have experts, NLLB-MoE every how
 * many. 0: not one of them */
static int of_both_stacks(struct ms_config_reader *r)
{
    int n = ms_config_option(r, "num_sparse_encoder_layers", 0) +
            ms_config_option(r, "num_sparse_decoder_layers", 0);
    int encoder = ms_config_option(r, "encoder_sparse_step", 0),
        decoder = ms_config_option(r, "decoder_sparse_step", 0);
    if (n > 0 || !ms_config_given(r->o, "encoder_layers"))
        return n;
    if (encoder > 0)
        n += ms_config_option(r, "encoder_layers", 0) / encoder;
    if (decoder > 0)
        n += ms_config_option(r, "decoder_layers", 0) / decoder;
    return n;
}

int ms_config_moe_layers(struct ms_config_reader *r, int layers)
{
    static const char *const lists[] = {"moe_layers_enum", "moe_layers"};
    bool in[MS_CONFIG_LAYERS] = {false}, dense[MS_CONFIG_LAYERS] = {false}, found = false;
    int n = of_both_stacks(r);
    if (n > 0)
        return n;
    for (size_t i = 0; !found && i < sizeof kinds / sizeof *kinds; i++)
        found = spelled(r, kinds[i], layers, in) == layers;
    for (size_t i = 0; !found && i < sizeof lists / sizeof *lists; i++)
        found = listed(r, lists[i], layers, in);
    if (!found) {
        memset(in, 0, sizeof in);
        count_off(r, layers, in);
    }
    if (listed(r, "mlp_only_layers", layers, dense))
        for (int l = 0; l < layers; l++)
            in[l] = in[l] && !dense[l];
    for (int l = 0; l < layers; l++)
        n += in[l];
    return n;
}
