/* moe/loss: each balancing loss against Hugging Face's autograd, published vectors, and float64
 * central differences. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "base/safetensors.h"
#include "moe/loss.h"

enum { L = 2, T = 48, E = 8, K = 2, S = 4, MICRO = 2, GROUPS = 4 };

/* Routing of L layers and the losses on top of it. */
struct bench {
    struct ms_arena arena;
    float logits[L][T * E], noise[L][T * E], dlogits[L][T * E], dnoise[L][T * E];
    const float *z[L];
    float *dz[L], *dn[L];
    struct ms_routes routes[L];
    struct ms_loss_problem p;
    struct ms_loss_state state;
};

static struct bench *bench_make(const char *router_name, int layers, int sequences)
{
    struct bench *b = calloc(1, sizeof *b);
    const struct ms_router *router = ms_router_find(router_name);
    struct ms_router_params params = ms_router_params_default();
    struct ms_rng rng;
    ms_rng_init(&rng, 3, "test", 0, 0, 0);
    for (int l = 0; l < L; l++) {
        for (int i = 0; i < T * E; i++) {
            b->logits[l][i] = (float)(1.5 * ms_rng_normal(&rng) + 0.5 * (i % E == 2));
            b->noise[l][i] = (float)ms_rng_normal(&rng) - 1;
        }
        b->z[l] = b->logits[l];
        b->dz[l] = b->dlogits[l];
        b->dn[l] = b->dnoise[l];
        ck_assert_int_eq(
            ms_moe_routes_init(&b->routes[l], &b->arena, router, &params, T, E, K, NULL), MS_OK);
    }
    b->p = (struct ms_loss_problem){.L = layers,
                                    .T = T,
                                    .E = E,
                                    .K = K,
                                    .S = sequences,
                                    .logits = b->z,
                                    .routes = b->routes,
                                    .score = ms_router_score(router, &params, K)};
    ck_assert_int_eq(ms_loss_state_init(&b->state, &b->arena, layers, sequences, E, NULL), MS_OK);
    return b;
}

static void bench_route(struct bench *b, const char *router_name)
{
    const struct ms_router *router = ms_router_find(router_name);
    struct ms_router_work w;
    struct ms_router_params params = ms_router_params_default();
    ck_assert_int_eq(ms_router_work_init(&w, &b->arena, router, &params, T, E, K, NULL), MS_OK);
    for (int l = 0; l < L; l++) {
        struct ms_route_problem p = {.T = T,
                                     .E = E,
                                     .K = K,
                                     .logits = b->logits[l],
                                     .params = params,
                                     .train = true,
                                     .own_weights = MS_WEIGHTS_RENORMALISED,
                                     .layer = l,
                                     .seed = 1};
        p.noise_logits = router->noise_gate ? b->noise[l] : NULL;
        ms_router_forward(router, &p, &w, &b->routes[l]);
    }
}

static void bench_free(struct bench *b)
{
    ms_arena_finish(&b->arena);
    free(b);
}

START_TEST(test_values_and_gradients_equal_hugging_faces)
{
    struct ms_st_file *f;
    struct ms_err err = {0};
    ck_assert_int_eq(ms_st_open(TEST_DATA "/hf/losses.safetensors", &f, &err), MS_OK);
    static const char *const names[] = {"gini",    "variance", "cv", "cv_squared",
                                        "entropy", "switch",   "z"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct bench *b = bench_make("top_k", 1, 1);
        float expected, gradient[T * E];
        char key[64];
        snprintf(key, sizeof key, "grad.%s", names[i]);
        ck_assert(ms_st_floats(ms_st_find(f, "router_logits"), 0, T * E, b->logits[0]));
        ck_assert(ms_st_floats(ms_st_find(f, names[i]), 0, 1, &expected));
        ck_assert(ms_st_floats(ms_st_find(f, key), 0, T * E, gradient));
        bench_route(b, "top_k");
        struct ms_loss_term term = {ms_loss_find(names[i]), 1};
        double value;
        ms_loss_compute(&term, 1, &b->p, &b->state, &value, b->dz, NULL);
        ck_assert_double_eq_tol(value, (double)expected, 1e-5);
        double norm = 0;
        for (int j = 0; j < T * E; j++) {
            ck_assert_double_eq_tol((double)b->dlogits[0][j], (double)gradient[j], 1e-5);
            norm += fabs((double)gradient[j]);
        }
        ck_assert(norm > 0);
        bench_free(b);
    }
    ms_st_close(f);
}
END_TEST

