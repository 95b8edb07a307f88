/** @file fields_run.c  The keys of everything but training. Defaults are those of
 * design/interface.md. */
#include "moe/train.h"
#include "scenario/fields.h"
#include "scenario/scenario.h"

#define AT(type, member) .offset = offsetof(struct type, member)
#define COUNT(low, high) .type = MS_FIELD_INT32, .min = low, .max = high
#define NUMBER(low, high) .type = MS_FIELD_NUMBER, .min = low, .max = high
#define TIME .type = MS_FIELD_NUMBER, .unit = MS_UNIT_TIME, .min = 0, .max = 1e9
#define ONE_OF(...)                                                                                \
    .type = MS_FIELD_ENUM, .names = (const char *const[])                                          \
    {                                                                                              \
        __VA_ARGS__, NULL                                                                          \
    }
/* for keys that may be left out altogether */
#define OPTIONAL .fallback = ""

/* clang-format off */
static const struct ms_field top[] = {
    {.key = "name", .type = MS_FIELD_CUSTOM, AT(ms_scenario, name), OPTIONAL,
     .help = "name of the results folder; default: the file's name without .yaml"},
    {.key = "seed", .type = MS_FIELD_INT, AT(ms_scenario, seed), .min = 0, .max = 9e18,
     .fallback = "1", .help = "start of every random stream"},
    {.key = "repeats", COUNT(1, 1e6), AT(ms_scenario, repeats), .fallback = "10",
     .help = "independent routings per case, seeds derived from seed"},
    {.key = "platform", .type = MS_FIELD_PATH, AT(ms_scenario, platform), OPTIONAL,
     .help = "SimGrid platform file (.xml), beside the scenario file"},
    {.key = "twin", .type = MS_FIELD_BOOL, AT(ms_scenario, twin), .fallback = "true",
     .help = "simulate the balanced twin too"},
    {.key = "hardware", .type = MS_FIELD_CUSTOM, AT(ms_scenario, sim.hardware), .fallback = "none",
     .help = "start-up and per-message costs: none, a profile, or a mapping"},
    {0}};

static const struct ms_field cluster[] = {
    {.key = "gpus_per_node", COUNT(1, 1e6), AT(ms_scenario, gpus_per_node), OPTIONAL,
     .help = "hosts a node, in natural order of names; only where the platform has no node property"},
    {0}};

static const struct ms_field model[] = {
    {.key = "preset", .type = MS_FIELD_CUSTOM, AT(ms_model_shape, preset), OPTIONAL,
     .help = "a published model; the other keys override its numbers"},
    {.key = "hidden", COUNT(1, 1e6), AT(ms_model_shape, hidden), .fallback = "7168",
     .help = "values of a token's vector"},
    {.key = "moe_layers", COUNT(1, 1e5), AT(ms_model_shape, moe_layers), .fallback = "58",
     .help = "layers with experts"},
    {.key = "experts", COUNT(1, 65536), AT(ms_model_shape, experts), .fallback = "256",
     .help = "routed experts a layer"},
    {.key = "shared_experts", COUNT(0, 65536), AT(ms_model_shape, shared_experts), .fallback = "1",
     .help = "computed by every rank on its own tokens"},
    {.key = "top_k", COUNT(1, 65536), AT(ms_model_shape, top_k), .fallback = "8",
     .help = "experts a token"},
    {.key = "expert_intermediate", COUNT(1, 1e7), AT(ms_model_shape, expert_intermediate),
     .fallback = "2048", .help = "width inside an expert"},
    {.key = "groups", COUNT(1, 65536), AT(ms_model_shape, groups), .fallback = "8",
     .help = "fixed ranges of experts; default 1 where experts is given without preset and groups"},
    {.key = "group_limit", COUNT(1, 65536), AT(ms_model_shape, group_limit), .fallback = "4",
     .help = "groups a token may reach; default never above groups"},
    {.key = "group_score", ONE_OF("max", "top2_sum"), AT(ms_model_shape, group_score),
     .fallback = "max", .help = "what ranks the groups: their best expert, or the sum of the two best"},
    {0}};

