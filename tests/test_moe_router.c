/* moe/router: what every router and token assignment promises, and each one's own rule. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "moe/router.h"

enum { T = 301, E = 16, K = 3 };

struct bench {
    struct ms_arena arena;
    struct ms_route_problem p;
    struct ms_router_work w;
    struct ms_routes r;
    float logits[T * E], noise[T * E], bias[E];
};

static struct bench *bench_make(const struct ms_router *router, struct ms_router_params params,
                                uint64_t seed)
{
    struct bench *b = calloc(1, sizeof *b);
    struct ms_rng rng;
    ms_rng_init(&rng, seed, "test", 0, 0, 0);
    for (int i = 0; i < T * E; i++) {
        b->logits[i] = (float)(ms_rng_normal(&rng) + 0.3 * (i % E == 3) + 0.8 * (i % E == 5));
        b->noise[i] = (float)ms_rng_normal(&rng) - 1;
    }
    for (int e = 0; e < E; e++)
        b->bias[e] = (float)(0.05 * ms_rng_normal(&rng));
    if (params.scale == 0)
        params.scale = 1;
    b->p = (struct ms_route_problem){.T = T,
                                     .E = E,
                                     .K = K,
                                     .logits = b->logits,
                                     .params = params,
                                     .own_weights = MS_WEIGHTS_RENORMALISED,
                                     .train = true,
                                     .seed = seed};
    if (router->noise_gate)
        b->p.noise_logits = b->noise;
    if (router->uses_bias)
        b->p.bias = b->bias;
    ck_assert_int_eq(ms_router_check(router, &params, E, K, NULL), MS_OK);
    ck_assert_int_eq(ms_moe_routes_init(&b->r, &b->arena, router, &params, T, E, K, NULL), MS_OK);
    ck_assert_int_eq(ms_router_work_init(&b->w, &b->arena, router, &params, T, E, K, NULL), MS_OK);
    return b;
}

static void bench_free(struct bench *b)
{
    ms_arena_finish(&b->arena);
    free(b);
}

/* Both tables one after the other, under parameters that make each show its features. */
static size_t count_all(void)
{
    size_t n = 0;
    for (const struct ms_router *const *r = ms_routers; *r; r++)
        n++;
    for (const struct ms_router *const *r = ms_assigns; *r; r++)
        n++;
    return n;
}

static const struct ms_router *nth(size_t i)
{
    for (const struct ms_router *const *r = ms_routers; *r; r++)
        if (i-- == 0)
            return *r;
    return ms_assigns[i];
}

static struct ms_router_params variant(int v)
{
    struct ms_router_params p = ms_router_params_default();
    if (v & 1) {
        p.capacity_factor = 0.9;
        p.scale = 2.5;
    }
    if (v & 2) {
        p.drop_policy = MS_DROP_POSITION;
        p.weights = MS_WEIGHTS_UNNORMALISED;
    }
    if (v & 4) {
        p.groups = 4;
        p.group_limit = 2;
        p.group_score = MS_GROUP_TOP2_SUM;
        p.weights = MS_WEIGHTS_RENORMALISED;
    }
    return p;
}

static void check_structure(const struct ms_router *router, const struct bench *b)
{
    const struct ms_routes *r = &b->r;
    int selected = 0, C = ms_router_capacity(b->p.params.capacity_factor, T, E, K);
    ck_assert(r->n <= r->n_selected && r->n_selected <= r->cap);
    if (!router->expert_choice)
        ck_assert_int_eq(r->n_selected, T * K); /* sum of counts = kT */
    ck_assert_int_eq(r->expert_start[0], 0);
    ck_assert_int_eq(r->expert_start[E], r->n);
    for (int e = 0; e < E; e++) {
        selected += r->selected[e];
        ck_assert_int_le(r->expert_start[e + 1] - r->expert_start[e], C);
        for (int i = r->expert_start[e]; i < r->expert_start[e + 1]; i++) {
            ck_assert_int_eq(r->expert[i], e);
            ck_assert(i == r->expert_start[e] || r->token[i] > r->token[i - 1]);
        }
    }
    ck_assert_int_eq(selected, r->n_selected);
    ck_assert_int_eq(r->token_start[T], r->n_selected);
    for (int t = 0; t < T; t++)
        for (int i = r->token_start[t]; i < r->token_start[t + 1]; i++)
            ck_assert_int_eq(r->token[r->token_pair[i]], t);
    for (int i = r->n; i < r->n_selected; i++)
        ck_assert(r->weight[i] == 0);
    for (int i = 0; i < T * E; i++)
        ck_assert(r->prob[i] >= 0 && r->prob[i] <= 1);
}

