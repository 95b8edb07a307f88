/* `moesim place`: a placement computed from recorded loads, printed or exported in the form that
 * serving engines read. */
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "cli/trace_args.h"
#include "cli/verb.h"
#include "demand/replica.h"
#include "place/place.h"
#include "place/place_map.h"
#include "place/split.h"

static const struct ms_option options[] = {
    {"strategy", 's', "NAME", "contiguous, round_robin, random, lpt, eplb, search (default: eplb)"},
    {"ranks", 'r', "N", "ranks to place on; must be given"},
    {"nodes", 'n', "N", "nodes of equally many ranks (default: 1)"},
    {"groups", 'g', "N", "expert groups of the model (default: 1)"},
    {"slots", 0, "N", "slots in all, replicas included (default: one an expert)"},
    MS_TRACE_OPTIONS,
    {"layers", 'l', "N", "layers of the model: sglang gets as many rows"},
    {"seed", 0, "N", "of random (default: 1)"},
    {"format", 'f', "table|json|sglang|trtllm|ascend", "what to print (default: table)"},
    {0}};

enum { MOST = 1000000 }; /* of what is counted on the command line */

struct setting {
    const struct ms_place_strategy *strategy;
    int64_t ranks, nodes, groups, slots, seed, layers;
    const char *format;
    struct ms_trace_args trace;
};

/** The answer and what it does to the loads. */
struct answer {
    struct ms_arena arena;
    struct ms_trace trace;
    struct ms_placement placement;
    double *load;          /* [layers][experts] */
    double *rank_load;     /* [layers][ranks] */
    double *max_over_mean; /* [layers] */
    double *node_max;      /* [layers] the fullest node over the mean node */
};

/* Loads of all steps and ranks together. */
static enum ms_status read_loads(const struct setting *q, struct answer *a, struct ms_err *err)
{
    enum ms_status s = ms_trace_read(&q->trace.request, &a->trace, err);
    if (s != MS_OK)
        return s;
    ms_trace_say(&q->trace.request, &a->trace);
    const struct ms_trace *t = &a->trace;
    a->load = MS_NEW(&a->arena, double, ms_cell(t->n_layers, t->n_experts, 0));
    a->rank_load = MS_NEW(&a->arena, double, ms_cell(t->n_layers, (int)q->ranks, 0));
    a->max_over_mean = MS_NEW(&a->arena, double, (size_t)t->n_layers);
    a->node_max = MS_NEW(&a->arena, double, (size_t)t->n_layers);
    double *one = MS_NEW(&a->arena, double, (size_t)t->n_experts);
    if (!a->load || !a->rank_load || !a->max_over_mean || !a->node_max || !one)
        return ms_err_set(err, MS_NOMEM, "out of memory");
    for (int step = 0; step < t->n_steps; step++)
        for (int l = 0; l < t->n_layers; l++) {
            ms_trace_layer(t, step, l, one);
            for (int e = 0; e < t->n_experts; e++)
                a->load[ms_cell(l, t->n_experts, e)] += one[e];
        }
    return MS_OK;
}

/* Do the slots hold every expert, as many on each rank? Said in the words of this verb's options. */
static enum ms_status check_slots(const struct setting *q, int n_slots, int n_experts,
                                  struct ms_err *err)
{
    int ranks = (int)q->ranks, least = n_slots > n_experts ? n_slots : n_experts;
    int fit = (least + ranks - 1) / ranks * ranks, fewer = ranks;
    if (n_slots >= n_experts && n_slots % ranks == 0)
        return MS_OK;
    if (n_slots < n_experts)
        return ms_err_at(err, MS_INFEASIBLE, NULL, 0, 0, "--slots",
                         "%d slots do not hold %d experts; %d ranks need at least --slots %d",
                         n_slots, n_experts, ranks, fit);
    while (n_slots % fewer != 0 || fewer % (int)q->nodes != 0)
        if (--fewer < (int)q->nodes)
            return ms_err_at(err, MS_INFEASIBLE, NULL, 0, 0, "--slots",
                             "%d slots do not divide over %d ranks; take --slots %d", n_slots,
                             ranks, fit);
    return ms_err_at(err, MS_INFEASIBLE, NULL, 0, 0, "--slots",
                     "%d slots do not divide over %d ranks; take --slots %d, or --ranks %d",
                     n_slots, ranks, fit, fewer);
}

