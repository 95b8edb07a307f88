/* scenario/: sweeps, --set and the canonical echo. */
#include <check.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/files.h"
#include "base/hash.h"
#include "routing/law.h"
#include "scenario_world.h"

static void check_case(const struct ms_study *st, size_t i, const char *axes, int steps,
                       double drift)
{
    struct ms_case c = {0};
    struct ms_err err = {0};
    char got[200] = "";
    ck_assert_int_eq(ms_study_case(st, i, &c, &err), MS_OK);
    for (int a = 0; a < c.n_axes; a++)
        sprintf(got + strlen(got), "%s%s=%s", a ? " " : "", c.axis[a].key, c.axis[a].json);
    ck_assert_str_eq(got, axes);
    ck_assert_int_eq(c.s.workload.steps, steps);
    ck_assert(c.s.routing.drift == drift);
    ms_case_finish(&c);
}

START_TEST(test_sweeps_are_all_combinations_last_axis_fastest)
{
    struct ms_study st = {0};
    good(&st, "sweep:\n  workload.steps: [1, 2]\n  routing.drift: {from: 0, to: 0.3, step: 0.1}\n");
    ck_assert_uint_eq(st.n_cases, 8);
    ck_assert_int_eq(st.n_axes, 2);
    check_case(&st, 0, "workload.steps=1 routing.drift=0", 1, 0);
    check_case(&st, 3, "workload.steps=1 routing.drift=0.3", 1, 0.3); /* not 0.30000000000000004 */
    check_case(&st, 4, "workload.steps=2 routing.drift=0", 2, 0);
    const char *const *labels;
    ck_assert_uint_eq(ms_study_axis_labels(&st, 1, &labels), 4);
    ck_assert_str_eq(labels[1], "0.1");
    ms_study_finish(&st);
    good(&st, "sweep: {both: {zip: {workload.steps: [1, 2], routing.drift: [0.5, 0.25]}}}");
    ck_assert_uint_eq(st.n_cases, 2);
    check_case(&st, 1, "workload.steps=2 routing.drift=0.25", 2, 0.25);
    ms_study_finish(&st);
    good(&st, "sweep: {compute.dense: {from: 1us, to: 3us, step: 1us}}");
    struct ms_case c = {0};
    ck_assert_int_eq(ms_study_case(&st, 2, &c, NULL), MS_OK);
    ck_assert(c.s.sim.compute.dense_s == 3e-6);
    ck_assert_str_eq(c.axis[0].json, "\"3us\"");
    ms_case_finish(&c);
    ms_study_finish(&st);
}
END_TEST

START_TEST(test_any_key_may_be_swept_also_inside_unions)
{
    struct ms_study st = {0};
    struct ms_case c = {0};
    good(&st, "routing: {popularity: {law: lognormal, sigma: 9}}\n"
              "hardware: {message_gap: 1us}\n"
              "sweep: {routing.popularity.sigma: [0.5, 1], hardware.dispatch_alpha: [1us, 2us],\n"
              "  placement.strategy: [contiguous, random]}\n");
    ck_assert_uint_eq(st.n_cases, 8);
    ck_assert_int_eq(ms_study_case(&st, 7, &c, NULL), MS_OK);
    ck_assert_str_eq(c.s.routing.popularity.law->name, "lognormal");
    ck_assert(*(double *)c.s.routing.popularity.params == 1);
    ck_assert(c.s.sim.hardware.dispatch_alpha_s == 2e-6 && c.s.sim.hardware.message_gap_s == 1e-6);
    ck_assert_str_eq(c.s.placement.strategy, "random");
    ms_case_finish(&c);
    ms_study_finish(&st);
    good(&st, "sweep: {routing.popularity: [uniform, {law: zipf, exponent: 2}]}");
    ck_assert_int_eq(ms_study_case(&st, 1, &c, NULL), MS_OK);
    ck_assert_str_eq(c.s.routing.popularity.law->name, "zipf");
    ck_assert_str_eq(c.axis[0].label, "{law: zipf, exponent: 2}");
    ms_case_finish(&c);
    ms_study_finish(&st);
    good(&st, "routing: {popularity: zipf}\nsweep: {routing.popularity.exponent: [0.5, 2]}");
    ck_assert_int_eq(ms_study_case(&st, 1, &c, NULL), MS_OK);
    ck_assert_str_eq(c.s.routing.popularity.law->name, "zipf");
    ck_assert(*(double *)c.s.routing.popularity.params == 2);
    ms_case_finish(&c);
    ms_study_finish(&st);
    good(&st, "sweep: {workload: {steps: [1, 2]}}"); /* nested, as the sections are */
    ck_assert_uint_eq(st.n_cases, 2);
    ck_assert_str_eq(ms_study_axis_key(&st, 0), "workload.steps");
    ms_study_finish(&st);
}
END_TEST

