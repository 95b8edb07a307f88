/* Routes by rule: the same links as SimGrid's, on every topology, of the whole file and of its outline;
 * no rule for a file that was edited in anything but rates, latencies and speeds; none that is wrong. */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "cluster/route_rule.h"
#include "cluster/topology.h"
#include "sim/route_query.h"

static void write_and_read(const struct ms_buf *xml, struct ms_platform *p)
{
    char path[] = "/tmp/rule-XXXXXX.xml";
    struct ms_errs errs = {0};
    int fd = mkstemps(path, 4);
    ck_assert_int_ge(fd, 0);
    close(fd);
    ck_assert_int_eq(ms_file_write(path, xml->p, xml->n, NULL), MS_OK);
    ck_assert_int_eq(ms_platform_read(path, p, &errs), MS_OK);
    ms_errs_finish(&errs);
}

static void finish(struct ms_platform *p)
{
    unlink(p->path);
    ms_platform_finish(p);
}

/* "rail nodes=40 nodes_per_leaf=20" */
static void generate(const char *what, struct ms_buf *xml)
{
    char text[128], *save = NULL;
    struct ms_topology_params p;
    struct ms_err err = {0};
    snprintf(text, sizeof text, "%s", what);
    const struct ms_topology *t = ms_topology_find(strtok_r(text, " ", &save));
    ck_assert_ptr_nonnull(t);
    ms_topology_defaults(t, &p);
    for (char *w; (w = strtok_r(NULL, " ", &save));) {
        char *value = strchr(w, '=');
        *value++ = '\0';
        ck_assert_int_eq(ms_topology_set(t, &p, w, value, NULL), MS_OK);
    }
    ck_assert_msg(ms_topology_generate(t, &p, xml, &err) == MS_OK, "%s: %s", what, err.text);
}

static const char *const ruled[] = {"star nodes=40",
                                    "star nodes=300 gpus_per_node=1 no_nvlink=true",
                                    "rail nodes=40",
                                    "rail nodes=90 nodes_per_leaf=30",
                                    "rail nodes=90 nodes_per_leaf=30 oversubscription=2",
                                    "fat-tree nodes=40",
                                    "fat-tree nodes=40 nics_per_node=4",
                                    "fat-tree nodes=64 levels=3",
                                    "fat-tree nodes=560 gpus_per_node=2 nodes_per_leaf=8 levels=3",
                                    "dragonfly nodes=40",
                                    "dragonfly-plus nodes=40",
                                    "torus nodes=40",
                                    "hyperx nodes=40",
                                    "multi-plane nodes=40",
                                    "multi-plane nodes=40 nodes_per_leaf=8",
                                    "nvlink nodes=1 gpus_per_node=288"};

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

START_TEST(test_the_rule_says_what_simgrid_says)
{
    enum { PAIRS = 3000, MOST = 200 };
    struct ms_buf xml = {0};
    struct ms_platform p;
    struct ms_route_query r;
    struct ms_err err = {0};
    static struct ms_route_pair pair[PAIRS];
    uint32_t link[MOST];
    const char *want[MOST], *got[MOST];
    generate(ruled[_i], &xml);
    write_and_read(&xml, &p);
    ck_assert_msg(p.rule, "%s has no rule", ruled[_i]);
    ck_assert_int_le(ms_route_rule_most(), MOST);
    for (int i = 0; i < PAIRS; i++) {
        int src = i * 7 % p.n_hosts;
        pair[i] = (struct ms_route_pair){src, (src + 1 + i * 11 % (p.n_hosts - 1)) % p.n_hosts};
    }
    const struct ms_route_rule *rule = p.rule;
    p.rule = NULL; /* SimGrid itself, of the whole file */
    ck_assert_msg(ms_route_query_ask(&p, pair, PAIRS, &r, &err) == MS_OK, "%s", err.text);
    p.rule = rule;
    for (int i = 0; i < PAIRS; i++) {
        int a = ms_route_rule_gpu(p.rule, p.host_name[pair[i].src]);
        int b = ms_route_rule_gpu(p.rule, p.host_name[pair[i].dst]);
        int n = ms_route_rule_links(p.rule, a, b, link), m = r.first[i + 1] - r.first[i];
        ck_assert_msg(n == m, "%s: %d -> %d has %d links, not %d", ruled[_i], a, b, n, m);
        for (int k = 0; k < n; k++) {
            got[k] = p.link[link[k]].name;
            want[k] = r.link[r.link_of[r.first[i] + k]].name;
        }
        qsort(got, (size_t)n, sizeof *got, by_name); /* Dijkstra zones turn the links of a hop */
        qsort(want, (size_t)n, sizeof *want, by_name);
        for (int k = 0; k < n; k++)
            ck_assert_msg(!strcmp(got[k], want[k]), "%s: %d -> %d: %s where SimGrid has %s",
                          ruled[_i], a, b, got[k], want[k]);
    }
    ms_route_query_finish(&r);
    finish(&p);
    ms_buf_finish(&xml);
}
END_TEST

static void check_same(const struct ms_route_query *a, const struct ms_route_query *b, size_t i,
                       size_t k, const char *what)
{
    int n = a->first[i + 1] - a->first[i];
    ck_assert_msg(n == b->first[k + 1] - b->first[k], "%s", what);
    ck_assert_msg(fabs(a->latency_s[i] - b->latency_s[k]) < 1e-15, "%s", what);
    for (int l = 0; l < n; l++)
        ck_assert_str_eq(a->link[a->link_of[a->first[i] + l]].name,
                         b->link[b->link_of[b->first[k] + l]].name);
}

