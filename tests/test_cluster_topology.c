/* cluster/ and sim/'s route probe: what the generator builds is what SimGrid routes, and carries
 * what it promises. */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/rng.h"
#include "cluster/svg.h"
#include "cluster/topology.h"
#include "sim/sim.h"
#include "sim/route_check.h"
#include "sim/route_bisection.h"

/* One generated platform: parameters, fabric, file, what was read back. */
struct made {
    const struct ms_topology *t;
    struct ms_topology_params p;
    struct ms_arena arena;
    struct ms_blueprint f;
    struct ms_platform file;
    char path[64];
};

/* words: "fat-tree nodes=8 levels=3" */
static void make(struct made *m, const char *words)
{
    char text[256], *save = NULL;
    struct ms_err err = {0};
    struct ms_errs errs = {0};
    struct ms_buf out = {0};
    memset(m, 0, sizeof *m);
    snprintf(text, sizeof text, "%s", words);
    m->t = ms_topology_find(strtok_r(text, " ", &save));
    ck_assert_msg(m->t != NULL, "%s", words);
    ms_topology_defaults(m->t, &m->p);
    for (char *w; (w = strtok_r(NULL, " ", &save));) {
        char *equals = strchr(w, '=');
        *equals = '\0';
        ck_assert_msg(ms_topology_set(m->t, &m->p, w, equals + 1, &err) == MS_OK, "%s: %s", words,
                      err.text);
    }
    m->p.dims = ms_arena_strdup(&m->arena, m->p.dims);
    ck_assert_msg(ms_topology_build(m->t, &m->p, &m->arena, &m->f, &err) == MS_OK, "%s: %s", words,
                  err.text);
    ck_assert_int_eq(ms_topology_generate(m->t, &m->p, &out, &err), MS_OK);
    snprintf(m->path, sizeof m->path, "test_topology_%d.tmp.xml", (int)getpid());
    ck_assert_int_eq(ms_file_write(m->path, out.p, out.n, &err), MS_OK);
    enum ms_status s = ms_platform_read(m->path, &m->file, &errs);
    ck_assert_msg(s == MS_OK, "%s: %s", words, errs.n ? errs.e[0].text : "?");
    ck_assert_int_eq((int)errs.n_warnings, 0);
    ms_errs_finish(&errs);
    ms_buf_finish(&out);
}

static void unmake(struct made *m)
{
    remove(m->path);
    ms_platform_finish(&m->file);
    ms_arena_finish(&m->arena);
}

static const char *const all[] = {
    "star",
    "star nodes=16 gpus_per_node=1",
    "star no_nvlink=true",
    "nvlink nodes=1 gpus_per_node=8",
    "rail",
    "rail nodes=5",
    "rail cross_rail=nvlink",
    "rail no_nvlink=true",
    "rail nodes=6 gpus_per_node=4 nodes_per_leaf=2",
    "rail cross_rail=nvlink nodes=6 gpus_per_node=4 nodes_per_leaf=2",
    "rail multipath=ecmp switch_ports=16",
    "rail multipath=dmodk switch_ports=16",
    "rail-only",
    "rail-only nodes=6 gpus_per_node=4 nodes_per_leaf=3",
    "rail-only multipath=ecmp",
    "fat-tree",
    "fat-tree oversubscription=4",
    "fat-tree nodes=7",
    "fat-tree no_nvlink=true",
    "fat-tree levels=3",
    "fat-tree levels=3 nodes=9",
    "fat-tree levels=3 switch_ports=16 gpus_per_node=4 multipath=ecmp",
    "fat-tree levels=3 switch_ports=16 gpus_per_node=4 multipath=dmodk",
    "fat-tree switch_ports=16 multipath=dmodk",
    "dragonfly",
    "dragonfly nodes=12 gpus_per_node=4",
    "dragonfly nodes=10 leaves_per_group=4 gpus_per_node=4",
    "dragonfly multipath=ecmp",
    "dragonfly-plus",
    "dragonfly-plus nodes=12 gpus_per_node=4",
    "dragonfly-plus multipath=ecmp switch_ports=32",
    "torus",
    "torus nodes=12 dims=3x4",
    "torus nodes=27 dims=3x3x3 gpus_per_node=2",
    "torus nodes=2",
    "torus multipath=ecmp",
    "multi-plane",
    "multi-plane nodes_per_leaf=2",
    "hyperx",
    "hyperx dims=2x2x2",
    "hyperx nodes=12 dims=4x3 gpus_per_node=4",
    "hyperx multipath=dmodk",
};
enum { N_ALL = sizeof all / sizeof *all };

