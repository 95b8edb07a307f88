/** @file routing.h  What routing is asked for: the model's shape, the workload and where the
 * routing comes from.
 *
 *  Plain structs that scenario/ fills from the YAML tables and routing/ reads; nothing here
 * allocates. Strings are owned by the scenario. Experts, ranks, layers, steps, groups and repeats
 * count from 0. Keys and meaning: `moesim list keys`. */
#ifndef MS_ROUTING_ROUTING_H
#define MS_ROUTING_ROUTING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "moe/choice.h"

/** The largest traffic there is: checked where a shape or a workload is read, trusted behind it. */
enum {
    MS_MOST_RANKS = 4096,    /**< of a group */
    MS_MOST_EXPERTS = 65535, /**< an expert is a 16-bit number, one past the last means dropped */
    MS_MOST_SLOTS = 65534,
    MS_MOST_GROUPS = 64, /**< expert groups under a group limit: a set of them is one word */
};

/** Mixture-of-experts shape (scenario section `model`). */
struct ms_model_shape {
    const char *preset; /**< NULL when given by hand */
    const char *config; /**< a Hugging Face config.json instead, or NULL */
    int hidden;
    int dispatch_width; /**< values of the vector that experts take; 0 = hidden */
    int moe_layers;
    int experts; /**< routed experts, E */
    int shared_experts;
    int top_k; /**< K */
    int expert_intermediate;
    int groups, group_limit;              /**< groups 1 = no limit */
    int group_score;                      /**< enum ms_group_score */
    int heads, kv_heads, head_dim;        /**< of attention; heads 0: unknown; kv_heads 0: latent */
    int dense_layers, dense_intermediate; /**< layers whose FFN is no mixture, and its width */
    int vocabulary;                       /**< 0: unknown */
    double weight_bytes;                  /**< of a value of an expert's weights; 0: not known */
};

/** Values of the vector that is dispatched and that experts take. */
static inline int ms_model_width(const struct ms_model_shape *m)
{
    return m->dispatch_width > 0 ? m->dispatch_width : m->hidden;
}

enum ms_tokens_kind { MS_TOKENS_EQUAL, MS_TOKENS_LIST, MS_TOKENS_SPREAD, MS_TOKENS_TRACE };
/** Where routing comes from; ms_source_names, NULL-terminated, has their words. */
enum ms_source { MS_SOURCE_SYNTHETIC, MS_SOURCE_TRACE, MS_SOURCE_CHECKPOINT, MS_SOURCE_MATRIX };
extern const char *const ms_source_names[];
enum ms_redraw { MS_REDRAW_POPULARITY, MS_REDRAW_TOKENS };
/** Over what a capacity is counted: a source rank's tokens for an expert, all tokens for an expert,
 *  all tokens for a receiving rank. */
enum ms_capacity_scope { MS_CAPACITY_SENDER_EXPERT, MS_CAPACITY_EXPERT, MS_CAPACITY_RANK };
enum ms_order { MS_ORDER_SHUFFLED, MS_ORDER_SORTED };

/** Tokens per rank: a number, a list, a log-normal spread over ranks {mean, cv}, or the trace's own
 * totals. */
struct ms_tokens {
    int kind;            /**< enum ms_tokens_kind */
    int64_t count;       /**< EQUAL */
    const int64_t *list; /**< LIST [n_list] */
    int n_list;
    double mean, cv; /**< SPREAD */
};

enum ms_request_phase { MS_REQUESTS_NONE, MS_REQUESTS_DECODE, MS_REQUESTS_PREFILL };

struct ms_domain_weight {
    const char *name;
    double weight; /**< >= 0, any scale */
};

/** What a batch is made of (scenario section workload.requests). */
struct ms_request_params {
    int phase; /**< enum ms_request_phase; NONE: tokens of one law, no requests */
    struct ms_request_length {
        double mean, cv; /**< log-normal, at least 1 */
    } length;
    struct ms_request_domains {
        int n; /**< so many draws of a law; 0: those of the trace or checkpoint */
        const struct ms_domain_weight *named; /**< [n_named] of these only; 0: all, equal weights */
        int n_named;
    } domains;
    double tilt;  /**< sd of ln weight between requests of a domain */
    int affinity; /**< 1: a domain has ranks of its own */
    struct ms_request_mix {
        double concentration; /**< of what arrives; INFINITY: constant shares */
        double persistence;   /**< mean steps between two draws of the shares */
    } mix;
    const char *file; /**< requests of a trace of token ids, replayed; NULL: drawn */
};

/** Scenario section `workload`, as far as it makes traffic. */
struct ms_workload {
    int ranks; /**< per group; 0 = all hosts / groups (resolved before use) */
    int groups;
    int group_strided; /**< 0 contiguous, 1 strided */
    struct ms_tokens tokens;
    int layers; /**< 0 = model.moe_layers (resolved before use) */
    int steps;
    int training;          /**< 0 forward, 1 training */
    int synchronise_layer; /**< 1: a barrier after each layer */
    double dispatch_bytes_per_value, combine_bytes_per_value;
    struct ms_request_params requests;
    double context; /**< tokens that attention sees behind each: of a whole sequence */
};

struct ms_law;

/** Scenario key routing.popularity: a law of the table in law.h with its parameters, presets
 *  resolved. Made by ms_popularity_init. */
struct ms_popularity {
    const struct ms_law *law;
    void *params; /**< the law's own struct, laid out by its fields; NULL where it has none */
    int order;    /**< enum ms_order */
};

struct ms_trace_filter {
    const char *column, *value;
};

/** What files of single ranks are: parts of a sum, or ranks apart. */
enum ms_trace_ranks { MS_TRACE_RANKS_SUM, MS_TRACE_RANKS_KEEP };

/** Scenario section `routing`. */
struct ms_routing_params {
    int source; /**< enum ms_source */
    struct ms_popularity popularity;
    int redraw;             /**< enum ms_redraw */
    double drift;           /**< 0..1 */
    double capacity_factor; /**< 0 = none */
    int capacity_scope;     /**< enum ms_capacity_scope */
    int drop_policy;        /**< enum ms_drop_policy */
    const char *assignment; /**< top_k, balanced, … */
    const char *trace;      /**< path, NULL = none */
    const struct ms_trace_filter *filter;
    int n_filter;
    const char *const *trace_axes; /**< of an .npy, NULL = by dimension count */
    int n_trace_axes;
    const char *trace_map;   /**< which expert each slot held when it was taken, or NULL */
    int trace_ranks;         /**< rank files: enum ms_trace_ranks */
    const char *checkpoint;  /**< folder */
    const char *const *text; /**< files the checkpoint routes */
    int n_text;
    const char *tokens; /**< an .npy of token ids instead of text, or NULL */
    const char *matrix; /**< path of a byte matrix */
};

#endif
