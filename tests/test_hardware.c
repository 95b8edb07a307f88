/* hardware/: profiles are found, read whole or refused by line, and one of them is in force. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "hardware/hardware.h"

static struct ms_arena arena;
static struct ms_errs errs;

static enum ms_status read(const char *name, const char *beside, struct ms_hardware *h)
{
    ms_errs_finish(&errs);
    errs = (struct ms_errs){0};
    *h = (struct ms_hardware){0};
    return ms_hardware_read(NULL, name, beside, &arena, h, &errs);
}

START_TEST(test_the_platform_is_asked_only_by_auto)
{
    ck_assert_str_eq(ms_hardware_in_force("auto", "h100-cx7"), "h100-cx7");
    ck_assert_str_eq(ms_hardware_in_force("mine.yaml", "h100-cx7"), "mine.yaml");
    ck_assert_ptr_null(ms_hardware_in_force("none", "h100-cx7"));
    ck_assert_ptr_null(ms_hardware_in_force("auto", NULL));
    ck_assert_ptr_null(ms_hardware_in_force("auto", "none"));
}
END_TEST

/* DeepEP's low-latency kernels on 32 H100 with two tokens: 26.1 us measured at EP32, 28.9 at EP64, of
 * which the profile's start-up, its count messages and its route's latency make most. */
START_TEST(test_start_ups_hold_no_route_latency)
{
    struct ms_hardware h;
    ck_assert_int_eq(read("h100-cx7", NULL, &h), MS_OK);
    const struct ms_hardware_kernels *k =
        ms_hardware_section(&h, NULL, MS_KERNELS_LOW_LATENCY, false);
    double route_s = 2 * h.nic_latency_s + 2 * h.trunk_latency_s;
    double at_32 = ms_hardware_alpha_s(k, 0, 32, 4) + route_s + 192 * k->count_message_s[0];
    ck_assert_msg(at_32 > 23e-6 && at_32 < 28e-6, "%g", at_32);
    ck_assert(route_s > 3.6e-6 && route_s < 3.8e-6);
}
END_TEST

START_TEST(test_start_ups_grow_with_what_the_profile_says)
{
    struct ms_hardware h;
    ck_assert_int_eq(read("h100-cx7", NULL, &h), MS_OK);
    const struct ms_hardware_kernels *k = ms_hardware_section(&h, NULL, MS_KERNELS_NORMAL, false);
    double one = ms_hardware_alpha_s(k, 0, 8, 1), eight = ms_hardware_alpha_s(k, 0, 64, 8);
    ck_assert(fabs(eight - one - 3 * k->alpha_per_doubling_s[0]) < 1e-12);
    ck_assert(ms_hardware_alpha_s(k, 0, 512, 8) == eight); /* of nodes, not of ranks */
}
END_TEST

START_TEST(test_every_shipped_number_has_a_source)
{
    const char **names;
    size_t n = ms_hardware_names(&arena, &names);
    ck_assert_uint_ge(n, 3);
    for (size_t i = 0; i < n; i++) {
        struct ms_hardware h;
        ck_assert_msg(read(names[i], NULL, &h) == MS_OK, "%s: %s", names[i], errs.e[0].text);
        ck_assert_msg(*h.help && h.experts, "%s", names[i]);
        ck_assert_msg(h.n_sections > 0, "%s", names[i]);
        for (size_t v = 0; v < h.n_values; v++)
            ck_assert_msg(strlen(h.value[v].source) > 5 || !strcmp(h.value[v].key, "doubling_of") ||
                              !strcmp(h.value[v].key, "gap_rule"),
                          "%s: %s", names[i], h.value[v].key);
    }
}
END_TEST

START_TEST(test_old_names_are_one_kind_of_kernels)
{
    struct ms_hardware old, now;
    ck_assert_int_eq(read("h100-cx7", NULL, &now), MS_OK);
    ck_assert_int_eq(now.only, -1);
    ck_assert_int_eq(read("h100-cx7-low-latency", NULL, &old), MS_OK);
    ck_assert_int_eq(old.only, MS_KERNELS_LOW_LATENCY);
    ck_assert_str_eq(old.hash.hex, now.hash.hex);
    ck_assert_int_eq(read("h100-cx7-normal", NULL, &old), MS_OK);
    ck_assert_int_eq(old.only, MS_KERNELS_NORMAL);
}
END_TEST

START_TEST(test_a_profile_beside_the_scenario_comes_first)
{
    char dir[] = "/tmp/moesim-hardware-XXXXXX", file[100], scenario[100];
    static const char text[] = "normal: {dispatch_alpha: {value: 7us, source: made up}}\n";
    struct ms_hardware h;
    ck_assert_ptr_nonnull(mkdtemp(dir));
    snprintf(file, sizeof file, "%s/h100-cx7.yaml", dir);
    snprintf(scenario, sizeof scenario, "%s/s.yaml", dir);
    ck_assert_int_eq(ms_file_write(file, text, sizeof text - 1, NULL), MS_OK);
    ck_assert_int_eq(read("h100-cx7", scenario, &h), MS_OK);
    ck_assert(ms_hardware_section(&h, NULL, MS_KERNELS_NORMAL, true)->alpha_s[0] == 7e-6);
    ck_assert_ptr_null(ms_hardware_section(&h, NULL, MS_KERNELS_NCCL, true));
    remove(file);
    remove(dir);
    ck_assert_int_eq(read("h100-cx7", scenario, &h), MS_OK);
    ck_assert_ptr_nonnull(ms_hardware_section(&h, NULL, MS_KERNELS_NCCL, true));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("hardware");
    TCase *t = tcase_create("hardware");
    suite_add_tcase(s, t);
    tcase_add_test(t, test_the_platform_is_asked_only_by_auto);
    tcase_add_test(t, test_start_ups_hold_no_route_latency);
    tcase_add_test(t, test_start_ups_grow_with_what_the_profile_says);
    tcase_add_test(t, test_every_shipped_number_has_a_source);
    tcase_add_test(t, test_old_names_are_one_kind_of_kernels);
    tcase_add_test(t, test_a_profile_beside_the_scenario_comes_first);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    ms_errs_finish(&errs);
    ms_arena_finish(&arena);
    return failed ? 1 : 0;
}
