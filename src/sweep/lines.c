/* Records as lines of a results folder: what of a line is read, and which lines are torn. */
#include "sweep/lines.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sweep/store.h"

char *ms_path_join(struct ms_arena *arena, const char *dir, const char *name)
{
    size_t n = strlen(dir) + strlen(name) + 2;
    char *p = MS_NEW(arena, char, n);
    if (p)
        snprintf(p, n, "%s/%s", dir, name);
    return p;
}

static const char *member(const json_t *object, const char *name, struct ms_arena *arena)
{
    const char *s = json_string_value(json_object_get(object, name));
    return ms_arena_strdup(arena, s ? s : "");
}

/* The body starts behind the head; quotes inside strings are escaped, so this cannot match one. */
static const char *body_of(struct ms_arena *arena, const char *text)
{
    const char *start = strstr(text, "," MS_RECORD_BODY);
    char *copy = start ? ms_arena_strdup(arena, start + 1) : NULL;
    if (copy)
        copy[strlen(copy) - 1] = '\0'; /* the record's closing brace */
    return copy;
}

static bool take_apart(struct ms_arena *arena, const char *text, struct ms_line *out)
{
    json_t *o = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    if (!json_is_object(o)) {
        json_decref(o);
        return false;
    }
    *out = (struct ms_line){.text = text,
                            .id = member(o, "case", arena),
                            .key = member(o, "key", arena),
                            .status = member(o, "status", arena),
                            .body = body_of(arena, text)};
    json_decref(o);
    return true;
}

/* Lines of text in place; the last one without a newline is torn. */
static enum ms_status split(struct ms_arena *arena, char *text, struct ms_line **out, size_t *n)
{
    size_t count = 0;
    for (const char *p = text; (p = strchr(p, '\n')); p++)
        count++;
    *out = MS_NEW(arena, struct ms_line, count);
    if (!*out)
        return MS_NOMEM;
    for (char *end; (end = strchr(text, '\n')); text = end + 1) {
        *end = '\0';
        if (take_apart(arena, text, &(*out)[*n]))
            (*n)++;
    }
    return MS_OK;
}

enum ms_status ms_lines_read(const char *dir, const char *name, struct ms_arena *arena,
                             struct ms_line **out, size_t *n, struct ms_err *err)
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
    char *text = s == MS_OK && b.n > 0 ? MS_NEW(arena, char, b.n + 1) : NULL;
    if (text) {
        memcpy(text, b.p, b.n + 1);
        s = split(arena, text, out, n);
    } else if (s == MS_OK && b.n > 0) {
        s = MS_NOMEM;
    }
    ms_buf_finish(&b);
    return s == MS_NOMEM ? ms_err_set(err, s, "out of memory reading '%s'", path) : s;
}

enum ms_status ms_lines_each(const char *path, struct ms_buf *text,
                             bool (*each)(void *ctx, const char *line, json_t *object), void *ctx,
                             struct ms_err *err)
{
    enum ms_status s = ms_file_read(path, text, err);
    char *line = s == MS_OK && text->n > 0 ? text->p : NULL;
    for (char *end; s == MS_OK && line && (end = strchr(line, '\n')); line = end + 1) {
        *end = '\0';
        json_t *o = json_loads(line, JSON_REJECT_DUPLICATES, NULL);
        if (json_is_object(o) && !each(ctx, line, o))
            s = ms_err_set(err, MS_NOMEM, "out of memory reading '%s'", path);
        json_decref(o);
    }
    return s;
}

const char *ms_scenario_json_member(const char *dir, const char *name, struct ms_arena *arena)
{
    char *path = ms_path_join(arena, dir, "scenario.json");
    json_t *o = path ? json_load_file(path, 0, NULL) : NULL;
    const char *value = json_string_value(json_object_get(o, name));
    if (value)
        value = ms_arena_strdup(arena, value);
    json_decref(o);
    return value;
}