START_TEST(test_every_router_gives_a_sound_list_of_pairs)
{
    struct bench *b = bench_make(nth((size_t)_i / 8), variant(_i % 8), 11);
    ms_router_forward(nth((size_t)_i / 8), &b->p, &b->w, &b->r);
    check_structure(nth((size_t)_i / 8), b);
    bench_free(b);
}
END_TEST

/* Same bits for one, two and three threads, and for fewer tokens than there is room for. */
START_TEST(test_threads_do_not_change_a_bit)
{
    const struct ms_router *router = nth((size_t)_i);
    struct bench *a = bench_make(router, variant(1), 12);
    float *dz = calloc(T * E, sizeof *dz), *other = calloc(T * E, sizeof *other), dw[T * E];
    for (int i = 0; i < T * E; i++)
        dw[i] = sinf((float)i);
    ms_router_forward(router, &a->p, &a->w, &a->r);
    ms_router_backward(router, &a->p, &a->w, &a->r, dw, dz, NULL);
    for (int threads = 2; threads <= 3; threads++) {
        struct bench *b = bench_make(router, variant(1), 12);
        b->p.pool = ms_pool_create(threads);
        ms_router_forward(router, &b->p, &b->w, &b->r);
        memset(other, 0, T * E * sizeof *other);
        ms_router_backward(router, &b->p, &b->w, &b->r, dw, other, NULL);
        ck_assert_int_eq(a->r.n, b->r.n);
        ck_assert_int_eq(memcmp(a->r.token, b->r.token, (size_t)a->r.n * sizeof(int32_t)), 0);
        ck_assert_int_eq(memcmp(a->r.weight, b->r.weight, (size_t)a->r.n * sizeof(float)), 0);
        ck_assert_int_eq(memcmp(dz, other, T * E * sizeof *other), 0);
        ms_pool_destroy(b->p.pool);
        bench_free(b);
    }
    free(dz);
    free(other);
    bench_free(a);
}
END_TEST

/* Float64 reference: the weight of every pair for given logits, choices held fixed. */
static double weighted_sum(const struct ms_router *router, const struct bench *b, int t,
                           const double *z, const double *noise, const float *dw, bool renormalise)
{
    const struct ms_routes *r = &b->r;
    double s[E], sum = 0, chosen = 0, total = 0;
    for (int e = 0; e < E; e++) {
        int i = t * E + e;
        double h = z[e];
        if (r->has_noise) {
            double draw = ((double)r->noisy[i] - (double)b->logits[i]) / (double)r->noise_std[i];
            h += draw * log1p(exp(noise[e]));
        }
        s[e] = ms_router_score(router, &b->p.params, K) == MS_SCORE_SIGMOID ? 1 / (1 + exp(-h))
                                                                            : exp(h);
        sum += s[e];
    }
    if (ms_router_score(router, &b->p.params, K) == MS_SCORE_SOFTMAX)
        for (int e = 0; e < E; e++)
            s[e] /= sum;
    for (int i = r->token_start[t]; i < r->token_start[t + 1]; i++)
        chosen += s[r->expert[r->token_pair[i]]];
    for (int i = r->token_start[t]; i < r->token_start[t + 1]; i++) {
        int pair = r->token_pair[i];
        if (pair < r->n)
            total += (double)dw[pair] * b->p.params.scale * s[r->expert[pair]] /
                     (renormalise ? chosen : 1);
    }
    return total;
}

