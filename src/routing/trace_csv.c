/* Reader of CSV and TSV: layer_id, expert_id, count and perhaps iter and rank, by any of their
 * usual names; any other column selects rows through the filter. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/csv.h"
#include "routing/trace_read.h"

enum { LAYER, EXPERT, COUNT, ITER, RANK, N_AXES };

static const char *const canonical[N_AXES] = {"layer_id", "expert_id", "count", "iter", "rank"};

/* Other names for them. `weak` ones count only where no other column says the same. */
static const struct {
    const char *alias, *name;
    bool weak;
} aliases[] = {
    {"layer", "layer_id", false},
    {"layer_idx", "layer_id", false},
    {"layer_index", "layer_id", false},
    {"layer_no", "layer_id", false},
    {"expert", "expert_id", false},
    {"expert_idx", "expert_id", false},
    {"expert_index", "expert_id", false},
    {"expert_no", "expert_id", false},
    {"tokens", "count", false},
    {"counts", "count", true},
    {"num_tokens", "count", true},
    {"n_tokens", "count", true},
    {"token_count", "count", true},
    {"n", "count", true},
    {"load", "count", true},
    {"step", "iter", false},
    {"iteration", "iter", true},
    {"step_id", "iter", true},
    {"rank_id", "rank", true},
    {"dataset", "domain", false},
};

/* @param weak receives whether the name is one of the weak ones; may be NULL */
static const char *canonical_name(const char *column, bool *weak)
{
    if (weak)
        *weak = false;
    for (size_t i = 0; i < sizeof aliases / sizeof *aliases; i++)
        if (strcasecmp(column, aliases[i].alias) == 0) {
            if (weak)
                *weak = aliases[i].weak;
            return aliases[i].name;
        }
    return column;
}

struct row {
    long axis[N_AXES]; /* COUNT unused */
    double count;
    int line;
    char **other; /* [n_columns] the row's fields; axes NULL */
};

struct reader {
    const struct ms_trace_request *request;
    struct ms_csv csv;
    struct ms_arena arena;
    int n_columns;
    const char **column;     /* [n_columns] as in the header */
    int axis_column[N_AXES]; /* -1 = none */
    int *filter_column;      /* [n_filter] */
    struct row *row;
    size_t n_rows, cap, n_shared;
    long n_experts; /* in all rows, selected or not, of the selected file */
};

static enum ms_status bad_line(struct reader *r, struct ms_err *err, const char *what,
                               const char *value)
{
    return ms_err_at(err, MS_INVALID, r->csv.path, r->csv.line, 0, "routing.trace", "%s: '%s'",
                     what, value);
}

/* The column of an axis: its own name or an alias, a weak one at last. */
static enum ms_status find_axis(struct reader *r, int axis, struct ms_err *err)
{
    int strong = -1, weak = -1;
    for (int c = 0; c < r->n_columns; c++) {
        bool is_weak;
        if (strcasecmp(canonical_name(r->column[c], &is_weak), canonical[axis]) != 0)
            continue;
        int *place = is_weak ? &weak : &strong;
        if (*place >= 0 && !is_weak)
            return bad_line(r, err, "two columns mean the same", r->column[c]);
        if (*place < 0)
            *place = c;
    }
    r->axis_column[axis] = strong >= 0 ? strong : weak;
    return MS_OK;
}

static enum ms_status find_axes(struct reader *r, struct ms_err *err)
{
    for (int a = 0; a < N_AXES; a++) {
        enum ms_status s = find_axis(r, a, err);
        if (s != MS_OK)
            return s;
    }
    for (int a = 0; a <= COUNT; a++)
        if (r->axis_column[a] < 0)
            return ms_err_at(
                err, MS_INVALID, r->csv.path, r->csv.line, 0, "routing.trace",
                "no column '%s'; a trace has layer_id (or layer), expert_id (or expert) "
                "and count (or tokens)",
                canonical[a]);
    return MS_OK;
}

static enum ms_status find_filters(struct reader *r, struct ms_err *err)
{
    const struct ms_trace_request *q = r->request;
    for (int f = 0; f < q->n_filter; f++) {
        r->filter_column[f] = -1;
        for (int c = 0; c < r->n_columns; c++)
            if (strcasecmp(canonical_name(r->column[c], NULL),
                           canonical_name(q->filter[f].column, NULL)) == 0)
                r->filter_column[f] = c;
        if (r->filter_column[f] >= 0)
            continue;
        char key[160], allowed[512];
        snprintf(key, sizeof key, "routing.trace_filter.%.100s", q->filter[f].column);
        return ms_err_at(err, MS_INVALID, r->csv.path, r->csv.line, 0, key,
                         "'%s' is not a column%s", q->filter[f].column,
                         ms_allowed(allowed, sizeof allowed, q->filter[f].column, r->column,
                                    (size_t)r->n_columns));
    }
    return MS_OK;
}

