/* A results folder while it is open: how records get into its files, so that a killed run loses none,
 * and what it is left as. */
#include "sweep/store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "sweep/lines.h"
#include "sweep/samples_file.h"
#include "sweep/store_parts.h"
#include "sweep/summary.h"

enum ms_status ms_store_no_memory(struct ms_err *err)
{
    return ms_err_set(err, MS_NOMEM, "out of memory for the results");
}

/* A folder where nothing is new is not written again. */
static bool is_there(const char *path, const struct ms_buf *b)
{
    struct ms_buf old = {0};
    bool same = ms_file_is(path) && ms_file_read(path, &old, NULL) == MS_OK && old.n == b->n &&
                (b->n == 0 || memcmp(old.p, b->p, b->n) == 0);
    ms_buf_finish(&old);
    return same;
}

static enum ms_status write_file(struct ms_store *s, const char *name, const struct ms_buf *b,
                                 struct ms_err *err)
{
    char *path = ms_path_join(&s->arena, s->dir, name);
    if (!path || b->failed)
        return ms_store_no_memory(err);
    if (is_there(path, b))
        return MS_OK;
    s->changed = true;
    return ms_file_replace(path, b->p ? b->p : "", b->n, err);
}

static void add_line(struct ms_buf *b, const char *line)
{
    if (!line)
        return;
    ms_buf_adds(b, line);
    ms_buf_add(b, "\n", 1);
}

/* All records so far in case order. */
static enum ms_status rewrite(struct ms_store *s, struct ms_err *err)
{
    struct ms_buf results = {0}, timing = {0};
    for (size_t i = 0; i < s->study->n; i++) {
        add_line(&results, s->entry[i].record);
        add_line(&timing, s->entry[i].timing);
    }
    enum ms_status status = write_file(s, "results.jsonl", &results, err);
    if (status == MS_OK)
        status = write_file(s, "timing.jsonl", &timing, err);
    ms_buf_finish(&results);
    ms_buf_finish(&timing);
    return status;
}

static int open_to_append(struct ms_store *s, const char *name)
{
    char *path = ms_path_join(&s->arena, s->dir, name);
    return path ? open(path, O_WRONLY | O_APPEND | O_CLOEXEC) : -1;
}

/* A line and its newline in one write: a reader, or a kill, sees the line whole or its torn
 * start. */
static enum ms_status append(struct ms_store *s, int fd, const char *line, struct ms_err *err)
{
    struct ms_buf b = {0};
    ms_buf_printf(&b, "%s\n", line);
    if (b.failed)
        return ms_store_no_memory(err);
    bool ok = ms_fd_write(fd, b.p, b.n);
    ms_buf_finish(&b);
    if (!ok)
        return ms_err_at(err, MS_IO, s->dir, 0, 0, NULL, "cannot write %s: %s",
                         fd == s->results_fd ? "results.jsonl" : "timing.jsonl", strerror(errno));
    return MS_OK;
}

static enum ms_status prepare(struct ms_store *s, bool force, struct ms_err *err)
{
    enum ms_status status = ms_store_take_folder(s, force, err);
    if (status == MS_OK)
        status = ms_store_reuse(s, err);
    struct ms_buf json = {0};
    ms_buf_adds(&json, s->study->scenario_json);
    if (status == MS_OK)
        status = write_file(s, "scenario.json", &json, err);
    ms_buf_finish(&json);
    if (status == MS_OK)
        status = rewrite(s, err);
    if (status != MS_OK)
        return status;
    s->results_fd = open_to_append(s, "results.jsonl");
    s->timing_fd = open_to_append(s, "timing.jsonl");
    if (s->results_fd < 0 || s->timing_fd < 0)
        return ms_err_at(err, MS_IO, s->dir, 0, 0, NULL, "cannot append: %s", strerror(errno));
    return MS_OK;
}

enum ms_status ms_store_open(struct ms_store **out, const char *dir,
                             const struct ms_store_study *study, bool force, struct ms_err *err)
{
    struct ms_store *s = calloc(1, sizeof *s);
    if (!s)
        return ms_store_no_memory(err);
    s->lock_fd = s->results_fd = s->timing_fd = -1;
    s->study = study;
    s->dir = ms_arena_strdup(&s->arena, dir);
    s->entry = calloc(study->n + 1, sizeof *s->entry);
    enum ms_status status = s->dir && s->entry ? prepare(s, force, err) : ms_store_no_memory(err);
    if (status != MS_OK) {
        ms_store_abandon(s);
        return status;
    }
    *out = s;
    return MS_OK;
}

bool ms_store_has(const struct ms_store *s, size_t index)
{
    return s->entry[index].ok;
}

const char *ms_store_record(const struct ms_store *s, size_t index)
{
    return s->entry[index].record;
}