START_TEST(test_the_published_vectors)
{
    static const struct {
        const char *loss;
        double expected[3];
    } rows[] = {{"gini", {.3678571, .65, .875}},
                {"variance", {.00702806, .0311651, .109375}},
                {"cv", {.6706683, 1.4122917, 2.6457513}},
                {"entropy", {.1066897, .3747908, 1}}};
    static const double P[3][E] = {
        {2, 1.5, 1, 1, .5, .5, .3, .2}, {5, 2, 1, .5, .2, .1, .1, .1}, {1, 0, 0, 0, 0, 0, 0, 0}};
    for (size_t row = 0; row < 4; row++)
        for (int v = 0; v < 3; v++) {
            struct bench *b = bench_make("top_k", 1, 1);
            for (int i = 0; i < T * E; i++)
                b->logits[0][i] = P[v][i % E] > 0 ? (float)log(P[v][i % E]) : -200;
            bench_route(b, "top_k");
            struct ms_loss_term term = {ms_loss_find(rows[row].loss), 0};
            double value;
            ms_loss_compute(&term, 1, &b->p, &b->state, &value, b->dz, NULL);
            ck_assert_double_eq_tol(value, rows[row].expected[v], 2e-6);
            bench_free(b);
        }
}
END_TEST

/* ---- float64 reference: written from the papers' formulas, choices and noise draws held fixed
 * ---- */

struct reference {
    const struct bench *b;
    double z[L][T][E], n[L][T][E], p[L][T][E], lse[L][T];
};

static void reference_fill(struct reference *r, const struct bench *b)
{
    r->b = b;
    for (int l = 0; l < L; l++)
        for (int i = 0; i < T * E; i++) {
            r->z[l][i / E][i % E] = (double)b->logits[l][i];
            r->n[l][i / E][i % E] = (double)b->noise[l][i];
        }
}

static void reference_probs(struct reference *r)
{
    for (int l = 0; l < L; l++)
        for (int t = 0; t < T; t++) {
            double sum = 0, total = 0;
            for (int e = 0; e < E; e++)
                total += exp(r->z[l][t][e]);
            r->lse[l][t] = log(total);
            for (int e = 0; e < E; e++) {
                double z = r->z[l][t][e];
                r->p[l][t][e] = r->b->p.score == MS_SCORE_SIGMOID ? 1 / (1 + exp(-z)) : exp(z);
                sum += r->p[l][t][e];
            }
            for (int e = 0; e < E; e++)
                r->p[l][t][e] /= sum;
        }
}

/* Mean probability and count of expert e over tokens first..last-1. */
static double ref_P(const struct reference *r, int l, int e, int first, int last)
{
    double sum = 0;
    for (int t = first; t < last; t++)
        sum += r->p[l][t][e];
    return sum / (last - first);
}

static double ref_count(const struct reference *r, int l, int e, int first, int last)
{
    const struct ms_routes *o = &r->b->routes[l];
    double n = 0;
    for (int i = 0; i < o->n_selected; i++)
        n += o->expert[i] == e && o->token[i] >= first && o->token[i] < last;
    return n;
}

static double ref_switch(const struct reference *r, int first, int last, bool hf)
{
    double sum = 0, f[E] = {0}, P[E] = {0};
    for (int l = 0; l < L; l++)
        for (int e = 0; e < E; e++) {
            double fl = ref_count(r, l, e, first, last) / (last - first),
                   Pl = ref_P(r, l, e, first, last);
            sum += E * fl / K * Pl / L;
            f[e] += fl / L;
            P[e] += Pl / L;
        }
    double whole = 0;
    for (int e = 0; e < E; e++)
        whole += E * f[e] * P[e];
    return hf ? whole : sum;
}

