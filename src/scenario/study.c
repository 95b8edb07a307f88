/** @file study.c  A file with its --set arguments -> a study; one case of it; places for errors. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "scenario/errors.h"
#include "scenario/read.h"
#include "scenario/axes.h"

/* ---- --set KEY=VALUE ---- */

static void set_error(struct ms_errs *errs, int col, const char *key, const char *text,
                      const char *more)
{
    ms_errs_add_at(errs, MS_INVALID, "--set", 1, col, key, "%s%s", text, more);
}

/* One argument into the document; sweep.KEY is one key of the sweep however many dots it has. */
static const struct ms_yaml *put_set(struct ms_reading *r, const struct ms_yaml *doc,
                                     const struct ms_axes_set *set)
{
    if (strncmp(set->key, "sweep.", 6) != 0)
        return ms_axes_put(r->arena, doc, set->key, set->value);
    const struct ms_entry *old = ms_yaml_get(doc, "sweep");
    struct ms_yaml *sweep = MS_NEW(r->arena, struct ms_yaml, 1);
    struct ms_entry *e = MS_NEW(r->arena, struct ms_entry, 1);
    struct ms_entry *at = MS_NEW(r->arena, struct ms_entry, 1);
    if (!sweep || !e || !at)
        return NULL;
    *at = *set->value;
    if (old)
        *at = *ms_yaml_without(r->arena, old, set->key + 6);
    *e = *set->value;
    e->key = set->key + 6;
    e->next = old && at->value->kind == MS_YAML_MAP ? at->value->first : NULL;
    *sweep = (struct ms_yaml){.kind = MS_YAML_MAP, .first = e, .expanded = 1};
    for (const struct ms_entry *i = e; i; i = i->next)
        sweep->n++;
    at->value = sweep;
    return ms_yaml_set(r->arena, doc, "sweep", at);
}

static bool good_set_key(const char *key, struct ms_errs *errs)
{
    char hint[600];
    bool sweep = strncmp(key, "sweep", 5) == 0 && (key[5] == 0 || key[5] == '.');
    if (strlen(key) < 120 && (sweep || ms_key_settable(key)))
        return true;
    if (strlen(key) >= 120)
        set_error(errs, 1, NULL, "the key is too long", "");
    else
        set_error(errs, 1, key, "unknown key", ms_key_hint(key, true, hint, sizeof hint));
    return false;
}

static bool parse_set(struct ms_reading *r, const char *text, struct ms_axes_set *out)
{
    const char *equals = strchr(text, '=');
    char shown[80];
    size_t n = equals ? (size_t)(equals - text) : 0;
    if (n == 0 || text[0] == '.' || equals[-1] == '.' || strstr(text, "..") == text) {
        ms_errs_add_at(r->errs, MS_INVALID, "--set", 1, 1, NULL,
                       "'%s' is not KEY=VALUE such as repeats=2",
                       ms_clean(text, shown, sizeof shown));
        return false;
    }
    char *key = ms_arena_alloc(r->arena, n + 1, 1);
    if (!key)
        return false;
    memcpy(key, text, n);
    if (!good_set_key(key, r->errs))
        return false;
    out->key = key;
    if (equals[1] == 0) {
        set_error(r->errs, (int)n + 2, key, "there is no value", "");
        return false;
    }
    out->value =
        ms_yaml_parse(r->arena, "--set", (int)n + 1, equals + 1, strlen(equals + 1), r->errs);
    return out->value != NULL;
}

static struct ms_axes_set *parse_sets(struct ms_reading *r, const char *const *sets, size_t n_sets,
                                      size_t *n_out)
{
    struct ms_axes_set *out = MS_NEW(r->arena, struct ms_axes_set, n_sets);
    size_t n = 0;
    for (size_t i = 0; i < n_sets && out; i++)
        n += parse_set(r, sets[i], &out[n]);
    *n_out = n;
    return out;
}

