/* Memory for a trace, after its size was found believable; and the notes that go with it. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "routing/trace_read.h"

enum ms_status ms_trace_shape(struct ms_trace *t, const char *path, long steps, long ranks,
                              long layers, long experts, size_t most, struct ms_err *err)
{
    const double cap = 1L << 28;
    double n = (double)steps * (double)ranks * (double)layers * (double)experts;
    if (steps < 1 || ranks < 1 || layers < 1 || experts < 1)
        return ms_err_at(err, MS_INVALID, path, 0, 0, "routing.trace", "holds no counts");
    if (experts > 65535 || n > cap)
        return ms_err_at(err, MS_INVALID, path, 0, 0, "routing.trace",
                         "%ld steps x %ld ranks x %ld layers x %ld experts is more than a trace "
                         "can hold (2^28 counts, 65535 experts)",
                         steps, ranks, layers, experts);
    if (n > (double)most)
        return ms_err_at(err, MS_INVALID, path, 0, 0, "routing.trace",
                         "%ld steps x %ld ranks x %ld layers x %ld experts cannot come from so "
                         "few counts: are layer and expert numbers right?",
                         steps, ranks, layers, experts);
    t->n_steps = (int)steps;
    t->n_ranks = (int)ranks;
    t->n_layers = (int)layers;
    t->n_experts = (int)experts;
    t->count = MS_NEW(&t->arena, double, (size_t)n);
    t->layer_id = MS_NEW(&t->arena, int, (size_t)layers);
    if (!t->count || !t->layer_id)
        return ms_err_set(err, MS_NOMEM, "out of memory");
    for (int l = 0; l < t->n_layers; l++)
        t->layer_id[l] = l;
    return MS_OK;
}

enum ms_status ms_trace_shape_ids(struct ms_trace *t, const char *path, size_t tokens,
                                  size_t layers, size_t top_k, struct ms_err *err)
{
    const double cap = 1u << 30;
    if (tokens < 1 || layers < 1 || top_k < 1)
        return ms_err_at(err, MS_INVALID, path, 0, 0, "routing.trace", "holds no tokens");
    if (layers > 1u << 16 || top_k > 1024 || (double)tokens * (double)layers * (double)top_k > cap)
        return ms_err_at(err, MS_INVALID, path, 0, 0, "routing.trace",
                         "%zu tokens x %zu layers x %zu experts a token is more than a trace can "
                         "hold (2^30 ids, 65536 layers, 1024 experts a token)",
                         tokens, layers, top_k);
    t->n_steps = t->n_ranks = 1;
    t->n_tokens = (int)tokens;
    t->n_layers = (int)layers;
    t->top_k = (int)top_k;
    t->ids = MS_NEW(&t->arena, uint16_t, tokens * layers * top_k);
    t->layer_id = MS_NEW(&t->arena, int, layers);
    if (!t->ids || !t->layer_id)
        return ms_err_set(err, MS_NOMEM, "out of memory");
    memset(t->ids, 0xff, tokens * layers * top_k * sizeof *t->ids);
    for (int l = 0; l < t->n_layers; l++)
        t->layer_id[l] = l;
    return MS_OK;
}

void ms_trace_note(struct ms_trace *t, const char *fmt, ...)
{
    char text[512];
    va_list args;
    if (t->n_notes == MS_TRACE_NOTES)
        return;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    const char *kept = ms_arena_strdup(&t->arena, text);
    if (kept)
        t->note[t->n_notes++] = kept;
}
