/** @file trace.h  Recorded expert usage, in every format users have it in.
 *
 *  A trace is either counts (tokens per expert, by step, rank and layer) or token ids (which
 *  experts each token chose in each layer). Formats: CSV, .npy, JSON (SGLang, vLLM), safetensors
 *  (TensorRT-LLM statistics); .pt and .pkl are refused with the conversion to do. A reader is one
 *  trace_<format>.c. What the counts are used for is decided elsewhere. */
#ifndef MS_ROUTING_TRACE_H
#define MS_ROUTING_TRACE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "routing/routing.h"

/** Counts or token ids; zero-initialise, ms_trace_finish frees. */
struct ms_trace {
    struct ms_arena arena;
    int n_steps, n_ranks; /**< 1 where the file has no such axis */
    bool has_ranks;
    int n_layers, n_experts;
    double *count;       /**< [steps][ranks][layers][experts] >= 0; NULL for token ids */
    int *layer_id;       /**< [layers] as the file calls them, rising */
    int n_tokens, top_k; /**< token ids only */
    uint16_t *ids; /**< [tokens][layers][top_k] distinct experts of a token; NULL for counts */
};

struct ms_trace_request {
    const char *path; /**< a file; a folder for TensorRT-LLM statistics (rank0.safetensors, …) */
    const struct ms_trace_filter *filter;
    int n_filter;
    const char *const *axes; /**< of an .npy; NULL = by dimensions */
    int n_axes;
    int n_experts, top_k; /**< of the model; 0 = take the file's */
};

/** @param out zeroed on entry, still zero on error. @return MS_OK; MS_INVALID with file and line;
 *  MS_IO; MS_NOMEM */
enum ms_status ms_trace_read(const struct ms_trace_request *r, struct ms_trace *out,
                             struct ms_err *err);
/** Token ids of a checkpoint's routers over up to 16384 tokens of text (whole windows of the
 *  model's max_positions).
 *  @param q path: the checkpoint's folder; n_experts and top_k are checked  @param assignment a
 *  name of moe/'s token assignments, NULL = top_k  @return as ms_trace_read */
enum ms_status ms_trace_from_checkpoint(const struct ms_trace_request *q, const char *const *text,
                                        int n_text, const char *assignment, uint64_t seed,
                                        int n_threads, struct ms_trace *out, struct ms_err *err);
void ms_trace_finish(struct ms_trace *t);

/** The counts of one step and layer, ranks summed, into sum [n_experts]. Token ids are counted
 *  (step 0). */
void ms_trace_layer(const struct ms_trace *t, int step, int layer, double *sum);
/** `layer_id,expert_id,count` (with iter and rank columns where it has them), readable by
 *  ms_trace_read. */
enum ms_status ms_trace_write_csv(const struct ms_trace *t, const char *path, struct ms_err *err);

/* Readers of one format each; ms_trace_read chooses. */
enum ms_status ms_trace_read_csv(const struct ms_trace_request *r, struct ms_trace *out,
                                 struct ms_err *err);
enum ms_status ms_trace_read_npy(const struct ms_trace_request *r, struct ms_trace *out,
                                 struct ms_err *err);
enum ms_status ms_trace_read_json(const struct ms_trace_request *r, struct ms_trace *out,
                                  struct ms_err *err);
enum ms_status ms_trace_read_safetensors(const struct ms_trace_request *r, struct ms_trace *out,
                                         struct ms_err *err);

/** For readers: set the dimensions and allocate count; refuses sizes that cannot be a trace. */
enum ms_status ms_trace_shape(struct ms_trace *t, const char *path, long steps, long ranks,
                              long layers, long experts, struct ms_err *err);

#endif
