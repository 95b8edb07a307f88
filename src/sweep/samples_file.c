/* Where a case's samples stand, and when they are believed: what stands beside them must name their hash and the record's key. */
#include "sweep/samples_file.h"

#include <string.h>

#include "base/hash.h"
#include "base/json.h"
#include "base/seal.h"

static enum ms_status path_of(struct ms_buf *path, const char *dir, const char *id, const char *end,
                              struct ms_err *err)
{
    path->n = 0;
    ms_buf_printf(path, "%s/samples/%s.%s", dir, id, end);
    return path->failed ? ms_err_set(err, MS_NOMEM, "out of memory for the samples") : MS_OK;
}

static void add_line(struct ms_buf *line, const char *id, const char *key,
                     const struct ms_buf *text)
{
    struct ms_json j = {.out = line};
    ms_json_object(&j, NULL);
    ms_json_string(&j, "schema", "moesim.samples/1");
    ms_json_string(&j, "case", id);
    ms_json_string(&j, "key", key);
    ms_json_string(&j, "csv", ms_hash128(text->p ? text->p : "", text->n).hex);
    ms_seal_add(line);
    ms_buf_adds(line, "\n");
}

static bool equal(const struct ms_buf *a, const struct ms_buf *b)
{
    return a->n == b->n && (a->n == 0 || memcmp(a->p, b->p, a->n) == 0);
}

/* Where there is one; it is added to out. */
static enum ms_status read_there(const char *path, struct ms_buf *out, bool *there,
                                 struct ms_err *err)
{
    *there = ms_file_is(path);
    return *there ? ms_file_read(path, out, err) : MS_OK;
}

enum ms_status ms_samples_read(const char *dir, const char *id, const char *key,
                               enum ms_samples_state *state, struct ms_buf *out, struct ms_err *err)
{
    struct ms_buf path = {0}, text = {0}, said = {0}, right = {0};
    bool there = false, hashed = false;
    *state = MS_SAMPLES_NONE;
    enum ms_status s = path_of(&path, dir, id, "csv", err);
    if (s == MS_OK)
        s = read_there(path.p, &text, &there, err);
    if (s == MS_OK)
        s = path_of(&path, dir, id, "json", err);
    if (s == MS_OK && there)
        s = read_there(path.p, &said, &hashed, err);
    if (s == MS_OK && there) {
        add_line(&right, id, key, &text);
        *state = hashed && equal(&said, &right) ? MS_SAMPLES_WHOLE : MS_SAMPLES_BROKEN;
    }
    ms_buf_finish(&path);
    ms_buf_finish(&said);
    ms_buf_finish(&right);
    if (s == MS_OK && out)
        *out = text;
    else
        ms_buf_finish(&text);
    return s;
}

static enum ms_status replace(const char *path, const struct ms_buf *b, struct ms_err *err)
{
    struct ms_buf old = {0};
    bool there = false;
    enum ms_status s = read_there(path, &old, &there, NULL);
    bool same = s == MS_OK && there && equal(&old, b);
    ms_buf_finish(&old);
    return same ? MS_OK : ms_file_replace(path, b->p ? b->p : "", b->n, err);
}

enum ms_status ms_samples_write(const char *dir, const char *id, const char *key,
                                const struct ms_buf *text, struct ms_err *err)
{
    struct ms_buf path = {0}, line = {0};
    ms_buf_printf(&path, "%s/samples", dir);
    add_line(&line, id, key, text);
    enum ms_status s = path.failed || line.failed
                           ? ms_err_set(err, MS_NOMEM, "out of memory for the samples")
                           : ms_dir_make(path.p, err);
    if (s == MS_OK)
        s = path_of(&path, dir, id, "csv", err);
    if (s == MS_OK)
        s = replace(path.p, text, err);
    if (s == MS_OK)
        s = path_of(&path, dir, id, "json", err);
    if (s == MS_OK)
        s = replace(path.p, &line, err);
    ms_buf_finish(&path);
    ms_buf_finish(&line);
    return s;
}
