/* The keys of everything but training: what each takes, its default and its line of help. A new
 * key is a new row here; only an odd value needs a shape. */
#include <math.h>

#include "moe/train.h"
#include "scenario/fields.h"
#include "scenario/scenario.h"
#include "stats/metric.h"

/* ---- when a key acts ---- */

#define ACTS(name, key_path, test, say, is_input)                                                  \
    static bool acts_##name(const void *base)                                                      \
    {                                                                                              \
        const struct ms_scenario *s = base;                                                        \
        return (test);                                                                             \
    }                                                                                              \
    static const struct ms_acts name = {key_path, acts_##name, say, is_input}

ACTS(drawn, "routing.source", s->routing.source == MS_SOURCE_SYNTHETIC, NULL, false);
ACTS(no_matrix, "routing.source", s->routing.source != MS_SOURCE_MATRIX, NULL, false);
ACTS(of_trace, "routing.source", s->routing.source == MS_SOURCE_TRACE,
     "; did you mean source: trace?", true);
ACTS(to_trace, "routing.source", s->routing.source == MS_SOURCE_TRACE, NULL, false);
ACTS(to_recorded, "routing.source",
     s->routing.source == MS_SOURCE_TRACE || s->routing.source == MS_SOURCE_MATRIX, NULL, false);
ACTS(of_checkpoint, "routing.source", s->routing.source == MS_SOURCE_CHECKPOINT,
     "; did you mean source: checkpoint?", true);
ACTS(of_matrix, "routing.source", s->routing.source == MS_SOURCE_MATRIX,
     "; did you mean source: matrix?", true);
ACTS(capped, "routing.capacity_factor", s->routing.capacity_factor > 0, NULL, false);
ACTS(copied, "placement.redundant_experts",
     s->placement.redundant_experts > 0 || ms_place_find(s->placement.strategy)->needs_map, NULL,
     false);
ACTS(planned, "placement.strategy", ms_place_find(s->placement.strategy)->needs_load, NULL, false);
ACTS(ages, "placement.strategy", ms_place_find(s->placement.strategy)->needs_load, NULL, false);
ACTS(renewed, "placement.rebalance.every", s->placement.rebalance.every > 0, NULL, false);
ACTS(of_map, "placement.strategy", ms_place_find(s->placement.strategy)->needs_map,
     "; did you mean strategy: file?", true);
ACTS(grouped, "workload.groups", s->workload.groups > 1, NULL, false);
ACTS(windowed, "exchange.algorithm", ms_sim_exchange_heeds(&s->sim.exchange).window, NULL, false);
ACTS(chunked, "exchange.algorithm", ms_sim_exchange_heeds(&s->sim.exchange).chunk_tokens, NULL,
     false);
ACTS(forwarded, "exchange.algorithm", ms_sim_exchange_heeds(&s->sim.exchange).forwarding, NULL,
     false);
ACTS(attended, "compute.dense", isnan(s->sim.compute.dense_s), NULL, false);
ACTS(hashed, "network.multipath", s->sim.network.multipath == MS_PATHS_ECMP, NULL, false);
ACTS(settled, "network.model", ms_sim_heeds_quantum(s->sim.network.model), NULL, false);

/* clang-format off */
static const struct ms_field top[] = {
    {.key = "name", MS_AT(struct ms_scenario, name),
     .type = MS_FIELD_ODD, .shape = &ms_shape_scenario_name, MS_OPTIONAL,
     .help = "name of the results folder; default: the file's name without .yaml"},
    {.key = "seed", MS_AT(struct ms_scenario, seed),
     .type = MS_FIELD_INT, .min = 0, .max = 9e18, .fallback = "1",
     .help = "start of every random stream"},
    {.key = "repeats", MS_AT(struct ms_scenario, repeats),
     MS_INT32(1, 1e6), .fallback = "20",
     .help = "independent routings per case, seeds derived from seed"},
    {.key = "platform", MS_AT(struct ms_scenario, platform),
     .type = MS_FIELD_PATH, MS_OPTIONAL,
     .help = "SimGrid platform file (.xml), beside the scenario file"},
    {.key = "twin", MS_AT(struct ms_scenario, twin),
     .type = MS_FIELD_BOOL, .fallback = "true",
     .help = "simulate the balanced twin too"},
    {.key = "hardware", MS_AT(struct ms_scenario, sim.hardware),
     .type = MS_FIELD_ODD, .shape = &ms_shape_hardware, .fields = ms_hardware_fields,
     .fallback = "auto",
     .help = "start-up and per-message costs: auto (the platform's profile), none, a profile's name "
             "or file, or {profile, library, dispatch_alpha, combine_alpha, message_gap, count_exchange}"},
    {0},
};

static const struct ms_field cluster[] = {
    {.key = "hosts",
     .type = MS_FIELD_ODD, .shape = &ms_shape_hosts, MS_OPTIONAL,
     .help = "which hosts of the platform are GPUs: shell wildcards such as gpu*, one or a list; "
             "default: all"},
    {.key = "gpus_per_node", MS_AT(struct ms_scenario, gpus_per_node),
     MS_INT32(1, 1e6), MS_OPTIONAL,
     .help = "hosts a node, in natural order of names; only where the platform has no node "
             "property"},
    {0},
};

static const struct ms_field model[] = {
    {.key = "preset", MS_AT(struct ms_model_shape, preset),
     MS_NAME(ms_names_presets, "a model preset"), MS_OPTIONAL,
     .help = "a published model; the other keys override its numbers"},
    {.key = "config", MS_AT(struct ms_model_shape, config),
     .type = MS_FIELD_PATH, MS_OPTIONAL,
     .help = "the Hugging Face config.json of a mixture of experts, instead of a preset; the other "
             "keys override its numbers"},
    {.key = "hidden", MS_AT(struct ms_model_shape, hidden),
     MS_INT32(1, 1e6), .fallback = "7168",
     .help = "values of a token's vector"},
    {.key = "dispatch_width", MS_AT(struct ms_model_shape, dispatch_width),
     MS_INT32(1, 1e6), MS_OPTIONAL,
     .help = "values of the vector that experts take, where it is narrower than hidden"},
    {.key = "moe_layers", MS_AT(struct ms_model_shape, moe_layers),
     MS_INT32(1, 1e5), .fallback = "58",
     .help = "layers with experts"},
    {.key = "experts", MS_AT(struct ms_model_shape, experts),
     MS_INT32(1, 65536), .fallback = "256",
     .help = "routed experts a layer"},
    {.key = "shared_experts", MS_AT(struct ms_model_shape, shared_experts),
     MS_INT32(0, 65536), .fallback = "1",
     .help = "computed by every rank on its own tokens"},
    {.key = "top_k", MS_AT(struct ms_model_shape, top_k),
     MS_INT32(1, 65536), .fallback = "8",
     .help = "experts a token"},
    {.key = "expert_intermediate", MS_AT(struct ms_model_shape, expert_intermediate),
     MS_INT32(1, 1e7), .fallback = "2048",
     .help = "width inside an expert"},
    {.key = "groups", MS_AT(struct ms_model_shape, groups),
     MS_INT32(1, 65536), .fallback = "8",
     .help = "fixed ranges of experts; default 1 where experts is given without preset and groups"},
    {.key = "group_limit", MS_AT(struct ms_model_shape, group_limit),
     MS_INT32(1, 65536), .fallback = "4",
     .help = "groups a token may reach; default never above groups"},
    {.key = "group_score", MS_AT(struct ms_model_shape, group_score),
     MS_ONE_OF("max", "top2_sum"), .fallback = "max",
     .help = "what ranks the groups: their best expert, or the sum of the two best"},
    {.key = "heads", MS_AT(struct ms_model_shape, heads),
     MS_INT32(0, 65536), .fallback = "0",
     .help = "attention heads, for compute.dense: auto; 0 = unknown"},
    {.key = "kv_heads", MS_AT(struct ms_model_shape, kv_heads),
     MS_INT32(0, 65536), .fallback = "0",
     .help = "heads of keys and values; 0 = latent attention as DeepSeek's"},
    {.key = "head_dim", MS_AT(struct ms_model_shape, head_dim),
     MS_INT32(1, 65536), .fallback = "128",
     .help = "values of a head"},
    {.key = "dense_layers", MS_AT(struct ms_model_shape, dense_layers),
     MS_INT32(0, 4096), .fallback = "0",
     .help = "layers beside the MoE ones, for compute.outside: auto"},
    {.key = "dense_intermediate", MS_AT(struct ms_model_shape, dense_intermediate),
     MS_INT32(0, 10000000), .fallback = "0",
     .help = "width of a dense layer's FFN"},
    {.key = "vocabulary", MS_AT(struct ms_model_shape, vocabulary),
     MS_INT32(0, 100000000), .fallback = "0",
     .help = "words that the head tells apart, for compute.outside: auto; 0 = unknown"},
    {0},
};

static const struct ms_field workload[] = {
    {.key = "ranks", MS_AT(struct ms_workload, ranks),
     MS_INT32(1, 1e6), MS_WORD("all", 0), .fallback = "all",
     .help = "expert-parallel size; hosts are taken in natural order of names"},
    {.key = "groups", MS_AT(struct ms_workload, groups),
     MS_INT32(1, 1e6), .fallback = "1",
     .help = "expert-parallel groups side by side on the same fabric"},
    {.key = "group_layout", MS_AT(struct ms_workload, group_strided),
     MS_ONE_OF("contiguous", "strided"), .fallback = "contiguous", .acts = &grouped,
     .help = "which hosts a group gets"},
    {.key = "tokens_per_rank", MS_AT(struct ms_workload, tokens),
     .type = MS_FIELD_ODD, .shape = &ms_shape_tokens, .min = 0, .max = 1e9, .fallback = "4096",
     .acts = &no_matrix,
     .help = "a number, a list (one a rank), {mean, cv}, or trace (the trace's own totals)"},
    {.key = "requests", MS_AT(struct ms_workload, requests),
     .type = MS_FIELD_ODD, .shape = &ms_shape_requests, .fields = ms_request_fields,
     .fallback = "none", .help = "what a batch is made of: requests of domains, while they last"},
    {.key = "layers", MS_AT(struct ms_workload, layers),
     MS_INT32(1, 1e5), MS_WORD("all", 0), .fallback = "all",
     .help = "MoE layers simulated; all = model.moe_layers"},
    {.key = "steps", MS_AT(struct ms_workload, steps),
     MS_INT32(1, 1e6), .fallback = "1",
     .help = "forward (or training) passes"},
    {.key = "pass", MS_AT(struct ms_workload, training),
     MS_ONE_OF("forward", "training"), .fallback = "forward",
     .help = "training adds the backward pass"},
    {.key = "synchronise", MS_AT(struct ms_workload, synchronise_layer),
     MS_ONE_OF("none", "layer"), .fallback = "none",
     .help = "layer: a barrier after each layer"},
    {.key = "dispatch_bytes_per_value", MS_AT(struct ms_workload, dispatch_bytes_per_value),
     MS_NUMBER(0, 64), .above_min = true, .fallback = "1.03125",
     .help = "1.03125 = FP8 with scales, 2 = BF16"},
    {.key = "combine_bytes_per_value", MS_AT(struct ms_workload, combine_bytes_per_value),
     MS_NUMBER(0, 64), .above_min = true, .fallback = "2",
     .help = "2 = BF16"},
    {.key = "context", MS_AT(struct ms_workload, context),
     MS_NUMBER(1, 1e9), .fallback = "4096", .acts = &attended,
     .help = "tokens of a sequence that attention looks at, for compute.dense: auto"},
    {0},
};

static const struct ms_field routing[] = {
    {.key = "source", MS_AT(struct ms_routing_params, source),
     .type = MS_FIELD_ENUM, .names = ms_source_names, .fallback = "synthetic",
     .help = "where the routing comes from"},
    {.key = "popularity", MS_AT(struct ms_routing_params, popularity),
     .type = MS_FIELD_ODD, .shape = &ms_shape_popularity, .named = ms_names_laws,
     .what = "a popularity law", .fallback = "{law: uniform}", .acts = &drawn,
     .help = "how often each expert is chosen: {law, its parameters, order}; `moesim list law`"},
    {.key = "redraw", MS_AT(struct ms_routing_params, redraw),
     MS_ONE_OF("popularity", "tokens"), .fallback = "popularity",
     .help = "what a repeat draws anew"},
    {.key = "drift", MS_AT(struct ms_routing_params, drift),
     MS_NUMBER(0, 1), .fallback = "0", .acts = &drawn,
     .help = "how far popularity moves from step to step"},
    {.key = "capacity_factor", MS_AT(struct ms_routing_params, capacity_factor),
     MS_NUMBER(0, 1e6), .above_min = true, MS_WORD("none", 0), .fallback = "none",
     .acts = &no_matrix,
     .help = "an expert takes ceil(factor x top_k x tokens / experts) of a rank; none = no limit"},
    {.key = "capacity_scope", MS_AT(struct ms_routing_params, capacity_scope),
     MS_ONE_OF("sender_expert", "expert", "rank"), .fallback = "sender_expert",
     .acts = &capped,
     .help = "what capacity is counted over: an expert per source rank, an expert, a receiving rank"},
    {.key = "drop_policy", MS_AT(struct ms_routing_params, drop_policy),
     MS_ONE_OF("probs", "position"), .fallback = "probs", .acts = &capped,
     .help = "what a full expert drops"},
    {.key = "assignment", MS_AT(struct ms_routing_params, assignment),
     MS_NAME(ms_names_assignments, "a token assignment"), .fallback = "top_k",
     .help = "token-assignment strategy"},
    {.key = "trace", MS_AT(struct ms_routing_params, trace),
     .type = MS_FIELD_PATH, MS_OPTIONAL, .acts = &of_trace,
     .help = "tokens per expert, for source: trace"},
    {.key = "trace_filter",
     .type = MS_FIELD_ODD, .shape = &ms_shape_filter, MS_OPTIONAL, .acts = &to_recorded,
     .help = "rows of a CSV trace to take: {column: value}"},
    {.key = "trace_axes",
     .type = MS_FIELD_ODD, .shape = &ms_shape_axes, MS_OPTIONAL, .acts = &to_trace,
     .help = "axes of an .npy trace in order: any of steps, ranks, layers, experts; ranks, "
             "slots; requests, tokens, k"},
    {.key = "trace_map", MS_AT(struct ms_routing_params, trace_map),
     .type = MS_FIELD_PATH, MS_OPTIONAL, .acts = &to_trace,
     .help = "of a trace by slots: the map of experts that was in force (default: placement.map)"},
    {.key = "trace_ranks", MS_AT(struct ms_routing_params, trace_ranks),
     MS_ONE_OF("sum", "keep"), .fallback = "sum", .acts = &to_trace,
     .help = "files of single ranks: parts of a sum, or ranks apart"},
    {.key = "checkpoint", MS_AT(struct ms_routing_params, checkpoint),
     .type = MS_FIELD_PATH, MS_OPTIONAL, .acts = &of_checkpoint,
     .help = "model folder, for source: checkpoint"},
    {.key = "text",
     .type = MS_FIELD_ODD, .shape = &ms_shape_texts, MS_OPTIONAL, .acts = &of_checkpoint,
     .help = "files the checkpoint routes"},
    {.key = "tokens", MS_AT(struct ms_routing_params, tokens),
     .type = MS_FIELD_PATH, MS_OPTIONAL, .acts = &of_checkpoint,
     .help = "token ids for the checkpoint instead of text: an .npy [windows, N+1]"},
    {.key = "matrix", MS_AT(struct ms_routing_params, matrix),
     .type = MS_FIELD_PATH, MS_OPTIONAL, .acts = &of_matrix,
     .help = "CSV of bytes from rank (row) to rank (column), for source: matrix"},
    {0},
};

static const struct ms_field placement[] = {
    {.key = "strategy", MS_AT(struct ms_place_params, strategy),
     MS_NAME(ms_names_placements, "a placement"), .fallback = "contiguous", .acts = &no_matrix,
     .help = "which rank holds which expert"},
    {.key = "map", MS_AT(struct ms_place_params, map),
     .type = MS_FIELD_PATH, MS_OPTIONAL, .acts = &of_map,
     .help = "which expert each slot holds, for strategy: file (SGLang, TensorRT-LLM, vLLM-Ascend "
             "or moesim)"},
    {.key = "redundant_experts", MS_AT(struct ms_place_params, redundant_experts),
     MS_INT32(0, 65536), .fallback = "0", .acts = &no_matrix,
     .help = "extra slots for copies; experts + this must be a multiple of ranks"},
    {.key = "replica_choice", MS_AT(struct ms_place_params, replica_choice),
     MS_NAME(ms_names_replica_choices, "a replica choice"), .fallback = "auto", .acts = &copied,
     .help = "which copy of an expert a token goes to; auto: quota where the placement looks at "
             "loads, else nearest"},
    {.key = "history", MS_AT(struct ms_place_params, history),
     MS_INT32(1, 1e6), .fallback = "8", .acts = &planned,
     .help = "past steps whose loads the placement sees (12 of them at most, evenly spread)"},
    {.key = "stale_steps", MS_AT(struct ms_place_params, stale_steps),
     MS_INT32(0, 1e6), .fallback = "0", .acts = &ages,
     .help = "steps between the last one that the placement has seen and the first simulated"},
    {0},
};

static const struct ms_field rebalance[] = {
    {.key = "every", MS_AT(struct ms_place_params, rebalance.every),
     MS_INT32(1, 1e6), MS_WORD("never", 0), .fallback = "never", .acts = &planned,
     .help = "steps after which experts are placed anew, by the loads of the steps before; their "
             "weights cross the fabric"},
    {.key = "history", MS_AT(struct ms_place_params, rebalance.history),
     MS_INT32(1, 1e6), MS_WORD("auto", 0), .fallback = "auto", .acts = &renewed,
     .help = "past steps whose loads each new placement sees; auto: placement.history"},
    {.key = "limit_slots", MS_AT(struct ms_place_params, rebalance.limit_slots),
     MS_INT32(1, 65536), MS_WORD("all", 0), .fallback = "all", .acts = &renewed,
     .help = "slots of a layer that may take over another expert each time: the map in force is "
             "improved by so many; all: the strategy's own map"},
    {.key = "overlap", MS_AT(struct ms_place_params, rebalance.overlap),
     MS_ONE_OF("none", "exchange"), .fallback = "none", .acts = &renewed,
     .help = "weights move before the step, all ranks waiting, or beside the exchanges of the step "
             "before (each layer's beside its own)"},
    {0},
};

static const struct ms_field exchange[] = {
    {.key = "algorithm", MS_AT(struct ms_exchange_params, algorithm),
     MS_NAME(ms_names_exchanges, "an exchange algorithm"), .fallback = "direct",
     .help = "how dispatch and combine move"},
    {.key = "window", MS_AT(struct ms_exchange_params, window),
     MS_INT32(1, 65536), .fallback = "8", .acts = &windowed,
     .help = "messages a rank has under way (windowed)"},
    {.key = "chunk_tokens", MS_AT(struct ms_exchange_params, chunk_tokens),
     MS_INT32(1, 1e6), MS_WORD("auto", 0), .fallback = "auto", .acts = &chunked,
     .help = "tokens before the fan-out inside a node starts (hierarchical); auto: the profile's, else 32"},
    {.key = "sms", MS_AT(struct ms_exchange_params, sms),
     MS_INT32(1, 1024), MS_WORD("auto", -1), .fallback = "auto",
     .help = "SMs that the communication kernels take; auto: the profile's"},
    {.key = "message_bytes", MS_AT(struct ms_exchange_params, message_bytes),
     MS_QUANTITY(BYTES, 0, 1e15), .fallback = "0",
     .help = "a message is cut into network writes of this size; 0: not"},
    {.key = "deduplicate", MS_AT(struct ms_exchange_params, deduplicate),
     MS_ONE_OF("auto", "none", "rank", "node"), .fallback = "auto",
     .help = "one copy of a token per expert (none), rank or node"},
    {.key = "meeting", MS_AT(struct ms_exchange_params, meeting),
     MS_ONE_OF("auto", "none", "pair", "group"), .fallback = "auto",
     .help = "when data may start: at once (none), both ends there (pair), all ranks (group)"},
    {.key = "completion", MS_AT(struct ms_exchange_params, completion),
     MS_ONE_OF("auto", "received", "both"), .fallback = "auto",
     .help = "when a rank is done: its receives are, or both receives and its own sends"},
    {.key = "forwarding", MS_AT(struct ms_exchange_params, forwarding),
     MS_ONE_OF("none", "pxn"), .fallback = "none", .acts = &forwarded,
     .help = "pxn: first over NVLink to the GPU on the destination's rail"},
    {0},
};

static const struct ms_field compute[] = {
    {.key = "profile",
     .type = MS_FIELD_ODD, .shape = &ms_shape_profile, .fields = ms_roofline_fields,
     .named = ms_names_compute, .what = "a compute profile", .fallback = "auto",
     .help = "expert time: auto (the hardware profile's), none (free), a measured profile, or "
             "{flops, bandwidth, floor}"},
    {.key = "dense", MS_AT(struct ms_compute_params, dense_s),
     MS_TIME, MS_WORD("auto", NAN), .fallback = "0us",
     .help = "attention and dense time a layer, or auto: the attention table's by the rank's tokens and "
             "workload.context (H100, bf16; model.heads, kv_heads, head_dim)"},
    {.key = "outside", MS_AT(struct ms_compute_params, outside_s),
     MS_TIME, MS_WORD("auto", NAN), .fallback = "0us",
     .help = "time of a step outside its MoE layers, or auto: dense layers and head by the model's shape "
             "and the rank's tokens, in proportion where fewer than its MoE layers are simulated"},
    {.key = "overlap", MS_AT(struct ms_compute_params, overlap),
     MS_ONE_OF("none", "two_batch"), .fallback = "none",
     .help = "two_batch: one half's exchange hides behind the other's experts"},
    {0},
};

static const struct ms_field network[] = {
    {.key = "model", MS_AT(struct ms_network_params, model),
     MS_NAME(ms_names_networks, "a network model"), .fallback = "fluid",
     .help = "how flows share links"},
    {.key = "quantum", MS_AT(struct ms_network_params, quantum),
     MS_NUMBER(0, 0.5), .fallback = "0.001", .acts = &settled,
     .help = "completions closer than this share of the shortest phase are settled together; "
             "0 = exact"},
    {.key = "latency", MS_AT(struct ms_network_params, latency),
     MS_ONE_OF("auto", "sender", "flow"), .fallback = "auto",
     .help = "who waits for the route's latency; auto = sender for fluid and cm02, else flow"},
    {.key = "multipath", MS_AT(struct ms_network_params, multipath),
     MS_ONE_OF("spray", "ecmp"), .fallback = "spray",
     .help = "a link of several cables: one of the summed rate (spray), or each queue pair hashed "
             "to one of them, anew each repeat (ecmp; fluid only)"},
    {.key = "queue_pairs", MS_AT(struct ms_network_params, queue_pairs),
     MS_INT32(1, 1024), .fallback = "1", .acts = &hashed,
     .help = "equal parts of each message, each hashed by itself (ecmp)"},
    {0},
};

static const struct ms_field stragglers[] = {
    {.key = "share", MS_AT(struct ms_fault_params, straggler_share),
     MS_NUMBER(0, 1), .fallback = "0",
     .help = "share of ranks that are slow"},
    {.key = "slowdown", MS_AT(struct ms_fault_params, straggler_slowdown),
     MS_NUMBER(1, 1e6), .fallback = "1.0",
     .help = "how much slower"},
    {.key = "law", MS_AT(struct ms_fault_params, straggler_law),
     MS_ONE_OF("fixed", "uniform", "exponential", "lognormal", "pareto"), .fallback = "fixed",
     .help = "all at slowdown, evenly up to it, or what is above 1 drawn with that mean (lognormal: sigma 1; pareto: exponent 2)"},
    {.key = "per", MS_AT(struct ms_fault_params, straggler_per),
     MS_ONE_OF("repeat", "step"), .fallback = "repeat",
     .help = "the same ranks are slow for a whole repeat, or others each step"},
    {0},
};

static const struct ms_field faults[] = {
    {.key = "links",
     .type = MS_FIELD_ODD, .shape = &ms_shape_links, .fields = ms_link_fields,
     MS_OPTIONAL,
     .help = "links that lose bandwidth: [{name, at, until, bandwidth_factor}]"},
    {.key = "hosts",
     .type = MS_FIELD_ODD, .shape = &ms_shape_lost_hosts, .fields = ms_host_fields,
     MS_OPTIONAL,
     .help = "ranks that are lost: [{name, at}]; what is completed by then is kept, the case is degraded, and it "
             "has no twin"},
    {.key = "on_failure", MS_AT(struct ms_fault_params, on_failure),
     MS_ONE_OF("stop", "remap"), .fallback = "stop",
     .help = "after a rank is lost: nothing more (stop), or the others go on with the next step, the lost one's "
             "experts on ranks with a copy, else on the next rank, whose weights cross the fabric (remap)"},
    {0},
};

static const struct ms_field jitter[] = {
    {.key = "profile", MS_AT(struct ms_fault_params, jitter_auto),
     MS_ONE_OF("none", "auto"), .fallback = "none",
     .help = "auto: the hardware profile's measured numbers (also as a word: jitter: auto)"},
    {.key = "sigma", MS_AT(struct ms_fault_params, jitter_sigma),
     MS_NUMBER(0, 10), .fallback = "0",
     .help = "log-normal factor of mean 1 on each rank's start-up and compute"},
    {.key = "tail_share", MS_AT(struct ms_fault_params, jitter_tail_share),
     MS_NUMBER(0, 1), .fallback = "0",
     .help = "share of those factors with a Pareto tail"},
    {.key = "tail_alpha", MS_AT(struct ms_fault_params, jitter_tail_alpha),
     MS_NUMBER(0.1, 100), .fallback = "2",
     .help = "its exponent; smaller is heavier"},
    {.key = "network_sigma", MS_AT(struct ms_fault_params, jitter_network_sigma),
     MS_NUMBER(0, 10), .fallback = "0",
     .help = "log-normal factor of mean 1 on the time of a rank's flows, drawn for each leg"},
    {0},
};

static const struct ms_field background[] = {
    {.key = "utilisation", MS_AT(struct ms_background_params, utilisation),
     MS_NUMBER(0, 0.95), .fallback = "0",
     .help = "share of every host's port that other tenants' flows use on average; 0 = none"},
    {.key = "pattern", MS_AT(struct ms_background_params, pattern),
     MS_ONE_OF("uniform", "permutation", "incast"), .fallback = "uniform",
     .help = "where they go: anywhere, each host to one other, all to one host"},
    {0},
};

static const struct ms_field background_bytes[] = {
    {.key = "mean", MS_AT(struct ms_background_params, mean_bytes),
     MS_QUANTITY(BYTES, 1, 1e15), .fallback = "1MiB",
     .help = "mean size of a flow"},
    {.key = "cv", MS_AT(struct ms_background_params, cv),
     MS_NUMBER(0, 100), .fallback = "2",
     .help = "coefficient of variation of the sizes (log-normal)"},
    {0},
};

static const struct ms_field report[] = {
    {.key = "by", MS_AT(struct ms_report_params, by),
     .type = MS_FIELD_STRING, MS_OPTIONAL,
     .help = "the axis that compare sets side by side"},
    {.key = "metric", MS_AT(struct ms_report_params, metric),
     MS_NAME(ms_metric_names, "a metric (`moesim list metric` names them)"), MS_OPTIONAL,
     .help = "the number it compares: exchange.p99_us, layer.p99_us …"},
    {.key = "margin", MS_AT(struct ms_report_params, margin),
     MS_NUMBER(0, 1), .fallback = "0.05",
     .help = "ratios closer to 1 than this are a tie"},
    {0},
};

#define IN(member) MS_OF_SCENARIO, offsetof(struct ms_scenario, member)

const struct ms_section ms_sections[] = {
    {"", top, MS_OF_SCENARIO, 0, "the run as a whole"},
    {"cluster", cluster, MS_OF_SCENARIO, 0, "what the platform file leaves open"},
    {"model", model, IN(model), "the mixture-of-experts model"},
    {"workload", workload, IN(workload), "who exchanges how much"},
    {"routing", routing, IN(routing), "which experts the tokens choose"},
    {"placement", placement, IN(placement), "which rank holds which expert"},
    {"placement.rebalance", rebalance, IN(placement), "placements that follow the load"},
    {"exchange", exchange, IN(sim.exchange), "the all-to-all"},
    {"compute", compute, IN(sim.compute), "time outside the network"},
    {"network", network, IN(sim.network), "how bandwidth is shared"},
    {"faults", faults, IN(sim.faults), "what goes wrong"},
    {"faults.stragglers", stragglers, IN(sim.faults), "slow ranks"},
    {"faults.jitter", jitter, IN(sim.faults), "noise"},
    {"background", background, IN(sim.background), "other tenants' flows"},
    {"background.flow_bytes", background_bytes, IN(sim.background), "their sizes"},
    {"report", report, IN(report), "what compare shows unless told"},
    {"train", ms_train_fields, MS_OF_TRAIN, 0, "training of the language model"},
    {0},
};
/* clang-format on */
