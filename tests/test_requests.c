/* demand/requests: which request every token belongs to, against the theory of renewal processes;
 * and what the tokens of requests choose. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "demand/demand.h"
#include "demand/requests.h"
#include "routing/inclusion.h"
#include "routing/law.h"
#include "routing/preset.h"
#include "routing/sample.h"

enum { SLOTS = 64, GROUP = 16 };

/** Batches of one repeat of a small problem. */
struct batches {
    struct ms_request_params params;
    double weight[8];
    int64_t *tokens;
    struct ms_requests_problem p;
    struct ms_arena arena;
    struct ms_requests r;
};

static void batches_init(struct batches *b, int steps, int domains)
{
    *b = (struct batches){.params = {.phase = MS_REQUESTS_DECODE,
                                     .length = {.mean = 20, .cv = 1},
                                     .mix = {.concentration = INFINITY, .persistence = 1}}};
    b->tokens = malloc((size_t)steps * GROUP * sizeof *b->tokens);
    for (int i = 0; i < steps * GROUP; i++)
        b->tokens[i] = SLOTS;
    for (int d = 0; d < domains; d++)
        b->weight[d] = 1.0 / domains;
    b->p = (struct ms_requests_problem){.params = &b->params,
                                        .n_steps = steps,
                                        .n_groups = 1,
                                        .n_ranks = GROUP,
                                        .n_domains = domains,
                                        .weight = b->weight,
                                        .tokens = b->tokens,
                                        .seed = 3};
}

static void draw(struct batches *b, int repeat)
{
    struct ms_err err = {0};
    b->p.repeat = repeat;
    ck_assert_msg(ms_requests_draw(&b->p, &b->arena, &b->r, &err) == MS_OK, "%s", err.text);
}

static void batches_finish(struct batches *b)
{
    ms_arena_finish(&b->arena);
    free(b->tokens);
}

static const struct ms_run *run_of(const struct batches *b, int step, int i)
{
    return &b->r.run[(size_t)step * GROUP * SLOTS + (size_t)i];
}

static int domain_of(const struct ms_run *run)
{
    return (int)(run->request / MS_VARIANTS);
}

/* E[n], E[n^2] and E[(n - k)+] of lengths, from many. */
static void moments(const struct ms_request_params *p, double *mean, double *square, const int *lag,
                    int n_lags, double *left)
{
    enum { N = 500000 };
    struct ms_rng rng;
    ms_rng_init(&rng, 9, "lengths", 0, 0, 0);
    *mean = *square = 0;
    for (int i = 0; i < n_lags; i++)
        left[i] = 0;
    for (int i = 0; i < N; i++) {
        double n = ms_request_length(p, &rng);
        *mean += n / N;
        *square += n * n / N;
        for (int k = 0; k < n_lags; k++)
            left[k] += fmax(n - lag[k], 0) / N;
    }
}

/* Slots are found as a steady stream leaves them: the mean age is (E[n^2] / E[n] - 1) / 2 at the
 * first step, at any later one, and whether a run is short or long. */
START_TEST(test_ages_are_stationary)
{
    double sum[3] = {0}, mean, square, left;
    int steps[3] = {0, 30, 199}, n = 0;
    struct batches b;
    batches_init(&b, 200, 4);
    b.params.length.cv = 0.7;
    moments(&b.params, &mean, &square, &(int){1}, 1, &left);
    for (int repeat = 0; repeat < 30; repeat++) {
        draw(&b, repeat);
        for (int i = 0; i < GROUP * SLOTS; i++, n++)
            for (int k = 0; k < 3; k++)
                sum[k] += run_of(&b, steps[k], i)->first;
        ms_arena_reset(&b.arena);
    }
    for (int k = 0; k < 3; k++)
        ck_assert_double_eq_tol(sum[k] / n / ((square / mean - 1) / 2), 1, 0.02);
    batches_finish(&b);
}
END_TEST

/* Correlation of "this slot is of domain 0" over lags: the chance that the request is still the
 * same, E[(n - k)+] / E[n]. */
