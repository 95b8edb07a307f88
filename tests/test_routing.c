/* routing/: popularity laws, the fast samplers against the definition, capacity. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "routing/capacity.h"
#include "routing/law.h"
#include "routing/preset.h"
#include "routing/sample.h"
#include "routing/sample_tables.h"
#include "law_named.h"
#include "traffic_cells.h"

static struct ms_rng stream(uint64_t seed)
{
    struct ms_rng r;
    ms_rng_init(&r, seed, "test", 0, 0, 0);
    return r;
}

static struct ms_model_shape shape(int E, int K, int groups, int limit, int score)
{
    return (struct ms_model_shape){
        .experts = E, .top_k = K, .groups = groups, .group_limit = limit, .group_score = score};
}

/* How often each expert, each pair, and each expert as the best one. */
struct tally {
    int E, n;
    double *one, *pair, *best;
};

static struct tally tally_create(int E)
{
    struct tally t = {E, 0, calloc((size_t)E, sizeof(double)),
                      calloc((size_t)E * (size_t)E, sizeof(double)),
                      calloc((size_t)E, sizeof(double))};
    return t;
}

static void tally_free(struct tally *t)
{
    free(t->one);
    free(t->pair);
    free(t->best);
}

/* Counts, and holds that every token has K different experts in at most limit groups. */
static void tally_add(struct tally *t, const struct ms_model_shape *m, int n,
                      const uint16_t *chosen)
{
    int size = m->experts / m->groups, wrong = 0;
    for (int i = 0; i < n; i++, chosen += m->top_k) {
        uint64_t groups = 0;
        t->best[chosen[0]]++;
        for (int a = 0; a < m->top_k; a++) {
            wrong += chosen[a] >= m->experts;
            groups |= 1ull << (chosen[a] / size);
            t->one[chosen[a]]++;
            for (int b = a + 1; b < m->top_k; b++) {
                wrong += chosen[a] == chosen[b];
                t->pair[chosen[a] * t->E + chosen[b]]++;
                t->pair[chosen[b] * t->E + chosen[a]]++;
            }
        }
        wrong += __builtin_popcountll(groups) > m->group_limit;
    }
    ck_assert_int_eq(wrong, 0);
    t->n += n;
}

/* Two samples of the same distribution: no cell further apart than chance, and chi-square near its
 * mean. */
static void same_cells(const char *what, const double *a, const double *b, int n_cells, double n)
{
    double sum = 0, worst = 0;
    int cells = 0;
    for (int i = 0; i < n_cells; i++) {
        double p = (a[i] + b[i]) / (2 * n), variance = 2 * n * p * (1 - p);
        if (a[i] + b[i] < 20 || variance <= 0)
            continue;
        double z2 = (a[i] - b[i]) * (a[i] - b[i]) / variance;
        sum += z2;
        worst = fmax(worst, z2);
        cells++;
    }
    ck_assert_msg(worst < 4.6 * 4.6, "%s: a cell is %.1f standard deviations off", what,
                  sqrt(worst));
    /* Cells of one token depend on each other and pairs are there twice: twice the variance of
     * chi-square, at least. */
    ck_assert_msg(sum <= cells + 6 * sqrt(4.0 * cells), "%s: chi-square %.0f over %d cells", what,
                  sum, cells);
}

static void fast_equals_plain(const char *what, struct ms_model_shape m, const double *w, int n)
{
    struct tally plain = tally_create(m.experts), fast = tally_create(m.experts);
    uint16_t *chosen = malloc((size_t)n * (size_t)m.top_k * sizeof *chosen);
    double *score = malloc((size_t)m.experts * sizeof *score);
    struct ms_rng r = stream(11);
    ms_sample_plain(&m, w, &r, n, chosen, score);
    tally_add(&plain, &m, n, chosen);
    struct ms_sampler *s = ms_sampler_create(&m);
    ck_assert_int_eq(ms_sampler_set(s, w, false, NULL), MS_OK);
    ms_sampler_begin(s, stream(12));
    ms_sampler_draw(s, n, chosen, NULL);
    tally_add(&fast, &m, n, chosen);
    same_cells(what, plain.one, fast.one, m.experts, n);
    same_cells(what, plain.pair, fast.pair, m.experts * m.experts, n);
    same_cells(what, plain.best, fast.best, m.experts, n);
    ms_sampler_destroy(s);
    tally_free(&plain);
    tally_free(&fast);
    free(chosen);
    free(score);
}

