/* stats/: percentiles, intervals and verdicts of small samples against their definitions. */
#include <check.h>
#include <math.h>
#include <stdlib.h>

#include "base/rng.h"
#include "stats/boot.h"
#include "stats/components.h"
#include "stats/percentile.h"

START_TEST(test_percentiles_are_nearest_rank_counted_in_integers)
{
    double x[1000];
    for (int i = 0; i < 1000; i++)
        x[i] = i + 1;
    ck_assert(ms_percentile(x, 20, 95) == 19); /* ceil(0.95 x 20) = 19, not 20 */
    ck_assert(ms_percentile(x, 100, 99) == 99);
    ck_assert(ms_percentile(x, 101, 99) == 100);
    ck_assert(ms_percentile(x, 1, 99) == 1);
    ck_assert(ms_percentile(x, 2, 50) == 1);
    ck_assert(ms_percentile(x, 3, 50) == 2);
    for (size_t n = 1; n <= 1000;
         n++) /* the definition: the smallest x with at least P % at or below it */
        for (int p = 1; p < 100; p++) {
            size_t r = ms_percentile_rank(p, n);
            ck_assert(r * 100 >= n * (size_t)p && (r == 1 || (r - 1) * 100 < n * (size_t)p));
        }
}
END_TEST

START_TEST(test_support_says_what_a_sample_carries)
{
    ck_assert_uint_eq(ms_percentile_needs(99), 368);
    ck_assert_uint_eq(ms_percentile_needs(95), 73);
    ck_assert_uint_eq(ms_percentile_needs(50), 6);
    ck_assert_str_eq(ms_percentile_supported(5), "none");
    ck_assert_str_eq(ms_percentile_supported(6), "p50");
    ck_assert_str_eq(ms_percentile_supported(72.9), "p50");
    ck_assert_str_eq(ms_percentile_supported(73), "p95");
    ck_assert_str_eq(ms_percentile_supported(367), "p95");
    ck_assert_str_eq(ms_percentile_supported(368), "p99");
}
END_TEST

START_TEST(test_order_statistics_cover_the_percentile_they_are_of)
{
    const struct {
        int percent, n;
    } of[] = {{50, 6}, {50, 31}, {95, 73}, {95, 200}, {99, 368}, {99, 500}};
    enum { TRIALS = 1000 };
    double x[500], lo, hi;
    for (size_t i = 0; i < sizeof of / sizeof *of; i++) {
        int covered = 0;
        size_t n = (size_t)of[i].n;
        for (int t = 0; t < TRIALS; t++) {
            struct ms_rng rng;
            ms_rng_init(&rng, 5, "order", (uint64_t)t, i, 0);
            for (size_t k = 0; k < n; k++)
                x[k] = ms_rng_unit(&rng);
            ms_summarise(x, n, (double)n); /* sorts */
            ck_assert(ms_percentile_interval(x, n, (double)n, of[i].percent, &lo, &hi));
            covered += lo <= of[i].percent / 100.0 && of[i].percent / 100.0 <= hi;
        }
        ck_assert_msg(covered >= TRIALS * 94 / 100, "p%d of %zu: %d of %d", of[i].percent, n,
                      covered, TRIALS);
        ck_assert(!ms_percentile_interval(x, n, (double)ms_percentile_needs(of[i].percent) - 1,
                                          of[i].percent, &lo, &hi));
    }
}
END_TEST

