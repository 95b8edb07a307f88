/* moe/: a model that was really trained, router and all, gives the cross-entropy and the expert
 * counts of the naive model in double on text it never saw; and on five held-out texts those that
 * Hugging Face gives, where MOESIM_REFERENCE names a folder with that model (14 MB, not kept here). */
#include <check.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/pool.h"
#include "moe/checkpoint.h"
#include "moe/data.h"
#include "moe/router.h"
#include "moe_naive.h"

enum { B = 16, T = 256 };
static char root[] = "/tmp/moesim_small_XXXXXX";

/* A checkpoint as a model that takes b rows of t tokens. */
static struct ms_model *load(const char *folder, int b, int t, struct ms_pool *pool)
{
    struct ms_checkpoint *c = NULL;
    struct ms_model *m = NULL;
    struct ms_err err = {0};
    struct ms_model_options o = {.B = b, .T = t, .pool = pool};
    ck_assert_msg(ms_checkpoint_open(folder, &c, &err) == MS_OK, "%s", err.text);
    ck_assert_msg(ms_model_create(ms_checkpoint_config(c), &o, &m, &err) == MS_OK, "%s", err.text);
    ck_assert_msg(ms_checkpoint_load(c, m, &err) == MS_OK, "%s: %s", err.key, err.text);
    ms_checkpoint_close(c);
    return m;
}

static double forward(struct ms_model *m, int n_rows, int n, const unsigned char *text,
                      int32_t *tokens, int32_t *targets)
{
    double ce = 0;
    for (int i = 0; i < n_rows * n; i++) {
        tokens[i] = text[i];
        targets[i] = text[i + 1];
    }
    struct ms_model_input in = {.B = n_rows, .T = n, .tokens = tokens, .targets = targets};
    ck_assert_int_eq(ms_model_forward(m, &in, &ce, NULL), MS_OK);
    return ce;
}

/* ---- trained here ---- */

enum { ROWS = 8, LENGTH = 64, E = 8, K = 2, L = 2 };

static void train(const char *text, const char *dir)
{
    struct ms_loss_term term = {ms_loss_find("switch"), 0.01};
    struct ms_train_params p = ms_train_params_default();
    struct ms_train_options o = {.dir = dir, .threads = 2};
    struct ms_err err = {0};
    p.model = (struct ms_train_model){.vocab = 256,
                                      .hidden = 64,
                                      .layers = L,
                                      .heads = 4,
                                      .kv_heads = 2,
                                      .experts = E,
                                      .top_k = K,
                                      .expert_intermediate = 64,
                                      .max_positions = 128};
    p.data.text = &text;
    p.data.n_text = 1;
    p.data.heldout = 0.1;
    p.batch = 16;
    p.seq = LENGTH;
    p.steps = 150;
    p.optimizer.lr = 5e-3;
    p.optimizer.warmup = 20;
    p.losses = &term;
    p.n_losses = 1;
    p.seed = 1;
    ck_assert_msg(ms_train_run(&p, &o, &err) == MS_OK, "%s", err.text);
}

/* Selections of each expert of a layer by the naive model's router scores. */
static void count_top(const struct naive *n, int layer, long *count)
{
    for (int t = 0; t < ROWS * LENGTH; t++) {
        const double *score = n->router + ((size_t)layer * ROWS * LENGTH + (size_t)t) * E;
        for (int e = 0; e < E; e++) {
            int above = 0;
            for (int o = 0; o < E; o++)
                above += score[o] > score[e] || (score[o] == score[e] && o < e);
            count[e] += above < K;
        }
    }
}

