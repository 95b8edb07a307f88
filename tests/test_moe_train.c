/* moe/train: the loop against Hugging Face's curves, and what a run promises about its bytes. */
#define _GNU_SOURCE
#include <check.h>
#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/npy.h"
#include "base/rng.h"
#include "moe/adamw.h"
#include "moe/checkpoint.h"
#include "moe/data.h"
#include "moe/observer.h"
#include "moe/text.h"
#include "moe/perplexity.h"
#include "moe/train.h"

static char root[64]; /* folder of this process's files */

static const char *path_in(const char *name)
{
    static char paths[8][256];
    static int next;
    char *p = paths[next++ % 8];
    snprintf(p, sizeof paths[0], "%s/%s", root, name);
    return p;
}

/* ---- Hugging Face's ten AdamW steps ---- */

static json_t *load_curve(const char *family, int64_t *steps, int64_t *batch, int64_t *seq)
{
    char path[512];
    snprintf(path, sizeof path, TEST_DATA "/hf/%s/curve.json", family);
    json_t *curve = json_load_file(path, 0, NULL);
    ck_assert_ptr_nonnull(curve);
    *steps = (int64_t)json_array_size(json_object_get(curve, "curve"));
    *batch = json_integer_value(json_object_get(curve, "batch"));
    *seq = json_integer_value(json_object_get(curve, "seq"));
    return curve;
}

static void write_tokens(const json_t *curve, const char *path)
{
    const json_t *all = json_object_get(curve, "tokens_per_step");
    size_t steps = json_array_size(all), rows = json_array_size(json_array_get(all, 0));
    size_t n = json_array_size(json_array_get(json_array_get(all, 0), 0)), at = 0;
    int32_t *v = malloc(steps * rows * n * sizeof *v);
    for (size_t s = 0; s < steps; s++)
        for (size_t b = 0; b < rows; b++)
            for (size_t i = 0; i < n; i++)
                v[at++] = (int32_t)json_integer_value(
                    json_array_get(json_array_get(json_array_get(all, s), b), i));
    ck_assert_int_eq(ms_npy_write(path, MS_NPY_I4, 3, (size_t[]){steps, rows, n}, v, NULL), MS_OK);
    free(v);
}

static json_t *history_line(FILE *f)
{
    char line[1 << 16];
    if (!fgets(line, sizeof line, f))
        return NULL;
    json_t *j = json_loads(line, 0, NULL);
    ck_assert_ptr_nonnull(j);
    return j;
}

static double number(const json_t *j, const char *key)
{
    ck_assert_msg(json_is_number(json_object_get(j, key)), "%s", key);
    return json_number_value(json_object_get(j, key));
}

static const char *const families[] = {"mixtral", "olmoe", "qwen3moe"};

START_TEST(test_ten_steps_follow_hugging_faces_curve)
{
    struct ms_train_params p = ms_train_params_default();
    char init[512], tokens[256], dir[256];
    json_t *curve = load_curve(families[_i], &p.steps, &p.batch, &p.seq);
    double coefficient =
        strtod(json_string_value(json_object_get(curve, "loss")) + 5, NULL); /* "ce + 0.02*aux" */
    ck_assert(coefficient > 0);
    snprintf(init, sizeof init, TEST_DATA "/hf/%s", families[_i]);
    snprintf(tokens, sizeof tokens, "%s/%s.npy", root, families[_i]);
    snprintf(dir, sizeof dir, "%s/curve-%s", root, families[_i]);
    write_tokens(curve, tokens);
    struct ms_loss_term term = {ms_loss_find("switch"), coefficient};
    p.init = init;
    p.data.tokens = tokens;
    p.losses = &term;
    p.n_losses = 1;
    p.normalise = MS_NORMALISE_HF;
    p.optimizer.lr = 3e-3;
    p.optimizer.warmup = 0;
    struct ms_train_options o = {.dir = dir, .threads = 2};
    struct ms_err err = {0};
    ck_assert_msg(ms_train_run(&p, &o, &err) == MS_OK, "%s", err.text);
    snprintf(dir, sizeof dir, "%s/curve-%s/history.jsonl", root, families[_i]);
    FILE *f = fopen(dir, "r");
    const json_t *want = json_object_get(curve, "curve");
    for (size_t s = 0; s < json_array_size(want); s++) {
        json_t *got = history_line(f), *row = json_array_get(want, s);
        ck_assert_int_eq((int)number(got, "step"), (int)s);
        ck_assert_double_eq_tol(number(got, "ce") / number(row, "ce"), 1, 1e-3);
        ck_assert_double_eq_tol(number(got, "switch") / number(row, "aux"), 1, 1e-3);
        ck_assert_double_eq_tol(number(got, "grad_norm") / number(row, "grad_norm_before_clip"), 1,
                                2e-3);
        json_decref(got);
    }
    ck_assert_ptr_null(history_line(f)); /* exactly one line a step */
    fclose(f);
    json_decref(curve);
}
END_TEST

