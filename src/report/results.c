#include "report/results.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
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

static const json_t *at(const json_t *o, const char *path)
{
    char word[64];
    for (const char *dot; o && (dot = strchr(path, '.')); path = dot + 1) {
        snprintf(word, sizeof word, "%.*s", (int)(dot - path), path);
        o = json_object_get(o, word);
    }
    return json_object_get(o, path);
}

double ms_result_number(const struct ms_result *r, const char *path)
{
    const json_t *v = at(r->json, path);
    return json_is_number(v) ? json_number_value(v) : NAN;
}

const char *ms_result_text(const struct ms_result *r, const char *path, const char *fallback)
{
    const char *s = json_string_value(at(r->json, path));
    return s ? s : fallback;
}

static const char *as_text(const json_t *v, struct ms_arena *arena)
{
    char number[40] = "";
    if (json_is_string(v))
        return json_string_value(v);
    if (json_is_boolean(v))
        return json_is_true(v) ? "true" : "false";
    if (json_is_integer(v))
        snprintf(number, sizeof number, "%lld", (long long)json_integer_value(v));
    else if (json_is_real(v))
        ms_number(json_real_value(v), number);
    else if (v) { /* an axis of structures */
        char *text = json_dumps(v, JSON_COMPACT | JSON_SORT_KEYS);
        const char *copy = text ? ms_arena_strdup(arena, text) : NULL;
        free(text);
        return copy ? copy : "";
    }
    const char *copy = ms_arena_strdup(arena, number);
    return copy ? copy : "";
}

const char *ms_result_label(const struct ms_result *r, const char *key, struct ms_arena *arena)
{
    const json_t *v = json_object_get(json_object_get(r->json, "axes"), key);
    for (int i = 0; !v && i < N_OWN; i++)
        if (strcmp(own_keys[i].key, key) == 0)
            v = at(r->json, own_keys[i].path);
    return v ? as_text(v, arena) : "";
}

