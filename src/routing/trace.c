/* Chooses a trace's reader by its name and first bytes, joins several files, and holds what was
 * read against the model. */
#include "routing/trace.h"

#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "base/inflate.h"
#include "routing/trace_read.h"

enum { MOST_FILES = 4096 };

static bool ends_with(const char *path, const char *suffix)
{
    size_t n = strlen(path), m = strlen(suffix);
    return n >= m && strcasecmp(path + n - m, suffix) == 0;
}

static const char *base_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static enum ms_status refuse_pickle(const char *path, struct ms_err *err)
{
    const char *name = base_of(path);
    if (ends_with(path, ".pkl") || ends_with(path, ".pickle"))
        return ms_err_at(err, MS_INVALID, path, 0, 0, "routing.trace",
                         "is a Python pickle, which runs code when it is read; convert it once "
                         "with: python3 -c \"import pickle,numpy; numpy.save('trace.npy', "
                         "numpy.asarray(pickle.load(open('%s','rb'))))\"",
                         name);
    return ms_err_at(err, MS_INVALID, path, 0, 0, "routing.trace",
                     "is a Python pickle, which runs code when it is read; convert it once with: "
                     "python3 -c \"import torch,numpy; d=torch.load('%s'); "
                     "d=d['logical_count'] if isinstance(d,dict) else d; "
                     "numpy.save('trace.npy', d.numpy())\"",
                     name);
}

/* Is a member called data.pkl there? Then the archive is torch's. */
static bool is_torch(const struct ms_buf *b)
{
    struct ms_zip_member m[8];
    size_t n = 0;
    struct ms_err none = {0};
    if (ms_zip_list("", b->p, b->n, m, 8, &n, &none) != MS_OK)
        return false;
    for (size_t i = 0; i < n && i < 8; i++)
        if (strcmp(base_of(m[i].name), "data.pkl") == 0)
            return true;
    return false;
}

static enum ms_status read_bytes(struct ms_trace_file *f, struct ms_trace *out, struct ms_err *err)
{
    const char *p = f->bytes.p ? f->bytes.p : "";
    size_t n = f->bytes.n, at = strspn(p, " \t\r\n");
    if (n >= 3 && memcmp(p, "\xef\xbb\xbf", 3) == 0)
        at = 3;
    if (n >= 6 && memcmp(p, "\x93NUMPY", 6) == 0)
        return ms_trace_read_npy(f, out, err);
    if (ms_is_zip(p, n))
        return is_torch(&f->bytes) ? refuse_pickle(f->path, err) : ms_trace_read_npz(f, out, err);
    if (n > 0 && (unsigned char)p[0] == 0x80)
        return refuse_pickle(f->path, err);
    if (ends_with(f->path, ".npy") || ends_with(f->path, ".npz"))
        return ms_trace_read_npy(f, out, err);
    if (ends_with(f->path, ".jsonl"))
        return ms_trace_read_json_lines(f, out, err);
    if (p[at] == '{' || p[at] == '[' || ends_with(f->path, ".json"))
        return ms_trace_read_json(f, out, err);
    return ms_trace_read_csv(f, out, err);
}

/* One file that is no folder. A pipe or a device has no end to rely on. */
static enum ms_status read_file(const struct ms_trace_request *r, const char *path,
                                struct ms_trace *out, struct ms_err *err)
{
    static const char *const pickles[] = {".pt", ".pth", ".pkl", ".pickle", ".bin"};
    struct stat st;
    bool there = strcmp(path, "-") != 0 && stat(path, &st) == 0;
    if (there && !S_ISREG(st.st_mode))
        return ms_err_at(err, MS_INVALID, path, 0, 0, "routing.trace", "is not a regular file");
    for (size_t i = 0; there && i < sizeof pickles / sizeof *pickles; i++)
        if (ends_with(path, pickles[i]))
            return refuse_pickle(path, err);
    if (ends_with(path, ".safetensors"))
        return ms_trace_read_safetensors(path, out, err);
    struct ms_trace_file f = {.path = path, .request = r};
    enum ms_status s = ms_file_read_unpacked(r->files, path, 0, &f.bytes, err);
    if (s == MS_OK)
        s = read_bytes(&f, out, err);
    ms_buf_finish(&f.bytes);
    return s;
}

