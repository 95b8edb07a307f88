/* cluster/: a good platform is read as it stands, a bad one is refused with its own message. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <dirent.h>

#include "base/file.h"
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

/* Every error of a file, one a line, as `moesim check` prints them without the folder. */
static void say(const struct ms_errs *errs, const char *name, struct ms_buf *out)
{
    ms_buf_adds(out, "");
    for (size_t i = 0; i < errs->n && i < 20; i++)
        ms_buf_printf(out, "%s:%d: error: %s\n", name, errs->e[i].line, errs->e[i].text);
}

START_TEST(test_every_bad_platform_gets_its_own_message)
{
    const char *folder = TEST_DATA "/bad/platforms";
    DIR *d = opendir(folder);
    int n = 0;
    ck_assert_ptr_nonnull(d);
    for (struct dirent *e; (e = readdir(d));) {
        char path[1024], want[1024], stem[256];
        struct ms_buf got = {0}, expected = {0};
        struct ms_errs errs = {0};
        struct ms_platform p;
        size_t len = strlen(e->d_name);
        if (len < 5 || strcmp(e->d_name + len - 4, ".xml") != 0)
            continue;
        snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
        snprintf(want, sizeof want, "%s/%s.expected", folder,
                 ms_path_stem(e->d_name, stem, sizeof stem));
        ck_assert_int_eq(ms_file_read(want, &expected, NULL), MS_OK);
        ck_assert_int_eq(ms_platform_read(path, &p, &errs), MS_INVALID);
        say(&errs, e->d_name, &got);
        ck_assert_str_eq(got.p, expected.p);
        ck_assert_ptr_null(p.graph); /* nothing half-made is handed out */
        ms_errs_finish(&errs);
        ms_buf_finish(&got);
        ms_buf_finish(&expected);
        n++;
    }
    closedir(d);
    ck_assert_int_ge(n, 20);
}
END_TEST

/* Kinds of public SimGrid files: disks, pstates, settings, old names, Latin-1, comments with "--". */
START_TEST(test_what_no_exchange_depends_on_is_accepted_with_one_warning)
{
    const char *folder = DATA "foreign";
    DIR *d = opendir(folder);
    int n = 0;
    ck_assert_ptr_nonnull(d);
    for (struct dirent *e; (e = readdir(d));) {
        char path[1024];
        struct ms_errs errs = {0};
        struct ms_platform p;
        if (e->d_name[0] == '.')
            continue;
        snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
        ck_assert_msg(ms_platform_read(path, &p, &errs) == MS_OK, "%s: %s", path, errs.e[0].text);
        ck_assert_int_le((int)errs.n_warnings, 1);
        ck_assert(p.host_speed[0] >= 0);
        ms_platform_finish(&p);
        ms_errs_finish(&errs);
        n++;
    }
    closedir(d);
    ck_assert_int_ge(n, 8);
}
END_TEST

START_TEST(test_dangerous_settings_do_not_reach_simgrid)
{
    struct ms_errs errs = {0};
    struct ms_platform p;
    ck_assert_int_eq(ms_platform_read(DATA "foreign/config.xml", &p, &errs), MS_OK);
    ck_assert_ptr_null(strstr(p.copy.p, "plugin"));
    ck_assert_ptr_null(strstr(p.copy.p, "contexts"));
    ck_assert_ptr_null(strstr(p.copy.p, "SMPI"));
    ck_assert_ptr_nonnull(strstr(p.copy.p, "network/loopback-bw"));
    ms_platform_finish(&p);
    ck_assert_int_eq(ms_platform_read(DATA "small.xml", &p, &errs), MS_OK);
    ck_assert_int_eq((int)p.copy.n, 0); /* a file like that is loaded itself */
    ms_platform_finish(&p);
    ms_errs_finish(&errs);
}
END_TEST

