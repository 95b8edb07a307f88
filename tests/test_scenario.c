/* scenario/: what a file means: defaults, presets, odd shapes, positions, limits. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "moe/train.h"
#include "routing/law.h"
#include "scenario_world.h"

START_TEST(test_defaults_are_those_of_the_contract)
{
    struct ms_study st = {0};
    good(&st, "model: {}");
    const struct ms_scenario *s = &st.base;
    ck_assert_str_eq(s->name, "t");
    ck_assert_int_eq((int)s->seed, 1);
    ck_assert_int_eq(s->repeats, 20);
    ck_assert_ptr_null(s->platform);
    ck_assert(s->twin && s->has_model);
    ck_assert_int_eq(s->model.hidden, 7168);
    ck_assert_int_eq(s->model.moe_layers, 58);
    ck_assert_int_eq(s->model.experts, 256);
    ck_assert_int_eq(s->model.shared_experts, 1);
    ck_assert_int_eq(s->model.top_k, 8);
    ck_assert_int_eq(s->model.expert_intermediate, 2048);
    ck_assert_int_eq(s->model.groups, 8);
    ck_assert_int_eq(s->model.group_limit, 4);
    ck_assert_int_eq(s->workload.ranks, 0);
    ck_assert_int_eq(s->workload.layers, 58);
    ck_assert_int_eq(s->workload.tokens.kind, MS_TOKENS_EQUAL);
    ck_assert_int_eq((int)s->workload.tokens.count, 4096);
    ck_assert(s->workload.dispatch_bytes_per_value == 1.03125);
    ck_assert(s->workload.combine_bytes_per_value == 2);
    ck_assert_str_eq(s->routing.popularity.law->name, "uniform");
    ck_assert_str_eq(s->routing.assignment, "top_k");
    ck_assert(s->routing.capacity_factor == 0);
    ck_assert_str_eq(s->placement.strategy, "contiguous");
    ck_assert_str_eq(s->sim.exchange.algorithm, "direct");
    ck_assert_int_eq(s->sim.exchange.window, 8);
    ck_assert_int_eq(s->sim.exchange.chunk_tokens, 0);
    ck_assert_str_eq(s->sim.compute.profile, "auto");
    ck_assert_str_eq(s->sim.hardware.profile, "auto");
    ck_assert_str_eq(s->sim.network.model, "fluid");
    ck_assert(s->sim.network.quantum == 0.001);
    ck_assert_int_eq(s->sim.network.latency, MS_LATENCY_SENDER);
    ck_assert(s->report.margin == 0.05);
    ck_assert_ptr_null(s->train);
    ck_assert_uint_eq(st.n_cases, 1);
    ms_study_finish(&st);
}
END_TEST

START_TEST(test_presets_are_defaults_that_keys_override)
{
    struct ms_study st = {0};
    good(&st, "model: {preset: olmoe-1b-7b, top_k: 4}");
    ck_assert_int_eq(st.base.model.experts, 64);
    ck_assert_int_eq(st.base.model.hidden, 2048);
    ck_assert_int_eq(st.base.model.top_k, 4);
    ck_assert_int_eq(st.base.workload.layers, 16);
    ms_study_finish(&st);
    good(&st, "model: {experts: 64, top_k: 2}"); /* nobody spoke of groups */
    ck_assert_int_eq(st.base.model.groups, 1);
    ck_assert_int_eq(st.base.model.group_limit, 1);
    ms_study_finish(&st);
    good(&st, "model: {groups: 2}");
    ck_assert_int_eq(st.base.model.group_limit, 2);
    ms_study_finish(&st);
}
END_TEST