START_TEST(test_steps_of_one_repeat_count_as_what_they_add)
{
    enum { REPEATS = 200, STEPS = 5 };
    double same[REPEATS * STEPS], free_[REPEATS * STEPS];
    struct ms_rng rng;
    ms_rng_init(&rng, 1, "units", 0, 0, 0);
    for (int r = 0; r < REPEATS; r++) {
        double level = ms_rng_normal(&rng);
        for (int s = 0; s < STEPS; s++) {
            same[r * STEPS + s] = level;
            free_[r * STEPS + s] = ms_rng_normal(&rng);
        }
    }
    ck_assert_double_eq_tol(ms_independent_units(same, REPEATS, STEPS), REPEATS, 1e-9);
    ck_assert(ms_independent_units(free_, REPEATS, STEPS) > 0.8 * REPEATS * STEPS);
    ck_assert(ms_independent_units(same, 10, 1) == 10);
    double equal[6] = {3, 3, 3, 3, 3, 3};
    ck_assert(ms_independent_units(equal, 2, 3) == 2);
}
END_TEST

/* Planted variances come back as shares: of layers, of batches (all layers alike, or one layer while
 * a repeat lasts) and the rest. What cannot be told apart is no number. */
START_TEST(test_variance_goes_to_layers_batches_and_the_rest)
{
    enum { R = 1500, S = 4, L = 8, U = 1 };
    static double x[R * S * L * U];
    struct ms_times t = {x, R, S, L, U};
    struct ms_components c;
    struct ms_rng rng;
    ms_rng_init(&rng, 5, "test", 0, 0, 0);
    for (int cell = 0; cell < 2; cell++) {
        for (int r = 0; r < R; r++) {
            double own[L];
            for (int l = 0; l < L; l++)
                own[l] = cell * 2 * ms_rng_normal(&rng);
            for (int s = 0; s < S; s++) {
                double batch = 2 * ms_rng_normal(&rng);
                for (int l = 0; l < L; l++)
                    x[(r * S + s) * L + l] = 100 + (l % 2 ? 3 : -3) * sqrt(7. / 8) + own[l] +
                                             batch + ms_rng_normal(&rng);
            }
        }
        double all = cell ? 18 : 14;
        ck_assert_int_eq(ms_components_of(&t, &c, NULL), MS_OK);
        ck_assert_double_eq_tol(c.layer, 9 / all, 0.025);
        ck_assert_double_eq_tol(c.batch, (all - 10) / all, 0.025);
        ck_assert_double_eq_tol(c.within, 1 / all, 0.005);
        ck_assert_double_eq_tol(c.layer + c.batch + c.within, 1, 1e-12);
    }
    ms_components_of(&(struct ms_times){x, R, S, 1, 1}, &c, NULL);
    ck_assert(c.layer == 0 && isnan(c.batch) && isnan(c.within));
    ms_components_of(&(struct ms_times){x, 1, 1, L, 1}, &c, NULL);
    ck_assert(isnan(c.layer) && isnan(c.batch));
    double same[8] = {1, 1, 1, 1, 1, 1, 1, 1};
    ms_components_of(&(struct ms_times){same, 2, 2, 2, 1}, &c, NULL);
    ck_assert(c.layer == 0 && c.batch == 0 && c.within == 0);
}
END_TEST

START_TEST(test_summary_is_of_the_sample_whatever_its_order)
{
    double x[] = {5, 1, 4, 2, 3};
    struct ms_summary s = ms_summarise(x, 5, 5);
    ck_assert(s.p50 == 3 && s.p95 == 5 && s.p99 == 5 && s.max == 5 && s.mean == 3 && s.n == 5);
    s = ms_summarise(x, 0, 0);
    ck_assert(s.n == 0 && s.max == 0 && s.mean == 0);
}
END_TEST

enum { R = 30, PER = 20, N = R * PER };
static double a_value[N], b_value[N];
static int repeat_of[N];

static struct ms_clustered sample(const double *value, int n_repeats)
{
    return (struct ms_clustered){value, repeat_of, (size_t)(n_repeats * PER), n_repeats};
}