static void law_weights(const char *law, const char *key, const char *value, int E, int K,
                        double *w)
{
    struct ms_popularity p = law_named(law, key, value);
    struct ms_err err = {0};
    struct ms_rng r = stream(5);
    ck_assert_msg(ms_law_draw(&p, p.order, E, K, &r, w, &err) == MS_OK, "%s", err.text);
}

START_TEST(test_fast_sampling_is_the_definition_in_distribution)
{
    enum { E = 16, N = 60000 };
    double even[E], uneven[E], steep[E];
    law_weights("uniform", NULL, NULL, E, 4, even);
    law_weights("lognormal", "sigma", "1", E, 4, uneven);
    law_weights("zipf", "exponent", "2.5", E, 4, steep);
    const double *weights[] = {even, uneven, steep};
    const char *names[] = {"uniform", "lognormal", "zipf 2.5"};
    for (int i = 0; i < 3; i++) {
        fast_equals_plain(names[i], shape(E, 4, 1, 1, MS_GROUP_MAX), weights[i], N);
        fast_equals_plain(names[i], shape(E, 4, 4, 2, MS_GROUP_MAX), weights[i], N);
        fast_equals_plain(names[i], shape(E, 4, 4, 2, MS_GROUP_TOP2_SUM), weights[i], N);
    }
    fast_equals_plain("all of two groups", shape(E, 8, 4, 2, MS_GROUP_TOP2_SUM), uneven, N);
    fast_equals_plain("one group", shape(E, 3, 8, 2, MS_GROUP_TOP2_SUM), uneven, N);
    fast_equals_plain("one expert", shape(E, 1, 8, 3, MS_GROUP_MAX), steep, N);
}
END_TEST

START_TEST(test_fast_sampling_at_real_size)
{
    enum { E = 256, N = 12000 };
    double w[E];
    law_weights("lognormal", "sigma", "1", E, 8, w);
    fast_equals_plain("deepseek max", shape(E, 8, 8, 4, MS_GROUP_MAX), w, N);
    fast_equals_plain("deepseek top2_sum", shape(E, 8, 8, 4, MS_GROUP_TOP2_SUM), w, N);
}
END_TEST

/* Wide registers are only faster: every width draws the same experts, of tokens that fill no vector
 * as well, where most draws have to be repeated, and where tables do and do not fit registers. */
static void same_at_every_width(struct ms_model_shape m, const char *exponent)
{
    enum { MOST_E = 512, N = 1000 };
    double w[MOST_E];
    size_t bytes = (size_t)N * (size_t)m.top_k * sizeof(uint16_t);
    law_weights("zipf", "exponent", exponent, m.experts, m.top_k, w);
    uint16_t *plain = malloc(bytes), *wide = malloc(bytes);
    struct ms_sampler *s = ms_sampler_create(&m);
    ck_assert_int_eq(ms_sampler_set(s, w, false, NULL), MS_OK);
    for (int width = 0; width < MS_VECTOR_WIDTHS; width++) {
        if (!ms_vector_ops_of(width))
            continue;
        s->ops = ms_vector_ops_of(width);
        ms_sampler_begin(s, stream(3));
        ms_sampler_draw(s, N, width == 0 ? plain : wide, NULL);
        if (width > 0)
            ck_assert_mem_eq(plain, wide, bytes);
    }
    ms_sampler_destroy(s);
    free(plain);
    free(wide);
}