static struct ms_route_pair *every_pair(int n, size_t *count)
{
    struct ms_route_pair *pair = malloc((size_t)n * (size_t)n * sizeof *pair);
    *count = 0;
    for (int a = 0; a < n; a++)
        for (int b = 0; b < n; b++)
            if (a != b)
                pair[(*count)++] = (struct ms_route_pair){a, b};
    return pair;
}

/* The links of a probed route without padding. */
static int probed(const struct ms_route_query *r, size_t i, const char **name)
{
    int n = 0;
    for (int k = r->first[i]; k < r->first[i + 1]; k++)
        if (r->link[r->link_of[k]].shared)
            name[n++] = r->link[r->link_of[k]].name;
    return n;
}

START_TEST(test_simgrid_routes_as_the_generator_says)
{
    struct made m;
    struct ms_err err = {0};
    struct ms_route_query r;
    size_t n;
    make(&m, all[_i]);
    struct ms_route_pair *pair = every_pair(m.f.n_gpus, &n);
    ck_assert_msg(ms_route_query_ask(&m.file, pair, n, &r, &err) == MS_OK, "%s: %s", all[_i],
                  err.text);
    for (size_t i = 0; i < n; i++) {
        ms_link_name want[MS_MAX_ROUTE_HOPS + 8];
        const char *got[MS_MAX_ROUTE_HOPS + 8];
        int w = ms_blueprint_links(&m.f, pair[i].src, pair[i].dst, want), g = probed(&r, i, got);
        ck_assert_msg(w == g, "%s: %d -> %d: %d links, not %d", all[_i], pair[i].src, pair[i].dst,
                      g, w);
        for (int k = 0; k < w; k++)
            ck_assert_msg(!strcmp(want[k], got[k]), "%s: %d -> %d: link %d is %s, not %s", all[_i],
                          pair[i].src, pair[i].dst, k, got[k], want[k]);
    }
    ms_route_query_finish(&r);
    free(pair);
    unmake(&m);
}
END_TEST

START_TEST(test_no_route_crosses_a_third_host_unless_it_is_meant)
{
    struct made m;
    struct ms_errs errs = {0};
    struct ms_route_summary sum;
    make(&m, all[_i]);
    ck_assert_msg(ms_route_check(&m.file, &sum, &errs) == MS_OK, "%s: %s", all[_i],
                  errs.n ? errs.e[0].text : "?");
    ck_assert_msg((sum.n_transit > 0) == (m.f.transit != MS_TRANSIT_NONE), "%s: %zu", all[_i],
                  sum.n_transit);
    ck_assert_int_eq((int)m.file.transit, (int)m.f.transit);
    ms_errs_finish(&errs);
    unmake(&m);
}
END_TEST

