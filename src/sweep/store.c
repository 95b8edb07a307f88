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
#include "base/seal.h"
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

static enum ms_status write_study(struct ms_store *s, struct ms_err *err)
{
    struct ms_buf json = {0};
    char *path = ms_path_join(&s->arena, s->dir, "scenario.json");
    ms_buf_adds(&json, s->study->scenario_json);
    enum ms_status status = path && !json.failed ? MS_OK : ms_store_no_memory(err);
    if (status == MS_OK && !is_there(path, &json)) {
        s->changed = true;
        status = ms_file_replace(path, json.p, json.n, err);
    }
    ms_buf_finish(&json);
    return status;
}

/* ---- files of lines ---- */

static enum ms_status cannot(const struct ms_store *s, const char *what,
                             const struct ms_store_file *f, struct ms_err *err)
{
    return ms_err_at(err, MS_IO, s->dir, 0, 0, NULL, "cannot %s %s: %s", what, f->name,
                     strerror(errno));
}

enum ms_status ms_store_line_read(const struct ms_store *s, const struct ms_store_file *f,
                                  const struct ms_store_place *at, struct ms_buf *out,
                                  struct ms_err *err)
{
    out->n = 0;
    while (out->n < at->n) {
        char part[16384];
        size_t left = at->n - out->n, want = left < sizeof part ? left : sizeof part;
        ssize_t got = pread(f->fd, part, want, (off_t)(at->at + out->n));
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0) {
            errno = got < 0 ? errno : EIO;
            return cannot(s, "read", f, err);
        }
        ms_buf_add(out, part, (size_t)got);
        if (out->failed)
            return ms_store_no_memory(err);
    }
    return MS_OK;
}

static struct ms_store_place *place_of(struct ms_store *s, const struct ms_store_file *f,
                                       size_t index)
{
    struct ms_store_entry *e = &s->entry[index];
    return f == &s->results ? &e->record : &e->timing;
}

/* Is the file what it should be: every case's line, in order, and nothing else? */
static bool in_order(struct ms_store *s, const struct ms_store_file *f)
{
    uint64_t at = 0;
    for (size_t i = 0; i < s->study->n; i++) {
        const struct ms_store_place *p = place_of(s, f, i);
        if (p->n > 0 && (!p->right || p->at != at))
            return false;
        at += p->n > 0 ? p->n + 1u : 0;
    }
    return f->fd >= 0 && at == f->end;
}

/* A line under the head that its case has now. */
static void renew(const struct ms_store *s, const struct ms_store_file *f, size_t index,
                  const struct ms_store_place *p, const struct ms_buf *old, struct ms_buf *out)
{
    const struct ms_store_case *c = &s->study->c[index];
    size_t ending = f == &s->results ? MS_SEAL_BYTES : 1;
    if (f == &s->results)
        ms_store_line_ok(c, old->p + p->head, old->n - p->head - ending, out);
    else
        ms_store_line_timing(c, old->p + p->head, old->n - p->head - ending, out);
}

/* Every line in the order of the cases, from the old file to `to`; where they stand then. */
static enum ms_status copy_lines(struct ms_store *s, struct ms_store_file *f, int to,
                                 struct ms_err *err)
{
    struct ms_buf line = {0}, fresh = {0}, out = {0};
    enum ms_status status = MS_OK;
    uint64_t at = 0;
    for (size_t i = 0; status == MS_OK && i < s->study->n; i++) {
        struct ms_store_place *p = place_of(s, f, i);
        if (p->n > 0 && (status = ms_store_line_read(s, f, p, &line, err)) == MS_OK) {
            const struct ms_buf *now = &line;
            if (!p->right) {
                fresh.n = 0;
                renew(s, f, i, p, &line, &fresh);
                now = &fresh;
            }
            ms_buf_add(&out, now->p, now->n);
            ms_buf_adds(&out, "\n");
            if (now->failed || out.failed || now->n >= UINT32_MAX)
                status = ms_store_no_memory(err);
            *p = (struct ms_store_place){at, (uint32_t)now->n, 0, true};
            at += now->n + 1;
        }
        if (status == MS_OK && (out.n > 1 << 16 || i + 1 == s->study->n)) {
            status =
                ms_fd_write(to, out.p ? out.p : "", out.n) ? MS_OK : cannot(s, "write", f, err);
            out.n = 0;
        }
    }
    f->end = at;
    ms_buf_finish(&line);
    ms_buf_finish(&fresh);
    ms_buf_finish(&out);
    return status;
}