START_TEST(test_fast_sampling_is_the_same_at_every_vector_width)
{
    same_at_every_width(shape(64, 6, 8, 3, MS_GROUP_TOP2_SUM), "2.5");
    same_at_every_width(shape(256, 8, 8, 4, MS_GROUP_TOP2_SUM), "1");
    same_at_every_width(shape(256, 8, 8, 4, MS_GROUP_TOP2_SUM), "9"); /* most of them never come */
    same_at_every_width(shape(512, 8, 8, 5, MS_GROUP_TOP2_SUM), "0.3"); /* 64 of a group */
    same_at_every_width(shape(192, 7, 4, 2, MS_GROUP_TOP2_SUM), "1");   /* 48 */
    same_at_every_width(shape(128, 8, 64, 9, MS_GROUP_TOP2_SUM), "1");  /* 64 groups of 2 */
}
END_TEST

START_TEST(test_one_overwhelming_expert_leaves_room_for_the_others)
{
    enum { E = 32, N = 12000 };
    double w[E];
    for (int e = 0; e < E; e++)
        w[e] = e == 7 ? 1 - 1e-7 : 1e-7 / (E - 1);
    fast_equals_plain("no groups", shape(E, 4, 1, 1, MS_GROUP_MAX), w, N);
    fast_equals_plain("max", shape(E, 4, 4, 2, MS_GROUP_MAX), w, N);
    fast_equals_plain("top2_sum", shape(E, 4, 4, 2, MS_GROUP_TOP2_SUM), w, N);
}
END_TEST

/* arXiv on OLMoE, layer 0: the hottest expert is in 97.7 % of all tokens. */
static void hot_frequencies(double *f, int E, int K, double top)
{
    double rest = 0;
    for (int e = 0; e < E; e++) {
        f[e] = e == 3 ? 0 : exp(-0.05 * e);
        rest += f[e];
    }
    for (int e = 0; e < E; e++)
        f[e] = e == 3 ? top / K : f[e] / rest * (1 - top / K);
}

static void inclusion_is_exact(struct ms_model_shape m, double top, int n)
{
    double f[256];
    hot_frequencies(f, m.experts, m.top_k, top);
    struct ms_sampler *s = ms_sampler_create(&m);
    struct tally t = tally_create(m.experts);
    struct ms_err err = {0};
    uint16_t *chosen = malloc((size_t)n * (size_t)m.top_k * sizeof *chosen);
    ck_assert_msg(ms_sampler_set(s, f, true, &err) == MS_OK, "%s", err.text);
    ms_sampler_begin(s, stream(21));
    ms_sampler_draw(s, n, chosen, NULL);
    tally_add(&t, &m, n, chosen);
    for (int e = 0; e < m.experts; e++) {
        double pi = f[e] * m.top_k, sd = sqrt(n * pi * (1 - pi));
        ck_assert_msg(fabs(t.one[e] - n * pi) < 5 * sd + 1, "expert %d: %g of %g +- %g", e,
                      t.one[e], n * pi, sd);
    }
    ck_assert_double_eq_tol(t.one[3] / (n * top), 1, 0.005);
    ms_sampler_destroy(s);
    tally_free(&t);
    free(chosen);
}

START_TEST(test_inclusion_frequencies_are_exact)
{
    inclusion_is_exact(shape(64, 8, 1, 1, MS_GROUP_MAX), 0.977, 100000);
    inclusion_is_exact(shape(256, 8, 1, 1, MS_GROUP_MAX), 0.5, 100000);
    inclusion_is_exact(shape(8, 2, 1, 1, MS_GROUP_MAX), 0.4, 100000);
    inclusion_is_exact(shape(256, 8, 8, 4, MS_GROUP_TOP2_SUM), 0.4, 100000);
    inclusion_is_exact(shape(64, 6, 8, 3, MS_GROUP_MAX), 0.3, 100000);
}
END_TEST