START_TEST(test_domains_stay_as_long_as_requests)
{
    enum { STEPS = 400, LAGS = 3 };
    const int lag[LAGS] = {1, 10, 100};
    double mean, square, left[LAGS], both[LAGS] = {0}, one = 0, all = 0;
    struct batches b;
    batches_init(&b, STEPS, 4);
    b.params.length.mean = 60;
    moments(&b.params, &mean, &square, lag, LAGS, left);
    for (int repeat = 0; repeat < 12; repeat++) {
        draw(&b, repeat);
        for (int step = 0; step < STEPS; step++)
            for (int i = 0; i < GROUP * SLOTS; i++, all++) {
                double x = domain_of(run_of(&b, step, i)) == 0;
                one += x;
                for (int k = 0; k < LAGS && step + lag[k] < STEPS; k++)
                    both[k] += x * (domain_of(run_of(&b, step + lag[k], i)) == 0);
            }
        ms_arena_reset(&b.arena);
    }
    double p = one / all;
    ck_assert_double_eq_tol(p, 0.25, 0.01);
    for (int k = 0; k < LAGS; k++) {
        double n = 0;
        for (int step = 0; step + lag[k] < STEPS; step++)
            n += 12.0 * GROUP * SLOTS;
        double correlation = (both[k] / n - p * p) / (p * (1 - p));
        ck_assert_double_eq_tol(correlation, left[k] / mean, 0.02);
    }
    batches_finish(&b);
}
END_TEST

/* Shares that move: their variance is the Dirichlet's, and they last as long as they should, into
 * the past too (what a slot holds at first arrived then). */
START_TEST(test_the_mix_moves_as_it_should)
{
    enum { STEPS = 400, LAG = 10 };
    static const double persistence[2] = {1, 20};
    for (int k = 0; k < 2; k++) {
        double mean = 0, square = 0, product = 0, n = 0, pairs = 0;
        struct batches b;
        batches_init(&b, STEPS, 4);
        b.params.phase = MS_REQUESTS_DECODE;
        b.params.length = (struct ms_request_length){1, 0}; /* a request a token: shares show */
        b.params.mix = (struct ms_request_mix){1, persistence[k]};
        for (int repeat = 0; repeat < 60; repeat++) {
            double share[STEPS];
            draw(&b, repeat);
            for (int step = 0; step < STEPS; step++) {
                share[step] = 0;
                for (int i = 0; i < GROUP * SLOTS; i++)
                    share[step] += (domain_of(run_of(&b, step, i)) == 0) / (double)(GROUP * SLOTS);
                mean += share[step];
                square += share[step] * share[step];
                n++;
                product += step >= LAG ? share[step] * share[step - LAG] : 0;
                pairs += step >= LAG;
            }
            ms_arena_reset(&b.arena);
        }
        mean /= n;
        double variance = square / n - mean * mean;
        double theory = 0.25 * 0.75 / 2; /* w (1 - w) / (concentration + 1) */
        ck_assert_double_eq_tol(mean, 0.25, k ? 0.02 : 0.005);
        ck_assert_double_eq_tol(variance / theory, 1, k ? 0.08 : 0.02);
        ck_assert_double_eq_tol((product / pairs - mean * mean) / variance,
                                pow(1 - 1 / persistence[k], LAG), 0.06);
        batches_finish(&b);
    }
}
END_TEST

/* Each domain at its own ranks, in proportion to its weight, others nowhere. */
START_TEST(test_affinity_gives_domains_their_ranks)
{
    struct batches b;
    batches_init(&b, 3, 4);
    b.params.affinity = 1;
    b.weight[0] = 0.5;
    b.weight[1] = 0.25;
    b.weight[2] = b.weight[3] = 0.125;
    draw(&b, 0);
    for (int step = 0; step < 3; step++)
        for (int i = 0; i < GROUP * SLOTS; i++) {
            int rank = i / SLOTS, want = rank < 8 ? 0 : rank < 12 ? 1 : rank < 14 ? 2 : 3;
            ck_assert_int_eq(domain_of(run_of(&b, step, i)), want);
        }
    batches_finish(&b);
}
END_TEST

/* Prefill: every rank exactly full, whole prompts of the right mean but for the cut ones. */
START_TEST(test_prefill_packs_whole_prompts)
{
    struct batches b;
    batches_init(&b, 50, 4);
    b.params.phase = MS_REQUESTS_PREFILL;
    b.params.length = (struct ms_request_length){100, 0.5};
    for (int i = 0; i < 50 * GROUP; i++)
        b.tokens[i] = 4096;
    draw(&b, 0);
    double sum = 0, n = 0;
    for (int row = 0; row < 50 * GROUP; row++) {
        int64_t total = 0;
        for (size_t i = b.r.start[row]; i < b.r.start[row + 1]; i++) {
            total += b.r.run[i].n_tokens;
            if (i + 1 < b.r.start[row + 1]) {
                sum += b.r.run[i].n_tokens;
                n++;
            }
        }
        ck_assert_int_eq(total, 4096);
    }
    ck_assert_double_eq_tol(sum / n, 100, 2.5); /* long ones are cut a little more often */
    batches_finish(&b);
}
END_TEST

