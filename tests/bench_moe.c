/* Speed of a training step (forward, backward, AdamW) and of the parts of it, against a large
 * matrix product of the same run.
 *
 *   bench_moe [--threads N] [--seconds S] [--case reference|all]
 *
 * JSON on stdout. GFLOP/s counts multiply-adds of the matrix products as two, attention as causal
 * (half), backward as twice forward; recomputation is not counted. Steps are timed one by one and
 * the fastest is taken: others share the machine. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/json.h"
#include "base/rng.h"
#include "moe/adamw.h"
#include "blas.h"
#include "moe/kernels.h"
#include "moe/loss.h"
#include "moe/model.h"

struct shape {
    const char *name;
    int B, T, experts, top_k;
};

struct times {
    double forward_s, backward_s, adamw_s, step_s;
};

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static double smaller(double a, double b)
{
    return a < b ? a : b;
}

/* One core's rate of a 1536^3 product. */
static double sgemm_gflops(double seconds)
{
    enum { M = 1536 };
    size_t n = (size_t)M * M;
    float *a = aligned_alloc(64, n * 4), *b = aligned_alloc(64, n * 4),
          *c = aligned_alloc(64, n * 4);
    double best = 1e9, start = now();
    for (size_t i = 0; i < n; i++) {
        a[i] = (float)(i % 7) * 0.1f;
        b[i] = (float)(i % 5) * 0.1f;
    }
    do {
        double t = now();
        ms_sgemm(0, 0, M, M, M, 1, a, M, b, M, 0, c, M);
        best = smaller(best, now() - t);
    } while (now() - start < seconds);
    free(a);
    free(b);
    free(c);
    return 2.0 * M * M * M / best * 1e-9;
}

static double step_flops(const struct ms_moe_config *c, int B, int T)
{
    double C = c->hidden, HD = (double)c->heads * c->head_dim,
           W = HD + 2.0 * c->kv_heads * c->head_dim;
    double layer = 2 * C * W + 2 * C * HD + 2 * C * c->experts +
                   6.0 * c->top_k * C * c->expert_intermediate + 4 * HD * (T + 1) / 2;
    return 3.0 * B * T * (c->layers * layer + 2 * C * c->vocab);
}

static void one_step(struct ms_model *m, struct ms_model_input *in, struct ms_adamw *o,
                     struct ms_pool *pool, struct times *best)
{
    double t0 = now();
    ms_model_forward(m, in, NULL, NULL);
    double t1 = now();
    ms_model_backward(m);
    double t2 = now();
    ms_adamw_step(o, ms_adamw_norm(o, pool), pool);
    double t3 = now();
    best->forward_s = smaller(best->forward_s, t1 - t0);
    best->backward_s = smaller(best->backward_s, t2 - t1);
    best->adamw_s = smaller(best->adamw_s, t3 - t2);
    best->step_s = smaller(best->step_s, t3 - t0);
}

