/* Decides how a results folder remembers its scenario: a path from the folder, so that both may move
 * together. */
#define _GNU_SOURCE
#include "cli/origin.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "base/strings.h"
#include "sweep/lines.h"

/* Both absolute: the way from dir to file. */
static void way(const char *dir, const char *file, struct ms_buf *out)
{
    size_t common = 0;
    for (size_t i = 0; dir[i] && dir[i] == file[i]; i++)
        if (file[i] == '/')
            common = i;
    size_t n = strlen(dir);
    if (strncmp(dir, file, n) == 0 && file[n] == '/')
        common = n;
    for (const char *p = dir + common; *p; p++)
        if (*p == '/' && p[1])
            ms_buf_adds(out, "../");
    ms_buf_adds(out, file + common + 1);
}

enum ms_status ms_origin_write(const char *dir, const char *scenario, const char *const *sets,
                               size_t n_sets, struct ms_err *err)
{
    struct ms_buf text = {0}, path = {0}, name = {0};
    struct ms_json j = {.out = &text};
    char *from = realpath(dir, NULL), *to = realpath(scenario, NULL);
    if (!from || !to || strcmp(scenario, "-") == 0) { /* stdin cannot be read again */
        free(from);
        free(to);
        return MS_OK;
    }
    way(from, to, &name);
    ms_json_object(&j, NULL);
    ms_json_string(&j, "scenario", name.p);
    ms_json_array(&j, "sets");
    for (size_t i = 0; i < n_sets; i++)
        ms_json_string(&j, NULL, sets[i]);
    ms_json_end_array(&j);
    ms_json_end_object(&j);
    ms_buf_adds(&text, "\n");
    ms_buf_printf(&path, "%s/.origin.json", dir);
    enum ms_status s = text.failed || path.failed || name.failed
                           ? ms_err_set(err, MS_NOMEM, "out of memory")
                           : ms_file_write(path.p, text.p, text.n, err);
    ms_buf_finish(&text);
    ms_buf_finish(&path);
    ms_buf_finish(&name);
    free(from);
    free(to);
    return s;
}

enum ms_status ms_origin_read(const char *dir, struct ms_arena *arena, struct ms_origin *out,
                              struct ms_err *err)
{
    struct ms_buf text = {0}, path = {0};
    ms_buf_printf(&path, "%s/.origin.json", dir);
    if (path.failed)
        return ms_err_set(err, MS_NOMEM, "out of memory");
    if (access(path.p, R_OK) != 0) {
        ms_buf_finish(&path);
        return ms_err_at(err, MS_INVALID, dir, 0, 0, NULL,
                         "does not say which scenario it is of (no .origin.json); name it with "
                         "--scenario");
    }
    enum ms_status s = ms_file_read(path.p, &text, err);
    json_t *o = s == MS_OK ? json_loadb(text.p ? text.p : "", text.n, 0, NULL) : NULL;
    const char *name = json_string_value(json_object_get(o, "scenario"));
    const json_t *sets = json_object_get(o, "sets");
    if (s == MS_OK && !name)
        s = ms_err_at(err, MS_INVALID, path.p, 0, 0, NULL, "names no scenario");
    if (s == MS_OK) {
        out->scenario = ms_path_join(arena, dir, name);
        out->n_sets = json_array_size(sets);
        out->sets = MS_NEW(arena, const char *, out->n_sets + 1);
        for (size_t i = 0; out->sets && i < out->n_sets; i++)
            out->sets[i] = ms_arena_strdup(arena, json_string_value(json_array_get(sets, i)));
        if (!out->scenario || !out->sets)
            s = ms_err_set(err, MS_NOMEM, "out of memory");
    }
    json_decref(o);
    ms_buf_finish(&text);
    ms_buf_finish(&path);
    return s;
}