bool ms_results_has_key(const struct ms_results *s, const char *key)
{
    for (int i = 0; i < N_OWN; i++)
        if (strcmp(own_keys[i].key, key) == 0)
            return true;
    for (size_t i = 0; i < s->n; i++)
        if (json_object_get(json_object_get(s->r[i].json, "axes"), key))
            return true;
    return false;
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

static bool is_known(const struct ms_results *s, const struct ms_line *l)
{
    for (size_t i = 0; i < s->n; i++)
        if (strcmp(s->r[i].line, l->text) == 0)
            return true;
    return false;
}

static enum ms_status add(struct ms_results *s, const char *source, const struct ms_line *lines,
                          size_t n, struct ms_err *err)
{
    struct ms_result *grown = MS_NEW(&s->arena, struct ms_result, s->n + n);
    if (!grown)
        return nomem(err);
    if (s->n > 0)
        memcpy(grown, s->r, s->n * sizeof *grown);
    s->r = grown;
    for (size_t i = 0; i < n; i++) {
        if (is_known(s, &lines[i]))
            continue;
        struct ms_result *r = &s->r[s->n];
        *r = (struct ms_result){
            .json = json_loads(lines[i].text, 0, NULL), .line = lines[i].text, .source = source};
        if (!r->json)
            return nomem(err);
        s->n++;
        r->id = lines[i].id;
        r->key = lines[i].key;
        r->ok = strcmp(lines[i].status, "ok") == 0;
        r->work_hash = ms_result_text(r, "work_hash", "");
        if (strcmp(ms_result_text(r, "schema", ""), MS_RECORD_SCHEMA) != 0)
            return ms_err_at(err, MS_INVALID, source, 0, 0, NULL, "record %zu is not a %s", i + 1,
                             MS_RECORD_SCHEMA);
    }
    return MS_OK;
}

static bool varies(const struct ms_results *s, const char *key, struct ms_arena *scratch)
{
    const char *first = NULL;
    for (size_t i = 0; i < s->n; i++) {
        if (!s->r[i].ok && !json_object_get(json_object_get(s->r[i].json, "axes"), key))
            continue;
        const char *label = ms_result_label(&s->r[i], key, scratch);
        if (first && strcmp(first, label) != 0)
            return true;
        first = label;
    }
    return false;
}

static bool listed(const struct ms_results *s, const char *key)
{
    for (size_t i = 0; i < s->n_keys; i++)
        if (strcmp(s->key[i], key) == 0)
            return true;
    return false;
}

static enum ms_status find_keys(struct ms_results *s, struct ms_err *err)
{
    struct ms_arena scratch = {0};
    size_t most = N_OWN;
    for (size_t i = 0; i < s->n; i++)
        most += json_object_size(json_object_get(s->r[i].json, "axes"));
    s->key = MS_NEW(&s->arena, const char *, most);
    if (!s->key)
        return nomem(err);
    for (size_t i = 0; i < s->n; i++) {
        const char *key;
        json_t *value;
        json_object_foreach(json_object_get(s->r[i].json, "axes"), key, value)
        {
            if (!listed(s, key) && varies(s, key, &scratch))
                s->key[s->n_keys++] = key;
        }
    }
    for (int i = 0; i < N_OWN; i++)
        if (!listed(s, own_keys[i].key) && varies(s, own_keys[i].key, &scratch))
            s->key[s->n_keys++] = own_keys[i].key;
    ms_arena_finish(&scratch);
    return MS_OK;
}

static enum ms_status read_one(struct ms_results *s, const char *path, struct ms_err *err)
{
    const char *dir = NULL, *name = NULL;
    struct ms_line *lines;
    size_t n = 0;
    enum ms_status status = locate(&s->arena, path, &dir, &name, err);
    if (status == MS_OK)
        status = ms_lines_read(dir, name, &s->arena, &lines, &n, err);
    if (status == MS_OK && n == 0)
        return ms_err_at(err, MS_INVALID, path, 0, 0, NULL, "holds no results");
    if (status == MS_OK)
        status = add(s, path, lines, n, err);
    if (status == MS_OK)
        read_report(s, dir);
    return status;
}

enum ms_status ms_results_read(struct ms_results *out, const char *const *paths, size_t n_paths,
                               struct ms_err *err)
{
    struct ms_results s = {.margin = -1};
    s.study = MS_NEW(&s.arena, const char *, n_paths);
    enum ms_status status = s.study ? MS_OK : nomem(err);
    for (size_t i = 0; status == MS_OK && i < n_paths; i++)
        status = read_one(&s, paths[i], err);
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
    for (size_t i = 0; i < s->n; i++)
        json_decref(s->r[i].json);
    ms_arena_finish(&s->arena);
    *s = (struct ms_results){0};
}

/* ---- samples ---- */

static const json_t *series(const struct ms_result *r, const char *name)
{
    char member[40];
    snprintf(member, sizeof member, "%s_us", name);
    return json_object_get(json_object_get(r->json, "samples"), member);
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

bool ms_result_samples(const struct ms_result *r, enum ms_series which, struct ms_arena *arena,
                       struct ms_clustered *out)
{
    bool combine = which == MS_SERIES_COMBINE;
    const json_t *a = series(r, ms_series_name(combine ? MS_SERIES_EXCHANGE : which));
    size_t n = a ? flatten(a, NULL, NULL) : 0;
    double *value = MS_NEW(arena, double, n), *less = combine ? MS_NEW(arena, double, n) : NULL;
    int *repeat = MS_NEW(arena, int, n);
    if (n == 0 || !value || !repeat || (combine && !less))
        return false;
    flatten(a, value, repeat);
    if (combine) {
        const json_t *b = series(r, ms_series_name(MS_SERIES_DISPATCH));
        if (!b || flatten(b, NULL, NULL) != n)
            return false;
        flatten(b, less, repeat);
        for (size_t i = 0; i < n; i++)
            value[i] -= less[i];
    }
    *out = (struct ms_clustered){value, repeat, n, (int)json_array_size(a)};
    return true;
}