/* ---- AdamW ---- */

enum { N_PARTS = 3 };
static const size_t part_sizes[N_PARTS] = {40000, 7, 16384};

struct values {
    float w[60000], g[60000];
    struct ms_adamw_part parts[N_PARTS];
};

static struct values *make_values(void)
{
    struct values *v = calloc(1, sizeof *v);
    struct ms_rng rng;
    ms_rng_init(&rng, 1, "test", 0, 0, 0);
    size_t at = 0;
    for (int i = 0; i < N_PARTS; i++) {
        v->parts[i] = (struct ms_adamw_part){"part", v->w + at, v->g + at, part_sizes[i]};
        at += part_sizes[i];
    }
    for (size_t i = 0; i < at; i++)
        v->w[i] = (float)ms_rng_normal(&rng);
    return v;
}

static void set_gradients(struct values *v, int step)
{
    struct ms_rng rng;
    ms_rng_init(&rng, 2, "test", (uint64_t)step, 0, 0);
    for (size_t i = 0; i < 56391; i++)
        v->g[i] = (float)(0.02 * ms_rng_normal(&rng));
}

START_TEST(test_adamw_against_float64_for_any_threads)
{
    struct values *v[3] = {make_values(), make_values(), make_values()};
    size_t n = 56391;
    double *w = calloc(3 * n, sizeof *w), *m = w + n, *second = m + n;
    for (size_t i = 0; i < n; i++)
        w[i] = (double)v[0]->w[i];
    struct ms_arena arena = {0};
    struct ms_adamw o[3];
    struct ms_pool *pools[3] = {NULL, ms_pool_create(2), ms_pool_create(5)};
    struct ms_adamw_params p = ms_adamw_params_default();
    p.warmup = 4;
    for (int t = 0; t < 3; t++)
        ck_assert_int_eq(ms_adamw_init(&o[t], &arena, p, v[t]->parts, N_PARTS, NULL), MS_OK);
    for (int step = 0; step < 8; step++) {
        double norm[3], square = 0, lr = p.lr * fmin(1, (step + 1) / 4.0);
        for (int t = 0; t < 3; t++) {
            set_gradients(v[t], step);
            norm[t] = ms_adamw_norm(&o[t], pools[t]);
            ms_adamw_step(&o[t], norm[t], pools[t]);
        }
        for (size_t i = 0; i < n; i++)
            square += (double)v[0]->g[i] * (double)v[0]->g[i];
        ck_assert_double_eq_tol(norm[0], sqrt(square), 1e-9);
        ck_assert_double_gt(norm[0], p.clip); /* clipping is at work */
        for (size_t i = 0; i < n; i++) {
            double g = (double)v[0]->g[i] * p.clip / (sqrt(square) + 1e-6);
            m[i] = 0.9 * m[i] + 0.1 * g;
            second[i] = 0.95 * second[i] + 0.05 * g * g;
            w[i] *= 1 - lr * p.weight_decay;
            w[i] -= lr * (m[i] / (1 - pow(0.9, step + 1))) /
                    (sqrt(second[i] / (1 - pow(0.95, step + 1))) + p.eps);
        }
        for (int t = 1; t < 3; t++)
            ck_assert(norm[t] == norm[0]);
    }
    for (size_t i = 0; i < n; i++)
        ck_assert_double_eq_tol((double)v[0]->w[i], w[i], 2e-6);
    for (int t = 1; t < 3; t++)
        ck_assert_int_eq(memcmp(v[t]->w, v[0]->w, sizeof v[0]->w), 0);
    for (int t = 0; t < 3; t++) {
        free(v[t]);
        ms_pool_destroy(pools[t]);
    }
    free(w);
    ms_arena_finish(&arena);
}
END_TEST