static enum ms_status put(struct ms_store *s, size_t index, char *record, char *timing, bool ok,
                          struct ms_err *err)
{
    struct ms_store_entry *e = &s->entry[index];
    free(e->record);
    free(e->timing);
    *e = (struct ms_store_entry){.record = record, .timing = timing, .ok = ok};
    if (!record || (ok && !timing))
        return ms_store_no_memory(err);
    s->changed = true;
    enum ms_status status = append(s, s->results_fd, record, err);
    if (s->unsynced_s == 0)
        s->unsynced_s = ms_clock_s();
    if (status == MS_OK && timing)
        status = append(s, s->timing_fd, timing, err);
    return status == MS_OK ? ms_store_sync(s, err) : status;
}

enum ms_status ms_store_sync(struct ms_store *s, struct ms_err *err)
{
    if (s->unsynced_s == 0 || (s->unsynced_s > 0 && ms_clock_s() - s->unsynced_s < 1))
        return MS_OK;
    s->unsynced_s = 0;
    if (fsync(s->results_fd) == 0 || errno == EINVAL || errno == EROFS)
        return MS_OK;
    return ms_err_at(err, MS_IO, s->dir, 0, 0, NULL, "cannot write results.jsonl: %s",
                     strerror(errno));
}

enum ms_status ms_store_add(struct ms_store *s, size_t index, const struct ms_buf *body,
                            const struct ms_buf *timing, const struct ms_buf *samples,
                            struct ms_err *err)
{
    const struct ms_store_case *c = &s->study->c[index];
    if (!body->p || strncmp(body->p, MS_RECORD_BODY, strlen(MS_RECORD_BODY)) != 0)
        return ms_store_fail(s, index, "the simulating process sent a record that is none", err);
    if (samples && samples->n > 0) {
        enum ms_status status = samples->failed
                                    ? ms_store_no_memory(err)
                                    : ms_samples_write(s->dir, c->id, c->key.hex, samples, err);
        if (status != MS_OK)
            return status;
    }
    const char *members = timing && timing->p ? timing->p : "";
    return put(s, index, ms_store_line_ok(c, body->p), ms_store_line_timing(c, members), true, err);
}

enum ms_status ms_store_fail(struct ms_store *s, size_t index, const char *error,
                             struct ms_err *err)
{
    return put(s, index, ms_store_line_failed(&s->study->c[index], error), NULL, false, err);
}

/* A summary that was written after records which are still the same says what they say. */
static bool has_summary(struct ms_store *s)
{
    struct stat records, summary;
    char *r = ms_path_join(&s->arena, s->dir, "results.jsonl");
    char *c = ms_path_join(&s->arena, s->dir, "summary.csv");
    return !s->changed && r && c && stat(r, &records) == 0 && stat(c, &summary) == 0 &&
           (summary.st_mtim.tv_sec > records.st_mtim.tv_sec ||
            (summary.st_mtim.tv_sec == records.st_mtim.tv_sec &&
             summary.st_mtim.tv_nsec >= records.st_mtim.tv_nsec));
}

static enum ms_status write_summary(struct ms_store *s, struct ms_err *err)
{
    if (has_summary(s))
        return MS_OK;
    struct ms_buf csv = {0};
    const char **records = MS_NEW(&s->arena, const char *, s->study->n);
    if (!records)
        return ms_store_no_memory(err);
    size_t n = 0;
    for (size_t i = 0; i < s->study->n; i++)
        if (s->entry[i].record)
            records[n++] = s->entry[i].record;
    enum ms_status status = ms_summary_csv(records, n, &csv, err);
    if (status == MS_OK)
        status = write_file(s, "summary.csv", &csv, err);
    ms_buf_finish(&csv);
    return status;
}

/* Renames, and samples among them, onto the disk. */
static void sync_folder(struct ms_store *s)
{
    static const char *const names[] = {"results.jsonl", "samples/x"};
    for (int i = 0; i < 2; i++) {
        char *path = ms_path_join(&s->arena, s->dir, names[i]);
        if (path)
            ms_dir_sync(path);
    }
}

enum ms_status ms_store_close(struct ms_store *s, struct ms_err *err)
{
    if (!s)
        return MS_OK;
    s->unsynced_s = s->unsynced_s > 0 ? -1 : 0;
    enum ms_status status = ms_store_sync(s, err);
    if (status == MS_OK && s->changed)
        status = rewrite(s, err);
    if (status == MS_OK)
        status = write_summary(s, err);
    sync_folder(s);
    ms_store_abandon(s);
    return status;
}

void ms_store_abandon(struct ms_store *s)
{
    if (!s)
        return;
    int fd[] = {s->results_fd, s->timing_fd, s->lock_fd};
    for (int i = 0; i < 3; i++)
        if (fd[i] >= 0)
            close(fd[i]);
    for (size_t i = 0; s->entry && i < s->study->n; i++) {
        free(s->entry[i].record);
        free(s->entry[i].timing);
    }
    free(s->entry);
    ms_arena_finish(&s->arena);
    free(s);
}
