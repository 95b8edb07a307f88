/* Several files of one recording: counts are summed (or kept as ranks or steps), tokens put one
 * behind the other; layers are matched by their numbers. */
#include <stdlib.h>
#include <string.h>

#include "routing/trace_read.h"

static int by_value(const void *a, const void *b)
{
    return (*(const int *)a > *(const int *)b) - (*(const int *)a < *(const int *)b);
}

/* The layers of all parts, rising. NULL: no memory */
static int *layers_of(const struct ms_trace *part, int n, struct ms_arena *a, int *n_layers)
{
    size_t most = 0;
    for (int i = 0; i < n; i++)
        most += (size_t)part[i].n_layers;
    int *all = MS_NEW(a, int, most), kept = 0;
    if (!all)
        return NULL;
    most = 0;
    for (int i = 0; i < n; i++) {
        memcpy(all + most, part[i].layer_id, (size_t)part[i].n_layers * sizeof *all);
        most += (size_t)part[i].n_layers;
    }
    qsort(all, most, sizeof *all, by_value);
    for (size_t i = 0; i < most; i++)
        if (kept == 0 || all[kept - 1] != all[i])
            all[kept++] = all[i];
    *n_layers = kept;
    return all;
}

static int index_of(const int *layers, int n, int id)
{
    const int *p = bsearch(&id, layers, (size_t)n, sizeof *layers, by_value);
    return (int)(p - layers);
}

/* Add part i's counts at its place. */
static void add_counts(const struct ms_trace *p, int step0, int rank0, struct ms_trace *out)
{
    for (int s = 0; s < p->n_steps; s++)
        for (int r = 0; r < p->n_ranks; r++)
            for (int l = 0; l < p->n_layers; l++) {
                int layer = index_of(out->layer_id, out->n_layers, p->layer_id[l]);
                const double *from = p->count + ms_trace_row(p, s, r, l);
                double *to = out->count + ms_trace_row(out, step0 + s, rank0 + r, layer);
                for (int e = 0; e < p->n_experts; e++)
                    to[e] += from[e];
            }
}

static enum ms_status join_counts(const char *const *path, const struct ms_trace *part, int n,
                                  const int *layers, int n_layers, bool ranks, bool steps,
                                  struct ms_trace *out, struct ms_err *err)
{
    int experts = 0, n_ranks = ranks && !steps ? n : part[0].n_ranks;
    long n_steps = 0;
    for (int i = 0; i < n; i++) {
        const struct ms_trace *p = &part[i];
        experts = p->n_experts > experts ? p->n_experts : experts;
        n_steps += p->n_steps;
        if (!steps && p->n_steps != part[0].n_steps)
            return ms_err_at(err, MS_INVALID, path[i], 0, 0, "routing.trace",
                             "has %d steps, but %s has %d: rank files of one recording have the "
                             "same",
                             p->n_steps, path[0], part[0].n_steps);
        if (p->n_ranks != (ranks && !steps ? 1 : part[0].n_ranks))
            return ms_err_at(err, MS_INVALID, path[i], 0, 0, "routing.trace",
                             "has %d ranks of its own, which do not fit the other files",
                             p->n_ranks);
    }
    if (!steps)
        n_steps = part[0].n_steps;
    enum ms_status s =
        ms_trace_shape(out, path[0], n_steps, n_ranks, n_layers, experts, SIZE_MAX, err);
    if (s != MS_OK)
        return s;
    out->has_ranks = part[0].has_ranks || (ranks && !steps);
    memcpy(out->layer_id, layers, (size_t)n_layers * sizeof *layers);
    for (int i = 0, step = 0; i < n; i++) {
        add_counts(&part[i], steps ? step : 0, ranks && !steps ? i : 0, out);
        step += part[i].n_steps;
    }
    ms_trace_note(out, "%d files, %s", n,
                  steps   ? "one step after the other"
                  : ranks ? "a rank each"
                          : "summed");
    return MS_OK;
}

static enum ms_status join_ids(const char *const *path, const struct ms_trace *part, int n,
                               const int *layers, int n_layers, struct ms_trace *out,
                               struct ms_err *err)
{
    size_t tokens = 0, at = 0, K = 0;
    for (int i = 0; i < n; i++) {
        tokens += (size_t)part[i].n_tokens;
        K = (size_t)part[i].top_k > K ? (size_t)part[i].top_k : K;
        if (part[i].n_layers != n_layers)
            return ms_err_at(err, MS_INVALID, path[i], 0, 0, "routing.trace",
                             "has %d layers, the files together %d: tokens need the same layers",
                             part[i].n_layers, n_layers);
    }
    enum ms_status s = ms_trace_shape_ids(out, path[0], tokens, (size_t)n_layers, K, err);
    for (int i = 0; s == MS_OK && i < n; i++) {
        const struct ms_trace *p = &part[i];
        out->n_experts = p->n_experts > out->n_experts ? p->n_experts : out->n_experts;
        size_t rows = (size_t)p->n_tokens * (size_t)n_layers, k = (size_t)p->top_k;
        for (size_t r = 0; r < rows; r++)
            memcpy(out->ids + (at + r) * K, p->ids + r * k, k * sizeof *out->ids);
        at += rows;
    }
    if (s != MS_OK)
        return s;
    memcpy(out->layer_id, layers, (size_t)n_layers * sizeof *layers);
    ms_trace_note(out, "%d files, their tokens one after the other", n);
    return MS_OK;
}

enum ms_status ms_trace_join(const char *const *path, struct ms_trace *part, int n, bool ranks,
                             bool steps, struct ms_trace *out, struct ms_err *err)
{
    struct ms_arena arena = {0};
    int n_layers = 0;
    for (int i = 1; i < n; i++)
        if (!part[i].ids != !part[0].ids)
            return ms_err_at(err, MS_INVALID, path[i], 0, 0, "routing.trace",
                             "holds %s, but %s holds %s", part[i].ids ? "token ids" : "counts",
                             path[0], part[0].ids ? "token ids" : "counts");
    if (n == 1) { /* a folder of one file */
        *out = part[0];
        part[0] = (struct ms_trace){0};
        return MS_OK;
    }
    int *layers = layers_of(part, n, &arena, &n_layers);
    enum ms_status s = !layers ? ms_err_set(err, MS_NOMEM, "out of memory")
                       : part[0].ids
                           ? join_ids(path, part, n, layers, n_layers, out, err)
                           : join_counts(path, part, n, layers, n_layers, ranks, steps, out, err);
    for (int k = 0; s == MS_OK && k < part[0].n_notes; k++)
        ms_trace_note(out, "%s", part[0].note[k]);
    ms_arena_finish(&arena);
    return s;
}
