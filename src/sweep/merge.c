/* Joining shards: the records of several folders, sorted, written as one. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>

#include "base/lock.h"
#include "sweep/lines.h"
#include "sweep/samples_file.h"
#include "sweep/store.h"
#include "sweep/summary.h"

struct part {
    const char *dir;
    const struct ms_line *line;
};

struct merge {
    struct ms_arena arena;
    const char *const *dirs;
    size_t n_dirs, n_cases; /* of the study */
    struct part *part;      /* [n_cases] the answer to each case, NULL line = none */
    const char *study_hash;
    struct ms_errs *warnings;
    int lock_fd;
};

static enum ms_status nomem(struct ms_err *err)
{
    return ms_err_set(err, MS_NOMEM, "out of memory joining results");
}

/* All folders must be of one study; scenario.json says which, and how many cases it has. */
static enum ms_status same_study(struct merge *m, struct ms_err *err)
{
    for (size_t d = 0; d < m->n_dirs; d++) {
        json_t *study = NULL;
        enum ms_status s = ms_study_file_read(m->dirs[d], &study, err);
        const char *text = json_string_value(json_object_get(study, "study_hash"));
        char *hash = text ? ms_arena_strdup(&m->arena, text) : NULL;
        if (d == 0)
            m->n_cases = (size_t)json_integer_value(json_object_get(study, "n_cases"));
        json_decref(study);
        if (s != MS_OK)
            return s;
        if (!text)
            return ms_err_at(err, MS_INVALID, m->dirs[d], 0, 0, NULL,
                             "holds no results (scenario.json is missing)");
        if (!hash)
            return nomem(err);
        if (m->study_hash && strcmp(m->study_hash, hash) != 0)
            return ms_err_at(
                err, MS_INVALID, m->dirs[d], 0, 0, NULL,
                "holds results of another scenario, or of other settings or input files, than '%s'",
                m->dirs[0]);
        m->study_hash = hash;
    }
    m->part = MS_NEW(&m->arena, struct part, m->n_cases + 1);
    return m->part ? MS_OK : nomem(err);
}

static enum ms_status read_study(struct merge *m, struct ms_buf *out, struct ms_err *err)
{
    char *path = ms_path_join(&m->arena, m->dirs[0], "scenario.json");
    return path ? ms_file_read(path, out, err) : nomem(err);
}

static bool is_ok(const struct ms_line *l)
{
    return ms_store_good(l->status);
}

/* An answer beats a failure; two different answers to one case cannot be joined. */
static enum ms_status take(struct merge *m, const char *dir, const struct ms_line *l,
                           struct ms_err *err)
{
    char *end = "";
    unsigned long index = l->id[0] == 'c' ? strtoul(l->id + 1, &end, 10) : m->n_cases;
    if (index >= m->n_cases || *end)
        return ms_err_at(err, MS_INVALID, dir, 0, 0, NULL, "case '%s' is not of this scenario",
                         l->id);
    struct part *p = &m->part[index];
    if (!p->line || (!is_ok(p->line) && is_ok(l)))
        *p = (struct part){dir, l};
    else if (is_ok(p->line) && is_ok(l) && strcmp(p->line->text, l->text) != 0)
        return ms_err_at(
            err, MS_INVALID, dir, 0, 0, NULL,
            "case %s has another answer here than in '%s' (other versions of moesim or SimGrid?)",
            l->id, p->dir);
    return MS_OK;
}

static enum ms_status read_all(struct merge *m, struct ms_err *err)
{
    enum ms_status s = MS_OK;
    for (size_t d = 0; s == MS_OK && d < m->n_dirs; d++) {
        struct ms_lines_seen seen = {0};
        struct ms_line *lines;
        size_t n;
        char text[160];
        s = ms_lines_read(m->dirs[d], "results.jsonl", &m->arena, &lines, &n, &seen, err);
        seen.n_broken += seen.n_unsealed;
        seen.n_unsealed = 0;
        if (s == MS_OK && m->warnings &&
            ms_lines_told(&seen, "; run that shard again", text, sizeof text))
            ms_errs_warn_at(m->warnings, m->dirs[d], 0, 0, "results.jsonl", "%s", text);
        for (size_t i = 0; s == MS_OK && i < n; i++)
            s = take(m, m->dirs[d], &lines[i], err);
    }
    return s;
}

static enum ms_status write_named(struct merge *m, const char *dir, const char *name,
                                  const struct ms_buf *b, struct ms_err *err)
{
    char *path = ms_path_join(&m->arena, dir, name);
    if (!path || b->failed)
        return nomem(err);
    return ms_file_replace(path, b->p ? b->p : "", b->n, err);
}

static enum ms_status write_summary(struct merge *m, const char *out, struct ms_err *err)
{
    struct ms_summary_file summary = {0};
    char *path = ms_path_join(&m->arena, out, "summary.csv");
    enum ms_status s = path ? ms_summary_open(&summary, path, err) : nomem(err);
    if (s != MS_OK)
        return s;
    for (size_t i = 0; s == MS_OK && i < m->n_cases; i++) {
        const struct ms_line *l = m->part[i].line;
        s = l ? ms_summary_add(&summary, l->text, err) : MS_OK;
    }
    return ms_summary_close(&summary, s, err);
}

