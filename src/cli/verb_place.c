/* `moesim place`: a placement computed from recorded loads, printed or exported. */
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "cli/verb.h"
#include "place/place.h"
#include "routing/trace.h"

static const struct ms_option options[] = {
    {"strategy", 's', "NAME", "contiguous, round_robin, random, lpt, eplb (default: eplb)"},
    {"ranks", 'r', "N", "ranks to place on; must be given"},
    {"nodes", 'n', "N", "nodes of equally many ranks (default: 1)"},
    {"groups", 'g', "N", "expert groups of the model (default: 1)"},
    {"slots", 0, "N", "slots in all, replicas included (default: one an expert)"},
    {"filter", 0, "COLUMN=VALUE", "rows of a CSV trace to take; may be repeated"},
    {"seed", 0, "N", "of random (default: 1)"},
    {"format", 'f', "table|json|sglang|trtllm", "what to print (default: table)"},
    {0}};

struct setting {
    const struct ms_place_strategy *strategy;
    long ranks, nodes, groups, slots, seed;
    const char *format;
    struct ms_trace_filter filter[64];
    int n_filter;
};

/** The answer and what it does to the loads. */
struct answer {
    struct ms_arena arena;
    struct ms_trace trace;
    struct ms_placement placement;
    double *load;          /* [layers][experts] */
    double *rank_load;     /* [layers][ranks] */
    double *max_over_mean; /* [layers] */
};

static bool number(const struct ms_args *args, const char *name, long fallback, long *out)
{
    const char *text = ms_args_get(args, name, NULL);
    char *end;
    *out = text ? strtol(text, &end, 10) : fallback;
    return !text || (*text >= '0' && *text <= '9' && *end == '\0' && *out <= 1000000);
}

/* Loads of all steps and ranks together. */
static enum ms_status read_loads(const char *path, const struct setting *q, struct answer *a,
                                 struct ms_err *err)
{
    struct ms_trace_request r = {.path = path, .filter = q->filter, .n_filter = q->n_filter};
    enum ms_status s = ms_trace_read(&r, &a->trace, err);
    if (s != MS_OK)
        return s;
    const struct ms_trace *t = &a->trace;
    a->load = MS_NEW(&a->arena, double, (size_t)t->n_layers * t->n_experts);
    a->rank_load = MS_NEW(&a->arena, double, (size_t)t->n_layers * q->ranks);
    a->max_over_mean = MS_NEW(&a->arena, double, (size_t)t->n_layers);
    double *one = MS_NEW(&a->arena, double, (size_t)t->n_experts);
    if (!a->load || !a->rank_load || !a->max_over_mean || !one)
        return ms_err_set(err, MS_NOMEM, "out of memory");
    for (int step = 0; step < t->n_steps; step++)
        for (int l = 0; l < t->n_layers; l++) {
            ms_trace_layer(t, step, l, one);
            for (int e = 0; e < t->n_experts; e++)
                a->load[(size_t)l * t->n_experts + e] += one[e];
        }
    return MS_OK;
}

static enum ms_status solve(const struct setting *q, struct answer *a, struct ms_err *err)
{
    const struct ms_trace *t = &a->trace;
    int *node = MS_NEW(&a->arena, int, (size_t)q->ranks);
    if (!node)
        return ms_err_set(err, MS_NOMEM, "out of memory");
    for (long r = 0; r < q->ranks; r++)
        node[r] = (int)(r * q->nodes / q->ranks);
    struct ms_place_problem p = {.n_layers = t->n_layers,
                                 .n_experts = t->n_experts,
                                 .n_ranks = (int)q->ranks,
                                 .n_slots = q->slots > 0 ? (int)q->slots : t->n_experts,
                                 .n_nodes = (int)q->nodes,
                                 .n_groups = (int)q->groups,
                                 .load = a->load,
                                 .rank_node = node};
    struct ms_rng rng;
    ms_rng_init(&rng, (uint64_t)q->seed, "placement", 0, 0, 0);
    return ms_place_solve(q->strategy, &p, &rng, &a->placement, err);
}

