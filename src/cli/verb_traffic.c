/* `moesim traffic`: what the network would carry, without simulating: bytes rank x rank of each
 * layer, and the counts. */
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/pool.h"
#include "cli/verb.h"
#include "demand/demand.h"
#include "routing/traffic_csv.h"
#include "scenario/scenario.h"
#include "sim/exchange.h"
#include "sweep/case_run.h"

static const struct ms_option options[] = {
    {"output", 'o', "FILE|DIR",
     "a .csv file for the bytes, or a folder for one file a layer and counts.csv (default: "
     "stdout)"},
    {"counts", 'c', NULL, "write tokens per expert (a routing.trace) instead of bytes"},
    {"repeat", 'r', "N", "which repeat, from 0 (default: 0)"},
    {"layer", 'l', "N", "only this layer, from 0 (default: all)"},
    {"case", 0, "N", "which case of a sweep, from 0 (default: 0)"},
    {"set", 's', "KEY=VALUE", "replace a key of the scenario (VALUE is YAML); may be repeated"},
    {"trace", 0, "FILE|DIR", "a routing.trace for the scenario; DIR: files of ranks, summed"},
    {"axes", 0, "A,B,…", "routing.trace_axes: axes of an array"},
    {"experts", 0, "N", "model.experts"},
    {"map", 0, "FILE", "routing.trace_map: of counts by slots, the map that was in force"},
    {"ranks-axis", 0, NULL, "routing.trace_ranks: files of ranks are ranks, not parts of a sum"},
    {0}};

struct setting {
    const char *output;
    bool counts;
    int64_t repeat, layer, index;
    const char *sets[256];
    size_t n_sets;
};

/** One case with its demand. */
struct job {
    struct ms_study study;
    struct ms_case c;
    struct ms_inputs inputs;
    struct ms_plan plan;
    struct ms_case_input in;
    struct ms_demand *demand;
    const struct setting *q;
};

static enum ms_status open_case(struct job *j, const char *path, struct ms_errs *errs)
{
    enum ms_status s = ms_study_read(&j->study, path, j->q->sets, j->q->n_sets, errs);
    if (s == MS_OK || s == MS_INVALID)
        s = ms_plan_make(&j->plan, &j->study, MS_USE_RUN, false, &j->inputs, errs);
    struct ms_err err = {0};
    if (s == MS_OK && (size_t)j->q->index >= j->study.n_cases)
        s = ms_err_set(&err, MS_INVALID, "--case %d: the scenario has %zu", (int)j->q->index,
                       j->study.n_cases);
    if (s == MS_OK)
        s = ms_study_case(&j->study, (size_t)j->q->index, &j->c, &err);
    if (s == MS_OK)
        j->c.s.in_force = j->plan.c[j->q->index].hardware;
    if (s == MS_OK)
        s = ms_case_input_init(&j->in, &j->c.s, j->plan.c[j->q->index].platform, &j->inputs.files,
                               ms_cores(), &err);
    if (s == MS_OK)
        s = ms_demand_create(&j->in.demand, &j->demand, &err);
    if (s == MS_OK)
        s = ms_demand_begin(j->demand, (int)j->q->repeat, &err);
    if (err.status == MS_OK)
        return s;
    if (err.file[0] == '\0' && err.key[0] != '\0')
        ms_errs_add_at(errs, s, ms_scenario_place(&j->c.s, err.key, &err.line, &err.col), err.line,
                       err.col, err.key, "%s", err.text);
    else
        ms_errs_add(errs, &err);
    return s;
}

/* The bytes of a copy, and whether one is made for a token and rank. */
static double copy_bytes(const struct job *j, const struct ms_traffic *t, bool *per_rank)
{
    const struct ms_scenario *s = &j->in.s;
    const struct ms_exchange *x = ms_exchange_find(s->sim.exchange.algorithm);
    int dedup = ms_exchange_dedup(x, s->sim.exchange.deduplicate);
    *per_rank = dedup != MS_DEDUP_NONE;
    return t->is_matrix ? 1 : ms_model_width(&s->model) * s->workload.dispatch_bytes_per_value;
}

static void add_bytes(const struct job *j, struct ms_buf *out, struct ms_traffic_label x,
                      bool labelled)
{
    bool per_rank;
    const struct ms_traffic *t = ms_demand_traffic(j->demand, x.step, x.layer, x.group);
    double bytes = copy_bytes(j, t, &per_rank);
    ms_traffic_csv_rows(out, t, per_rank, bytes, labelled ? &x : NULL);
}

