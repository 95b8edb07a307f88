/* summary.csv: one row a record, the columns of all records together, units in their names. */
#include "sweep/summary.h"

#include <jansson.h>
#include <string.h>

#include "base/csv.h"
#include "base/json.h"

/* Columns after the axes: a path in the record. A block's members stand beside each other. */
static const char *const blocks[] = {"exchange", "dispatch", "combine", "rank", "layer", "step"};
static const char *const members[] = {"p50_us",  "p95_us", "p99_us",   "max_us",
                                      "mean_us", "n",      "supported"};
static const char *const paths[] = {
    "step.tokens_per_s",
    "step.exposed_share",
    "entry_skew_us",
    "slowdown.vs_balanced_p50",
    "slowdown.vs_balanced_p95",
    "slowdown.vs_balanced_p99",
    "imbalance.gini",
    "imbalance.cv",
    "imbalance.variance",
    "imbalance.entropy",
    "imbalance.max_over_mean",
    "imbalance.rank_max_over_mean",
    "imbalance.dropped_share",
    "bytes.network",
    "bytes.intra_node",
    "bytes.local",
    "ranks",
    "groups",
    "layers",
    "steps",
    "repeats",
    "units",
    "variance.layer",
    "variance.batch",
    "variance.within",
    "seed",
    "network_model",
    "key",
    "error",
};
/* Of a training (train_case.h), which has no blocks. */
static const char *const training_paths[] = {
    "training.steps",
    "training.ce",
    "training.heldout_ce",
    "training.heldout_ppl",
    "imbalance.gini",
    "imbalance.cv",
    "imbalance.variance",
    "imbalance.entropy",
    "imbalance.max_over_mean",
    "seed",
    "key",
    "error",
};

enum { N_BLOCKS = sizeof blocks / sizeof *blocks, N_MEMBERS = sizeof members / sizeof *members };

static void add_value(struct ms_buf *out, const json_t *v)
{
    char number[32];
    if (json_is_string(v))
        ms_csv_cell(out, json_string_value(v));
    else if (json_is_integer(v))
        ms_buf_printf(out, "%lld", (long long)json_integer_value(v));
    else if (json_is_real(v))
        ms_buf_adds(out, ms_number(json_real_value(v), number));
    else if (json_is_boolean(v))
        ms_buf_adds(out, json_is_true(v) ? "true" : "false");
}

static const json_t *at(const json_t *record, const char *path)
{
    const char *dot = strchr(path, '.');
    char first[64];
    if (!dot)
        return json_object_get(record, path);
    snprintf(first, sizeof first, "%.*s", (int)(dot - path), path);
    return json_object_get(json_object_get(record, first), dot + 1);
}

static void add_name(struct ms_buf *out, const char *path)
{
    for (const char *c = path; *c; c++)
        ms_buf_add(out, *c == '.' ? "_" : c, 1);
}

struct columns {
    int n_blocks;
    const char *const *path;
    size_t n_paths;
};

static struct columns columns_of(const json_t *record)
{
    if (json_object_get(record, "training"))
        return (struct columns){0, training_paths, sizeof training_paths / sizeof *training_paths};
    return (struct columns){N_BLOCKS, paths, sizeof paths / sizeof *paths};
}

static void add_header(struct ms_buf *out, json_t *axes, struct columns c)
{
    const char *key;
    json_t *value;
    ms_buf_adds(out, "case");
    json_object_foreach(axes, key, value)
    {
        ms_buf_adds(out, ",");
        ms_csv_cell(out, key);
    }
    ms_buf_adds(out, ",status");
    for (int b = 0; b < c.n_blocks; b++)
        for (int m = 0; m < N_MEMBERS; m++)
            ms_buf_printf(out, ",%s_%s", blocks[b], members[m]);
    for (size_t i = 0; i < c.n_paths; i++) {
        ms_buf_adds(out, ",");
        add_name(out, c.path[i]);
    }
    ms_buf_adds(out, "\n");
}

static void add_row(struct ms_buf *out, json_t *axes, const json_t *record, struct columns c)
{
    const char *key;
    json_t *value;
    add_value(out, json_object_get(record, "case"));
    json_object_foreach(axes, key, value)
    {
        ms_buf_adds(out, ",");
        add_value(out, json_object_get(json_object_get(record, "axes"), key));
    }
    ms_buf_adds(out, ",");
    add_value(out, json_object_get(record, "status"));
    for (int b = 0; b < c.n_blocks; b++)
        for (int m = 0; m < N_MEMBERS; m++) {
            ms_buf_adds(out, ",");
            add_value(out, json_object_get(json_object_get(record, blocks[b]), members[m]));
        }
    for (size_t i = 0; i < c.n_paths; i++) {
        ms_buf_adds(out, ",");
        add_value(out, at(record, c.path[i]));
    }
    ms_buf_adds(out, "\n");
}

enum ms_status ms_summary_csv(const char *const *records, size_t n, struct ms_buf *out,
                              struct ms_err *err)
{
    json_t *first = NULL;
    struct columns c = {0};
    enum ms_status s = MS_OK;
    for (size_t i = 0; s == MS_OK && i < n; i++) {
        json_t *o = json_loads(records[i], 0, NULL);
        if (!json_is_object(o)) { /* whole records come here only */
            s = ms_err_set(err, MS_NOMEM, "out of memory for summary.csv");
            json_decref(o);
            break;
        }
        if (!first) {
            first = json_incref(o);
            c = columns_of(first);
            add_header(out, json_object_get(first, "axes"), c);
        }
        add_row(out, json_object_get(first, "axes"), o, c);
        json_decref(o);
    }
    json_decref(first);
    return s == MS_OK && out->failed ? ms_err_set(err, MS_NOMEM, "out of memory for summary.csv")
                                     : s;
}
