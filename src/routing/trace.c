/* Chooses a trace's reader by name and content, holds what was read against the model, and
 * writes traces as CSV. */
#include "routing/trace.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/json.h"

static bool ends_with(const char *path, const char *suffix)
{
    size_t n = strlen(path), m = strlen(suffix);
    return n >= m && strcmp(path + n - m, suffix) == 0;
}

static enum ms_status refuse_pickle(const char *path, struct ms_err *err)
{
    const char *convert = ends_with(path, ".pkl") || ends_with(path, ".pickle")
                              ? "python3 -c \"import pickle,numpy; numpy.save('trace.npy', "
                                "numpy.asarray(pickle.load(open('%s','rb'))))\""
                              : "python3 -c \"import torch,numpy; d=torch.load('%s'); "
                                "d=d['logical_count'] if isinstance(d,dict) else d; "
                                "numpy.save('trace.npy', d.numpy())\"";
    char command[768];
    const char *slash = strrchr(path, '/');
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    snprintf(command, sizeof command, convert, slash ? slash + 1 : path);
#pragma GCC diagnostic pop
    return ms_err_at(
        err, MS_INVALID, path, 0, 0, "routing.trace",
        "is a Python pickle, which runs code when it is read; convert it once with: %s", command);
}

/* The first bytes decide where the name does not. */
static enum ms_status read_by_content(const struct ms_trace_request *r, struct ms_trace *out,
                                      struct ms_err *err)
{
    char head[8] = {0};
    FILE *f = fopen(r->path, "rb");
    if (f) {
        size_t n = fread(head, 1, sizeof head - 1, f);
        head[n < sizeof head ? n : 0] = '\0';
        fclose(f);
    }
    if (memcmp(head, "\x93NUMPY", 6) == 0)
        return ms_trace_read_npy(r, out, err);
    if (memcmp(head, "PK\3\4", 4) == 0 || (unsigned char)head[0] == 0x80)
        return refuse_pickle(r->path, err);
    if (head[strspn(head, " \t\r\n")] == '{')
        return ms_trace_read_json(r, out, err);
    return ms_trace_read_csv(r, out, err);
}

static enum ms_status read_any(const struct ms_trace_request *r, struct ms_trace *out,
                               struct ms_err *err)
{
    static const char *const pickles[] = {".pt", ".pth", ".pkl", ".pickle", ".bin"};
    for (size_t i = 0; i < sizeof pickles / sizeof *pickles; i++)
        if (ends_with(r->path, pickles[i]))
            return refuse_pickle(r->path, err);
    struct stat st;
    bool folder = stat(r->path, &st) == 0 && S_ISDIR(st.st_mode);
    if (folder || ends_with(r->path, ".safetensors"))
        return ms_trace_read_safetensors(r, out, err);
    if (ends_with(r->path, ".npy"))
        return ms_trace_read_npy(r, out, err);
    if (ends_with(r->path, ".json"))
        return ms_trace_read_json(r, out, err);
    return read_by_content(r, out, err);
}

static enum ms_status check_model(const struct ms_trace_request *r, const struct ms_trace *t,
                                  struct ms_err *err)
{
    if (r->n_experts != 0 && r->n_experts != t->n_experts)
        return ms_err_at(err, MS_INVALID, r->path, 0, 0, "routing.trace",
                         "has %d experts, but model.experts is %d", t->n_experts, r->n_experts);
    if (t->ids && r->top_k != 0 && r->top_k != t->top_k)
        return ms_err_at(err, MS_INVALID, r->path, 0, 0, "routing.trace",
                         "has %d experts a token, but model.top_k is %d", t->top_k, r->top_k);
    return MS_OK;
}