START_TEST(test_pairs_without_a_route_are_known_and_hosts_can_be_chosen)
{
    const char *const both[] = {"a", "[b]"}, *const none[] = {"gpu*"};
    struct ms_errs errs = {0};
    struct ms_err err = {0};
    struct ms_platform p;
    ck_assert_int_eq(ms_platform_read(DATA "foreign/route-missing.xml", &p, &errs), MS_OK);
    ck_assert_int_eq((int)p.n_unjoined, 4); /* a and b, but not c */
    ck_assert(ms_platform_joined(&p, 0, 1) && ms_platform_joined(&p, 1, 0));
    ck_assert(!ms_platform_joined(&p, 0, 2) && !ms_platform_joined(&p, 2, 1));
    ck_assert_int_eq(ms_platform_select(&p, none, 1, &err), MS_INVALID);
    ck_assert_int_eq(ms_platform_select(&p, both, 2, NULL), MS_OK);
    ck_assert(p.n_hosts == 2 && p.n_hosts_in_file == 3);
    ck_assert_str_eq(p.host_name[1], "b");
    ck_assert_int_eq(ms_platform_group(&p, 2, NULL), MS_OK);
    ms_platform_finish(&p);
    ck_assert_int_eq(ms_platform_read(DATA "small.xml", &p, &errs), MS_OK);
    ck_assert_int_eq(ms_platform_select(&p, (const char *const[]){"g1*"}, 1, NULL), MS_OK);
    ck_assert(p.n_hosts == 2 && p.n_nodes == 2 && p.host_local[1] == 0 && p.gpus_per_node == 1);
    ck_assert_str_eq(p.node_name[p.host_node[0]], "left");
    ck_assert(p.link_ends[0].out_of[0] == 0 &&
              p.link_ends[6].out_of[0] == 1); /* nic_1_UP, nic_10_UP */
    ms_platform_finish(&p);
    ms_errs_finish(&errs);
}
END_TEST

static enum ms_status read_text(const char *text, size_t n, struct ms_platform *p,
                                struct ms_errs *errs)
{
    const char *path = "test_cluster.tmp.xml";
    ck_assert_int_eq(ms_file_write(path, text, n, NULL), MS_OK);
    enum ms_status s = ms_platform_read(path, p, errs);
    remove(path);
    return s;
}

/* Whatever is cut off or broken in a good file: an error or a platform, never a crash (run with the
 * sanitizers). */
START_TEST(test_torn_and_twisted_files_never_crash)
{
    struct ms_buf good = {0};
    ck_assert_int_eq(ms_file_read(DATA "small.xml", &good, NULL), MS_OK);
    int bad = 0;
    for (size_t cut = 0; cut < good.n - 2; cut += 7) {
        struct ms_errs errs = {0};
        struct ms_platform p;
        bad += read_text(good.p, cut, &p, &errs) == MS_INVALID && errs.n > 0;
        ms_platform_finish(&p);
        ms_errs_finish(&errs);
    }
    ck_assert_int_eq(bad, (int)((good.n - 2 + 6) / 7));
    for (size_t at = 0; at < good.n; at += 3) {
        struct ms_errs errs = {0};
        struct ms_platform p;
        char old = good.p[at];
        good.p[at] = "<>\"&=\0\xff-9"[at / 3 % 9];
        enum ms_status s = read_text(good.p, good.n, &p, &errs);
        ck_assert((s == MS_OK) == (errs.n == 0));
        good.p[at] = old;
        ms_platform_finish(&p);
        ms_errs_finish(&errs);
    }
    ms_buf_finish(&good);
}
END_TEST

START_TEST(test_the_hash_follows_the_content_and_its_files)
{
    struct ms_errs errs = {0};
    struct ms_platform a, b;
    ck_assert_int_eq(ms_platform_read(DATA "small.xml", &a, &errs), MS_OK);
    ck_assert_int_eq(ms_platform_read(DATA "cluster.xml", &b, &errs), MS_OK);
    ck_assert_str_ne(a.hash.hex, b.hash.hex);
    ms_platform_finish(&b);
    ck_assert_int_eq(ms_platform_read(DATA "../platforms/small.xml", &b, &errs), MS_OK);
    ck_assert_str_eq(a.hash.hex, b.hash.hex); /* not of the path */
    ms_platform_finish(&a);
    ms_platform_finish(&b);
    ms_errs_finish(&errs);
}
END_TEST

START_TEST(test_links_know_the_host_they_hang_on)
{
    struct ms_errs errs = {0};
    struct ms_platform p;
    ck_assert_int_eq(ms_platform_read(DATA "small.xml", &p, &errs), MS_OK);
    ck_assert_int_eq(p.link_ends[0].out_of[0], 0); /* nic_1_UP: g1 */
    ck_assert_int_eq(p.link_ends[6].out_of[0], 3); /* nic_10_UP: g10 */
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
    tcase_add_test(t, test_every_bad_platform_gets_its_own_message);
    tcase_add_test(t, test_what_no_exchange_depends_on_is_accepted_with_one_warning);
    tcase_add_test(t, test_dangerous_settings_do_not_reach_simgrid);
    tcase_add_test(t, test_pairs_without_a_route_are_known_and_hosts_can_be_chosen);
    tcase_add_test(t, test_torn_and_twisted_files_never_crash);
    tcase_add_test(t, test_the_hash_follows_the_content_and_its_files);
    tcase_add_test(t, test_links_know_the_host_they_hang_on);
    tcase_set_timeout(t, 60);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
