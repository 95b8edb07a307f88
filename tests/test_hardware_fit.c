/* Fits: a known minimum is found, bounds hold, and what the residuals do not fix is said. */
#include <check.h>
#include <math.h>
#include <stdlib.h>

#include "hardware/least_squares.h"
#include "hardware/measured.h"

enum { M = 12 };

/* y = a + max(t / b, c), relative to itself: a kink between the points. */
struct line {
    double y[M];
    int n;
};

static double model(const double *x, int i)
{
    return x[0] + fmax((i + 1) / x[1], x[2]);
}

static void residuals(void *ctx, const double *x, double *r)
{
    const struct line *l = ctx;
    for (int i = 0; i < l->n; i++)
        r[i] = model(x, i) / l->y[i] - 1;
}

static struct ms_least_squares problem(struct line *l)
{
    static const double low[] = {0, 0.01, 0}, high[] = {50, 10, 100}, scale[] = {5, 1, 5};
    const double truth[] = {7, 0.5, 6};
    for (int i = 0; i < M; i++)
        l->y[i] = model(truth, i);
    l->n = M;
    return (struct ms_least_squares){3, M, low, high, scale, l, residuals};
}

START_TEST(test_a_known_minimum_is_found_from_anywhere)
{
    struct line l;
    struct ms_least_squares p = problem(&l);
    const double starts[][3] = {{0, 5, 50}, {50, 0.05, 0}, {1, 1, 1}};
    for (int s = 0; s < 3; s++) {
        double x[3] = {starts[s][0], starts[s][1], starts[s][2]}, sum;
        ck_assert_int_eq(ms_least_squares_solve(&p, 16, x, &sum), MS_OK);
        ck_assert_msg(sum < 1e-10 && fabs(x[0] - 7) < 1e-3 && fabs(x[1] - 0.5) < 1e-3,
                      "%g: %g %g %g", sum, x[0], x[1], x[2]);
        ck_assert(fabs(x[0] + x[2] - 13) < 1e-3);
    }
}
END_TEST

START_TEST(test_bounds_hold)
{
    static const double high[] = {3, 10, 100};
    struct line l;
    struct ms_least_squares p = problem(&l);
    double x[3] = {1, 1, 1}, sum;
    p.high = high;
    ck_assert_int_eq(ms_least_squares_solve(&p, 8, x, &sum), MS_OK);
    ck_assert(x[0] <= 3 && x[0] > 2.9 && sum > 1e-6);
}
END_TEST

/* Where t / b is never the smaller part, c acts nowhere. */
START_TEST(test_what_acts_nowhere_is_not_fixed)
{
    struct line l;
    struct ms_least_squares p = problem(&l);
    double x[3] = {7, 0.5, 0.5}, error[3];
    ck_assert_int_eq(ms_least_squares_errors(&p, x, 0.01, error), MS_OK);
    ck_assert(isinf(error[2]) && error[1] < 1 && error[0] < 1);
}
END_TEST

/* The shipped measurements are read whole, and every row that is not skipped can say what it moves. */
START_TEST(test_shipped_measurements)
{
    struct ms_measured m = {0};
    struct ms_errs errs = {0};
    ck_assert_int_eq(
        ms_measured_read_folder(&m, NULL, TEST_DATA "/../../platforms/hardware/measured", &errs),
        MS_OK);
    ck_assert_uint_eq(errs.n, 0);
    ck_assert_uint_eq(m.n, 3526);
    size_t fit = 0, recorded = 0;
    for (size_t i = 0; i < m.n; i++) {
        fit += m.row[i].fit == MS_FIT_YES;
        recorded += m.row[i].traffic != NULL;
    }
    ck_assert_uint_eq(fit, 3133);
    ck_assert_uint_eq(recorded, 848);
    ms_measured_finish(&m);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("hardware_fit");
    TCase *t = tcase_create("fits");
    tcase_add_test(t, test_a_known_minimum_is_found_from_anywhere);
    tcase_add_test(t, test_bounds_hold);
    tcase_add_test(t, test_what_acts_nowhere_is_not_fixed);
    tcase_add_test(t, test_shipped_measurements);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
