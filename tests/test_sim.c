/* sim/: whole simulations on SimGrid: closed forms, the two kinds of network model against each
 * other, errors. */
#include <check.h>

#include "sim/exchange.h"
#include "sim_world.h"

#define CLOSE(a, b, rel)                                                                           \
    ck_assert_msg(fabs((double)(a) - (double)(b)) <= (rel)*fabs((double)(b)),                      \
                  "%.12g is not %.12g", (double)(a), (double)(b))

static char dir[64];

static const char *path_of(const char *name)
{
    static char path[8][128];
    static int next;
    char *p = path[next++ % 8];
    snprintf(p, 128, "%s/%s.xml", dir, name);
    return p;
}

static double last_of(const double *v, int n)
{
    double m = -INFINITY;
    for (int i = 0; i < n; i++)
        m = fmax(m, v[i]);
    return m;
}

START_TEST(test_closed_forms_of_the_star)
{
    const struct {
        int n;
        bool skew;
        double want_s;
    } forms[] = {
        {16, false, 21.66e-6}, {64, false, 84.57e-6}, {16, true, 39.81e-6}, {64, true, 160.80e-6}};
    const char *models[] = {"cm02", "fluid"};
    for (int m = 0; m < 2; m++)
        for (int i = 0; i < 4; i++) {
            char name[32];
            snprintf(name, sizeof name, "star%d", forms[i].n);
            write_star(path_of(name), forms[i].n, 1, 1);
            struct job j = job_new(path_of(name), forms[i].n, "direct", models[m]);
            job_matrix(&j, forms[i].skew);
            struct answer a = simulate(&j);
            ck_assert_msg(!a.status, "%s", a.text);
            CLOSE(a.dispatch[0], forms[i].want_s, 1e-3);
            double sum = 0;
            for (int k = 0; k < forms[i].n * forms[i].n; k++)
                sum += j.cells[0].selections[k];
            CLOSE(a.network, sum, 1e-12);
            CLOSE(a.active, a.dispatch[0], 1e-9);
            ck_assert(a.combine[0] == 0 && a.skew[0] == 0 && a.local == 0);
            CLOSE(last_of(a.rank_dispatch, a.n_samples), a.dispatch[0], 1e-9);
            answer_finish(&a);
            job_finish(&j);
        }
}
END_TEST

START_TEST(test_one_flow_is_size_over_bandwidth_plus_latency)
{
    write_star(path_of("two"), 2, 1, 1);
    const char *models[] = {"cm02", "fluid"};
    for (int m = 0; m < 2; m++) {
        struct job j = job_new(path_of("two"), 2, "direct", models[m]);
        job_zeros(&j, 0)->is_matrix = 1;
        j.cells[0].selections[1] = j.cells[0].copies[1] = 50e6;
        struct answer a = simulate(&j);
        ck_assert_msg(!a.status, "%s", a.text);
        CLOSE(a.dispatch[0], 1.002e-3, 1e-9);
        CLOSE(a.rank_dispatch[0], 1.002e-3, 1e-9); /* over for the sender, too */
        /* start-up and message gap: one message of 1 byte takes 24 us + 2 us + the gap, which
         * SimGrid's models do not have */
        j.params.hardware =
            (struct ms_hardware_params){.dispatch_alpha_s = 24e-6, .message_gap_s = 1e-6};
        j.cells[0].selections[1] = j.cells[0].copies[1] = 1;
        struct answer b = simulate(&j);
        CLOSE(b.dispatch[0], m ? 27e-6 : 26e-6, 1e-6);
        CLOSE(b.network, 1, 1e-12);
        answer_finish(&a);
        answer_finish(&b);
        job_finish(&j);
    }
}
END_TEST

/* Every rank's completion of two layers, dispatch and combine, ranks drifting apart. With a
 * quantum: of the exchange, since a combine entered when the others are nearly done can be shorter
 * than a quantum. */
