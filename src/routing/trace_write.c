/* Writers of traces: the formats serving stacks read, each keeping layer numbers (arrays and JSON
 * have a row for every layer up to the last, zero or -1 where there are no experts). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/npy.h"
#include "base/safetensors.h"
#include "routing/trace_read.h"

enum { MOST_LAYERS = 4096 }; /* a row for each of them */

static enum ms_status no_memory(struct ms_err *err)
{
    return ms_err_set(err, MS_NOMEM, "out of memory");
}

static enum ms_status write_out(struct ms_buf *b, const char *path, struct ms_err *err)
{
    enum ms_status s = b->failed ? no_memory(err) : ms_file_write(path, b->p, b->n, err);
    ms_buf_finish(b);
    return s;
}

/* Rows of a format without layer numbers. */
static enum ms_status rows_of(const struct ms_trace *t, size_t *rows, struct ms_err *err)
{
    int last = t->layer_id[t->n_layers - 1];
    *rows = (size_t)last + 1;
    return last < MOST_LAYERS ? MS_OK
                              : ms_err_set(err, MS_INVALID,
                                           "layer %d: this format has a row for every layer, and "
                                           "4096 are the most; CSV keeps numbers of any size",
                                           last);
}

/* ---- CSV ---- */

static void csv_rows(const struct ms_trace *t, struct ms_buf *b)
{
    char number[32];
    const double *c = t->count;
    for (int s = 0; s < t->n_steps; s++)
        for (int r = 0; r < t->n_ranks; r++)
            for (int l = 0; l < t->n_layers; l++)
                for (int e = 0; e < t->n_experts; e++) {
                    if (t->n_steps > 1)
                        ms_buf_printf(b, "%d,", s);
                    if (t->has_ranks)
                        ms_buf_printf(b, "%d,", r);
                    ms_buf_printf(b, "%d,%d,%s\n", t->layer_id[l], e, ms_number(*c++, number));
                }
}

enum ms_status ms_trace_write_csv(const struct ms_trace *t, const char *path, struct ms_err *err)
{
    struct ms_buf b = {0};
    ms_buf_printf(&b, "%s%slayer_id,expert_id,count\n", t->n_steps > 1 ? "iter," : "",
                  t->has_ranks ? "rank," : "");
    if (!t->ids) {
        csv_rows(t, &b);
        return write_out(&b, path, err);
    }
    double *sum = malloc((size_t)t->n_experts * sizeof *sum);
    b.failed |= !sum;
    for (int l = 0; l < t->n_layers && sum; l++) {
        ms_trace_layer(t, 0, l, sum);
        for (int e = 0; e < t->n_experts; e++)
            ms_buf_printf(&b, "%d,%d,%.0f\n", t->layer_id[l], e, sum[e]);
    }
    free(sum);
    return write_out(&b, path, err);
}

/* ---- NumPy ---- */

/* int32 [tokens][layers][k] */
static enum ms_status write_id_array(const struct ms_trace *t, const char *path, size_t rows,
                                     struct ms_err *err)
{
    size_t T = (size_t)t->n_tokens, L = (size_t)t->n_layers, K = (size_t)t->top_k;
    size_t shape[3] = {T, rows, K};
    int32_t *out = malloc(T * rows * K * sizeof *out);
    if (!out)
        return no_memory(err);
    memset(out, 0xff, T * rows * K * sizeof *out);
    for (size_t i = 0; i < T; i++)
        for (size_t l = 0; l < L; l++)
            for (size_t k = 0; k < K; k++) {
                uint16_t e = t->ids[(i * L + l) * K + k];
                if (e != MS_NO_EXPERT)
                    out[(i * rows + (size_t)t->layer_id[l]) * K + k] = e;
            }
    enum ms_status s = ms_npy_write(path, MS_NPY_I4, 3, shape, out, err);
    free(out);
    return s;
}

