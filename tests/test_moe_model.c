/* moe/: the fast model equals the naive one in double, its gradients equal central differences of
 * it, and no bit depends on the number of threads. */
#include <check.h>

#include "base/rng.h"
#include "moe/router.h"
#include "moe_naive.h"

struct shape {
    const char *name;
    struct ms_moe_config c;
    int B, T;
};

/* Sizes that are not multiples of any vector, tile or block; every family's particulars. */
static struct shape shape(int i)
{
    struct ms_moe_config c = {.family = MS_FAMILY_MIXTRAL,
                              .vocab = 37,
                              .hidden = 20,
                              .layers = 2,
                              .heads = 4,
                              .kv_heads = 2,
                              .head_dim = 6,
                              .experts = 5,
                              .top_k = 2,
                              .expert_intermediate = 13,
                              .dense_intermediate = 19,
                              .max_positions = 64,
                              .renormalised = true,
                              .rms_eps = 1e-5,
                              .rope_theta = 1e4,
                              .initializer_range = 0.3};
    switch (i) {
    case 0:
        return (struct shape){"mixtral", c, 3, 11};
    case 1:
        c.family = MS_FAMILY_OLMOE;
        c.qk_norm = MS_QK_NORM_WIDTH;
        c.renormalised = false;
        c.kv_heads = 4;
        return (struct shape){"olmoe", c, 2, 41};
    case 2:
        c.family = MS_FAMILY_QWEN3_MOE;
        c.qk_norm = MS_QK_NORM_HEAD;
        c.dense[0] = true;
        c.layers = 3;
        return (struct shape){"qwen3 with a dense layer", c, 2, 9};
    case 3:
        c.tied = true;
        c.kv_heads = 1;
        return (struct shape){"tied", c, 1, 1};
    case 4:
        c.tied = true;
        c.top_k = 5;
        return (struct shape){"tied, every expert", c, 2, 33};
    default:
        c.experts = 1;
        c.top_k = 1;
        c.hidden = 32;
        c.head_dim = 32;
        return (struct shape){"one expert", c, 2, 70};
    }
}
enum { SHAPES = 6 };

struct run {
    struct shape s;
    struct ms_model *m;
    int32_t *tokens, *targets;
    float *extra; /* [L][N][E] gradient on the router's logits, as losses add it */
};

static struct run make(int i, bool train, struct ms_pool *pool)
{
    struct run r = {.s = shape(i)};
    struct ms_err err = {0};
    struct ms_rng g;
    r.s.c.max_positions = 128;
    struct ms_model_options o = {.B = r.s.B, .T = r.s.T, .train = train, .pool = pool};
    ck_assert_msg(ms_model_create(&r.s.c, &o, &r.m, &err) == MS_OK, "%s: %s", err.key, err.text);
    ms_model_init(r.m, 7);
    size_t N = (size_t)(r.s.B * r.s.T), extra = N * (size_t)(r.s.c.layers * r.s.c.experts);
    r.tokens = calloc(N, sizeof *r.tokens);
    r.targets = calloc(N, sizeof *r.targets);
    r.extra = calloc(extra, sizeof *r.extra);
    ms_rng_init(&g, 3, "test", (uint64_t)i, 0, 0);
    for (size_t n = 0; n < N; n++) {
        r.tokens[n] = (int32_t)ms_rng_below(&g, (uint32_t)r.s.c.vocab);
        r.targets[n] = n % 7 == 3 ? -1 : (int32_t)ms_rng_below(&g, (uint32_t)r.s.c.vocab);
    }
    for (size_t n = 0; n < extra; n++)
        r.extra[n] = (float)(ms_rng_normal(&g) * 0.01);
    size_t n_params; /* norms away from 1, so that their gradient's place matters */
    const struct ms_param *p = ms_model_params(r.m, &n_params);
    for (size_t j = 0; j < n_params; j++)
        for (size_t n = 0; p[j].n_dims == 1 && n < p[j].n; n++)
            p[j].value[n] = (float)(1 + 0.3 * ms_rng_normal(&g));
    return r;
}

static void finish(struct run *r)
{
    ms_model_destroy(r->m);
    free(r->tokens);
    free(r->targets);
    free(r->extra);
}

static double forward(struct run *r)
{
    double ce = 0;
    struct ms_model_input in = {
        .B = r->s.B, .T = r->s.T, .tokens = r->tokens, .targets = r->targets};
    ck_assert_int_eq(ms_model_forward(r->m, &in, &ce, NULL), MS_OK);
    return ce;
}