/* Recorded requests: tokens of one request follow each other to its end; in prefill none comes
 * again before all have been there. */
START_TEST(test_recorded_requests_run_their_course)
{
    enum { N = 200, EACH = 16 };
    int domain[N];
    for (int i = 0; i < N; i++)
        domain[i] = i % 4;
    for (int phase = MS_REQUESTS_DECODE; phase <= MS_REQUESTS_PREFILL; phase++) {
        struct batches b;
        batches_init(&b, 40, 4);
        b.params.phase = phase;
        b.p.recorded = domain;
        b.p.n_recorded = N;
        b.p.recorded_tokens = EACH;
        draw(&b, 0);
        int seen[N] = {0}, most = 0, least = 1000;
        for (int i = 0; i < GROUP * SLOTS && phase == MS_REQUESTS_DECODE; i++)
            for (int step = 1; step < 40; step++) {
                const struct ms_run *was = run_of(&b, step - 1, i), *is = run_of(&b, step, i);
                ck_assert_int_lt(is->first, EACH);
                if (is->first > 0)
                    ck_assert(is->request == was->request && is->first == was->first + 1);
                else
                    ck_assert_int_eq(was->first, EACH - 1);
            }
        for (size_t i = 0; i < b.r.start[40 * GROUP] && phase == MS_REQUESTS_PREFILL; i++)
            seen[b.r.run[i].request]++;
        for (int i = 0; i < N && phase == MS_REQUESTS_PREFILL; i++) {
            most = seen[i] > most ? seen[i] : most;
            least = seen[i] < least ? seen[i] : least;
        }
        if (phase == MS_REQUESTS_PREFILL)
            ck_assert_int_le(most - least, 20); /* by domain weight: 12.8 times each on average */
        batches_finish(&b);
    }
}
END_TEST

/* min(1, s w): sums to top_k, in proportion below one; under a group limit it can still be drawn. */
START_TEST(test_inclusion_follows_weights_as_far_as_it_can)
{
    struct ms_rng rng;
    ms_rng_init(&rng, 4, "test", 0, 0, 0);
    for (int i = 0; i < 40; i++) {
        struct ms_model_shape m = ms_model_preset_find("deepseek-v3")->shape;
        double f[256], w[256], sum = 0, least = INFINITY, most = 0;
        if (i % 2 == 0)
            m.groups = m.group_limit = 1;
        for (int e = 0; e < 256; e++)
            f[e] = w[e] = exp((0.3 + i * 0.06) * ms_rng_normal(&rng));
        ms_inclusion_of(&m, f);
        for (int e = 0; e < 256; e++) {
            sum += f[e];
            ck_assert_double_le(f[e], 1.0 / 8 + 1e-12);
            if (f[e] < 1.0 / 8 - 1e-9) {
                least = fmin(least, f[e] / w[e]);
                most = fmax(most, f[e] / w[e]);
            }
        }
        ck_assert_double_eq_tol(sum, 1, 1e-9);
        if (i % 2 == 0)
            ck_assert_double_eq_tol(least / most, 1, 1e-9);
        struct ms_sampler *s = ms_sampler_create(&m);
        struct ms_err err = {0};
        ck_assert_msg(ms_sampler_set(s, f, true, &err) == MS_OK, "%d: %s", i, err.text);
        ms_sampler_destroy(s);
    }
}
END_TEST

/** OLMoE's domains, 64 ranks. */
struct study {
    struct ms_model_shape model;
    struct ms_workload work;
    struct ms_routing_params routing;
    struct ms_place_params place;
    struct ms_trace_filter filter[2];
    int node[64];
    struct ms_demand_input in;
};

