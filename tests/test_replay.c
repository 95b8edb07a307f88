/* Batches made from what is known of domains (counts, and how far a request differs from its domain) against batches of recorded
 * requests: the fullest expert's load over the mean at p50, p95 and p99.
 * test_replay [FOLDER with routes.npy, requests.csv, counts.csv [TOKENS a request [REPEATS]]]: another router's. */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "demand/demand.h"
#include "routing/traffic.h"

enum { RANKS = 16, EXPERTS = 64, MOST_LAYERS = 8 };

static const char *folder = TEST_DATA "/replay";
static int request_tokens = 64, repeats = 700, n_layers = 2;
static double tolerance = 0.06;

/* Prompts a step, or decode slots. */
struct batch {
    bool decode;
    int n;
};
static const struct batch batches[] = {
    {false, 8}, {false, 32}, {false, 128}, {true, 256}, {true, 8192}};

static int rising(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The fullest expert over the mean of every layer, all repeats: p50, p95, p99. */
static void loads(const struct batch *b, bool recorded, double out[3])
{
    char trace[600], file[600];
    int64_t tokens[RANKS];
    int n = 0, node[RANKS] = {0};
    snprintf(trace, sizeof trace, "%s/%s", folder, recorded ? "routes.npy" : "counts.csv");
    snprintf(file, sizeof file, "%s/requests.csv", folder);
    for (int r = 0; r < RANKS; r++) /* whole prompts: on the first ranks where there are few */
        tokens[r] = b->decode       ? b->n / RANKS
                    : b->n >= RANKS ? b->n / RANKS * request_tokens
                                    : (r < b->n) * request_tokens;
    struct ms_model_shape model = {.hidden = 512,
                                   .moe_layers = n_layers,
                                   .experts = EXPERTS,
                                   .top_k = 8,
                                   .groups = 1,
                                   .group_limit = 1,
                                   .expert_intermediate = 256};
    struct ms_workload work = {
        .ranks = RANKS,
        .groups = 1,
        .layers = n_layers,
        .steps = 1,
        .tokens = {.kind = MS_TOKENS_LIST, .list = tokens, .n_list = RANKS},
        .requests = {.phase = b->decode ? MS_REQUESTS_DECODE : MS_REQUESTS_PREFILL,
                     .length = {request_tokens, 0},
                     .tilt = recorded ? 0 : 0.3,
                     .file = recorded ? file : NULL,
                     .mix = {INFINITY, 1}}};
    struct ms_routing_params routing = {.source = MS_SOURCE_TRACE, .trace = trace};
    const char *axes[] = {"requests", "tokens", "layers", "k"};
    if (recorded) {
        routing.trace_axes = axes;
        routing.n_trace_axes = 4;
    }
    struct ms_place_params place = {.strategy = "contiguous"};
    struct ms_demand_input in = {.model = &model,
                                 .workload = &work,
                                 .routing = &routing,
                                 .place = &place,
                                 .rank_node = node,
                                 .seed = 5,
                                 .n_threads = 1};
    struct ms_demand *d = NULL;
    struct ms_err err = {0};
    ck_assert_msg(ms_demand_create(&in, &d, &err) == MS_OK, "%s: %s", err.key, err.text);
    double *v = malloc((size_t)(repeats * n_layers) * sizeof *v);
    for (int r = 0; r < repeats; r++) {
        ck_assert_msg(ms_demand_begin(d, r, &err) == MS_OK, "%s", err.text);
        for (int l = 0; l < n_layers; l++)
            v[n++] =
                ms_traffic_max_over_mean(ms_demand_traffic(d, 0, l, 0)->expert_tokens, EXPERTS, 1);
    }
    ms_demand_destroy(d);
    qsort(v, (size_t)n, sizeof *v, rising);
    out[0] = v[n / 2];
    out[1] = v[n * 95 / 100];
    out[2] = v[n * 99 / 100];
    free(v);
}

START_TEST(test_domains_and_tilt_have_the_loads_of_recorded_requests)
{
    const struct batch *b = &batches[_i];
    double was[3], made[3];
    loads(b, true, was);
    loads(b, false, made);
    printf("%5d %s: recorded %.3f %.3f %.3f, made %.3f %.3f %.3f, off by %+.1f %+.1f %+.1f %%\n",
           b->n, b->decode ? "slots  " : "prompts", was[0], was[1], was[2], made[0], made[1],
           made[2], 100 * (made[0] / was[0] - 1), 100 * (made[1] / was[1] - 1),
           100 * (made[2] / was[2] - 1));
    for (int k = 0; k < 3; k++)
        ck_assert_double_eq_tol(made[k] / was[k], 1, tolerance);
}
END_TEST

int main(int argc, char **argv)
{
    folder = argc > 1 ? argv[1] : folder;
    request_tokens = argc > 2 ? atoi(argv[2]) : request_tokens;
    n_layers = argc > 2 ? 4 : n_layers;
    repeats = argc > 3 ? atoi(argv[3]) : repeats;
    Suite *suite = suite_create("replay");
    TCase *t = tcase_create("replay");
    tcase_set_timeout(t, 0);
    tcase_add_loop_test(t, test_domains_and_tilt_have_the_loads_of_recorded_requests, 0,
                        sizeof batches / sizeof *batches);
    suite_add_tcase(suite, t);
    SRunner *r = srunner_create(suite);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed > 0;
}