START_TEST(test_nodes_cost_and_picture_of_every_topology)
{
    struct made m;
    struct ms_platform_cost cost;
    struct ms_buf svg = {0}, again = {0};
    struct ms_err err = {0};
    make(&m, all[_i]);
    ck_assert_int_eq(m.file.n_hosts, m.f.n_gpus);
    ck_assert_int_eq(m.file.n_nodes, (int)m.p.nodes);
    ck_assert_int_eq(m.file.gpus_per_node, (int)m.p.gpus_per_node);
    for (int h = 0; h < m.file.n_hosts; h++)
        ck_assert(m.file.host_node[h] == h / m.f.M && m.file.host_local[h] == h % m.f.M);
    ck_assert_int_eq(ms_platform_cost(&m.file, &cost, &err), MS_OK);
    ck_assert_int_eq(cost.n_switches, m.f.n_switches);
    ck_assert_int_eq(cost.n_cables, m.f.n_cables);
    double port = m.f.nvlink_only ? m.p.nvlink_bandwidth_Bps : m.p.nic_bandwidth_Bps;
    /* an odd number of nodes makes halves of different size: the smaller one bounds */
    ck_assert_msg(cost.bisection_per_gpu_Bps > 0 && cost.bisection_per_gpu_Bps <= port * 2.01,
                  "%s: %g", all[_i], cost.bisection_per_gpu_Bps);
    ck_assert_msg(ms_svg_platform(&m.file, &cost, NULL, &svg, &err) == MS_OK, "%s: %s", all[_i],
                  err.text);
    ck_assert_int_eq(ms_svg_platform(&m.file, &cost, NULL, &again, &err), MS_OK);
    ck_assert(svg.n == again.n && !memcmp(svg.p, again.p, svg.n));
    ck_assert_ptr_null(strstr(svg.p, "nan"));
    ck_assert_ptr_null(strstr(svg.p, "inf"));
    ms_buf_finish(&svg);
    ms_buf_finish(&again);
    unmake(&m);
}
END_TEST

/* The cables of the file are those the property counts: every link says how many it stands for. */
START_TEST(test_cables_add_up)
{
    struct made m;
    int sum = 0;
    make(&m, all[_i]);
    for (int l = 0; l < m.file.n_links; l++)
        sum += m.file.link[l].cables; /* both directions */
    bool idle_spines = strstr(all[_i], "cross_rail=nvlink") &&
                       m.p.nodes_per_leaf == 0; /* nothing is routed over them */
    if (!idle_spines)
        ck_assert_msg(sum == 2 * m.f.n_cables, "%s: %d links' cables, %d said", all[_i], sum / 2,
                      m.f.n_cables);
    unmake(&m);
}
END_TEST

/* Bytes per second on each link when every GPU sends to perm[GPU] at line rate, against what the
 * link carries. */
static double worst_load(const struct made *m, const struct ms_route_query *r,
                         const struct ms_route_pair *pair, size_t n)
{
    double *load = calloc((size_t)r->n_links, sizeof *load), worst = 0,
           port = m->p.nic_bandwidth_Bps;
    for (size_t i = 0; i < n; i++)
        for (int k = r->first[i]; k < r->first[i + 1]; k++)
            if (r->link[r->link_of[k]].shared)
                load[r->link_of[k]] += port;
    for (int l = 0; l < r->n_links; l++)
        worst = fmax(worst, load[l] / r->link[l].bandwidth_Bps);
    free(load);
    return worst;
}

/* kind 0..: shift by kind+1 nodes; after those random permutations. @return load of the worst link,
 * 1 = line rate */
static double permutation_load(const struct made *m, int kind)
{
    struct ms_route_pair *pair = malloc((size_t)m->f.n_gpus * sizeof *pair);
    int *perm = malloc((size_t)m->f.n_gpus * sizeof *perm);
    struct ms_route_query r;
    struct ms_rng rng;
    size_t n = 0;
    ms_rng_init(&rng, 1, "permutation", (uint64_t)kind, 0, 0);
    for (int g = 0; g < m->f.n_gpus; g++)
        perm[g] = kind < 7 ? (g + (kind + 1) * m->f.M) % m->f.n_gpus : g;
    if (kind >= 7)
        ms_rng_shuffle(&rng, perm, (size_t)m->f.n_gpus);
    for (int g = 0; g < m->f.n_gpus; g++)
        if (perm[g] != g)
            pair[n++] = (struct ms_route_pair){g, perm[g]};
    ck_assert_int_eq(ms_route_query_ask(&m->file, pair, n, &r, NULL), MS_OK);
    double worst = worst_load(m, &r, pair, n);
    ms_route_query_finish(&r);
    free(pair);
    free(perm);
    return worst;
}