/* ---- several files ---- */

struct files {
    struct ms_arena arena;
    const char **path; /* [n] */
    int n;
};

static int by_name(const void *a, const void *b)
{
    return ms_natural_cmp(*(const char *const *)a, *(const char *const *)b);
}

static bool is_trace_name(const char *name)
{
    static const char *const known[] = {".csv", ".tsv", ".npy", ".npz", ".json", ".jsonl", ".pt"};
    char plain[256];
    size_t n = strlen(name);
    if (name[0] == '.' || n >= sizeof plain)
        return false;
    memcpy(plain, name, n + 1);
    if (ends_with(plain, ".gz"))
        plain[n - 3] = 0;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (ends_with(plain, known[i]))
            return true;
    return false;
}

static enum ms_status list_folder(const char *folder, struct files *out, struct ms_err *err)
{
    DIR *d = opendir(folder);
    if (!d)
        return ms_err_at(err, MS_IO, folder, 0, 0, "routing.trace", "cannot read this folder");
    out->path = MS_NEW(&out->arena, const char *, MOST_FILES);
    enum ms_status s = out->path ? MS_OK : ms_err_set(err, MS_NOMEM, "out of memory");
    for (struct dirent *e; s == MS_OK && (e = readdir(d));) {
        if (!is_trace_name(e->d_name))
            continue;
        struct ms_buf b = {0};
        ms_buf_printf(&b, "%s/%s", folder, e->d_name);
        char *path = b.failed ? NULL : ms_arena_strdup(&out->arena, b.p);
        ms_buf_finish(&b);
        if (!path)
            s = ms_err_set(err, MS_NOMEM, "out of memory");
        else if (out->n == MOST_FILES)
            s = ms_err_at(err, MS_INVALID, folder, 0, 0, "routing.trace",
                          "holds more than %d files", MOST_FILES);
        else
            out->path[out->n++] = path;
    }
    closedir(d);
    if (s == MS_OK && out->n == 0)
        s = ms_err_at(err, MS_INVALID, folder, 0, 0, "routing.trace",
                      "is a folder without a trace: neither rank0.safetensors (TensorRT-LLM) nor "
                      "rank files (.csv, .tsv, .json, .jsonl, .npy, .npz)");
    if (s == MS_OK)
        qsort(out->path, (size_t)out->n, sizeof *out->path, by_name);
    return s;
}

/* vllm-ascend saves one array a step: moe_load_0.npy, moe_load_1.npy, … */
static bool are_steps(const struct files *f)
{
    for (int i = 0; i < f->n; i++)
        if (strncmp(base_of(f->path[i]), "moe_load_", 9) != 0)
            return false;
    return true;
}

static enum ms_status read_files(const struct ms_trace_request *r, const struct files *f,
                                 struct ms_trace *out, struct ms_err *err)
{
    struct ms_trace *part = calloc((size_t)f->n, sizeof *part);
    enum ms_status s = part ? MS_OK : ms_err_set(err, MS_NOMEM, "out of memory");
    for (int i = 0; s == MS_OK && i < f->n; i++)
        s = read_file(r, f->path[i], &part[i], err);
    if (s == MS_OK)
        s = ms_trace_join(f->path, part, f->n, r->ranks_axis, are_steps(f), out, err);
    for (int i = 0; part && i < f->n; i++)
        ms_trace_finish(&part[i]);
    free(part);
    return s;
}

static enum ms_status read_all(const struct ms_trace_request *r, struct ms_trace *out,
                               struct ms_err *err)
{
    struct stat st;
    bool folder = stat(r->path, &st) == 0 && S_ISDIR(st.st_mode);
    struct files f = {0};
    enum ms_status s = MS_OK;
    if (folder && r->n_more == 0) {
        char first[4096];
        snprintf(first, sizeof first, "%s/rank0.safetensors", r->path);
        if (stat(first, &st) == 0)
            return ms_trace_read_safetensors(r->path, out, err);
        s = list_folder(r->path, &f, err);
    } else if (r->n_more > 0) {
        f.n = r->n_more + 1;
        f.path = MS_NEW(&f.arena, const char *, (size_t)f.n);
        if (!f.path)
            return ms_err_set(err, MS_NOMEM, "out of memory");
        f.path[0] = r->path;
        memcpy(f.path + 1, r->more, (size_t)r->n_more * sizeof *f.path);
    } else {
        return read_file(r, r->path, out, err);
    }
    if (s == MS_OK)
        s = read_files(r, &f, out, err);
    ms_arena_finish(&f.arena);
    return s;
}

