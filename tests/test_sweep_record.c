/* sweep/record: a record says what was simulated, measured as README and `list metric` say. */
#include <check.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "stats/percentile.h"
#include "sweep/record.h"
#include "sweep/series.h"

/* Three repeats with their twins at odd runs (repeat 2 shares the twin of repeat 0), 2 steps, 4
 * layers, 2 groups, 3 ranks. */
enum { R = 3, RUNS = 6, P = 2, L = 4, Q = 2, G = 3, PER = P * L * Q, LINKS = 14 };
static double dispatch[RUNS * PER], combine[RUNS * PER], skew[RUNS * PER], layer[RUNS * PER];
static double no_notify[RUNS * PER];
static double rank_d[RUNS * PER * G], rank_c[RUNS * PER * G], step[RUNS * P * Q],
    exposed[RUNS * P * Q];
static double network[RUNS], intra[RUNS], local[RUNS], active[RUNS], bandwidth[LINKS],
    bytes[RUNS * LINKS];
static const char *link_name[LINKS];
static char link_text[LINKS][16];
static bool link_shared[LINKS];
static struct ms_record_hot hot[R * PER];
static const int repeat_run[R] = {0, 2, 4}, twin_run[R] = {1, 3, 1};

static struct ms_sim_output make_output(void)
{
    for (int i = 0; i < RUNS * PER; i++) {
        int run = i / PER;
        dispatch[i] = run % 2 ? 10e-6 : (20 + i % 7 + run) * 1e-6;
        combine[i] = run % 2 ? 20e-6 : (40 + i % 5) * 1e-6;
        skew[i] = 1e-6;
        layer[i] = dispatch[i] + combine[i] + 2e-6;
        for (int g = 0; g < G; g++) {
            rank_d[i * G + g] = dispatch[i] - g * 1e-6;
            rank_c[i * G + g] = combine[i] - g * 1e-6;
        }
    }
    for (int i = 0; i < RUNS * P * Q; i++) {
        step[i] = 400e-6;
        exposed[i] = 100e-6;
    }
    for (int run = 0; run < RUNS; run++) {
        network[run] = run % 2 ? 1e9 : 1000;
        intra[run] = 2000;
        local[run] = 3000;
        active[run] = 1e-3;
        for (int l = 0; l < LINKS; l++)
            bytes[run * LINKS + l] = run % 2 ? 1e9 : l * 1e3;
    }
    for (int l = 0; l < LINKS; l++) {
        snprintf(link_text[l], sizeof link_text[l], "nic_%d", l);
        link_name[l] = link_text[l];
        bandwidth[l] = 50e6;
        link_shared[l] = l != 12;
    }
    return (struct ms_sim_output){.n_runs = RUNS,
                                  .n_steps = P,
                                  .n_layers = L,
                                  .n_groups = Q,
                                  .n_ranks = G,
                                  .dispatch_s = dispatch,
                                  .combine_s = combine,
                                  .entry_skew_s = skew,
                                  .layer_s = layer,
                                  .dispatch_notify_s = no_notify,
                                  .combine_notify_s = no_notify,
                                  .rank_dispatch_s = rank_d,
                                  .rank_combine_s = rank_c,
                                  .step_s = step,
                                  .exposed_s = exposed,
                                  .bytes_network = network,
                                  .bytes_intra_node = intra,
                                  .bytes_local = local,
                                  .n_links = LINKS,
                                  .link_name = link_name,
                                  .link_bandwidth = bandwidth,
                                  .link_shared = link_shared,
                                  .link_bytes = bytes,
                                  .active_s = active};
}

static struct ms_platform platform = {.name = "tiny", .n_hosts = 6, .n_nodes = 2};
static const struct ms_platform_cost cost = {
    .n_switches = 3, .n_cables = -1, .bisection_per_gpu_Bps = 5e10};
static struct ms_scenario scenario = {
    .name = "s",
    .seed = 7,
    .repeats = R,
    .has_model = true,
    .workload = {.ranks = G, .groups = Q},
    .sim = {.exchange = {.algorithm = "direct"}, .network = {.model = "fluid"}},
    .placement = {.strategy = "contiguous"}};
static const struct ms_record_load load = {.expert = {.gini = 0.25, .max_over_mean = 2},
                                           .rank_max_over_mean = 1.5,
                                           .dropped_share = 0.125,
                                           .realised_max_over_mean = 2.5,
                                           .tokens_per_step = 800,
                                           .has_experts = true};

