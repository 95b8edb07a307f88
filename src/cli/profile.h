/** @file profile.h  Expert usage, wherever it came from, and how `moesim profile` shows it. */
#ifndef MS_CLI_PROFILE_H
#define MS_CLI_PROFILE_H

#include <stdbool.h>

#include "base/arena.h"
#include "base/file.h"

/** Tokens per expert of one text, domain or source. Everything in the profile's arena. */
struct ms_usage {
    const char *name;
    double *counts; /**< [n_layers][n_experts] */
};

/** Zero-initialise; finish frees. */
struct ms_profile {
    struct ms_arena arena;
    const char *source;  /**< what was profiled, one line */
    int n_layers, n_experts;
    int top_k;           /**< 0 = unknown */
    double tokens;       /**< 0 = unknown */
    int *layer_id;       /**< [n_layers] */
    struct ms_usage all; /**< the sum over the parts */
    struct ms_usage *parts;
    int n_parts;         /**< 0, or at least 2: shown apart too */
};

void ms_profile_finish(struct ms_profile *p);
/** `{"layers":[{"layer_id":…,"counts":[…],"gini":…, …}],…}` and a newline. */
void ms_profile_json(const struct ms_profile *p, struct ms_buf *out);
/** layer_id,expert_id,count (and domain, where there are parts): a routing.trace. */
void ms_profile_csv(const struct ms_profile *p, struct ms_buf *out);
/** One row a layer. @param report the long form: definitions, the busiest experts, the parts */
void ms_profile_table(const struct ms_profile *p, bool report, struct ms_buf *out);

#endif