/* ---- small runs on text ---- */

static const char *texts[2];

/* Two short languages of a few words each. */
static void make_texts(void)
{
    static const char *const words[2][5] = {{"alpha ", "beta ", "gamma ", "delta\n", "omega "},
                                            {"12 ", "345, ", "6;\n", "789 ", "0x0f "}};
    static char paths[2][128];
    for (int d = 0; d < 2; d++) {
        struct ms_buf b = {0};
        struct ms_rng rng;
        ms_rng_init(&rng, 3, "test", (uint64_t)d, 0, 0);
        for (int i = 0; i < 3000; i++)
            ms_buf_adds(&b, words[d][ms_rng_below(&rng, 5)]);
        snprintf(paths[d], sizeof paths[d], "%s/%s", root, d ? "numbers.txt" : "letters.txt");
        if (ms_file_write(paths[d], b.p, b.n, NULL) != MS_OK)
            abort();
        texts[d] = paths[d];
        ms_buf_finish(&b);
    }
}

static struct ms_train_params small(void)
{
    struct ms_train_params p = ms_train_params_default();
    p.model = (struct ms_train_model){.vocab = 256,
                                      .hidden = 16,
                                      .layers = 2,
                                      .heads = 2,
                                      .kv_heads = 1,
                                      .experts = 4,
                                      .top_k = 2,
                                      .expert_intermediate = 16,
                                      .max_positions = 32};
    p.data.text = texts;
    p.data.n_text = 2;
    p.data.heldout = 0.02;
    p.batch = 4;
    p.seq = 16;
    p.steps = 24;
    p.evaluate_every = 8;
    p.checkpoint_every = 5;
    p.optimizer.warmup = 5;
    p.optimizer.lr = 5e-3;
    return p;
}

static enum ms_status run(const struct ms_train_params *p, const char *name, int threads,
                          struct ms_err *err)
{
    struct ms_train_options o = {.dir = path_in(name), .threads = threads};
    struct ms_err local = {0};
    enum ms_status s = ms_train_run(p, &o, err ? err : &local);
    if (!err)
        ck_assert_msg(s == MS_OK, "%s: %s %s", name, local.file, local.text);
    return s;
}

static void assert_same_bytes(const char *a, const char *b)
{
    static const char *const names[] = {"history.jsonl", "loads.csv", "checkpoint/config.json",
                                        "checkpoint/model.safetensors",
                                        "checkpoint/training.safetensors"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct ms_buf x = {0}, y = {0};
        char p[256], q[256];
        snprintf(p, sizeof p, "%s/%s/%s", root, a, names[i]);
        snprintf(q, sizeof q, "%s/%s/%s", root, b, names[i]);
        ck_assert_int_eq(ms_file_read(p, &x, NULL), MS_OK);
        ck_assert_int_eq(ms_file_read(q, &y, NULL), MS_OK);
        ck_assert_msg(x.n == y.n && memcmp(x.p, y.p, x.n) == 0, "%s differs between %s and %s",
                      names[i], a, b);
        ms_buf_finish(&x);
        ms_buf_finish(&y);
    }
}