static void study_init(struct study *s)
{
    *s = (struct study){
        .model = ms_model_preset_find("olmoe-1b-7b")->shape,
        .work = {.ranks = 64,
                 .groups = 1,
                 .layers = 1,
                 .steps = 1,
                 .tokens = {.kind = MS_TOKENS_EQUAL, .count = 128},
                 .requests = {.phase = MS_REQUESTS_DECODE, .length = {1, 0}, .mix = {INFINITY, 1}}},
        .routing = {.source = MS_SOURCE_TRACE,
                    .trace = TEST_DATA "/../../scenarios/data/olmoe_counts.csv",
                    .n_filter = 1},
        .place = {.strategy = "contiguous"},
        .filter = {{"model", "OLMoE-1B-7B-0924"}, {"domain", "arxiv"}}};
    for (int r = 0; r < 64; r++)
        s->node[r] = r / 8;
    s->routing.filter = s->filter;
    s->in = (struct ms_demand_input){.model = &s->model,
                                     .workload = &s->work,
                                     .routing = &s->routing,
                                     .place = &s->place,
                                     .rank_node = s->node,
                                     .seed = 7,
                                     .n_threads = 1};
}

static int rising(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* p99 / p50 of the fullest rank's load over steps. */
static double tail_of(struct study *s, int repeats)
{
    int n = 0, steps = s->work.steps;
    double *most = malloc((size_t)repeats * (size_t)steps * sizeof *most);
    struct ms_demand *d = NULL;
    struct ms_err err = {0};
    ck_assert_msg(ms_demand_create(&s->in, &d, &err) == MS_OK, "%s %s", err.key, err.text);
    for (int r = 0; r < repeats; r++) {
        ck_assert_msg(ms_demand_begin(d, r, &err) == MS_OK, "%s", err.text);
        for (int p = 0; p < steps; p++, n++)
            most[n] = ms_traffic_max_over_mean(ms_demand_traffic(d, p, 0, 0)->slot_tokens, 64, 1);
    }
    ms_demand_destroy(d);
    qsort(most, (size_t)n, sizeof *most, rising);
    double ratio = most[n * 99 / 100] / most[n / 2];
    free(most);
    return ratio;
}

/* Six domains' frequencies of the first layer, read plainly. */
static void domain_frequencies(double f[6][64])
{
    FILE *in = fopen(TEST_DATA "/../../scenarios/data/olmoe_counts.csv", "r");
    char line[256], model[64], domain[64], names[6][64] = {""};
    int layer, e, n = 0;
    double count;
    ck_assert_ptr_nonnull(in);
    memset(f, 0, 6 * sizeof *f);
    while (fgets(line, sizeof line, in)) {
        int k = 0;
        if (sscanf(line, "%63[^,],%63[^,],%d,%d,%lf", model, domain, &layer, &e, &count) != 5 ||
            strcmp(model, "OLMoE-1B-7B-0924") != 0 || layer != 0)
            continue;
        while (k < n && strcmp(names[k], domain) != 0)
            k++;
        if (k == n)
            strcpy(names[n++], domain);
        f[k][e] = count;
    }
    fclose(in);
    ck_assert_int_eq(n, 6);
    for (int k = 0; k < 6; k++) {
        double sum = 0;
        for (e = 0; e < 64; e++)
            sum += f[k][e];
        for (e = 0; e < 64; e++)
            f[k][e] /= sum;
    }
}

static int binomial(struct ms_rng *rng, int n, double p)
{
    int hits = 0;
    double sd = sqrt(n * p * (1 - p));
    if (sd > 6)
        return (int)fmin(fmax(nearbyint(n * p + sd * ms_rng_normal(rng)), 0), n);
    if (p > 0.5)
        return n - binomial(rng, n, 1 - p);
    for (double at = 0; p > 1e-12; hits++) { /* misses between hits are geometric */
        at += 1 + floor(log(ms_rng_unit(rng)) / log1p(-p));
        if (at > n)
            break;
    }
    return hits;
}

/* The same by hand: shares, slots of each domain, and of each expert a binomial number of tokens
 * (normal: 8192 slots). concentration INFINITY: constant. */
static double tail_by_hand(double concentration)
{
    enum { STEPS = 20000, T = 8192 };
    double f[6][64], *most = malloc(STEPS * sizeof *most);
    struct ms_rng rng;
    ms_rng_init(&rng, 11, "hand", 0, 0, 0);
    domain_frequencies(f);
    for (int step = 0; step < STEPS; step++) {
        double share[6], sum = 0, load[64] = {0}, top = 0;
        int of[6] = {0};
        for (int k = 0; k < 6; k++)
            sum += share[k] = isinf(concentration)
                                  ? 1
                                  : exp(log(ms_rng_gamma(&rng, concentration / 6 + 1)) +
                                        log(ms_rng_unit(&rng)) * 6 / concentration);
        for (int k = 0, left = T; k < 6; left -= of[k], sum -= share[k++])
            of[k] = k < 5 ? binomial(&rng, left, share[k] / sum) : left;
        for (int k = 0; k < 6; k++)
            for (int e = 0; e < 64; e++) {
                double pi = fmin(8 * f[k][e], 1);
                load[e] += of[k] * pi + sqrt(of[k] * pi * (1 - pi)) * ms_rng_normal(&rng);
            }
        for (int e = 0; e < 64; e++)
            top = fmax(top, load[e]);
        most[step] = top;
    }
    qsort(most, STEPS, sizeof *most, rising);
    double ratio = most[STEPS * 99 / 100] / most[STEPS / 2];
    free(most);
    return ratio;
}

/* OLMoE's six domains: constant shares, and shares that move at once or slowly, have the tail that
 * a reference of requests of one token has. */
START_TEST(test_tail_of_domains_is_that_of_a_reference)
{
    double constant = tail_by_hand(INFINITY), moving = tail_by_hand(1);
    struct study s;
    study_init(&s);
    s.work.steps = 100;
    ck_assert_double_eq_tol(tail_of(&s, 10), constant, 0.05);
    s.work.requests.mix = (struct ms_request_mix){1, 1};
    ck_assert_double_eq_tol(tail_of(&s, 20), moving, 0.05);
    s.work.steps = 1;
    s.work.requests.mix.persistence = 20;
    ck_assert_double_eq_tol(tail_of(&s, 600), moving, 0.05);
    ck_assert_double_gt(moving, constant + 0.1);
}
END_TEST

/* The same requests whatever the threads and the nodes; other repeats, other requests. */
START_TEST(test_requests_are_the_same_everywhere)
{
    struct study s;
    study_init(&s);
    s.work.layers = 3;
    s.work.steps = 2;
    s.work.requests.tilt = 0.3;
    s.work.requests.length = (struct ms_request_length){100, 1};
    struct ms_demand *d[2] = {NULL, NULL};
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(ms_demand_create(&s.in, &d[i], NULL), MS_OK);
        ck_assert_int_eq(ms_demand_begin(d[i], 5 * i, NULL), MS_OK);
        ck_assert_int_eq(ms_demand_begin(d[i], 3, NULL), MS_OK);
        s.in.n_threads = 4;
        for (int r = 0; r < 64; r++)
            s.node[r] = r;
    }
    for (int p = 0; p < 2; p++)
        for (int l = 0; l < 3; l++)
            for (int i = 0; i < 64 * 64; i++)
                ck_assert(ms_traffic_selections(ms_demand_traffic(d[0], p, l, 0), i / 64, i % 64) ==
                          ms_traffic_selections(ms_demand_traffic(d[1], p, l, 0), i / 64, i % 64));
    double was = ms_traffic_selections(ms_demand_traffic(d[1], 0, 0, 0), 0, 1);
    double total = 0;
    for (int i = 0; i < 64 * 64; i++)
        total += ms_traffic_selections(ms_demand_traffic(d[1], 0, 0, 0), i / 64, i % 64);
    ck_assert_double_eq(total, 64 * 128 * 8);
    ck_assert_int_eq(ms_demand_begin(d[1], 4, NULL), MS_OK);
    ck_assert_double_ne(was + 1000 * ms_traffic_selections(ms_demand_traffic(d[1], 0, 0, 0), 0, 2),
                        ms_traffic_selections(ms_demand_traffic(d[1], 0, 0, 0), 0, 1) +
                            1000 * ms_traffic_selections(ms_demand_traffic(d[0], 0, 0, 0), 0, 2));
    ms_demand_destroy(d[0]);
    ms_demand_destroy(d[1]);
}
END_TEST