START_TEST(test_gradients_against_central_differences)
{
    const struct ms_router *router = nth((size_t)_i / 8);
    struct ms_router_params params = variant(_i % 8);
    if (params.weights == MS_WEIGHTS_DEFAULT)
        params.weights = MS_WEIGHTS_RENORMALISED;
    bool renormalise = params.weights == MS_WEIGHTS_RENORMALISED;
    struct bench *b = bench_make(router, params, 13);
    float *dz = calloc(T * E, sizeof *dz), *dn = calloc(T * E, sizeof *dn),
          *dw = calloc(T * E, sizeof *dw);
    for (int i = 0; i < T * E; i++)
        dw[i] = cosf((float)(3 * i));
    ms_router_forward(router, &b->p, &b->w, &b->r);
    ms_router_backward(router, &b->p, &b->w, &b->r, dw, dz, dn);
    for (int t = 0; t < T; t += 7) {
        double z[E], n[E], h = 1e-5;
        for (int e = 0; e < E; e++) {
            z[e] = (double)b->logits[t * E + e];
            n[e] = (double)b->noise[t * E + e];
        }
        ck_assert_double_eq_tol(weighted_sum(router, b, t, z, n, b->r.weight, renormalise), ({
                                    double sum = 0;
                                    for (int i = b->r.token_start[t]; i < b->r.token_start[t + 1];
                                         i++)
                                        sum += pow((double)b->r.weight[b->r.token_pair[i]], 2);
                                    sum;
                                }),
                                1e-5);
        for (int e = 0; e < 2 * E; e++) {
            double *x = e < E ? &z[e] : &n[e - E], at = *x, up, down;
            *x = at + h;
            up = weighted_sum(router, b, t, z, n, dw, renormalise);
            *x = at - h;
            down = weighted_sum(router, b, t, z, n, dw, renormalise);
            *x = at;
            ck_assert_double_eq_tol((double)(e < E ? dz[t * E + e] : dn[t * E + e - E]),
                                    (up - down) / (2 * h), 5e-6);
        }
    }
    free(dz);
    free(dn);
    free(dw);
    bench_free(b);
}
END_TEST

START_TEST(test_top_k_takes_the_largest_and_weighs_as_the_family_does)
{
    struct bench *b = bench_make(ms_router_find("top_k"), variant(0), 14);
    for (int own = MS_WEIGHTS_RENORMALISED; own <= MS_WEIGHTS_UNNORMALISED; own++) {
        b->p.own_weights = own;
        ms_router_forward(ms_router_find("top_k"), &b->p, &b->w, &b->r);
        for (int t = 0; t < T; t++) {
            double sum = 0, chosen[E] = {0}, least = INFINITY;
            for (int i = b->r.token_start[t]; i < b->r.token_start[t + 1]; i++) {
                int pair = b->r.token_pair[i];
                sum += (double)b->r.weight[pair];
                chosen[b->r.expert[pair]] = 1;
                least = fmin(least, (double)b->logits[t * E + b->r.expert[pair]]);
                if (own == MS_WEIGHTS_UNNORMALISED)
                    ck_assert(b->r.weight[pair] == b->r.prob[t * E + b->r.expert[pair]]);
            }
            if (own == MS_WEIGHTS_RENORMALISED)
                ck_assert_double_eq_tol(sum, 1, 1e-6);
            for (int e = 0; e < E; e++)
                ck_assert(chosen[e] != 0 || (double)b->logits[t * E + e] <= least);
        }
    }
    bench_free(b);
}
END_TEST

START_TEST(test_ties_go_to_the_lowest_expert)
{
    struct bench *b = bench_make(ms_router_find("top_k"), variant(0), 15);
    memset(b->logits, 0, sizeof b->logits);
    ms_router_forward(ms_router_find("top_k"), &b->p, &b->w, &b->r);
    for (int e = 0; e < E; e++)
        ck_assert_int_eq(b->r.selected[e], e < K ? T : 0);
    bench_free(b);
}
END_TEST

/* Which pairs an expert over capacity keeps: those with the C best probabilities, or the first C
 * tokens. */