static void check_cases(const struct ms_study *study, struct ms_errs *errs, size_t start)
{
    struct ms_arena arena = {0};
    for (size_t i = 0; i < study->n_cases && errs->n - start < MS_ERRORS_ENOUGH; i++) {
        struct ms_errs mine = {0};
        struct ms_scenario s;
        ms_arena_reset(&arena);
        struct ms_reading r = {&arena, &mine, study->base.file, study->standard, study->keys_known};
        const struct ms_entry *root = ms_axes_case(study->axes, &arena, i);
        if (root)
            ms_read_scenario(&r, root, &s);
        else
            ms_errs_add_at(&mine, MS_NOMEM, study->base.file, 0, 0, NULL, "out of memory");
        ms_errors_merge(errs, &mine, start);
        ms_errs_finish(&mine);
    }
    ms_arena_finish(&arena);
}

/* ---- the study ---- */

static bool is_within(const char *key, const char *of)
{
    size_t n = strlen(of);
    return strncmp(key, of, n) == 0 && (key[n] == 0 || key[n] == '.');
}

/* A value that every case replaces is still one that somebody wrote, and meant. */
static void add_overridden(struct ms_reading *r, const struct ms_axes *sweep,
                           const struct ms_errs *found)
{
    for (size_t i = 0; i < found->n; i++)
        for (int k = 0; k < sweep->n_keys; k++) {
            const struct ms_entry *e = ms_yaml_find(sweep->root->value, sweep->key[k].key, NULL);
            if (!e || ms_yaml_null(e->value) || !is_within(found->e[i].key, sweep->key[k].key))
                continue;
            ms_errs_add(r->errs, &found->e[i]);
            break;
        }
}

/* Fill base, sweep and n_cases from a document. @param cases every error of every case goes to errs */
static void read_document(struct ms_study *study, struct ms_reading *r, struct ms_axes *sweep,
                          size_t start, bool cases)
{
    struct ms_errs *errs = r->errs, unseen = {0};
    size_t before = errs->n;
    if (sweep->root->value->kind == MS_YAML_MAP)
        ms_axes_read(r, sweep);
    study->axes = sweep;
    study->n_axes = sweep->n_keys;
    study->n_cases = sweep->n_cases;
    bool axes_good = errs->n == before && sweep->n_keys > 0;
    if (axes_good) /* what is wrong without the axes may be right with them */
        r->errs = &unseen;
    ms_read_scenario(r, sweep->root, &study->base);
    r->errs = errs;
    add_overridden(r, sweep, &unseen);
    study->keys_known = unseen.n == 0 && errs->n == before;
    ms_errs_finish(&unseen);
    struct ms_scenario *standard = MS_NEW(r->arena, struct ms_scenario, 1);
    if (standard && ms_read_standard(r->arena, r->file, standard) == MS_OK)
        study->standard = standard;
    if (axes_good && cases)
        check_cases(study, errs, start);
}

static enum ms_status parse(struct ms_study *out, const char *file, const char *text,
                            size_t n_bytes, const char *const *sets, size_t n_sets, bool cases,
                            struct ms_errs *errs)
{
    struct ms_study study = {0};
    size_t start = errs->n;
    file = ms_arena_strdup(&study.arena, file);
    struct ms_reading r = {.arena = &study.arena, .errs = errs, .file = file};
    struct ms_axes *sweep = MS_NEW(&study.arena, struct ms_axes, 1);
    const struct ms_entry *doc =
        file && sweep ? ms_yaml_parse(&study.arena, file, 0, text, n_bytes, errs) : NULL;
    struct ms_entry *root = doc ? MS_NEW(&study.arena, struct ms_entry, 1) : NULL;
    size_t n = 0;
    struct ms_axes_set *set = sweep ? parse_sets(&r, sets, n_sets, &n) : NULL;
    if (root) {
        *root = *doc;
        for (size_t i = 0; i < n && root->value && root->value->kind == MS_YAML_MAP; i++)
            root->value = put_set(&r, root->value, &set[i]);
    }
    if (root && root->value) {
        *sweep = (struct ms_axes){.root = root, .set = set, .n_sets = n};
        read_document(&study, &r, sweep, start, cases);
    } else if (errs->n == start) {
        ms_errs_add_at(errs, MS_NOMEM, file, 0, 0, NULL, "out of memory");
    }
    ms_errors_sort(errs, start);
    *out = study; /* n_cases 0: there is no document */
    return ms_errors_status(errs, start);
}