/* Stays: every slot is in a batch at every step, by stays that follow each other; as many as requests
 * that were there. */
START_TEST(test_stays_cover_every_step)
{
    enum { P = 12 };
    struct study s;
    double stays[P][P] = {{0}}, all = 0, at[P] = {0};
    study_init(&s);
    s.work.steps = P;
    s.work.requests.length = (struct ms_request_length){6, 0};
    struct ms_demand *d = NULL;
    ck_assert_int_eq(ms_demand_create(&s.in, &d, NULL), MS_OK);
    ms_demand_add_stays(d, stays[0]);
    ck_assert_double_eq(stays[0][0], 0); /* no run yet */
    ck_assert_int_eq(ms_demand_begin(d, 0, NULL), MS_OK);
    ms_demand_add_stays(d, stays[0]);
    for (int first = 0; first < P; first++)
        for (int last = first; last < P; last++) {
            all += stays[first][last];
            ck_assert(stays[first][last] == 0 || last - first < 6);
            ck_assert(stays[first][last] == 0 || first == 0 || last == P - 1 || last - first == 5);
            for (int step = first; step <= last; step++)
                at[step] += stays[first][last];
        }
    for (int step = 0; step < P; step++)
        ck_assert_double_eq(at[step], 64 * 128);
    ck_assert_double_eq_tol(all / (64 * 128), (P - 1) / 6. + 1, 0.01); /* renewals in P - 1 steps */
    ms_demand_destroy(d);
}
END_TEST