static enum ms_status open_lines(struct ms_store *s, struct ms_store_file *f, const char *path,
                                 struct ms_err *err)
{
    if (f->fd >= 0)
        close(f->fd);
    f->fd = open(path, O_RDWR | O_APPEND | O_CLOEXEC);
    return f->fd >= 0
               ? MS_OK
               : ms_err_at(err, MS_IO, s->dir, 0, 0, NULL, "cannot append: %s", strerror(errno));
}

/* All lines so far in case order; a file that is that already is left alone. */
static enum ms_status rewrite(struct ms_store *s, struct ms_store_file *f, struct ms_err *err)
{
    struct ms_part part = {0};
    char *path = ms_path_join(&s->arena, s->dir, f->name);
    if (!path)
        return ms_store_no_memory(err);
    if (in_order(s, f))
        return MS_OK;
    s->changed = true;
    enum ms_status status = ms_part_open(&part, path, err);
    if (status != MS_OK)
        return status;
    status = copy_lines(s, f, part.fd, err);
    enum ms_status closed =
        ms_part_close(&part, status == MS_OK, EIO, status == MS_OK ? err : NULL);
    if (status == MS_OK)
        status = closed;
    return status == MS_OK ? open_lines(s, f, path, err) : status;
}

/* A line and its newline in one write: a reader, or a kill, sees the line whole or its torn
 * start. */
static enum ms_status append(struct ms_store *s, struct ms_store_file *f, size_t index,
                             struct ms_buf *line, struct ms_err *err)
{
    struct ms_store_place *p = place_of(s, f, index);
    size_t n = line->n;
    ms_buf_adds(line, "\n");
    if (line->failed || n >= UINT32_MAX)
        return ms_store_no_memory(err);
    if (!ms_fd_write(f->fd, line->p, line->n))
        return cannot(s, "write", f, err);
    *p = (struct ms_store_place){f->end, (uint32_t)n, 0, true};
    f->end += n + 1;
    return MS_OK;
}

static enum ms_status prepare(struct ms_store *s, bool force, struct ms_err *err)
{
    enum ms_status status = ms_store_take_folder(s, force, err);
    if (status == MS_OK)
        status = ms_store_reuse(s, err);
    if (status == MS_OK)
        status = write_study(s, err);
    if (status == MS_OK)
        status = rewrite(s, &s->results, err);
    return status == MS_OK ? rewrite(s, &s->timing, err) : status;
}

