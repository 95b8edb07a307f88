/* scenario/: whatever the bytes are, the reader answers (a study or an error), and its answer can
 * be used. Mutations of good files by a seeded stream; run it under ASan and UBSan too. argv[1]:
 * mutations a file (default 300). */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "scenario/scenario.h"
#include "sweep/plan.h"

static int n_mutations = 300;

static const char *const seeds[] = {
    "name: a\nseed: 3\nrepeats: 2\nplatform: star-8.xml\ncluster: {gpus_per_node: 4}\n"
    "model: {preset: deepseek-v3, experts: 64, groups: 4, group_limit: 2, group_score: top2_sum}\n"
    "workload:\n  ranks: 8\n  groups: 1\n  tokens_per_rank: {mean: 128, cv: 0.5}\n  layers: all\n"
    "  pass: training\n  synchronise: layer\n"
    "routing: {popularity: {law: target, gini: 0.3, order: sorted}, drift: 0.1, capacity_factor: "
    "1.5}\n"
    "placement: {strategy: random, redundant_experts: 8, replica_choice: random}\n"
    "exchange: {algorithm: hierarchical, window: 4, deduplicate: node, forwarding: pxn}\n"
    "compute: {profile: {flops: 400Tf, bandwidth: 3TBps, floor: 2us}, dense: 5us, overlap: none}\n"
    "hardware: {dispatch_alpha: 24us, combine_alpha: 27us, message_gap: 0.05us}\n"
    "network: {model: cm02, quantum: 0, latency: flow}\ntwin: false\n"
    "faults: {stragglers: {share: 0, slowdown: 1.0, law: fixed}, links: [], jitter: {sigma: 0}}\n"
    "report: {by: platform, metric: exchange.p99_us, margin: 0.05}\n",

    "platform: &p star-8.xml\nmodel: &m {preset: olmoe-1b-7b}\n"
    "routing: {source: trace, trace: t.csv, trace_filter: {kind: top8, n: 1}, trace_axes: [layers, "
    "experts]}\n"
    "workload: {tokens_per_rank: [1, 2, 3, 4, 5, 6, 7, 8]}\n"
    "sweep:\n  platform: [*p, other.xml]\n  routing.popularity.exponent: {from: 0, to: 2, step: "
    "0.5}\n"
    "  pair: {zip: {workload.steps: [1, 2], routing.drift: [0, 1]}}\n  workload: {groups: [1, "
    "2]}\n",

    "train:\n  init: random\n  model: {family: mixtral, vocab: 256, hidden: 128, heads: 4}\n"
    "  data: {text: [a.txt, 'b.txt'], heldout: 0.1}\n"
    "  optimizer: {name: adamw, lr: 1e-3, betas: [0.9, 0.95], warmup: 50}\n"
    "  router: {name: group_limited, capacity_factor: none, groups: 4}\n"
    "  losses: {switch: 0.01, z: 1e-3}\n  normalise: hf\n",
};

static const char *const words[] = {
    "[",
    "]",
    "{",
    "}",
    ": ",
    ", ",
    "- ",
    "\n",
    "\n  ",
    "\t",
    "&a ",
    "*a",
    "!!str ",
    "<<: ",
    "? ",
    "|\n",
    ">\n",
    "---\n",
    "...\n",
    "#",
    "'",
    "\"",
    "\\x00",
    "~",
    "null",
    ".inf",
    ".nan",
    "-1",
    "0",
    "1e999",
    "9223372036854775808",
    "none",
    "all",
    "trace",
    "true",
    "%YAML 1.1\n",
    "\xEF\xBB\xBF",
    "\xff",
    "\0",
    "sweep: {zip: {a: [1]}}\n",
    "from: 1us",
    "sweep",
    "platform",
    "workload.ranks",
};

struct text {
    char b[1 << 14];
    size_t n;
};

static void replace(struct text *t, size_t at, size_t cut, const char *with, size_t n)
{
    if (at > t->n)
        at = t->n;
    if (cut > t->n - at)
        cut = t->n - at;
    if (t->n - cut + n > sizeof t->b)
        return;
    memmove(t->b + at + n, t->b + at + cut, t->n - at - cut);
    memcpy(t->b + at, with, n);
    t->n = t->n - cut + n;
}