START_TEST(test_capacity_drops_by_probability_or_position)
{
    const struct ms_router *router = ms_router_find("top_k");
    for (int policy = MS_DROP_PROBS; policy <= MS_DROP_POSITION; policy++) {
        struct ms_router_params params = ms_router_params_default();
        params.capacity_factor = 0.8;
        params.drop_policy = policy;
        struct bench *b = bench_make(router, params, 16);
        int C = ms_router_capacity(0.8, T, E, K), dropped = 0;
        ck_assert_int_eq(C, (int)ceil(0.8 * K * T / E));
        ms_router_forward(router, &b->p, &b->w, &b->r);
        for (int i = b->r.n; i < b->r.n_selected; i++) {
            int e = b->r.expert[i], before = 0;
            ck_assert_int_eq(b->r.expert_start[e + 1] - b->r.expert_start[e], C);
            for (int j = 0; j < b->r.n_selected; j++) {
                float x = b->r.prob[b->r.token[j] * E + e], y = b->r.prob[b->r.token[i] * E + e];
                bool earlier = policy == MS_DROP_POSITION ? b->r.token[j] < b->r.token[i] : x > y;
                before += b->r.expert[j] == e && earlier;
            }
            ck_assert_int_ge(before, C);
            dropped++;
        }
        ck_assert_int_gt(dropped, 0);
        bench_free(b);
    }
}
END_TEST

START_TEST(test_sigmoid_bias_moves_the_choice_and_not_the_weights)
{
    const struct ms_router *router = ms_router_find("sigmoid_bias");
    struct bench *b = bench_make(router, variant(0), 17);
    memset(b->bias, 0, sizeof b->bias);
    b->bias[7] = 10; /* everybody goes there */
    ms_router_forward(router, &b->p, &b->w, &b->r);
    ck_assert_int_eq(b->r.selected[7], T);
    for (int i = b->r.expert_start[7]; i < b->r.expert_start[8]; i++) {
        int t = b->r.token[i];
        double sum = 0;
        for (int j = b->r.token_start[t]; j < b->r.token_start[t + 1]; j++)
            sum += 1 / (1 + exp(-(double)b->logits[t * E + b->r.expert[b->r.token_pair[j]]]));
        double mine = 1 / (1 + exp(-(double)b->logits[t * E + 7]));
        ck_assert_double_eq_tol((double)b->r.weight[i], mine / sum, 1e-6);
    }
    bench_free(b);
}
END_TEST

/* The loss-free update evens out a skewed router without any gradient. */
START_TEST(test_bias_update_balances)
{
    const struct ms_router *router = ms_router_find("sigmoid_bias");
    struct bench *b = bench_make(router, variant(0), 18);
    memset(b->bias, 0, sizeof b->bias);
    int first = 0, last = 0;
    for (int step = 0; step < 400; step++) {
        ms_router_forward(router, &b->p, &b->w, &b->r);
        last = 0;
        for (int e = 0; e < E; e++)
            last = b->r.selected[e] > last ? b->r.selected[e] : last;
        first = step == 0 ? last : first;
        ms_router_bias_update(b->bias, b->r.selected, E, 1e-3);
    }
    ck_assert_int_gt(first, T * K / E * 3 / 2);
    ck_assert_int_lt(last, T * K / E * 11 / 10);
    bench_free(b);
}
END_TEST

