/* sim/fluid: rates are max-min fair, flows end when they should. */
#include <check.h>
#include <math.h>
#include <stdlib.h>

#include "sim/fluid/fluid.h"

/* N hosts on a star: links 0..N-1 up, N..2N-1 down. */
static struct ms_fluid *star(int N, double Bps)
{
    struct ms_fluid_link *l = calloc(2 * (size_t)N, sizeof *l);
    struct ms_fluid *f = NULL;
    for (int i = 0; i < 2 * N; i++)
        l[i].capacity_Bps = Bps;
    ck_assert_int_eq(ms_fluid_create(l, 2 * (size_t)N, NULL, &f, NULL), MS_OK);
    free(l);
    for (uint32_t s = 0; s < (uint32_t)N; s++) {
        for (uint32_t d = 0; d < (uint32_t)N; d++) {
            uint32_t id, hops[] = {s, (uint32_t)N + d};
            ck_assert_int_eq(ms_fluid_route(f, hops, s == d ? 0 : 2, &id, NULL), MS_OK);
            ck_assert_uint_eq(id, s * (uint32_t)N + d);
        }
    }
    return f;
}

START_TEST(test_star_uniform_takes_the_port_time)
{
    int N = (int[]){2, 16, 64}[_i];
    struct ms_fluid *f = star(N, 50e9);
    const struct ms_fluid_event *e;
    for (uint32_t d = 0; d < (uint32_t)N; d++) {
        uint32_t sink;
        ck_assert_int_eq(ms_fluid_open(f, (uint32_t)N - 1, d, &sink, NULL), MS_OK);
        for (uint32_t s = 0; s < (uint32_t)N; s++) {
            struct ms_fluid_flow w = {65536, 1e-6, s * (uint32_t)N + d, sink};
            if (s != d)
                ck_assert_int_eq(ms_fluid_add(f, &w, 1, NULL), MS_OK);
        }
    }
    size_t n = ms_fluid_advance(f, INFINITY, &e);
    ck_assert_uint_eq(n, (size_t)N);
    for (size_t i = 0; i < n; i++)
        ck_assert_double_eq_tol(e[i].finish_s, 1e-6 + (N - 1) * 65536 / 50e9, 1e-15);
    ms_fluid_destroy(f);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("fluid");
    TCase *t = tcase_create("all");
    tcase_add_loop_test(t, test_star_uniform_takes_the_port_time, 0, 3);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}