static enum ms_status check_counts(const struct ms_trace_request *r, const struct ms_trace *t,
                                   struct ms_err *err)
{
    size_t rows = (size_t)t->n_steps * t->n_ranks * t->n_layers;
    for (size_t i = 0; i < rows; i++) {
        double sum = 0;
        for (int e = 0; e < t->n_experts; e++) {
            double c = t->count[i * t->n_experts + e];
            if (!(c >= 0) || !isfinite(c))
                return ms_err_at(err, MS_INVALID, r->path, 0, 0, "routing.trace",
                                 "layer %d, expert %d: a count of %g", t->layer_id[i % t->n_layers],
                                 e, c);
            sum += c;
        }
        if (sum <= 0)
            return ms_err_at(err, MS_INVALID, r->path, 0, 0, "routing.trace",
                             "layer %d (step %zu, rank %zu) has no tokens at all",
                             t->layer_id[i % t->n_layers], i / t->n_layers / t->n_ranks,
                             i / t->n_layers % t->n_ranks);
    }
    return MS_OK;
}

enum ms_status ms_trace_read(const struct ms_trace_request *r, struct ms_trace *out,
                             struct ms_err *err)
{
    struct ms_trace t = {0};
    struct ms_err local = {0};
    enum ms_status s = read_any(r, &t, &local);
    if (s == MS_OK)
        s = check_model(r, &t, &local);
    if (s == MS_OK && t.count)
        s = check_counts(r, &t, &local);
    if (s != MS_OK) {
        ms_trace_finish(&t);
        if (local.key[0] == '\0')
            snprintf(local.key, sizeof local.key, "routing.trace");
        if (err && err->status == MS_OK)
            *err = local;
        return s;
    }
    *out = t;
    return MS_OK;
}

void ms_trace_finish(struct ms_trace *t)
{
    if (!t)
        return;
    ms_arena_finish(&t->arena);
    *t = (struct ms_trace){0};
}

enum ms_status ms_trace_shape(struct ms_trace *t, const char *path, long steps, long ranks,
                              long layers, long experts, struct ms_err *err)
{
    const double most = 1L << 28;
    if (steps < 1 || ranks < 1 || layers < 1 || experts < 1)
        return ms_err_at(err, MS_INVALID, path, 0, 0, "routing.trace", "holds no counts");
    if (experts > 65535 || (double)steps * (double)ranks * (double)layers * (double)experts > most)
        return ms_err_at(
            err, MS_INVALID, path, 0, 0, "routing.trace",
            "%ld steps x %ld ranks x %ld layers x %ld experts is more than a trace can "
            "hold (2^28 counts, 65535 experts)",
            steps, ranks, layers, experts);
    t->n_steps = (int)steps;
    t->n_ranks = (int)ranks;
    t->n_layers = (int)layers;
    t->n_experts = (int)experts;
    t->count = MS_NEW(&t->arena, double, (size_t)steps *ranks *layers *experts);
    t->layer_id = MS_NEW(&t->arena, int, (size_t)layers);
    if (!t->count || !t->layer_id)
        return ms_err_set(err, MS_NOMEM, "out of memory");
    for (int l = 0; l < t->n_layers; l++)
        t->layer_id[l] = l;
    return MS_OK;
}

void ms_trace_layer(const struct ms_trace *t, int step, int layer, double *sum)
{
    memset(sum, 0, (size_t)t->n_experts * sizeof *sum);
    if (t->ids) {
        for (int i = 0; i < t->n_tokens; i++)
            for (int k = 0; k < t->top_k; k++)
                sum[t->ids[((size_t)i * t->n_layers + layer) * t->top_k + k]]++;
        return;
    }
    for (int r = 0; r < t->n_ranks; r++) {
        const double *c =
            t->count + (((size_t)step * t->n_ranks + r) * t->n_layers + layer) * t->n_experts;
        for (int e = 0; e < t->n_experts; e++)
            sum[e] += c[e];
    }
}

static void write_rows(const struct ms_trace *t, struct ms_buf *b)
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
        write_rows(t, &b);
    } else {
        double *sum = malloc((size_t)t->n_experts * sizeof *sum);
        b.failed |= !sum;
        for (int l = 0; l < t->n_layers && sum; l++) {
            ms_trace_layer(t, 0, l, sum);
            for (int e = 0; e < t->n_experts; e++)
                ms_buf_printf(&b, "%d,%d,%.0f\n", t->layer_id[l], e, sum[e]);
        }
        free(sum);
    }
    enum ms_status s =
        b.failed ? ms_err_set(err, MS_NOMEM, "out of memory") : ms_file_write(path, b.p, b.n, err);
    ms_buf_finish(&b);
    return s;
}