START_TEST(test_noise_on_counts_would_flatten_what_inclusion_keeps)
{
    enum { E = 64, K = 8, N = 100000 };
    struct ms_model_shape m = shape(E, K, 1, 1, MS_GROUP_MAX);
    double f[E], most[2] = {0};
    law_weights("target", "max_over_mean", "6", E, K, f);
    uint16_t *chosen = malloc(N * K * sizeof *chosen);
    for (int inclusion = 0; inclusion < 2; inclusion++) {
        struct ms_sampler *s = ms_sampler_create(&m);
        struct tally t = tally_create(E);
        ck_assert_int_eq(ms_sampler_set(s, f, inclusion, NULL), MS_OK);
        ms_sampler_begin(s, stream(31));
        ms_sampler_draw(s, N, chosen, NULL);
        tally_add(&t, &m, N, chosen);
        for (int e = 0; e < E; e++)
            most[inclusion] = fmax(most[inclusion], t.one[e] * E / ((double)N * K));
        tally_free(&t);
        ms_sampler_destroy(s);
    }
    ck_assert_double_lt(most[0], 5);
    ck_assert_double_eq_tol(most[1], 6, 6 * 0.005);
    free(chosen);
}
END_TEST

START_TEST(test_impossible_frequencies_are_refused)
{
    double f[64];
    struct ms_err err = {0};
    struct ms_model_shape m = shape(64, 8, 1, 1, MS_GROUP_MAX),
                          g = shape(64, 8, 8, 4, MS_GROUP_MAX);
    hot_frequencies(f, 64, 8, 1.2);
    struct ms_sampler *s = ms_sampler_create(&m);
    ck_assert_int_eq(ms_sampler_set(s, f, true, &err), MS_INVALID);
    ck_assert_msg(strstr(err.text, "expert 3") != NULL && strstr(err.text, "more than one") != NULL,
                  "%s", err.text);
    ms_sampler_destroy(s);
    hot_frequencies(f, 64, 8, 0.99);
    for (int e = 0; e < 8; e++)
        f[e] = e == 3 ? f[e] : 0;
    for (int e = 8; e < 64; e++)
        f[e] = (1 - f[3]) / 56;
    s = ms_sampler_create(&g);
    err = (struct ms_err){0};
    ck_assert_int_eq(ms_sampler_set(s, f, true, &err), MS_INVALID);
    ck_assert_msg(strstr(err.text, "groups: 1") != NULL, "%s", err.text);
    ms_sampler_destroy(s);
}
END_TEST

/* DeepEP's test gating, scores |N(0,1)| + 1 per token and expert: nodes and ranks a token reaches. */
static void reached(int ranks, bool plain, double *nodes, double *per_rank)
{
    enum { E = 256, K = 8, N = 8000 };
    int n_nodes = ranks / 8;
    struct ms_model_shape m = shape(E, K, n_nodes, n_nodes < 4 ? n_nodes : 4, MS_GROUP_MAX);
    struct ms_rng r = stream(41);
    struct ms_sampler *s = ms_sampler_create(&m);
    uint16_t *chosen = malloc(N * K * sizeof *chosen);
    double score[E];
    for (int e = 0; e < E; e++)
        score[e] = 1.0 / E;
    ck_assert_int_eq(ms_sampler_set(s, score, false, NULL), MS_OK);
    ms_sampler_begin(s, r);
    ms_sampler_draw(s, N, chosen, NULL);
    for (int t = 0; t < N && plain; t++) {
        for (int e = 0; e < E; e++)
            score[e] = fabs(ms_rng_normal(&r)) + 1;
        ms_select_top(&m, score, chosen + (size_t)t * K);
    }
    double node_sum = 0, rank_sum = 0;
    for (int t = 0; t < N; t++) {
        uint64_t node = 0, rank = 0;
        for (int k = 0; k < K; k++) {
            int x = chosen[t * K + k] / (E / ranks);
            rank |= 1ull << x;
            node |= 1ull << (x / 8);
        }
        node_sum += __builtin_popcountll(node);
        rank_sum += __builtin_popcountll(rank);
    }
    *nodes = node_sum / N;
    *per_rank = rank_sum / N;
    ms_sampler_destroy(s);
    free(chosen);
}