static enum ms_status solve(const struct setting *q, struct answer *a, struct ms_err *err)
{
    const struct ms_trace *t = &a->trace;
    int *node = MS_NEW(&a->arena, int, (size_t)q->ranks);
    if (!node)
        return ms_err_set(err, MS_NOMEM, "out of memory");
    for (int64_t r = 0; r < q->ranks; r++)
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
    enum ms_status s = check_slots(q, p.n_slots, p.n_experts, err);
    if (s)
        return s;
    ms_rng_init(&rng, (uint64_t)q->seed, "placement", 0, 0, 0);
    return ms_place_solve(q->strategy, &p, &rng, &a->placement, err);
}

/* Rank loads of a layer where copies' shares are planned: the best split of its loads. */
static void split(struct answer *a, int layer, double *rank)
{
    const struct ms_placement *p = &a->placement;
    struct ms_copies c;
    struct ms_split s;
    double *part = MS_NEW(&a->arena, double, (size_t)p->n_slots);
    if (!part || !ms_copies_init(&c, &a->arena, p->n_experts, p->n_ranks, p->n_slots) ||
        !ms_split_init(&s, &a->arena, p->n_ranks, p->n_slots))
        return;
    ms_copies_fill(&c, p->slot_expert + ms_cell(layer, p->n_slots, 0));
    ms_split_balanced(&c, a->load + ms_cell(layer, p->n_experts, 0), 1e-6, &s, part, rank);
}

/* The fullest node over the mean, of the loads [ranks] of ranks that sit node by node. */
static double fullest_node(const double *rank, int n_ranks, int n_nodes)
{
    double most = 0, all = 0, sum = 0;
    int width = n_ranks / n_nodes;
    for (int r = 0; r < n_ranks; r++) {
        sum = r % width == 0 ? rank[r] : sum + rank[r];
        most = sum > most ? sum : most;
        all += rank[r];
    }
    return all > 0 ? most * n_nodes / all : 1;
}

/* Every replica takes an equal part of its expert, or what the strategy plans. */
static void measure(const struct setting *q, struct answer *a)
{
    const struct ms_placement *p = &a->placement;
    for (int l = 0; l < p->n_layers; l++) {
        const int *slot = p->slot_expert + ms_cell(l, p->n_slots, 0);
        double *rank = a->rank_load + ms_cell(l, p->n_ranks, 0), top = 0, sum = 0;
        if (q->strategy->plans_shares)
            split(a, l, rank);
        for (int i = 0; i < p->n_slots && !q->strategy->plans_shares; i++) {
            int copies = 0;
            for (int j = 0; j < p->n_slots; j++)
                copies += slot[j] == slot[i];
            rank[(int64_t)i * p->n_ranks / p->n_slots] +=
                a->load[ms_cell(l, p->n_experts, slot[i])] / copies;
        }
        for (int r = 0; r < p->n_ranks; r++) {
            top = rank[r] > top ? rank[r] : top;
            sum += rank[r];
        }
        a->max_over_mean[l] = sum > 0 ? top * p->n_ranks / sum : 1;
        a->node_max[l] = fullest_node(rank, p->n_ranks, (int)q->nodes);
    }
}

/* The choice among copies under which the loads come out as the plan has them. */
static const struct ms_replica_choice *assumed(void)
{
    return ms_replica_planned();
}