/* Every replica takes an equal part of its expert. */
static void measure(struct answer *a)
{
    const struct ms_placement *p = &a->placement;
    for (int l = 0; l < p->n_layers; l++) {
        const int *slot = p->slot_expert + (size_t)l * p->n_slots;
        double *rank = a->rank_load + (size_t)l * p->n_ranks, top = 0, sum = 0;
        for (int i = 0; i < p->n_slots; i++) {
            int copies = 0;
            for (int j = 0; j < p->n_slots; j++)
                copies += slot[j] == slot[i];
            rank[(size_t)i * p->n_ranks / p->n_slots] +=
                a->load[(size_t)l * p->n_experts + slot[i]] / copies;
        }
        for (int r = 0; r < p->n_ranks; r++) {
            top = rank[r] > top ? rank[r] : top;
            sum += rank[r];
        }
        a->max_over_mean[l] = sum > 0 ? top * p->n_ranks / sum : 1;
    }
}

static void json_map(struct ms_json *j, const struct ms_placement *p)
{
    ms_json_array(j, "physical_to_logical_map");
    for (int l = 0; l < p->n_layers; l++) {
        ms_json_array(j, NULL);
        for (int i = 0; i < p->n_slots; i++)
            ms_json_integer(j, NULL, p->slot_expert[(size_t)l * p->n_slots + i]);
        ms_json_end_array(j);
    }
    ms_json_end_array(j);
}

static void print_json(const struct answer *a, bool loads, struct ms_buf *out)
{
    const struct ms_placement *p = &a->placement;
    struct ms_json j = {.out = out};
    ms_json_object(&j, NULL);
    json_map(&j, p);
    if (loads) {
        ms_json_array(&j, "rank_load");
        for (int l = 0; l < p->n_layers; l++) {
            ms_json_array(&j, NULL);
            for (int r = 0; r < p->n_ranks; r++)
                ms_json_number(&j, NULL, a->rank_load[(size_t)l * p->n_ranks + r]);
            ms_json_end_array(&j);
        }
        ms_json_end_array(&j);
        ms_json_array(&j, "max_over_mean");
        for (int l = 0; l < p->n_layers; l++)
            ms_json_number(&j, NULL, a->max_over_mean[l]);
        ms_json_end_array(&j);
    }
    ms_json_end_object(&j);
    ms_buf_adds(out, "\n");
}

/* TensorRT-LLM's MoE load balancer configuration. */
static void print_trtllm(const struct answer *a, struct ms_buf *out)
{
    const struct ms_placement *p = &a->placement;
    ms_buf_printf(out, "num_slots: %d\nlayer_updates_per_iter: 0\ninitial_global_assignments:\n",
                  p->n_slots);
    for (int l = 0; l < p->n_layers; l++) {
        ms_buf_printf(out, "  %d: [", a->trace.layer_id[l]);
        for (int i = 0; i < p->n_slots; i++)
            ms_buf_printf(out, "%s%d", i ? ", " : "", p->slot_expert[(size_t)l * p->n_slots + i]);
        ms_buf_adds(out, "]\n");
    }
}

static void print_table(const struct answer *a, struct ms_buf *out)
{
    const struct ms_placement *p = &a->placement;
    ms_buf_adds(out, "layer  rank max/mean  experts of each rank\n");
    for (int l = 0; l < p->n_layers; l++) {
        ms_buf_printf(out, "%5d  %13.3f ", a->trace.layer_id[l], a->max_over_mean[l]);
        for (int i = 0; i < p->n_slots; i++)
            ms_buf_printf(out, "%s%d", i % (p->n_slots / p->n_ranks) == 0 ? (i ? " | " : " ") : " ",
                          p->slot_expert[(size_t)l * p->n_slots + i]);
        ms_buf_adds(out, "\n");
    }
}