static void compare_models(const char *path, int n, int per_node, const char *algorithm,
                           double rel_worst, double rel_mean, double quantum)
{
    struct answer a[2];
    const char *models[] = {"cm02", "fluid"};
    for (int m = 0; m < 2; m++) {
        struct job j = job_new(path, n, algorithm, models[m]);
        j.w.layers = 2;
        j.n_traffic = 2;
        j.params.network.quantum = m ? quantum : 0;
        job_tokens(&j, 0, per_node, 100, 5);
        job_tokens(&j, 1, per_node, 100, 6);
        a[m] = simulate(&j);
        ck_assert_msg(!a[m].status, "%s %s: %s", path, algorithm, a[m].text);
        job_finish(&j);
    }
    double worst = 0, sum = 0;
    for (int i = 0; i < a[0].n_samples; i++) {
        double d = a[1].rank_dispatch[i] - a[0].rank_dispatch[i];
        double c = a[1].rank_combine[i] - a[0].rank_combine[i];
        double e = quantum > 0
                       ? fabs(d + c) / (a[0].rank_dispatch[i] + a[0].rank_combine[i])
                       : fmax(fabs(d) / a[0].rank_dispatch[i], fabs(c) / a[0].rank_combine[i]);
        worst = fmax(worst, e);
        sum += e;
    }
    ck_assert_msg(worst <= rel_worst, "%s %s: a rank's completion differs by %g", path, algorithm,
                  worst);
    ck_assert_msg(sum / a[0].n_samples <= rel_mean, "%s %s: mean difference %g", path, algorithm,
                  sum / a[0].n_samples);
    CLOSE(a[0].network, a[1].network, 1e-12);
    CLOSE(a[0].intra, a[1].intra, 1e-12);
    for (int i = 0; i < a[0].n_links; i++)
        ck_assert(fabs(a[0].link_bytes[i] - a[1].link_bytes[i]) <= 1e-9 * a[0].link_bytes[i]);
    answer_finish(&a[0]);
    answer_finish(&a[1]);
}

static void write_five(void)
{
    write_star(path_of("star"), 16, 4, 1);
    write_rail(path_of("rail"), 16, 4);
    write_cluster(path_of("fattree"), 16, "FAT_TREE", "2;4,4;1,2;1,2");
    write_cluster(path_of("dragonfly"), 16, "DRAGONFLY", "2,1;2,1;2,1;2");
    write_cluster(path_of("torus"), 16, "TORUS", "4,2,2");
}

static const char *const five[] = {"star", "rail", "fattree", "dragonfly", "torus"};

START_TEST(test_fluid_agrees_with_cm02_on_every_rank)
{
    write_five();
    for (int p = 0; p < 5; p++)
        for (int i = 0; ms_exchanges()[i]; i++)
            if (!ms_exchanges()[i]->streams) /* SimGrid's hops are tied at start and end only */
                compare_models(path_of(five[p]), 16, 4, ms_exchanges()[i]->name, 1e-6, 1e-6, 0);
}
END_TEST

START_TEST(test_the_default_quantum_costs_little)
{
    write_five();
    for (int p = 0; p < 5; p++) {
        compare_models(path_of(five[p]), 16, 4, "direct", 0.01, 0.002, 0.001);
        compare_models(path_of(five[p]), 16, 4, "pairwise", 0.01, 0.002, 0.001);
        compare_models(path_of(five[p]), 16, 4, "windowed", 0.01, 0.002, 0.001);
    }
}
END_TEST

START_TEST(test_never_before_the_port_bound)
{
    write_five();
    for (int p = 0; p < 5; p++) {
        struct job j = job_new(path_of(five[p]), 16, "direct", "cm02");
        job_matrix(&j, true);
        struct answer a = simulate(&j);
        ck_assert_msg(!a.status, "%s", a.text);
        double most = last_of(a.link_bytes, a.n_links);
        ck_assert(most > 0 && a.dispatch[0] >= most / 160e9);
        double port = 0;
        for (int r = 0; r < 16; r++) {
            double in = 0;
            for (int s = 0; s < 16; s++)
                in += j.cells[0].selections[s * 16 + r];
            port = fmax(port, in);
        }
        ck_assert_msg(a.dispatch[0] >= port / (p == 1   ? 160e9
                                               : p == 4 ? 300e9
                                                        : 50e9),
                      "%s", five[p]);
        answer_finish(&a);
        job_finish(&j);
    }
}
END_TEST