/* b: repeats that differ a lot; a: the same times `factor`, each with its own noise. */
static void make(double factor, double noise, uint64_t seed)
{
    struct ms_rng rng;
    ms_rng_init(&rng, seed, "test", 0, 0, 0);
    for (int r = 0; r < R; r++) {
        double level = exp(0.5 * ms_rng_normal(&rng));
        for (int i = r * PER; i < (r + 1) * PER; i++) {
            repeat_of[i] = r;
            b_value[i] = level * (1 + 0.1 * ms_rng_unit(&rng));
            a_value[i] = b_value[i] * factor * exp(noise * ms_rng_normal(&rng));
        }
    }
}

START_TEST(test_pairing_removes_what_repeats_share)
{
    make(1.3, 0, 1);
    struct ms_clustered a = sample(a_value, R), b = sample(b_value, R);
    struct ms_ratio r;
    ck_assert_int_eq(ms_boot_ratio(&a, &b, 99, 7, 0.05, &r, NULL), MS_OK);
    ck_assert(r.has_interval && r.n_repeats == R);
    ck_assert_double_eq_tol(r.ratio, 1.3, 1e-12);
    ck_assert_double_eq_tol(r.lo, 1.3, 1e-12); /* every draw has the same ratio */
    ck_assert_double_eq_tol(r.hi, 1.3, 1e-12);
    ck_assert(r.p_inside == 0);
    ck_assert_int_eq(ms_verdict(&r, 0.05, true), MS_VERDICT_SLOWER);
    ck_assert_int_eq(ms_verdict(&r, 0.05, false), MS_VERDICT_UNCLEAR); /* Holm keeps it */
    ck_assert_int_eq(ms_verdict(&r, 0.5, true), MS_VERDICT_TIE);
    r.lo = 1.04; /* a foot in the margin */
    ck_assert_int_eq(ms_verdict(&r, 0.05, true), MS_VERDICT_UNCLEAR);
    r.lo = 1.3;
    r.n_repeats = 9;
    ck_assert_int_eq(ms_verdict(&r, 0.05, true), MS_VERDICT_UNCLEAR);
    r.has_interval = false;
    ck_assert_int_eq(ms_verdict(&r, 0.5, true), MS_VERDICT_UNCLEAR);
    r.ratio = NAN;
    ck_assert_int_eq(ms_verdict(&r, 0.5, true), MS_VERDICT_NONE);
    ck_assert_int_eq(ms_boot_ratio(&b, &a, MS_STAT_MEAN, 7, 0.05, &r, NULL), MS_OK);
    ck_assert_double_eq_tol(r.ratio, 1 / 1.3, 1e-12);
    ck_assert_int_eq(ms_verdict(&r, 0.05, true), MS_VERDICT_FASTER);
}
END_TEST

START_TEST(test_interval_covers_the_truth_about_as_often_as_it_says)
{
    int covered = 0;
    enum { TRIALS = 200 };
    for (int t = 0; t < TRIALS; t++) {
        make(1.1, 0.3, 100 + (uint64_t)t);
        struct ms_clustered a = sample(a_value, R), b = sample(b_value, R);
        struct ms_ratio r;
        ck_assert_int_eq(ms_boot_ratio(&a, &b, MS_STAT_MEAN, 3, 0.05, &r, NULL), MS_OK);
        ck_assert(r.lo <= r.ratio && r.ratio <= r.hi);
        double truth = 1.1 * exp(0.5 * 0.3 * 0.3);
        covered += r.lo <= truth && truth <= r.hi;
    }
    ck_assert_int_ge(
        covered, TRIALS * 86 / 100); /* 95 % nominal; the percentile method runs a little short */
    ck_assert_int_le(covered, TRIALS * 995 / 1000);
}
END_TEST

START_TEST(test_more_repeats_do_not_make_a_trifle_significant)
{
    make(1.001, 0, 5);
    struct ms_clustered a = sample(a_value, R), b = sample(b_value, R);
    struct ms_ratio r;
    ck_assert_int_eq(ms_boot_ratio(&a, &b, 99, 1, 0.05, &r, NULL), MS_OK);
    ck_assert(r.lo > 1);
    ck_assert_int_eq(ms_verdict(&r, 0.05, true), MS_VERDICT_TIE);
}
END_TEST