static enum ms_status read_header(struct reader *r, struct ms_err *err)
{
    enum ms_status s = ms_csv_next(&r->csv, err);
    if (s != MS_OK)
        return s;
    r->n_columns = r->csv.n_fields;
    r->column = MS_NEW(&r->arena, const char *, (size_t)r->n_columns);
    r->filter_column = MS_NEW(&r->arena, int, (size_t)r->request->n_filter);
    if (!r->column || !r->filter_column)
        return ms_err_set(err, MS_NOMEM, "out of memory");
    if (r->n_columns == 0)
        return ms_err_at(err, MS_INVALID, r->csv.path, 0, 0, "routing.trace", "is empty");
    for (int c = 0; c < r->n_columns; c++) {
        char *name = r->csv.field[c];
        name += strspn(name, " ");
        size_t n = strlen(name);
        while (n > 0 && name[n - 1] == ' ')
            name[--n] = '\0';
        r->column[c] = name;
    }
    s = find_axes(r, err);
    return s == MS_OK ? find_filters(r, err) : s;
}

/* Equal as text or as numbers. */
static bool same_value(const char *a, const char *b)
{
    double x, y;
    return strcmp(a, b) == 0 || (ms_csv_number(a, &x) && ms_csv_number(b, &y) && x == y);
}

static bool selected(const struct reader *r)
{
    for (int f = 0; f < r->request->n_filter; f++)
        if (!same_value(r->csv.field[r->filter_column[f]], r->request->filter[f].value))
            return false;
    return true;
}

static enum ms_status parse_row(struct reader *r, struct row *row, struct ms_err *err)
{
    static const char *const what[N_AXES] = {"the layer is not a whole number of 0 or more",
                                             "the expert is not a whole number of 0..65534", "",
                                             "the step is not a whole number of 0 or more",
                                             "the rank is not a whole number of 0 or more"};
    *row = (struct row){.line = r->csv.line};
    for (int a = 0; a < N_AXES; a++) {
        int c = r->axis_column[a];
        long most = a == EXPERT ? 65534 : 1000000000;
        if (a == COUNT || c < 0)
            continue;
        if (!ms_csv_index(r->csv.field[c], most, &row->axis[a]))
            return bad_line(r, err, what[a], r->csv.field[c]);
    }
    const char *count = r->csv.field[r->axis_column[COUNT]];
    if (!ms_csv_number(count, &row->count) || row->count < 0)
        return bad_line(r, err, "the count is not a number of 0 or more", count);
    row->other = MS_NEW(&r->arena, char *, (size_t)r->n_columns);
    if (!row->other)
        return ms_err_set(err, MS_NOMEM, "out of memory");
    memcpy(row->other, r->csv.field, (size_t)r->n_columns * sizeof *row->other);
    return MS_OK;
}

/* llama.cpp counts the shared expert as expert -1: every token is there, and nothing is routed. */
static bool is_shared(const struct reader *r)
{
    double e;
    return ms_csv_number(r->csv.field[r->axis_column[EXPERT]], &e) && e == -1;
}

static enum ms_status read_rows(struct reader *r, struct ms_err *err)
{
    for (;;) {
        enum ms_status s = ms_csv_next(&r->csv, err);
        if (s != MS_OK || r->csv.n_fields == 0)
            return s;
        if (r->csv.n_fields != r->n_columns)
            return ms_err_at(err, MS_INVALID, r->csv.path, r->csv.line, 0, "routing.trace",
                             "%d fields, but the header has %d", r->csv.n_fields, r->n_columns);
        if (!selected(r))
            continue;
        if (r->n_rows == r->cap) {
            size_t cap = r->cap ? 2 * r->cap : 4096;
            struct row *p = realloc(r->row, cap * sizeof *p);
            if (!p)
                return ms_err_set(err, MS_NOMEM, "out of memory");
            r->row = p;
            r->cap = cap;
        }
        if (is_shared(r)) {
            r->n_shared++;
            continue;
        }
        s = parse_row(r, &r->row[r->n_rows], err);
        if (s != MS_OK)
            return s;
        if (r->row[r->n_rows].axis[EXPERT] >= r->n_experts)
            r->n_experts = r->row[r->n_rows].axis[EXPERT] + 1;
        r->n_rows++;
    }
}

static int cmp_long(const void *a, const void *b)
{
    long x = *(const long *)a, y = *(const long *)b;
    return (x > y) - (x < y);
}

/* The distinct values of an axis, rising. */
static long *distinct(struct reader *r, int axis, long *n)
{
    long *v = MS_NEW(&r->arena, long, r->n_rows);
    if (!v)
        return NULL;
    for (size_t i = 0; i < r->n_rows; i++)
        v[i] = r->row[i].axis[axis];
    qsort(v, r->n_rows, sizeof *v, cmp_long);
    *n = 0;
    for (size_t i = 0; i < r->n_rows; i++)
        if (*n == 0 || v[*n - 1] != v[i])
            v[(*n)++] = v[i];
    return v;
}

