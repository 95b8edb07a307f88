/* The table of published model shapes, each with where its numbers come from, and the search in
 * it. */
#include "routing/preset.h"

#include <string.h>

#define CONFIG "Hugging Face config.json as copied in ai-dynamo/aiconfigurator model_configs"

/* One row: name, help, MoE layers, hidden, experts, shared, top_k, intermediate, groups, limit, score,
 * source, and what else is known of the shape. */
#define SHAPE(name_, help_, L_, H_, E_, S_, K_, F_, groups_, limit_, score_, source_, ...)         \
    {                                                                                              \
        name_, help_,                                                                              \
            {.preset = name_,                                                                      \
             .moe_layers = L_,                                                                     \
             .hidden = H_,                                                                         \
             .experts = E_,                                                                        \
             .shared_experts = S_,                                                                 \
             .top_k = K_,                                                                          \
             .expert_intermediate = F_,                                                            \
             .groups = groups_,                                                                    \
             .group_limit = limit_,                                                                \
             .group_score = score_,                                                                \
             __VA_ARGS__},                                                                         \
            source_                                                                                \
    }
#define ATTENTION(heads_, kv_heads_, head_dim_)                                                    \
    .heads = (heads_), .kv_heads = (kv_heads_), .head_dim = (head_dim_)
#define UNKNOWN ATTENTION(0, 0, 128)
/* Layers without experts, the width of their FFN, and the head's vocabulary. */
#define DENSE(layers_, width_, vocabulary_)                                                        \
    .dense_layers = (layers_), .dense_intermediate = (width_), .vocabulary = (vocabulary_)
/* Experts take a narrower vector than hidden. */
#define LATENT(width_) .dispatch_width = (width_)

#define QUOTED "Hugging Face config.json as public code quotes it"