static const char *const non_blocking[] = {"star",
                                           "fat-tree",
                                           "fat-tree switch_ports=32",
                                           "fat-tree levels=3",
                                           "rail",
                                           "rail nodes_per_leaf=2",
                                           "multi-plane",
                                           "multi-plane nodes_per_leaf=2",
                                           "dragonfly-plus",
                                           "dragonfly-plus leaves_per_group=4"};

START_TEST(test_permutations_run_at_line_rate_on_non_blocking_fabrics)
{
    struct made m;
    make(&m, non_blocking[_i]);
    for (int kind = 0; kind < 17; kind++) {
        double load = permutation_load(&m, kind);
        ck_assert_msg(load <= 1 + 1e-9, "%s: permutation %d loads a link %.3f times",
                      non_blocking[_i], kind, load);
    }
    unmake(&m);
}
END_TEST

START_TEST(test_oversubscription_shows)
{
    struct made m;
    struct ms_platform_cost cost;
    make(&m, "fat-tree oversubscription=4");
    ck_assert(fabs(permutation_load(&m, 3) - 4) < 1e-9); /* every GPU to the other half */
    ck_assert_int_eq(ms_platform_cost(&m.file, &cost, NULL), MS_OK);
    ck_assert(fabs(cost.bisection_per_gpu_Bps - 46.5e9 / 4) < 1);
    unmake(&m);
}
END_TEST

/* D-mod-k on a full leaf-spine: shifts meet no contention although every pair uses one cable
 * (Zahavi et al. 2010). */
START_TEST(test_dmodk_shifts_without_contention_and_ecmp_collides)
{
    struct made m;
    make(&m, "fat-tree switch_ports=32 nodes_per_leaf=2 multipath=dmodk");
    for (int kind = 0; kind < 7; kind++)
        ck_assert(permutation_load(&m, kind) <= 1 + 1e-9);
    unmake(&m);
    make(&m, "fat-tree switch_ports=32 nodes_per_leaf=2 multipath=ecmp");
    double worst = permutation_load(&m, 3);
    ck_assert(worst >= 2 && worst <= 8); /* 16 flows hashed on 16 cables */
    unmake(&m);
}
END_TEST

START_TEST(test_ecmp_follows_its_seed)
{
    struct made a, b, c;
    make(&a, "fat-tree multipath=ecmp seed=1");
    struct ms_hash first = a.file.hash;
    unmake(&a);
    make(&b, "fat-tree multipath=ecmp seed=1");
    ck_assert_str_eq(first.hex, b.file.hash.hex);
    unmake(&b);
    make(&c, "fat-tree multipath=ecmp seed=2");
    ck_assert_str_ne(first.hex, c.file.hash.hex);
    unmake(&c);
}
END_TEST

START_TEST(test_impossible_fabrics_are_refused_with_the_reason)
{
    static const struct {
        const char *topology, *key, *value, *says;
    } bad[] = {{"fat-tree", "switch_ports", "8", "switches have 8"},
               {"torus", "dims", "3x3", "product is 8"},
               {"hyperx", "switch_ports", "16", "needs"},
               {"rail-only", "no_nvlink", "true", "NVLink"},
               {"multi-plane", "multipath", "ecmp", "spray"},
               {"dragonfly", "local_cables", "100", "ports"},
               {"fat-tree", "nodes_per_leaf", "6", "ports"}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        const struct ms_topology *t = ms_topology_find(bad[i].topology);
        struct ms_topology_params p;
        struct ms_buf out = {0};
        struct ms_err err = {0};
        ms_topology_defaults(t, &p);
        ck_assert_int_eq(ms_topology_set(t, &p, bad[i].key, bad[i].value, &err), MS_OK);
        ck_assert_int_eq(ms_topology_generate(t, &p, &out, &err), MS_INFEASIBLE);
        ck_assert_msg(strstr(err.text, bad[i].says) != NULL, "%s: %s", bad[i].topology, err.text);
        ms_buf_finish(&out);
    }
}
END_TEST

