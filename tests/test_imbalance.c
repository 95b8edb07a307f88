/* stats/imbalance: the published vectors, and what holds for every load. */
#include <check.h>
#include <math.h>
#include <string.h>

#include "base/rng.h"
#include "stats/imbalance.h"

static const struct {
    double load[8], gini, variance, cv, entropy;
} vectors[] = {
    {{2, 1.5, 1, 1, .5, .5, .3, .2}, .3678571, .00702806, .6706683, .1066897},
    {{5, 2, 1, .5, .2, .1, .1, .1}, .65, .0311651, 1.4122917, .3747908},
    {{0, 0, 0, 7, 0, 0, 0, 0}, .875, .109375, 2.6457513, 1},
};

START_TEST(test_the_published_vectors)
{
    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
        double scratch[8];
        struct ms_imbalance m = ms_imbalance_of(vectors[i].load, 8, scratch);
        ck_assert_double_eq_tol(m.gini, vectors[i].gini, 1e-7);
        ck_assert_double_eq_tol(m.variance, vectors[i].variance, 1e-7);
        ck_assert_double_eq_tol(m.cv, vectors[i].cv, 1e-7);
        ck_assert_double_eq_tol(m.entropy, vectors[i].entropy, 1e-7);
    }
}
END_TEST

START_TEST(test_balance_nothing_and_one_expert)
{
    double even[5] = {3, 3, 3, 3, 3}, zero[5] = {0}, scratch[5];
    struct ms_imbalance a = ms_imbalance_of(even, 5, scratch),
                        b = ms_imbalance_of(zero, 5, scratch);
    struct ms_imbalance one = ms_imbalance_of(even, 1, scratch);
    ck_assert(fabs(a.gini) < 1e-15 && fabs(a.cv) < 1e-15 && fabs(a.entropy) < 1e-15);
    ck_assert(a.max_over_mean == 1 && a.balancedness == 1 && a.min_over_max == 1 &&
              a.top_share == 0.2);
    ck_assert_int_eq(memcmp(&a, &b, sizeof a), 0);
    ck_assert(one.gini == 0 && one.max_over_mean == 1 && one.entropy == 0);
}
END_TEST

/* Counts of T tokens with k different experts each: max/mean <= E/k, gini <= 1 - k/E, and the other
 * measures agree. */
START_TEST(test_invariants_of_top_k_counts)
{
    enum { E = 16, K = 3, T = 50 };
    for (uint64_t round = 0; round < 200; round++) {
        struct ms_rng rng;
        ms_rng_init(&rng, 5, "test", round, 0, 0);
        double load[E] = {0}, scratch[E], skew = 3 * ms_rng_unit(&rng);
        for (int t = 0; t < T; t++) {
            double key[E];
            for (int e = 0; e < E; e++)
                key[e] = -skew * e + ms_rng_gumbel(&rng);
            for (int j = 0; j < K; j++) {
                int best = 0;
                for (int e = 1; e < E; e++)
                    best = key[e] > key[best] ? e : best;
                key[best] = -INFINITY;
                load[best]++;
            }
        }
        struct ms_imbalance m = ms_imbalance_of(load, E, scratch);
        ck_assert(m.max_over_mean <= (double)E / K + 1e-12 && m.gini <= 1 - (double)K / E + 1e-12);
        ck_assert(m.gini >= 0 && m.entropy >= -1e-12 && m.entropy <= 1);
        ck_assert_double_eq_tol(m.balancedness * m.max_over_mean, 1, 1e-12);
        ck_assert_double_eq_tol(m.cv, E * sqrt(m.variance), 1e-12);
        ck_assert_double_eq_tol(m.top_share * E, m.max_over_mean, 1e-12);
        ck_assert(m.imbalance_ratio == m.max_over_mean - 1 && m.max_violation == m.imbalance_ratio);
    }
}
END_TEST

/* Uniform random counts have CV ~ sqrt((E-k)/(k T)). */
START_TEST(test_uniform_counts_have_the_sampling_cv)
{
    enum { E = 64, K = 8, T = 400, ROUNDS = 50 };
    double sum = 0, scratch[E];
    for (uint64_t round = 0; round < ROUNDS; round++) {
        struct ms_rng rng;
        ms_rng_init(&rng, 6, "test", round, 0, 0);
        double load[E] = {0};
        int order[E];
        for (int e = 0; e < E; e++)
            order[e] = e;
        for (int t = 0; t < T; t++) {
            ms_rng_shuffle(&rng, order, E);
            for (int j = 0; j < K; j++)
                load[order[j]]++;
        }
        sum += ms_imbalance_of(load, E, scratch).cv / ROUNDS;
    }
    ck_assert_double_eq_tol(sum, sqrt((double)(E - K) / (K * T)), 0.01);
}
END_TEST

START_TEST(test_the_table_reads_every_member)
{
    double load[2] = {3, 1}, scratch[2];
    struct ms_imbalance m = ms_imbalance_of(load, 2, scratch);
    size_t n = 0;
    for (const struct ms_imbalance_metric *r = ms_imbalance_metrics; r->name; r++, n++)
        ck_assert(ms_imbalance_get(&m, r) == ((const double *)&m)[n]);
    ck_assert_uint_eq(n * sizeof(double), sizeof m);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("imbalance");
    TCase *t = tcase_create("imbalance");
    suite_add_tcase(s, t);
    tcase_add_test(t, test_the_published_vectors);
    tcase_add_test(t, test_balance_nothing_and_one_expert);
    tcase_add_test(t, test_invariants_of_top_k_counts);
    tcase_add_test(t, test_uniform_counts_have_the_sampling_cv);
    tcase_add_test(t, test_the_table_reads_every_member);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}
