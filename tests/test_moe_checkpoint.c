/* moe/checkpoint and moe/config: folders of every layout are read, ours are read back, and what is
 * wrong is refused by file, tensor (or key) and reason. */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/safetensors.h"
#include "moe/checkpoint.h"
#include "moe/model.h"

static const char *const families[] = {"mixtral", "olmoe", "qwen3moe"};
static char dir[64];

static void setup(void)
{
    strcpy(dir, "/tmp/ms_ckpt_XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
}

static const char *in_dir(const char *name)
{
    static char path[2][256];
    static int which;
    which = !which;
    snprintf(path[which], sizeof path[which], "%s/%s", dir, name);
    return path[which];
}

static void teardown(void)
{
    const char *const names[] = {
        "config.json",   "model.safetensors", "model.safetensors.index.json",
        "a.safetensors", "b.safetensors",     "pytorch_model.bin"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        unlink(in_dir(names[i]));
    ck_assert_int_eq(rmdir(dir), 0); /* nothing else was left behind */
}

static const char *fixture(const char *family)
{
    static char path[512];
    snprintf(path, sizeof path, "%s/hf/%s", TEST_DATA, family);
    return path;
}

static struct ms_model *load(const char *folder, struct ms_err *err)
{
    struct ms_checkpoint *c = NULL;
    struct ms_model *m = NULL;
    struct ms_model_options o = {.B = 1, .T = 4};
    enum ms_status s = ms_checkpoint_open(folder, &c, err);
    if (!s)
        s = ms_model_create(ms_checkpoint_config(c), &o, &m, err);
    if (!s)
        s = ms_checkpoint_load(c, m, err);
    ms_checkpoint_close(c);
    if (!s)
        return m;
    ms_model_destroy(m);
    return NULL;
}

static void same(const struct ms_model *a, const struct ms_model *b)
{
    size_t n, k;
    const struct ms_param *p = ms_model_params(a, &n), *q = ms_model_params(b, &k);
    ck_assert_uint_eq(n, k);
    for (size_t i = 0; i < n; i++) {
        ck_assert_str_eq(p[i].name, q[i].name);
        ck_assert_msg(memcmp(p[i].value, q[i].value, p[i].n * sizeof(float)) == 0, "%s", p[i].name);
    }
}

static void copy_config(const char *family)
{
    struct ms_buf b = {0};
    char path[600];
    snprintf(path, sizeof path, "%s/config.json", fixture(family));
    ck_assert_int_eq(ms_file_read(path, &b, NULL), MS_OK);
    ck_assert_int_eq(ms_file_write(in_dir("config.json"), b.p, b.n, NULL), MS_OK);
    ms_buf_finish(&b);
}

START_TEST(test_saved_folders_have_the_family_s_layout_and_read_back)
{
    struct ms_checkpoint *c = NULL;
    struct ms_st_file *ours = NULL, *theirs = NULL;
    char path[600];
    struct ms_model *m = load(fixture(families[_i]), NULL);
    ck_assert_int_eq(ms_checkpoint_open(fixture(families[_i]), &c, NULL), MS_OK);
    const struct ms_st_meta step = {"step", "12"};
    ck_assert_int_eq(ms_checkpoint_save(m, dir, ms_checkpoint_config_text(c), &step, 1, NULL),
                     MS_OK);
    struct ms_model *back = load(dir, NULL);
    ck_assert_ptr_nonnull(back);
    same(m, back);
    ck_assert_int_eq(ms_st_open(in_dir("model.safetensors"), &ours, NULL), MS_OK);
    snprintf(path, sizeof path, "%s/model.safetensors", fixture(families[_i]));
    ck_assert_int_eq(ms_st_open(path, &theirs, NULL), MS_OK);
    ck_assert_uint_eq(ms_st_count(ours), ms_st_count(theirs));
    for (size_t i = 0; i < ms_st_count(ours);
         i++) { /* the same names, shapes and numbers as transformers wrote */
        const struct ms_st_tensor *a = ms_st_at(ours, i), *b = ms_st_at(theirs, i);
        ck_assert_str_eq(a->name, b->name);
        ck_assert(a->n_dims == b->n_dims && memcmp(a->shape, b->shape, sizeof a->shape) == 0);
        ck_assert(memcmp(a->data, b->data, a->count * sizeof(float)) == 0);
    }
    ck_assert_str_eq(ms_st_metadata(ours, "format"), "pt");
    ck_assert_str_eq(ms_st_metadata(ours, "step"), "12");
    ms_st_close(ours);
    ms_st_close(theirs);
    ms_checkpoint_close(c);
    ms_model_destroy(m);
    ms_model_destroy(back);
}
END_TEST

START_TEST(test_random_models_read_back_with_their_bias)
{
    struct ms_moe_config c = ms_moe_config_default();
    struct ms_model *m = NULL;
    struct ms_model_options o = {.B = 1, .T = 4};
    c.tied = _i == 1;
    ck_assert_int_eq(ms_model_create(&c, &o, &m, NULL), MS_OK);
    ms_model_init(m, 5);
    ms_model_router_bias(m)[9] = _i == 2 ? 0.125f : 0;
    ck_assert_int_eq(ms_checkpoint_save(m, dir, NULL, NULL, 0, NULL), MS_OK);
    struct ms_err err = {0};
    struct ms_model *back = load(dir, &err);
    ck_assert_msg(back != NULL, "%s: %s", err.key, err.text);
    same(m, back);
    ck_assert(ms_model_router_bias(back)[9] == (_i == 2 ? 0.125f : 0));
    const struct ms_moe_config *d = ms_model_config(back);
    ck_assert(d->hidden == c.hidden && d->experts == c.experts && d->rope_theta == c.rope_theta &&
              d->tied == c.tied);
    ms_model_destroy(m);
    ms_model_destroy(back);
}
END_TEST

/* Stacked experts, bf16, in two shards: the new layout of transformers 5, from the fixture's
 * numbers. */
static void write_sharded(struct ms_model *m, bool lie)
{
    size_t n, at[2] = {0, 0};
    const struct ms_param *p = ms_model_params(m, &n);
    struct ms_st_tensor *t[2] = {calloc(n, sizeof **t), calloc(n, sizeof **t)};
    struct ms_buf index = {0};
    uint16_t **half = calloc(n, sizeof *half);
    ms_buf_adds(&index, "{\"metadata\":{\"total_size\":1},\"weight_map\":{");
    for (size_t i = 0; i < n; i++) {
        int file = (int)(i % 2);
        half[i] = calloc(p[i].n, sizeof **half);
        for (size_t j = 0; j < p[i].n; j++) {
            uint32_t bits;
            memcpy(&bits, &p[i].value[j], sizeof bits);
            half[i][j] = (uint16_t)(bits >> 16);
            bits &= 0xffff0000;
            memcpy(&p[i].value[j], &bits, sizeof bits);
        }
        t[file][at[file]++] =
            (struct ms_st_tensor){.name = p[i].name,
                                  .type = MS_ST_BF16,
                                  .n_dims = p[i].n_dims,
                                  .shape = {p[i].shape[0], p[i].shape[1], p[i].shape[2]},
                                  .count = p[i].n,
                                  .data = half[i]};
        ms_buf_printf(&index, "%s\"%s\":\"%s\"", i ? "," : "", p[i].name,
                      (file == 0) != (lie && i == 3) ? "a.safetensors" : "b.safetensors");
    }
    ms_buf_adds(&index, "}}");
    ck_assert_int_eq(ms_st_write(in_dir("a.safetensors"), t[0], at[0], NULL, 0, NULL), MS_OK);
    ck_assert_int_eq(ms_st_write(in_dir("b.safetensors"), t[1], at[1], NULL, 0, NULL), MS_OK);
    ck_assert_int_eq(ms_file_write(in_dir("model.safetensors.index.json"), index.p, index.n, NULL),
                     MS_OK);
    for (size_t i = 0; i < n; i++)
        free(half[i]);
    free(half);
    free(t[0]);
    free(t[1]);
    ms_buf_finish(&index);
}

START_TEST(test_shards_of_stacked_bf16_tensors)
{
    struct ms_model *m = load(fixture(families[_i]), NULL);
    struct ms_err err = {0};
    copy_config(families[_i]);
    write_sharded(m, false);
    struct ms_model *back = load(dir, &err);
    ck_assert_msg(back != NULL, "%s: %s", err.key, err.text);
    same(m, back);
    ms_model_destroy(back);
    write_sharded(m, true);
    ck_assert_ptr_null(load(dir, &err));
    ck_assert_ptr_nonnull(strstr(err.text, "the index says so"));
    unlink(in_dir("b.safetensors"));
    err = (struct ms_err){0};
    ck_assert_ptr_null(load(dir, &err));
    ck_assert_ptr_nonnull(strstr(err.file, "b.safetensors"));
    ck_assert_ptr_eq(strstr(err.text, "no such file"), err.text);
    ms_model_destroy(m);
}
END_TEST

/* The fixture's file with one tensor changed. */
static void write_damaged(int how)
{
    struct ms_st_file *f = NULL;
    char path[600];
    static float bad[32 * 32];
    snprintf(path, sizeof path, "%s/model.safetensors", fixture("mixtral"));
    ck_assert_int_eq(ms_st_open(path, &f, NULL), MS_OK);
    size_t n = ms_st_count(f), kept = 0;
    struct ms_st_tensor *t = calloc(n + 1, sizeof *t);
    for (size_t i = 0; i < n; i++) {
        t[kept] = *ms_st_at(f, i);
        bool target = strcmp(t[kept].name, "model.layers.1.self_attn.o_proj.weight") == 0;
        if (target && how == 0)
            continue;
        if (target && how == 1)
            t[kept].shape[0] = 16, t[kept].shape[1] = 64;
        if (target && how == 2) {
            memcpy(bad, t[kept].data, sizeof bad);
            bad[7] = (float)NAN;
            t[kept].data = bad;
        }
        if (target && how == 3)
            t[kept].type = MS_ST_I32;
        kept++;
    }
    if (how == 4) {
        t[kept] = t[0];
        t[kept++].name = "model.layers.1.self_attn.o_proj.bias";
    }
    ck_assert_int_eq(ms_st_write(in_dir("model.safetensors"), t, kept, NULL, 0, NULL), MS_OK);
    free(t);
    ms_st_close(f);
}

START_TEST(test_damage_is_named)
{
    const char *const says[] = {
        "is missing", "has shape [16, 64], but config.json makes it [32, 32]",
        "element 7 is not finite", "I32 is not a weight type", "is not a tensor of the model"};
    copy_config("mixtral");
    for (int how = 0; how < 5; how++) {
        struct ms_err err = {0};
        write_damaged(how);
        ck_assert_ptr_null(load(dir, &err));
        ck_assert_int_eq(err.status, MS_INVALID);
        ck_assert_msg(strstr(err.text, says[how]) != NULL, "%d: %s", how, err.text);
        ck_assert_str_eq(err.key, how == 4 ? "model.layers.1.self_attn.o_proj.bias"
                                           : "model.layers.1.self_attn.o_proj.weight");
        ck_assert_ptr_nonnull(strstr(err.file, "model.safetensors"));
    }
}
END_TEST

START_TEST(test_missing_files_are_named)
{
    struct ms_err err = {0};
    ck_assert_ptr_null(load(dir, &err));
    ck_assert(strstr(err.file, "config.json") && err.status == MS_INVALID);
    copy_config("mixtral");
    err = (struct ms_err){0};
    ck_assert_ptr_null(load(dir, &err));
    ck_assert(strstr(err.file, "model.safetensors") && err.status == MS_INVALID);
    ck_assert_int_eq(ms_file_write(in_dir("pytorch_model.bin"), "x", 1, NULL), MS_OK);
    err = (struct ms_err){0};
    ck_assert_ptr_null(load(dir, &err));
    ck_assert_ptr_nonnull(strstr(err.text, "save_pretrained"));
}
END_TEST

#define OLD                                                                                        \
    "\"vocab_size\":64,\"hidden_size\":16,\"num_hidden_layers\":4,\"num_attention_heads\":4,"      \
    "\"num_experts_per_tok\":2,"                                                                   \
    "\"intermediate_size\":8,\"max_position_embeddings\":32"

static enum ms_status parse(const char *text, struct ms_moe_config *c, struct ms_err *err)
{
    *err = (struct ms_err){0};
    return ms_moe_config_parse("config.json", text, strlen(text), c, err);
}

START_TEST(test_old_and_new_configs)
{
    struct ms_moe_config c;
    struct ms_err err;
    ck_assert_int_eq(parse("{\"model_type\":\"mixtral\"," OLD
                           ",\"num_local_experts\":8,\"rope_theta\":5e5}",
                           &c, &err),
                     0);
    ck_assert(c.kv_heads == 4 && c.head_dim == 4 && c.rope_theta == 5e5 && c.renormalised &&
              !c.tied && c.experts == 8);
    ck_assert_int_eq(parse("{\"model_type\":\"mixtral\"," OLD
                           ",\"num_experts\":8,\"rope_parameters\":{\"rope_theta\":7e5,"
                           "\"rope_type\":\"default\"},\"sliding_window\":8}",
                           &c, &err),
                     0);
    ck_assert(c.rope_theta == 7e5 && c.sliding_window == 8);
    ck_assert_int_eq(parse("{\"model_type\":\"olmoe\"," OLD
                           ",\"num_local_experts\":8,\"rope_scaling\":null,\"clip_qkv\":null}",
                           &c, &err),
                     0);
    ck_assert(c.qk_norm == MS_QK_NORM_WIDTH && !c.renormalised && c.rope_theta == 1e4);
    ck_assert_int_eq(parse("{\"model_type\":\"qwen3_moe\"," OLD
                           ",\"num_experts\":8,\"moe_intermediate_size\":6,\"head_dim\":12,"
                           "\"decoder_sparse_step\":2,\"mlp_only_layers\":[3],\"norm_topk_prob\":"
                           "true,\"sliding_window\":4}",
                           &c, &err),
                     0);
    ck_assert(c.qk_norm == MS_QK_NORM_HEAD && c.head_dim == 12 && c.expert_intermediate == 6 &&
              c.dense_intermediate == 8);
    ck_assert(c.dense[0] && !c.dense[1] && c.dense[2] && c.dense[3] && c.renormalised &&
              !c.sliding_window);
    ck_assert_int_eq(ms_moe_config_moe_layers(&c), 1);
}
END_TEST

START_TEST(test_what_is_not_computed_is_refused_by_key)
{
#define M "{\"model_type\":\"mixtral\",\"num_local_experts\":8," OLD
    const struct {
        const char *text, *key, *says;
    } bad[] = {
        {"{\"model_type\":\"mistral\"}", "model_type", "did you mean 'mixtral'"},
        {"{\"model_type\":\"llama\"}", "model_type", "allowed: mixtral, olmoe, qwen3_moe"},
        {"{" OLD "}", "model_type", "is missing"},
        {"{\"model_type\":\"mixtral\"," OLD "}", "num_local_experts", "is missing"},
        {M ",\"rope_scaling\":{\"type\":\"linear\",\"factor\":2}}", "rope_scaling", "rope scaling"},
        {M ",\"rope_parameters\":{\"rope_type\":\"yarn\",\"rope_theta\":1e4}}", "rope_parameters",
         "rope scaling"},
        {M ",\"clip_qkv\":8}", "clip_qkv", "not supported"},
        {M ",\"attention_bias\":true}", "attention_bias", "not supported"},
        {M ",\"hidden_act\":\"gelu\"}", "hidden_act", "allowed: silu"},
        {M ",\"attention_dropout\":0.1}", "attention_dropout", "not supported"},
        {M ",\"router_jitter_noise\":0.1}", "router_jitter_noise", "not supported"},
        {M ",\"quantization_config\":{}}", "quantization_config", "quantised"},
        {M ",\"partial_rotary_factor\":0.5}", "partial_rotary_factor", "not supported"},
        {M ",\"num_key_value_heads\":3}", "num_key_value_heads", "does not divide"},
        {M ",\"head_dim\":5}", "head_dim", "odd"},
        {M ",\"tie_word_embeddings\":1}", "tie_word_embeddings", "true or false"},
        {M ",\"rms_norm_eps\":\"x\"}", "rms_norm_eps", "not a number"},
        {"{\"model_type\":\"mixtral\",\"num_local_experts\":1," OLD "}", "num_experts_per_tok",
         "more than the 1 experts"},
        {"{\"model_type\":\"mixtral\",\"num_local_experts\":-1," OLD "}", "num_local_experts",
         "whole number"},
        {"[]", "", "not a JSON object"},
        {"{\"a\":", "", ""},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct ms_moe_config c;
        struct ms_err err;
        ck_assert_msg(parse(bad[i].text, &c, &err) == MS_INVALID, "%s", bad[i].text);
        ck_assert_msg(strcmp(err.key, bad[i].key) == 0 && strstr(err.text, bad[i].says),
                      "%s\n-> %s: %s", bad[i].text, err.key, err.text);
        ck_assert_str_eq(err.file, "config.json");
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("moe_checkpoint");
    TCase *tc = tcase_create("folders"), *text = tcase_create("config");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_loop_test(tc, test_saved_folders_have_the_family_s_layout_and_read_back, 0, 3);
    tcase_add_loop_test(tc, test_random_models_read_back_with_their_bias, 0, 3);
    tcase_add_loop_test(tc, test_shards_of_stacked_bf16_tensors, 0, 3);
    tcase_add_test(tc, test_damage_is_named);
    tcase_add_test(tc, test_missing_files_are_named);
    tcase_add_test(text, test_old_and_new_configs);
    tcase_add_test(text, test_what_is_not_computed_is_refused_by_key);
    suite_add_tcase(s, tc);
    suite_add_tcase(s, text);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
