/* Decides what a CSV must look like to be one byte matrix: labels, filters, square, no negative
 * bytes. */
#include "routing/matrix.h"

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/csv.h"

enum { STEP, LAYER, GROUP, SOURCE, N_LABELS };

static const char *const label_names[N_LABELS] = {"step", "layer", "group", "source"};

struct reader {
    struct ms_csv csv;
    const struct ms_trace_filter *filter;
    int n_filter;
    int label[N_LABELS]; /* column, -1 = none */
    int n_labels, n_columns;
    long chosen[N_LABELS]; /* of the first row kept */
    int chosen_line;
    struct ms_matrix m;
    bool *have; /* [n] */
    int n_rows;
};

static enum ms_status bad(struct reader *r, struct ms_err *err, const char *text)
{
    return ms_err_at(err, MS_INVALID, r->csv.path, r->csv.line, 0, "routing.matrix", "%s", text);
}

static int label_of(const char *name)
{
    name += strspn(name, " ");
    if (!strcmp(name, "rank") || !strcmp(name, "source") || !strcmp(name, "src"))
        return SOURCE;
    if (!strcmp(name, "layer_id"))
        return LAYER;
    for (int i = 0; i < SOURCE; i++)
        if (!strcmp(name, label_names[i]))
            return i;
    return -1;
}

static bool is_number(const char *field)
{
    char *end;
    strtod(field, &end);
    return end != field && end[strspn(end, " \t")] == '\0';
}

/* A first row of words is a header, a row of numbers is none, and a word among numbers is that row's
 * error: it would be left out in silence. Column names may be numbers (rank 0, 1, …) after a label. */
static enum ms_status is_header(struct reader *r, bool *header, struct ms_err *err)
{
    const struct ms_csv *c = &r->csv;
    int words = 0, word = 0;
    for (int i = 0; i < c->n_fields; i++)
        if (!is_number(c->field[i])) {
            words++;
            word = i;
        }
    *header = words > 0 && (words == c->n_fields || label_of(c->field[0]) >= 0 ||
                            c->field[0][strspn(c->field[0], " ")] == '\0');
    if (words == 0 || *header)
        return MS_OK;
    return ms_err_at(err, MS_INVALID, c->path, c->line, 0, "routing.matrix",
                     "'%s' in column %d is not a number of bytes", c->field[word], word + 1);
}

static enum ms_status read_header(struct reader *r, struct ms_err *err)
{
    for (int i = 0; i < r->csv.n_fields; i++) {
        int l = label_of(r->csv.field[i]);
        if (l < 0 && i == r->n_labels && r->csv.field[i][strspn(r->csv.field[i], " ")] == '\0')
            l = SOURCE; /* the empty corner of a table with row names */
        if (l < 0)
            continue;
        if (r->label[l] >= 0 || i != r->n_labels)
            return bad(r, err, "label columns (step, layer, group, source) come first and once");
        r->label[l] = i;
        r->n_labels++;
    }
    r->n_columns = r->csv.n_fields;
    for (int f = 0; f < r->n_filter; f++) {
        int l = label_of(r->filter[f].column);
        if (l < 0 || l == SOURCE || r->label[l] < 0)
            return ms_err_at(err, MS_INVALID, r->csv.path, r->csv.line, 0, "routing.trace_filter",
                             "the matrix has no column '%s'", r->filter[f].column);
    }
    return MS_OK;
}

static bool selected(const struct reader *r, const long *value)
{
    for (int f = 0; f < r->n_filter; f++) {
        double v;
        if (!ms_csv_number(r->filter[f].value, &v) ||
            v != (double)value[label_of(r->filter[f].column)])
            return false;
    }
    return true;
}

/* The row's labels; a second matrix in the file that no filter excludes is an error. */
static enum ms_status labels(struct reader *r, long *value, bool *keep, struct ms_err *err)
{
    for (int l = 0; l < N_LABELS; l++) {
        value[l] = l == SOURCE ? r->n_rows : 0;
        if (r->label[l] >= 0 && !ms_csv_index(r->csv.field[r->label[l]], 1000000000, &value[l]))
            return ms_err_at(err, MS_INVALID, r->csv.path, r->csv.line, 0, "routing.matrix",
                             "%s '%s' is not a whole number", label_names[l],
                             r->csv.field[r->label[l]]);
    }
    *keep = selected(r, value);
    if (!*keep)
        return MS_OK;
    if (r->chosen_line == 0) {
        memcpy(r->chosen, value, sizeof r->chosen);
        r->chosen_line = r->csv.line;
    }
    for (int l = 0; l < SOURCE; l++)
        if (value[l] != r->chosen[l])
            return ms_err_at(
                err, MS_INVALID, r->csv.path, r->csv.line, 0, "routing.trace_filter",
                "holds several matrices: %s %ld here, %ld on line %d; choose one, such as "
                "trace_filter: {%s: %ld}",
                label_names[l], value[l], r->chosen[l], r->chosen_line, label_names[l],
                r->chosen[l]);
    return MS_OK;
}