/* ---- what was read ---- */

/* Experts that nobody chose stand in no sparse file: the model knows how many there are. */
static enum ms_status pad_experts(struct ms_trace *t, int n, struct ms_err *err)
{
    size_t rows = (size_t)t->n_steps * (size_t)t->n_ranks * (size_t)t->n_layers;
    size_t have = (size_t)t->n_experts, want = (size_t)n;
    ms_trace_note(t, "experts from %d on, of %d, were never chosen", t->n_experts, n);
    t->n_experts = n;
    if (!t->count)
        return MS_OK;
    double *wide = MS_NEW(&t->arena, double, rows *want);
    if (!wide)
        return ms_err_set(err, MS_NOMEM, "out of memory");
    for (size_t i = 0; i < rows; i++)
        memcpy(wide + i * want, t->count + i * have, have * sizeof *wide);
    t->count = wide;
    return MS_OK;
}

static enum ms_status check_model(const struct ms_trace_request *r, struct ms_trace *t,
                                  struct ms_err *err)
{
    if (r->n_experts != 0 && r->n_experts < t->n_experts)
        return ms_err_at(err, MS_INVALID, r->path, 0, 0, "routing.trace",
                         "has %d experts, but model.experts is %d", t->n_experts, r->n_experts);
    if (t->ids && r->top_k != 0 && r->top_k != t->top_k)
        return ms_err_at(err, MS_INVALID, r->path, 0, 0, "routing.trace",
                         "has %d experts a token, but model.top_k is %d", t->top_k, r->top_k);
    return r->n_experts > t->n_experts ? pad_experts(t, r->n_experts, err) : MS_OK;
}

static enum ms_status check_counts(const struct ms_trace_request *r, const struct ms_trace *t,
                                   struct ms_err *err)
{
    size_t E = (size_t)t->n_experts, L = (size_t)t->n_layers;
    size_t n = (size_t)t->n_steps * (size_t)t->n_ranks * L * E;
    for (size_t i = 0; i < n; i++)
        if (!(t->count[i] >= 0) || !isfinite(t->count[i]))
            return ms_err_at(err, MS_INVALID, r->path, 0, 0, "routing.trace",
                             "layer %d, expert %zu: a count of %g", t->layer_id[i / E % L], i % E,
                             t->count[i]);
    return MS_OK;
}

enum ms_status ms_trace_read(const struct ms_trace_request *r, struct ms_trace *out,
                             struct ms_err *err)
{
    struct ms_trace t = {0};
    struct ms_err local = {0};
    enum ms_status s = read_all(r, &t, &local);
    if (s == MS_OK && t.count)
        s = check_counts(r, &t, &local);
    if (s == MS_OK)
        s = check_model(r, &t, &local);
    if (s == MS_OK)
        s = ms_trace_tidy(r, &t, &local);
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

void ms_trace_layer(const struct ms_trace *t, int step, int layer, double *sum)
{
    size_t E = (size_t)t->n_experts;
    memset(sum, 0, E * sizeof *sum);
    if (t->ids) {
        size_t K = (size_t)t->top_k, L = (size_t)t->n_layers;
        for (size_t i = 0; i < (size_t)t->n_tokens; i++)
            for (size_t k = 0; k < K; k++) {
                uint16_t e = t->ids[(i * L + (size_t)layer) * K + k];
                if (e != MS_NO_EXPERT)
                    sum[e]++;
            }
        return;
    }
    for (int r = 0; r < t->n_ranks; r++)
        for (size_t e = 0; e < E; e++)
            sum[e] += t->count[ms_trace_row(t, step, r, layer) + e];
}