START_TEST(test_group_limited_reaches_at_most_its_groups)
{
    const struct ms_router *router = ms_router_find("group_limited");
    for (int score = MS_GROUP_MAX; score <= MS_GROUP_TOP2_SUM; score++) {
        struct ms_router_params params = ms_router_params_default();
        params.groups = 8;
        params.group_limit = 2;
        params.group_score = score;
        struct bench *b = bench_make(router, params, 19);
        memset(b->bias, 0, sizeof b->bias);
        ms_router_forward(router, &b->p, &b->w, &b->r);
        for (int t = 0; t < T; t++) {
            const float *z = &b->logits[t * E];
            double best[8]; /* naive: score of each group on what this version ranks by */
            for (int g = 0; g < 8; g++) {
                double x = (double)b->r.score[t * E + 2 * g],
                       y = (double)b->r.score[t * E + 2 * g + 1];
                best[g] = score == MS_GROUP_MAX ? fmax(x, y) : x + y;
            }
            for (int i = b->r.token_start[t]; i < b->r.token_start[t + 1]; i++) {
                int g = b->r.expert[b->r.token_pair[i]] / 2, above = 0;
                for (int h = 0; h < 8; h++)
                    above += best[h] > best[g];
                ck_assert_int_lt(above, 2);
            }
            ck_assert(isfinite(z[0]));
        }
        bench_free(b);
    }
}
END_TEST

/* Megatron's sinkhorn in float64, term by term; and it evens out the loads. */
START_TEST(test_sinkhorn_chooses_by_megatrons_scores)
{
    const struct ms_router *router = ms_router_find("sinkhorn");
    struct bench *b = bench_make(router, variant(0), 20);
    double cost[T][E], d0[T], d1[E], old[E], error = 1e9;
    for (int i = 0; i < T * E; i++)
        cost[i / E][i % E] = exp((double)b->logits[i]);
    for (int e = 0; e < E; e++)
        d1[e] = old[e] = 1;
    while (error > 1e-4) {
        for (int t = 0; t < T; t++) {
            double sum = 0;
            for (int e = 0; e < E; e++)
                sum += d1[e] * cost[t][e];
            d0[t] = 1.0 / T / (sum + 1e-8);
        }
        error = 0;
        for (int e = 0; e < E; e++) {
            double sum = 0;
            for (int t = 0; t < T; t++)
                sum += d0[t] * cost[t][e];
            d1[e] = 1.0 / E / (sum + 1e-8);
            error += fabs(old[e] - d1[e]) / E;
            old[e] = d1[e];
        }
    }
    ms_router_forward(router, &b->p, &b->w, &b->r);
    int wrong = 0, most = 0;
    for (int t = 0; t < T; t++)
        for (int i = b->r.token_start[t]; i < b->r.token_start[t + 1]; i++) {
            int e = b->r.expert[b->r.token_pair[i]], above = 0;
            for (int f = 0; f < E; f++)
                above += d1[f] * cost[t][f] * d0[t] > d1[e] * cost[t][e] * d0[t] * (1 + 1e-6);
            wrong += above >= K;
        }
    ck_assert_int_eq(wrong, 0);
    for (int e = 0; e < E; e++)
        most = b->r.selected[e] > most ? b->r.selected[e] : most;
    ck_assert_int_lt(most, T * K / E * 14 / 10);
    b->p.train = false;
    ms_router_forward(router, &b->p, &b->w, &b->r);
    struct bench *plain = bench_make(ms_router_find("top_k"), variant(0), 20);
    ms_router_forward(ms_router_find("top_k"), &plain->p, &plain->w, &plain->r);
    ck_assert_int_eq(memcmp(b->r.token, plain->r.token, T * K * sizeof(int32_t)), 0);
    bench_free(plain);
    bench_free(b);
}
END_TEST

START_TEST(test_expert_choice_fills_every_expert_with_its_best)
{
    for (int v = 0; v < 2; v++) {
        const struct ms_router *router =
            v ? ms_assign_find("expert_choice") : ms_router_find("expert_choice");
        struct ms_router_params params = ms_router_params_default();
        params.capacity_factor = 1.25;
        struct bench *b = bench_make(router, params, 21);
        int C = ms_router_capacity(1.25, T, E, K), in[T];
        ms_router_forward(router, &b->p, &b->w, &b->r);
        for (int e = 0; e < E; e++) {
            float least = INFINITY;
            ck_assert_int_eq(b->r.selected[e], C);
            memset(in, 0, sizeof in);
            for (int i = b->r.expert_start[e]; i < b->r.expert_start[e + 1]; i++) {
                in[b->r.token[i]] = 1;
                least = fminf(least, b->r.prob[b->r.token[i] * E + e]);
            }
            for (int t = 0; t < T; t++)
                ck_assert(in[t] || b->r.prob[t * E + e] <= least);
        }
        bench_free(b);
    }
}
END_TEST