enum ms_status ms_store_open(struct ms_store **out, const char *dir,
                             const struct ms_store_study *study, bool force, struct ms_err *err)
{
    struct ms_store *s = calloc(1, sizeof *s);
    if (!s)
        return ms_store_no_memory(err);
    s->lock_fd = -1;
    s->results = (struct ms_store_file){"results.jsonl", -1, 0};
    s->timing = (struct ms_store_file){"timing.jsonl", -1, 0};
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

enum ms_status ms_store_record(const struct ms_store *s, size_t index, struct ms_buf *out,
                               struct ms_err *err)
{
    return ms_store_line_read(s, &s->results, &s->entry[index].record, out, err);
}

static enum ms_status put(struct ms_store *s, size_t index, struct ms_buf *record,
                          struct ms_buf *timing, struct ms_err *err)
{
    s->entry[index].ok = timing != NULL;
    s->entry[index].timing = (struct ms_store_place){0};
    s->changed = true;
    enum ms_status status = append(s, &s->results, index, record, err);
    if (s->unsynced_s == 0)
        s->unsynced_s = ms_clock_s();
    if (status == MS_OK && timing)
        status = append(s, &s->timing, index, timing, err);
    return status == MS_OK ? ms_store_sync(s, err) : status;
}

enum ms_status ms_store_sync(struct ms_store *s, struct ms_err *err)
{
    if (s->unsynced_s == 0 || (s->unsynced_s > 0 && ms_clock_s() - s->unsynced_s < 1))
        return MS_OK;
    s->unsynced_s = 0;
    if (fsync(s->results.fd) == 0 || errno == EINVAL || errno == EROFS)
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
    struct ms_buf record = {0}, times = {0};
    bool timed = timing && timing->p;
    ms_store_line_ok(c, body->p, body->n, &record);
    ms_store_line_timing(c, timed ? timing->p : "", timed ? timing->n : 0, &times);
    enum ms_status status = put(s, index, &record, &times, err);
    ms_buf_finish(&record);
    ms_buf_finish(&times);
    return status;
}

enum ms_status ms_store_fail(struct ms_store *s, size_t index, const char *error,
                             struct ms_err *err)
{
    struct ms_buf record = {0};
    ms_store_line_failed(&s->study->c[index], error, &record);
    enum ms_status status = put(s, index, &record, NULL, err);
    ms_buf_finish(&record);
    return status;
}

/* A summary that was written after records which are still the same says what they say. */
static bool has_summary(struct ms_store *s)
{
    struct stat records, summary;
    struct ms_hash now;
    char then[32];
    char *r = ms_path_join(&s->arena, s->dir, "results.jsonl");
    char *c = ms_path_join(&s->arena, s->dir, "summary.csv");
    return !s->changed && r && c && stat(r, &records) == 0 && stat(c, &summary) == 0 &&
           s->lock_fd >= 0 && pread(s->lock_fd, then, sizeof then, 0) == sizeof then &&
           ms_hash_file(c, &now, NULL) == MS_OK && memcmp(then, now.hex, sizeof then) == 0 &&
           (summary.st_mtim.tv_sec > records.st_mtim.tv_sec ||
            (summary.st_mtim.tv_sec == records.st_mtim.tv_sec &&
             summary.st_mtim.tv_nsec >= records.st_mtim.tv_nsec));
}

/* What the summary was when it was written, kept in the file that locks the folder. */
static void note_summary(const struct ms_store *s, const char *path)
{
    struct ms_hash h;
    if (s->lock_fd < 0 || ftruncate(s->lock_fd, 0) != 0 || ms_hash_file(path, &h, NULL) != MS_OK ||
        pwrite(s->lock_fd, h.hex, 32, 0) != 32)
        return; /* then it is written again the next time */
}

static enum ms_status write_summary(struct ms_store *s, struct ms_err *err)
{
    if (has_summary(s))
        return MS_OK;
    struct ms_buf record = {0};
    struct ms_summary_file summary = {0};
    char *path = ms_path_join(&s->arena, s->dir, "summary.csv");
    enum ms_status status = path ? ms_summary_open(&summary, path, err) : ms_store_no_memory(err);
    if (status != MS_OK)
        return status;
    for (size_t i = 0; status == MS_OK && i < s->study->n; i++) {
        if (s->entry[i].record.n == 0)
            continue;
        status = ms_store_record(s, i, &record, err);
        if (status == MS_OK)
            status = ms_summary_add(&summary, record.p, err);
    }
    ms_buf_finish(&record);
    status = ms_summary_close(&summary, status, err);
    if (status == MS_OK)
        note_summary(s, path);
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
        status = rewrite(s, &s->results, err);
    if (status == MS_OK && s->changed)
        status = rewrite(s, &s->timing, err);
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
    int fd[] = {s->results.fd, s->timing.fd, s->lock_fd};
    for (int i = 0; i < 3; i++)
        if (fd[i] >= 0)
            close(fd[i]);
    free(s->entry);
    ms_arena_finish(&s->arena);
    free(s);
}
