/* Records as lines of a results folder: what of a line is read, and which lines are torn. */
#include "sweep/lines.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/json_scan.h"
#include "base/seal.h"
#include "sweep/store.h"

char *ms_path_join(struct ms_arena *arena, const char *dir, const char *name)
{
    size_t n = strlen(dir) + strlen(name) + 2;
    char *p = MS_NEW(arena, char, n);
    if (p)
        snprintf(p, n, "%s/%s", dir, name);
    return p;
}

static const char *keep(struct ms_arena *arena, const char *p, size_t n)
{
    char *copy = MS_NEW(arena, char, n + 1);
    if (copy)
        memcpy(copy, p, n);
    return copy;
}

/* The head's members need no escapes, nor do those of a line of times. */
static bool take_apart(struct ms_arena *arena, const char *text, size_t n, bool sealed,
                       struct ms_line *out)
{
    struct ms_json_scan s = ms_json_scan_text(text, n);
    struct ms_json_slice key, v;
    *out = (struct ms_line){text, "", "", "", NULL};
    while (ms_json_scan_next(&s, &key, &v)) {
        const char **to = ms_json_slice_is(&key, "case")     ? &out->id
                          : ms_json_slice_is(&key, "key")    ? &out->key
                          : ms_json_slice_is(&key, "status") ? &out->status
                                                             : NULL;
        if (to && v.kind == MS_JSON_STRING && !(*to = keep(arena, v.p, v.n)))
            return false;
        const char *body = key.p - 1;
        if (!sealed || strncmp(body, MS_RECORD_BODY, strlen(MS_RECORD_BODY)) != 0)
            continue;
        out->body = keep(arena, body, (size_t)(text + n - MS_SEAL_BYTES - body));
        return out->body;
    }
    return true;
}

/* ---- the lines of a text ---- */

struct walk {
    char *at, *end;
    struct ms_lines_seen *seen;
    bool take_unsealed;
};

/* The next line, cut at its end, blanks and CR taken off; NULL: no more. */
static char *next_line(struct walk *w, size_t *n)
{
    char *line = w->at,
         *newline = line < w->end ? memchr(line, '\n', (size_t)(w->end - line)) : NULL;
    if (!newline)
        return NULL;
    w->at = newline + 1;
    while (newline > line && strchr(" \t\r", newline[-1]))
        newline--;
    *newline = '\0';
    *n = (size_t)(newline - line);
    return line;
}

/* Is it one JSON object? What others made is held to more: no two members of one name. */
static bool is_object(const char *line, size_t n, bool ours, enum ms_status *s)
{
    json_error_t why;
    if (ours || !ms_json_is_object(line, n))
        return ours && ms_json_is_object(line, n);
    json_t *o = json_loadb(line, n, JSON_REJECT_DUPLICATES, &why);
    if (!o && json_error_code(&why) == json_error_out_of_memory)
        *s = MS_NOMEM;
    json_decref(o);
    return o;
}

/* Does a line count? What a seal holds is what our writer wrote: an object. @param s set to MS_NOMEM where memory is out */
static bool counts(const struct walk *w, const char *line, size_t n, enum ms_status *s)
{
    enum ms_seal seal = w->seen ? ms_seal_check(line, n) : MS_SEAL_NONE;
    bool taken = !w->seen || seal == MS_SEAL_WHOLE || (w->take_unsealed && seal == MS_SEAL_NONE);
    if (n == 0)
        return false;
    bool good = taken && (seal == MS_SEAL_WHOLE || is_object(line, n, !w->seen, s));
    if (w->seen && *s == MS_OK)
        *(seal == MS_SEAL_NONE && (good || !taken) ? &w->seen->n_unsealed
          : good                                   ? &w->seen->n_whole
                                                   : &w->seen->n_broken) += 1;
    return good;
}

static enum ms_status take_all(struct walk w, struct ms_arena *arena, struct ms_line *out,
                               size_t *n)
{
    enum ms_status s = MS_OK;
    size_t len;
    for (char *line; s == MS_OK && (line = next_line(&w, &len));) {
        if (counts(&w, line, len, &s) && !take_apart(arena, line, len, w.seen, &out[(*n)++]))
            s = MS_NOMEM;
    }
    return s;
}