START_TEST(test_bandwidth_and_rank_order)
{
    double t[3];
    write_star(path_of("one"), 16, 4, 1);
    write_star(path_of("double"), 16, 4, 2);
    for (int k = 0; k < 3; k++) {
        struct job j = job_new(path_of(k == 1 ? "double" : "one"), 16, "direct", "cm02");
        job_tokens(&j, 0, 4, 100, 3);
        if (k == 2) /* ranks reversed: the transposed permutation of the same matrix */
            for (int i = 0; i < 128; i++) {
                double x = j.cells[0].copies[i];
                j.cells[0].copies[i] = j.cells[0].copies[255 - i];
                j.cells[0].copies[255 - i] = x;
            }
        struct answer a = simulate(&j);
        ck_assert_msg(!a.status, "%s", a.text);
        t[k] = a.dispatch[0];
        answer_finish(&a);
        job_finish(&j);
    }
    ck_assert(t[1] <= t[0]);
    CLOSE(t[2], t[0], 1e-9);
}
END_TEST

START_TEST(test_runs_do_not_depend_on_when_they_start)
{
    write_rail(path_of("rail"), 16, 4);
    const char *models[] = {"cm02", "fluid"};
    for (int m = 0; m < 2; m++) {
        struct job j = job_new(path_of("rail"), 16, "hierarchical", models[m]);
        job_tokens(&j, 0, 4, 50, 2);
        j.w.layers = 3;
        j.n_runs = 4;
        j.wanted = 2; /* run 2 is left out: all zero */
        struct answer a = simulate(&j);
        ck_assert_msg(!a.status, "%s", a.text);
        for (int l = 0; l < 3; l++) {
            ck_assert(a.dispatch[6 + l] == 0 && a.layer[6 + l] == 0);
            CLOSE(a.layer[9 + l], a.layer[l], m ? 0 : 1e-7);
            CLOSE(a.dispatch[3 + l], a.dispatch[l], m ? 0 : 1e-7);
        }
        answer_finish(&a);
        job_finish(&j);
    }
}
END_TEST

START_TEST(test_layers_synchronise_or_drift)
{
    write_star(path_of("star"), 16, 4, 1);
    struct job j = job_new(path_of("star"), 16, "direct", "fluid");
    job_tokens(&j, 0, 4, 100, 3);
    j.w.layers = 3;
    struct answer drift = simulate(&j);
    j.w.synchronise_layer = 1;
    struct answer sync = simulate(&j);
    ck_assert(!drift.status && !sync.status);
    ck_assert(drift.skew[0] == 0 && sync.skew[0] == 0);
    ck_assert(drift.skew[1] > 0 && sync.skew[1] == 0 && sync.skew[2] == 0);
    CLOSE(sync.layer[1], sync.layer[0], 1e-9);
    CLOSE(sync.step[0], sync.layer[0] + sync.layer[1] + sync.layer[2], 1e-9);
    CLOSE(drift.exposed[0] / drift.step[0], 1, 0.5); /* no compute: all of it is communication */
    answer_finish(&drift);
    answer_finish(&sync);
    job_finish(&j);
}
END_TEST

START_TEST(test_every_network_model_runs)
{
    write_rail(path_of("rail"), 16, 4);
    for (const struct ms_sim_name *m = ms_sim_network_models(); m->name; m++) {
        struct job j = job_new(path_of("rail"), 16, "hierarchical", m->name);
        if (strcmp(m->name, "fluid") && strcmp(m->name, "cm02"))
            j.params.network.latency = MS_LATENCY_FLOW;
        job_tokens(&j, 0, 4, 50, 2);
        struct answer a = simulate(&j);
        ck_assert_msg(!a.status, "%s: %s", m->name, a.text);
        ck_assert_msg(a.dispatch[0] > 1e-6 && a.dispatch[0] < 1e-3, "%s: %g", m->name,
                      a.dispatch[0]);
        answer_finish(&a);
        job_finish(&j);
    }
}
END_TEST

/* Four hosts, a link each of 1 GB/s and 1 us; what befalls l0. */
static void own_star(const char *what, const char *profile)
{
    char file[160];
    snprintf(file, sizeof file, "%s/l0.txt", dir);
    FILE *f = fopen(file, "w");
    fputs(profile, f);
    fclose(f);
    f = platform_open(path_of("own"), 4, 1);
    fprintf(f, "<router id=\"sw\"/>\n");
    for (int i = 0; i < 4; i++)
        fprintf(f, "<link id=\"l%d\" bandwidth=\"1GBps\" latency=\"1us\"%s/>\n", i, i ? "" : what);
    for (int i = 0; i < 4; i++)
        fprintf(f, "<route src=\"h%d\" dst=\"sw\"><link_ctn id=\"l%d\"/></route>\n", i, i);
    platform_close(f);
}

