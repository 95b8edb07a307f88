/* moe/: the model computes what Hugging Face transformers computes, on checkpoints of its three
 * families. */
#include <check.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/safetensors.h"
#include "moe/adamw.h"
#include "moe/checkpoint.h"
#include "moe/loss.h"
#include "moe/model.h"

static const char *const families[] = {"mixtral", "olmoe", "qwen3moe"};
enum { B = 2, T = 32, N = B * T };

struct truth {
    struct ms_checkpoint *ckpt;
    struct ms_st_file *file;
    struct ms_model *model;
    int32_t tokens[N], targets[N];
    float *reference; /* scratch for the tensor asked for last */
};

static const struct ms_st_tensor *tensor(struct truth *t, const char *name)
{
    const struct ms_st_tensor *x = ms_st_find(t->file, name);
    ck_assert_msg(x != NULL, "%s", name);
    t->reference = realloc(t->reference, x->count * sizeof *t->reference);
    ck_assert(ms_st_floats(x, 0, x->count, t->reference));
    return x;
}

static void ids(struct truth *t, const char *name, int32_t *out)
{
    int64_t v[N];
    ck_assert(ms_st_integers(ms_st_find(t->file, name), 0, N, v));
    for (int i = 0; i < N; i++)
        out[i] = (int32_t)v[i];
}

static struct truth open_truth(const char *family, bool train, struct ms_pool *pool)
{
    char path[512];
    struct ms_err err = {0};
    struct truth t = {0};
    snprintf(path, sizeof path, "%s/hf/%s", TEST_DATA, family);
    ck_assert_msg(ms_checkpoint_open(path, &t.ckpt, &err) == MS_OK, "%s: %s", err.key, err.text);
    struct ms_model_options o = {.B = B, .T = T, .train = train, .pool = pool};
    ck_assert_msg(ms_model_create(ms_checkpoint_config(t.ckpt), &o, &t.model, &err) == MS_OK, "%s",
                  err.text);
    ck_assert_msg(ms_checkpoint_load(t.ckpt, t.model, &err) == MS_OK, "%s: %s", err.key, err.text);
    snprintf(path, sizeof path, "%s/hf/%s/reference.safetensors", TEST_DATA, family);
    ck_assert_int_eq(ms_st_open(path, &t.file, &err), MS_OK);
    ids(&t, "input_ids", t.tokens);
    ids(&t, "target_ids", t.targets);
    return t;
}

static void close_truth(struct truth *t)
{
    ms_model_destroy(t->model);
    ms_checkpoint_close(t->ckpt);
    ms_st_close(t->file);
    free(t->reference);
}

static double forward(struct truth *t)
{
    double ce = 0;
    struct ms_model_input in = {.B = B, .T = T, .tokens = t->tokens, .targets = t->targets};
    ck_assert_int_eq(ms_model_forward(t->model, &in, &ce, NULL), MS_OK);
    return ce;
}

static double farthest(const float *a, const float *b, size_t n)
{
    double far = 0;
    for (size_t i = 0; i < n; i++) {
        double d = fabs((double)a[i] - (double)b[i]);
        far = d > far || isnan(d) ? d : far;
    }
    return far;
}

START_TEST(test_forward_equals_transformers)
{
    for (int train = 0; train < 2; train++) {
        struct truth t = open_truth(families[_i], train, NULL);
        double ce = forward(&t);
        size_t n = tensor(&t, "logits")->count;
        double far = farthest(ms_model_logits(t.model), t.reference, n);
        ck_assert_msg(far < 1e-4, "%s: logits differ by %g", families[_i], far);
        tensor(&t, "ce_loss");
        ck_assert_msg(fabs(ce - (double)t.reference[0]) < 1e-5, "%s: cross-entropy %.7f, not %.7f",
                      families[_i], ce, (double)t.reference[0]);
        for (int l = 0; l < ms_model_moe_layers(t.model); l++) {
            char name[64];
            snprintf(name, sizeof name, "router_logits.%d", l);
            n = tensor(&t, name)->count;
            ck_assert(farthest(ms_model_router_logits(t.model)[l], t.reference, n) < 1e-4);
            snprintf(name, sizeof name, "expert_counts.%d", l);
            n = tensor(&t, name)->count;
            const struct ms_routes *r = &ms_model_routes(t.model)[l];
            for (size_t e = 0; e < n; e++)
                ck_assert_int_eq(r->expert_start[e + 1] - r->expert_start[e], (int)t.reference[e]);
        }
        close_truth(&t);
    }
}
END_TEST

/* ce + coef * aux, aux as transformers defines it: loss "switch" normalised over all layers at
 * once. */
static double add_aux(struct truth *t)
{
    struct ms_arena a = {0};
    struct ms_loss_state state = {0};
    const struct ms_moe_config *c = ms_model_config(t->model);
    int L = ms_model_moe_layers(t->model);
    struct ms_loss_problem p = {.L = L,
                                .T = N,
                                .E = c->experts,
                                .K = c->top_k,
                                .S = B,
                                .normalise = MS_NORMALISE_HF,
                                .score = MS_SCORE_SOFTMAX,
                                .logits = ms_model_router_logits(t->model),
                                .routes = ms_model_routes(t->model)};
    struct ms_loss_term term = {ms_loss_find("switch"), c->aux_coef};
    double value = 0;
    ck_assert_int_eq(ms_loss_state_init(&state, &a, L, B, c->experts, NULL), MS_OK);
    ms_loss_compute(&term, 1, &p, &state, &value, ms_model_router_dlogits(t->model), NULL);
    ms_arena_finish(&a);
    return value;
}