/* float64 [steps,][ranks,]layers,experts; always four axes where there are ranks */
static enum ms_status write_npy(const struct ms_trace *t, const char *path, struct ms_err *err)
{
    size_t rows, E = (size_t)t->n_experts, R = (size_t)t->n_ranks;
    enum ms_status s = rows_of(t, &rows, err);
    if (s != MS_OK || t->ids)
        return s != MS_OK ? s : write_id_array(t, path, rows, err);
    size_t shape[4] = {(size_t)t->n_steps, R, rows, E}, flat[3] = {(size_t)t->n_steps, rows, E};
    double *out = calloc((size_t)t->n_steps * R * rows * E, sizeof *out);
    if (!out)
        return no_memory(err);
    for (int i = 0; i < t->n_steps; i++)
        for (int r = 0; r < t->n_ranks; r++)
            for (int l = 0; l < t->n_layers; l++)
                memcpy(out + (((size_t)i * R + (size_t)r) * rows + (size_t)t->layer_id[l]) * E,
                       t->count + ms_trace_row(t, i, r, l), E * sizeof *out);
    s = t->has_ranks ? ms_npy_write(path, MS_NPY_F8, 4, shape, out, err)
                     : ms_npy_write(path, MS_NPY_F8, 3, flat, out, err);
    free(out);
    return s;
}

/* A step's load of every expert, a list a row of the model; rows without experts are zeros.
 * @param sum [t->n_experts] for it to use */
static void add_loads(const struct ms_trace *t, int step, size_t rows, double *sum,
                      struct ms_json *j)
{
    for (int row = 0, l = 0; row < (int)rows; row++) {
        bool live = t->layer_id[l] == row;
        if (live)
            ms_trace_layer(t, step, l++, sum);
        ms_json_array(j, NULL);
        for (int e = 0; e < t->n_experts; e++)
            ms_json_number(j, NULL, live ? sum[e] : 0);
        ms_json_end_array(j);
    }
}

/* ---- SGLang ---- */

/* {"logical_count": [steps][layers][experts]}, ranks summed */
static enum ms_status write_sglang(const struct ms_trace *t, const char *path, struct ms_err *err)
{
    size_t rows;
    enum ms_status s = rows_of(t, &rows, err);
    double *sum = malloc((size_t)t->n_experts * sizeof *sum);
    struct ms_buf b = {0};
    struct ms_json j = {.out = &b};
    if (s == MS_OK && !sum)
        s = no_memory(err);
    if (s != MS_OK) {
        free(sum);
        return s;
    }
    ms_json_object(&j, NULL);
    ms_json_array(&j, "logical_count");
    for (int i = 0; i < t->n_steps; i++) {
        ms_json_array(&j, NULL);
        add_loads(t, i, rows, sum, &j);
        ms_json_end_array(&j);
    }
    ms_json_end_array(&j);
    ms_json_end_object(&j);
    ms_buf_adds(&b, "\n");
    free(sum);
    return write_out(&b, path, err);
}

/* ---- JSON Lines ---- */

static void token_lines(const struct ms_trace *t, struct ms_buf *b)
{
    size_t L = (size_t)t->n_layers, K = (size_t)t->top_k;
    ms_buf_printf(b, "{\"type\":\"meta\",\"top_k\":%d,\"num_experts\":%d}\n", t->top_k,
                  t->n_experts);
    for (size_t i = 0; i < (size_t)t->n_tokens; i++)
        for (size_t l = 0; l < L; l++) {
            bool first = true;
            ms_buf_printf(b, "{\"type\":\"route\",\"token_idx\":%zu,\"layer\":%d,\"topk_ids\":[", i,
                          t->layer_id[l]);
            for (size_t k = 0; k < K; k++) {
                uint16_t e = t->ids[(i * L + l) * K + k];
                if (e != MS_NO_EXPERT)
                    ms_buf_printf(b, "%s%d", first ? "" : ",", e);
                first = first && e == MS_NO_EXPERT;
            }
            ms_buf_adds(b, first ? "-1]}\n" : "]}\n");
        }
}

