/* A results folder: whose it is, what of it counts as done, and how records get into it so that a
 * killed run loses none. */
#include "sweep/store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/lock.h"
#include "base/seal.h"
#include "sweep/lines.h"
#include "sweep/samples_file.h"
#include "sweep/summary.h"

struct entry {
    char *record; /* owned; NULL = none */
    char *timing; /* owned */
    bool ok;
};

struct ms_store {
    struct ms_arena arena;
    const struct ms_store_study *study;
    const char *dir;
    struct entry *entry; /* [study->n] */
    int lock_fd, results_fd, timing_fd;
    bool changed; /* records were written or dropped since it was opened */
    double
        unsynced_s; /* when the first record went out that is perhaps not on the disk; 0 = none, < 0 = at once */
};

static enum ms_status nomem(struct ms_err *err)
{
    return ms_err_set(err, MS_NOMEM, "out of memory for the results");
}

/* ---- records ---- */

static void add_head(struct ms_json *j, const struct ms_store_case *c, const char *status)
{
    ms_json_object(j, NULL);
    ms_json_string(j, "schema", MS_RECORD_SCHEMA);
    ms_json_string(j, "case", c->id);
    ms_json_string(j, "key", c->key.hex);
    ms_json_raw(j, "axes", c->axes_json);
    ms_json_string(j, "status", status);
    ms_json_string(j, "scenario_hash", c->scenario_hash.hex);
}

/* @return the line, owned by the caller; NULL: out of memory */
static char *compose_ok(const struct ms_store_case *c, const char *body)
{
    struct ms_buf b = {0};
    struct ms_json j = {.out = &b};
    add_head(&j, c, "ok");
    ms_buf_adds(&b, ",");
    ms_buf_adds(&b, body);
    ms_seal_add(&b);
    if (b.failed)
        ms_buf_finish(&b);
    return b.p;
}

static char *compose_failed(const struct ms_store_case *c, const char *error)
{
    struct ms_buf b = {0};
    struct ms_json j = {.out = &b};
    add_head(&j, c, "failed");
    ms_json_string(&j, "error", error);
    ms_seal_add(&b);
    if (b.failed)
        ms_buf_finish(&b);
    return b.p;
}

static char *compose_timing(const struct ms_store_case *c, const char *members)
{
    struct ms_buf b = {0};
    struct ms_json j = {.out = &b};
    ms_json_object(&j, NULL);
    ms_json_string(&j, "case", c->id);
    ms_json_string(&j, "key", c->key.hex);
    if (*members) {
        ms_buf_adds(&b, ",");
        ms_buf_adds(&b, members);
    }
    ms_json_end_object(&j);
    if (b.failed)
        ms_buf_finish(&b);
    return b.p;
}

/* Samples that are not what was written are simulated again. */
static bool has_samples(const struct ms_store *s, const struct ms_store_case *c)
{
    enum ms_samples_state state;
    if (ms_samples_read(s->dir, c->id, c->key.hex, &state, NULL, NULL) != MS_OK)
        return false;
    if (state == MS_SAMPLES_BROKEN && s->study->warnings)
        ms_errs_warn_at(
            s->study->warnings, s->dir, 0, 0, "samples",
            "%s.csv is not what was written for this case (its hash or key does not match); "
            "the case runs again",
            c->id);
    return state == MS_SAMPLES_WHOLE;
}

/* Lines by their key, those of one key in the order of the file. */
struct by_key {
    const struct ms_line **line;
    size_t n;
};

static int compare_lines(const void *a, const void *b)
{
    const struct ms_line *x = *(const struct ms_line *const *)a;
    const struct ms_line *y = *(const struct ms_line *const *)b;
    int c = strcmp(x->key, y->key);
    return c ? c : x < y ? -1 : x > y;
}

static bool index_lines(struct by_key *k, const struct ms_line *lines, size_t n,
                        struct ms_arena *arena)
{
    *k = (struct by_key){MS_NEW(arena, const struct ms_line *, n + 1), n};
    for (size_t i = 0; k->line && i < n; i++)
        k->line[i] = &lines[i];
    if (k->line)
        qsort(k->line, n, sizeof *k->line, compare_lines);
    return k->line;
}