static enum ms_status check_file(const char *path, struct ms_route_summary *sum,
                                 struct ms_errs *errs)
{
    struct ms_platform p;
    enum ms_status s = ms_platform_read(path, &p, errs);
    if (s == MS_OK)
        s = ms_route_check(&p, sum, errs);
    ms_platform_finish(&p);
    return s;
}

START_TEST(test_the_check_finds_transit_and_idle_spines)
{
    struct ms_errs errs = {0};
    struct ms_route_summary sum;
    ck_assert_int_eq(check_file(TEST_DATA "/platforms/rail-transit.xml", &sum, &errs), MS_INVALID);
    ck_assert_int_ge((int)sum.n_transit, 1);
    ck_assert_ptr_nonnull(strstr(errs.e[0].text, "passes through a third host"));
    ms_errs_finish(&errs);
    ck_assert_int_eq(check_file(TEST_DATA "/platforms/parallel-spines.xml", &sum, &errs), MS_OK);
    ck_assert_int_ge((int)sum.n_uneven, 1);
    ck_assert_int_ge((int)errs.n_warnings, 1);
    ck_assert_ptr_nonnull(strstr(errs.warn[0].text, "unequal numbers of routes"));
    ms_errs_finish(&errs);
}
END_TEST

START_TEST(test_written_transit_is_a_warning)
{
    struct ms_errs errs = {0};
    struct ms_route_summary sum;
    ck_assert_int_eq(check_file(TEST_DATA "/platforms/line.xml", &sum, &errs), MS_OK);
    ck_assert_int_eq((int)sum.n_transit, 2);
    ck_assert_int_eq((int)errs.n_warnings, 1);
    ck_assert_ptr_nonnull(strstr(errs.warn[0].text, "third host, 'b', over its link 'b_port'"));
    ms_errs_finish(&errs);
}
END_TEST

/* SimGrid's own clusters: read, routed, and their links not pretended to be known. */
START_TEST(test_ready_made_clusters_pass)
{
    struct ms_errs errs = {0};
    struct ms_route_summary sum;
    ck_assert_int_eq(check_file(TEST_DATA "/platforms/two-clusters.xml", &sum, &errs), MS_OK);
    ck_assert_int_eq((int)sum.n_pairs, 130 * 129);
    ck_assert_int_eq(check_file(TEST_DATA "/platforms/cluster.xml", &sum, &errs), MS_OK);
    ms_errs_finish(&errs);
}
END_TEST

/* The bisection of a torus that SimGrid lays out itself comes from its routes. SimGrid 4.0 dies of
 * TORUS clusters: then that is said in words. */
START_TEST(test_ready_made_torus)
{
    struct ms_errs errs = {0};
    struct ms_route_summary sum;
    struct ms_platform p;
    struct ms_platform_cost cost;
    enum ms_status s = check_file(TEST_DATA "/platforms/cluster-torus.xml", &sum, &errs);
    if (s == MS_INTERNAL && strncmp(ms_sim_simgrid_version(), "4.", 2) == 0) {
        ck_assert_uint_eq(errs.n, 1);
        ck_assert_ptr_nonnull(strstr(errs.e[0].text, "SimGrid gave up"));
        ms_errs_finish(&errs);
        return;
    }
    ck_assert_int_eq(s, MS_OK);
    ck_assert_int_eq((int)sum.n_pairs, 12 * 11);
    ck_assert_int_eq(ms_platform_read(TEST_DATA "/platforms/cluster-torus.xml", &p, &errs), MS_OK);
    ck_assert_int_eq(ms_platform_cost(&p, &cost, NULL), MS_OK);
    ck_assert(cost.bisection_Bps == -1);
    ck_assert_int_eq(ms_route_cost(&p, &cost, NULL), MS_OK);
    /* hosts 0-5 and 6-11 of a 3 x 4 torus: two cuts between rings of three, 50 GB/s each */
    ck_assert(fabs(cost.bisection_Bps - 6 * 50e9) < 1);
    ms_platform_finish(&p);
    ms_errs_finish(&errs);
}
END_TEST

