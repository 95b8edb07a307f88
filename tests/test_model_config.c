/* routing/: a model's shape from config.json, one row a kind of the field's configurations. The
 * texts are our own, with the keys of the families and small or published numbers. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "routing/model_config.h"
#include "routing/preset.h"

struct kind {
    const char *text;
    int layers, experts, top_k, hidden, width, shared, groups, limit, dispatch;
};

#define SIZES "\"hidden_size\":1024,\"num_hidden_layers\":6,"

static const struct kind kinds[] = {
    /* Mixtral, and as PhiMoE, Granite, MiniMax write it */
    {"{\"model_type\":\"mixtral\"," SIZES "\"num_local_experts\":8,\"num_experts_per_tok\":2,"
     "\"intermediate_size\":14336}",
     6, 8, 2, 1024, 14336, 0, 1, 1, 0},
    /* DeepSeek-V3: dense layers in front, groups by the sum of two */
    {"{\"model_type\":\"deepseek_v3\"," SIZES "\"first_k_dense_replace\":2,\"moe_layer_freq\":1,"
     "\"n_routed_experts\":64,\"n_shared_experts\":1,\"num_experts_per_tok\":4,"
     "\"moe_intermediate_size\":512,\"intermediate_size\":4096,\"n_group\":8,\"topk_group\":2,"
     "\"topk_method\":\"noaux_tc\"}",
     4, 64, 4, 1024, 512, 1, 8, 2, 0},
    /* V2-Lite is greedy: its groups do not limit */
    {"{" SIZES "\"first_k_dense_replace\":1,\"n_routed_experts\":64,\"n_shared_experts\":2,"
     "\"num_experts_per_tok\":6,\"moe_intermediate_size\":1408,\"n_group\":8,\"topk_group\":2,"
     "\"topk_method\":\"greedy\"}",
     5, 64, 6, 1024, 1408, 2, 1, 1, 0},
    /* Qwen2-MoE: a wide shared expert, every second layer, some listed dense */
    {"{" SIZES "\"num_experts\":60,\"num_experts_per_tok\":4,\"moe_intermediate_size\":1408,"
     "\"shared_expert_intermediate_size\":5632,\"decoder_sparse_step\":2,\"mlp_only_layers\":[1]}",
     2, 60, 4, 1024, 1408, 4, 1, 1, 0},
    /* Qwen3-Next */
    {"{\"hidden_size\":2048,\"num_hidden_layers\":48,\"num_experts\":512,\"num_experts_per_tok\":"
     "10,\"moe_intermediate_size\":512,\"shared_expert_intermediate_size\":512,"
     "\"decoder_sparse_step\":1,\"mlp_only_layers\":[],\"intermediate_size\":5120}",
     48, 512, 10, 2048, 512, 1, 1, 1, 0},
    /* Llama 4: inside text_config, every second layer, intermediate_size is the experts'; its files do
     * not count the expert that all tokens share */
    {"{\"model_type\":\"llama4\",\"vision_config\":{\"hidden_size\":1408,\"num_hidden_layers\":34},"
     "\"text_config\":{\"hidden_size\":5120,\"num_hidden_layers\":48,\"num_local_experts\":128,"
     "\"num_experts_per_tok\":1,\"interleave_moe_layer_step\":2,\"intermediate_size\":8192,"
     "\"intermediate_size_mlp\":16384}}",
     24, 128, 1, 5120, 8192, 1, 1, 1, 0},
    /* DBRX */
    {"{\"model_type\":\"dbrx\",\"d_model\":6144,\"n_layers\":40,\"ffn_config\":{\"ffn_hidden_"
     "size\":"
     "10752,\"moe_num_experts\":16,\"moe_top_k\":4}}",
     40, 16, 4, 6144, 10752, 0, 1, 1, 0},
    /* Nemotron-3: a letter a layer, a latent width, an Infinity that is no JSON */
    {"{\"hidden_size\":2688,\"num_hidden_layers\":7,\"hybrid_override_pattern\":\"MEM*EME\","
     "\"n_routed_experts\":128,\"n_shared_experts\":1,\"num_experts_per_tok\":6,"
     "\"moe_intermediate_size\":1856,\"moe_shared_expert_intermediate_size\":3712,"
     "\"moe_latent_size\":1024,\"n_groups\":8,\"n_group\":1,\"topk_group\":1,"
     "\"time_step_limit\":[0.0,Infinity],\"note\":\"NaN Infinity\"}",
     3, 128, 6, 2688, 1856, 2, 1, 1, 1024},
    /* Kimi-K3's words */
    {"{\"text_config\":{\"hidden_size\":7168,\"num_hidden_layers\":93,\"num_experts\":896,"
     "\"num_experts_per_token\":16,\"num_shared_experts\":2,\"moe_intermediate_size\":3072,"
     "\"routed_expert_hidden_size\":3584,\"first_k_dense_replace\":1,\"num_expert_group\":1,"
     "\"topk_group\":1}}",
     92, 896, 16, 7168, 3072, 2, 1, 1, 3584},
    /* MiMo: a number a layer */
    {"{" SIZES "\"n_routed_experts\":256,\"num_experts_per_tok\":8,\"moe_intermediate_size\":2048,"
     "\"n_shared_experts\":null,\"moe_layer_freq\":[0,1,1,1,1,1],\"n_group\":1,\"topk_group\":1}",
     5, 256, 8, 1024, 2048, 0, 1, 1, 0},
    /* Ernie: from one layer to another, a list for text and pictures */
    {"{" SIZES "\"moe_num_experts\":[64,64],\"moe_k\":6,\"moe_intermediate_size\":[1536,512],"
     "\"moe_num_shared_experts\":2,\"moe_layer_start_index\":1,\"moe_layer_end_index\":4,"
     "\"moe_layer_interval\":1}",
     4, 64, 6, 1024, 1536, 2, 1, 1, 0},
    /* Hunyuan: lists a layer */
    {"{" SIZES "\"num_experts\":64,\"moe_topk\":[8,8,8,8,8,8],\"moe_intermediate_size\":"
     "[3072,3072,3072,3072,3072,3072],\"num_shared_expert\":[1,1,1,1,1,1]}",
     6, 64, 8, 1024, 3072, 1, 1, 1, 0},
    /* Jamba, Arctic */
    {"{" SIZES "\"num_experts\":16,\"num_experts_per_tok\":2,\"intermediate_size\":14336,"
     "\"expert_layer_period\":2,\"expert_layer_offset\":1}",
     3, 16, 2, 1024, 14336, 0, 1, 1, 0},
    {"{" SIZES "\"num_local_experts\":128,\"num_experts_per_tok\":2,\"intermediate_size\":4864,"
     "\"moe_layer_frequency\":2}",
     3, 128, 2, 1024, 4864, 0, 1, 1, 0},
    /* Step: layers in a text */
    {"{" SIZES "\"moe_num_experts\":48,\"moe_top_k\":3,\"moe_intermediate_size\":5120,"
     "\"share_expert_dim\":5120,\"moe_layers_enum\":\"4,5\"}",
     2, 48, 3, 1024, 5120, 1, 1, 1, 0},
    /* Gemma */
    {"{\"text_config\":{" SIZES "\"num_experts\":128,\"top_k_experts\":8,\"moe_intermediate_size\":"
     "704}}",
     6, 128, 8, 1024, 704, 0, 1, 1, 0},
    /* Nemotron-3 as newer files write it: no number of layers but the list's */
    {"{\"model_type\":\"nemotron_h\",\"hidden_size\":4096,\"layers_block_type\":[\"linear_"
     "attention\","
     "\"moe\",\"full_attention\",\"mlp\",\"moe\"],\"n_routed_experts\":512,\"num_experts_per_tok\":"
     "22,"
     "\"n_shared_experts\":1,\"moe_intermediate_size\":2688,\"moe_shared_expert_intermediate_"
     "size\":"
     "5376,\"moe_latent_size\":1024}",
     2, 512, 22, 4096, 2688, 2, 1, 1, 1024},
    /* its puzzle: an object a layer, the sizes of all given above them */
    {"{\"hidden_size\":1024,\"num_hidden_layers\":4,\"block_configs\":[{\"block_type\":\"mamba\"},"
     "{\"block_type\":\"moe\"},{\"block_type\":\"attention\"},{\"block_type\":\"moe\"}],"
     "\"n_routed_experts\":16,\"num_experts_per_tok\":4,\"moe_intermediate_size\":256}",
     2, 16, 4, 1024, 256, 0, 1, 1, 0},
    /* DeepSeek-V3 as transformers writes it, and DeepSeek's own inference configuration */
    {"{\"model_type\":\"deepseek_v3\"," SIZES "\"first_k_dense_replace\":3,\"n_routed_experts\":64,"
     "\"num_experts_per_tok\":4,\"moe_intermediate_size\":512,\"n_group\":8,\"topk_group\":4}",
     3, 64, 4, 1024, 512, 0, 8, 4, 0},
    {"{\"dim\":7168,\"n_layers\":61,\"n_dense_layers\":3,\"n_routed_experts\":256,"
     "\"n_shared_experts\":1,\"n_activated_experts\":8,\"moe_inter_dim\":2048,\"inter_dim\":18432,"
     "\"n_expert_groups\":8,\"n_limited_groups\":4,\"score_func\":\"sigmoid\"}",
     58, 256, 8, 7168, 2048, 1, 8, 4, 0},
    /* Ling, LLaDA2: groups by sigmoids under another name */
    {"{\"model_type\":\"bailing_moe\"," SIZES "\"num_experts\":256,\"num_experts_per_tok\":8,"
     "\"num_shared_experts\":1,\"moe_intermediate_size\":512,\"first_k_dense_replace\":1,\"n_"
     "group\":8,"
     "\"topk_group\":4,\"score_function\":\"sigmoid\"}",
     5, 256, 8, 1024, 512, 1, 8, 4, 0},
    /* Trinity (afmoe), LFM2 */
    {"{" SIZES "\"num_experts\":128,\"num_experts_per_tok\":8,\"num_shared_experts\":1,"
     "\"num_dense_layers\":2,\"moe_intermediate_size\":256,\"n_group\":1,\"topk_group\":1}",
     4, 128, 8, 1024, 256, 1, 1, 1, 0},
    /* K-EXAONE: a truth a layer; dots, GLM-4.5 by number */
    {"{" SIZES "\"num_experts\":64,\"num_experts_per_tok\":8,\"num_shared_experts\":1,"
     "\"moe_intermediate_size\":512,\"is_moe_layer\":[false,true,true,true,true,true]}",
     5, 64, 8, 1024, 512, 1, 1, 1, 0},
    {"{\"model_type\":\"dots1\"," SIZES "\"n_routed_experts\":128,\"n_shared_experts\":2,"
     "\"num_experts_per_tok\":6,\"moe_intermediate_size\":1408,\"first_k_dense_replace\":1,"
     "\"moe_layer_freq\":1,\"n_group\":1,\"topk_group\":1}",
     5, 128, 6, 1024, 1408, 2, 1, 1, 0},
    /* Ernie: -1 is the last layer; its VL kind names layers by words */
    {"{" SIZES "\"moe_num_experts\":64,\"moe_k\":6,\"moe_intermediate_size\":1536,"
     "\"moe_num_shared_experts\":2,\"moe_layer_start_index\":1,\"moe_layer_end_index\":-1,"
     "\"moe_layer_interval\":1}",
     5, 64, 6, 1024, 1536, 2, 1, 1, 0},
    /* Hunyuan as transformers writes it: skipped layers, a shared expert without a number */
    {"{\"model_type\":\"hunyuan_v1_moe\"," SIZES "\"num_experts\":64,\"moe_topk\":8,"
     "\"intermediate_size\":3072,\"moe_layer_num_skipped\":2,\"use_mixed_mlp_moe\":true}",
     4, 64, 8, 1024, 3072, 1, 1, 1, 0},
    /* Granite with a shared expert, hybrid: kinds of attention name no experts */
    {"{" SIZES "\"num_local_experts\":72,\"num_experts_per_tok\":10,\"intermediate_size\":768,"
     "\"shared_intermediate_size\":1536,\"layer_types\":[\"mamba\",\"mamba\",\"attention\","
     "\"mamba\","
     "\"mamba\",\"mamba\"]}",
     6, 72, 10, 1024, 768, 2, 1, 1, 0},
    /* JetMoE, OLMoE, FlexOlmo, PhiMoE: nothing but sizes */
    {"{\"model_type\":\"jetmoe\"," SIZES "\"num_local_experts\":8,\"num_experts_per_tok\":2,"
     "\"intermediate_size\":5632}",
     6, 8, 2, 1024, 5632, 0, 1, 1, 0},
    {"{\"model_type\":\"flex_olmo\"," SIZES "\"num_experts\":7,\"num_experts_per_tok\":5,"
     "\"intermediate_size\":11008}",
     6, 7, 5, 1024, 11008, 0, 1, 1, 0},
    /* MiniMax-M3: the number a layer inside text_config */
    {"{\"model_type\":\"minimax_m3_vl\",\"text_config\":{" SIZES "\"num_local_experts\":128,"
     "\"num_experts_per_tok\":4,\"n_shared_experts\":1,\"intermediate_size\":3072,"
     "\"shared_intermediate_size\":3072,\"dense_intermediate_size\":12288,"
     "\"moe_layer_freq\":[0,0,0,1,1,1],\"scoring_func\":\"sigmoid\"}}",
     3, 128, 4, 1024, 3072, 1, 1, 1, 0},
    /* LongCat: its experts that compute nothing are not counted */
    {"{\"hidden_size\":6144,\"num_layers\":28,\"n_routed_experts\":512,\"zero_expert_num\":256,"
     "\"moe_topk\":12,\"expert_ffn_hidden_size\":2048,\"ffn_hidden_size\":12288}",
     28, 512, 12, 6144, 2048, 0, 1, 1, 0},
    /* Aria, Qwen3-Omni: inside, twice inside */
    {"{\"model_type\":\"aria\",\"text_config\":{" SIZES "\"moe_num_experts\":64,\"moe_topk\":6,"
     "\"moe_num_shared_experts\":2,\"intermediate_size\":1664}}",
     6, 64, 6, 1024, 1664, 2, 1, 1, 0},
    {"{\"talker_config\":{\"text_config\":{\"hidden_size\":512,\"num_hidden_layers\":2,\"num_"
     "experts\":4,"
     "\"num_experts_per_tok\":1,\"moe_intermediate_size\":64}},\"thinker_config\":{\"text_config\":"
     "{" SIZES "\"num_experts\":128,\"num_experts_per_tok\":8,\"moe_intermediate_size\":768,"
     "\"decoder_sparse_step\":1}}}",
     6, 128, 8, 1024, 768, 0, 1, 1, 0},
    /* Grok-2, XVERSE, OpenMoE */
    {"{" SIZES "\"num_local_experts\":8,\"num_experts_per_tok\":2,\"moe_intermediate_size\":16384,"
     "\"intermediate_size\":32768}",
     6, 8, 2, 1024, 16384, 0, 1, 1, 0},
    {"{" SIZES
     "\"num_experts\":64,\"moe_top_k\":6,\"num_shared_experts\":2,\"intermediate_size\":1536}",
     6, 64, 6, 1024, 1536, 2, 1, 1, 0},
    {"{" SIZES "\"num_experts\":32,\"router_topk\":2,\"intermediate_size\":8192,"
     "\"moe_layer_interval\":3}",
     2, 32, 2, 1024, 8192, 0, 1, 1, 0},
    /* Switch and NLLB-MoE: two stacks; the experts a token are the family's */
    {"{\"model_type\":\"switch_transformers\",\"d_model\":768,\"d_ff\":3072,\"num_layers\":12,"
     "\"num_decoder_layers\":12,\"num_experts\":8,\"num_sparse_encoder_layers\":6,"
     "\"num_sparse_decoder_layers\":6}",
     12, 8, 1, 768, 3072, 0, 1, 1, 0},
    {"{\"model_type\":\"nllb-moe\",\"d_model\":2048,\"encoder_ffn_dim\":8192,\"encoder_layers\":24,"
     "\"decoder_layers\":24,\"encoder_sparse_step\":4,\"decoder_sparse_step\":4,\"num_experts\":"
     "128}",
     12, 128, 2, 2048, 8192, 0, 1, 1, 0},
    /* Mistral's own params.json, Yuan: the experts in an object of their own */
    {"{\"dim\":6144,\"n_layers\":56,\"hidden_dim\":16384,\"moe\":{\"num_experts_per_tok\":2,"
     "\"num_experts\":8}}",
     56, 8, 2, 6144, 16384, 0, 1, 1, 0},
    {"{" SIZES
     "\"intermediate_size\":8192,\"moe_config\":{\"moe_num_experts\":32,\"moe_top_k\":2}}",
     6, 32, 2, 1024, 8192, 0, 1, 1, 0},
};