START_TEST(test_bad_requests_are_told)
{
    for (int i = 0; i < 6; i++) {
        struct study s;
        struct ms_arena arena = {0};
        const struct ms_domain_weight arxv = {"arxv", 1};
        const char *says = NULL;
        study_init(&s);
        switch (i) {
        case 0:
            s.work.requests.domains.named = &arxv, s.work.requests.domains.n_named = 1;
            says = "'arxv' is not a domain of it; allowed";
            break;
        case 1:
            s.work.tokens.kind = MS_TOKENS_TRACE, says = "the batch is as large as";
            break;
        case 2:
            s.routing.assignment = "perfect", says = "'perfect' and requests";
            break;
        case 3:
            s.routing.source = MS_SOURCE_SYNTHETIC;
            ms_popularity_init(&s.routing.popularity, "lognormal", true, &arena, NULL);
            says = "a law has no domains of its own";
            break;
        case 4:
            s.work.requests.file = "requests.csv", s.routing.n_filter = 2;
            says = "needs a trace of token ids by request";
            break;
        default:
            s.routing.source = MS_SOURCE_MATRIX, says = "nothing that requests could choose";
        }
        struct ms_demand *d = NULL;
        struct ms_err err = {0};
        ck_assert_int_eq(ms_demand_create(&s.in, &d, &err), MS_INVALID);
        ck_assert_msg(strstr(err.text, says) != NULL, "%d: %s", i, err.text);
        ms_arena_finish(&arena);
    }
}
END_TEST

/* Draws of a law as domains: more requests in a batch, less variance; a tilt adds to it. */
START_TEST(test_law_domains_and_tilt)
{
    double tail[3];
    for (int i = 0; i < 3; i++) {
        struct study s;
        struct ms_arena arena = {0};
        study_init(&s);
        s.routing = (struct ms_routing_params){.source = MS_SOURCE_SYNTHETIC, .redraw = 1};
        ms_popularity_init(&s.routing.popularity, "lognormal", true, &arena, NULL);
        s.work.requests.phase = MS_REQUESTS_PREFILL;
        s.work.requests.length = (struct ms_request_length){i == 0 ? 1 : 1000, 0};
        s.work.requests.domains.n = 6;
        s.work.requests.tilt = i == 2 ? 1 : 0;
        s.work.steps = 300;
        s.work.tokens.count = 64;
        tail[i] = tail_of(&s, 1);
        ms_arena_finish(&arena);
    }
    ck_assert_double_gt(tail[1], tail[0] + 0.02);
    ck_assert_double_gt(tail[2], tail[0] + 0.02);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("requests");
    TCase *t = tcase_create("requests");
    suite_add_tcase(s, t);
    tcase_set_timeout(t, 120);
    tcase_add_test(t, test_ages_are_stationary);
    tcase_add_test(t, test_domains_stay_as_long_as_requests);
    tcase_add_test(t, test_the_mix_moves_as_it_should);
    tcase_add_test(t, test_affinity_gives_domains_their_ranks);
    tcase_add_test(t, test_prefill_packs_whole_prompts);
    tcase_add_test(t, test_recorded_requests_run_their_course);
    tcase_add_test(t, test_inclusion_follows_weights_as_far_as_it_can);
    tcase_add_test(t, test_tail_of_domains_is_that_of_a_reference);
    tcase_add_test(t, test_requests_are_the_same_everywhere);
    tcase_add_test(t, test_stays_cover_every_step);
    tcase_add_test(t, test_bad_requests_are_told);
    tcase_add_test(t, test_law_domains_and_tilt);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}
