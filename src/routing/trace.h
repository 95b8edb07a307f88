/** @file trace.h  Recorded expert usage, in every format users have it in.
 *
 *  A trace is either counts (tokens per expert, by step, rank and layer) or token ids (which
 *  experts each token chose in each layer). A reader is one trace_<format>.c and a row of the table
 *  in trace.c: CSV and TSV, NumPy arrays (.npy, .npz), JSON (SGLang, vLLM), JSON Lines (vLLM's
 *  offline statistics, one token a line), safetensors (TensorRT-LLM statistics); any of the texts
 *  and arrays gzipped; several files of one kind, or a folder of them, are summed. .pt and .pkl are
 *  refused with the conversion to do.
 *
 *  Whatever was read is put in order here once: layers without a token in any step (dense ones) are
 *  left out and the others keep their numbers, steps without a token are left out, experts that
 *  were never chosen are there with 0. What was decided is said in notes, one sentence each. */
#ifndef MS_ROUTING_TRACE_H
#define MS_ROUTING_TRACE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/files.h"
#include "routing/routing.h"

enum { MS_NO_EXPERT = 0xffff, MS_TRACE_NOTES = 16 };

/** Counts or token ids; zero-initialise, ms_trace_finish frees. */
struct ms_trace {
    struct ms_arena arena;
    int n_steps, n_ranks; /**< 1 where the file has no such axis */
    bool has_ranks;
    int n_layers, n_experts;
    double *count;       /**< [steps][ranks][layers][experts] >= 0; NULL for token ids */
    int *layer_id;       /**< [layers] as the file calls them, rising */
    int n_tokens, top_k; /**< token ids only */
    int n_requests;      /**< token ids by request: its tokens stand together; 0 = not told apart */
    /** [tokens][layers][top_k]: distinct experts of a token, MS_NO_EXPERT where it chose fewer;
     *  NULL for counts */
    uint16_t *ids;
    const char *note[MS_TRACE_NOTES]; /**< [n_notes] how it was read, what was left out */
    int n_notes;
};

/** A map's slots: rows of layers, the last of which are those of the array. */
struct ms_trace_slots {
    int n_layers, n_slots;
    const int *expert; /**< [n_layers][n_slots] */
};

struct ms_trace_request {
    struct ms_files *files;  /**< read through it; NULL = read the files now, keep nothing */
    const char *path;        /**< a file, or a folder of files */
    const char *const *more; /**< [n_more] further files, summed with the first */
    int n_more;
    const struct ms_trace_filter *filter;
    int n_filter;
    /** of an array: any of steps, ranks, layers, experts; requests, tokens, layers, k; layers,
     *  ranks, slots;
     *  NULL = by its shape */
    const char *const *axes;
    int n_axes;
    int n_experts, top_k; /**< of the model; 0 = take the file's */
    bool ranks_axis;      /**< several files are ranks, not parts of a sum */
    /** which expert each slot held, for arrays by slots; NULL: slots are the experts in order */
    const struct ms_trace_slots *slots;
    /** for traffic: every step has tokens in every layer, every token all its experts (what has
     *  not is left out, with a note) */
    bool whole;
};

/** @param out zeroed on entry, still zero on error. @return MS_OK; MS_INVALID with file and line;
 *  MS_IO; MS_NOMEM */
enum ms_status ms_trace_read(const struct ms_trace_request *r, struct ms_trace *out,
                             struct ms_err *err);
/** What a checkpoint routes. */
struct ms_trace_texts {
    const char *const *text; /**< [n_text] files, through its tokenizer */
    int n_text;
    const char *tokens;     /**< an .npy of ids instead, or NULL */
    const char *assignment; /**< of moe/'s token assignments, NULL = top_k */
    uint64_t seed;
    int n_threads;
};

/** Token ids of a checkpoint's routers over up to 16384 tokens (whole windows of the model's
 *  max_positions).
 *  @param q path: the checkpoint's folder; n_experts and top_k are checked  @return as
 *  ms_trace_read */
enum ms_status ms_trace_from_checkpoint(const struct ms_trace_request *q,
                                        const struct ms_trace_texts *texts, struct ms_trace *out,
                                        struct ms_err *err);
void ms_trace_finish(struct ms_trace *t);

/** The counts of one step and layer, ranks summed, into sum [n_experts]. Token ids are counted
 *  (step 0). */
void ms_trace_layer(const struct ms_trace *t, int step, int layer, double *sum);

/** A format that is written. */
struct ms_trace_writer {
    const char *name, *ending, *help;
    enum ms_status (*write)(const struct ms_trace *t, const char *path, struct ms_err *err);
};
/** The table, ended by a row whose name is NULL. */
extern const struct ms_trace_writer ms_trace_writers[];
/** `layer_id,expert_id,count` (with iter and rank columns where it has them), readable by
 *  ms_trace_read. */
enum ms_status ms_trace_write_csv(const struct ms_trace *t, const char *path, struct ms_err *err);

#endif