START_TEST(test_every_familys_keys_give_its_shape)
{
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        const struct kind *k = &kinds[i];
        struct ms_model_shape m = {0};
        struct ms_err err = {0};
        ck_assert_msg(ms_model_config_parse("config.json", k->text, strlen(k->text), &m, &err) ==
                          MS_OK,
                      "%zu: %s: %s", i, err.key, err.text);
        ck_assert_msg(m.moe_layers == k->layers && m.experts == k->experts && m.top_k == k->top_k &&
                          m.hidden == k->hidden && m.expert_intermediate == k->width &&
                          m.shared_experts == k->shared,
                      "%zu: %d layers, %d experts, top-%d, hidden %d, width %d, shared %d", i,
                      m.moe_layers, m.experts, m.top_k, m.hidden, m.expert_intermediate,
                      m.shared_experts);
        ck_assert_msg(m.groups == k->groups && m.group_limit == k->limit &&
                          m.dispatch_width == k->dispatch,
                      "%zu: %d groups, limit %d, dispatched %d", i, m.groups, m.group_limit,
                      m.dispatch_width);
    }
}
END_TEST

/* V3's rule where it is the method's, the score's or the family's; V2's is the best expert alone. */
START_TEST(test_groups_are_scored_as_the_family_does)
{
#define GROUPS                                                                                     \
    SIZES "\"n_routed_experts\":64,\"num_experts_per_tok\":4,\"moe_intermediate_size\":512,"       \
          "\"n_group\":8,\"topk_group\":4"
    static const struct {
        const char *text;
        enum ms_group_score score;
    } rows[] = {
        {"{\"model_type\":\"deepseek_v3\"," GROUPS "}", MS_GROUP_TOP2_SUM},
        {"{\"model_type\":\"deepseek_v2\"," GROUPS "}", MS_GROUP_MAX},
        {"{" GROUPS "}", MS_GROUP_MAX},
        {"{" GROUPS ",\"scoring_func\":\"sigmoid\"}", MS_GROUP_TOP2_SUM},
        {"{" GROUPS ",\"score_function\":\"sigmoid\"}", MS_GROUP_TOP2_SUM},
        {"{\"model_type\":\"deepseek_v3\"," GROUPS ",\"topk_method\":\"group_limited_greedy\"}",
         MS_GROUP_MAX},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct ms_model_shape m = {0};
        struct ms_err err = {0};
        ck_assert_int_eq(ms_model_config_parse("c", rows[i].text, strlen(rows[i].text), &m, &err),
                         MS_OK);
        ck_assert_msg((int)m.group_score == (int)rows[i].score, "%zu", i);
    }
}
END_TEST