/* Everything asked for, in one text. */
static void one_text(const struct job *j, bool counts, struct ms_buf *out)
{
    const struct ms_workload *w = &j->in.s.workload;
    int first = j->q->layer < 0 ? 0 : (int)j->q->layer,
        last = j->q->layer < 0 ? w->layers : first + 1;
    bool groups = w->groups > 1, labelled = groups || w->steps > 1 || last - first > 1;
    if (counts)
        ms_traffic_counts_header(out, groups);
    else
        ms_traffic_csv_header(out, w->ranks, labelled);
    for (int p = 0; p < w->steps; p++)
        for (int l = first; l < last; l++)
            for (int g = 0; g < w->groups; g++) {
                struct ms_traffic_label x = {p, l, g};
                if (counts)
                    ms_traffic_counts_rows(out, ms_demand_traffic(j->demand, p, l, g), x, groups);
                else
                    add_bytes(j, out, x, labelled);
            }
}

/* A matrix a file, and the counts. */
static enum ms_status write_folder(const struct job *j, const char *dir, struct ms_err *err)
{
    const struct ms_workload *w = &j->in.s.workload;
    enum ms_status s = ms_dir_make(dir, err);
    for (int i = 0; i < w->steps * w->layers * w->groups && s == MS_OK; i++) {
        struct ms_traffic_label x = {i / w->groups / w->layers, i / w->groups % w->layers,
                                     i % w->groups};
        char name[4096], step[32] = "", group[32] = "";
        if (j->q->layer >= 0 && x.layer != j->q->layer)
            continue;
        if (w->steps > 1)
            snprintf(step, sizeof step, "_step%d", x.step);
        if (w->groups > 1)
            snprintf(group, sizeof group, "_group%d", x.group);
        snprintf(name, sizeof name, "%s/bytes%s_layer%d%s.csv", dir, step, x.layer, group);
        struct ms_buf b = {0};
        ms_traffic_csv_header(&b, w->ranks, false);
        add_bytes(j, &b, x, false);
        s = b.failed ? ms_err_set(err, MS_NOMEM, "out of memory")
                     : ms_file_write(name, b.p, b.n, err);
        ms_buf_finish(&b);
    }
    if (s != MS_OK || !j->in.s.has_model)
        return s;
    char name[4096];
    struct ms_buf b = {0};
    snprintf(name, sizeof name, "%s/counts.csv", dir);
    one_text(j, true, &b);
    s = b.failed ? ms_err_set(err, MS_NOMEM, "out of memory") : ms_file_write(name, b.p, b.n, err);
    ms_buf_finish(&b);
    return s;
}

static enum ms_status write_all(const struct job *j, struct ms_err *err)
{
    const char *to = j->q->output;
    const struct ms_workload *w = &j->in.s.workload;
    if (j->q->layer >= w->layers)
        return ms_err_set(err, MS_INVALID, "--layer %d: the scenario has %d", (int)j->q->layer,
                          w->layers);
    size_t n = strlen(to);
    bool file = strcmp(to, "-") == 0 || (n > 4 && strcmp(to + n - 4, ".csv") == 0);
    if (!file && !j->q->counts)
        return write_folder(j, to, err);
    struct ms_buf b = {0};
    one_text(j, j->q->counts, &b);
    enum ms_status s =
        b.failed ? ms_err_set(err, MS_NOMEM, "out of memory") : ms_file_write(to, b.p, b.n, err);
    ms_buf_finish(&b);
    return s;
}

/* On stderr: how uneven the traffic is and how far it spreads, means over what is written. */
static void say_balance(const struct job *j)
{
    const struct ms_workload *w = &j->in.s.workload;
    int first = j->q->layer < 0 ? 0 : (int)j->q->layer,
        last = j->q->layer < 0 ? w->layers : first + 1;
    double expert = 0, rank = 0, copies = 0, n = 0;
    for (int p = 0; p < w->steps; p++)
        for (int l = first; l < last; l++)
            for (int g = 0; g < w->groups; g++, n++) {
                const struct ms_traffic *t = ms_demand_traffic(j->demand, p, l, g);
                if (t->is_matrix)
                    return;
                expert += ms_traffic_max_over_mean(t->expert_tokens, t->n_experts, 1);
                rank +=
                    ms_traffic_max_over_mean(t->slot_tokens, t->n_ranks, t->n_slots / t->n_ranks);
                copies += ms_traffic_remote_copies(t, j->in.s.model.top_k);
            }
    fprintf(stderr,
            "moesim traffic: max/mean %.3g over experts, %.3g over ranks; a token goes to %.3g "
            "other ranks\n",
            expert / n, rank / n, copies / n);
}