START_TEST(test_interval_is_the_same_for_the_same_seed_and_none_of_one_repeat)
{
    make(1.2, 0.4, 9);
    struct ms_clustered a = sample(a_value, R), b = sample(b_value, R);
    struct ms_ratio r, again, other;
    ms_boot_ratio(&a, &b, 95, 1, 0.05, &r, NULL);
    ms_boot_ratio(&a, &b, 95, 1, 0.05, &again, NULL);
    ms_boot_ratio(&a, &b, 95, 2, 0.05, &other, NULL);
    ck_assert(r.lo == again.lo && r.hi == again.hi);
    ck_assert(r.lo != other.lo || r.hi != other.hi);
    a = sample(a_value, 1), b = sample(b_value, 1);
    ms_boot_ratio(&a, &b, 95, 1, 0.05, &r, NULL);
    ck_assert(!r.has_interval && isfinite(r.ratio));
    b = sample(b_value, 2);
    struct ms_err e = {0};
    ck_assert_int_eq(ms_boot_ratio(&a, &b, 95, 1, 0.05, &r, &e), MS_INVALID);
}
END_TEST

START_TEST(test_statistic_equals_the_plain_percentile)
{
    make(1, 0.7, 21);
    struct ms_clustered a = sample(a_value, R);
    double copy[N], v;
    for (int i = 0; i < N; i++)
        copy[i] = a_value[i];
    struct ms_summary s = ms_summarise(copy, N, 1);
    int stat[] = {50, 95, 99, MS_STAT_MAX};
    double want[] = {s.p50, s.p95, s.p99, s.max};
    for (int i = 0; i < 4; i++) {
        ck_assert_int_eq(ms_stat(&a, stat[i], &v), MS_OK);
        ck_assert(v == want[i]);
    }
    ms_stat(&a, MS_STAT_MEAN, &v);
    ck_assert_double_eq_tol(v, s.mean, 1e-12);
}
END_TEST

START_TEST(test_holm_steps_down)
{
    /* Holm 1979: 0.01 < 0.05/4; 0.015 < 0.05/3; 0.03 > 0.05/2 stops it, and 0.04 falls with it. */
    double p[] = {0.03, 0.01, 0.04, 0.015};
    bool reject[4];
    ck_assert_int_eq(ms_holm(p, 4, 0.05, reject), MS_OK);
    ck_assert(!reject[0] && reject[1] && !reject[2] && reject[3]);
    double same[] = {0.02, 0.02, 0.02};
    ms_holm(same, 3, 0.05, reject);
    ck_assert(!reject[0] && !reject[1] && !reject[2]);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("stats");
    TCase *t = tcase_create("stats");
    tcase_set_timeout(t, 60);
    suite_add_tcase(s, t);
    tcase_add_test(t, test_percentiles_are_nearest_rank_counted_in_integers);
    tcase_add_test(t, test_support_says_what_a_sample_carries);
    tcase_add_test(t, test_order_statistics_cover_the_percentile_they_are_of);
    tcase_add_test(t, test_steps_of_one_repeat_count_as_what_they_add);
    tcase_add_test(t, test_variance_goes_to_layers_batches_and_the_rest);
    tcase_add_test(t, test_summary_is_of_the_sample_whatever_its_order);
    tcase_add_test(t, test_pairing_removes_what_repeats_share);
    tcase_add_test(t, test_interval_covers_the_truth_about_as_often_as_it_says);
    tcase_add_test(t, test_more_repeats_do_not_make_a_trifle_significant);
    tcase_add_test(t, test_interval_is_the_same_for_the_same_seed_and_none_of_one_repeat);
    tcase_add_test(t, test_statistic_equals_the_plain_percentile);
    tcase_add_test(t, test_holm_steps_down);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}