/* SimGrid has the same route in the few hosts' outline as in the whole file. */
START_TEST(test_an_outline_has_the_routes_of_the_whole)
{
    struct ms_buf xml = {0};
    struct ms_platform p;
    struct ms_route_query whole, one;
    struct ms_err err = {0};
    generate(ruled[_i], &xml);
    write_and_read(&xml, &p);
    const struct ms_route_rule *rule = p.rule;
    struct ms_route_pair pair[] = {{0, 1}, {3, p.n_hosts - 2}, {p.n_hosts / 2, 5}};
    p.rule = NULL;
    ck_assert_msg(ms_route_query_ask(&p, pair, 3, &whole, &err) == MS_OK, "%s", err.text);
    p.rule = rule;
    for (size_t i = 0; i < 3; i++) {
        ck_assert_msg(ms_route_query_ask(&p, &pair[i], 1, &one, &err) == MS_OK, "%s", err.text);
        check_same(&whole, &one, i, 0, ruled[_i]);
        ms_route_query_finish(&one);
    }
    ms_route_query_finish(&whole);
    finish(&p);
    ms_buf_finish(&xml);
}
END_TEST

/* Where the sample shows another route than the rule's, SimGrid's routes are the answer. */
START_TEST(test_a_rule_that_is_wrong_is_not_followed)
{
    struct ms_buf xml[2] = {{0}};
    struct ms_platform p, other;
    struct ms_route_query whole, asked;
    struct ms_err err = {0};
    generate("fat-tree nodes=40 nodes_per_leaf=2", &xml[0]);
    generate("fat-tree nodes=40 nodes_per_leaf=4", &xml[1]);
    write_and_read(&xml[0], &p);
    write_and_read(&xml[1], &other);
    ck_assert_int_le(other.n_links, p.n_links);
    const struct ms_route_rule *rule = p.rule;
    struct ms_route_pair pair[] = {{0, 300}, {200, 7}};
    p.rule = NULL;
    ck_assert_msg(ms_route_query_ask(&p, pair, 2, &whole, &err) == MS_OK, "%s", err.text);
    p.rule = other.rule;
    ck_assert_msg(ms_route_query_ask(&p, pair, 2, &asked, &err) == MS_OK, "%s", err.text);
    for (size_t i = 0; i < 2; i++)
        check_same(&whole, &asked, i, i, "the wrong rule");
    p.rule = rule;
    ms_route_query_finish(&whole);
    ms_route_query_finish(&asked);
    finish(&p);
    finish(&other);
    ms_buf_finish(&xml[0]);
    ms_buf_finish(&xml[1]);
}
END_TEST

/* The first `from` of the file becomes `to`. */
static bool rule_after(const char *from, const char *to)
{
    struct ms_buf xml = {0}, edited = {0};
    struct ms_platform p;
    generate("fat-tree nodes=40", &xml);
    ms_buf_add(&xml, "", 1);
    char *at = strstr(xml.p, from);
    ck_assert_ptr_nonnull(at);
    ms_buf_add(&edited, xml.p, (size_t)(at - xml.p));
    ms_buf_adds(&edited, to);
    ms_buf_adds(&edited, at + strlen(from));
    write_and_read(&edited, &p);
    bool rule = p.rule;
    finish(&p);
    ms_buf_finish(&xml);
    ms_buf_finish(&edited);
    return rule;
}

START_TEST(test_an_edited_file_is_not_trusted)
{
    ck_assert(rule_after("bandwidth=\"46.5GBps\"", "bandwidth=\"40GBps\""));
    ck_assert(rule_after("latency=\"0.45us\"", "latency=\"2us\""));
    ck_assert(!rule_after("<link_ctn id=\"leaf_1\"", "<link_ctn id=\"leaf_2\""));
    ck_assert(!rule_after("<link_ctn id=\"leaf_1\" direction=\"DOWN\"/>", ""));
    ck_assert(!rule_after("--nodes 40", "--nodes 41"));
    ck_assert(!rule_after("<!DOCTYPE", "<!-- edited -->\n<!DOCTYPE"));
    ck_assert(!rule_after("value=\"n0\"", "value=\"n1\""));
}
END_TEST

START_TEST(test_small_files_and_others_are_asked)
{
    static const char *const none[] = {
        "fat-tree nodes=8", "rail-only nodes=40", "rail nodes=40 cross_rail=nvlink",
        "rail nodes=40 nics_per_node=4", "fat-tree nodes=33 multipath=ecmp"};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
        struct ms_buf xml = {0};
        struct ms_platform p;
        generate(none[i], &xml);
        write_and_read(&xml, &p);
        ck_assert_msg(!p.rule, "%s", none[i]);
        finish(&p);
        ms_buf_finish(&xml);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("route_rule");
    TCase *t = tcase_create("route_rule");
    tcase_set_timeout(t, 240);
    tcase_add_loop_test(t, test_the_rule_says_what_simgrid_says, 0, sizeof ruled / sizeof *ruled);
    tcase_add_loop_test(t, test_an_outline_has_the_routes_of_the_whole, 0,
                        sizeof ruled / sizeof *ruled);
    tcase_add_test(t, test_a_rule_that_is_wrong_is_not_followed);
    tcase_add_test(t, test_an_edited_file_is_not_trusted);
    tcase_add_test(t, test_small_files_and_others_are_asked);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}