static long place_of(const long *v, long n, long x)
{
    const long *p = bsearch(&x, v, (size_t)n, sizeof *v, cmp_long);
    return p - v;
}

/* Counts a file of so many rows may stand for: sparse files leave out experts nobody chose. */
static size_t believable(size_t rows)
{
    enum { LEAST = 1 << 22, SPARSE = 256 };
    return rows > LEAST / SPARSE ? rows * SPARSE : LEAST;
}

/* Two selected rows for one cell: name the column that tells them apart. */
static enum ms_status ambiguous(struct reader *r, const struct row *a, const struct row *b,
                                struct ms_err *err)
{
    for (int c = 0; c < r->n_columns; c++) {
        if (c == r->axis_column[COUNT] || same_value(a->other[c], b->other[c]))
            continue;
        return ms_err_at(err, MS_INVALID, r->csv.path, b->line, 0, "routing.trace_filter",
                         "layer %ld, expert %ld is already given on line %d; the rows differ in "
                         "'%s' ('%.60s', '%.60s'): choose one, such as trace_filter: {%s: %.60s}",
                         b->axis[LAYER], b->axis[EXPERT], a->line, r->column[c], a->other[c],
                         b->other[c], r->column[c], a->other[c]);
    }
    return ms_err_at(err, MS_INVALID, r->csv.path, b->line, 0, "routing.trace",
                     "layer %ld, expert %ld is already given on line %d", b->axis[LAYER],
                     b->axis[EXPERT], a->line);
}

static enum ms_status fill(struct reader *r, struct ms_trace *t, struct ms_err *err)
{
    if (r->n_rows == 0)
        return ms_err_at(err, MS_INVALID, r->csv.path, 0, 0,
                         r->request->n_filter ? "routing.trace_filter" : "routing.trace",
                         r->request->n_filter ? "no row passes the filter" : "has no rows");
    long n_iter, n_rank, n_layer;
    long *iter = distinct(r, ITER, &n_iter), *rank = distinct(r, RANK, &n_rank);
    long *layer = distinct(r, LAYER, &n_layer);
    if (!iter || !rank || !layer)
        return ms_err_set(err, MS_NOMEM, "out of memory");
    enum ms_status s = ms_trace_shape(t, r->csv.path, n_iter, n_rank, n_layer, r->n_experts,
                                      believable(r->n_rows), err);
    if (s != MS_OK)
        return s;
    t->has_ranks = r->axis_column[RANK] >= 0;
    for (long l = 0; l < n_layer; l++)
        t->layer_id[l] = (int)layer[l];
    size_t cells = (size_t)n_iter * (size_t)n_rank * (size_t)n_layer * (size_t)r->n_experts;
    const struct row **seen = MS_NEW(&r->arena, const struct row *, cells);
    if (!seen)
        return ms_err_set(err, MS_NOMEM, "out of memory");
    for (size_t i = 0; i < r->n_rows; i++) {
        const struct row *w = &r->row[i];
        long at = place_of(iter, n_iter, w->axis[ITER]);
        at = at * n_rank + place_of(rank, n_rank, w->axis[RANK]);
        at = at * n_layer + place_of(layer, n_layer, w->axis[LAYER]);
        at = at * r->n_experts + w->axis[EXPERT];
        if (seen[at])
            return ambiguous(r, seen[at], w, err);
        seen[at] = w;
        t->count[at] = w->count;
    }
    if (r->n_shared)
        ms_trace_note(t, "%zu rows of expert -1 (the shared expert) are left out", r->n_shared);
    return MS_OK;
}

/* A table with tabs (or semicolons) and no comma in its header is one of those. */
static char separator_of(const char *text)
{
    const char *line = text;
    while (*line == '#' || *line == '\n' || *line == '\r') {
        line += strcspn(line, "\n");
        line += *line == '\n';
    }
    size_t n = strcspn(line, "\n");
    if (memchr(line, ',', n))
        return ',';
    return memchr(line, '\t', n) ? '\t' : memchr(line, ';', n) ? ';' : ',';
}

enum ms_status ms_trace_read_csv(struct ms_trace_file *f, struct ms_trace *out, struct ms_err *err)
{
    struct reader r = {.request = f->request, .csv.text = f->bytes};
    r.csv.separator = separator_of(f->bytes.p ? f->bytes.p : "");
    f->bytes = (struct ms_buf){0}; /* the reader's now */
    enum ms_status s = ms_csv_start(&r.csv, f->path, err);
    if (s == MS_OK)
        s = read_header(&r, err);
    if (s == MS_OK)
        s = read_rows(&r, err);
    if (s == MS_OK)
        s = fill(&r, out, err);
    ms_csv_finish(&r.csv);
    ms_arena_finish(&r.arena);
    free(r.row);
    return s;
}