static void backward(struct run *r)
{
    size_t NE = (size_t)(r->s.B * r->s.T * r->s.c.experts);
    for (int i = 0; i < ms_model_moe_layers(r->m); i++)
        for (size_t n = 0; n < NE; n++)
            ms_model_router_dlogits(r->m)[i][n] +=
                r->extra[(size_t)ms_model_moe_layer_id(r->m, i) * NE + n];
    ms_model_backward(r->m);
}

START_TEST(test_forward_equals_the_naive_model)
{
    for (int train = 0; train < 2; train++) {
        struct run r = make(_i, train, NULL);
        struct naive n = naive_of(r.m, r.s.B, r.s.T);
        double ce = forward(&r), truth = naive_forward(&n, r.s.B, r.s.T, r.tokens, r.targets);
        ck_assert_msg(fabs(ce - truth) < 2e-6 * (1 + fabs(truth)), "%s: %.8f, not %.8f", r.s.name,
                      ce, truth);
        for (int i = 0; i < r.s.B * r.s.T * r.s.c.vocab; i++)
            ck_assert_msg(fabs((double)ms_model_logits(r.m)[i] - n.logits[i]) < 2e-5,
                          "%s: logit %d is %g, not %g", r.s.name, i,
                          (double)ms_model_logits(r.m)[i], n.logits[i]);
        naive_free(&n);
        finish(&r);
    }
}
END_TEST

START_TEST(test_gradients_equal_central_differences)
{
    struct run r = make(_i, true, NULL);
    struct naive n = naive_of(r.m, r.s.B, r.s.T);
    n.extra = r.extra;
    forward(&r);
    backward(&r);
    for (size_t i = 0; i < n.n_params; i++) {
        const struct ms_param *p = &n.params[i];
        double off = 0, norm = 0;
        size_t step = p->n > 12 ? p->n / 12 : 1; /* some of a large tensor */
        for (size_t j = (size_t)_i % step; j < p->n; j += step) {
            double keep = n.value[i][j], h = 1e-5;
            n.value[i][j] = keep + h;
            double up = naive_forward(&n, r.s.B, r.s.T, r.tokens, r.targets);
            n.value[i][j] = keep - h;
            double slope = (up - naive_forward(&n, r.s.B, r.s.T, r.tokens, r.targets)) / (2 * h);
            n.value[i][j] = keep;
            off += (slope - (double)p->gradient[j]) * (slope - (double)p->gradient[j]);
            norm += slope * slope;
        }
        ck_assert_msg(sqrt(off) <= 1e-4 * sqrt(norm) + 2e-6, "%s: %s differs by %g of %g", r.s.name,
                      p->name, sqrt(off), sqrt(norm));
    }
    naive_free(&n);
    finish(&r);
}
END_TEST

/* Everything a step leaves behind, as bytes. */
static float *bits(struct run *r, size_t *n)
{
    size_t n_params, values = 0, V = (size_t)(r->s.B * r->s.T * r->s.c.vocab);
    const struct ms_param *p = ms_model_params(r->m, &n_params);
    for (size_t i = 0; i < n_params; i++)
        values += p[i].n;
    float *all = calloc(values + V + 2, sizeof *all);
    double ce = forward(r);
    memcpy(all, &ce, sizeof ce);
    memcpy(all + 2, ms_model_logits(r->m), V * sizeof *all);
    backward(r);
    memcpy(all + 2 + V, p[0].gradient, values * sizeof *all);
    *n = values + V + 2;
    return all;
}

START_TEST(test_bits_do_not_depend_on_threads_or_history)
{
    float *first = NULL;
    size_t n = 0;
    for (int threads = 1; threads <= 4; threads++) {
        struct ms_pool *pool = ms_pool_create(threads);
        struct run r = make(_i, true, pool);
        for (int again = 0; again < 2; again++) {
            float *now = bits(&r, &n);
            ck_assert_msg(!first || memcmp(first, now, n * sizeof *now) == 0, "%s: %d threads",
                          r.s.name, threads);
            if (first)
                free(now);
            else
                first = now;
        }
        finish(&r);
        ms_pool_destroy(pool);
    }
    free(first);
}
END_TEST

/* A model with room for more gives the same bits; rows do not see each other under top_k. */
START_TEST(test_rows_are_alone_and_room_does_not_matter)
{
    struct run r = make(_i, false, NULL);
    struct ms_model *big = NULL;
    struct ms_model_options o = {.B = r.s.B + 3, .T = r.s.T + 17};
    size_t n, V = (size_t)(r.s.T * r.s.c.vocab);
    ck_assert_int_eq(ms_model_create(&r.s.c, &o, &big, NULL), MS_OK);
    const struct ms_param *from = ms_model_params(r.m, &n), *to = ms_model_params(big, &n);
    for (size_t i = 0; i < n; i++)
        memcpy(to[i].value, from[i].value, from[i].n * sizeof(float));
    forward(&r);
    for (int b = 0; b < r.s.B; b++) {
        struct ms_model_input in = {.B = 1, .T = r.s.T, .tokens = r.tokens + b * r.s.T};
        ck_assert_int_eq(ms_model_forward(big, &in, NULL, NULL), MS_OK);
        for (size_t i = 0; i < V; i++) /* tiles of an expert's tokens differ: last bits may too */
            ck_assert(fabsf(ms_model_logits(big)[i] - ms_model_logits(r.m)[(size_t)b * V + i]) <
                      1e-5f);
    }
    ms_model_destroy(big);
    finish(&r);
}
END_TEST