START_TEST(test_deepep_gating_reaches_as_many_nodes_and_ranks_as_published)
{
    static const struct {
        int ranks;
        double nodes, per_rank;
    } known[] = {{16, 1.993, 6.518}, {32, 3.615, 7.262}, {64, 3.982, 7.478}};
    for (int i = 0; i < 3; i++)
        for (int plain = 0; plain < 2; plain++) {
            double nodes, per_rank;
            reached(known[i].ranks, plain, &nodes, &per_rank);
            ck_assert_double_eq_tol(nodes / known[i].nodes, 1, 0.01);
            ck_assert_double_eq_tol(per_rank / known[i].per_rank, 1, 0.01);
        }
}
END_TEST

START_TEST(test_every_law_gives_a_popularity)
{
    enum { E = 64, K = 8 };
    for (int i = 0; ms_laws()[i] != NULL; i++) {
        const struct ms_law *law = ms_laws()[i];
        double a[E], b[E], sum = 0;
        bool target = law->inclusion;
        law_weights(law->name, target ? "gini" : NULL, "0.3", E, K, a);
        law_weights(law->name, target ? "gini" : NULL, "0.3", E, K, b);
        ck_assert_msg(memcmp(a, b, sizeof a) == 0, "%s depends on more than its stream", law->name);
        for (int e = 0; e < E; e++) {
            ck_assert_msg(a[e] > 0 && (!law->inclusion || a[e] <= 1.0 / K + 1e-12), "%s",
                          law->name);
            sum += a[e];
        }
        ck_assert_double_eq_tol(sum, 1, 1e-9);
    }
    for (const struct ms_law_preset *p = ms_law_presets(); p->name != NULL; p++) {
        double w[256];
        law_weights(p->name, NULL, NULL, 256, K, w);
    }
}
END_TEST

START_TEST(test_targets_are_met)
{
    enum { E = 64, K = 8 };
    for (int i = 0; i < 6; i++) {
        double f[E], top = 0, gini = 0;
        const char *text = (const char *[]){"0.05", "0.3", "0.6", "0.85", "1.1", "7.9"}[i];
        double wish = strtod(text, NULL);
        law_weights("target", i < 4 ? "gini" : "max_over_mean", text, E, K, f);
        for (int a = 0; a < E; a++) {
            top = fmax(top, f[a] * E);
            for (int b = 0; b < E; b++)
                gini += fabs(f[a] - f[b]) / (2 * E);
        }
        double met = i < 4 ? gini : top;
        ck_assert_double_eq_tol(met, wish, 1e-6);
    }
}
END_TEST

/* max/mean of rank loads, contiguous placement. */
static double rank_max_over_mean(const double *f, int E, int G)
{
    double top = 0;
    for (int r = 0; r < G; r++) {
        double sum = 0;
        for (int e = r * E / G; e < (r + 1) * E / G; e++)
            sum += f[e];
        top = fmax(top, sum * G);
    }
    return top;
}

START_TEST(test_sorted_zipf_puts_all_hot_experts_on_one_rank)
{
    enum { E = 256, G = 64, N = 400 };
    struct ms_popularity p = law_named("zipf", NULL, NULL);
    double f[E], shuffled = 0;
    struct ms_rng r = stream(51);
    ms_law_draw(&p, MS_ORDER_SORTED, E, 1, &r, f, NULL);
    ck_assert_double_eq_tol(rank_max_over_mean(f, E, G), 21.8, 0.05);
    for (int i = 0; i < N; i++) {
        ms_law_draw(&p, MS_ORDER_SHUFFLED, E, 1, &r, f, NULL);
        shuffled += rank_max_over_mean(f, E, G) / N;
    }
    ck_assert_double_eq_tol(shuffled, 11.1, 0.1);
}
END_TEST