/* clang-format off */
static const struct ms_model_preset presets[] = {
    SHAPE("mixtral-8x7b", "Mistral's Mixtral 8x7B", 32, 4096, 8, 0, 2, 14336, 1, 1, MS_GROUP_MAX, CONFIG, ATTENTION(32, 8, 128)),
    SHAPE("mixtral-8x22b", "Mistral's Mixtral 8x22B", 56, 6144, 8, 0, 2, 16384, 1, 1, MS_GROUP_MAX,
        CONFIG, ATTENTION(48, 8, 128)),
    SHAPE("deepseek-v2-lite", "DeepSeek-V2-Lite", 26, 2048, 64, 2, 6, 1408, 1, 1, MS_GROUP_MAX,
        "DeepSeek's published inference configuration", UNKNOWN),
    SHAPE("deepseek-v2", "DeepSeek-V2: 8 groups, at most 3 a token", 59, 5120, 160, 2, 6, 1536, 8, 3, MS_GROUP_MAX,
        "Hugging Face config.json (topk_method group_limited_greedy)", ATTENTION(128, 0, 192), DENSE(1, 12288, 102400)),
    SHAPE("deepseek-v3", "DeepSeek-V3 and R1: 8 groups, at most 4 a token", 58, 7168, 256, 1, 8, 2048, 8, 4, MS_GROUP_TOP2_SUM,
        CONFIG " (topk_method noaux_tc)", ATTENTION(128, 0, 192), DENSE(3, 18432, 129280)),
    SHAPE("qwen3-235b-a22b", "Qwen3-235B-A22B", 94, 4096, 128, 0, 8, 1536, 1, 1, MS_GROUP_MAX, CONFIG, ATTENTION(64, 4, 128)),
    SHAPE("qwen3-30b-a3b", "Qwen3-30B-A3B", 48, 2048, 128, 0, 8, 768, 1, 1, MS_GROUP_MAX, CONFIG, ATTENTION(32, 4, 128)),
    SHAPE("qwen3.5-397b-a17b", "Qwen3.5-397B-A17B", 60, 4096, 512, 1, 10, 1024, 1, 1, MS_GROUP_MAX, CONFIG, UNKNOWN),
    SHAPE("olmoe-1b-7b", "AllenAI's OLMoE-1B-7B", 16, 2048, 64, 0, 8, 1024, 1, 1, MS_GROUP_MAX,
        "OLMoE paper (arXiv 2409.02060), table of the model", ATTENTION(16, 16, 128)),
    SHAPE("dbrx", "Databricks' DBRX", 40, 6144, 16, 0, 4, 10752, 1, 1, MS_GROUP_MAX,
        "Hugging Face config.json", ATTENTION(48, 8, 128)),
    SHAPE("grok-1", "xAI's Grok-1", 64, 6144, 8, 0, 2, 32768, 1, 1, MS_GROUP_MAX, "xai-org/grok-1 run.py", ATTENTION(48, 8, 128)),
    SHAPE("llama4-maverick", "Llama 4 Maverick: every second layer is MoE", 24, 5120, 128, 1, 1, 8192, 1, 1, MS_GROUP_MAX,
        CONFIG, ATTENTION(40, 8, 128)),
    SHAPE("llama4-scout", "Llama 4 Scout", 48, 5120, 16, 1, 1, 8192, 1, 1, MS_GROUP_MAX, CONFIG, ATTENTION(40, 8, 128)),
    SHAPE("kimi-k2", "Moonshot's Kimi K2", 60, 7168, 384, 1, 8, 2048, 1, 1, MS_GROUP_MAX,
        CONFIG " (n_group 1)", ATTENTION(64, 0, 192), DENSE(1, 18432, 163840)),
    SHAPE("gpt-oss-120b", "OpenAI's gpt-oss-120b", 36, 2880, 128, 0, 4, 2880, 1, 1, MS_GROUP_MAX, CONFIG, ATTENTION(64, 8, 64)),
    SHAPE("gpt-oss-20b", "OpenAI's gpt-oss-20b", 24, 2880, 32, 0, 4, 2880, 1, 1, MS_GROUP_MAX, CONFIG, ATTENTION(64, 8, 64)),
    SHAPE("glm-4.5", "Zhipu's GLM-4.5", 89, 5120, 160, 1, 8, 1536, 1, 1, MS_GROUP_MAX,
        "sizes of zai-org/GLM-4.7's " CONFIG ", which has the same shape", ATTENTION(96, 8, 128)),
    SHAPE("glm-4.5-air", "Zhipu's GLM-4.5-Air", 45, 4096, 128, 1, 8, 1408, 1, 1, MS_GROUP_MAX,
        "unverified", ATTENTION(96, 8, 128)),
    SHAPE("glm-5", "Zhipu's GLM-5", 75, 6144, 256, 1, 8, 2048, 1, 1, MS_GROUP_MAX, CONFIG " (n_group 1)", UNKNOWN),
    SHAPE("glm-4.7", "Zhipu's GLM-4.7", 89, 5120, 160, 1, 8, 1536, 1, 1, MS_GROUP_MAX, CONFIG, ATTENTION(96, 8, 128)),
    SHAPE("qwen3-next-80b-a3b", "Qwen3-Next-80B-A3B", 48, 2048, 512, 1, 10, 512, 1, 1, MS_GROUP_MAX, CONFIG, UNKNOWN),
    SHAPE("deepseek-v4-pro", "DeepSeek-V4-Pro; its config names no dense layer", 61, 7168, 384, 1, 6, 3072, 1, 1, MS_GROUP_MAX,
        CONFIG, UNKNOWN),
    SHAPE("deepseek-v4-flash", "DeepSeek-V4-Flash; its config names no dense layer", 43, 4096, 256, 1, 6, 2048, 1, 1, MS_GROUP_MAX,
        CONFIG, UNKNOWN),
    SHAPE("step-3.7-flash", "StepFun's Step-3.7-Flash", 42, 4096, 288, 1, 8, 1280, 1, 1, MS_GROUP_MAX, CONFIG, UNKNOWN),
    SHAPE("nemotron-3-nano-30b-a3b", "Nvidia's Nemotron-3-Nano: 23 of 52 layers are MoE", 23, 2688, 128, 2, 6, 1856, 1, 1, MS_GROUP_MAX,
        "Hugging Face config.json (hybrid_override_pattern)", UNKNOWN),
    SHAPE("minimax-m2.5", "MiniMax-M2.5", 62, 3072, 256, 0, 8, 1536, 1, 1, MS_GROUP_MAX, CONFIG, UNKNOWN),
    SHAPE("glm-4.7-flash", "Zhipu's GLM-4.7-Flash", 46, 2048, 64, 1, 4, 1536, 1, 1, MS_GROUP_MAX, CONFIG, UNKNOWN),
    SHAPE("ernie-4.5-21b-a3b", "Baidu's ERNIE-4.5-21B-A3B: layers 1 to 27", 27, 2560, 64, 2, 6, 1536, 1, 1, MS_GROUP_MAX,
        "Hugging Face config.json as two public test suites quote it (moe_layer_start_index 1, moe_k 6)", UNKNOWN),
    SHAPE("mimo-v2-flash", "Xiaomi's MiMo-V2-Flash: all layers but the first", 47, 4096, 256, 0, 8, 2048, 1, 1, MS_GROUP_MAX,
        "Hugging Face config.json as public test suites quote it (moe_layer_freq 0, 1, 1 …; n_group 1)", UNKNOWN),
    SHAPE("qwen3-coder-480b-a35b", "Qwen3-Coder-480B-A35B", 62, 6144, 160, 0, 8, 2560, 1, 1, MS_GROUP_MAX,
        QUOTED " (llm-compressor's documentation and others)", ATTENTION(96, 8, 128)),
    SHAPE("qwen3.5-122b-a10b", "Qwen3.5-122B-A10B", 48, 3072, 256, 1, 8, 1024, 1, 1, MS_GROUP_MAX,
        "the model card's table as two public model lists give it", UNKNOWN),
    SHAPE("qwen3.5-35b-a3b", "Qwen3.5-35B-A3B", 40, 2048, 256, 1, 8, 512, 1, 1, MS_GROUP_MAX,
        "THUDM/slime scripts/models/qwen3.5-35B-A3B.sh", UNKNOWN),
    SHAPE("hunyuan-a13b", "Tencent's Hunyuan-A13B", 32, 4096, 64, 1, 8, 3072, 1, 1, MS_GROUP_MAX,
        "Tencent's description (64 experts and 1 shared, top-8), sizes as a public model list gives them", ATTENTION(32, 8, 128)),
    SHAPE("phi-3.5-moe", "Microsoft's Phi-3.5-MoE", 32, 4096, 16, 0, 2, 6400, 1, 1, MS_GROUP_MAX,
        "defaults of transformers' PhimoeConfig, which are that model's", ATTENTION(32, 8, 128)),
    SHAPE("jamba-v0.1", "AI21's Jamba-v0.1: every second layer is MoE", 16, 4096, 16, 0, 2, 14336, 1, 1, MS_GROUP_MAX,
        "defaults of transformers' JambaConfig, which are that model's", ATTENTION(32, 8, 128)),
    SHAPE("minimax-m3", "MiniMax-M3: all of 60 layers but the first three", 57, 6144, 128, 1, 4, 3072, 1, 1, MS_GROUP_MAX,
        QUOTED " (readers of minimax_m3_vl)", ATTENTION(64, 4, 128)),
    SHAPE("kimi-k3", "Moonshot's Kimi K3: experts take 3584 of 7168 values", 92, 7168, 896, 2, 16, 3072, 1, 1, MS_GROUP_MAX,
        QUOTED " (readers of kimi_k3; num_expert_group 1)", UNKNOWN, LATENT(3584)),
    SHAPE("nemotron-3-super-120b-a12b", "Nvidia's Nemotron-3-Super: 40 of 88 layers are MoE; experts take 1024 of 4096 values",
        40, 4096, 512, 2, 22, 2688, 1, 1, MS_GROUP_MAX,
        QUOTED " (Megatron-Bridge's and others' tests; shared expert 5376)", UNKNOWN, LATENT(1024)),
    {.name = NULL},
};
/* clang-format on */