static const struct ms_field workload[] = {
    {.key = "ranks", .type = MS_FIELD_CUSTOM, AT(ms_workload, ranks), .min = 1, .max = 1e6,
     .fallback = "all", .help = "expert-parallel size; hosts are taken in natural order of names"},
    {.key = "groups", COUNT(1, 1e6), AT(ms_workload, groups), .fallback = "1",
     .help = "expert-parallel groups side by side on the same fabric"},
    {.key = "group_layout", ONE_OF("contiguous", "strided"), AT(ms_workload, group_strided),
     .fallback = "contiguous", .help = "which hosts a group gets"},
    {.key = "tokens_per_rank", .type = MS_FIELD_CUSTOM, AT(ms_workload, tokens), .min = 0,
     .max = 1e9, .fallback = "4096",
     .help = "a number, a list (one a rank), {mean, cv}, or trace (the trace's own totals)"},
    {.key = "layers", .type = MS_FIELD_CUSTOM, AT(ms_workload, layers), .min = 1, .max = 1e5,
     .fallback = "all", .help = "MoE layers simulated; all = model.moe_layers"},
    {.key = "steps", COUNT(1, 1e6), AT(ms_workload, steps), .fallback = "1",
     .help = "forward (or training) passes"},
    {.key = "pass", ONE_OF("forward", "training"), AT(ms_workload, training), .fallback = "forward",
     .help = "training adds the backward pass"},
    {.key = "synchronise", ONE_OF("none", "layer"), AT(ms_workload, synchronise_layer),
     .fallback = "none", .help = "layer: a barrier after each layer"},
    {.key = "dispatch_bytes_per_value", NUMBER(0, 64), .above_min = true,
     AT(ms_workload, dispatch_bytes_per_value), .fallback = "1.03125",
     .help = "1.03125 = FP8 with scales, 2 = BF16"},
    {.key = "combine_bytes_per_value", NUMBER(0, 64), .above_min = true,
     AT(ms_workload, combine_bytes_per_value), .fallback = "2", .help = "2 = BF16"},
    {0}};

static const struct ms_field routing[] = {
    {.key = "source", ONE_OF("synthetic", "trace", "checkpoint", "matrix"),
     AT(ms_routing_params, source), .fallback = "synthetic", .help = "where the routing comes from"},
    {.key = "popularity", .type = MS_FIELD_CUSTOM, AT(ms_routing_params, popularity),
     .fallback = "{law: uniform}",
     .help = "how often each expert is chosen: {law, its parameters, order}; `moesim list law`"},
    {.key = "redraw", ONE_OF("popularity", "tokens"), AT(ms_routing_params, redraw),
     .fallback = "popularity", .help = "what a repeat draws anew"},
    {.key = "drift", NUMBER(0, 1), AT(ms_routing_params, drift), .fallback = "0",
     .help = "how far popularity moves from step to step"},
    {.key = "capacity_factor", .type = MS_FIELD_CUSTOM, AT(ms_routing_params, capacity_factor),
     .min = 0, .max = 1e6, .above_min = true, .fallback = "none",
     .help = "an expert takes ceil(factor x top_k x tokens / experts) of a rank; none = no limit"},
    {.key = "drop_policy", ONE_OF("probs", "position"), AT(ms_routing_params, drop_policy),
     .fallback = "probs", .help = "what a full expert drops"},
    {.key = "assignment", .type = MS_FIELD_CUSTOM, AT(ms_routing_params, assignment),
     .fallback = "top_k", .help = "token-assignment strategy"},
    {.key = "trace", .type = MS_FIELD_PATH, AT(ms_routing_params, trace), OPTIONAL,
     .help = "tokens per expert, for source: trace"},
    {.key = "trace_filter", .type = MS_FIELD_CUSTOM, .offset = 0, OPTIONAL,
     .help = "rows of a CSV trace to take: {column: value}"},
    {.key = "trace_axes", .type = MS_FIELD_CUSTOM, .offset = 0, OPTIONAL,
     .help = "axes of an .npy trace in order: any of steps, ranks, layers, experts, tokens, k"},
    {.key = "checkpoint", .type = MS_FIELD_PATH, AT(ms_routing_params, checkpoint), OPTIONAL,
     .help = "model folder, for source: checkpoint"},
    {.key = "text", .type = MS_FIELD_CUSTOM, .offset = 0, OPTIONAL,
     .help = "files the checkpoint routes"},
    {.key = "matrix", .type = MS_FIELD_PATH, AT(ms_routing_params, matrix), OPTIONAL,
     .help = "CSV of bytes from rank (row) to rank (column), for source: matrix"},
    {0}};