enum ms_status ms_lines_read(const char *dir, const char *name, struct ms_arena *arena,
                             struct ms_line **out, size_t *n, struct ms_lines_seen *seen,
                             struct ms_err *err)
{
    *out = NULL;
    *n = 0;
    char *path = ms_path_join(arena, dir, name);
    if (!path)
        return ms_err_set(err, MS_NOMEM, "out of memory reading '%s'", dir);
    if (access(path, F_OK) != 0)
        return MS_OK;
    struct ms_buf b = {0};
    enum ms_status s = ms_file_read(path, &b, err);
    size_t count = 0;
    for (size_t i = 0; s == MS_OK && i < b.n; i++)
        count += b.p[i] == '\n';
    char *text = s == MS_OK ? MS_NEW(arena, char, b.n + 1) : NULL;
    *out = s == MS_OK ? MS_NEW(arena, struct ms_line, count) : NULL;
    if (text && *out) {
        memcpy(text, b.p, b.n + 1);
        s = take_all((struct walk){text, text + b.n, seen, false}, arena, *out, n);
    } else if (s == MS_OK) {
        s = MS_NOMEM;
    }
    ms_buf_finish(&b);
    return s == MS_NOMEM ? ms_err_set(err, s, "out of memory reading '%s'", path) : s;
}

static bool any_sealed(const char *p, const char *end)
{
    for (const char *e; p < end && (e = memchr(p, '\n', (size_t)(end - p))); p = e + 1) {
        const char *stop = e;
        while (stop > p && strchr(" \t\r", stop[-1]))
            stop--;
        if (ms_seal_check(p, (size_t)(stop - p)) != MS_SEAL_NONE)
            return true;
    }
    return false;
}

enum ms_status ms_lines_each(const char *path, struct ms_buf *text,
                             bool (*each)(void *ctx, const char *line, size_t n), void *ctx,
                             struct ms_lines_seen *seen, struct ms_err *err)
{
    enum ms_status s = ms_file_read(path, text, err);
    if (s != MS_OK || text->n == 0)
        return s;
    struct walk w = {text->p, text->p + text->n, seen, false};
    w.take_unsealed = seen && !any_sealed(w.at, w.end);
    size_t len;
    for (char *line; s == MS_OK && (line = next_line(&w, &len));) {
        if (counts(&w, line, len, &s) && !each(ctx, line, len))
            s = MS_NOMEM;
    }
    return s == MS_NOMEM ? ms_err_set(err, s, "out of memory reading '%s'", path) : s;
}

/* ---- line by line ---- */

/* Case, key and status stand before the body. */
static void read_head(struct ms_line_met *l, bool sealed)
{
    struct ms_json_scan s = ms_json_scan_text(l->text, l->n);
    struct ms_json_slice key, v;
    l->id = l->key = (struct ms_json_slice){.kind = MS_JSON_STRING, .p = ""};
    while (l->head == 0 && ms_json_scan_next(&s, &key, &v)) {
        if (v.kind == MS_JSON_STRING && ms_json_slice_is(&key, "case"))
            l->id = v;
        else if (v.kind == MS_JSON_STRING && ms_json_slice_is(&key, "key"))
            l->key = v;
        else if (v.kind == MS_JSON_STRING && ms_json_slice_is(&key, "status"))
            snprintf(l->status, sizeof l->status, "%.*s", (int)v.n, v.p);
        if (sealed ? ms_json_slice_is(&key, "platform_hash") : l->key.n > 0)
            l->head = (size_t)((sealed ? key.p - 1 : v.p + v.n + 2) - l->text);
    }
    if (!sealed && l->head > 0 && l->text[l->head - 1] != ',')
        l->head = 0; /* times without a member */
}

/* What errno says of a file that could not be read, or not to its end. */
static enum ms_status unread(const char *path, struct ms_err *err)
{
    if (errno == ENOMEM)
        return ms_err_set(err, MS_NOMEM, "out of memory reading '%s'", path);
    return ms_err_at(err, MS_IO, path, 0, 0, NULL, "cannot read: %s", strerror(errno));
}

enum ms_status ms_lines_walk(const char *path, bool (*each)(void *ctx, const struct ms_line_met *l),
                             void *ctx, struct ms_lines_seen *seen, uint64_t *size,
                             struct ms_err *err)
{
    *size = 0;
    if (access(path, F_OK) != 0)
        return MS_OK;
    FILE *f = ms_file_is(path) ? fopen(path, "re") : NULL;
    char *line = NULL;
    size_t cap = 0, n;
    enum ms_status s = f ? MS_OK
                       : ms_file_is(path)
                           ? unread(path, err)
                           : ms_err_at(err, MS_IO, path, 0, 0, NULL, "cannot read: it is no file");
    for (ssize_t got; s == MS_OK && (got = getline(&line, &cap, f)) > 0; *size += (uint64_t)got) {
        struct walk w = {line, line + got, seen, false};
        const char *text = next_line(&w, &n);
        struct ms_line_met l = {.text = text, .n = n, .at = *size};
        bool taken = text && counts(&w, text, n, &s);
        if (taken)
            read_head(&l, seen);
        if (s == MS_NOMEM || (taken && !each(ctx, &l)))
            s = ms_err_set(err, MS_NOMEM, "out of memory reading '%s'", path);
    }
    if (s == MS_OK && f && !feof(f)) /* no memory for a line is told by errno alone */
        s = unread(path, err);
    free(line);
    if (f)
        fclose(f);
    return s;
}