static int measure(struct ms_json *j, const struct shape *s, int threads, double seconds,
                   double sgemm)
{
    struct ms_err err = {0};
    struct ms_arena a = {0};
    struct ms_pool *pool = ms_pool_create(threads);
    struct ms_moe_config c = ms_moe_config_default();
    struct ms_model *m = NULL;
    struct ms_adamw o = {0};
    size_t n, N = (size_t)s->B * (size_t)s->T;
    c.experts = s->experts;
    c.top_k = s->top_k;
    c.max_positions = s->T;
    struct ms_model_options options = {.B = s->B, .T = s->T, .train = true, .pool = pool};
    if (ms_model_create(&c, &options, &m, &err)) {
        ms_err_print(stderr, &err, "error");
        return 1;
    }
    ms_model_init(m, 1);
    const struct ms_param *p = ms_model_params(m, &n);
    struct ms_adamw_part *parts = MS_NEW(&a, struct ms_adamw_part, n);
    int32_t *tokens = MS_NEW(&a, int32_t, N + 1);
    for (size_t i = 0; i < n; i++)
        parts[i] = (struct ms_adamw_part){p[i].name, p[i].value, p[i].gradient, p[i].n};
    struct ms_rng r;
    ms_rng_init(&r, 1, "bench", 0, 0, 0);
    for (size_t i = 0; i <= N; i++)
        tokens[i] = (int32_t)ms_rng_below(&r, (uint32_t)c.vocab);
    if (ms_adamw_init(&o, &a, ms_adamw_params_default(), parts, n, &err))
        return 1;
    struct ms_model_input in = {
        .B = s->B, .T = s->T, .tokens = tokens, .targets = tokens + 1, .train = true};
    struct times best = {1e9, 1e9, 1e9, 1e9};
    int steps = 0;
    for (double start = now(); steps < 5 || now() - start < seconds; steps++)
        one_step(m, &in, &o, pool, &best);
    double gflops = step_flops(&c, s->B, s->T) / best.step_s * 1e-9;
    ms_json_object(j, NULL);
    ms_json_string(j, "case", s->name);
    ms_json_integer(j, "batch", s->B);
    ms_json_integer(j, "seq", s->T);
    ms_json_integer(j, "experts", s->experts);
    ms_json_integer(j, "top_k", s->top_k);
    ms_json_integer(j, "threads", threads);
    ms_json_integer(j, "steps", steps);
    ms_json_number(j, "tokens_per_s", (double)N / best.step_s);
    ms_json_number(j, "gflops", gflops);
    ms_json_number(j, "share_of_sgemm", gflops / (threads * sgemm));
    ms_json_number(j, "forward_ms", best.forward_s * 1e3);
    ms_json_number(j, "backward_ms", best.backward_s * 1e3);
    ms_json_number(j, "adamw_ms", best.adamw_s * 1e3);
    ms_json_number(j, "step_ms", best.step_s * 1e3);
    ms_json_end_object(j);
    ms_model_destroy(m);
    ms_arena_finish(&a);
    ms_pool_destroy(pool);
    return 0;
}

int main(int argc, char **argv)
{
    static const struct shape shapes[] = {
        {"reference", 16, 128, 8, 2},   {"experts 4", 16, 128, 4, 2},
        {"experts 16", 16, 128, 16, 2}, {"experts 32", 16, 128, 32, 2},
        {"experts 64", 16, 128, 64, 2}, {"top_k 1", 16, 128, 8, 1},
        {"top_k 4", 16, 128, 8, 4},     {"top_k 8", 16, 128, 8, 8},
        {"seq 64", 32, 64, 8, 2},       {"seq 256", 8, 256, 8, 2},
        {"seq 512", 4, 512, 8, 2},      {"seq 1024", 2, 1024, 8, 2},
    };
    int threads = ms_cores();
    double seconds = 2;
    size_t n = sizeof shapes / sizeof *shapes;
    ms_blas_pick(argv);
    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--threads") == 0)
            threads = atoi(argv[i + 1]);
        else if (strcmp(argv[i], "--seconds") == 0)
            seconds = atof(argv[i + 1]);
        else if (strcmp(argv[i], "--case") == 0)
            n = strcmp(argv[i + 1], "all") == 0 ? n : 1;
    }
    ms_blas_one_thread();
    struct ms_buf out = {0};
    struct ms_json j = {.out = &out};
    double sgemm = sgemm_gflops(seconds / 2);
    ms_json_object(&j, NULL);
    ms_json_string(&j, "blas", ms_blas_kernel());
    ms_json_string(&j, "kernels", ms_kernels_pick()->name);
    ms_json_number(&j, "sgemm_gflops_one_core", sgemm);
    ms_json_array(&j, "cases");
    int failed = 0;
    for (size_t i = 0; !failed && i < n; i++)
        failed = measure(&j, &shapes[i], threads, seconds, sgemm);
    ms_json_end_array(&j);
    ms_json_end_object(&j);
    if (!failed)
        puts(out.p);
    ms_buf_finish(&out);
    return failed;
}