/* Rank 1 sends 12 MB to rank 0. */
static struct answer with_l0_at_fault(const char *what, const char *profile,
                                      const struct ms_fault_link *fault, const char *model)
{
    own_star(what, profile);
    struct job j = job_new(path_of("own"), 4, "direct", model);
    job_zeros(&j, 0)->is_matrix = 1;
    j.cells[0].selections[4] = j.cells[0].copies[4] = 12e6;
    j.params.faults.links = fault;
    j.params.faults.n_links = fault ? 1 : 0;
    struct answer a = simulate(&j);
    job_finish(&j);
    return a;
}

static struct answer with_l0(const char *what, const char *profile, const char *model)
{
    return with_l0_at_fault(what, profile, NULL, model);
}

/* The file's times are those of each repeat: rank 1 sends nothing in the first of two, and in the second
 * it sends when the link is off for a while (or slow), as it was in the first. */
START_TEST(test_a_platform_changes_in_every_repeat)
{
    const char *models[] = {"cm02", "fluid"};
    for (int m = 0; m < 2; m++)
        for (int off = 0; off < 2; off++) {
            own_star(off ? " state_file=\"l0.txt\"" : " bandwidth_file=\"l0.txt\"",
                     off ? "0.003 0\n0.004 1\n" : "0.003 100000000\n0.004 1000000000\n");
            struct job j = job_new(path_of("own"), 4, "direct", models[m]);
            job_zeros(&j, 0)->is_matrix = 1;
            job_zeros(&j, 1)->is_matrix = 1;
            j.cells[1].selections[4] = j.cells[1].copies[4] = 12e6;
            j.n_traffic = 2;
            j.n_runs = 4; /* idle, busy, idle, busy */
            struct answer a = simulate(&j);
            if (off) {
                ck_assert_int_eq(a.status, MS_INFEASIBLE);
                ck_assert_msg(strstr(a.text, "link 'l0'"), "%s", a.text);
            } else {
                ck_assert_msg(!a.status, "%s", a.text);
                for (int run = 1; run < 4; run += 2)
                    CLOSE(a.dispatch[run], 12.002e-3 + 0.9e-3, 1e-9);
            }
            answer_finish(&a);
            job_finish(&j);
        }
}
END_TEST

START_TEST(test_a_platform_changes_while_it_is_used)
{
    const char *models[] = {"cm02", "fluid"};
    for (int m = 0; m < 2; m++) {
        /* 1 ms at 1 GB/s less the 2 us of the route, the rest of 12 MB at a tenth */
        struct answer a = with_l0(" bandwidth_file=\"l0.txt\"", "0.001 100000000\n", models[m]);
        ck_assert_msg(!a.status, "%s", a.text);
        CLOSE(a.dispatch[0], 1e-3 + (12e6 - 0.998e6) / 1e8, 1e-9);
        answer_finish(&a);
        /* every 3 ms (or 1 ms after the last) one ms at a tenth: 12 MB in 17.402 ms (14.702) */
        const char *again[] = {"0.001 100000000\n0.002 1000000000\nPERIODICITY 0.003\n",
                               "0.001 100000000\n0.002 1000000000\nLOOPAFTER 0.003\n"};
        for (int i = 0; i < 2; i++) {
            a = with_l0(" bandwidth_file=\"l0.txt\"", again[i], models[m]);
            ck_assert_msg(!a.status, "%s", a.text);
            CLOSE(a.dispatch[0], 12.002e-3 + (i ? 3 : 6) * 0.9e-3, 1e-9);
            answer_finish(&a);
        }
        /* a flow keeps to the rate that it starts with: SimGrid's own answer (a program of its C
         * interface: 2 MB from time 0 over 100 MB/s that are 1 GB/s from 1 ms on take 20 ms) */
        a = with_l0(" bandwidth_file=\"l0.txt\"", "0 100000000\n0.001 1000000000\n", models[m]);
        ck_assert_msg(!a.status, "%s", a.text);
        CLOSE(a.dispatch[0], 2e-6 + 12e6 / 1e8, 1e-9);
        answer_finish(&a);
        /* a fault that ends gives back what it took */
        struct ms_fault_link slow = {"l0", 0, 1.002e-3, 0.1};
        a = with_l0_at_fault("", "", &slow, models[m]);
        ck_assert_msg(!a.status, "%s", a.text);
        CLOSE(a.dispatch[0], 1.002e-3 + (12e6 - 0.1e6) / 1e9, 1e-9);
        answer_finish(&a);
        a = with_l0(" state_file=\"l0.txt\"", "0.02 0\n", models[m]); /* when all is over */
        ck_assert_msg(!a.status, "%s", a.text);
        CLOSE(a.dispatch[0], 12.002e-3, 1e-9);
        answer_finish(&a);
        const char *off[] = {"0 0\n", "0.003 0\n0.004 1\n"};
        for (int i = 0; i < 2; i++) {
            a = with_l0(" state_file=\"l0.txt\"", off[i], models[m]);
            ck_assert_int_eq(a.status, MS_INFEASIBLE);
            ck_assert_msg(strstr(a.text, "link 'l0'") && strstr(a.text, "own.xml:"), "%s", a.text);
            answer_finish(&a);
        }
    }
}
END_TEST