static enum ms_status traffic_of(const char *path, const struct setting *q, struct ms_errs *errs)
{
    struct job j = {.q = q};
    struct ms_err err = {0};
    enum ms_status s = open_case(&j, path, errs);
    if (s == MS_OK && j.study.n_cases > 1)
        fprintf(stderr, "moesim traffic: case %d of %zu; --case chooses another\n", (int)q->index,
                j.study.n_cases);
    if (s == MS_OK && (s = write_all(&j, &err)) != MS_OK)
        ms_errs_add(errs, &err);
    if (s == MS_OK)
        say_balance(&j);
    ms_demand_destroy(j.demand);
    ms_case_input_finish(&j.in);
    ms_case_finish(&j.c);
    ms_plan_finish(&j.plan);
    ms_inputs_finish(&j.inputs);
    ms_study_finish(&j.study);
    return s;
}

/* Options that stand for keys, as --set would write them; one text each, in `into`. */
static size_t keys_of_options(const struct ms_args *args, struct ms_buf *into, size_t *start)
{
    static const struct {
        const char *option, *before, *after;
    } keys[] = {{"trace", "routing.trace=", ""},
                {"axes", "routing.trace_axes=[", "]"},
                {"experts", "model.experts=", ""},
                {"map", "routing.trace_map=", ""},
                {"ranks-axis", "routing.trace_ranks=keep", ""}};
    size_t n = 0;
    if (ms_args_get(args, "trace", NULL)) {
        start[n++] = into->n;
        ms_buf_add(into, "routing.source=trace", sizeof "routing.source=trace");
    }
    for (size_t k = 0; k < sizeof keys / sizeof *keys; k++) {
        const char *value = ms_args_get(args, keys[k].option, NULL);
        if (!value)
            continue;
        start[n++] = into->n;
        ms_buf_adds(into, keys[k].before);
        ms_buf_adds(into, k + 1 < sizeof keys / sizeof *keys ? value : "");
        ms_buf_add(into, keys[k].after, strlen(keys[k].after) + 1);
    }
    return n;
}

static int run(int argc, char **argv, const struct ms_verb *self)
{
    struct ms_args args;
    struct setting q = {0};
    struct ms_buf keys = {0};
    size_t start[8];
    int stop = ms_args_parse(self, argc, argv, &args);
    if (stop)
        return stop == 1 ? MS_OK : MS_USAGE;
    if (args.n_operands != 1)
        return ms_usage(self, "one scenario is needed, %d given", args.n_operands);
    for (int i = 0; i < args.n_options && q.n_sets < 240; i++)
        if (strcmp(args.option[i].name, "set") == 0)
            q.sets[q.n_sets++] = args.option[i].value;
    for (size_t i = 0, n = keys_of_options(&args, &keys, start); i < n && !keys.failed; i++)
        q.sets[q.n_sets++] = keys.p + start[i];
    q.output = ms_args_get(&args, "output", "-");
    q.counts = ms_args_get(&args, "counts", NULL) != NULL;
    q.layer = -1;
    if (!ms_args_integer(self, &args, "repeat", 0, INT32_MAX, &q.repeat) ||
        !ms_args_integer(self, &args, "layer", 0, INT32_MAX, &q.layer) ||
        !ms_args_integer(self, &args, "case", 0, INT32_MAX, &q.index))
        return MS_USAGE;
    struct ms_errs errs = {0};
    enum ms_status s = traffic_of(args.operand[0], &q, &errs);
    ms_errs_print(stderr, &errs);
    ms_errs_finish(&errs);
    ms_buf_finish(&keys);
    return ms_exit_code(keys.failed ? MS_NOMEM : s);
}

const struct ms_verb ms_verb_traffic = {
    .name = "traffic",
    .arguments = "SCENARIO [options]",
    .summary = "Write the bytes from rank to rank of each layer as CSV, and the counts",
    .examples =
        "moesim traffic scenarios/compare-topologies.yaml --layer 0 > bytes.csv   # a "
        "routing.matrix\n"
        "moesim traffic mine.yaml -o traffic/             # one matrix a layer, and counts.csv\n"
        "moesim traffic mine.yaml --counts > counts.csv   # tokens per expert, a routing.trace\n"
        "moesim traffic mine.yaml --trace ids.npy --axes layers,tokens,k",
    .options = options,
    .run = run,
};