START_TEST(test_two_thousand_gpus_load)
{
    struct made m;
    struct ms_errs errs = {0};
    struct ms_route_summary sum;
    make(&m, "fat-tree nodes=256 levels=3");
    ck_assert_int_eq(m.file.n_hosts, 2048);
    ck_assert_int_eq(ms_route_check(&m.file, &sum, &errs), MS_OK);
    ck_assert(sum.sampled && sum.longest == 6);
    ms_errs_finish(&errs);
    unmake(&m);
}
END_TEST

START_TEST(test_simgrid_loads_the_copy_of_a_foreign_file)
{
    static const char *const name[] = {"blanks", "config", "disk", "latin", "old-names", "pstate"};
    for (size_t k = 0; k < sizeof name / sizeof *name; k++) {
        char path[512];
        struct ms_errs errs = {0};
        struct ms_err err = {0};
        struct ms_platform p;
        struct ms_route_query r;
        struct ms_route_pair pair = {0, 1};
        snprintf(path, sizeof path, TEST_DATA "/platforms/foreign/%s.xml", name[k]);
        ck_assert_int_eq(ms_platform_read(path, &p, &errs), MS_OK);
        ck_assert_msg(ms_route_query_ask(&p, &pair, 1, &r, &err) == MS_OK, "%s: %s", path,
                      err.text);
        ck_assert(r.first[1] == 1 && r.latency_s[0] == 1e-6);
        ck_assert(!strcmp(r.link[r.link_of[0]].name, p.link[0].name) ||
                  !strcmp(r.link[r.link_of[0]].name, p.link[p.n_links - 1].name));
        ms_route_query_finish(&r);
        ms_platform_finish(&p);
        ms_errs_finish(&errs);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("topology");
    TCase *t = tcase_create("topology");
    tcase_add_loop_test(t, test_simgrid_routes_as_the_generator_says, 0, N_ALL);
    tcase_add_loop_test(t, test_no_route_crosses_a_third_host_unless_it_is_meant, 0, N_ALL);
    tcase_add_loop_test(t, test_nodes_cost_and_picture_of_every_topology, 0, N_ALL);
    tcase_add_loop_test(t, test_cables_add_up, 0, N_ALL);
    tcase_add_loop_test(t, test_permutations_run_at_line_rate_on_non_blocking_fabrics, 0,
                        sizeof non_blocking / sizeof *non_blocking);
    tcase_add_test(t, test_oversubscription_shows);
    tcase_add_test(t, test_dmodk_shifts_without_contention_and_ecmp_collides);
    tcase_add_test(t, test_ecmp_follows_its_seed);
    tcase_add_test(t, test_impossible_fabrics_are_refused_with_the_reason);
    tcase_add_test(t, test_the_check_finds_transit_and_idle_spines);
    tcase_add_test(t, test_written_transit_is_a_warning);
    tcase_add_test(t, test_ready_made_clusters_pass);
    tcase_add_test(t, test_ready_made_torus);
    tcase_add_test(t, test_two_thousand_gpus_load);
    tcase_add_test(t, test_simgrid_loads_the_copy_of_a_foreign_file);
    tcase_set_timeout(t, 60);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
