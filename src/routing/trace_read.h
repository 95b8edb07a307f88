/** @file trace_read.h  What the readers of traces share: the file's bytes, the request, notes.
 *
 *  A reader fills a trace as the file has it, -1 ids as MS_NO_EXPERT and dense layers as zeros;
 *  trace.c puts it in order afterwards. */
#ifndef MS_ROUTING_TRACE_READ_H
#define MS_ROUTING_TRACE_READ_H

#include "base/file.h"
#include "routing/trace.h"

/** One file, unpacked. */
struct ms_trace_file {
    const char *path; /**< as the user gave it */
    struct ms_buf bytes;
    const struct ms_trace_request *request;
};

typedef enum ms_status ms_trace_reader(struct ms_trace_file *f, struct ms_trace *out,
                                       struct ms_err *err);
ms_trace_reader ms_trace_read_csv, ms_trace_read_npy, ms_trace_read_npz, ms_trace_read_json,
    ms_trace_read_json_lines;
/** A folder of rank<r>.safetensors, or one such file: mapped, not read. */
enum ms_status ms_trace_read_safetensors(const char *path, struct ms_trace *out,
                                         struct ms_err *err);

/** Set the dimensions and allocate count; refuses sizes that cannot be a trace.
 *  @param most counts that the size of the file makes believable */
enum ms_status ms_trace_shape(struct ms_trace *t, const char *path, long steps, long ranks,
                              long layers, long experts, size_t most, struct ms_err *err);
/** The same for token ids, all MS_NO_EXPERT. */
enum ms_status ms_trace_shape_ids(struct ms_trace *t, const char *path, size_t tokens,
                                  size_t layers, size_t top_k, struct ms_err *err);
/** Keep a sentence about how the trace was read; past MS_TRACE_NOTES they are dropped. */
void ms_trace_note(struct ms_trace *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static inline size_t ms_trace_row(const struct ms_trace *t, int step, int rank, int layer)
{
    return (((size_t)step * (size_t)t->n_ranks + (size_t)rank) * (size_t)t->n_layers +
            (size_t)layer) *
           (size_t)t->n_experts;
}

/* trace_tidy.c: dense layers, idle steps, padding, repeated rows; what `request.whole` asks. */
enum ms_status ms_trace_tidy(const struct ms_trace_request *r, struct ms_trace *t,
                             struct ms_err *err);
/* trace_join.c: n traces of one kind become one; the parts are used up. */
enum ms_status ms_trace_join(const char *const *path, struct ms_trace *part, int n, bool ranks,
                             bool steps, struct ms_trace *out, struct ms_err *err);

#endif