/* Where the lines of a key begin. */
static size_t first_of(const struct by_key *k, const char *key)
{
    size_t lo = 0, hi = k->n;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (strcmp(k->line[mid]->key, key) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

/* A record that was made before for the same key, wherever it stood. */
static enum ms_status reuse(struct ms_store *s, size_t index, const struct by_key *old,
                            struct ms_err *err)
{
    const struct ms_store_case *c = &s->study->c[index];
    for (size_t i = first_of(old, c->key.hex); i < old->n; i++) {
        const struct ms_line *l = old->line[i];
        if (strcmp(l->key, c->key.hex) != 0)
            break;
        if (strcmp(l->status, "ok") != 0 || !l->body)
            continue;
        if (s->study->needs_samples && (strcmp(l->id, c->id) != 0 || !has_samples(s, c)))
            continue;
        s->entry[index].record = compose_ok(c, l->body);
        s->entry[index].ok = true;
        return s->entry[index].record ? MS_OK : nomem(err);
    }
    return MS_OK;
}

static void reuse_timing(struct ms_store *s, size_t index, const struct by_key *times)
{
    const struct ms_store_case *c = &s->study->c[index];
    const char *latest = NULL;
    for (size_t i = first_of(times, c->key.hex); i < times->n; i++) {
        if (strcmp(times->line[i]->key, c->key.hex) != 0)
            break;
        latest = times->line[i]->text;
    }
    const char *rest = latest && s->entry[index].ok ? strstr(latest, "\"key\":\"") : NULL;
    rest = rest ? strchr(rest + strlen("\"key\":\""), '"') : NULL;
    if (!rest || rest[1] != ',')
        return;
    char *members = strdup(rest + 2);
    if (members && *members)
        members[strlen(members) - 1] = '\0';
    s->entry[index].timing = members ? compose_timing(c, members) : NULL;
    free(members);
}

static enum ms_status read_old(struct ms_store *s, struct ms_err *err)
{
    struct ms_arena arena = {0};
    struct ms_line *lines, *times;
    struct ms_lines_seen seen = {0};
    struct by_key old = {0}, old_times = {0};
    size_t n, n_times;
    char text[160];
    enum ms_status status = ms_lines_read(s->dir, "results.jsonl", &arena, &lines, &n, &seen, err);
    if (status == MS_OK)
        status = ms_lines_read(s->dir, "timing.jsonl", &arena, &times, &n_times, NULL, err);
    seen.n_broken += seen.n_unsealed; /* nothing is resumed on trust */
    seen.n_unsealed = 0;
    if (status == MS_OK && s->study->warnings &&
        ms_lines_told(&seen, "; their cases run again", text, sizeof text))
        ms_errs_warn_at(s->study->warnings, s->dir, 0, 0, "results.jsonl", "%s", text);
    if (status == MS_OK &&
        (!index_lines(&old, lines, n, &arena) || !index_lines(&old_times, times, n_times, &arena)))
        status = nomem(err);
    for (size_t i = 0; status == MS_OK && i < s->study->n; i++) {
        status = reuse(s, i, &old, err);
        reuse_timing(s, i, &old_times);
    }
    ms_arena_finish(&arena);
    return status;
}

/* ---- files ---- */

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
        return nomem(err);
    if (is_there(path, b))
        return MS_OK;
    s->changed = true;
    return ms_file_replace(path, b->p ? b->p : "", b->n, err);
}

/* All records so far in case order. */
static enum ms_status rewrite(struct ms_store *s, struct ms_err *err)
{
    struct ms_buf results = {0}, timing = {0};
    for (size_t i = 0; i < s->study->n; i++) {
        if (s->entry[i].record)
            ms_buf_printf(&results, "%s\n", s->entry[i].record);
        if (s->entry[i].timing)
            ms_buf_printf(&timing, "%s\n", s->entry[i].timing);
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
        return nomem(err);
    bool ok = ms_fd_write(fd, b.p, b.n);
    ms_buf_finish(&b);
    if (!ok)
        return ms_err_at(err, MS_IO, s->dir, 0, 0, NULL, "cannot write %s: %s",
                         fd == s->results_fd ? "results.jsonl" : "timing.jsonl", strerror(errno));
    return MS_OK;
}

/* ---- the public face ---- */

static enum ms_status damaged_study(struct ms_store *s, struct ms_err *err)
{
    if (err)
        *err = (struct ms_err){0};
    return ms_err_at(err, MS_INVALID, s->dir, 0, 0, "scenario.json",
                     "is not what was written (the hash does not match): whose results these are "
                     "is not known; --force goes on and keeps the records of equal cases");
}

static enum ms_status check_owner(struct ms_store *s, bool force, struct ms_err *err)
{
    json_t *study = NULL;
    if (force)
        return MS_OK;
    enum ms_status status = ms_study_file_read(s->dir, &study, err);
    if (status != MS_OK)
        return status == MS_INVALID ? damaged_study(s, err) : status;
    const char *hash = json_string_value(json_object_get(study, "study_hash"));
    bool ours = hash && strcmp(hash, s->study->study_hash.hex) == 0;
    const char *said = json_string_value(json_object_get(study, "name"));
    char *name = ms_arena_strdup(&s->arena, said ? said : "unknown");
    json_decref(study);
    if (ours || !name)
        return ours ? MS_OK : nomem(err);
    char *results = ms_path_join(&s->arena, s->dir, "results.jsonl");
    if (!results)
        return nomem(err);
    if (access(results, F_OK) != 0)
        return MS_OK;
    return ms_err_at(err, MS_USAGE, s->dir, 0, 0, NULL,
                     "holds results of another scenario ('%s'), or of this one with other settings "
                     "or input files; "
                     "choose another -o, or --force to replace them (equal cases are kept)",
                     name);
}

/* A folder with things in it, none of which a run of ours ever wrote, is somebody's. */
static enum ms_status check_foreign(struct ms_store *s, struct ms_err *err)
{
    static const char *const ours[] = {".lock", ".origin.json", "scenario.json", "results.jsonl",
                                       "timing.jsonl"};
    DIR *d = opendir(s->dir);
    const struct dirent *e;
    bool any = false, known = false;
    while (d && (e = readdir(d))) {
        bool dots = strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0;
        any |= !dots;
        for (size_t k = 0; k < sizeof ours / sizeof *ours; k++)
            known |= strcmp(e->d_name, ours[k]) == 0;
    }
    if (d)
        closedir(d);
    return !any || known ? MS_OK
                         : ms_err_at(err, MS_USAGE, s->dir, 0, 0, NULL,
                                     "is not empty and holds no results of moesim: choose another "
                                     "-o, or --force to write there all the same");
}

/* Under the lock, so that what a killed run left belongs to nobody. */
static enum ms_status take_folder(struct ms_store *s, struct ms_err *err)
{
    static const char *const inside[] = {"samples", "trace"};
    enum ms_status status = ms_lock_folder(s->dir, &s->lock_fd, s->study->warnings, err);
    for (int i = 0; status == MS_OK && i < 2; i++) {
        char *path = ms_path_join(&s->arena, s->dir, inside[i]);
        if (path)
            ms_part_sweep(path);
        else
            status = nomem(err);
    }
    return status;
}

static enum ms_status prepare(struct ms_store *s, bool force, struct ms_err *err)
{
    enum ms_status status = force ? MS_OK : check_foreign(s, err);
    if (status == MS_OK)
        status = ms_dir_make(s->dir, err);
    if (status == MS_OK)
        status = take_folder(s, err);
    if (status == MS_OK)
        status = check_owner(s, force, err);
    if (status == MS_OK)
        status = read_old(s, err);
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
        return nomem(err);
    s->lock_fd = s->results_fd = s->timing_fd = -1;
    s->study = study;
    s->dir = ms_arena_strdup(&s->arena, dir);
    s->entry = calloc(study->n + 1, sizeof *s->entry);
    enum ms_status status = s->dir && s->entry ? prepare(s, force, err) : nomem(err);
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
    struct entry *e = &s->entry[index];
    free(e->record);
    free(e->timing);
    *e = (struct entry){.record = record, .timing = timing, .ok = ok};
    if (!record || (ok && !timing))
        return nomem(err);
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
                                    ? nomem(err)
                                    : ms_samples_write(s->dir, c->id, c->key.hex, samples, err);
        if (status != MS_OK)
            return status;
    }
    const char *members = timing && timing->p ? timing->p : "";
    return put(s, index, compose_ok(c, body->p), compose_timing(c, members), true, err);
}

enum ms_status ms_store_fail(struct ms_store *s, size_t index, const char *error,
                             struct ms_err *err)
{
    return put(s, index, compose_failed(&s->study->c[index], error), NULL, false, err);
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
        return nomem(err);
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