/* Our own record: the map with its layers, and what it does to the loads. */
static void print_json(const struct answer *a, struct ms_buf *out)
{
    const struct ms_placement *p = &a->placement;
    struct ms_json j = {.out = out};
    ms_json_object(&j, NULL);
    ms_json_array(&j, "physical_to_logical_map");
    for (int l = 0; l < p->n_layers; l++) {
        ms_json_array(&j, NULL);
        for (int i = 0; i < p->n_slots; i++)
            ms_json_integer(&j, NULL, p->slot_expert[ms_cell(l, p->n_slots, i)]);
        ms_json_end_array(&j);
    }
    ms_json_end_array(&j);
    ms_json_array(&j, "layer_id");
    for (int l = 0; l < p->n_layers; l++)
        ms_json_integer(&j, NULL, a->trace.layer_id[l]);
    ms_json_end_array(&j);
    ms_json_array(&j, "rank_load");
    for (int l = 0; l < p->n_layers; l++) {
        ms_json_array(&j, NULL);
        for (int r = 0; r < p->n_ranks; r++)
            ms_json_number(&j, NULL, a->rank_load[ms_cell(l, p->n_ranks, r)]);
        ms_json_end_array(&j);
    }
    ms_json_end_array(&j);
    if (p->n_slots > p->n_experts)
        ms_json_string(&j, "assumes_replica_choice", assumed()->name);
    ms_json_array(&j, "max_over_mean");
    for (int l = 0; l < p->n_layers; l++)
        ms_json_number(&j, NULL, a->max_over_mean[l]);
    ms_json_end_array(&j);
    ms_json_array(&j, "node_max_over_mean");
    for (int l = 0; l < p->n_layers; l++)
        ms_json_number(&j, NULL, a->node_max[l]);
    ms_json_end_array(&j);
    ms_json_end_object(&j);
    ms_buf_adds(out, "\n");
}

/* As a serving system reads it. */
static enum ms_status print_map(const struct setting *q, const struct answer *a, struct ms_buf *out,
                                struct ms_err *err)
{
    const struct ms_placement *p = &a->placement;
    struct ms_place_map m = {.n_layers = p->n_layers,
                             .n_slots = p->n_slots,
                             .n_experts = p->n_experts,
                             .n_ranks = p->n_ranks,
                             .model_layers = (int)q->layers,
                             .numbered = true,
                             .layer_id = a->trace.layer_id,
                             .slot_expert = p->slot_expert};
    const struct ms_place_map_writer *w = ms_place_map_writers;
    while (strcmp(w->name, q->format) != 0)
        w++;
    return w->write(&m, out, err);
}

static void print_table(const struct answer *a, struct ms_buf *out)
{
    const struct ms_placement *p = &a->placement;
    if (p->n_slots > p->n_experts)
        ms_buf_printf(
            out,
            "rank max/mean where every copy takes its planned share (run's replica_choice: "
            "%s); nearest copies are less even\n",
            assumed()->name);
    ms_buf_adds(out, "layer  rank max/mean  experts of each rank\n");
    for (int l = 0; l < p->n_layers; l++) {
        ms_buf_printf(out, "%5d  %13.3f ", a->trace.layer_id[l], a->max_over_mean[l]);
        for (int i = 0; i < p->n_slots; i++)
            ms_buf_printf(out, "%s%d", i % (p->n_slots / p->n_ranks) == 0 ? (i ? " | " : " ") : " ",
                          p->slot_expert[ms_cell(l, p->n_slots, i)]);
        ms_buf_adds(out, "\n");
    }
}

/* Ranks as even as can be, and the hot ones on one node: what enters that node is what exchanges wait
 * for. The layer where that is worst is told. */
static void warn_of_nodes(const struct setting *q, const struct answer *a)
{
    int worst = 0;
    for (int l = 1; l < a->placement.n_layers; l++)
        worst = a->node_max[l] > a->node_max[worst] ? l : worst;
    if (q->nodes < 2 || a->placement.n_layers < 1 || a->node_max[worst] < 1.2)
        return;
    fprintf(stderr,
            "moesim place: warning: in layer %d one node of %lld has %.2f times the mean node's "
            "load (fullest rank %.2f): %s does not even out nodes here, and an exchange may wait "
            "for what enters that one\n",
            a->trace.layer_id[worst], (long long)q->nodes, a->node_max[worst],
            a->max_over_mean[worst], q->strategy->name);
}