START_TEST(test_noise_is_normal_seeded_and_off_in_evaluation)
{
    const struct ms_router *router = ms_router_find("noisy_top_k");
    struct bench *b = bench_make(router, variant(0), 22), *c = bench_make(router, variant(0), 22);
    double sum = 0, squares = 0;
    ms_router_forward(router, &b->p, &b->w, &b->r);
    for (int i = 0; i < T * E; i++) {
        double std = log1p(exp((double)b->noise[i]));
        double draw = ((double)b->r.noisy[i] - (double)b->logits[i]) / std;
        sum += draw;
        squares += draw * draw;
    }
    ck_assert_double_eq_tol(sum / (T * E), 0, 0.05);
    ck_assert_double_eq_tol(squares / (T * E), 1, 0.07);
    ms_router_forward(router, &c->p, &c->w, &c->r);
    ck_assert_int_eq(memcmp(b->r.noisy, c->r.noisy, T * E * sizeof(float)), 0);
    c->p.step = 1;
    ms_router_forward(router, &c->p, &c->w, &c->r);
    ck_assert_int_ne(memcmp(b->r.noisy, c->r.noisy, T * E * sizeof(float)), 0);
    c->p.train = false;
    ms_router_forward(router, &c->p, &c->w, &c->r);
    ck_assert_int_eq(memcmp(c->r.score, c->r.prob, T * E * sizeof(float)), 0);
    bench_free(b);
    bench_free(c);
}
END_TEST

/* The five assignments of the original, each against its formula. */
START_TEST(test_assignments_follow_their_formulas)
{
    for (const char *const *name = (const char *const[]){"balanced", "load_aware", NULL}; *name;
         name++) {
        struct bench *b = bench_make(ms_assign_find(*name), variant(0), 23);
        double load[E] = {0}, mean = 0;
        for (int t = 0; t < T; t++) {
            double sum = 0;
            for (int e = 0; e < E; e++)
                sum += exp((double)b->logits[t * E + e]);
            for (int e = 0; e < E; e++)
                load[e] += exp((double)b->logits[t * E + e]) / sum;
        }
        for (int e = 0; e < E; e++)
            mean += load[e] / E;
        ms_router_forward(ms_assign_find(*name), &b->p, &b->w, &b->r);
        for (int i = 0; i < b->r.n; i++) {
            double v[E];
            int above = 0;
            for (int e = 0; e < E; e++) {
                double z = (double)b->logits[b->r.token[i] * E + e];
                v[e] = **name == 'b' ? z - log(load[e] / (mean + 1e-10) + 1e-10)
                                     : z / 2 - (load[e] - mean) / (mean + 1e-10);
            }
            for (int e = 0; e < E; e++)
                above += v[e] > v[b->r.expert[i]] + 1e-5;
            ck_assert_int_lt(above, K);
        }
        bench_free(b);
    }
}
END_TEST

START_TEST(test_round_robin_and_random_ignore_logits_and_batches)
{
    for (const char *const *name = (const char *const[]){"round_robin", "random", NULL}; *name;
         name++) {
        const struct ms_router *a = ms_assign_find(*name);
        struct bench *whole = bench_make(a, variant(0), 24), *part = bench_make(a, variant(0), 24);
        ms_router_forward(a, &whole->p, &whole->w, &whole->r);
        part->p.first_token = 100;
        part->p.T = 50;
        memset(part->logits, 0, sizeof part->logits);
        ms_router_forward(a, &part->p, &part->w, &part->r);
        for (int t = 0; t < 50; t++)
            for (int j = 0; j < K; j++) {
                int x = part->r.token_pair[part->r.token_start[t] + j];
                int y = whole->r.token_pair[whole->r.token_start[t + 100] + j];
                ck_assert_int_eq(part->r.expert[x], whole->r.expert[y]);
            }
        for (int e = 0; e < E; e++) {
            double expected = (double)T * K / E;
            ck_assert_double_eq_tol(whole->r.selected[e], expected,
                                    **name == 'r' && (*name)[1] == 'o' ? 1 : 30);
        }
        bench_free(whole);
        bench_free(part);
    }
}
END_TEST

