/** @file expert_use.h  Expert usage, wherever it came from, and how `moesim profile` shows it. */
#ifndef MS_CLI_EXPERT_USE_H
#define MS_CLI_EXPERT_USE_H

#include <stdbool.h>

#include "base/arena.h"
#include "base/file.h"
#include "routing/trace.h"
#include "stats/imbalance.h"

/** Tokens per expert of one text, domain or source. Everything in the profile's arena. */
struct ms_use_part {
    const char *name;
    double *counts; /**< [n_layers][n_experts] */
};

/** Zero-initialise; finish frees. */
struct ms_expert_use {
    struct ms_arena arena;
    const char *source; /**< what was profiled, one line */
    int n_layers, n_experts;
    int top_k;              /**< 0 = unknown */
    double tokens;          /**< 0 = unknown */
    double *scratch;        /**< [n_experts] of the metrics */
    int *layer_id;          /**< [n_layers] */
    struct ms_use_part all; /**< the sum over the parts */
    struct ms_use_part *parts;
    int n_parts;                /**< 0, or at least 2: shown apart too */
    struct ms_imbalance *steps; /**< [n_steps] mean over layers of each step of a trace */
    int n_steps;                /**< 0, or at least 2 */
};

/** Arrays of these dimensions, zeroed. */
enum ms_status ms_use_make(struct ms_expert_use *p, int n_layers, int n_experts, int n_parts,
                           int n_steps, struct ms_err *err);
/** Mean over the layers of every metric. @param counts [n_layers][n_experts] */
struct ms_imbalance ms_use_mean(const struct ms_expert_use *p, const double *counts);

enum { MS_STEP_ALL = -1, MS_STEP_LAST = -2 };
/** Counts of a trace in any format of routing/trace.h. @param step a number, all (summed) or
 *  last */
enum ms_status ms_use_trace(const struct ms_trace_request *request, long step,
                            struct ms_expert_use *p, struct ms_err *err);
/** Counts of the first repeat of a scenario's only case, steps summed, group 0, after drops.
 *  @param errs errors of the scenario and its platform; err: any other */
enum ms_status ms_use_scenario(const char *path, const char *const *sets, size_t n_sets,
                               int threads, struct ms_expert_use *p, struct ms_errs *errs,
                               struct ms_err *err);

void ms_use_finish(struct ms_expert_use *p);
/** `{"layers":[{"layer_id":…,"counts":[…],"gini":…, …}],…}` and a newline. */
void ms_use_json(const struct ms_expert_use *p, struct ms_buf *out);
/** layer_id,expert_id,count (and domain, where there are parts): a routing.trace. */
void ms_use_csv(const struct ms_expert_use *p, struct ms_buf *out);
/** One row a layer. @param report the long form: definitions, the busiest experts, the parts */
void ms_use_table(const struct ms_expert_use *p, bool report, struct ms_buf *out);

/** profile.svg and profile.png in dir: the loads by layer and expert, and over the steps of a
 *  trace.
 *  @return MS_OK; MS_IO: gnuplot is missing or failed (the profile itself is none the worse) */
enum ms_status ms_use_plot(const struct ms_expert_use *p, const char *dir, struct ms_err *err);

#endif
