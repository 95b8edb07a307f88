/* Decides which lines of which files are the records of a comparison, what keys they answer to, and
 * which of those vary. */
#include "report/results.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/hash.h"
#include "base/json.h"
#include "sweep/lines.h"
#include "sweep/store.h"

/* What every record says about itself, under the scenario's key. */
static const struct {
    const char *key, *path;
} own_keys[] = {
    {"platform", "platform.name"},
    {"network.model", "network_model"},
    {"exchange.algorithm", "caption.algorithm"},
    {"placement.strategy", "caption.placement"},
    {"scenario", "caption.scenario"},
    {"workload.ranks", "ranks"},
    {"seed", "seed"},
    {"repeats", "repeats"},
};
enum { N_OWN = sizeof own_keys / sizeof *own_keys };

static enum ms_status nomem(struct ms_err *err)
{
    return ms_err_set(err, MS_NOMEM, "out of memory for the results");
}

static const struct ms_fact *at(const struct ms_result *r, const char *path)
{
    return ms_facts_get(&r->facts, ms_strings_find(r->names, path));
}

double ms_result_number(const struct ms_result *r, const char *path)
{
    const struct ms_fact *f = at(r, path);
    return f ? f->number : NAN;
}

const char *ms_result_text(const struct ms_result *r, const char *path, const char *fallback)
{
    const struct ms_fact *f = at(r, path);
    return f && f->text ? f->text : fallback;
}

bool ms_result_true(const struct ms_result *r, const char *path)
{
    return strcmp(ms_result_text(r, path, ""), "true") == 0;
}

json_t *ms_result_json(const struct ms_result *r)
{
    return json_loads(r->line, 0, NULL);
}

size_t ms_results_column(const struct ms_results *s, const char *key)
{
    size_t i = 0;
    while (i < s->n_columns && strcmp(s->column[i], key) != 0)
        i++;
    return i;
}

const char *ms_result_label(const struct ms_results *s, const struct ms_result *r, const char *key)
{
    size_t i = ms_results_column(s, key);
    return i < s->n_columns ? s->texts.text[r->label[i]] : "";
}

/* ---- reading ---- */

