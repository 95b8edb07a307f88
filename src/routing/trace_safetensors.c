/* TensorRT-LLM wide-EP statistics: rank<r>.safetensors with keys "<iteration>_<layer>" -> counts
 * [experts]; a folder of them, or the file of one rank. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/safetensors.h"
#include "routing/trace_read.h"

enum { MOST_RANKS = 4096 };

struct reader {
    struct ms_st_file *file[MOST_RANKS];
    char *name[MOST_RANKS];
    int n_files;
    long *iter, *layer; /* distinct, rising */
    long n_iter, n_layer, n_experts;
};

static bool parse_key(const char *name, long *iter, long *layer)
{
    char *end;
    if (*name < '0' || *name > '9')
        return false;
    *iter = strtol(name, &end, 10);
    if (*end != '_' || end[1] < '0' || end[1] > '9')
        return false;
    *layer = strtol(end + 1, &end, 10);
    return *end == '\0';
}

static bool add_distinct(long **v, long *n, long x)
{
    for (long i = 0; i < *n; i++)
        if ((*v)[i] == x)
            return true;
    long *p = realloc(*v, (size_t)(*n + 1) * sizeof *p);
    if (!p)
        return false;
    *v = p;
    long at = (*n)++;
    for (; at > 0 && p[at - 1] > x; at--)
        p[at] = p[at - 1];
    p[at] = x;
    return true;
}

static enum ms_status open_one(struct reader *r, const char *path, struct ms_err *err)
{
    enum ms_status s = ms_st_open(path, &r->file[r->n_files], err);
    if (s != MS_OK)
        return s;
    r->name[r->n_files++] = strdup(path);
    return r->name[r->n_files - 1] ? MS_OK : ms_err_set(err, MS_NOMEM, "out of memory");
}

/* rank0.safetensors, rank1.safetensors, … until one is missing. */
static enum ms_status open_folder(struct reader *r, const char *path, struct ms_err *err)
{
    for (int rank = 0; rank < MOST_RANKS; rank++) {
        char name[4096];
        snprintf(name, sizeof name, "%s/rank%d.safetensors", path, rank);
        bool there = ms_file_is(name);
        if (!there && rank == 0)
            return ms_err_at(
                err, MS_INVALID, path, 0, 0, "routing.trace",
                "is a folder without rank0.safetensors (TensorRT-LLM expert statistics)");
        if (!there)
            return MS_OK;
        enum ms_status s = open_one(r, name, err);
        if (s != MS_OK)
            return s;
    }
    return MS_OK;
}

static enum ms_status scan(struct reader *r, struct ms_err *err)
{
    for (int f = 0; f < r->n_files; f++)
        for (size_t i = 0; i < ms_st_count(r->file[f]); i++) {
            const struct ms_st_tensor *t = ms_st_at(r->file[f], i);
            long iter, layer;
            if (!parse_key(t->name, &iter, &layer))
                return ms_err_at(
                    err, MS_INVALID, r->name[f], 0, 0, t->name,
                    "is not a key \"<iteration>_<layer>\" of TensorRT-LLM's expert statistics");
            if (r->n_experts == 0)
                r->n_experts = (long)t->count;
            if ((long)t->count != r->n_experts || t->n_dims != 1)
                return ms_err_at(err, MS_INVALID, r->name[f], 0, 0, t->name,
                                 "has %zu counts, the first has %ld", t->count, r->n_experts);
            if (!add_distinct(&r->iter, &r->n_iter, iter) ||
                !add_distinct(&r->layer, &r->n_layer, layer))
                return ms_err_set(err, MS_NOMEM, "out of memory");
        }
    return MS_OK;
}

static enum ms_status fill(struct reader *r, struct ms_trace *t, struct ms_err *err)
{
    float *row = malloc((size_t)r->n_experts * sizeof *row);
    int64_t *whole = malloc((size_t)r->n_experts * sizeof *whole);
    enum ms_status s = row && whole ? MS_OK : ms_err_set(err, MS_NOMEM, "out of memory");
    double *out = t->count;
    for (long i = 0; i < r->n_iter && s == MS_OK; i++)
        for (int f = 0; f < r->n_files && s == MS_OK; f++)
            for (long l = 0; l < r->n_layer && s == MS_OK; l++) {
                char key[64];
                snprintf(key, sizeof key, "%ld_%ld", r->iter[i], r->layer[l]);
                const struct ms_st_tensor *c = ms_st_find(r->file[f], key);
                size_t n = (size_t)r->n_experts;
                bool integers = c && ms_st_integers(c, 0, n, whole);
                if (!c || (!integers && !ms_st_floats(c, 0, n, row)))
                    s = ms_err_at(err, MS_INVALID, r->name[f], 0, 0, key,
                                  !c ? "is missing, other ranks or layers have this step"
                                     : "has counts of a type that is not read");
                for (size_t e = 0; e < n && s == MS_OK; e++)
                    *out++ = integers ? (double)whole[e] : row[e];
            }
    free(row);
    free(whole);
    return s;
}

enum ms_status ms_trace_read_safetensors(const char *path, struct ms_trace *out, struct ms_err *err)
{
    struct reader *r = calloc(1, sizeof *r);
    if (!r)
        return ms_err_set(err, MS_NOMEM, "out of memory");
    DIR *dir = opendir(path);
    if (dir)
        closedir(dir);
    enum ms_status s = dir ? open_folder(r, path, err) : open_one(r, path, err);
    if (s == MS_OK)
        s = scan(r, err);
    if (s == MS_OK)
        s = ms_trace_shape(out, path, r->n_iter, r->n_files, r->n_layer, r->n_experts, SIZE_MAX,
                           err);
    if (s == MS_OK) {
        out->has_ranks = r->n_files > 1;
        for (long l = 0; l < r->n_layer; l++)
            out->layer_id[l] = (int)r->layer[l];
        s = fill(r, out, err);
    }
    for (int f = 0; f < r->n_files; f++) {
        ms_st_close(r->file[f]);
        free(r->name[f]);
    }
    free(r->iter);
    free(r->layer);
    free(r);
    return s;
}