static double ref_groups(const struct reference *r, int l, bool communication)
{
    const struct ms_routes *o = &r->b->routes[l];
    double sum = 0;
    for (int d = 0; d < GROUPS; d++) {
        double f = 0, P = 0;
        for (int e = d * E / GROUPS; e < (d + 1) * E / GROUPS; e++) {
            P += ref_P(r, l, e, 0, T);
            f += communication ? 0 : ref_count(r, l, e, 0, T) * E / ((double)K * T) / (E / GROUPS);
        }
        for (int t = 0; communication && t < T; t++) {
            int sent = 0;
            for (int i = 0; i < o->n_selected; i++)
                sent |= o->token[i] == t && o->expert[i] * GROUPS / E == d;
            f += (double)GROUPS / ((double)K * T) * sent; /* M = min(K, groups) = K */
        }
        sum += f * P;
    }
    return sum;
}

static double ref_load(const struct reference *r, int l)
{
    const struct ms_routes *o = &r->b->routes[l];
    double load[E] = {0}, mean = 0, variance = 0;
    for (int t = 0; t < T; t++)
        for (int i = 0; i < E; i++) {
            double H[E], std[E], others[E];
            for (int e = 0; e < E; e++) {
                std[e] = o->has_noise ? log1p(exp(r->n[l][t][e])) : 1.0 / E;
                double at = (double)r->b->logits[l][t * E + e];
                double draw = o->has_noise ? ((double)o->noisy[t * E + e] - at) /
                                                 (double)o->noise_std[t * E + e]
                                           : 0;
                H[e] = r->z[l][t][e] + draw * std[e];
            }
            int n = 0;
            for (int e = 0; e < E; e++)
                if (e != i)
                    others[n++] = H[e];
            for (int a = 0; a < n; a++) /* descending */
                for (int c = a + 1; c < n; c++)
                    if (others[c] > others[a]) {
                        double swap = others[a];
                        others[a] = others[c];
                        others[c] = swap;
                    }
            load[i] += 0.5 * (1 + erf((r->z[l][t][i] - others[K - 1]) / std[i] / sqrt(2)));
        }
    for (int e = 0; e < E; e++)
        mean += load[e] / E;
    for (int e = 0; e < E; e++)
        variance += pow(load[e] - mean, 2) / E;
    return variance / (mean * mean);
}

static double ref_layer(const struct reference *r, int l, const char *name)
{
    double P[E], mean = 0, variance = 0, about = 0, H = 0, sum = 0;
    for (int e = 0; e < E; e++) {
        P[e] = ref_P(r, l, e, 0, T);
        mean += P[e] / E;
    }
    for (int e = 0; e < E; e++) {
        variance += pow(P[e] - mean, 2) / E;
        about += pow(P[e] - 1.0 / E, 2) / E;
        H -= P[e] * log(P[e]);
        for (int f = 0; f < E; f++)
            sum += fabs(P[e] - P[f]); /* Gini as the mean absolute difference */
    }
    if (strcmp(name, "gini") == 0)
        return sum / (2 * E * E * mean);
    if (strcmp(name, "variance") == 0)
        return about;
    if (strcmp(name, "cv") == 0)
        return sqrt(variance) / mean;
    if (strcmp(name, "entropy") == 0)
        return 1 - H / log(E);
    if (strcmp(name, "device") == 0 || strcmp(name, "communication") == 0)
        return ref_groups(r, l, *name == 'c');
    if (strcmp(name, "load") == 0)
        return ref_load(r, l);
    if (strcmp(name, "z") == 0) {
        for (sum = 0, mean = 0; mean < T; mean++)
            sum += pow(r->lse[l][(int)mean], 2) / T;
        return sum;
    }
    if (strcmp(name, "sequence") == 0) {
        sum = 0;
        for (int s = 0; s < S; s++)
            for (int e = 0; e < E; e++)
                sum += ref_count(r, l, e, s * T / S, (s + 1) * T / S) * E / ((double)K * T / S) *
                       ref_P(r, l, e, s * T / S, (s + 1) * T / S) / S;
        return sum;
    }
    ck_assert(strcmp(name, "importance") == 0 || strcmp(name, "cv_squared") == 0);
    return variance / (mean * mean);
}

