/* cluster/: a good platform is read as it stands, a bad one is refused with its own message. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cluster/platform.h"

#define DATA TEST_DATA "/platforms/"

START_TEST(test_hosts_come_in_natural_order_with_their_nodes)
{
    struct ms_errs errs = {0};
    struct ms_platform p;
    ck_assert_int_eq(ms_platform_read(DATA "small.xml", &p, &errs), MS_OK);
    ck_assert_int_eq(p.n_hosts, 4);
    ck_assert_str_eq(p.host_name[1], "g2"); /* g10 comes last */
    ck_assert_str_eq(p.host_name[3], "g10");
    ck_assert_int_eq(p.n_nodes, 2);
    ck_assert_str_eq(p.node_name[0], "left");
    int node[] = {0, 0, 1, 1}, local[] = {0, 1, 0, 1};
    for (int i = 0; i < 4; i++)
        ck_assert(p.host_node[i] == node[i] && p.host_local[i] == local[i]);
    ck_assert_int_eq(p.gpus_per_node, 2);
    ck_assert_int_eq(p.transit, MS_TRANSIT_NVLINK);
    ck_assert_int_eq(p.n_switches, 1);
    ck_assert_int_eq(p.n_cables, 4);
    ck_assert_str_eq(p.link[0].name, "nic_1_UP");
    ck_assert(p.link[0].bandwidth_Bps == 50e9 && p.link[0].latency_s == 1e-6);
    ms_platform_finish(&p);
    ms_errs_finish(&errs);
}
END_TEST

START_TEST(test_bisection_is_the_max_flow_between_the_halves)
{
    struct ms_errs errs = {0};
    struct ms_platform p;
    struct ms_platform_cost cost;
    ck_assert_int_eq(ms_platform_read(DATA "small.xml", &p, &errs), MS_OK);
    ck_assert_int_eq(ms_platform_cost(&p, &cost, NULL), MS_OK);
    ck_assert(cost.bisection_Bps == 80e9); /* two 50 GB/s ports into ports of 50 and 30 */
    ck_assert(cost.bisection_per_gpu_Bps == 40e9);
    ms_platform_finish(&p);
    ms_errs_finish(&errs);
}
END_TEST

START_TEST(test_hosts_without_nodes_can_be_grouped)
{
    struct ms_errs errs = {0};
    struct ms_err err = {0};
    struct ms_platform p;
    ck_assert_int_eq(ms_platform_read(DATA "cluster.xml", &p, &errs), MS_OK);
    ck_assert_int_eq(p.n_hosts, 6);
    ck_assert_int_eq(p.host_node[5], -1);
    ck_assert_int_eq(ms_platform_group(&p, 4, &err), MS_INVALID);
    ck_assert_int_eq(ms_platform_group(&p, 3, NULL), MS_OK);
    ck_assert(p.n_nodes == 2 && p.host_node[5] == 1 && p.host_local[5] == 2);
    ck_assert_int_eq(ms_platform_group(&p, 3, NULL), MS_INVALID);
    ms_platform_finish(&p);
    ms_errs_finish(&errs);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("cluster");
    TCase *t = tcase_create("cluster");
    tcase_add_test(t, test_hosts_come_in_natural_order_with_their_nodes);
    tcase_add_test(t, test_bisection_is_the_max_flow_between_the_halves);
    tcase_add_test(t, test_hosts_without_nodes_can_be_grouped);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
