/* Expert and attention times against what they were measured with, and in between. */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim/attention.h"
#include "sim/compute.h"

#define MEASURED TEST_DATA "/../../platforms/hardware/measured/"

static double expert_us(const char *profile, int hidden, int wide, double tokens)
{
    struct ms_compute_params p = {.profile = profile};
    return 1e6 * ms_compute_ffns_s(&p, hidden, wide, &tokens, 1);
}

/* Rows of the tables themselves: pooling may move them, on average by less than 4 %. */
START_TEST(test_tables_are_what_was_measured)
{
    FILE *f = fopen(MEASURED "expert_ffn.csv", "r");
    char line[1024];
    double error = 0;
    int n = 0;
    ck_assert_ptr_nonnull(f);
    while (fgets(line, sizeof line, f)) {
        char *field[40] = {line};
        int k = 1;
        bool quoted = false;
        for (char *c = line; *c && k < 40; c++) {
            quoted ^= *c == '"';
            if (*c == ',' && !quoted)
                *c = '\0', field[k++] = c + 1;
        }
        if (k < 35 || strcmp(field[2], "yes") != 0)
            continue;
        bool fp8 = strcmp(field[27], "fp8") == 0, h200 = strncmp(field[4], "h200", 4) == 0;
        double us = expert_us(fp8    ? "h100-fp8"
                              : h200 ? "h200"
                                     : "h100",
                              atoi(field[10]), atoi(field[26]), atof(field[9]));
        error += fabs(us / atof(field[33]) - 1);
        n++;
    }
    fclose(f);
    ck_assert_int_eq(n, 136);
    ck_assert_msg(error / n < 0.02, "%g", error / n);
}
END_TEST

/* No expert is faster for being larger or having more tokens, between the points and beyond. */
START_TEST(test_experts_are_monotone)
{
    const char *const profiles[] = {"h100", "h100-grouped", "h100-fp8", "h100-fp8-grouped"};
    for (int k = 0; k < 4; k++)
        for (double tokens = 1; tokens < 60000; tokens *= 1.3) {
            double last = 0;
            for (int wide = 16; wide < 40000; wide += wide / 3 + 1) {
                double us = expert_us(profiles[k], 4096, wide, tokens);
                ck_assert_msg(us >= last, "%s %d wide, %g tokens", profiles[k], wide, tokens);
                ck_assert(expert_us(profiles[k], 4096, wide, 1.3 * tokens) >= us);
                last = us;
            }
        }
}
END_TEST

/* A measured point is met; twice the tokens or a longer context is never faster. */
START_TEST(test_attention)
{
    struct ms_model_shape qwen = {.hidden = 2048, .heads = 32, .kv_heads = 4, .head_dim = 128},
                          v3 = {.hidden = 7168, .heads = 128, .head_dim = 192}, none = {0};
    ck_assert(fabs(ms_attention_s(&qwen, false, false, 8192, 2048) / 731.52e-6 - 1) < 1e-3);
    ck_assert(fabs(ms_attention_s(&qwen, true, false, 128, 4096) / 394.56e-6 - 1) < 1e-3);
    ck_assert(fabs(ms_attention_s(&v3, false, false, 8192, 2048) / 7696.768e-6 - 1) < 1e-3);
    ck_assert(ms_attention_s(&none, false, false, 8192, 2048) == 0);
    for (double tokens = 64; tokens < 1e5; tokens *= 1.4)
        for (double context = 512; context < 60000; context *= 1.4) {
            double us = ms_attention_s(&v3, false, false, tokens, context);
            ck_assert(us > 0 && ms_attention_s(&v3, false, false, 2 * tokens, context) > us);
            ck_assert(ms_attention_s(&v3, false, false, tokens, 2 * context) > 0.98 * us);
        }
    ck_assert(ms_attention_s(&v3, false, true, 8192, 2048) <
              0.9 * ms_attention_s(&v3, false, false, 8192, 2048));
    /* a shape that was not measured lies near one that was */
    struct ms_model_shape other = {.hidden = 2048, .heads = 32, .kv_heads = 8, .head_dim = 128};
    double a = ms_attention_s(&other, false, false, 8192, 2048),
           b = ms_attention_s(&qwen, false, false, 8192, 2048);
    ck_assert_msg(a > 0.9 * b && a < 1.25 * b, "%g %g", a, b);
}
END_TEST

/* DeepSeek-V3's three dense layers of 18432 values are as wide as nine experts of 2048, so each takes
 * about what nine experts' products do; the head is small in prefill; what is simulated in part counts
 * in part; a time that is given stays. */
START_TEST(test_outside_by_the_shape)
{
    struct ms_model_shape v3 = {.hidden = 7168,
                                .heads = 128,
                                .head_dim = 192,
                                .top_k = 8,
                                .moe_layers = 58,
                                .expert_intermediate = 2048,
                                .dense_layers = 3,
                                .dense_intermediate = 18432,
                                .vocabulary = 129280};
    struct ms_workload w = {.context = 4096};
    double selections = 8 * 16384.0, tokens[9];
    uint32_t self = 0;
    struct ms_traffic_row row = {1, &self, &selections, &selections};
    struct ms_traffic t = {.n_ranks = 1, .row = &row, .requested = selections};
    struct ms_compute_params p = {.profile = "h100-fp8-grouped", .dense_s = NAN, .outside_s = NAN};
    for (int i = 0; i < 9; i++)
        tokens[i] = 16384;
    double layer_s = ms_compute_dense_s(&p, &v3, &w, &t, 0, 1) +
                     ms_compute_ffns_s(&p, 7168, 2048, tokens, 9),
           all_s = ms_compute_outside_s(&p, &v3, &w, &t, 0, 58, 1);
    ck_assert_msg(fabs(all_s / (3 * layer_s) - 1) < 0.2, "%g against 3 x %g", all_s, layer_s);
    ck_assert(fabs(ms_compute_outside_s(&p, &v3, &w, &t, 0, 29, 1) / all_s - 0.5) < 1e-9);
    v3.dense_layers = 0;
    double head_s = ms_compute_outside_s(&p, &v3, &w, &t, 0, 58, 1);
    ck_assert_msg(head_s > 0 && head_s < 0.05 * all_s, "%g", head_s);
    w.requests.phase = MS_REQUESTS_DECODE;
    ck_assert(ms_compute_outside_s(&p, &v3, &w, &t, 0, 58, 1) > 20 * head_s);
    p.outside_s = 5e-3;
    ck_assert(ms_compute_outside_s(&p, &v3, &w, &t, 0, 29, 0.5) == 2.5e-3);
}
END_TEST

/* fp8 is a table of its own, and faster where products are large. */
START_TEST(test_fp8_acts)
{
    for (double tokens = 4096; tokens < 40000; tokens *= 2)
        ck_assert_msg(
            expert_us("h100-fp8", 7168, 2048, tokens) < 0.9 * expert_us("h100", 7168, 2048, tokens),
            "%g tokens: %g, bf16 %g us", tokens, expert_us("h100-fp8", 7168, 2048, tokens),
            expert_us("h100", 7168, 2048, tokens));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("compute");
    TCase *t = tcase_create("tables");
    tcase_add_test(t, test_tables_are_what_was_measured);
    tcase_add_test(t, test_experts_are_monotone);
    tcase_add_test(t, test_attention);
    tcase_add_test(t, test_outside_by_the_shape);
    tcase_add_test(t, test_fp8_acts);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