/* Weights that are published in fewer bytes than bfloat16's two (quantization_config of the same
 * files): FP8 with scales of 128 x 128, MXFP4 with scales of 32. */
static const struct {
    const char *name;
    double bytes;
} narrow[] = {
    {"deepseek-v3", 1},
    {"kimi-k2", 1},
    {"gpt-oss-120b", 4.25 / 8},
    {"gpt-oss-20b", 4.25 / 8},
};

double ms_model_preset_weight_bytes(const char *name)
{
    for (size_t i = 0; i < sizeof narrow / sizeof *narrow; i++)
        if (strcmp(narrow[i].name, name) == 0)
            return narrow[i].bytes;
    return 2;
}

double ms_model_expert_bytes(const struct ms_model_shape *m)
{
    double value = m->weight_bytes > 0 ? m->weight_bytes
                   : m->preset         ? ms_model_preset_weight_bytes(m->preset)
                                       : 2;
    return 3.0 * ms_model_width(m) * m->expert_intermediate * value;
}

const struct ms_model_preset *ms_model_presets(void)
{
    return presets;
}

/* Names that people and hubs use for the same shape. */
static const struct {
    const char *alias, *name;
} aliases[] = {
    {"deepseek-r1", "deepseek-v3"},
    {"deepseek-v3.1", "deepseek-v3"},
    {"deepseek-ai/DeepSeek-V3", "deepseek-v3"},
    {"deepseek-ai/DeepSeek-R1", "deepseek-v3"},
    {"deepseek-ai/DeepSeek-V2", "deepseek-v2"},
    {"deepseek-ai/DeepSeek-V2-Lite", "deepseek-v2-lite"},
    {"Qwen/Qwen3-235B-A22B", "qwen3-235b-a22b"},
    {"Qwen/Qwen3-30B-A3B", "qwen3-30b-a3b"},
    {"qwen3-vl-235b-a22b", "qwen3-235b-a22b"},
    {"Qwen/Qwen3-VL-235B-A22B-Thinking", "qwen3-235b-a22b"},
    {"Qwen/Qwen3-Next-80B-A3B-Thinking", "qwen3-next-80b-a3b"},
    {"deepseek-ai/DeepSeek-V3-0324", "deepseek-v3"},
    {"deepseek-ai/DeepSeek-R1-0528", "deepseek-v3"},
    {"moonshotai/Kimi-K2-Thinking", "kimi-k2"},
    {"zai-org/GLM-4.7-Flash", "glm-4.7-flash"},
    {"baidu/ERNIE-4.5-21B-A3B-PT", "ernie-4.5-21b-a3b"},
    {"XiaomiMiMo/MiMo-V2-Flash", "mimo-v2-flash"},
    {"Qwen/Qwen3.5-397B-A17B", "qwen3.5-397b-a17b"},
    {"Qwen/Qwen3.5-122B-A10B", "qwen3.5-122b-a10b"},
    {"Qwen/Qwen3.5-35B-A3B", "qwen3.5-35b-a3b"},
    {"qwen3-coder-30b-a3b", "qwen3-30b-a3b"},
    {"Qwen/Qwen3-Coder-30B-A3B-Instruct", "qwen3-30b-a3b"},
    {"Qwen/Qwen3-Coder-480B-A35B-Instruct", "qwen3-coder-480b-a35b"},
    {"Qwen/Qwen3-Next-80B-A3B-Instruct", "qwen3-next-80b-a3b"},
    {"Qwen/Qwen3-235B-A22B-Instruct-2507", "qwen3-235b-a22b"},
    {"tencent/Hunyuan-A13B-Instruct", "hunyuan-a13b"},
    {"microsoft/Phi-3.5-MoE-instruct", "phi-3.5-moe"},
    {"ai21labs/Jamba-v0.1", "jamba-v0.1"},
    {"MiniMaxAI/MiniMax-M2.5", "minimax-m2.5"},
    {"minimax-m2.1", "minimax-m2.5"},
    {"MiniMaxAI/MiniMax-M3", "minimax-m3"},
    {"moonshotai/Kimi-K3", "kimi-k3"},
    {"nvidia/NVIDIA-Nemotron-3-Super-120B-A12B-BF16", "nemotron-3-super-120b-a12b"},
    {"nvidia/NVIDIA-Nemotron-3-Nano-30B-A3B-BF16", "nemotron-3-nano-30b-a3b"},
    {"mistralai/Mixtral-8x7B-v0.1", "mixtral-8x7b"},
    {"mistralai/Mixtral-8x22B-v0.1", "mixtral-8x22b"},
    {"allenai/OLMoE-1B-7B-0924", "olmoe-1b-7b"},
    {"databricks/dbrx-base", "dbrx"},
    {"xai-org/grok-1", "grok-1"},
    {"moonshotai/Kimi-K2-Instruct", "kimi-k2"},
    {"kimi-k2.5", "kimi-k2"},
    {"openai/gpt-oss-120b", "gpt-oss-120b"},
    {"openai/gpt-oss-20b", "gpt-oss-20b"},
    {"zai-org/GLM-4.5", "glm-4.5"},
    {"zai-org/GLM-4.7", "glm-4.7"},
    {"zai-org/GLM-5", "glm-5"},
};

const char *ms_model_preset_alias(size_t i)
{
    return i < sizeof aliases / sizeof *aliases ? aliases[i].alias : NULL;
}

const struct ms_model_preset *ms_model_preset_find(const char *name)
{
    for (size_t i = 0; i < sizeof aliases / sizeof *aliases; i++)
        if (strcmp(aliases[i].alias, name) == 0)
            name = aliases[i].name;
    for (const struct ms_model_preset *p = presets; p->name; p++)
        if (strcmp(p->name, name) == 0)
            return p;
    return NULL;
}