START_TEST(test_axis_labels_of_files_are_stems_unless_they_collide)
{
    struct ms_study st = {0};
    struct ms_case c = {0};
    good(&st, "sweep: {platform: [p/rail-8x8.xml, q/star.xml]}");
    ck_assert_int_eq(ms_study_case(&st, 0, &c, NULL), MS_OK);
    ck_assert_str_eq(c.axis[0].label, "rail-8x8");
    ck_assert_str_eq(c.s.platform, "dir/p/rail-8x8.xml");
    ms_case_finish(&c);
    ms_study_finish(&st);
    good(&st, "sweep: {platform: [p/rail.xml, q/rail.xml]}");
    ck_assert_int_eq(ms_study_case(&st, 1, &c, NULL), MS_OK);
    ck_assert_str_eq(c.axis[0].label, "q/rail.xml");
    ms_case_finish(&c);
    ms_study_finish(&st);
    ck_assert_str_eq(bad("sweep: {workload.steps: [1, 1]}")->text, "'1' stands twice");
}
END_TEST

START_TEST(test_set_goes_through_the_tables_and_replaces_axes)
{
    struct ms_study st = {0};
    struct ms_case c = {0};
    const char *text = "repeats: 3\nsweep: {workload.steps: [1, 2], both: {zip: {seed: [1, 2, 3], "
                       "routing.drift: [0, 0.5, 1]}}}\n";
    reset();
    ck_assert_int_eq(parse_set(&st, text, "workload.steps=5", "repeats=1e1", NULL), MS_OK);
    ck_assert_uint_eq(st.n_cases, 3);
    ck_assert_int_eq(ms_study_case(&st, 2, &c, NULL), MS_OK);
    ck_assert_int_eq(c.s.workload.steps, 5);
    ck_assert_int_eq(c.s.repeats, 10);
    ms_case_finish(&c);
    ms_study_finish(&st);
    ck_assert_int_eq(parse_set(&st, text, "seed=9", "sweep.workload.steps=[4]", NULL), MS_OK);
    ck_assert_uint_eq(st.n_cases, 3); /* drift goes on without seed; steps has one value */
    ck_assert_int_eq(ms_study_case(&st, 1, &c, NULL), MS_OK);
    ck_assert_uint_eq(c.s.seed, 9);
    ck_assert_int_eq(c.s.workload.steps, 4);
    ck_assert(c.s.routing.drift == 0.5);
    ms_case_finish(&c);
    ms_study_finish(&st);
    ck_assert_int_eq(parse_set(&st, text, "sweep={}", NULL, NULL), MS_OK);
    ck_assert_uint_eq(st.n_cases, 1);
    ms_study_finish(&st);
    ck_assert_int_eq(parse_set(&st, "routing: {popularity: uniform}",
                               "routing.popularity={law: zipf, exponent: 1}", NULL, NULL),
                     MS_OK);
    ck_assert_str_eq(st.base.routing.popularity.law->name, "zipf");
    ms_study_finish(&st);
}
END_TEST

static struct ms_hash canonical(const char *text)
{
    struct ms_study st = {0};
    struct ms_files files = {0};
    struct ms_buf b = {0};
    struct ms_err err = {0};
    const char *file = TEST_DATA "/bad/scenarios/t.yaml";
    reset();
    ck_assert_int_eq(ms_study_parse(&st, file, text, strlen(text), NULL, 0, &errs), MS_OK);
    ck_assert_msg(ms_scenario_canonical(&st.base, &files, &b, &err) == MS_OK, "%s", err.text);
    json_error_t je;
    json_t *j = json_loads(b.p, JSON_REJECT_DUPLICATES, &je);
    ck_assert_msg(j != NULL, "%s", je.text);
    ck_assert_int_eq((int)json_integer_value(json_object_get(j, "seed")), (int)st.base.seed);
    ck_assert_ptr_nonnull(json_object_get(json_object_get(j, "faults"), "jitter"));
    json_decref(j);
    struct ms_hash h = ms_hash128(b.p, b.n);
    ms_buf_finish(&b);
    ms_files_finish(&files);
    ms_study_finish(&st);
    return h;
}