START_TEST(test_threads_do_not_change_a_byte)
{
    struct ms_train_params p = small();
    struct ms_loss_term terms[] = {{ms_loss_find("switch"), 0.01}, {ms_loss_find("z"), 0.001}};
    p.losses = terms;
    p.n_losses = 2;
    run(&p, "one", 1, NULL);
    run(&p, "three", 3, NULL);
    assert_same_bytes("one", "three");
}
END_TEST

/* The heart of resuming: killed again and again, at moments that fall anywhere in a step or a
 * checkpoint. */
START_TEST(test_killed_at_any_moment_ends_with_the_same_bytes)
{
    struct ms_train_params p = small();
    p.steps = 120;
    p.checkpoint_every = 3;
    p.router = ms_router_find(_i ? "noisy_top_k" : "sigmoid_bias");
    p.bias_update = _i ? 0 : 1e-3;
    struct ms_loss_term term = {ms_loss_find("z"), 0.001};
    p.losses = &term;
    p.n_losses = 1;
    run(&p, _i ? "calm1" : "calm0", 2, NULL);
    struct ms_rng rng;
    ms_rng_init(&rng, 4, "test", (uint64_t)_i, 0, 0);
    int kills = 0, status = -1;
    for (int tries = 0; tries < 2000 && status != 0; tries++) {
        pid_t child = fork();
        if (child == 0) {
            struct ms_train_options o = {.dir = path_in(_i ? "killed1" : "killed0"), .threads = 2};
            _exit(ms_train_run(&p, &o, NULL) == MS_OK ? 0 : 99);
        }
        unsigned patience = 1 + (unsigned)tries / 20; /* a slow machine must get on too */
        usleep((3000 + ms_rng_below(&rng, 25000)) * patience);
        kill(child, SIGKILL);
        ck_assert_int_eq(waitpid(child, &status, 0), child);
        ck_assert(status == 0 || WIFSIGNALED(status));
        kills += status != 0;
    }
    ck_assert_int_eq(status, 0);
    ck_assert_int_gt(kills, 3);
    assert_same_bytes(_i ? "calm1" : "calm0", _i ? "killed1" : "killed0");
}
END_TEST

START_TEST(test_more_steps_go_on_where_fewer_ended)
{
    struct ms_train_params p = small();
    p.evaluate_every = 0;
    p.steps = 10;
    run(&p, "longer", 2, NULL);
    run(&p, "longer", 2, NULL); /* nothing left to do: nothing changes */
    struct ms_train_params q = small();
    q.data.heldout = 0; /* no held-out line at the end of the short run */
    q.steps = 10;
    run(&q, "extended", 1, NULL);
    q.steps = 24;
    run(&q, "extended", 1, NULL);
    run(&q, "straight", 1, NULL);
    assert_same_bytes("extended", "straight");
}
END_TEST

static volatile int stop_flag;

static void stop_at_seven(void *ctx, const struct ms_train_progress *g)
{
    ck_assert_int_eq(g->steps, 24);
    if (g->step == 7)
        stop_flag = 1;
}

START_TEST(test_a_polite_stop_keeps_the_last_step)
{
    struct ms_train_params p = small();
    stop_flag = 0;
    struct ms_train_options o = {
        .dir = path_in("polite"), .threads = 1, .stop = &stop_flag, .progress = stop_at_seven};
    struct ms_err err = {0};
    ck_assert_int_eq(ms_train_run(&p, &o, &err), MS_INTERRUPTED);
    run(&p, "polite", 1, NULL);
    run(&p, "unstopped", 1, NULL);
    assert_same_bytes("polite", "unstopped");
}
END_TEST

START_TEST(test_another_scenario_is_not_resumed)
{
    struct ms_train_params p = small();
    p.steps = 3;
    run(&p, "mine", 1, NULL);
    p.seed = 2;
    struct ms_err err = {0};
    ck_assert_int_eq(run(&p, "mine", 1, &err), MS_USAGE);
    struct ms_train_options o = {.dir = path_in("mine"), .threads = 1, .force = true};
    ck_assert_int_eq(ms_train_run(&p, &o, NULL), MS_OK);
    run(&p, "mine-2", 1, NULL);
    assert_same_bytes("mine", "mine-2");
}
END_TEST