static enum ms_status write_records(struct merge *m, const char *out, struct ms_err *err)
{
    struct ms_buf results = {0};
    for (size_t i = 0; i < m->n_cases; i++)
        if (m->part[i].line)
            ms_buf_printf(&results, "%s\n", m->part[i].line->text);
    enum ms_status s = write_named(m, out, "results.jsonl", &results, err);
    ms_buf_finish(&results);
    return s == MS_OK ? write_summary(m, out, err) : s;
}

/* The timing line that belongs to the answer taken, from the same folder. */
static enum ms_status write_timing(struct merge *m, const char *out, struct ms_err *err)
{
    struct ms_buf b = {0};
    enum ms_status s = MS_OK;
    struct ms_line **times = MS_NEW(&m->arena, struct ms_line *, m->n_dirs);
    size_t *n = MS_NEW(&m->arena, size_t, m->n_dirs);
    if (!times || !n)
        return nomem(err);
    for (size_t d = 0; s == MS_OK && d < m->n_dirs; d++)
        s = ms_lines_read(m->dirs[d], "timing.jsonl", &m->arena, &times[d], &n[d], NULL, err);
    for (size_t i = 0; s == MS_OK && i < m->n_cases; i++)
        for (size_t d = 0; m->part[i].line && d < m->n_dirs; d++)
            for (size_t k = 0; m->dirs[d] == m->part[i].dir && k < n[d]; k++)
                if (strcmp(times[d][k].id, m->part[i].line->id) == 0)
                    ms_buf_printf(&b, "%s\n", times[d][k].text);
    if (s == MS_OK)
        s = write_named(m, out, "timing.jsonl", &b, err);
    ms_buf_finish(&b);
    return s;
}

static enum ms_status copy_samples(struct merge *m, const char *out, struct ms_err *err)
{
    enum ms_status s = MS_OK;
    for (size_t i = 0; s == MS_OK && i < m->n_cases; i++) {
        const struct part *p = &m->part[i];
        enum ms_samples_state state = MS_SAMPLES_NONE;
        struct ms_buf b = {0};
        if (p->line)
            s = ms_samples_read(p->dir, p->line->id, p->line->key, &state, &b, err);
        if (s == MS_OK && state == MS_SAMPLES_WHOLE)
            s = ms_samples_write(out, p->line->id, p->line->key, &b, err);
        else if (s == MS_OK && state == MS_SAMPLES_BROKEN && m->warnings)
            ms_errs_warn_at(m->warnings, p->dir, 0, 0, "samples",
                            "%s.csv is not what was written for this case (its hash or key does "
                            "not match): left "
                            "out; run that shard again with --samples",
                            p->line->id);
        ms_buf_finish(&b);
    }
    return s;
}

static enum ms_status check_out(struct merge *m, const char *out, bool force, struct ms_err *err)
{
    json_t *there = NULL;
    enum ms_status s = ms_dir_make(out, err);
    if (s == MS_OK)
        s = ms_lock_folder(out, &m->lock_fd, m->warnings, err);
    char *samples = s == MS_OK ? ms_path_join(&m->arena, out, "samples") : NULL;
    if (samples)
        ms_part_sweep(samples);
    if (s != MS_OK || force)
        return s;
    s = ms_study_file_read(out, &there, err);
    const char *hash = json_string_value(json_object_get(there, "study_hash"));
    if (s == MS_OK && hash && strcmp(m->study_hash, hash) != 0)
        s = ms_err_at(err, MS_USAGE, out, 0, 0, NULL,
                      "holds results of another scenario; choose another -o, or --force");
    json_decref(there);
    return s;
}

enum ms_status ms_store_merge(const char *const *dirs, size_t n_dirs, const char *out, bool force,
                              size_t *n_cases, size_t *n_missing, size_t *n_failed,
                              struct ms_errs *warnings, struct ms_err *err)
{
    struct merge m = {.dirs = dirs, .n_dirs = n_dirs, .warnings = warnings, .lock_fd = -1};
    struct ms_buf scenario = {0};
    *n_cases = *n_missing = *n_failed = 0;
    enum ms_status s = same_study(&m, err);
    if (s == MS_OK)
        s = read_study(&m, &scenario, err);
    if (s == MS_OK)
        s = read_all(&m, err);
    if (s == MS_OK)
        s = check_out(&m, out, force, err);
    if (s == MS_OK)
        s = write_named(&m, out, "scenario.json", &scenario, err);
    if (s == MS_OK)
        s = write_records(&m, out, err);
    if (s == MS_OK)
        s = write_timing(&m, out, err);
    if (s == MS_OK)
        s = copy_samples(&m, out, err);
    for (size_t i = 0; s == MS_OK && i < m.n_cases; i++) {
        *n_missing += !m.part[i].line;
        *n_failed += m.part[i].line && !is_ok(m.part[i].line);
    }
    *n_cases = m.n_cases;
    for (int i = 0; s == MS_OK && i < 2; i++) {
        char *path = ms_path_join(&m.arena, out, i ? "samples/x" : "results.jsonl");
        if (path)
            ms_dir_sync(path);
    }
    if (m.lock_fd >= 0)
        close(m.lock_fd);
    ms_buf_finish(&scenario);
    ms_arena_finish(&m.arena);
    return s;
}