/* vLLM's offline statistics with every expert in its own slot. */
static enum ms_status step_lines(const struct ms_trace *t, struct ms_buf *b, struct ms_err *err)
{
    size_t rows;
    enum ms_status s = rows_of(t, &rows, err);
    double *sum = malloc((size_t)t->n_experts * sizeof *sum);
    if (s == MS_OK && !sum)
        s = no_memory(err);
    for (int i = 0; s == MS_OK && i < t->n_steps; i++) {
        struct ms_json j = {.out = b};
        ms_json_object(&j, NULL);
        ms_json_string(&j, "record_type", "eplb_load_stats");
        ms_json_integer(&j, "version", 1);
        ms_json_integer(&j, "step", i + 1);
        ms_json_array(&j, "expert_load");
        add_loads(t, i, rows, sum, &j);
        ms_json_end_array(&j);
        ms_json_array(&j, "p2l_map");
        for (size_t row = 0; row < rows; row++) {
            ms_json_array(&j, NULL);
            for (int e = 0; e < t->n_experts; e++)
                ms_json_integer(&j, NULL, e);
            ms_json_end_array(&j);
        }
        ms_json_end_array(&j);
        ms_json_end_object(&j);
        ms_buf_adds(b, "\n");
    }
    free(sum);
    return s;
}

static enum ms_status write_json_lines(const struct ms_trace *t, const char *path,
                                       struct ms_err *err)
{
    struct ms_buf b = {0};
    enum ms_status s = MS_OK;
    if (t->ids)
        token_lines(t, &b);
    else
        s = step_lines(t, &b, err);
    if (s != MS_OK) {
        ms_buf_finish(&b);
        return s;
    }
    return write_out(&b, path, err);
}

/* ---- TensorRT-LLM ---- */

/* One rank's counts: a tensor "<step>_<layer>" each. */
static enum ms_status write_rank(const struct ms_trace *t, int rank, const char *path,
                                 struct ms_err *err)
{
    size_t n = (size_t)t->n_steps * (size_t)t->n_layers, E = (size_t)t->n_experts, at = 0;
    struct ms_arena a = {0};
    struct ms_st_tensor *tensor = MS_NEW(&a, struct ms_st_tensor, n);
    double *sum = MS_NEW(&a, double, E);
    int64_t *whole = MS_NEW(&a, int64_t, n * E);
    char *names = MS_NEW(&a, char, n * 32);
    enum ms_status s = tensor && sum && whole && names ? MS_OK : no_memory(err);
    for (int i = 0; s == MS_OK && i < t->n_steps; i++)
        for (int l = 0; l < t->n_layers; l++, at++) {
            const double *c = sum;
            if (t->ids)
                ms_trace_layer(t, i, l, sum);
            else
                c = t->count + ms_trace_row(t, i, rank, l);
            for (size_t e = 0; s == MS_OK && e < E; e++)
                if (c[e] < 9e18)
                    whole[at * E + e] = (int64_t)(c[e] + 0.5);
                else
                    s = ms_err_at(err, MS_INVALID, path, 0, 0, NULL,
                                  "layer %d, expert %zu: a count of %.3g is none of 64 bits, which "
                                  "this format has",
                                  t->layer_id[l], e, c[e]);
            snprintf(names + at * 32, 32, "%d_%d", i, t->layer_id[l]);
            tensor[at] = (struct ms_st_tensor){.name = names + at * 32,
                                               .type = MS_ST_I64,
                                               .n_dims = 1,
                                               .shape = {E},
                                               .count = E,
                                               .data = whole + at * E};
        }
    if (s == MS_OK)
        s = ms_st_write(path, tensor, n, NULL, 0, err);
    ms_arena_finish(&a);
    return s;
}

/* A file rank0.safetensors, or a folder of one a rank. */
static enum ms_status write_trtllm(const struct ms_trace *t, const char *path, struct ms_err *err)
{
    if (!t->has_ranks)
        return write_rank(t, 0, path, err);
    enum ms_status s = ms_dir_make(path, err);
    for (int r = 0; s == MS_OK && r < t->n_ranks; r++) {
        char name[4096];
        snprintf(name, sizeof name, "%s/rank%d.safetensors", path, r);
        s = write_rank(t, r, name, err);
    }
    return s;
}

const struct ms_trace_writer ms_trace_writers[] = {
    {"csv", ".csv", "layer_id,expert_id,count (and iter, rank)", ms_trace_write_csv},
    {"npy", ".npy", "counts [steps,][ranks,]layers,experts, or ids [tokens,layers,k]", write_npy},
    {"sglang", ".json", "SGLang's logical_count, ranks summed", write_sglang},
    {"jsonl", ".jsonl", "one token a line, or vLLM's offline EPLB statistics", write_json_lines},
    {"trtllm", ".safetensors", "TensorRT-LLM statistics; a folder where there are ranks",
     write_trtllm},
    {0},
};