START_TEST(test_what_cannot_be_simulated_is_said)
{
    write_star(path_of("star"), 16, 4, 1);
    struct job j = job_new(path_of("star"), 16, "hierachical", "fluid");
    job_tokens(&j, 0, 4, 10, 2);
    struct answer a = simulate(&j);
    ck_assert_int_eq(a.status, MS_INVALID);
    ck_assert_str_eq(a.key, "exchange.algorithm");
    ck_assert_msg(strstr(a.text, "did you mean 'hierarchical'?"), "%s", a.text);
    answer_finish(&a);
    j.params.exchange.algorithm = "direct";
    j.w.ranks = 17;
    a = simulate(&j);
    ck_assert_int_eq(a.status, MS_INVALID);
    ck_assert_str_eq(a.key, "workload.ranks");
    answer_finish(&a);
    j.w.ranks = 16;
    j.cells[0].copies[1] = NAN;
    a = simulate(&j);
    ck_assert_int_eq(a.status, MS_INTERNAL);
    answer_finish(&a);
    job_finish(&j);
    /* a failure in the middle of a run ends it, whatever the actors are doing */
    j = job_new(path_of("star"), 16, "hierarchical", "cm02");
    j.w.layers = j.n_traffic = 2;
    job_tokens(&j, 0, 4, 100, 2);
    job_tokens(&j, 1, 4, 100, 3);
    j.cells[1].copies[20] = NAN;
    a = simulate(&j);
    ck_assert_int_eq(a.status, MS_INTERNAL);
    ck_assert_msg(strstr(a.text, "hierarchical"), "%s", a.text);
    answer_finish(&a);
    job_finish(&j);
}
END_TEST

int main(void)
{
    snprintf(dir, sizeof dir, "/tmp/moesim-test-XXXXXX");
    if (!mkdtemp(dir))
        return 1;
    Suite *s = suite_create("sim");
    TCase *t = tcase_create("whole");
    tcase_set_timeout(t, 100);
    tcase_add_test(t, test_closed_forms_of_the_star);
    tcase_add_test(t, test_one_flow_is_size_over_bandwidth_plus_latency);
    tcase_add_test(t, test_fluid_agrees_with_cm02_on_every_rank);
    tcase_add_test(t, test_the_default_quantum_costs_little);
    tcase_add_test(t, test_never_before_the_port_bound);
    tcase_add_test(t, test_bandwidth_and_rank_order);
    tcase_add_test(t, test_runs_do_not_depend_on_when_they_start);
    tcase_add_test(t, test_layers_synchronise_or_drift);
    tcase_add_test(t, test_every_network_model_runs);
    tcase_add_test(t, test_a_platform_changes_while_it_is_used);
    tcase_add_test(t, test_a_platform_changes_in_every_repeat);
    tcase_add_test(t, test_what_cannot_be_simulated_is_said);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", dir);
    return system(command) || failed;
}