START_TEST(test_units_and_odd_shapes)
{
    struct ms_study st = {0};
    good(&st, "hardware: {dispatch_alpha: 24us, message_gap: 0.05us}\n"
              "compute: {profile: {flops: 400Tf, bandwidth: 3TBps, floor: 5us}, dense: 1ms}\n"
              "workload: {tokens_per_rank: {mean: 1e3, cv: 0.2}, ranks: 8, layers: 2}\n"
              "routing: {source: trace, trace: a/b.csv, trace_filter: {kind: top8, layer: 3},\n"
              "  trace_axes: [layers, experts], capacity_factor: 1.25,\n"
              "  popularity: {law: hotspot, share: 0.5, experts: 2, order: sorted}}\n"
              "network: {model: lv08}\nfaults: {stragglers: {share: 0, slowdown: 1}, links: []}\n");
    const struct ms_scenario *s = &st.base;
    ck_assert_str_eq(s->sim.hardware.profile, "auto");
    ck_assert(s->sim.hardware.dispatch_alpha_s == 24e-6 && s->sim.hardware.message_gap_s == 5e-8);
    ck_assert(isnan(s->sim.hardware.combine_alpha_s)); /* the profile's */
    ck_assert(s->sim.compute.profile == NULL && s->sim.compute.flops == 4e14);
    ck_assert(s->sim.compute.bandwidth == 3e12 && s->sim.compute.floor_s == 5e-6);
    ck_assert(s->sim.compute.dense_s == 1e-3);
    ck_assert_int_eq(s->workload.tokens.kind, MS_TOKENS_SPREAD);
    ck_assert(s->workload.tokens.mean == 1000 && s->workload.tokens.cv == 0.2);
    ck_assert_int_eq(s->workload.ranks, 8);
    ck_assert_int_eq(s->workload.layers, 2);
    ck_assert_str_eq(s->routing.trace, "dir/a/b.csv"); /* beside the scenario */
    ck_assert_int_eq(s->routing.n_filter, 2);
    ck_assert_str_eq(s->routing.filter[1].column, "layer");
    ck_assert_str_eq(s->routing.filter[1].value, "3");
    ck_assert_int_eq(s->routing.n_trace_axes, 2);
    ck_assert_str_eq(s->routing.trace_axes[1], "experts");
    ck_assert(s->routing.capacity_factor == 1.25);
    ck_assert(ms_field_find(s->routing.popularity.law->fields, "share") != NULL);
    ck_assert_int_eq(s->routing.popularity.order, MS_ORDER_SORTED);
    ck_assert_int_eq(s->sim.network.latency, MS_LATENCY_FLOW);
    ms_study_finish(&st);
    good(&st, "workload: {tokens_per_rank: [1, 0, 3]}");
    ck_assert_int_eq(st.base.workload.tokens.n_list, 3);
    ck_assert_int_eq((int)st.base.workload.tokens.list[2], 3);
    ms_study_finish(&st);
}
END_TEST

START_TEST(test_train_section_fills_the_training_parameters)
{
    struct ms_study st = {0};
    good(&st, "seed: 7\n"
              "train:\n"
              "  model: {hidden: 64, experts: 4}\n"
              "  data: {text: [a.txt, b.txt], heldout: 0.2}\n"
              "  optimizer: {lr: 2e-3, betas: [0.8, 0.9]}\n"
              "  router: {name: sigmoid_bias, capacity_factor: 1.5}\n"
              "  losses: {switch: 0.01, z: 0.001}\n"
              "  steps: 20\n");
    const struct ms_train_params *t = st.base.train;
    ck_assert_ptr_nonnull(t);
    ck_assert_str_eq(t->init, "random");
    ck_assert_int_eq((int)t->model.hidden, 64);
    ck_assert_int_eq((int)t->model.experts, 4);
    ck_assert_int_eq((int)t->model.layers, 4);
    ck_assert_uint_eq(t->data.n_text, 2);
    ck_assert_str_eq(t->data.text[1], "dir/b.txt");
    ck_assert(t->data.heldout == 0.2 && t->optimizer.lr == 2e-3);
    ck_assert(t->optimizer.betas[0] == 0.8 && t->optimizer.betas[1] == 0.9);
    ck_assert(t->optimizer.clip == 1.0);
    ck_assert_str_eq(t->router->name, "sigmoid_bias");
    ck_assert(t->router_params.capacity_factor == 1.5 && t->router_params.scale == 1);
    ck_assert_uint_eq(t->n_losses, 2);
    ck_assert_str_eq(t->losses[1].loss->name, "z");
    ck_assert(t->losses[1].weight == 0.001);
    ck_assert_int_eq((int)t->steps, 20);
    ck_assert_uint_eq(t->seed, 7);
    ms_study_finish(&st);
    good(&st, "train: {data: {tokens: x.npy}}"); /* as ms_train_params_default has it */
    struct ms_train_params d = ms_train_params_default();
    ck_assert_int_eq((int)st.base.train->batch, (int)d.batch);
    ck_assert_int_eq((int)st.base.train->seq, (int)d.seq);
    ck_assert(st.base.train->optimizer.lr == d.optimizer.lr);
    ck_assert(st.base.train->optimizer.weight_decay == d.optimizer.weight_decay);
    ck_assert_int_eq((int)st.base.train->optimizer.warmup, (int)d.optimizer.warmup);
    ck_assert_int_eq((int)st.base.train->evaluate_every, (int)d.evaluate_every);
    ms_study_finish(&st);
}
END_TEST