START_TEST(test_a_trained_model_equals_the_naive_one_on_held_out_text)
{
    const char *text = TEST_DATA "/../../scenarios/data/jargon.txt.gz";
    char dir[64], checkpoint[80];
    static int32_t tokens[ROWS * LENGTH], targets[ROWS * LENGTH];
    struct ms_buf bytes = {0};
    snprintf(dir, sizeof dir, "%s/run", root);
    snprintf(checkpoint, sizeof checkpoint, "%s/checkpoint", dir);
    ck_assert_int_eq(ms_text_read(text, &bytes, NULL), MS_OK);
    train(text, dir);
    struct ms_model *m = load(checkpoint, ROWS, LENGTH, NULL);
    const unsigned char *heldout = (const unsigned char *)bytes.p + bytes.n - ROWS * LENGTH - 1;
    double ce = forward(m, ROWS, LENGTH, heldout, tokens, targets);
    struct naive n = naive_of(m, ROWS, LENGTH);
    double truth = naive_forward(&n, ROWS, LENGTH, tokens, targets);
    printf("cross-entropy %.7f, naive %.7f\n", ce, truth);
    ck_assert_double_eq_tol(ce, truth, 1e-5);
    ck_assert_msg(ce < 3, "%g nats after 150 steps: the text's bytes alone have 3.3", ce);
    for (int l = 0; l < L; l++) {
        long want[E] = {0};
        count_top(&n, l, want);
        for (int e = 0; e < E; e++) /* near ties may fall either way */
            ck_assert_msg(labs(ms_model_routes(m)[l].selected[e] - want[e]) <= 2,
                          "layer %d expert %d: %ld, not %ld", l, e,
                          (long)ms_model_routes(m)[l].selected[e], want[e]);
    }
    naive_free(&n);
    ms_model_destroy(m);
    ms_buf_finish(&bytes);
}
END_TEST

/* ---- trained elsewhere ---- */

static void compare(struct ms_model *m, const char *folder, const char *text, json_t *truth)
{
    char path[600];
    struct ms_buf bytes = {0};
    static int32_t tokens[B * T], targets[B * T];
    double want = json_number_value(json_object_get(truth, "ce"));
    snprintf(path, sizeof path, "%s/heldout_%s.bin", folder, text);
    ck_assert_int_eq(ms_file_read(path, &bytes, NULL), MS_OK);
    ck_assert_uint_eq(bytes.n, B * T + 1);
    double ce = forward(m, B, T, (const unsigned char *)bytes.p, tokens, targets);
    ms_buf_finish(&bytes);
    printf("%s: %.7f (%.7f)\n", text, ce, want);
    ck_assert_msg(fabs(ce - want) < 1e-3, "%s: %.6f, not %.6f", text, ce, want);
    for (int l = 0; l < ms_model_moe_layers(m); l++)
        for (int e = 0; e < ms_model_config(m)->experts; e++) {
            json_t *row = json_array_get(json_object_get(truth, "counts"), (size_t)l);
            long is = (long)ms_model_routes(m)[l].selected[e],
                 n = (long)json_integer_value(json_array_get(row, (size_t)e));
            ck_assert_msg((double)labs(is - n) <= 0.005 * 2 * B * T,
                          "%s: layer %d expert %d: %ld, not %ld", text, l, e, is, n);
        }
}

START_TEST(test_five_texts_as_hugging_face)
{
    const char *given = getenv("MOESIM_REFERENCE"),
               *texts[] = {"kjv", "man_en", "man_fr", "man_de", "c_code"};
    char folder[512], path[600];
    snprintf(folder, sizeof folder, "%s/smallmoe_noaux", given ? given : "");
    if (!given || access(folder, R_OK) != 0)
        return; /* what is promised here is held by the test above; this one is another witness */
    snprintf(path, sizeof path, "%s/reference.json", folder);
    json_t *reference = json_load_file(path, 0, NULL),
           *heldout = json_object_get(reference, "heldout");
    ck_assert_ptr_nonnull(heldout);
    struct ms_pool *pool = ms_pool_create(ms_cores());
    struct ms_model *m = load(folder, B, T, pool);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        compare(m, folder, texts[i], json_object_get(heldout, texts[i]));
    json_decref(reference);
    ms_model_destroy(m);
    ms_pool_destroy(pool);
}
END_TEST

int main(void)
{
    if (!mkdtemp(root))
        return 1;
    Suite *s = suite_create("moe_small");
    TCase *tc = tcase_create("trained");
    tcase_set_timeout(tc, 100);
    tcase_add_test(tc, test_a_trained_model_equals_the_naive_one_on_held_out_text);
    tcase_add_test(tc, test_five_texts_as_hugging_face);
    suite_add_tcase(s, tc);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    char command[64];
    snprintf(command, sizeof command, "rm -rf %s", root);
    return system(command) != 0 || failed != 0;
}