static struct ms_record_input input(const struct ms_sim_output *o)
{
    for (int i = 0; i < R * PER; i++)
        hot[i] = (struct ms_record_hot){.rank = 1, .expert = 9, .domain = -1, .max_over_mean = 3.5};
    return (struct ms_record_input){
        .s = &scenario,
        .platform = &platform,
        .cost = &cost,
        .out = o,
        .repeat_run = repeat_run,
        .twin_run = twin_run,
        .load = &load,
        .hot = hot,
        .note = {.has_requested = true, .requested_max_over_mean = 2.4}};
}

static json_t *record(const struct ms_record_input *in)
{
    struct ms_buf b = {0};
    struct ms_err e = {0};
    ms_buf_adds(&b, "{");
    size_t at = b.n;
    ck_assert_msg(ms_record_body(in, &b, &e) == MS_OK, "%s", e.text);
    ck_assert_int_eq(strncmp(b.p + at, "\"platform_hash\":", 16), 0);
    ms_buf_adds(&b, "}");
    json_t *o = json_loads(b.p, JSON_REJECT_DUPLICATES, NULL);
    ck_assert_msg(o != NULL, "no JSON: %s", b.p);
    ms_buf_finish(&b);
    return o;
}

static double number(const json_t *o, const char *block, const char *member)
{
    const json_t *v = json_object_get(block ? json_object_get(o, block) : o, member);
    ck_assert_msg(json_is_number(v), "no number %s.%s", block ? block : "", member);
    return json_number_value(v);
}

START_TEST(test_blocks_are_percentiles_over_repeats_and_never_of_twins)
{
    struct ms_sim_output o = make_output();
    struct ms_record_input in = input(&o);
    json_t *r = record(&in);
    double all[R * PER];
    for (int k = 0; k < R; k++)
        for (int i = 0; i < PER; i++)
            all[k * PER + i] =
                (dispatch[repeat_run[k] * PER + i] + combine[repeat_run[k] * PER + i]) * 1e6;
    struct ms_summary s = ms_summarise(all, R * PER, 1);
    ck_assert(number(r, "exchange", "p50_us") == s.p50 && number(r, "exchange", "p99_us") == s.p99);
    ck_assert(number(r, "exchange", "mean_us") == s.mean && number(r, "exchange", "n") == R * PER);
    ck_assert_str_eq(
        json_string_value(json_object_get(json_object_get(r, "exchange"), "supported")), "none");
    ck_assert(number(r, "rank", "n") == R * PER * G && number(r, "step", "n") == R * P * Q);
    ck_assert_double_eq_tol(number(r, "step", "tokens_per_s"), 800 / 400e-6, 1e-3);
    ck_assert_double_eq_tol(number(r, "step", "exposed_share"), 0.25, 1e-12);
    ck_assert_double_eq_tol(number(r, NULL, "entry_skew_us"), 1, 1e-9);
    ck_assert(number(r, "bytes", "network") == 3000 && number(r, "bytes", "local") == 9000);
    json_decref(r);
}
END_TEST

START_TEST(test_slowdown_is_against_each_repeats_own_twin)
{
    struct ms_sim_output o = make_output();
    struct ms_record_input in = input(&o);
    json_t *r = record(&in);
    ck_assert_double_eq_tol(number(r, "slowdown", "vs_balanced_p99"),
                            number(r, "exchange", "p99_us") / 30, 1e-12);
    json_t *ci = json_object_get(json_object_get(r, "slowdown"), "ci95");
    ck_assert_uint_eq(json_array_size(ci), 2);
    ck_assert(json_number_value(json_array_get(ci, 0)) <= number(r, "slowdown", "vs_balanced_p99"));
    json_decref(r);
    in.twin_run = NULL;
    r = record(&in);
    ck_assert(json_is_null(json_object_get(r, "slowdown")));
    json_decref(r);
}
END_TEST

START_TEST(test_links_are_the_ten_busiest_that_are_shared)
{
    struct ms_sim_output o = make_output();
    struct ms_record_input in = input(&o);
    json_t *r = record(&in), *list = json_object_get(r, "links");
    ck_assert_uint_eq(json_array_size(list), 10);
    const char *names[] = {"nic_13", "nic_11", "nic_10"}; /* nic_12 is a FATPIPE */
    for (size_t i = 0; i < 3; i++)
        ck_assert_str_eq(json_string_value(json_object_get(json_array_get(list, i), "name")),
                         names[i]);
    ck_assert_double_eq_tol(number(json_array_get(list, 0), NULL, "utilisation"),
                            13e3 / (50e6 * 1e-3), 1e-12);
    ck_assert(number(json_array_get(list, 0), NULL, "bytes") == 39e3);
    json_decref(r);
}
END_TEST