enum ms_status ms_study_parse(struct ms_study *out, const char *file, const char *text,
                              size_t n_bytes, const char *const *sets, size_t n_sets,
                              struct ms_errs *errs)
{
    return parse(out, file, text, n_bytes, sets, n_sets, true, errs);
}

static enum ms_status read_file(struct ms_study *out, const char *path, const char *const *sets,
                                size_t n_sets, bool cases, struct ms_errs *errs)
{
    struct ms_buf text = {0};
    struct ms_err err = {0};
    *out = (struct ms_study){0};
    enum ms_status s = ms_file_read_most(path, MS_YAML_MAX_BYTES, &text, &err);
    if (s == MS_OK)
        s = parse(out, path, text.p ? text.p : "", text.n, sets, n_sets, cases, errs);
    else
        ms_errs_add(errs, &err);
    ms_buf_finish(&text);
    return s;
}

enum ms_status ms_study_read(struct ms_study *out, const char *path, const char *const *sets,
                             size_t n_sets, struct ms_errs *errs)
{
    return read_file(out, path, sets, n_sets, true, errs);
}

enum ms_status ms_study_open(struct ms_study *out, const char *path, const char *const *sets,
                             size_t n_sets, struct ms_errs *errs)
{
    return read_file(out, path, sets, n_sets, false, errs);
}

void ms_study_finish(struct ms_study *study)
{
    ms_arena_finish(&study->arena);
    *study = (struct ms_study){0};
}

enum ms_status ms_study_read_case(const struct ms_study *study, size_t index, struct ms_case *out,
                                  struct ms_errs *errs)
{
    struct ms_case c = {.index = index, .n_axes = study->n_axes};
    struct ms_reading r = {&c.arena, errs, study->base.file, study->standard, study->keys_known};
    const struct ms_axes *w = study->axes;
    const struct ms_entry *root = ms_axes_case(w, &c.arena, index);
    c.axis = MS_NEW(&c.arena, struct ms_axis, (size_t)c.n_axes);
    if (!root || !c.axis) {
        ms_arena_finish(&c.arena);
        ms_errs_add_at(errs, MS_NOMEM, study->base.file, 0, 0, NULL, "out of memory");
        return MS_NOMEM;
    }
    ms_read_scenario(&r, root, &c.s);
    for (int i = 0; i < c.n_axes; i++) {
        size_t v = ms_axes_value(w, i, index);
        c.axis[i] = (struct ms_axis){w->key[i].key, w->key[i].label[v], w->key[i].json[v]};
        c.s.report.by_zip |=
            c.s.report.by && w->key[i].zip && !strcmp(c.s.report.by, w->key[i].zip);
    }
    *out = c;
    return ms_errors_status(errs, 0);
}

enum ms_status ms_study_case(const struct ms_study *study, size_t index, struct ms_case *out,
                             struct ms_err *err)
{
    struct ms_errs errs = {0};
    *out = (struct ms_case){0};
    enum ms_status s = ms_study_read_case(study, index, out, &errs);
    if (s != MS_OK) {
        if (err && err->status == MS_OK)
            *err = errs.e[0];
        ms_case_finish(out);
    }
    ms_errs_finish(&errs);
    return s;
}

void ms_case_finish(struct ms_case *c)
{
    ms_arena_finish(&c->arena);
    *c = (struct ms_case){0};
}

const char *ms_study_axis_key(const struct ms_study *study, int axis)
{
    return study->axes->key[axis].key;
}

const char *ms_study_axis_zip(const struct ms_study *study, int axis)
{
    return study->axes->key[axis].zip;
}

size_t ms_study_axis_labels(const struct ms_study *study, int axis, const char *const **labels)
{
    *labels = study->axes->key[axis].distinct;
    return study->axes->key[axis].n_distinct;
}

const char *ms_scenario_place(const struct ms_scenario *s, const char *key, int *line, int *col)
{
    const struct ms_entry *last = NULL;
    ms_yaml_find(s->tree, key, &last);
    *line = last ? last->line : 1;
    *col = last ? last->col : 1;
    return last ? last->file : s->file;
}