START_TEST(test_history_and_loads_say_what_happened)
{
    struct ms_train_params p = small();
    p.steps = 60;
    p.evaluate_every = 20;
    run(&p, "said", 2, NULL);
    FILE *f = fopen(path_in("said/history.jsonl"), "r");
    double first = 0, last = 0;
    for (int s = 0; s < p.steps; s++) {
        json_t *j = history_line(f), *eval = json_object_get(j, "eval");
        ck_assert_int_eq((int)number(j, "step"), s);
        last = number(j, "ce");
        first = s == 0 ? last : first;
        ck_assert_int_eq(eval != NULL, (s + 1) % 20 == 0);
        if (eval) {
            json_t *letters = json_object_get(eval, "letters");
            ck_assert_double_eq_tol(number(letters, "ppl"), exp(number(letters, "ce")), 1e-9);
            ck_assert_ptr_nonnull(json_object_get(eval, "numbers"));
        }
        ck_assert_double_ge(number(json_object_get(j, "imbalance"), "max_over_mean"), 1);
        json_decref(j);
    }
    fclose(f);
    ck_assert_double_eq_tol(first, log(256), 0.1); /* a fresh model guesses */
    ck_assert_double_lt(last, 3.2);                /* and has learnt something */
    f = fopen(path_in("said/loads.csv"), "r");
    char line[256], domain[64];
    int step, layer, expert, count, n = 0, sum = 0;
    ck_assert_ptr_nonnull(fgets(line, sizeof line, f));
    ck_assert_str_eq(line, "step,domain,layer_id,expert_id,count\n");
    while (fgets(line, sizeof line, f)) {
        ck_assert_int_eq(
            sscanf(line, "%d,%63[^,],%d,%d,%d", &step, domain, &layer, &expert, &count), 5);
        sum += count;
        n++;
    }
    fclose(f);
    ck_assert_int_eq(n, 60 * 2 * 2 * 4);
    ck_assert_int_eq(sum, 60 * 2 * 4 * 16 * 2); /* steps x layers x batch x seq x k */
}
END_TEST

START_TEST(test_every_router_and_loss_trains)
{
    struct ms_train_params p = small();
    struct ms_loss_term terms[32];
    char name[64];
    p.steps = 4;
    p.micro_batches = 2;
    p.router_params.groups = 2;
    p.router_params.group_limit = 1;
    p.router_params.capacity_factor = 1.1;
    p.losses = terms;
    for (; ms_losses[p.n_losses]; p.n_losses++)
        terms[p.n_losses] = (struct ms_loss_term){ms_losses[p.n_losses], 0.01};
    for (int i = 0; ms_routers[i]; i++) {
        p.router = ms_routers[i];
        snprintf(name, sizeof name, "every-%s", p.router->name);
        run(&p, name, 2, NULL);
    }
}
END_TEST

START_TEST(test_divergence_names_step_layer_and_tensor)
{
    struct ms_train_params p = small();
    struct ms_err err = {0};
    p.steps = 400;
    p.optimizer.lr = 8;
    p.optimizer.warmup = 0;
    ck_assert_int_eq(run(&p, "diverges", 2, &err), MS_FAILED);
    ck_assert_ptr_nonnull(strstr(err.text, "step "));
    ck_assert_ptr_nonnull(strstr(err.text, "tensor "));
    ck_assert_msg(strstr(err.text, "layer ") != NULL, "%s", err.text);
}
END_TEST

START_TEST(test_a_weight_that_is_no_number_is_named)
{
    struct ms_train_params p = small();
    struct ms_err err = {0};
    p.steps = 50;
    p.optimizer.lr = 1e30; /* the first update overflows every weight */
    p.optimizer.warmup = 0;
    p.optimizer.weight_decay = 10;
    ck_assert_int_eq(run(&p, "overflows", 2, &err), MS_FAILED);
    ck_assert_ptr_nonnull(strstr(err.text, "step "));
    ck_assert_msg(strstr(err.text, "tensor ") != NULL, "%s", err.text);
}
END_TEST