static bool is_folder(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* path -> folder and file name; a file's folder is what scenario.json stands beside. */
static enum ms_status locate(struct ms_arena *arena, const char *path, const char **dir,
                             const char **name, struct ms_err *err)
{
    struct stat st;
    if (stat(path, &st) != 0)
        return ms_err_at(err, MS_INVALID, path, 0, 0, NULL, "no such folder or file");
    *dir = path;
    *name = "results.jsonl";
    if (is_folder(path))
        return MS_OK;
    const char *slash = strrchr(path, '/');
    char *copy = ms_arena_strdup(arena, slash ? path : ".");
    if (!copy)
        return nomem(err);
    if (slash)
        copy[slash == path ? 1 : slash - path] = '\0';
    *dir = copy;
    *name = slash ? slash + 1 : path;
    return MS_OK;
}

/* Shards of one study are one study. */
static void count_cases(struct ms_results *s, const json_t *scenario)
{
    const char *hash = json_string_value(json_object_get(scenario, "study_hash"));
    for (size_t i = 0; hash && i < s->n_studies; i++)
        if (strcmp(s->study[i], hash) == 0)
            return;
    const char *copy = hash ? ms_arena_strdup(&s->arena, hash) : NULL;
    if (!copy)
        return;
    s->study[s->n_studies++] = copy;
    s->n_wanted += (size_t)json_integer_value(json_object_get(scenario, "n_cases"));
}

static void read_report(struct ms_results *s, const char *dir)
{
    char *path = ms_path_join(&s->arena, dir, "scenario.json");
    json_t *o = path ? json_load_file(path, 0, NULL) : NULL;
    const json_t *report = json_object_get(o, "report");
    const char *by = json_string_value(json_object_get(report, "by"));
    const char *metric = json_string_value(json_object_get(report, "metric"));
    const json_t *margin = json_object_get(report, "margin");
    count_cases(s, o);
    if (by && !s->by)
        s->by = ms_arena_strdup(&s->arena, by);
    if (metric && !s->metric)
        s->metric = ms_arena_strdup(&s->arena, metric);
    if (json_is_number(margin) && s->margin < 0)
        s->margin = json_number_value(margin);
    json_decref(o);
}

struct reader {
    struct ms_results *s;
    struct ms_strings seen; /* hashes of the lines met */
    const char *source;
    size_t cap, n_here; /* records of this source */
    bool strange;       /* the last one is of another schema */
};

static bool grown(struct reader *a)
{
    struct ms_results *s = a->s;
    if (s->n < a->cap)
        return true;
    size_t cap = a->cap ? 2 * a->cap : 64;
    struct ms_result *r = MS_NEW(&s->arena, struct ms_result, cap);
    if (r && s->n > 0)
        memcpy(r, s->r, s->n * sizeof *r);
    if (r) {
        s->r = r;
        a->cap = cap;
    }
    return r != NULL;
}

/* Equal lines are one record: shards, and the same folder twice. */
static bool add(void *ctx, const char *line, json_t *object)
{
    struct reader *a = ctx;
    struct ms_results *s = a->s;
    size_t n_seen = a->seen.n;
    a->n_here++;
    if (a->strange || ms_strings_add(&a->seen, ms_hash128(line, strlen(line)).hex) < n_seen)
        return true;
    struct ms_result r = {.line = line, .source = a->source, .names = s->names};
    if (a->seen.failed || !grown(a) ||
        !ms_facts_read(object, s->names, &s->texts, &s->arena, &r.facts))
        return false;
    r.id = ms_result_text(&r, "case", "");
    r.key = ms_result_text(&r, "key", "");
    r.ok = strcmp(ms_result_text(&r, "status", ""), "ok") == 0;
    r.work_hash = ms_result_text(&r, "work_hash", "");
    a->strange = strcmp(ms_result_text(&r, "schema", ""), MS_RECORD_SCHEMA) != 0;
    s->r[s->n++] = r;
    return true;
}

static bool has_axis(const struct ms_result *r, const char *key)
{
    char path[256];
    snprintf(path, sizeof path, "axes.%s", key);
    return at(r, path) != NULL;
}

/* A failed record says nothing about itself, so only its axes count. */
static bool varies(const struct ms_results *s, size_t column)
{
    const struct ms_result *first = NULL;
    for (size_t i = 0; i < s->n; i++) {
        const struct ms_result *r = &s->r[i];
        if (!r->ok && !has_axis(r, s->column[column]))
            continue;
        if (first && first->label[column] != r->label[column])
            return true;
        first = r;
    }
    return false;
}

/* The columns: every axis, then what records say about themselves. */
static enum ms_status find_columns(struct ms_results *s, struct ms_err *err)
{
    static const char axes[] = "axes.";
    size_t most = s->names->n + N_OWN;
    s->column = MS_NEW(&s->arena, const char *, most);
    s->key = MS_NEW(&s->arena, const char *, most);
    if (!s->column || !s->key)
        return nomem(err);
    for (size_t i = 0; i < s->names->n; i++)
        if (strncmp(s->names->text[i], axes, sizeof axes - 1) == 0)
            s->column[s->n_columns++] = s->names->text[i] + sizeof axes - 1;
    for (int i = 0; i < N_OWN; i++)
        if (ms_results_column(s, own_keys[i].key) == s->n_columns)
            s->column[s->n_columns++] = own_keys[i].key;
    return MS_OK;
}

/* The paths under which a column's value stands: the axis, else the own key (n = neither). */
static void paths_of(const struct ms_results *s, const char *column, size_t path[2])
{
    char axis[256];
    snprintf(axis, sizeof axis, "axes.%s", column);
    path[0] = ms_strings_find(s->names, axis);
    path[1] = s->names->n;
    for (int i = 0; i < N_OWN; i++)
        if (strcmp(own_keys[i].key, column) == 0)
            path[1] = ms_strings_find(s->names, own_keys[i].path);
}

static size_t label_of(struct ms_results *s, const struct ms_result *r, const size_t path[2])
{
    const struct ms_fact *f = ms_facts_get(&r->facts, path[0]);
    char number[40];
    if (!f)
        f = ms_facts_get(&r->facts, path[1]);
    if (!f)
        return ms_strings_add(&s->texts, "");
    return ms_strings_add(&s->texts, f->text ? f->text : ms_number(f->number, number));
}

static enum ms_status label_all(struct ms_results *s, struct ms_err *err)
{
    size_t n_columns = s->n_columns, *label = MS_NEW(&s->arena, size_t, s->n * n_columns);
    if (!label)
        return nomem(err);
    for (size_t i = 0; i < s->n; i++)
        s->r[i].label = label + i * n_columns;
    for (size_t k = 0; k < n_columns; k++) {
        size_t path[2];
        paths_of(s, s->column[k], path);
        for (size_t i = 0; i < s->n; i++)
            label[i * n_columns + k] = label_of(s, &s->r[i], path);
    }
    return s->texts.failed ? nomem(err) : MS_OK;
}

static enum ms_status find_keys(struct ms_results *s, struct ms_err *err)
{
    enum ms_status status = find_columns(s, err);
    if (status == MS_OK)
        status = label_all(s, err);
    for (size_t k = 0; status == MS_OK && k < s->n_columns; k++)
        if (varies(s, k))
            s->key[s->n_keys++] = s->column[k];
    return status;
}

static enum ms_status read_one(struct reader *a, const char *path, struct ms_err *err)
{
    struct ms_results *s = a->s;
    const char *dir = NULL, *name = NULL;
    enum ms_status status = locate(&s->arena, path, &dir, &name, err);
    const char *file = status == MS_OK ? ms_path_join(&s->arena, dir, name) : NULL;
    if (status == MS_OK && !file)
        status = nomem(err);
    a->source = path;
    a->n_here = 0;
    if (status == MS_OK && access(file, F_OK) == 0)
        status = ms_lines_each(file, &s->text[s->n_texts++], add, a, err);
    if (status == MS_OK && a->n_here == 0)
        return ms_err_at(err, MS_INVALID, path, 0, 0, NULL, "holds no results");
    if (status == MS_OK && a->strange)
        return ms_err_at(err, MS_INVALID, path, 0, 0, NULL, "a record (case '%s') is not a %s",
                         s->r[s->n - 1].id, MS_RECORD_SCHEMA);
    if (status == MS_OK)
        read_report(s, dir);
    return status;
}

enum ms_status ms_results_read(struct ms_results *out, const char *const *paths, size_t n_paths,
                               struct ms_err *err)
{
    struct ms_results s = {.margin = -1};
    struct reader a = {.s = &s};
    s.study = MS_NEW(&s.arena, const char *, n_paths);
    s.text = MS_NEW(&s.arena, struct ms_buf, n_paths);
    s.names = MS_NEW(&s.arena, struct ms_strings, 1);
    enum ms_status status = s.study && s.text && s.names ? MS_OK : nomem(err);
    for (size_t i = 0; status == MS_OK && i < n_paths; i++)
        status = read_one(&a, paths[i], err);
    ms_strings_finish(&a.seen);
    if (status == MS_OK)
        status = find_keys(&s, err);
    if (status != MS_OK) {
        ms_results_finish(&s);
        return status;
    }
    if (s.margin < 0)
        s.margin = 0.05;
    *out = s;
    return MS_OK;
}

void ms_results_finish(struct ms_results *s)
{
    for (size_t i = 0; i < s->n_texts; i++)
        ms_buf_finish(&s->text[i]);
    if (s->names)
        ms_strings_finish(s->names);
    ms_strings_finish(&s->texts);
    ms_arena_finish(&s->arena);
    *s = (struct ms_results){0};
}

/* ---- samples ---- */

static const json_t *series(const json_t *record, const char *name)
{
    char member[40];
    snprintf(member, sizeof member, "%s_us", name);
    return json_object_get(json_object_get(record, "samples"), member);
}

static size_t flatten(const json_t *repeats, double *value, int *repeat)
{
    size_t n = 0, i, k;
    const json_t *list, *v;
    json_array_foreach((json_t *)repeats, i, list)
    {
        json_array_foreach((json_t *)list, k, v)
        {
            if (value) {
                value[n] = json_number_value(v);
                repeat[n] = (int)i;
            }
            n++;
        }
    }
    return n;
}

static bool samples_of(const json_t *record, enum ms_series which, struct ms_arena *arena,
                       struct ms_clustered *out)
{
    bool combine = which == MS_SERIES_COMBINE;
    const json_t *a = series(record, ms_series_name(combine ? MS_SERIES_EXCHANGE : which));
    size_t n = a ? flatten(a, NULL, NULL) : 0;
    double *value = MS_NEW(arena, double, n), *less = combine ? MS_NEW(arena, double, n) : NULL;
    int *repeat = MS_NEW(arena, int, n);
    if (n == 0 || !value || !repeat || (combine && !less))
        return false;
    flatten(a, value, repeat);
    if (combine) {
        const json_t *b = series(record, ms_series_name(MS_SERIES_DISPATCH));
        if (!b || flatten(b, NULL, NULL) != n)
            return false;
        flatten(b, less, repeat);
        for (size_t i = 0; i < n; i++)
            value[i] -= less[i];
    }
    *out = (struct ms_clustered){value, repeat, n, (int)json_array_size(a)};
    return true;
}

bool ms_result_samples(const struct ms_result *r, enum ms_series which, struct ms_arena *arena,
                       struct ms_clustered *out)
{
    json_t *record = ms_result_json(r);
    bool there = record && samples_of(record, which, arena, out);
    json_decref(record);
    return there;
}