static const struct ms_field placement[] = {
    {.key = "strategy", .type = MS_FIELD_CUSTOM, AT(ms_place_params, strategy),
     .fallback = "contiguous", .help = "which rank holds which expert"},
    {.key = "redundant_experts", COUNT(0, 65536), AT(ms_place_params, redundant_experts),
     .fallback = "0", .help = "extra slots for copies; experts + this must be a multiple of ranks"},
    {.key = "replica_choice", ONE_OF("nearest", "random"), AT(ms_place_params, replica_choice),
     .fallback = "nearest", .help = "which copy of an expert a token goes to"},
    {0}};

static const struct ms_field exchange[] = {
    {.key = "algorithm", .type = MS_FIELD_CUSTOM, AT(ms_exchange_params, algorithm),
     .fallback = "direct", .help = "how dispatch and combine move"},
    {.key = "window", COUNT(1, 65536), AT(ms_exchange_params, window), .fallback = "8",
     .help = "messages a rank has under way (windowed)"},
    {.key = "chunk_tokens", COUNT(1, 1e6), AT(ms_exchange_params, chunk_tokens), .fallback = "32",
     .help = "tokens before the fan-out inside a node starts (hierarchical)"},
    {.key = "deduplicate", ONE_OF("auto", "none", "rank", "node"),
     AT(ms_exchange_params, deduplicate), .fallback = "auto",
     .help = "one copy of a token per expert (none), rank or node"},
    {.key = "forwarding", ONE_OF("none", "pxn"), AT(ms_exchange_params, forwarding),
     .fallback = "none", .help = "pxn: first over NVLink to the GPU on the destination's rail"},
    {0}};

static const struct ms_field compute[] = {
    {.key = "profile", .type = MS_FIELD_CUSTOM, .offset = 0, .fallback = "none",
     .help = "expert time: none (free), a measured profile, or {flops, bandwidth, floor}"},
    {.key = "dense", TIME, AT(ms_compute_params, dense_s), .fallback = "0us",
     .help = "attention and dense time a layer"},
    {.key = "overlap", ONE_OF("none", "two_batch"), AT(ms_compute_params, overlap),
     .fallback = "none", .help = "two_batch: one half's exchange hides behind the other's experts"},
    {0}};

static const struct ms_field network[] = {
    {.key = "model", .type = MS_FIELD_CUSTOM, AT(ms_network_params, model), .fallback = "fluid",
     .help = "how flows share links"},
    {.key = "quantum", NUMBER(0, 0.5), AT(ms_network_params, quantum), .fallback = "0.001",
     .help = "completions closer than this share of an exchange are settled together; 0 = exact"},
    {.key = "latency", ONE_OF("auto", "sender", "flow"), AT(ms_network_params, latency),
     .fallback = "auto",
     .help = "who waits for the route's latency; auto = sender for fluid and cm02, else flow"},
    {0}};

static const struct ms_field stragglers[] = {
    {.key = "share", NUMBER(0, 1), AT(ms_fault_params, straggler_share), .fallback = "0",
     .help = "share of ranks that are slow"},
    {.key = "slowdown", NUMBER(1, 1e6), AT(ms_fault_params, straggler_slowdown), .fallback = "1.0",
     .help = "how much slower"},
    {.key = "law", .type = MS_FIELD_STRING, AT(ms_fault_params, straggler_law), .fallback = "fixed",
     .help = "spread of the slowdown"},
    {0}};

static const struct ms_field faults[] = {
    {.key = "links", .type = MS_FIELD_CUSTOM, .offset = 0, OPTIONAL,
     .help = "links that lose bandwidth: [{name, at, until, bandwidth_factor}]"},
    {0}};

static const struct ms_field jitter[] = {
    {.key = "sigma", NUMBER(0, 10), AT(ms_fault_params, jitter_sigma), .fallback = "0",
     .help = "log-normal factor of mean 1 on each rank's start-up and compute"},
    {0}};

