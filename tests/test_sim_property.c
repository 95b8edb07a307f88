/* sim/: what must hold of any simulation: costs never make a step shorter, and the fluid model
 * gives every rank SimGrid's own time. */
#include <check.h>

#include "sim/exchange.h"
#include "sim_world.h"

static char dir[64];

static const char *path_of(const char *name)
{
    static char path[8][128];
    static int next;
    char *p = path[next++ % 8];
    snprintf(p, 128, "%s/%s", dir, name);
    return p;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The median step over four runs, whose layers meet other traffic. */
static double median_step_s(struct job *j)
{
    struct answer a = simulate(j);
    ck_assert_msg(!a.status, "%s: %s", j->params.exchange.algorithm, a.text);
    qsort(a.step, (size_t)a.n_steps, sizeof *a.step, by_value);
    double median = a.step[a.n_steps / 2];
    answer_finish(&a);
    return median;
}

static struct job tokens_job(const char *path, const char *algorithm, bool skewed, int layers,
                             bool compute)
{
    struct job j = job_new(path, 16, algorithm, "fluid");
    j.w.layers = layers;
    j.n_traffic = 4;
    j.n_runs = 4;
    for (int i = 0; i < 4; i++)
        skewed ? job_tokens(&j, i, 4, 100, 5) : job_even_tokens(&j, i, 4, 100, 5);
    if (compute)
        j.params.compute = (struct ms_compute_params){.flops = 2e13, .bandwidth = 1e12};
    return j;
}

/* Whoever meets after every layer, or starts its legs up longer, is not done sooner, but for half a
 * percent. */
static void costs_never_shorten(struct job *j, double dispatch_s, double combine_s)
{
    struct ms_hardware_params *h = &j->params.hardware;
    double plain_s = median_step_s(j);
    j->w.synchronise_layer = 1;
    double barrier_s = median_step_s(j);
    j->w.synchronise_layer = 0;
    h->dispatch_alpha_s += dispatch_s;
    h->combine_alpha_s += combine_s;
    double later_s = median_step_s(j);
    ck_assert_msg(
        barrier_s >= 0.995 * plain_s && later_s >= 0.995 * plain_s,
        "%s, %d layers%s: %.3f us, with barriers %.3f, with start-up of %.0f and %.0f: %.3f",
        j->params.exchange.algorithm, j->w.layers, j->params.compute.flops > 0 ? ", computing" : "",
        1e6 * plain_s, 1e6 * barrier_s, 1e6 * h->dispatch_alpha_s, 1e6 * h->combine_alpha_s,
        1e6 * later_s);
}

/* On a fabric that blocks nobody. */
START_TEST(test_costs_never_shorten_a_step)
{
    const char *names[] = {"direct", "windowed", "pairwise", "ring", "hierarchical"};
    write_star(path_of("star.xml"), 16, 4, 1);
    write_rail(path_of("rail.xml"), 16, 4);
    for (int i = 0; i < 5; i++)
        for (int k = 0; k < 24; k++) {
            int layers = k % 3 == 0 ? 1 : k % 3 == 1 ? 3 : 8;
            bool skewed = k / 3 % 2, compute = k / 6 % 2;
            struct job j = tokens_job(path_of(k / 12 ? "rail.xml" : "star.xml"), names[i], skewed,
                                      layers, compute);
            costs_never_shorten(&j, 20e-6, 20e-6);
            job_finish(&j);
        }
}
END_TEST

/* One-sided kernels likewise, with start-up and without: an early rank's data queue behind what was
 * sent before them. */
START_TEST(test_one_sided_kernels_gain_nothing_from_barriers)
{
    write_star(path_of("star.xml"), 16, 4, 1);
    write_rail(path_of("rail.xml"), 16, 4);
    for (int layers = 1; layers <= 8; layers *= 2)
        for (int k = 0; k < 16; k++) {
            bool skewed = k % 2, compute = k / 2 % 2, starts = k / 4 % 2;
            struct job j = tokens_job(path_of(k / 8 ? "rail.xml" : "star.xml"), "low_latency",
                                      skewed, layers, compute);
            if (starts)
                j.params.hardware = (struct ms_hardware_params){.dispatch_alpha_s = 24e-6,
                                                                .combine_alpha_s = 27e-6};
            costs_never_shorten(&j, 20e-6, 0);
            job_finish(&j);
        }
}
END_TEST

/* Sixty-four ranks on eight nodes and messages that take far longer than their latency: ranks drift
 * apart by more than a message, and whoever is early must not be able to hold the others up. */
START_TEST(test_costs_never_shorten_a_wide_step)
{
    const char *names[] = {"direct", "windowed", "pairwise", "ring", "hierarchical", "low_latency"};
    write_rail(path_of("wide.xml"), 64, 8);
    for (int k = 0; k < 12; k++) {
        struct job j = job_new(path_of("wide.xml"), 64, names[k / 2], "fluid");
        j.model.hidden = 14000;
        j.params.network.quantum = 0.001;
        j.w.layers = j.n_traffic = j.n_runs = 4;
        for (int i = 0; i < 4; i++)
            job_route(&j, i, 8, 8000, 5, k % 2 == 0);
        costs_never_shorten(&j, 40e-6, 40e-6);
        job_finish(&j);
    }
}
END_TEST

struct error {
    double mean, worst;
};

static struct error error_of(const double *of_dispatch, const double *of_combine,
                             const double *dispatch, const double *combine, int n)
{
    struct error e = {0, 0};
    for (int i = 0; i < n; i++) {
        double right = dispatch[i] + combine[i];
        double off = fabs(of_dispatch[i] + of_combine[i] - right) / right;
        e.mean += off / n;
        e.worst = fmax(e.worst, off);
    }
    return e;
}

/* The default quantum: 0.2 % on average and 1 % at worst of each exchange, and of each rank's, also
 * where a leg has many short phases. */
START_TEST(test_the_quantum_keeps_its_promise)
{
    const char *names[] = {"direct", "windowed", "pairwise", "ring", "hierarchical", "low_latency"};
    write_rail(path_of("wide.xml"), 64, 8);
    for (int k = 0; k < 12; k++) {
        struct job j = job_new(path_of("wide.xml"), 64, names[k / 2], "fluid");
        j.model.hidden = 20000; /* messages that take longer than their latency */
        j.w.layers = j.n_traffic = 3;
        j.w.synchronise_layer = k % 2;
        for (int i = 0; i < 3; i++)
            job_tokens(&j, i, 8, 60, 5);
        struct answer exact = simulate(&j);
        j.params.network.quantum = 0.001;
        struct answer a = simulate(&j);
        ck_assert_msg(!exact.status && !a.status, "%s", a.text);
        struct error cell = error_of(a.dispatch, a.combine, exact.dispatch, exact.combine, 3);
        struct error rank = error_of(a.rank_dispatch, a.rank_combine, exact.rank_dispatch,
                                     exact.rank_combine, a.n_samples);
        ck_assert_msg(cell.mean <= 0.002 && cell.worst <= 0.01, "%s: exchanges off by %g, %g",
                      names[k / 2], cell.mean, cell.worst);
        ck_assert_msg(rank.mean <= 0.002 && rank.worst <= 0.01, "%s: ranks off by %g, %g",
                      names[k / 2], rank.mean, rank.worst);
        answer_finish(&exact);
        answer_finish(&a);
        job_finish(&j);
    }
}
END_TEST

static double between(struct ms_rng *r, double low, double high)
{
    return low + (high - low) * ms_rng_unit(r);
}

static void write_profile(const char *name, const char *text)
{
    FILE *f = fopen(path_of(name), "w");
    fputs(text, f);
    fclose(f);
}

/* A random star: ports of their own rates, shared or split; sometimes a bus that every route crosses
 * twice, a FATPIPE on the way, a link whose rate changes, one that goes off. */
static void write_random(const char *path, struct ms_rng *r, int n)
{
    FILE *f = platform_open(path, n, 2);
    bool bus = ms_rng_below(r, 3) == 0, pipe = ms_rng_below(r, 3) == 0;
    int changes = ms_rng_below(r, 2) ? (int)ms_rng_below(r, (uint32_t)n) : -1;
    int off = ms_rng_below(r, 4) ? -1 : (int)ms_rng_below(r, (uint32_t)n);
    char text[256];
    snprintf(text, sizeof text, "%.9g %.9g\n%.9g %.9g\n", between(r, 0, 2e-4),
             between(r, 0.5e8, 2e8), between(r, 3e-4, 1e-3), between(r, 0.5e8, 2e8));
    write_profile("rate.txt", text);
    snprintf(text, sizeof text, "%.9g 0\n", between(r, 0, 4e-4));
    write_profile("off.txt", text);
    fprintf(f, "<router id=\"sw\"/>\n");
    for (int i = 0; i < n; i++)
        fprintf(f,
                "<link id=\"l%d\" bandwidth=\"%.9gBps\" latency=\"%.9gs\" "
                "sharing_policy=\"%s\"%s%s/>\n",
                i, between(r, 2e8, 2e9), between(r, 0, 3e-6), bus ? "SHARED" : "SPLITDUPLEX",
                i == changes ? " bandwidth_file=\"rate.txt\"" : "",
                i == off ? " state_file=\"off.txt\"" : "");
    fprintf(f, "<link id=\"bus\" bandwidth=\"%.9gBps\" latency=\"1us\"/>\n", between(r, 5e8, 5e9));
    fprintf(f,
            "<link id=\"pipe\" bandwidth=\"%.9gBps\" latency=\"1us\" "
            "sharing_policy=\"FATPIPE\"/>\n",
            between(r, 1e8, 1e9));
    for (int i = 0; i < n; i++) {
        if (!bus) {
            char host[16], link[16];
            snprintf(host, sizeof host, "h%d", i);
            snprintf(link, sizeof link, "l%d", i);
            platform_cable(f, host, "sw", link, pipe ? "pipe" : NULL);
            continue;
        }
        fprintf(f,
                "<route src=\"h%d\" dst=\"sw\"><link_ctn id=\"l%d\"/>%s<link_ctn id=\"bus\"/>"
                "</route>\n",
                i, i, pipe ? "<link_ctn id=\"pipe\"/>" : "");
    }
    platform_close(f);
}

static void compare(struct job *j, int case_number, struct answer a[2])
{
    const char *models[] = {"cm02", "fluid"};
    for (int m = 0; m < 2; m++) {
        j->params.network.model = models[m];
        a[m] = simulate(j);
    }
    ck_assert_msg(a[0].status == a[1].status, "case %d, %s: cm02 says '%s', fluid '%s'",
                  case_number, j->params.exchange.algorithm, a[0].text, a[1].text);
    for (int i = 0; !a[0].status && i < a[0].n_samples; i++) {
        double d = a[0].rank_dispatch[i], c = a[0].rank_combine[i];
        ck_assert_msg(fabs(a[1].rank_dispatch[i] - d) <= 1e-6 * d + 1e-12 &&
                          fabs(a[1].rank_combine[i] - c) <= 1e-6 * c + 1e-12,
                      "case %d, %s, rank %d: cm02 %.9g and %.9g us, fluid %.9g and %.9g",
                      case_number, j->params.exchange.algorithm, i, 1e6 * d, 1e6 * c,
                      1e6 * a[1].rank_dispatch[i], 1e6 * a[1].rank_combine[i]);
    }
}

START_TEST(test_fluid_is_cm02_on_random_platforms)
{
    const char *names[] = {"direct", "windowed", "pairwise", "ring", "low_latency"};
    int n_failed = 0;
    for (int k = 0; k < 200; k++) {
        struct ms_rng r;
        struct answer a[2];
        ms_rng_init(&r, 11, "random", (uint64_t)k, 0, 0);
        int n = 4 + 2 * (int)ms_rng_below(&r, 3);
        write_random(path_of("random.xml"), &r, n);
        struct job j = job_new(path_of("random.xml"), n, names[k % 5], "cm02");
        j.params.exchange.window = 1 + (int)ms_rng_below(&r, 3);
        j.w.layers = j.n_traffic = 1 + (int)ms_rng_below(&r, 3);
        for (int l = 0; l < j.n_traffic; l++)
            job_tokens(&j, l, 2, 20, ms_rng_below(&r, 1000));
        compare(&j, k, a);
        n_failed += a[0].status != MS_OK; /* a link went off: in both, or in none */
        answer_finish(&a[0]);
        answer_finish(&a[1]);
        job_finish(&j);
    }
    ck_assert_msg(n_failed > 0 && n_failed < 50, "%d of 200 fail", n_failed);
}
END_TEST

int main(void)
{
    snprintf(dir, sizeof dir, "/tmp/moesim-property-XXXXXX");
    if (!mkdtemp(dir))
        return 1;
    Suite *s = suite_create("sim_property");
    TCase *t = tcase_create("properties");
    tcase_set_timeout(t, 600);
    tcase_add_test(t, test_costs_never_shorten_a_step);
    tcase_add_test(t, test_one_sided_kernels_gain_nothing_from_barriers);
    tcase_add_test(t, test_the_quantum_keeps_its_promise);
    tcase_add_test(t, test_fluid_is_cm02_on_random_platforms);
    suite_add_tcase(s, t);
    TCase *wide = tcase_create("wide");
    tcase_set_timeout(wide, 600);
    tcase_add_test(wide, test_costs_never_shorten_a_wide_step);
    suite_add_tcase(s, wide);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", dir);
    return system(command) || failed;
}