START_TEST(test_top_k_filtered_leaves_experts_out)
{
    const struct ms_router *router = ms_assign_find("top_k_filtered");
    struct ms_router_params params = ms_router_params_default();
    uint8_t out[E] = {0};
    out[5] = out[3] = 1;
    params.excluded = out;
    struct bench *b = bench_make(router, params, 25);
    ms_router_forward(router, &b->p, &b->w, &b->r);
    ck_assert_int_eq(b->r.selected[5] + b->r.selected[3], 0);
    ck_assert_int_eq(b->r.n, T * K);
    bench_free(b);
}
END_TEST

START_TEST(test_bad_parameters_name_their_key)
{
    struct ms_router_params p = ms_router_params_default();
    struct ms_err err = {0};
    const struct ms_router *r = ms_router_find("group_limited");
    ck_assert_int_eq(ms_router_check(r, &p, 4, 5, &err), MS_INVALID);
    ck_assert_str_eq(err.key, "top_k");
    p.groups = 3;
    err = (struct ms_err){0};
    ck_assert_int_eq(ms_router_check(r, &p, 8, 2, &err), MS_INVALID);
    ck_assert_str_eq(err.key, "groups");
    p.groups = 8;
    p.group_limit = 1;
    err = (struct ms_err){0};
    ck_assert_int_eq(ms_router_check(r, &p, 8, 2, &err), MS_INVALID);
    ck_assert_str_eq(err.key, "group_limit");
    ck_assert_ptr_null(ms_router_find("top-k"));
}
END_TEST

START_TEST(test_nan_logits_still_give_a_list)
{
    for (size_t i = 0; i < count_all(); i++) {
        struct bench *b = bench_make(nth(i), variant(1), 26);
        for (int j = 0; j < T * E; j += 5)
            b->logits[j] = NAN;
        ms_router_forward(nth(i), &b->p, &b->w, &b->r);
        ck_assert(b->r.n_selected <= b->r.cap);
        for (int j = 0; j < b->r.n_selected; j++)
            ck_assert(b->r.expert[j] >= 0 && b->r.expert[j] < E && b->r.token[j] >= 0 &&
                      b->r.token[j] < T);
        bench_free(b);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("moe_router");
    TCase *t = tcase_create("moe_router");
    suite_add_tcase(s, t);
    int n = (int)count_all();
    tcase_add_loop_test(t, test_every_router_gives_a_sound_list_of_pairs, 0, 8 * n);
    tcase_add_loop_test(t, test_threads_do_not_change_a_bit, 0, n);
    tcase_add_loop_test(t, test_gradients_against_central_differences, 0, 8 * n);
    tcase_add_test(t, test_top_k_takes_the_largest_and_weighs_as_the_family_does);
    tcase_add_test(t, test_ties_go_to_the_lowest_expert);
    tcase_add_test(t, test_capacity_drops_by_probability_or_position);
    tcase_add_test(t, test_sigmoid_bias_moves_the_choice_and_not_the_weights);
    tcase_add_test(t, test_bias_update_balances);
    tcase_add_test(t, test_group_limited_reaches_at_most_its_groups);
    tcase_add_test(t, test_sinkhorn_chooses_by_megatrons_scores);
    tcase_add_test(t, test_expert_choice_fills_every_expert_with_its_best);
    tcase_add_test(t, test_noise_is_normal_seeded_and_off_in_evaluation);
    tcase_add_test(t, test_assignments_follow_their_formulas);
    tcase_add_test(t, test_round_robin_and_random_ignore_logits_and_batches);
    tcase_add_test(t, test_top_k_filtered_leaves_experts_out);
    tcase_add_test(t, test_bad_parameters_name_their_key);
    tcase_add_test(t, test_nan_logits_still_give_a_list);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}
