/* Decides what keys records answer to, which of them vary, and what a joined key or a condition
 * makes of them. */
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "report/results.h"

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
    {"hardware", "hardware"},
};
enum { N_OWN = sizeof own_keys / sizeof *own_keys };

static enum ms_status nomem(struct ms_err *err)
{
    return ms_err_set(err, MS_NOMEM, "out of memory for the results");
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

/* ---- columns ---- */

static void add_column(struct ms_results *s, const char *key)
{
    if (ms_results_column(s, key) == s->n_columns)
        s->column[s->n_columns++] = key;
}

/* A setting that one folder has and another has not, or has otherwise. */
static bool differs(const struct ms_results *s, size_t path)
{
    const struct ms_fact *first = ms_facts_get(&s->settings[0], path);
    for (size_t i = 1; i < s->n_sources; i++) {
        const struct ms_fact *f = ms_facts_get(&s->settings[i], path);
        if (s->settings[i].n == 0 || s->settings[0].n == 0)
            continue; /* a file without its folder says nothing */
        if (!f != !first)
            return true;
        if (f && (f->text != first->text || (!f->text && f->number != first->number)))
            return true;
    }
    return false;
}

/* The columns: every axis, every zip, what differs between folders, what records say about
 * themselves, and the folder. */
static enum ms_status find_columns(struct ms_results *s, struct ms_err *err)
{
    static const char axes[] = "axes.", set[] = "set.";
    size_t most = s->names->n + N_OWN + s->n_zips + MS_RESULTS_JOINS + 1;
    s->column = MS_NEW(&s->arena, const char *, most);
    s->key = MS_NEW(&s->arena, const char *, most);
    if (!s->column || !s->key)
        return nomem(err);
    for (size_t i = 0; i < s->names->n; i++)
        if (strncmp(s->names->text[i], axes, sizeof axes - 1) == 0)
            add_column(s, s->names->text[i] + sizeof axes - 1);
    for (size_t i = 0; i < s->names->n; i++)
        if (strncmp(s->names->text[i], set, sizeof set - 1) == 0 && differs(s, i))
            add_column(s, s->names->text[i] + sizeof set - 1);
    for (int i = 0; i < N_OWN; i++)
        add_column(s, own_keys[i].key);
    for (size_t i = 0; i < s->n_zips; i++)
        add_column(s, s->zip[i].name);
    add_column(s, "folder");
    return MS_OK;
}

/* ---- labels ---- */

/* Under which paths a column's value stands: the axis, the own key, the folder's settings. */
struct places {
    size_t axis, own, set;
};

static size_t find(const struct ms_results *s, const char *start, const char *column)
{
    char path[300];
    snprintf(path, sizeof path, "%s%s", start, column);
    return ms_strings_find(s->names, path);
}

static struct places places_of(const struct ms_results *s, const char *column)
{
    struct places p = {find(s, "axes.", column), s->names->n, find(s, "set.", column)};
    for (int i = 0; i < N_OWN; i++)
        if (strcmp(own_keys[i].key, column) == 0)
            p.own = ms_strings_find(s->names, own_keys[i].path);
    return p;
}

static size_t plain_label(struct ms_results *s, const struct ms_result *r, const struct places *p)
{
    const struct ms_fact *f = ms_facts_get(&r->facts, p->axis);
    char number[40];
    if (!f)
        f = ms_facts_get(&r->facts, p->own);
    if (!f)
        f = ms_facts_get(&s->settings[r->n_source], p->set);
    if (!f)
        return ms_strings_add(&s->texts, "");
    return ms_strings_add(&s->texts, f->text ? f->text : ms_number(f->number, number));
}

const char *ms_result_setting(const struct ms_results *s, const struct ms_result *r,
                              const char *key, char *number)
{
    const struct ms_fact *f = ms_facts_get(&r->facts, find(s, "axes.", key));
    if (!f)
        f = ms_facts_get(&s->settings[r->n_source], find(s, "set.", key));
    return !f ? "" : f->text ? f->text : ms_number(f->number, number);
}

/* Values of several columns as one label. */
static size_t joined_label(struct ms_results *s, const struct ms_result *r, const char *const *key,
                           size_t n)
{
    struct ms_buf b = {0};
    ms_buf_adds(&b, "");
    for (size_t i = 0; i < n; i++) {
        const char *label = ms_result_label(s, r, key[i]);
        ms_buf_printf(&b, "%s%s", i ? " + " : "", *label ? label : "-");
    }
    size_t id = ms_strings_add(&s->texts, b.failed ? "" : b.p);
    s->texts.failed = s->texts.failed || b.failed;
    ms_buf_finish(&b);
    return id;
}

static size_t folder_label(struct ms_results *s, const struct ms_result *r)
{
    char stem[256];
    const char *slash = strrchr(r->source, '/');
    bool is_file = strstr(r->source, ".jsonl") != NULL;
    if (is_file && slash && slash > r->source) { /* a/b/results.jsonl: b */
        char dir[4096];
        snprintf(dir, sizeof dir, "%.*s", (int)(slash - r->source), r->source);
        return ms_strings_add(&s->texts, ms_path_stem(dir, stem, sizeof stem));
    }
    return ms_strings_add(&s->texts, ms_path_stem(r->source, stem, sizeof stem));
}

static enum ms_status label_all(struct ms_results *s, struct ms_err *err)
{
    size_t stride = s->n_columns + MS_RESULTS_JOINS, zips = s->n_columns - 1 - s->n_zips,
           *label = MS_NEW(&s->arena, size_t, s->n * stride);
    if (!label)
        return nomem(err);
    for (size_t i = 0; i < s->n; i++)
        s->r[i].label = label + i * stride;
    for (size_t k = 0; k < s->n_columns; k++) {
        struct places p = places_of(s, s->column[k]);
        for (size_t i = 0; i < s->n; i++) {
            struct ms_result *r = &s->r[i];
            r->label[k] = k + 1 == s->n_columns ? folder_label(s, r)
                          : k >= zips
                              ? joined_label(s, r, s->zip[k - zips].key, s->zip[k - zips].n_keys)
                              : plain_label(s, r, &p);
        }
    }
    return s->texts.failed ? nomem(err) : MS_OK;
}

/* ---- what varies ---- */

static bool has_axis(const struct ms_results *s, const struct ms_result *r, size_t column)
{
    return ms_facts_get(&r->facts, find(s, "axes.", s->column[column])) != NULL;
}

/* A failed record says nothing about itself, so only its axes count. */
static bool varies(const struct ms_results *s, size_t column)
{
    const struct ms_result *first = NULL;
    for (size_t i = 0; i < s->n; i++) {
        const struct ms_result *r = &s->r[i];
        if (!r->ok && !has_axis(s, r, column))
            continue;
        if (first && first->label[column] != r->label[column])
            return true;
        first = r;
    }
    return false;
}

/* Names of zips, folders and joins say again what their keys say: they are there when asked for. */
static bool is_plain(const struct ms_results *s, size_t column)
{
    const char *name = s->column[column];
    for (size_t i = 0; i < s->n_zips; i++)
        if (strcmp(s->zip[i].name, name) == 0)
            return false;
    return strcmp(name, "folder") != 0 && !strchr(name, '+');
}

static void find_varying(struct ms_results *s)
{
    s->n_keys = 0;
    for (size_t k = 0; k < s->n_columns; k++)
        if (is_plain(s, k) && varies(s, k))
            s->key[s->n_keys++] = s->column[k];
}

enum ms_status ms_results_find_keys(struct ms_results *s, struct ms_err *err)
{
    enum ms_status status = find_columns(s, err);
    if (status == MS_OK)
        status = label_all(s, err);
    if (status == MS_OK)
        find_varying(s);
    return status;
}

/* ---- joins and conditions ---- */

enum { MOST_PARTS = 8 };

enum ms_status ms_results_join(struct ms_results *s, const char *keys, struct ms_err *err)
{
    char *copy = ms_arena_strdup(&s->arena, keys), *rest = NULL, allowed[512];
    const char *part[MOST_PARTS];
    size_t n = 0;
    if (!copy)
        return nomem(err);
    if (ms_results_column(s, keys) < s->n_columns || !strchr(keys, '+'))
        return MS_OK;
    for (char *p = strtok_r(copy, "+", &rest); p; p = strtok_r(NULL, "+", &rest)) {
        if (n == MOST_PARTS || ms_results_column(s, p) == s->n_columns)
            return ms_err_set(err, MS_USAGE, "--by: '%s' is not a key of these results%s", p,
                              ms_allowed(allowed, sizeof allowed, p, s->key, s->n_keys));
        part[n++] = p;
    }
    const char *name = ms_arena_strdup(&s->arena, keys);
    if (!name)
        return nomem(err);
    for (size_t i = 0; i < s->n; i++)
        s->r[i].label[s->n_columns] = joined_label(s, &s->r[i], part, n);
    s->column[s->n_columns++] = name;
    return s->texts.failed ? nomem(err) : MS_OK;
}

enum ms_status ms_results_keep(struct ms_results *s, const char *where, struct ms_err *err)
{
    const char *equals = strchr(where, '=');
    char key[256], allowed[512];
    bool is_not = equals && equals > where && equals[-1] == '!';
    size_t kept = 0;
    snprintf(key, sizeof key, "%.*s", equals ? (int)(equals - where) - is_not : 0, where);
    size_t column = ms_results_column(s, key);
    if (!equals || column == s->n_columns)
        return ms_err_set(err, MS_USAGE,
                          "--where: '%s' is not KEY=VALUE with a key of these "
                          "results%s",
                          where, ms_allowed(allowed, sizeof allowed, key, s->key, s->n_keys));
    for (size_t i = 0; i < s->n; i++) {
        const char *label = s->texts.text[s->r[i].label[column]];
        if ((strcmp(label, equals + 1) == 0) != is_not)
            s->r[kept++] = s->r[i];
    }
    if (kept == 0)
        return ms_err_set(err, MS_USAGE, "--where: no record has '%s'", where);
    s->n = kept;
    s->n_wanted = 0; /* what is missing of a part cannot be told */
    find_varying(s);
    return MS_OK;
}