static bool any_number(const struct reader *r)
{
    double v;
    bool any = r->n_rows > 1;
    for (int i = 0; i < r->csv.n_fields; i++)
        any |= ms_csv_number(r->csv.field[i], &v);
    return any;
}

/* Another kind of file: nothing of it is quoted. */
static enum ms_status no_matrix(const struct reader *r, struct ms_err *err)
{
    return ms_err_at(err, MS_INVALID, r->csv.path, r->csv.line, 0, "routing.matrix",
                     "is no matrix of bytes: this line has no number");
}

static enum ms_status row(struct reader *r, struct ms_err *err)
{
    if (r->n_columns == 0)
        r->n_columns = r->csv.n_fields;
    if (r->csv.n_fields != r->n_columns)
        return ms_err_at(err, MS_INVALID, r->csv.path, r->csv.line, 0, "routing.matrix",
                         "%d fields, but the first row has %d", r->csv.n_fields, r->n_columns);
    long value[N_LABELS];
    bool keep = false;
    enum ms_status s = labels(r, value, &keep, err);
    if (s != MS_OK || !keep)
        return s;
    int n = r->n_columns - r->n_labels;
    if (!r->m.bytes) {
        r->m.n = n;
        r->m.bytes = calloc((size_t)n * (size_t)n + 1, sizeof *r->m.bytes);
        r->have = calloc((size_t)n + 1, sizeof *r->have);
        if (!r->m.bytes || !r->have)
            return ms_err_set(err, MS_NOMEM, "out of memory");
    }
    if (value[SOURCE] >= n || r->have[value[SOURCE]])
        return ms_err_at(err, MS_INVALID, r->csv.path, r->csv.line, 0, "routing.matrix",
                         value[SOURCE] >= n ? "more rows than the %d columns: row %ld"
                                            : "one of %d rows is there twice: row %ld",
                         n, value[SOURCE]);
    r->have[value[SOURCE]] = true;
    r->n_rows++;
    for (int i = 0; i < n; i++) {
        const char *field = r->csv.field[r->n_labels + i];
        double *out = &r->m.bytes[ms_cell((int)value[SOURCE], n, i)];
        if (!ms_csv_number(field, out) || *out < 0)
            return !any_number(r)
                       ? no_matrix(r, err)
                       : ms_err_at(
                             err, MS_INVALID, r->csv.path, r->csv.line, 0, "routing.matrix",
                             "from rank %ld to rank %d: '%s' is not a number of bytes (0 or more)",
                             value[SOURCE], i, field);
    }
    return MS_OK;
}

static enum ms_status read_all(struct reader *r, struct ms_err *err)
{
    bool header = false;
    enum ms_status s = ms_csv_next(&r->csv, err);
    for (int l = 0; l < N_LABELS; l++)
        r->label[l] = -1;
    if (s == MS_OK && r->csv.n_fields > 0)
        s = is_header(r, &header, err);
    if (s == MS_OK && header) {
        s = read_header(r, err);
        if (s == MS_OK)
            s = ms_csv_next(&r->csv, err);
    } else if (s == MS_OK && r->n_filter > 0) {
        return bad(r, err, "has no header, so there is nothing trace_filter could choose by");
    }
    while (s == MS_OK && r->csv.n_fields > 0) {
        s = row(r, err);
        if (s == MS_OK)
            s = ms_csv_next(&r->csv, err);
    }
    if (s != MS_OK)
        return s;
    if (r->n_rows == 0 || r->m.n == 0)
        return ms_err_at(err, MS_INVALID, r->csv.path, 0, 0, "routing.matrix", "holds no matrix");
    if (r->n_rows != r->m.n)
        return ms_err_at(err, MS_INVALID, r->csv.path, 0, 0, "routing.matrix",
                         "is not square: %d rows of %d columns", r->n_rows, r->m.n);
    return MS_OK;
}

enum ms_status ms_matrix_read(struct ms_files *files, const char *path,
                              const struct ms_trace_filter *filter, int n_filter,
                              struct ms_matrix *out, struct ms_err *err)
{
    struct reader r = {.filter = filter, .n_filter = n_filter};
    enum ms_status s = ms_csv_open(&r.csv, files, path, err);
    if (s == MS_OK)
        s = read_all(&r, err);
    ms_csv_finish(&r.csv);
    free(r.have);
    if (s == MS_OK)
        *out = r.m;
    else
        free(r.m.bytes);
    return s;
}

void ms_matrix_finish(struct ms_matrix *m)
{
    if (!m)
        return;
    free(m->bytes);
    *m = (struct ms_matrix){0};
}