START_TEST(test_every_gradient_equals_transformers)
{
    struct truth t = open_truth(families[_i], true, NULL);
    forward(&t);
    double aux = add_aux(&t);
    tensor(&t, "aux_loss");
    ck_assert_msg(fabs(aux - (double)t.reference[0]) < 1e-5, "aux %g, not %g", aux,
                  (double)t.reference[0]);
    ms_model_backward(t.model);
    size_t n, compared = 0;
    const struct ms_param *params = ms_model_params(t.model, &n);
    for (size_t i = 0; i < n; i++) {
        char name[160];
        snprintf(name, sizeof name, "grad.%s", params[i].name);
        ck_assert_uint_eq(tensor(&t, name)->count, params[i].n);
        double far = 0, norm = 0;
        for (size_t j = 0; j < params[i].n; j++) {
            double d = (double)params[i].gradient[j] - (double)t.reference[j];
            far += d * d;
            norm += (double)t.reference[j] * (double)t.reference[j];
        }
        ck_assert_msg(sqrt(far) <= 1e-3 * sqrt(norm), "%s %s: %g of a norm of %g", families[_i],
                      name, sqrt(far), sqrt(norm));
        compared++;
    }
    size_t gradients = 0;
    for (size_t i = 0; i < ms_st_count(t.file); i++)
        gradients += strncmp(ms_st_at(t.file, i)->name, "grad.", 5) == 0;
    ck_assert_uint_eq(compared, gradients);
    close_truth(&t);
}
END_TEST

static int32_t token_at(json_t *steps, size_t step, int b, int t)
{
    json_t *row = json_array_get(json_array_get(steps, step), (size_t)b);
    ck_assert_uint_eq(json_array_size(row), T + 1);
    return (int32_t)json_integer_value(json_array_get(row, (size_t)t));
}

static void check_near(const char *what, size_t step, double is, json_t *row, const char *key,
                       double tolerance)
{
    double truth = json_number_value(json_object_get(row, key));
    ck_assert_msg(fabs(is - truth) <= tolerance * fabs(truth), "%s, step %zu: %s is %.8g, not %.8g",
                  what, step, key, is, truth);
}

START_TEST(test_ten_steps_of_adamw_follow_the_curve)
{
    char path[512];
    struct truth t = open_truth(families[_i], true, NULL);
    struct ms_arena a = {0};
    struct ms_adamw o = {0};
    size_t n;
    const struct ms_param *p = ms_model_params(t.model, &n);
    struct ms_adamw_part *parts = MS_NEW(&a, struct ms_adamw_part, n);
    for (size_t i = 0; i < n; i++)
        parts[i] = (struct ms_adamw_part){p[i].name, p[i].value, p[i].gradient, p[i].n};
    struct ms_adamw_params q = ms_adamw_params_default();
    q.lr = 3e-3;
    q.betas[0] = 0.9;
    q.betas[1] = 0.95;
    q.eps = 1e-8;
    q.weight_decay = 0.1;
    q.clip = 1;
    q.warmup = 0;
    ck_assert_int_eq(ms_adamw_init(&o, &a, q, parts, n, NULL), MS_OK);
    snprintf(path, sizeof path, "%s/hf/%s/curve.json", TEST_DATA, families[_i]);
    json_t *root = json_load_file(path, 0, NULL), *curve = json_object_get(root, "curve");
    ck_assert_uint_eq(json_array_size(curve), 10);
    for (size_t step = 0; step < 10; step++) {
        for (int i = 0; i < N; i++) {
            t.tokens[i] = token_at(json_object_get(root, "tokens_per_step"), step, i / T, i % T);
            t.targets[i] =
                token_at(json_object_get(root, "tokens_per_step"), step, i / T, i % T + 1);
        }
        json_t *row = json_array_get(curve, step);
        check_near(families[_i], step, forward(&t), row, "ce", 1e-3);
        check_near(families[_i], step, add_aux(&t), row, "aux", 1e-3);
        ms_model_backward(t.model);
        double norm = ms_adamw_norm(&o, NULL);
        check_near(families[_i], step, norm, row, "grad_norm_before_clip", 1e-3);
        ms_adamw_step(&o, norm, NULL);
    }
    json_decref(root);
    ms_arena_finish(&a);
    close_truth(&t);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("moe_hf");
    TCase *tc = tcase_create("families");
    tcase_add_loop_test(tc, test_forward_equals_transformers, 0, 3);
    tcase_add_loop_test(tc, test_every_gradient_equals_transformers, 0, 3);
    tcase_add_loop_test(tc, test_ten_steps_of_adamw_follow_the_curve, 0, 3);
    suite_add_tcase(s, tc);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