/* ---- data ---- */

static const struct ms_text_codec bytes; /* no tokenizer */

START_TEST(test_batches_come_from_the_training_part_alone)
{
    struct ms_train_params p = small();
    p.data.heldout = 0.5;
    struct ms_buf text = {0};
    for (int i = 0; i < 4000; i++)
        ms_buf_adds(&text, i < 2000 ? "a" : "b");
    ck_assert_int_eq(ms_file_write(path_in("halves.txt"), text.p, text.n, NULL), MS_OK);
    ms_buf_finish(&text);
    const char *file = path_in("halves.txt");
    p.data.text = &file;
    p.data.n_text = 1;
    struct ms_data d = {0};
    ck_assert_int_eq(ms_data_open(&d, &p, &bytes, NULL), MS_OK);
    ck_assert_uint_eq(d.domains[0].n_train, 2000);
    ck_assert_str_eq(d.domains[0].name, "halves");
    int32_t tokens[64], targets[64], again[64];
    int domain[4];
    for (int64_t step = 0; step < 500; step++) {
        ms_data_batch(&d, step, tokens, targets, domain);
        for (int i = 0; i < 64; i++)
            ck_assert(tokens[i] == 'a' && targets[i] == 'a');
    }
    ms_data_finish(&d);
    p = small();
    ck_assert_int_eq(ms_data_open(&d, &p, &bytes, NULL), MS_OK);
    ms_data_batch(&d, 7, tokens, targets, domain);
    ms_data_batch(&d, 8, again, targets, domain);
    ms_data_batch(&d, 7, again, targets, domain);
    ck_assert_int_eq(memcmp(tokens, again, sizeof tokens), 0);
    for (int b = 0; b < 4; b++)
        ck_assert_int_eq(domain[b], (7 * 4 + b) % 2);
    for (int b = 0; b < 4; b++)
        for (int t = 0; t + 1 < 16; t++)
            ck_assert_int_eq(targets[b * 16 + t], tokens[b * 16 + t + 1]);
    ms_data_finish(&d);
}
END_TEST

START_TEST(test_packed_texts_are_read_through_gzip)
{
    char command[512];
    snprintf(command, sizeof command, "gzip -c %s > %s/packed.txt.gz", texts[0], root);
    ck_assert_int_eq(system(command), 0);
    struct ms_buf plain = {0}, packed = {0};
    ck_assert_int_eq(ms_text_read(texts[0], &plain, NULL), MS_OK);
    ck_assert_int_eq(ms_text_read(path_in("packed.txt.gz"), &packed, NULL), MS_OK);
    ck_assert(plain.n == packed.n && memcmp(plain.p, packed.p, plain.n) == 0);
    ms_buf_finish(&plain);
    ms_buf_finish(&packed);
    ck_assert_int_eq(ms_file_write(path_in("bad.txt.gz"), "no gzip", 7, NULL), MS_OK);
    ck_assert_int_eq(ms_text_read(path_in("bad.txt.gz"), &packed, NULL), MS_INVALID);
    ms_buf_finish(&packed);
    ck_assert_int_eq(ms_text_read(path_in("none.txt.gz"), &packed, NULL), MS_INVALID);
}
END_TEST