/* Sizes past every block of the kernels; the gradient as a whole against the slope along random
 * directions. */
START_TEST(test_large_sizes_cross_every_block)
{
    struct run r = make(0, false, NULL);
    struct ms_rng g;
    int32_t tokens[251], targets[251];
    struct ms_moe_config c = r.s.c;
    c.hidden = 272;
    c.head_dim = 66;
    c.expert_intermediate = 264;
    c.experts = 3;
    c.layers = 1;
    c.vocab = 300;
    c.max_positions = 251;
    c.initializer_range = 0.05;
    finish(&r);
    struct ms_model *m = NULL;
    struct ms_model_options o = {.B = 1, .T = 251, .train = true};
    struct ms_model_input in = {.B = 1, .T = 251, .tokens = tokens, .targets = targets};
    ck_assert_int_eq(ms_model_create(&c, &o, &m, NULL), MS_OK);
    ms_model_init(m, 3);
    ms_rng_init(&g, 5, "large", 0, 0, 0);
    for (int i = 0; i < 251; i++) {
        tokens[i] = (int32_t)ms_rng_below(&g, 300);
        targets[i] = (int32_t)ms_rng_below(&g, 300);
    }
    struct naive n = naive_of(m, 1, 251);
    double ce = 0, truth = naive_forward(&n, 1, 251, tokens, targets);
    ck_assert_int_eq(ms_model_forward(m, &in, &ce, NULL), MS_OK);
    ck_assert_msg(fabs(ce - truth) < 1e-5, "%.8f, not %.8f", ce, truth);
    for (int i = 0; i < 251 * 300; i++)
        ck_assert(fabs((double)ms_model_logits(m)[i] - n.logits[i]) < 1e-4);
    ms_model_backward(m);
    for (size_t p = 0; p < n.n_params; p++) {
        double along = 0, h = 1e-4, slope[2], *d = calloc(n.params[p].n, sizeof *d);
        for (size_t i = 0; i < n.params[p].n; i++) {
            d[i] = (double)n.params[p].gradient[i] + 1e-6 * ms_rng_normal(&g); /* mostly uphill */
            along += d[i] * (double)n.params[p].gradient[i];
        }
        for (int side = 0; side < 2; side++) {
            for (size_t i = 0; i < n.params[p].n; i++)
                n.value[p][i] = (double)n.params[p].value[i] + (side ? -h : h) * d[i];
            slope[side] = naive_forward(&n, 1, 251, tokens, targets);
        }
        for (size_t i = 0; i < n.params[p].n; i++)
            n.value[p][i] = (double)n.params[p].value[i];
        double is = (slope[0] - slope[1]) / (2 * h);
        ck_assert_msg(fabs(is - along) < 1e-3 * fabs(is) + 1e-9, "%s: %g, not %g", n.params[p].name,
                      along, is);
        free(d);
    }
    naive_free(&n);
    ms_model_destroy(m);
}
END_TEST