static double reference(struct reference *r, const char *name)
{
    double sum = 0;
    reference_probs(r);
    if (strcmp(name, "global_batch") == 0)
        return ref_switch(r, 0, T, r->b->p.normalise == MS_NORMALISE_HF);
    if (strcmp(name, "switch") == 0) {
        for (int m = 0; m < MICRO; m++)
            sum += ref_switch(r, m * T / MICRO, (m + 1) * T / MICRO,
                              r->b->p.normalise == MS_NORMALISE_HF) /
                   MICRO;
        return sum;
    }
    for (int l = 0; l < L; l++)
        sum += ref_layer(r, l, name) / L;
    return sum;
}

static void check_loss(const struct ms_loss *loss, const char *router, int normalise)
{
    struct bench *b = bench_make(router, L, S);
    struct reference *r = calloc(1, sizeof *r);
    b->p.micro_batches = MICRO;
    b->p.groups = GROUPS;
    b->p.normalise = normalise;
    bench_route(b, router);
    reference_fill(r, b);
    double value, h = 1e-5, weight = 3, largest = 0;
    struct ms_loss_term term = {loss, weight};
    double total = ms_loss_compute(&term, 1, &b->p, &b->state, &value, b->dz, b->dn);
    ck_assert_double_eq_tol(value, reference(r, loss->name), 2e-6);
    ck_assert_double_eq_tol(total, weight * value, 1e-12);
    for (int i = 0; i < 2 * L * T * E; i += 17) {
        int l = i / (2 * T * E), noise = i / (T * E) % 2, t = i / E % T, e = i % E;
        double *x = noise ? &r->n[l][t][e] : &r->z[l][t][e], at = *x, up, down;
        double got = (double)(noise ? b->dnoise[l][t * E + e] : b->dlogits[l][t * E + e]);
        *x = at + h;
        up = reference(r, loss->name);
        *x = at - h;
        down = reference(r, loss->name);
        *x = at;
        ck_assert_double_eq_tol(got, weight * (up - down) / (2 * h), 3e-7 + 1e-4 * fabs(got));
        largest = fmax(largest, fabs(got));
    }
    ck_assert(largest > 1e-6);
    free(r);
    bench_free(b);
}

START_TEST(test_gradients_against_central_differences)
{
    const struct ms_loss *loss = ms_losses[_i];
    check_loss(loss, "top_k", MS_NORMALISE_PER_CHOICE);
    check_loss(loss, "top_k", MS_NORMALISE_HF);
    check_loss(loss, "sigmoid_bias", MS_NORMALISE_PER_CHOICE);
    check_loss(loss, "noisy_top_k", MS_NORMALISE_PER_CHOICE);
}
END_TEST

/* A weighted sum is the sum of its parts, and threads do not change a bit. */
START_TEST(test_any_weighted_sum)
{
    struct bench *all = bench_make("top_k", L, S), *one = bench_make("top_k", L, S);
    struct ms_loss_term terms[16];
    int n = 0;
    double values[16], value, sum = 0;
    bench_route(all, "top_k");
    bench_route(one, "top_k");
    for (; ms_losses[n]; n++) {
        terms[n] = (struct ms_loss_term){ms_losses[n], 0.1 * (n + 1)};
        sum += ms_loss_compute(&terms[n], 1, &one->p, &one->state, &value, one->dz, NULL);
    }
    ck_assert_double_eq_tol(ms_loss_compute(terms, n, &all->p, &all->state, values, all->dz, NULL),
                            sum, 1e-9);
    for (int i = 0; i < L * T * E; i++)
        ck_assert_double_eq_tol((double)all->dlogits[i / (T * E)][i % (T * E)],
                                (double)one->dlogits[i / (T * E)][i % (T * E)], 2e-5);
    struct bench *wide = bench_make("top_k", L, S);
    bench_route(wide, "top_k");
    wide->p.pool = ms_pool_create(3);
    double again[16];
    ms_loss_compute(terms, n, &wide->p, &wide->state, again, wide->dz, NULL);
    ck_assert_int_eq(memcmp(values, again, (size_t)n * sizeof *values), 0);
    ck_assert_int_eq(memcmp(all->dlogits, wide->dlogits, sizeof wide->dlogits), 0);
    ms_pool_destroy(wide->p.pool);
    bench_free(wide);
    bench_free(one);
    bench_free(all);
}
END_TEST