/* A case takes what nobody gives from a struct made once; the base of a study is read key by key. */
START_TEST(test_a_case_is_what_reading_every_key_gives)
{
    static const char *const text[] = {
        "platform: star-8.xml\n",
        "platform: star-8.xml\nmodel: {preset: deepseek-v3, top_k: 6}\nseed: 3\n"
        "faults: {jitter: auto}\nexchange: {algorithm: hierarchical}\n",
        "platform: star-8.xml\nmodel: {experts: 16, top_k: 2}\nworkload: {tokens_per_rank: 7}\n"
        "routing: {popularity: {law: zipf}}\nnetwork: {model: cm02}\ntwin: false\n",
    };
    const char *file = TEST_DATA "/bad/scenarios/t.yaml";
    for (size_t i = 0; i < sizeof text / sizeof *text; i++) {
        struct ms_study st = {0};
        struct ms_files files = {0};
        struct ms_buf long_way = {0}, fast = {0};
        struct ms_case c = {0};
        reset();
        ms_study_parse(&st, file, text[i], strlen(text[i]), NULL, 0, &errs);
        ck_assert_msg(errs.n == 0, "%s", errs.n ? errs.e[0].text : "");
        ck_assert(st.standard && st.keys_known);
        ck_assert_int_eq(ms_study_case(&st, 0, &c, NULL), MS_OK);
        ck_assert_int_eq(ms_scenario_canonical(&st.base, &files, &long_way, NULL), MS_OK);
        ck_assert_int_eq(ms_scenario_canonical(&c.s, &files, &fast, NULL), MS_OK);
        ck_assert_str_eq(long_way.p, fast.p);
        ms_buf_finish(&long_way);
        ms_buf_finish(&fast);
        ms_case_finish(&c);
        ms_files_finish(&files);
        ms_study_finish(&st);
    }
}
END_TEST

START_TEST(test_canonical_echo_is_about_meaning_not_writing)
{
    struct ms_hash a = canonical("platform: star-8.xml\nmodel: {preset: dbrx}\nrepeats: 10\n");
    struct ms_hash b = canonical("name: other\nmodel:\n  preset: dbrx\nrepeats: 1e1 # ten\n"
                                 "platform: ../scenarios/star-8.xml\nreport: {margin: 0.1}\n"
                                 "hardware: auto\ncompute: {dense: 0us}\n");
    ck_assert_str_eq(a.hex, b.hex);
    struct ms_hash c = canonical("platform: star-8.xml\nmodel: {preset: dbrx}\nrepeats: 11\n");
    ck_assert_str_ne(a.hex, c.hex);
    struct ms_hash d = canonical("platform: empty.yaml\nmodel: {preset: dbrx}\n"); /* content */
    ck_assert_str_ne(a.hex, d.hex);
    struct ms_hash e = canonical("routing: {popularity: single-domain}");
    struct ms_hash f = canonical("routing: {popularity: {law: target, max_over_mean: 6}}");
    ck_assert_str_eq(e.hex, f.hex);
}
END_TEST

START_TEST(test_case_without_sweep_equals_base)
{
    struct ms_study st = {0};
    struct ms_case c = {0};
    struct ms_buf a = {0}, b = {0};
    good(&st, "model: {preset: dbrx}\nworkload: {steps: 3}\n");
    ck_assert_int_eq(ms_study_case(&st, 0, &c, NULL), MS_OK);
    ck_assert_int_eq(ms_scenario_echo(&st.base, &a, NULL), MS_OK);
    ck_assert_int_eq(ms_scenario_echo(&c.s, &b, NULL), MS_OK);
    ck_assert_str_eq(a.p, b.p);
    ms_buf_finish(&a);
    ms_buf_finish(&b);
    ms_case_finish(&c);
    ms_study_finish(&st);
}
END_TEST

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

START_TEST(test_many_cases_are_read_in_time)
{
    struct ms_study st = {0};
    double t = seconds();
    good(&st,
         "model: {preset: dbrx}\n"
         "sweep: {seed: {from: 1, to: 100, step: 1}, workload.steps: {from: 1, to: 20, step: 1}}");
    ck_assert_uint_eq(st.n_cases, 2000);
    ck_assert_msg(seconds() - t < 2, "2000 cases take %.2f s", seconds() - t);
    ms_study_finish(&st);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("scenario_sweep");
    TCase *t = tcase_create("sweep");
    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, reset, reset);
    suite_add_tcase(s, t);
    tcase_add_test(t, test_sweeps_are_all_combinations_last_axis_fastest);
    tcase_add_test(t, test_any_key_may_be_swept_also_inside_unions);
    tcase_add_test(t, test_axis_labels_of_files_are_stems_unless_they_collide);
    tcase_add_test(t, test_set_goes_through_the_tables_and_replaces_axes);
    tcase_add_test(t, test_a_case_is_what_reading_every_key_gives);
    tcase_add_test(t, test_canonical_echo_is_about_meaning_not_writing);
    tcase_add_test(t, test_case_without_sweep_equals_base);
    tcase_add_test(t, test_many_cases_are_read_in_time);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}