START_TEST(test_laws_that_the_model_cannot_have_say_what_is_allowed)
{
    static const struct {
        const char *law, *key, *value;
        const char *says, *at;
    } bad[] = {
        {"hotspot", "experts", "64", "64 hot experts, but the model has 64",
         "routing.popularity.experts"},
        {"target", "max_over_mean", "9", "at most 8", "routing.popularity.max_over_mean"},
        {"target", NULL, NULL, "exactly one of gini and max_over_mean", "routing.popularity"},
        {"collapse", NULL, NULL, "at most 8", "routing.popularity.max_over_mean"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct ms_popularity p = law_named(bad[i].law, bad[i].key, bad[i].value);
        double f[64];
        struct ms_err err = {0};
        struct ms_rng r = stream(1);
        ck_assert_int_eq(ms_law_draw(&p, 0, 64, 8, &r, f, &err), MS_INVALID);
        ck_assert_msg(strstr(err.text, bad[i].says) != NULL, "%s", err.text);
        ck_assert_str_eq(err.key, bad[i].at);
    }
}
END_TEST

/* A law's parameters and a preset's value stand in its struct by name, in their ranges. */
START_TEST(test_presets_are_points_of_their_law)
{
    struct ms_arena arena = {0};
    struct ms_popularity p;
    struct ms_err err = {0};
    for (const struct ms_law_preset *k = ms_law_presets(); k->name; k++) {
        ck_assert_int_eq(ms_popularity_init(&p, k->name, true, &arena, &err), MS_OK);
        ck_assert_str_eq(p.law->name, k->law);
        const struct ms_field *f = ms_field_find(p.law->fields, k->key);
        ck_assert_double_eq(*(double *)((char *)p.params + f->offset), strtod(k->value, NULL));
    }
    ck_assert_int_eq(ms_popularity_init(&p, "lognorml", true, &arena, &err), MS_INVALID);
    ck_assert_str_eq(err.key, "routing.popularity.law");
    ms_arena_finish(&arena);
}
END_TEST

START_TEST(test_capacity_drops_the_surplus_and_nothing_else)
{
    enum { E = 16, K = 4, N = 1000 };
    struct ms_model_shape m = shape(E, K, 1, 1, MS_GROUP_MAX);
    double w[E];
    law_weights("lognormal", "sigma", "1.5", E, K, w);
    for (int policy = 0; policy < 2; policy++) {
        uint16_t before[N * K], after[N * K];
        float prob[N * K];
        struct ms_sampler *s = ms_sampler_create(&m);
        ms_sampler_set(s, w, false, NULL);
        ms_sampler_begin(s, stream(61));
        ms_sampler_draw(s, N, before, prob);
        ms_sampler_destroy(s);
        memcpy(after, before, sizeof after);
        int64_t C = ms_capacity(1.25, K, N, E), dropped;
        ck_assert_int_eq(C, 313);
        struct ms_capacity_problem p = {.n_holders = E,
                                        .most = C,
                                        .policy = policy,
                                        .n = N * K,
                                        .holder = before,
                                        .prob = prob};
        ck_assert_int_eq(ms_capacity_drop(&p, E, after, &dropped, NULL), MS_OK);
        int64_t gone = 0;
        for (int e = 0; e < E; e++) {
            int64_t had = 0, kept = 0;
            float least_kept = 2, most_dropped = -1;
            int last_kept = -1, first_dropped = N * K;
            for (int i = 0; i < N * K; i++) {
                if (before[i] != e)
                    continue;
                ck_assert(after[i] == e || after[i] == E);
                had++;
                kept += after[i] == e;
                if (after[i] == e) {
                    least_kept = fminf(least_kept, prob[i]);
                    last_kept = i;
                } else {
                    most_dropped = fmaxf(most_dropped, prob[i]);
                    first_dropped = first_dropped < i ? first_dropped : i;
                }
            }
            ck_assert_int_eq(kept, had < C ? had : C);
            ck_assert(policy == MS_DROP_PROBS ? least_kept >= most_dropped
                                              : last_kept < first_dropped || kept == had);
            gone += had - kept;
        }
        ck_assert_int_eq(gone, dropped);
        ck_assert_int_gt(gone, 0);
    }
    ck_assert_int_eq(ms_capacity(1.1, 1, 100, 10), 11);
}
END_TEST

/* Asking for probabilities moves no choice, whatever is drawn behind it. */
START_TEST(test_probabilities_move_no_choice)
{
    enum { N = 1500, K = 8 };
    const struct ms_model_shape *m = &ms_model_preset_find("deepseek-v3")->shape;
    double w[256];
    uint16_t plain[N * K], with[N * K];
    float prob[N * K];
    struct ms_sampler *s = ms_sampler_create(m);
    for (int inclusion = 0; inclusion < 2; inclusion++) {
        law_weights(inclusion ? "target" : "lognormal", inclusion ? "max_over_mean" : NULL,
                    inclusion ? "3" : NULL, 256, 8, w);
        ck_assert_int_eq(ms_sampler_set(s, w, inclusion, NULL), MS_OK);
        ms_sampler_begin(s, stream(83));
        ms_sampler_draw(s, N, plain, NULL);
        ms_sampler_begin(s, stream(83));
        ms_sampler_draw(s, N, with, prob);
        ck_assert_mem_eq(plain, with, sizeof plain);
    }
    ms_sampler_destroy(s);
}
END_TEST

START_TEST(test_bulk_words_are_the_stream)
{
    struct ms_rng a = stream(71), b = stream(71);
    uint32_t words[4 * 77];
    a.ctr[0] = b.ctr[0] = 0xfffffff0u; /* the carry into the second counter word too */
    ms_rng_fill(&a, words, 77);
    for (int i = 0; i < 4 * 77; i++)
        ck_assert_uint_eq(words[i], ms_rng_u32(&b));
    ck_assert_uint_eq(ms_rng_u32(&a), ms_rng_u32(&b));
}
END_TEST

START_TEST(test_tokens_do_not_depend_on_how_many_are_asked_at_once)
{
    enum { N = 1500 };
    const struct ms_model_shape *m = &ms_model_preset_find("deepseek-v3")->shape;
    double w[256];
    law_weights("lognormal", NULL, NULL, 256, 8, w);
    uint16_t once[N * 8], parts[N * 8];
    struct ms_sampler *s = ms_sampler_create(m);
    for (int inclusion = 0; inclusion < 2; inclusion++) {
        if (inclusion)
            law_weights("target", "max_over_mean", "3", 256, 8, w);
        ck_assert_int_eq(ms_sampler_set(s, w, inclusion, NULL), MS_OK);
        ms_sampler_begin(s, stream(81));
        ms_sampler_draw(s, N, once, NULL);
        ms_sampler_begin(s, stream(81));
        for (int t = 0; t < N; t += MS_SAMPLE_BLOCK)
            ms_sampler_draw(s, N - t < MS_SAMPLE_BLOCK ? N - t : MS_SAMPLE_BLOCK,
                            parts + (size_t)t * 8, NULL);
        ck_assert_mem_eq(once, parts, sizeof once);
    }
    ms_sampler_destroy(s);
}
END_TEST

START_TEST(test_model_presets_are_sound)
{
    for (const struct ms_model_preset *p = ms_model_presets(); p->name != NULL; p++) {
        struct ms_err err = {0};
        ck_assert_msg(ms_shape_check(&p->shape, &err) == MS_OK, "%s: %s", p->name, err.text);
        ck_assert(p->shape.hidden > 0 && p->shape.moe_layers > 0 && p->source[0] != '\0');
        ck_assert_ptr_eq(ms_model_preset_find(p->name), p);
    }
    ck_assert_ptr_null(ms_model_preset_find("deepseek"));
}
END_TEST

/* Rows hold what was said of a table, and columns read them the other way round; pairs of nothing take no
 * memory. */
START_TEST(test_rows_and_columns_are_the_table)
{
    enum { G = 40 };
    struct ms_rng r;
    ms_rng_init(&r, 1, "rows", 0, 0, 0);
    for (int round = 0; round < 60; round++) {
        struct ms_arena arena = {0};
        struct ms_traffic t;
        struct cells c = cells_new(G);
        ck_assert(ms_traffic_init(&t, &arena, G, 1, G, G));
        for (int i = 0; i < G * G; i++) {
            uint32_t n = ms_rng_below(&r, 4); /* all rows full, none, or some of each */
            bool some = round % 3 == 0 || (round % 3 == 1 && !ms_rng_below(&r, (uint32_t)round));
            c.selections[i] = some ? n + 1 : 0;
            c.copies[i] = some ? round % 2 ? n + 1 : 1 : 0;
        }
        cells_seal(&c, &t);
        struct cells back = cells_of(&t);
        ck_assert_mem_eq(back.selections, c.selections, sizeof(double[G * G]));
        ck_assert_mem_eq(back.copies, c.copies, sizeof(double[G * G]));
        struct ms_traffic_columns column;
        ck_assert(ms_traffic_columns_init(&column, &arena, &t));
        size_t n = 0;
        for (int d = 0; d < G; d++) {
            int at = 0;
            ms_traffic_columns_next(&column, d);
            for (int s = 0; s < G; s++) {
                ck_assert(ms_traffic_selections(&t, s, d) == c.selections[s * G + d]);
                ck_assert(ms_traffic_copies(&t, s, d) == c.copies[s * G + d]);
                if (c.selections[s * G + d] == 0)
                    continue;
                ck_assert_uint_eq(column.source[at], (uint32_t)s);
                ck_assert(t.row[s].copies[column.entry[at++]] == c.copies[s * G + d]);
                n++;
            }
            ck_assert_int_eq(at, column.n);
        }
        ck_assert_uint_eq(n, ms_traffic_pairs(&t));
        cells_finish(&c);
        cells_finish(&back);
        ms_arena_finish(&arena);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("routing");
    TCase *t = tcase_create("routing");
    suite_add_tcase(s, t);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, test_fast_sampling_is_the_definition_in_distribution);
    tcase_add_test(t, test_fast_sampling_at_real_size);
    tcase_add_test(t, test_fast_sampling_is_the_same_at_every_vector_width);
    tcase_add_test(t, test_one_overwhelming_expert_leaves_room_for_the_others);
    tcase_add_test(t, test_inclusion_frequencies_are_exact);
    tcase_add_test(t, test_noise_on_counts_would_flatten_what_inclusion_keeps);
    tcase_add_test(t, test_impossible_frequencies_are_refused);
    tcase_add_test(t, test_deepep_gating_reaches_as_many_nodes_and_ranks_as_published);
    tcase_add_test(t, test_every_law_gives_a_popularity);
    tcase_add_test(t, test_targets_are_met);
    tcase_add_test(t, test_sorted_zipf_puts_all_hot_experts_on_one_rank);
    tcase_add_test(t, test_laws_that_the_model_cannot_have_say_what_is_allowed);
    tcase_add_test(t, test_presets_are_points_of_their_law);
    tcase_add_test(t, test_capacity_drops_the_surplus_and_nothing_else);
    tcase_add_test(t, test_probabilities_move_no_choice);
    tcase_add_test(t, test_bulk_words_are_the_stream);
    tcase_add_test(t, test_tokens_do_not_depend_on_how_many_are_asked_at_once);
    tcase_add_test(t, test_model_presets_are_sound);
    tcase_add_test(t, test_rows_and_columns_are_the_table);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}