START_TEST(test_what_is_no_such_model_is_refused_by_key)
{
    static const struct {
        const char *text, *key;
    } bad[] = {
        {"{" SIZES "\"intermediate_size\":4096}", "n_routed_experts"},
        {"{\"num_local_experts\":8,\"num_experts_per_tok\":2,\"intermediate_size\":1}",
         "num_hidden_layers"},
        {"{" SIZES "\"num_experts\":8,\"intermediate_size\":64}", "num_experts_per_tok"},
        {"{" SIZES "\"num_experts\":8,\"num_experts_per_tok\":9,\"intermediate_size\":64}",
         "num_experts_per_tok"},
        {"{" SIZES "\"num_experts\":8.5,\"num_experts_per_tok\":2,\"intermediate_size\":64}",
         "num_experts"},
        {"{" SIZES "\"num_experts\":8,\"num_experts_per_tok\":2,\"intermediate_size\":64,"
         "\"mlp_only_layers\":[6]}",
         "mlp_only_layers"},
        {"{\"num_experts\":", ""},
        {"[]", "n_routed_experts"},
        {"", ""},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct ms_model_shape m = {0};
        struct ms_err err = {0};
        ck_assert_msg(ms_model_config_parse("c.json", bad[i].text, strlen(bad[i].text), &m, &err) ==
                          MS_INVALID,
                      "%zu is read", i);
        ck_assert_msg(strcmp(err.key, bad[i].key) == 0, "%zu: %s: %s", i, err.key, err.text);
        ck_assert_int_eq(m.experts, 0);
    }
}
END_TEST

START_TEST(test_presets_are_found_by_the_names_people_use)
{
    ck_assert_str_eq(ms_model_preset_find("deepseek-r1")->name, "deepseek-v3");
    ck_assert_str_eq(ms_model_preset_find("Qwen/Qwen3-235B-A22B")->name, "qwen3-235b-a22b");
    ck_assert_ptr_null(ms_model_preset_find("Qwen/Qwen3"));
    for (size_t i = 0; ms_model_preset_alias(i); i++)
        ck_assert_ptr_nonnull(ms_model_preset_find(ms_model_preset_alias(i)));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("model_config");
    TCase *c = tcase_create("all");
    tcase_add_test(c, test_every_familys_keys_give_its_shape);
    tcase_add_test(c, test_groups_are_scored_as_the_family_does);
    tcase_add_test(c, test_what_is_no_such_model_is_refused_by_key);
    tcase_add_test(c, test_presets_are_found_by_the_names_people_use);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