START_TEST(test_split_experts_and_capacity_have_right_gradients)
{
    /* one hot expert takes most tokens, so that its gradient is made of several segments; a
     * capacity drops pairs */
    struct run r = make(0, true, NULL), many = make(0, true, NULL);
    ms_model_destroy(many.m);
    many.s.B = 16;
    many.s.T = 64;
    struct ms_model_options o = {.B = 16, .T = 64, .train = true};
    ck_assert_int_eq(ms_model_create(&many.s.c, &o, &many.m, NULL), MS_OK);
    ms_model_init(many.m, 9);
    const struct ms_param *gate = ms_model_param(many.m, "model.layers.0.mlp.gate.weight");
    memset(gate->value, 0, gate->n * sizeof(float)); /* equal scores: experts 0 and 1 take all */
    int32_t *tokens = calloc(1024, sizeof *tokens), *targets = calloc(1024, sizeof *targets);
    for (int i = 0; i < 1024; i++) {
        tokens[i] = r.tokens[i % 33];
        targets[i] = r.tokens[(i + 1) % 33];
    }
    struct ms_model_input in = {.B = 16, .T = 64, .tokens = tokens, .targets = targets};
    ck_assert_int_eq(ms_model_forward(many.m, &in, NULL, NULL), MS_OK);
    ck_assert_int_eq(ms_model_routes(many.m)[0].selected[0], 1024);
    ms_model_backward(many.m);
    const struct ms_param *gu = ms_model_param(many.m, "model.layers.0.mlp.experts.gate_up_proj");
    struct naive n = naive_of(many.m, 16, 64);
    size_t which = (size_t)(gu - n.params), one = gu->n / 5;
    for (size_t j = 3; j < gu->n; j += one / 2) {
        double keep = n.value[which][j], h = 1e-4, up, slope;
        n.value[which][j] = keep + h;
        up = naive_forward(&n, 16, 64, tokens, targets);
        n.value[which][j] = keep - h;
        slope = (up - naive_forward(&n, 16, 64, tokens, targets)) / (2 * h);
        n.value[which][j] = keep;
        ck_assert_msg(fabs(slope - (double)gu->gradient[j]) < 1e-4 * fabs(slope) + 2e-7,
                      "%zu: %g, not %g", j, (double)gu->gradient[j], slope);
    }
    for (size_t j = 2 * one; j < gu->n; j++) /* experts without tokens */
        ck_assert(gu->gradient[j] == 0);
    naive_free(&n);
    free(tokens);
    free(targets);
    finish(&many);
    finish(&r);
}
END_TEST

START_TEST(test_every_router_and_assignment_runs)
{
    for (int assign = 0; assign < 2; assign++)
        for (const struct ms_router *const *router = assign ? ms_assigns : ms_routers; *router;
             router++)
            for (int capacity = 0; capacity < 2; capacity++) {
                struct run r = make(0, true, NULL);
                struct ms_router_params p = ms_router_params_default();
                p.capacity_factor = capacity ? 1.0 : p.capacity_factor;
                struct ms_err err = {0};
                ck_assert_msg(ms_model_set_router(r.m, *router, &p, &err) == MS_OK, "%s: %s",
                              (*router)->name, err.text);
                double ce = forward(&r);
                ck_assert_msg(isfinite(ce), "%s", (*router)->name);
                const struct ms_routes *routes = ms_model_routes(r.m);
                ck_assert_int_gt(routes[0].n, 0);
                backward(&r);
                size_t n;
                const struct ms_param *params = ms_model_params(r.m, &n);
                for (size_t i = 0; i < n; i++)
                    for (size_t j = 0; j < params[i].n; j++)
                        ck_assert_msg(isfinite(params[i].gradient[j]), "%s: %s", (*router)->name,
                                      params[i].name);
                finish(&r);
            }
}
END_TEST

START_TEST(test_wrong_input_is_refused)
{
    struct run r = make(0, false, NULL);
    struct ms_err err = {0};
    r.tokens[4] = 37;
    struct ms_model_input in = {.B = r.s.B, .T = r.s.T, .tokens = r.tokens};
    ck_assert_int_eq(ms_model_forward(r.m, &in, NULL, &err), MS_INVALID);
    ck_assert_str_eq(err.text, "token 37 at position 4 is outside the vocabulary of 37");
    in.B++;
    ck_assert_int_eq(ms_model_forward(r.m, &in, NULL, NULL), MS_INVALID);
    struct ms_model *m = NULL;
    struct ms_model_options o = {.B = 1, .T = 500};
    err = (struct ms_err){0};
    ck_assert_int_eq(ms_model_create(&r.s.c, &o, &m, &err), MS_INVALID);
    ck_assert_ptr_nonnull(strstr(err.text, "max_position_embeddings"));
    r.s.c.max_positions = 1000;
    r.s.c.sliding_window = 100;
    err = (struct ms_err){0};
    ck_assert_int_eq(ms_model_create(&r.s.c, &o, &m, &err), MS_INVALID);
    ck_assert_str_eq(err.key, "sliding_window");
    finish(&r);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("moe_model");
    TCase *tc = tcase_create("model");
    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, test_forward_equals_the_naive_model, 0, SHAPES);
    tcase_add_loop_test(tc, test_gradients_equal_central_differences, 0, SHAPES);
    tcase_add_loop_test(tc, test_bits_do_not_depend_on_threads_or_history, 0, SHAPES);
    tcase_add_loop_test(tc, test_rows_are_alone_and_room_does_not_matter, 0, SHAPES);
    tcase_add_test(tc, test_large_sizes_cross_every_block);
    tcase_add_test(tc, test_split_experts_and_capacity_have_right_gradients);
    tcase_add_test(tc, test_every_router_and_assignment_runs);
    tcase_add_test(tc, test_wrong_input_is_refused);
    suite_add_tcase(s, tc);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