static const struct ms_field report[] = {
    {.key = "by", .type = MS_FIELD_STRING, AT(ms_report_params, by), OPTIONAL,
     .help = "the axis that compare sets side by side"},
    {.key = "metric", .type = MS_FIELD_STRING, AT(ms_report_params, metric), OPTIONAL,
     .help = "the number it compares: exchange.p99_us, layer.p99_us …"},
    {.key = "margin", NUMBER(0, 1), AT(ms_report_params, margin), .fallback = "0.05",
     .help = "ratios closer to 1 than this are a tie"},
    {0}};

static const struct ms_special of_top[] = {
    {.path = "name", .shape = &ms_shape_scenario_name},
    {.path = "hardware", .shape = &ms_shape_hardware, .names = ms_names_hardware, .what = "a hardware profile"},
    {0}};
static const struct ms_special of_model[] = {
    {.path = "model.preset", .shape = &ms_shape_name, .names = ms_names_presets,
     .what = "a model preset"}, {0}};
static const struct ms_special of_workload[] = {
    {.path = "workload.ranks", .shape = &ms_shape_all},
    {.path = "workload.layers", .shape = &ms_shape_all},
    {.path = "workload.tokens_per_rank", .shape = &ms_shape_tokens},
    {0}};
static const struct ms_special of_routing[] = {
    {.path = "routing.popularity", .shape = &ms_shape_popularity, .names = ms_names_laws,
     .what = "a popularity law"},
    {.path = "routing.capacity_factor", .shape = &ms_shape_none},
    {.path = "routing.assignment", .shape = &ms_shape_name, .names = ms_names_assignments,
     .what = "a token assignment"},
    {.path = "routing.trace_filter", .shape = &ms_shape_filter},
    {.path = "routing.trace_axes", .shape = &ms_shape_axes},
    {.path = "routing.text", .shape = &ms_shape_texts},
    {0}};
static const struct ms_special of_placement[] = {
    {.path = "placement.strategy", .shape = &ms_shape_name, .names = ms_names_placements,
     .what = "a placement"}, {0}};
static const struct ms_special of_exchange[] = {
    {.path = "exchange.algorithm", .shape = &ms_shape_name, .names = ms_names_exchanges,
     .what = "an exchange algorithm"}, {0}};
static const struct ms_special of_compute[] = {
    {.path = "compute.profile", .shape = &ms_shape_compute, .names = ms_names_compute,
     .what = "a compute profile"}, {0}};
static const struct ms_special of_network[] = {
    {.path = "network.model", .shape = &ms_shape_name, .names = ms_names_networks,
     .what = "a network model"}, {0}};
static const struct ms_special of_faults[] = {
    {.path = "faults.links", .shape = &ms_shape_links, .later = true},
    {.path = "faults.stragglers.share", .later = true},
    {.path = "faults.stragglers.slowdown", .later = true},
    {.path = "faults.stragglers.law", .later = true},
    {.path = "faults.jitter.sigma", .later = true},
    {0}};

#define IN(member) MS_OF_SCENARIO, offsetof(struct ms_scenario, member)

const struct ms_section ms_sections[] = {
    {"", top, MS_OF_SCENARIO, 0, of_top, "the run as a whole"},
    {"cluster", cluster, MS_OF_SCENARIO, 0, NULL, "what the platform file leaves open"},
    {"model", model, IN(model), of_model, "the mixture-of-experts model"},
    {"workload", workload, IN(workload), of_workload, "who exchanges how much"},
    {"routing", routing, IN(routing), of_routing, "which experts the tokens choose"},
    {"placement", placement, IN(placement), of_placement, "which rank holds which expert"},
    {"exchange", exchange, IN(sim.exchange), of_exchange, "the all-to-all"},
    {"compute", compute, IN(sim.compute), of_compute, "time outside the network"},
    {"network", network, IN(sim.network), of_network, "how bandwidth is shared"},
    {"faults", faults, IN(sim.faults), of_faults, "what goes wrong"},
    {"faults.stragglers", stragglers, IN(sim.faults), of_faults, "slow ranks"},
    {"faults.jitter", jitter, IN(sim.faults), of_faults, "noise"},
    {"report", report, IN(report), NULL, "what compare shows unless told"},
    {"train", ms_train_fields, MS_OF_TRAIN, 0, ms_train_special, "training of the language model"},
    {0}};
/* clang-format on */
