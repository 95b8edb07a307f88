/* Decides which lines of which files are the records of a comparison, and what of their folder is
 * read beside them. */
#include "report/results.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/json_scan.h"
#include "sweep/lines.h"
#include "sweep/store.h"

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

bool ms_results_hardware_note(const struct ms_results *s, char *out, size_t size)
{
    size_t none = 0, ok = 0;
    for (size_t i = 0; i < s->n; i++) {
        ok += s->r[i].ok;
        none += strcmp(ms_result_text(&s->r[i], "hardware", ""), "none") == 0;
    }
    snprintf(out, size,
             "%s without a hardware profile: start-ups and message costs count as nothing "
             "(hardware: NAME; moesim list hardware)",
             none < ok ? "some cases run"
             : ok == 1 ? "the case runs"
                       : "all cases run");
    return none > 0;
}

double ms_result_units(const struct ms_result *r)
{
    double units = ms_result_number(r, "units"), repeats = ms_result_number(r, "repeats");
    return !isnan(units) ? units : isnan(repeats) ? 0 : repeats;
}

json_t *ms_result_json(const struct ms_result *r)
{
    return json_loads(r->line, 0, NULL);
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
    char near[600];
    if (stat(path, &st) != 0)
        return ms_err_at(err, MS_INVALID, path, 0, 0, NULL, "no such folder or file%s",
                         ms_near_file(path, NULL, near, sizeof near));
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

static struct ms_zip *zip_named(struct ms_results *s, const char *name, size_t most_keys)
{
    for (size_t i = 0; i < s->n_zips; i++)
        if (strcmp(s->zip[i].name, name) == 0)
            return &s->zip[i];
    struct ms_zip z = {.name = ms_arena_strdup(&s->arena, name),
                       .key = MS_NEW(&s->arena, const char *, most_keys)};
    if (!z.name || !z.key)
        return NULL;
    s->zip[s->n_zips] = z;
    return &s->zip[s->n_zips++];
}

/* Keys that move together say so: {"key":…,"zip":"name"}. Every folder of a comparison may have
 * zips of its own; the first of a name counts. */
static void read_zips(struct ms_results *s, const json_t *axes)
{
    size_t i, n_before = s->n_zips, n = json_array_size(axes);
    const json_t *axis;
    struct ms_zip *grown = MS_NEW(&s->arena, struct ms_zip, n_before + n);
    if (!grown)
        return;
    if (n_before > 0)
        memcpy(grown, s->zip, n_before * sizeof *grown);
    s->zip = grown;
    json_array_foreach((json_t *)axes, i, axis)
    {
        const char *name = json_string_value(json_object_get(axis, "zip")),
                   *key = json_string_value(json_object_get(axis, "key"));
        struct ms_zip *z = name && key ? zip_named(s, name, n) : NULL;
        const char *copy = z ? ms_arena_strdup(&s->arena, key) : NULL;
        if (copy && (size_t)(z - s->zip) >= n_before)
            z->key[z->n_keys++] = copy;
    }
}

static enum ms_status read_report(struct ms_results *s, const char *dir, struct ms_err *err)
{
    struct ms_err why = {0};
    json_t *o = NULL;
    enum ms_status status = ms_study_file_read(dir, &o, &why);
    if (status == MS_NOMEM)
        return nomem(err);
    if (status != MS_OK) /* the records speak for themselves; what the study wanted is not known */
        ms_errs_warn_at(&s->warnings, why.file, 0, 0, NULL, "%s: its defaults are left out",
                        ms_json_reason(why.text));
    const json_t *report = json_object_get(o, "report");
    const char *by = json_string_value(json_object_get(report, "by"));
    const char *metric = json_string_value(json_object_get(report, "metric"));
    const json_t *margin = json_object_get(report, "margin");
    count_cases(s, o);
    read_zips(s, json_object_get(o, "axes"));
    ms_facts_read_settings(json_object_get(o, "settings"), s->names, &s->texts, &s->arena,
                           &s->settings[s->n_sources]);
    if (by && !s->by)
        s->by = ms_arena_strdup(&s->arena, by);
    if (metric && !s->metric)
        s->metric = ms_arena_strdup(&s->arena, metric);
    if (json_is_number(margin) && s->margin < 0)
        s->margin = json_number_value(margin);
    json_decref(o);
    return MS_OK;
}

struct reader {
    struct ms_results *s;
    struct ms_strings seen; /* hashes of the lines met */
    const char *source;
    size_t cap, n_here; /* records of this source */
    bool strange;       /* the last one is of another schema */
    bool brief;         /* for the closing table alone */
};

static bool grown(struct reader *a)
{
    struct ms_results *s = a->s;
    if (s->n < a->cap)
        return true;
    size_t cap = a->cap ? 2 * a->cap : 64;
    struct ms_result *r = realloc(s->r, cap * sizeof *r);
    if (r) {
        s->r = r;
        a->cap = cap;
    }
    return r != NULL;
}

/* What the closing table (overview.c) and the keys of records (results_keys.c) are made of. */
static const char *const brief[] = {
    "schema",  "case",      "status",     "axes.",         "seed",      "hardware",  "ranks",
    "repeats", "units",     "platform.",  "network_model", "caption.",  "exchange.", "layer.",
    "step.",   "slowdown.", "imbalance.", "variance.",     "training.", NULL};

/* Equal lines are one record: shards, and the same folder twice. A folder that was just written has
 * none. */
static bool add(void *ctx, const char *line, size_t n)
{
    struct reader *a = ctx;
    struct ms_results *s = a->s;
    size_t n_seen = a->seen.n;
    a->n_here++;
    if (a->strange)
        return true;
    if (!a->brief && ms_strings_add(&a->seen, ms_hash128(line, n).hex) < n_seen)
        return true;
    struct ms_result r = {.line = a->brief ? NULL : line,
                          .source = a->source,
                          .n_source = s->n_sources,
                          .names = s->names};
    if (a->seen.failed || !grown(a) ||
        !ms_facts_read(line, a->brief ? brief : NULL, s->names, &s->texts, &s->arena, &r.facts))
        return false;
    r.id = ms_result_text(&r, "case", "");
    r.key = ms_result_text(&r, "key", "");
    r.ok = ms_store_good(ms_result_text(&r, "status", ""));
    r.work_hash = ms_result_text(&r, "work_hash", "");
    a->strange = strcmp(ms_result_text(&r, "schema", ""), MS_RECORD_SCHEMA) != 0;
    s->r[s->n++] = r;
    return true;
}

static bool add_met(void *ctx, const struct ms_line_met *l)
{
    return add(ctx, l->text, l->n);
}

static bool add_wall(void *ctx, const char *line, size_t n)
{
    struct ms_results *s = ctx;
    struct ms_json_scan scan = ms_json_scan_text(line, n);
    struct ms_json_slice key, v;
    while (ms_json_scan_next(&scan, &key, &v))
        if (v.kind == MS_JSON_NUMBER && ms_json_slice_is(&key, "wall_s"))
            s->wall_s += ms_json_slice_number(&v);
    return true;
}

/* What the cases took, for saying what more of them would take; not knowing it is no error. */
static void read_timing(struct ms_results *s, const char *dir)
{
    struct ms_buf text = {0};
    char *path = ms_path_join(&s->arena, dir, "timing.jsonl");
    if (path && access(path, R_OK) == 0)
        ms_lines_each(path, &text, add_wall, s, NULL, NULL);
    ms_buf_finish(&text);
}

static enum ms_status read_one(struct reader *a, const char *path, struct ms_err *err)
{
    struct ms_results *s = a->s;
    struct ms_lines_seen seen = {0};
    const char *dir = NULL, *name = NULL;
    char text[160];
    enum ms_status status = locate(&s->arena, path, &dir, &name, err);
    const char *file = status == MS_OK ? ms_path_join(&s->arena, dir, name) : NULL;
    if (status == MS_OK && !file)
        status = nomem(err);
    a->source = path;
    a->n_here = 0;
    uint64_t size;
    if (status == MS_OK && a->brief)
        status = ms_lines_walk(file, add_met, a, &seen, &size, err);
    else if (status == MS_OK && access(file, F_OK) == 0)
        status = ms_lines_each(file, &s->text[s->n_texts++], add, a, &seen, err);
    if (status == MS_OK && ms_lines_told(&seen, "", text, sizeof text))
        ms_errs_warn_at(&s->warnings, file, 0, 0, NULL, "%s", text);
    if (status == MS_OK && a->n_here == 0 && seen.n_broken > 0)
        return ms_err_at(err, MS_INVALID, path, 0, 0, NULL,
                         "holds no results that can be believed: %s", text);
    if (status == MS_OK && a->n_here == 0)
        return ms_err_at(err, MS_INVALID, path, 0, 0, NULL, "holds no results");
    if (status == MS_OK && a->strange)
        return ms_err_at(err, MS_INVALID, path, 0, 0, NULL, "a record (case '%s') is not a %s",
                         s->r[s->n - 1].id, MS_RECORD_SCHEMA);
    if (status == MS_OK) {
        status = read_report(s, dir, err);
        if (!a->brief)
            read_timing(s, dir);
    }
    s->n_sources++;
    return status;
}

static enum ms_status read_paths(struct ms_results *out, const char *const *paths, size_t n_paths,
                                 bool for_table, struct ms_err *err)
{
    struct ms_results s = {.margin = -1};
    struct reader a = {.s = &s, .brief = for_table};
    s.study = MS_NEW(&s.arena, const char *, n_paths);
    s.text = MS_NEW(&s.arena, struct ms_buf, n_paths);
    s.names = MS_NEW(&s.arena, struct ms_strings, 1);
    s.settings = MS_NEW(&s.arena, struct ms_facts, n_paths);
    enum ms_status status = s.study && s.text && s.names && s.settings ? MS_OK : nomem(err);
    for (size_t i = 0; status == MS_OK && i < n_paths; i++)
        status = read_one(&a, paths[i], err);
    ms_strings_finish(&a.seen);
    if (status == MS_OK)
        status = ms_results_find_keys(&s, err);
    if (status != MS_OK) {
        ms_results_finish(&s);
        return status;
    }
    if (s.margin < 0)
        s.margin = 0.05;
    *out = s;
    return MS_OK;
}

enum ms_status ms_results_read(struct ms_results *out, const char *const *paths, size_t n_paths,
                               struct ms_err *err)
{
    return read_paths(out, paths, n_paths, false, err);
}

enum ms_status ms_results_read_brief(struct ms_results *out, const char *dir, struct ms_err *err)
{
    return read_paths(out, &dir, 1, true, err);
}

void ms_results_finish(struct ms_results *s)
{
    for (size_t i = 0; i < s->n_texts; i++)
        ms_buf_finish(&s->text[i]);
    if (s->names)
        ms_strings_finish(s->names);
    free(s->r);
    ms_strings_finish(&s->texts);
    ms_errs_finish(&s->warnings);
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

bool ms_record_samples(const json_t *record, enum ms_series which, struct ms_arena *arena,
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
    bool there = record && ms_record_samples(record, which, arena, out);
    json_decref(record);
    return there;
}