struct steps {
    bool (*each)(void *ctx, const char *line, json_t *object);
    void *ctx;
    json_int_t next;
    bool in_order;
};

static bool take_step(void *ctx, const char *line, size_t n)
{
    struct steps *t = ctx;
    json_error_t why;
    json_t *o = json_loadb(line, n, JSON_REJECT_DUPLICATES, &why);
    if (!o && json_error_code(&why) == json_error_out_of_memory)
        return false;
    const json_t *step = json_object_get(o, "step");
    t->in_order = t->in_order && json_is_integer(step) && json_integer_value(step) == t->next++;
    bool taken = !t->in_order || t->each(t->ctx, line, o);
    json_decref(o);
    return taken;
}

enum ms_status ms_history_each(const char *folder,
                               bool (*each)(void *ctx, const char *line, json_t *object), void *ctx,
                               struct ms_err *err)
{
    struct ms_buf path = {0}, text = {0};
    struct ms_lines_seen seen = {0};
    struct steps steps = {each, ctx, 0, true};
    ms_buf_printf(&path, "%s/history.jsonl", folder);
    enum ms_status s = path.failed ? ms_err_set(err, MS_NOMEM, "out of memory reading '%s'", folder)
                                   : ms_lines_each(path.p, &text, take_step, &steps, &seen, err);
    bool torn = text.n > 0 && text.p[text.n - 1] != '\n' && text.p[text.n - 1] != '\0';
    if (s == MS_OK && (seen.n_broken || seen.n_unsealed || !steps.in_order || torn))
        s = ms_err_at(err, MS_INVALID, path.p, 0, 0, NULL,
                      "is not what was written (the hash of a line does not match, or a step is "
                      "missing)");
    ms_buf_finish(&path);
    ms_buf_finish(&text);
    return s;
}

bool ms_lines_told(const struct ms_lines_seen *seen, const char *then, char *text, size_t size)
{
    size_t lost = seen->n_broken + (seen->n_whole || seen->n_broken ? seen->n_unsealed : 0);
    if (lost > 0)
        snprintf(text, size,
                 "%zu record%s not what %s written (the hash does not match): dropped%s", lost,
                 lost == 1 ? " is" : "s are", lost == 1 ? "was" : "were", then);
    else if (seen->n_unsealed > 0)
        snprintf(text, size, "its records carry no hash: they are taken as they are");
    return lost > 0 || seen->n_unsealed > 0;
}

/* ---- scenario.json ---- */

enum ms_status ms_study_file_read(const char *dir, json_t **out, struct ms_err *err)
{
    struct ms_buf path = {0}, text = {0};
    json_error_t why;
    enum ms_status s = MS_OK;
    *out = NULL;
    ms_buf_printf(&path, "%s/scenario.json", dir);
    if (path.failed)
        s = ms_err_set(err, MS_NOMEM, "out of memory reading '%s'", dir);
    else if (access(path.p, F_OK) == 0)
        s = ms_file_read(path.p, &text, err);
    while (s == MS_OK && text.n > 0 && strchr(" \t\r\n", text.p[text.n - 1]))
        text.n--;
    if (s == MS_OK && text.p) {
        *out = json_loadb(text.p, text.n, JSON_REJECT_DUPLICATES, &why);
        if (!*out && json_error_code(&why) == json_error_out_of_memory)
            s = ms_err_set(err, MS_NOMEM, "out of memory reading '%s'", path.p);
        else if (!json_is_object(*out) || ms_seal_check(text.p, text.n) == MS_SEAL_BROKEN)
            s = ms_err_at(err, MS_INVALID, path.p, 0, 0, NULL,
                          "is not what was written (the hash does not match)");
    }
    if (s != MS_OK) {
        json_decref(*out);
        *out = NULL;
    }
    ms_buf_finish(&path);
    ms_buf_finish(&text);
    return s;
}

const char *ms_scenario_json_member(const char *dir, const char *name, struct ms_arena *arena)
{
    json_t *o = NULL;
    if (ms_study_file_read(dir, &o, NULL) != MS_OK)
        return NULL;
    const char *value = json_string_value(json_object_get(o, name));
    if (value)
        value = ms_arena_strdup(arena, value);
    json_decref(o);
    return value;
}