static enum ms_status place(const struct setting *q, struct ms_err *err)
{
    struct answer a = {0};
    enum ms_status s = read_loads(q, &a, err);
    if (s == MS_OK)
        s = solve(q, &a, err);
    struct ms_buf out = {0};
    if (s == MS_OK) {
        measure(q, &a);
        warn_of_nodes(q, &a);
        if (strcmp(q->format, "json") == 0)
            print_json(&a, &out);
        else if (strcmp(q->format, "table") == 0)
            print_table(&a, &out);
        else
            s = print_map(q, &a, &out, err);
    }
    if (s == MS_OK) {
        s = out.failed ? ms_err_set(err, MS_NOMEM, "out of memory")
                       : ms_file_write("-", out.p, out.n, err);
    }
    ms_buf_finish(&out);
    ms_place_finish(&a.placement);
    ms_trace_finish(&a.trace);
    ms_arena_finish(&a.arena);
    return s;
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
    static const char *const formats[] = {"table", "json", "sglang", "trtllm", "ascend"};
    struct ms_args args;
    struct setting q = {0};
    int stop = ms_args_parse(self, argc, argv, &args), known = 0;
    if (stop)
        return stop == 1 ? MS_OK : MS_USAGE;
    if (args.n_operands < 1)
        return ms_usage(self, "a trace is needed");
    q.nodes = q.groups = q.seed = 1;
    if (!ms_args_integer(self, &args, "ranks", 1, MOST, &q.ranks) ||
        !ms_args_integer(self, &args, "nodes", 1, MOST, &q.nodes) ||
        !ms_args_integer(self, &args, "groups", 1, MOST, &q.groups) ||
        !ms_args_integer(self, &args, "slots", 0, MOST, &q.slots) ||
        !ms_args_integer(self, &args, "layers", 0, MOST, &q.layers) ||
        !ms_args_integer(self, &args, "seed", 0, INT64_MAX, &q.seed))
        return MS_USAGE;
    if (q.ranks < 1 || q.ranks % q.nodes != 0)
        return ms_usage(self, "--ranks must be given, and --nodes must divide it");
    const char *name = ms_args_get(&args, "strategy", "eplb"), *names[64];
    size_t n = 0;
    for (const struct ms_place_strategy *const *s = ms_place_strategies(); *s; s++)
        names[n++] = (*s)->name;
    q.strategy = ms_place_find(name);
    if (!q.strategy)
        return unknown(self, "placement", name, names, n);
    q.format = ms_args_get(&args, "format", "table");
    for (int i = 0; i < 5; i++)
        known |= strcmp(q.format, formats[i]) == 0;
    if (!known)
        return unknown(self, "format", q.format, formats, 5);
    int code;
    if (!ms_trace_args_read(self, &args, (const char *const *)args.operand, args.n_operands,
                            &q.trace, &code))
        return code;
    struct ms_err err = {0};
    enum ms_status s = place(&q, &err);
    ms_trace_args_finish(&q.trace);
    if (s != MS_OK)
        ms_err_print(stderr, &err, "error");
    return ms_exit_code(s);
}

const struct ms_verb ms_verb_place = {
    .name = "place",
    .arguments = "TRACE… --ranks N [options]",
    .summary = "Compute a placement of experts from recorded loads; print or export it",
    .examples =
        "moesim place counts.csv --strategy eplb --ranks 8 --nodes 2 --groups 4 --slots 72\n"
        "moesim place counts.csv --filter domain=arxiv --ranks 8 --format json\n"
        "moesim place counts.npy --ranks 32 --slots 288 --format sglang > "
        "init_expert_location.json",
    .options = options,
    .run = run,
};