START_TEST(test_samples_are_the_values_to_nine_digits)
{
    struct ms_sim_output o = make_output();
    struct ms_record_input in = input(&o);
    json_t *r = record(&in), *s = json_object_get(r, "samples"),
           *x = json_object_get(s, "exchange_us");
    ck_assert_uint_eq(json_array_size(x), R);
    for (size_t k = 0; k < R; k++)
        for (size_t i = 0; i < PER; i++) {
            double v = json_number_value(json_array_get(json_array_get(x, k), i));
            double want = (dispatch[(size_t)repeat_run[k] * PER + i] +
                           combine[(size_t)repeat_run[k] * PER + i]) *
                          1e6;
            ck_assert(fabs(v - want) <= 1e-8 * want);
        }
    ck_assert_uint_eq(json_array_size(json_array_get(json_object_get(s, "step_us"), 0)), P * Q);
    json_decref(r);
}
END_TEST

START_TEST(test_the_tail_names_who_is_most_often_there)
{
    struct ms_sim_output o = make_output();
    struct ms_record_input in = input(&o);
    for (int i = 0; i < PER;
         i++) /* the slowest exchange of all: repeat 1, step 1, layer 2, group 1 */
        if (i == 1 * L * Q + 2 * Q + 1) {
            dispatch[2 * PER + i] = 1e-3;
            hot[PER + i] =
                (struct ms_record_hot){.rank = 2, .expert = 77, .domain = -1, .max_over_mean = 4.5};
        }
    json_t *r = record(&in);
    ck_assert(number(r, "tail", "n") == 1 && number(r, "tail", "layer") == 2 &&
              number(r, "tail", "rank") == 2);
    ck_assert(number(r, "tail", "expert") == 77 && number(r, "tail", "share") == 1);
    ck_assert(number(r, "tail", "rank_load_over_mean") == 4.5);
    json_decref(r);
}
END_TEST

START_TEST(test_a_matrix_has_no_combine_layer_or_imbalance)
{
    struct ms_sim_output o = make_output();
    struct ms_record_input in = input(&o);
    struct ms_record_load none = {0};
    in.load = &none;
    in.hot = NULL;
    scenario.routing.source = MS_SOURCE_MATRIX;
    json_t *r = record(&in);
    ck_assert_ptr_null(json_object_get(r, "combine"));
    ck_assert_ptr_null(json_object_get(r, "layer"));
    ck_assert(json_is_null(json_object_get(r, "imbalance")) &&
              json_is_null(json_object_get(r, "tail")));
    json_decref(r);
    scenario.routing.source = MS_SOURCE_SYNTHETIC;
    scenario.sim.compute.overlap = MS_OVERLAP_TWO_BATCH;
    ck_assert(!ms_series_defined(MS_SERIES_EXCHANGE, &scenario) &&
              ms_series_defined(MS_SERIES_LAYER, &scenario));
    scenario.sim.compute.overlap = MS_OVERLAP_NONE;
}
END_TEST

START_TEST(test_times_that_are_no_times_never_become_a_record)
{
    struct ms_sim_output o = make_output();
    struct ms_record_input in = input(&o);
    struct ms_buf b = {0};
    struct ms_err e = {0};
    dispatch[3] = NAN;
    ck_assert_int_eq(ms_record_body(&in, &b, &e), MS_INTERNAL);
    ck_assert_ptr_nonnull(strstr(e.text, "no times"));
    ms_buf_finish(&b);
}
END_TEST

START_TEST(test_unknown_costs_are_null)
{
    struct ms_sim_output o = make_output();
    struct ms_record_input in = input(&o);
    json_t *r = record(&in), *p = json_object_get(r, "platform");
    ck_assert(json_is_null(json_object_get(p, "cables")) && number(r, "platform", "switches") == 3);
    ck_assert(number(r, NULL, "requested_max_over_mean") == 2.4 &&
              number(r, NULL, "realised_max_over_mean") == 2.5);
    json_decref(r);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("record");
    TCase *t = tcase_create("record");
    suite_add_tcase(s, t);
    tcase_add_test(t, test_blocks_are_percentiles_over_repeats_and_never_of_twins);
    tcase_add_test(t, test_slowdown_is_against_each_repeats_own_twin);
    tcase_add_test(t, test_links_are_the_ten_busiest_that_are_shared);
    tcase_add_test(t, test_samples_are_the_values_to_nine_digits);
    tcase_add_test(t, test_the_tail_names_who_is_most_often_there);
    tcase_add_test(t, test_a_matrix_has_no_combine_layer_or_imbalance);
    tcase_add_test(t, test_times_that_are_no_times_never_become_a_record);
    tcase_add_test(t, test_unknown_costs_are_null);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}