START_TEST(test_wrong_parameters_name_their_key)
{
    struct ms_err err = {0};
#define SPOILT(wanted, ...)                                                                        \
    do {                                                                                           \
        struct ms_train_params p = small();                                                        \
        err = (struct ms_err){0};                                                                  \
        __VA_ARGS__;                                                                               \
        ck_assert_int_eq(run(&p, "spoilt", 1, &err), MS_INVALID);                                  \
        ck_assert_msg(strstr(err.key, wanted) != NULL, "%s, not %s", err.key, wanted);             \
    } while (0)
    SPOILT("heads", p.model.heads = 3);
    SPOILT("kv_heads", p.model.heads = 4; p.model.kv_heads = 3);
    SPOILT("top_k", p.model.top_k = 5);
    SPOILT("train.seq", p.seq = 33);
    SPOILT("vocab", p.model.vocab = 128);
    SPOILT("train.data", p.data.n_text = 0);
    SPOILT("train.data", p.data.tokens = "x.npy");
    SPOILT("heldout", p.data.heldout = 1);
    SPOILT("micro_batches", p.micro_batches = 3);
    SPOILT("bias_update", p.bias_update = 1e-3);
    SPOILT("groups", p.router_params.groups = 3);
    struct ms_loss_term device = {ms_loss_find("device"), 1};
    SPOILT("train.losses.device", p.losses = &device; p.n_losses = 1);
    SPOILT("bias_update", p.router = ms_router_find("group_limited"); p.bias_update = 1e-3);
    struct ms_loss_term twice[] = {{ms_loss_find("z"), 1}, {ms_loss_find("z"), 2}};
    SPOILT("losses", p.losses = twice; p.n_losses = 2);
    struct ms_train_params p = small();
    const char *missing = path_in("missing.txt");
    p.data.text = &missing;
    p.data.n_text = 1;
    err = (struct ms_err){0};
    ck_assert_int_eq(run(&p, "spoilt", 1, &err), MS_INVALID);
    ck_assert_str_eq(err.file, missing);
}
END_TEST

/* ---- perplexity ---- */

/* Weights that stay in their files give the bits that loaded ones give, and routers alone choose as
 * the whole model does. */
START_TEST(test_a_model_that_holds_no_weights_is_the_same_model)
{
    static const char *const folders[] = {TEST_DATA "/hf/mixtral", TEST_DATA "/hf/olmoe",
                                          TEST_DATA "/hf/qwen3moe"};
    struct ms_token_text text = {0};
    ck_assert_int_eq(ms_token_text_read(&bytes, texts[0], &text, NULL), MS_OK);
    for (int i = 0; i < 3; i++) {
        int64_t counts[3][8 * 16] = {0};
        struct ms_perplexity x[3];
        for (int k = 0; k < 3; k++) { /* loaded, streamed, streamed without a head */
            struct ms_observer o;
            struct ms_err err = {0};
            struct ms_observer_options how = {.N = 32,
                                              .B = 3,
                                              .threads = 1 + k,
                                              .stream = k ? MS_STREAM_ALWAYS : MS_STREAM_NEVER,
                                              .counts_only = k == 2};
            ck_assert_msg(ms_observer_open(&o, folders[i], &how, &err) == MS_OK, "%s", err.text);
            ck_assert(o.n_layers * o.n_experts <= 8 * 16);
            struct ms_windows w = ms_windows_of(text.ids.id, 32 * 7 + 1, 32);
            x[k] = (struct ms_perplexity){.counts = counts[k]};
            ck_assert_msg(ms_perplexity_run(o.model, &w, o.B, 0, 1, &x[k], &err) == MS_OK, "%s",
                          err.text);
            ms_observer_close(&o);
        }
        ck_assert_int_eq(x[0].tokens, 224);
        ck_assert_int_eq(memcmp(&x[0].ce, &x[1].ce, sizeof x[0].ce), 0);
        ck_assert_double_gt(x[0].ce, 0);
        ck_assert_double_eq(x[2].ce, 0);
        ck_assert_int_eq(memcmp(counts[0], counts[1], sizeof counts[0]), 0);
        ck_assert_int_eq(memcmp(counts[0], counts[2], sizeof counts[0]), 0);
    }
    ms_token_text_finish(&text);
}
END_TEST

