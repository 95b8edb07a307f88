/* Recorded traffic beside a measured file: what each rank selected, by expert, and the copies that
 * were left after de-duplication. */
#include "hardware/measured_traffic.h"

#include <stdlib.h>
#include <string.h>

#include "base/csv.h"

enum column { KEY, RANK, SELECTIONS, COPIES, N_COLUMNS };
static const char *const column_names[] = {"traffic", "rank", "selections", "copies_to"};

int ms_measured_numbers(struct ms_arena *arena, const char *text, double **out)
{
    int n = 0;
    const char *at = text + strspn(text, " ");
    for (const char *c = at; *c; c += strspn(c, " "), n++)
        c += strcspn(c, " ");
    *out = MS_NEW(arena, double, (size_t)n);
    if (!*out)
        return -2;
    for (int i = 0; i < n; i++) {
        char *end;
        double v = strtod(at, &end);
        if (end == at || (*end && *end != ' ') || !(v >= 0) || v > 1e15)
            return -1;
        (*out)[i] = v;
        at = end + strspn(end, " ");
    }
    return n;
}

struct reading {
    struct ms_arena *arena;
    struct ms_csv csv;
    int column[N_COLUMNS]; /* -1 = the file has none */
    struct ms_measured_traffic *traffic;
    size_t n, cap;
};

static enum ms_status read_header(struct reading *r, struct ms_err *err)
{
    for (int k = 0; k < N_COLUMNS; k++) {
        r->column[k] = -1;
        for (int i = 0; i < r->csv.n_fields; i++)
            if (strcmp(r->csv.field[i], column_names[k]) == 0)
                r->column[k] = i;
        if (r->column[k] < 0 && k != COPIES)
            return ms_err_at(err, MS_INVALID, r->csv.path, r->csv.line, 0, NULL,
                             "there is no column %s, which every file of traffic has",
                             column_names[k]);
    }
    return MS_OK;
}

/* The traffic of a key; rows of one key follow each other, rank after rank. */
static struct ms_measured_traffic *of_key(struct reading *r, const char *key)
{
    if (r->n > 0 && strcmp(r->traffic[r->n - 1].key, key) == 0)
        return &r->traffic[r->n - 1];
    if (r->n == r->cap) {
        size_t cap = r->cap ? 2 * r->cap : 64;
        struct ms_measured_traffic *t = MS_NEW(r->arena, struct ms_measured_traffic, cap);
        if (!t)
            return NULL;
        if (r->n > 0)
            memcpy(t, r->traffic, r->n * sizeof *t);
        r->traffic = t;
        r->cap = cap;
    }
    struct ms_measured_traffic *t = &r->traffic[r->n];
    *t = (struct ms_measured_traffic){.key = ms_arena_strdup(r->arena, key)};
    r->n += t->key != NULL;
    return t->key ? t : NULL;
}

static enum ms_status wrong(const struct reading *r, struct ms_err *err, int k, const char *text)
{
    const struct ms_csv *c = &r->csv;
    int at = (int)(c->field[r->column[k]] - c->field[0]) + 1;
    return ms_err_at(err, MS_INVALID, c->path, c->line, at, column_names[k], "%s", text);
}

static enum ms_status read_row(struct reading *r, struct ms_err *err)
{
    long rank;
    for (int k = 0; k < N_COLUMNS; k++)
        if (r->column[k] >= r->csv.n_fields)
            return ms_err_at(err, MS_INVALID, r->csv.path, r->csv.line, 0, NULL,
                             "%d fields are too few", r->csv.n_fields);
    struct ms_measured_traffic *t = of_key(r, r->csv.field[r->column[KEY]]);
    if (!t)
        return ms_err_set(err, MS_NOMEM, "out of memory for recorded traffic");
    if (!ms_csv_index(r->csv.field[r->column[RANK]], 4095, &rank) || rank != t->n_ranks)
        return wrong(r, err, RANK, "must count 0, 1, … within a key");
    struct ms_measured_sender *more =
        MS_NEW(r->arena, struct ms_measured_sender, (size_t)t->n_ranks + 1);
    if (!more)
        return ms_err_set(err, MS_NOMEM, "out of memory for recorded traffic");
    if (t->n_ranks > 0)
        memcpy(more, t->rank, (size_t)t->n_ranks * sizeof *more);
    struct ms_measured_sender *s = &more[t->n_ranks];
    int n = ms_measured_numbers(r->arena, r->csv.field[r->column[SELECTIONS]], &s->selections);
    if (n < 1 || (t->n_ranks > 0 && n != t->n_experts))
        return wrong(r, err, SELECTIONS, "must be one number an expert, as many on every rank");
    t->n_experts = n;
    if (r->column[COPIES] >= 0 && *r->csv.field[r->column[COPIES]])
        s->n_copies = ms_measured_numbers(r->arena, r->csv.field[r->column[COPIES]], &s->copies_to);
    if (s->n_copies < 0)
        return wrong(r, err, COPIES, "must be one number a rank");
    t->rank = more;
    t->n_ranks++;
    return MS_OK;
}

enum ms_status ms_measured_traffic_read(struct ms_arena *arena, struct ms_files *files,
                                        const char *path, struct ms_measured_traffic **out,
                                        size_t *n, struct ms_errs *errs)
{
    struct ms_err err = {0};
    struct reading r = {.arena = arena};
    const char *kept = ms_arena_strdup(arena, path);
    enum ms_status s = kept ? ms_csv_open(&r.csv, files, kept, &err)
                            : ms_err_set(&err, MS_NOMEM, "out of memory for recorded traffic");
    if (s == MS_OK)
        s = ms_csv_next(&r.csv, &err);
    if (s == MS_OK)
        s = read_header(&r, &err);
    while (s == MS_OK && (s = ms_csv_next(&r.csv, &err)) == MS_OK && r.csv.n_fields > 0)
        s = read_row(&r, &err);
    for (size_t i = 0; s == MS_OK && i < r.n; i++)
        for (int k = 0; s == MS_OK && k < r.traffic[i].n_ranks; k++)
            if (r.traffic[i].rank[k].n_copies &&
                r.traffic[i].rank[k].n_copies != r.traffic[i].n_ranks)
                s = ms_err_at(&err, MS_INVALID, kept, 0, 0, column_names[COPIES],
                              "of '%s' must be one number a rank", r.traffic[i].key);
    ms_csv_finish(&r.csv);
    if (s != MS_OK)
        ms_errs_add(errs, &err);
    *out = r.traffic;
    *n = s == MS_OK ? r.n : 0;
    return s;
}