/* Perfectly even routing: switch and its kin are 1 (hf: K), the distances 0. */
START_TEST(test_values_at_balance)
{
    struct bench *b = bench_make("top_k", L, S);
    for (int l = 0; l < L; l++)
        for (int i = 0; i < T * E; i++) { /* tokens take experts in turn, all else equal */
            int t = i / E, e = i % E;
            b->logits[l][i] = e == t * K % E || e == (t * K + 1) % E ? 1 : 0;
        }
    bench_route(b, "top_k");
    b->p.groups = GROUPS;
    static const char *const one[] = {"switch", "global_batch", "sequence", "device"};
    static const char *const zero[] = {"gini",    "variance",   "cv",  "cv_squared",
                                       "entropy", "importance", "load"};
    double value;
    for (size_t i = 0; i < sizeof one / sizeof *one; i++) {
        struct ms_loss_term term = {ms_loss_find(one[i]), 1};
        b->p.normalise = MS_NORMALISE_PER_CHOICE;
        ms_loss_compute(&term, 1, &b->p, &b->state, &value, b->dz, NULL);
        ck_assert_double_eq_tol(value, 1, 1e-6);
        b->p.normalise = MS_NORMALISE_HF;
        ms_loss_compute(&term, 1, &b->p, &b->state, &value, b->dz, NULL);
        ck_assert_double_eq_tol(value, i < 2 ? K : 1, 1e-6);
    }
    for (size_t i = 0; i < sizeof zero / sizeof *zero; i++) {
        struct ms_loss_term term = {ms_loss_find(zero[i]), 1};
        ms_loss_compute(&term, 1, &b->p, &b->state, &value, b->dz, NULL);
        ck_assert_double_eq_tol(value, 0, 1e-6);
    }
    for (int i = 0; i < L * T * E; i++)
        ck_assert(isfinite(b->dlogits[i / (T * E)][i % (T * E)]));
    bench_free(b);
}
END_TEST

/* Following the gradient of each loss on the mean probabilities makes it smaller. */
START_TEST(test_descent_lowers_every_loss)
{
    struct bench *b = bench_make("top_k", L, S);
    struct ms_loss_term term = {ms_losses[_i], 1};
    double first = 0, value = 0;
    b->p.groups = GROUPS;
    for (int step = 0; step < 60; step++) {
        bench_route(b, "top_k");
        memset(b->dlogits, 0, sizeof b->dlogits);
        ms_loss_compute(&term, 1, &b->p, &b->state, &value, b->dz, NULL);
        first = step == 0 ? value : first;
        double norm = 0;
        for (int i = 0; i < L * T * E; i++)
            norm += (double)b->dlogits[i / (T * E)][i % (T * E)] *
                    (double)b->dlogits[i / (T * E)][i % (T * E)];
        for (int i = 0; i < L * T * E; i++)
            b->logits[i / (T * E)][i % (T * E)] -=
                (float)(0.3 * (double)b->dlogits[i / (T * E)][i % (T * E)] / sqrt(norm + 1e-30));
    }
    ck_assert_double_lt(value, first - 1e-4);
    bench_free(b);
}
END_TEST

START_TEST(test_names)
{
    ck_assert_str_eq(ms_loss_find("switch")->name, "switch");
    ck_assert_ptr_null(ms_loss_find("swich"));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("moe_loss");
    TCase *t = tcase_create("moe_loss");
    suite_add_tcase(s, t);
    int n = 0;
    while (ms_losses[n])
        n++;
    tcase_add_test(t, test_values_and_gradients_equal_hugging_faces);
    tcase_add_test(t, test_the_published_vectors);
    tcase_add_loop_test(t, test_gradients_against_central_differences, 0, n);
    tcase_add_test(t, test_any_weighted_sum);
    tcase_add_test(t, test_values_at_balance);
    tcase_add_loop_test(t, test_descent_lowers_every_loss, 0, n);
    tcase_add_test(t, test_names);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}