START_TEST(test_perplexity_does_not_depend_on_rows_a_call)
{
    struct ms_checkpoint *c;
    struct ms_model *m;
    struct ms_token_text text = {0};
    ck_assert_int_eq(ms_checkpoint_open(TEST_DATA "/hf/mixtral", &c, NULL), MS_OK);
    struct ms_model_options o = {.B = 8, .T = 32};
    ck_assert_int_eq(ms_model_create(ms_checkpoint_config(c), &o, &m, NULL), MS_OK);
    ck_assert_int_eq(ms_checkpoint_load(c, m, NULL), MS_OK);
    ck_assert_int_eq(ms_token_text_read(&bytes, texts[0], &text, NULL), MS_OK);
    struct ms_windows w = ms_windows_of(text.ids.id, 32 * 20 + 5, 32);
    ck_assert_uint_eq(w.n_windows, 20);
    int64_t counts[2][2 * 8] = {0};
    uint16_t choices[2][20 * 32 * 2 * 2];
    struct ms_perplexity a = {.counts = counts[0], .choices = choices[0]};
    struct ms_perplexity b = {.counts = counts[1], .choices = choices[1]};
    for (int i = 0; ms_assigns[i]; i++) {
        if (!ms_assigns[i]->causal)
            continue;
        memset(counts, 0, sizeof counts);
        ck_assert_int_eq(ms_model_set_router(m, ms_assigns[i], NULL, NULL), MS_OK);
        ck_assert_int_eq(ms_perplexity_run(m, &w, 8, 0, 1, &a, NULL), MS_OK);
        ck_assert_int_eq(ms_perplexity_run(m, &w, 3, 0, 1, &b, NULL), MS_OK);
        ck_assert_int_eq(a.tokens, 640);
        ck_assert_double_eq_tol(a.ce, b.ce, 1e-6);
        ck_assert_int_eq(memcmp(counts[0], counts[1], sizeof counts[0]), 0);
        ck_assert_int_eq(memcmp(choices[0], choices[1], sizeof choices[0]), 0);
        int64_t sum = 0, recount[16] = {0};
        for (int j = 0; j < 16; j++)
            sum += counts[0][j];
        ck_assert_int_eq(sum, 640 * 2 * 2);
        for (int t = 0; t < 640; t++)
            for (int j = 0; j < 4; j++)
                recount[j / 2 * 8 + choices[0][t * 4 + j]]++;
        ck_assert_int_eq(memcmp(recount, counts[0], sizeof recount), 0);
    }
    ms_token_text_finish(&text);
    ms_model_destroy(m);
    ms_checkpoint_close(c);
}
END_TEST

int main(void)
{
    snprintf(root, sizeof root, "/tmp/moesim-train-XXXXXX");
    if (!mkdtemp(root))
        return 1;
    make_texts();
    Suite *s = suite_create("moe_train");
    TCase *t = tcase_create("moe_train");
    tcase_set_timeout(t, 100);
    suite_add_tcase(s, t);
    tcase_add_loop_test(t, test_ten_steps_follow_hugging_faces_curve, 0, 3);
    tcase_add_test(t, test_adamw_against_float64_for_any_threads);
    tcase_add_test(t, test_threads_do_not_change_a_byte);
    tcase_add_loop_test(t, test_killed_at_any_moment_ends_with_the_same_bytes, 0, 2);
    tcase_add_test(t, test_more_steps_go_on_where_fewer_ended);
    tcase_add_test(t, test_a_polite_stop_keeps_the_last_step);
    tcase_add_test(t, test_another_scenario_is_not_resumed);
    tcase_add_test(t, test_history_and_loads_say_what_happened);
    tcase_add_test(t, test_every_router_and_loss_trains);
    tcase_add_test(t, test_divergence_names_step_layer_and_tensor);
    tcase_add_test(t, test_a_weight_that_is_no_number_is_named);
    tcase_add_test(t, test_batches_come_from_the_training_part_alone);
    tcase_add_test(t, test_packed_texts_are_read_through_gzip);
    tcase_add_test(t, test_wrong_parameters_name_their_key);
    tcase_add_test(t, test_a_model_that_holds_no_weights_is_the_same_model);
    tcase_add_test(t, test_perplexity_does_not_depend_on_rows_a_call);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    char command[128];
    snprintf(command, sizeof command, getenv("KEEP") ? "echo %s" : "rm -r %s", root);
    return system(command) != 0 || failed ? 1 : 0;
}