static enum ms_status place(const char *path, const struct setting *q, struct ms_err *err)
{
    struct answer a = {0};
    enum ms_status s = read_loads(path, q, &a, err);
    if (s == MS_OK)
        s = solve(q, &a, err);
    struct ms_buf out = {0};
    if (s == MS_OK) {
        measure(&a);
        if (!strcmp(q->format, "json"))
            print_json(&a, true, &out);
        else if (!strcmp(q->format, "sglang"))
            print_json(&a, false, &out);
        else if (!strcmp(q->format, "trtllm"))
            print_trtllm(&a, &out);
        else
            print_table(&a, &out);
        s = out.failed ? ms_err_set(err, MS_NOMEM, "out of memory")
                       : ms_file_write("-", out.p, out.n, err);
    }
    ms_buf_finish(&out);
    ms_place_finish(&a.placement);
    ms_trace_finish(&a.trace);
    ms_arena_finish(&a.arena);
    return s;
}

/* --filter COLUMN=VALUE, split in place. */
static bool add_filter(struct setting *q, const char *text)
{
    char *equals = strchr((char *)(uintptr_t)text, '=');
    if (!equals || equals == text || q->n_filter == 64)
        return false;
    *equals = '\0';
    q->filter[q->n_filter++] = (struct ms_trace_filter){text, equals + 1};
    return true;
}

static int unknown(const struct ms_verb *self, const char *what, const char *word,
                   const char *const *names, size_t n)
{
    char allowed[512];
    return ms_usage(self, "'%s' is not a %s%s", word, what,
                    ms_allowed(allowed, sizeof allowed, word, names, n));
}

static int run(int argc, char **argv, const struct ms_verb *self)
{
    static const char *const formats[] = {"table", "json", "sglang", "trtllm"};
    struct ms_args args;
    struct setting q = {0};
    int stop = ms_args_parse(self, argc, argv, &args), known = 0;
    if (stop)
        return stop == 1 ? MS_OK : MS_USAGE;
    if (args.n_operands != 1)
        return ms_usage(self, "one trace is needed, %d given", args.n_operands);
    if (!number(&args, "ranks", 0, &q.ranks) || !number(&args, "nodes", 1, &q.nodes) ||
        !number(&args, "groups", 1, &q.groups) || !number(&args, "slots", 0, &q.slots) ||
        !number(&args, "seed", 1, &q.seed))
        return ms_usage(self, "--ranks, --nodes, --groups, --slots and --seed take whole numbers");
    if (q.ranks < 1 || q.nodes < 1 || q.groups < 1 || q.ranks % q.nodes != 0)
        return ms_usage(self, "--ranks must be given, and --nodes must divide it");
    for (int i = 0; i < args.n_options; i++)
        if (!strcmp(args.option[i].name, "filter") && !add_filter(&q, args.option[i].value))
            return ms_usage(self, "--filter: '%s' is not COLUMN=VALUE", args.option[i].value);
    const char *name = ms_args_get(&args, "strategy", "eplb"), *names[64];
    size_t n = 0;
    for (const struct ms_place_strategy *const *s = ms_place_strategies(); *s; s++)
        names[n++] = (*s)->name;
    q.strategy = ms_place_find(name);
    if (!q.strategy)
        return unknown(self, "placement", name, names, n);
    q.format = ms_args_get(&args, "format", "table");
    for (int i = 0; i < 4; i++)
        known |= !strcmp(q.format, formats[i]);
    if (!known)
        return unknown(self, "format", q.format, formats, 4);
    struct ms_err err = {0};
    enum ms_status s = place(args.operand[0], &q, &err);
    if (s == MS_INFEASIBLE)
        snprintf(err.key, sizeof err.key, "--slots");
    if (s != MS_OK)
        ms_err_print(stderr, &err, "error");
    return ms_exit_code(s);
}

const struct ms_verb ms_verb_place = {
    .name = "place",
    .arguments = "TRACE --ranks N [options]",
    .summary = "Compute a placement of experts from recorded loads; print or export it",
    .examples =
        "moesim place counts.csv --strategy eplb --ranks 8 --nodes 2 --groups 4 --slots 72\n"
        "moesim place counts.csv --filter domain=arxiv --ranks 8 --format json\n"
        "moesim place counts.npy --ranks 32 --slots 288 --format sglang > "
        "init_expert_location.json",
    .options = options,
    .run = run,
};
