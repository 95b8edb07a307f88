/* summary.csv: one row a record, the columns of all records together, units in their names. */
#include "sweep/summary.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/csv.h"
#include "base/json_scan.h"
#include "base/strings.h"

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

struct ms_summary_columns {
    struct ms_strings name;     /* of all columns, by path; axes as they are called */
    size_t n_axes;              /* the first ones */
    struct ms_json_slice *cell; /* [name.n] of the record at hand, kind MS_JSON_NULL: it has none */
};

static void add_value(struct ms_buf *out, const struct ms_json_slice *v)
{
    struct ms_buf text = {0};
    if (v->kind == MS_JSON_NUMBER || v->kind == MS_JSON_TRUE || v->kind == MS_JSON_FALSE)
        ms_buf_add(out, v->p, v->n);
    if (v->kind != MS_JSON_STRING)
        return;
    json_t *escaped = v->escaped ? json_loadb(v->p - 1, v->n + 2, JSON_DECODE_ANY, NULL) : NULL;
    ms_buf_add(&text, v->p, v->n);
    ms_buf_add(&text, "", 1);
    ms_csv_cell(out, escaped ? json_string_value(escaped) : text.failed ? "" : text.p);
    out->failed = out->failed || text.failed;
    ms_buf_finish(&text);
    json_decref(escaped);
}

static void name_of(const char *block, const struct ms_json_slice *key, char *out, size_t size)
{
    snprintf(out, size, "%s%s%.*s", block, *block ? "." : "", (int)key->n, key->p);
}

/* Columns by the first record: its axes, then what simulations have, or trainings. */
static bool name_columns(struct ms_summary_columns *c, const char *record)
{
    struct ms_json_scan s = ms_json_scan_text(record, strlen(record));
    struct ms_json_slice key, v;
    char name[256];
    bool training = false;
    while (ms_json_scan_next(&s, &key, &v)) {
        struct ms_json_scan axes = ms_json_scan_object(&v);
        bool is_axes = v.kind == MS_JSON_OBJECT && ms_json_slice_is(&key, "axes");
        training = training || ms_json_slice_is(&key, "training");
        while (is_axes && ms_json_scan_next(&axes, &key, &v)) {
            name_of("axes", &key, name, sizeof name);
            ms_strings_add(&c->name, name);
        }
    }
    c->n_axes = c->name.n;
    ms_strings_add(&c->name, "status");
    for (int b = 0; !training && b < N_BLOCKS; b++)
        for (int m = 0; m < N_MEMBERS; m++) {
            snprintf(name, sizeof name, "%s.%s", blocks[b], members[m]);
            ms_strings_add(&c->name, name);
        }
    const char *const *path = training ? training_paths : paths;
    size_t n =
        training ? sizeof training_paths / sizeof *training_paths : sizeof paths / sizeof *paths;
    for (size_t i = 0; i < n; i++)
        ms_strings_add(&c->name, path[i]);
    c->cell = calloc(c->name.n + 1, sizeof *c->cell);
    return c->cell && !c->name.failed;
}

static void add_header(struct ms_buf *out, const struct ms_summary_columns *c)
{
    ms_buf_adds(out, "case");
    for (size_t i = 0; i < c->name.n; i++) {
        ms_buf_adds(out, ",");
        if (i < c->n_axes)
            ms_csv_cell(out, c->name.text[i] + strlen("axes."));
        else
            for (const char *p = c->name.text[i]; *p; p++)
                ms_buf_add(out, *p == '.' ? "_" : p, 1);
    }
    ms_buf_adds(out, "\n");
}

/* Its values into the cells of their columns; those of objects under the object's name. */
static void take(struct ms_summary_columns *c, const char *block, struct ms_json_scan s,
                 struct ms_json_slice *id)
{
    struct ms_json_slice key, v;
    char name[256];
    while (ms_json_scan_next(&s, &key, &v)) {
        name_of(block, &key, name, sizeof name);
        if (v.kind == MS_JSON_OBJECT && !*block)
            take(c, name, ms_json_scan_object(&v), id);
        else if (v.kind != MS_JSON_ARRAY)
            c->cell[ms_strings_find(&c->name, name)] = v; /* the one behind the last: no column */
        if (strcmp(name, "case") == 0)
            *id = v;
    }
}

static void add_row(struct ms_buf *out, struct ms_summary_columns *c, const char *record)
{
    struct ms_json_slice id = {.kind = MS_JSON_NULL};
    for (size_t i = 0; i < c->name.n; i++)
        c->cell[i] = id;
    take(c, "", ms_json_scan_known(record, strlen(record)), &id);
    add_value(out, &id);
    for (size_t i = 0; i < c->name.n; i++) {
        ms_buf_adds(out, ",");
        add_value(out, &c->cell[i]);
    }
    ms_buf_adds(out, "\n");
}

static enum ms_status put_out(struct ms_summary_file *s, struct ms_err *err)
{
    bool ok = ms_fd_write(s->part.fd, s->out.p ? s->out.p : "", s->out.n);
    s->out.n = 0;
    return ok ? MS_OK
              : ms_err_at(err, MS_IO, s->part.target, 0, 0, NULL, "cannot write: %s",
                          strerror(errno));
}

enum ms_status ms_summary_open(struct ms_summary_file *s, const char *path, struct ms_err *err)
{
    return ms_part_open(&s->part, path, err);
}

enum ms_status ms_summary_add(struct ms_summary_file *s, const char *record, struct ms_err *err)
{
    bool first = !s->columns;
    if (first)
        s->columns = calloc(1, sizeof *s->columns);
    bool ok = s->columns && (!first || name_columns(s->columns, record));
    if (ok && first)
        add_header(&s->out, s->columns);
    if (ok)
        add_row(&s->out, s->columns, record);
    if (!ok || s->out.failed)
        return ms_err_set(err, MS_NOMEM, "out of memory for summary.csv");
    return s->out.n > 1 << 16 ? put_out(s, err) : MS_OK;
}

enum ms_status ms_summary_close(struct ms_summary_file *s, enum ms_status so_far,
                                struct ms_err *err)
{
    if (so_far == MS_OK)
        so_far = put_out(s, err);
    enum ms_status closed =
        ms_part_close(&s->part, so_far == MS_OK, EIO, so_far == MS_OK ? err : NULL);
    if (s->columns) {
        ms_strings_finish(&s->columns->name);
        free(s->columns->cell);
        free(s->columns);
    }
    ms_buf_finish(&s->out);
    return so_far == MS_OK ? closed : so_far;
}
