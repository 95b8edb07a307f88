/* moe/: a really trained model (7 million parameters, bf16, reference/smallmoe_noaux) gives the
 * cross-entropy and the expert counts that Hugging Face gives on five held-out texts. The 14 MB are
 * not kept here: MOESIM_REFERENCE names the folder of the reference data; without it the test is
 * skipped. */
#include <check.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/pool.h"
#include "moe/blas.h"
#include "moe/checkpoint.h"
#include "moe/model.h"
#include "moe/router.h"

static const char *const texts[] = {"kjv", "man_en", "man_fr", "man_de", "c_code"};
static const char *folder;
enum { B = 16, T = 256 };

static void compare(struct ms_model *m, const char *text, json_t *truth)
{
    char path[600];
    struct ms_buf bytes = {0};
    int32_t tokens[B * T], targets[B * T];
    double ce = 0, want = json_number_value(json_object_get(truth, "ce"));
    snprintf(path, sizeof path, "%s/heldout_%s.bin", folder, text);
    ck_assert_int_eq(ms_file_read(path, &bytes, NULL), MS_OK);
    ck_assert_uint_eq(bytes.n, B * T + 1);
    for (int i = 0; i < B * T; i++) {
        tokens[i] = (unsigned char)bytes.p[i];
        targets[i] = (unsigned char)bytes.p[i + 1];
    }
    ms_buf_finish(&bytes);
    struct ms_model_input in = {.B = B, .T = T, .tokens = tokens, .targets = targets};
    ck_assert_int_eq(ms_model_forward(m, &in, &ce, NULL), MS_OK);
    printf("%s: %.7f (%.7f)\n", text, ce, want);
    ck_assert_msg(fabs(ce - want) < 1e-3, "%s: %.6f, not %.6f", text, ce, want);
    for (int l = 0; l < ms_model_moe_layers(m); l++)
        for (int e = 0; e < ms_model_config(m)->experts; e++) {
            json_t *row = json_array_get(json_object_get(truth, "counts"), (size_t)l);
            long is = ms_model_routes(m)[l].selected[e],
                 n = json_integer_value(json_array_get(row, (size_t)e));
            ck_assert_msg(labs(is - n) <= 0.005 * 2 * B * T, "%s: layer %d expert %d: %ld, not %ld",
                          text, l, e, is, n);
        }
}

START_TEST(test_five_texts)
{
    char path[600];
    struct ms_checkpoint *c = NULL;
    struct ms_model *m = NULL;
    struct ms_err err = {0};
    snprintf(path, sizeof path, "%s/reference.json", folder);
    json_t *root = json_load_file(path, 0, NULL), *heldout = json_object_get(root, "heldout");
    ck_assert_ptr_nonnull(heldout);
    ck_assert_msg(ms_checkpoint_open(folder, &c, &err) == MS_OK, "%s", err.text);
    struct ms_pool *pool = ms_pool_create(ms_cores());
    struct ms_model_options o = {.B = B, .T = T, .pool = pool};
    ck_assert_msg(ms_model_create(ms_checkpoint_config(c), &o, &m, &err) == MS_OK, "%s", err.text);
    ck_assert_msg(ms_checkpoint_load(c, m, &err) == MS_OK, "%s: %s", err.key, err.text);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        compare(m, texts[i], json_object_get(heldout, texts[i]));
    json_decref(root);
    ms_model_destroy(m);
    ms_pool_destroy(pool);
    ms_checkpoint_close(c);
}
END_TEST

int main(int argc, char **argv)
{
    static char path[512];
    const char *root = getenv("MOESIM_REFERENCE");
    snprintf(path, sizeof path, "%s/smallmoe_noaux", root ? root : "");
    folder = path;
    if (!root || access(folder, R_OK) != 0)
        return 77;
    ms_blas_pick(argv);
    Suite *s = suite_create("moe_small");
    TCase *tc = tcase_create("trained");
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, test_five_texts);
    suite_add_tcase(s, tc);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