static void mutate(struct text *t, struct ms_rng *r)
{
    uint32_t n = (uint32_t)t->n + 1;
    size_t at = ms_rng_below(r, n), from = ms_rng_below(r, n), len = ms_rng_below(r, 40);
    char piece[64];
    uint32_t w = ms_rng_below(r, sizeof words / sizeof *words);
    switch (ms_rng_below(r, 6)) {
    case 0:
        t->n = at;
        break;
    case 1:
        if (at < t->n)
            t->b[at] = (char)(t->b[at] ^ 1 << ms_rng_below(r, 8));
        break;
    case 2:
        replace(t, at, ms_rng_below(r, 4), words[w], strlen(words[w]) + !words[w][0]);
        break;
    case 3:
        replace(t, at, len, "", 0);
        break;
    case 4:
        len = from + len > t->n ? t->n - from : len;
        memcpy(piece, t->b + from, len);
        replace(t, at, 0, piece, len);
        break;
    default:
        if (at < t->n)
            t->b[at] = (char)ms_rng_below(r, 256);
    }
}

/* Read, and use all of what was read. */
static void read_and_use(const char *text, size_t n, const char *const *sets, size_t n_sets)
{
    struct ms_errs errs = {0};
    struct ms_study st = {0};
    char *copy = malloc(n + 1); /* exact, for the address sanitizer */
    memcpy(copy, text, n);
    enum ms_status s =
        ms_study_parse(&st, TEST_DATA "/bad/scenarios/fuzz.yaml", copy, n, sets, n_sets, &errs);
    free(copy);
    ck_assert(s == MS_OK || s == MS_INVALID);
    ck_assert_msg((s == MS_OK) == (errs.n == 0), "status and errors disagree");
    for (size_t i = 0; s == MS_OK && i < st.n_cases && i < 30; i++) {
        struct ms_case c = {0};
        struct ms_buf b = {0};
        struct ms_err err = {0};
        ck_assert_msg(ms_study_case(&st, i, &c, &err) == MS_OK, "a case of a good study: %s",
                      err.text);
        ms_scenario_echo(&c.s, &b, NULL);
        ms_buf_finish(&b);
        ms_case_finish(&c);
    }
    struct ms_plan plan = {0};
    struct ms_inputs inputs = {0};
    if (st.n_cases < 200)
        ms_plan_make(&plan, &st, MS_USE_ANY, false, &inputs, &errs);
    ms_plan_finish(&plan);
    ms_inputs_finish(&inputs);
    ms_errs_finish(&errs);
    ms_study_finish(&st);
}

START_TEST(test_mutated_files_get_an_answer)
{
    static struct text t;
    const char *text = seeds[_i];
    struct ms_rng r;
    for (size_t n = 0; n <= strlen(text); n += 7)
        read_and_use(text, n, NULL, 0);
    for (int m = 0; m < n_mutations; m++) {
        ms_rng_init(&r, 1, "fuzz", (uint64_t)_i, (uint64_t)m, 0);
        t.n = strlen(text);
        memcpy(t.b, text, t.n);
        for (uint32_t k = 1 + ms_rng_below(&r, 4); k > 0; k--)
            mutate(&t, &r);
        read_and_use(t.b, t.n, NULL, 0);
    }
}
END_TEST

START_TEST(test_mutated_set_arguments_get_an_answer)
{
    static const char *const good[] = {"repeats=3",
                                       "routing.popularity={law: zipf, exponent: 2}",
                                       "sweep.workload.steps=[1, 2]",
                                       "platform=star-8.xml",
                                       "sweep={}",
                                       "train.losses.z=1"};
    struct ms_rng r;
    static struct text t;
    for (int m = 0; m < n_mutations; m++) {
        ms_rng_init(&r, 1, "fuzz-set", (uint64_t)m, 0, 0);
        const char *g = good[ms_rng_below(&r, sizeof good / sizeof *good)];
        t.n = strlen(g);
        memcpy(t.b, g, t.n);
        for (uint32_t k = 1 + ms_rng_below(&r, 3); k > 0; k--)
            mutate(&t, &r);
        t.b[t.n < sizeof t.b ? t.n : sizeof t.b - 1] = 0;
        const char *set = t.b;
        read_and_use(seeds[1], strlen(seeds[1]), &set, 1);
    }
}
END_TEST

int main(int argc, char **argv)
{
    if (argc > 1)
        n_mutations = atoi(argv[1]);
    Suite *s = suite_create("scenario_fuzz");
    TCase *t = tcase_create("fuzz");
    tcase_set_timeout(t, 0);
    suite_add_tcase(s, t);
    tcase_add_loop_test(t, test_mutated_files_get_an_answer, 0, sizeof seeds / sizeof *seeds);
    tcase_add_test(t, test_mutated_set_arguments_get_an_answer);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}