START_TEST(test_aliases_bom_crlf_and_flow_are_yaml)
{
    struct ms_study st = {0};
    good(&st, "\xEF\xBB\xBFrepeats: &n 3\r\nworkload: {steps: *n}\r\n");
    ck_assert_int_eq(st.base.workload.steps, 3);
    ms_study_finish(&st);
    good(&st, "{\"repeats\": 3, \"model\": {\"preset\": \"dbrx\"}}"); /* JSON is YAML */
    ck_assert_str_eq(st.base.model.preset, "dbrx");
    ms_study_finish(&st);
    good(&st, "name: caf\xC3\xA9\ncluster:\n"); /* an empty section is an empty mapping */
    ck_assert_str_eq(st.base.name, "caf\xC3\xA9");
    ms_study_finish(&st);
}
END_TEST

START_TEST(test_errors_point_at_the_key)
{
    const struct ms_err *e = bad("repeats: 3\nplacement:\n  strategy: contigous\n");
    ck_assert_int_eq(e->line, 3);
    ck_assert_int_eq(e->col, 3);
    ck_assert_str_eq(e->file, "dir/t.yaml");
    ck_assert_str_eq(e->key, "placement.strategy");
    e = bad("workload: {steps: 1, ranks: -1}");
    ck_assert_int_eq(e->col, 22);
    e = bad("workload: {tokens_per_rank: [1, x]}");
    ck_assert_int_eq(e->col, 33); /* the item, not the list */
    e = bad("sweep:\n  workload.steps: [1,\n    two]\n");
    ck_assert_int_eq(e->line, 3);
    ck_assert_int_eq(e->col, 5);
    e = bad("name: \xC3\xA9\xC3\xA9\xC3\xA9\nseed: 1\nx: 1\n"); /* columns are characters */
    ck_assert_int_eq(e->line, 3);
}
END_TEST

START_TEST(test_all_errors_come_at_once_in_file_order)
{
    struct ms_study st = {0};
    reset();
    parse_set(&st,
              "zzz: 1\nrouting: {drift: 2, bogus: 1}\nrepeats: x\n"
              "sweep: {workload.steps: [1, 2, 0]}\nnetwork: {model: foo}\n",
              "seed=-1", NULL, NULL);
    ck_assert_uint_eq(errs.n, 7);
    int lines[] = {1, 2, 2, 3, 4, 5};
    for (int i = 0; i < 6; i++)
        ck_assert_int_eq(errs.e[i].line, lines[i]);
    ck_assert_str_eq(errs.e[6].file, "--set");
    ck_assert_int_eq(errs.e[6].col, 6);
    ms_study_finish(&st);
}
END_TEST

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* n bytes made of a pattern, then a tail */
static char *repeated(const char *pattern, size_t n)
{
    size_t m = strlen(pattern);
    char *s = malloc(n + 1);
    for (size_t i = 0; i < n; i++)
        s[i] = pattern[i % m];
    s[n] = 0;
    return s;
}

START_TEST(test_hostile_files_are_refused_in_time)
{
    static const char *const patterns[] = {
        "[",    "{",        "{a: ",  "- ",     "? ",      "a: [", "&a [",     "a: &a b\n",
        "[a, ", "\"a\": {", "[[], ", "a b c ", "- - x\n", "!a ",  "%",        "'",
        "\n",   "#",        "a:\n ", ": ",     "*a ",     "|\n",  "---\n",    "\\",
        "{?",   "[{",       "a,",    "- a\n",  "b: 1\n",  "\"",   "a : b : ",
    };
    for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++) {
        char *text = repeated(patterns[i], 1000000);
        struct ms_study st = {0};
        reset();
        double t = seconds();
        enum ms_status s = ms_study_parse(&st, "x", text, strlen(text), NULL, 0, &errs);
        t = seconds() - t;
        ck_assert_msg(s == MS_INVALID && errs.n > 0, "%s", patterns[i]);
        ck_assert_msg(t < 1, "a million bytes of '%s' take %.2f s", patterns[i], t);
        ms_study_finish(&st);
        free(text);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("scenario");
    TCase *t = tcase_create("scenario");
    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, reset, reset);
    suite_add_tcase(s, t);
    tcase_add_test(t, test_defaults_are_those_of_the_contract);
    tcase_add_test(t, test_presets_are_defaults_that_keys_override);
    tcase_add_test(t, test_units_and_odd_shapes);
    tcase_add_test(t, test_train_section_fills_the_training_parameters);
    tcase_add_test(t, test_aliases_bom_crlf_and_flow_are_yaml);
    tcase_add_test(t, test_errors_point_at_the_key);
    tcase_add_test(t, test_all_errors_come_at_once_in_file_order);
    tcase_add_test(t, test_hostile_files_are_refused_in_time);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}
