/* Decides what of a checkpoint folder must match its manifest, and reads nothing into one that says
 * more, less, or something twice. */
#include "moe/manifest.h"

#include <jansson.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/seal.h"

static const char schema[] = "moesim.checkpoint/1";
enum { MOST_BYTES = 1 << 20 };

static enum ms_status nomem(struct ms_err *err)
{
    return ms_err_set(err, MS_NOMEM, "out of memory for a checkpoint's manifest");
}

static enum ms_status path_of(struct ms_buf *out, const char *folder, const char *file,
                              struct ms_err *err)
{
    out->n = 0;
    ms_buf_printf(out, "%s/%s", folder, file);
    return out->failed ? nomem(err) : MS_OK;
}

static void add_log(struct ms_json *j, const char *key, const struct ms_manifest_log *l)
{
    ms_json_object(j, key);
    ms_json_integer(j, "bytes", l->bytes);
    ms_json_string(j, "hash", l->hash.hex);
    ms_json_end_object(j);
}

static enum ms_status compose(const char *folder, const char *const *files, size_t n_files,
                              const struct ms_manifest *m, struct ms_buf *out, struct ms_err *err)
{
    struct ms_json j = {.out = out};
    struct ms_buf path = {0};
    enum ms_status s = MS_OK;
    ms_json_object(&j, NULL);
    ms_json_string(&j, "schema", schema);
    ms_json_integer(&j, "step", m->step);
    ms_json_object(&j, "files");
    for (size_t i = 0; s == MS_OK && i < n_files; i++) {
        struct ms_hash h;
        s = path_of(&path, folder, files[i], err);
        if (s != MS_OK || !ms_file_is(path.p))
            continue;
        s = ms_hash_file(path.p, &h, err);
        ms_json_string(&j, files[i], h.hex);
    }
    ms_json_end_object(&j);
    add_log(&j, "history", &m->history);
    add_log(&j, "loads", &m->loads);
    ms_seal_add(out);
    ms_buf_adds(out, "\n");
    ms_buf_finish(&path);
    return s == MS_OK && out->failed ? nomem(err) : s;
}

enum ms_status ms_manifest_write(const char *folder, const char *const *files, size_t n_files,
                                 const struct ms_manifest *m, struct ms_err *err)
{
    struct ms_buf text = {0}, path = {0};
    enum ms_status s = compose(folder, files, n_files, m, &text, err);
    if (s == MS_OK)
        s = path_of(&path, folder, "manifest.json", err);
    if (s == MS_OK)
        s = ms_file_write(path.p, text.p, text.n, err);
    ms_buf_finish(&text);
    ms_buf_finish(&path);
    return s;
}

/* ---- reading ---- */

static bool is_hash(const json_t *v)
{
    const char *text = json_string_value(v);
    return text && strlen(text) == 32 && strspn(text, "0123456789abcdef") == 32;
}

static bool read_log(const json_t *root, const char *key, struct ms_manifest_log *out)
{
    const json_t *l = json_object_get(root, key), *bytes = json_object_get(l, "bytes"),
                 *hash = json_object_get(l, "hash");
    if (json_object_size(l) != 2 || !json_is_integer(bytes) || json_integer_value(bytes) < 0 ||
        !is_hash(hash))
        return false;
    out->bytes = json_integer_value(bytes);
    memcpy(out->hash.hex, json_string_value(hash), sizeof out->hash.hex);
    return true;
}

/* Exactly what compose writes, in any order. */
static bool read_fields(const json_t *root, struct ms_manifest *out)
{
    const json_t *step = json_object_get(root, "step"), *files = json_object_get(root, "files");
    const char *name;
    json_t *v;
    if (json_object_size(root) != 6 || !json_is_integer(step) || json_integer_value(step) < 0 ||
        !json_is_object(files))
        return false;
    out->step = json_integer_value(step);
    json_object_foreach((json_t *)files, name, v)
    {
        if (!is_hash(v) || !*name || strchr(name, '/'))
            return false;
    }
    return read_log(root, "history", &out->history) && read_log(root, "loads", &out->loads);
}

static enum ms_status check_files(const char *folder, const json_t *files, struct ms_err *err)
{
    struct ms_buf path = {0};
    enum ms_status s = MS_OK;
    const char *name;
    json_t *v;
    json_object_foreach((json_t *)files, name, v)
    {
        struct ms_hash h;
        if (s == MS_OK)
            s = path_of(&path, folder, name, err);
        if (s == MS_OK)
            s = ms_hash_file(path.p, &h, err);
        if (s == MS_OK && strcmp(h.hex, json_string_value(v)) != 0)
            s = ms_err_at(err, MS_INVALID, path.p, 0, 0, NULL,
                          "is not what was written: its hash is not the one in manifest.json");
    }
    ms_buf_finish(&path);
    return s;
}

static enum ms_status check_text(const char *folder, const char *path, struct ms_buf *text,
                                 bool *there, struct ms_manifest *out, struct ms_err *err)
{
    json_error_t why;
    while (text->n > 0 && strchr(" \t\r\n", text->p[text->n - 1]))
        text->n--;
    json_t *root = json_loadb(text->p, text->n, JSON_REJECT_DUPLICATES, &why);
    if (!root && json_error_code(&why) == json_error_out_of_memory)
        return nomem(err);
    const char *said = json_string_value(json_object_get(root, "schema"));
    enum ms_status s = MS_OK;
    *there = ms_seal_check(text->p, text->n) != MS_SEAL_NONE || (said && !strcmp(said, schema));
    if (*there && (ms_seal_check(text->p, text->n) != MS_SEAL_WHOLE || !said ||
                   strcmp(said, schema) != 0 || !read_fields(root, out)))
        s = ms_err_at(err, MS_INVALID, path, 0, 0, NULL,
                      "is not what was written (the hash does not match)");
    if (*there && s == MS_OK)
        s = check_files(folder, json_object_get(root, "files"), err);
    json_decref(root);
    return s;
}

enum ms_status ms_manifest_check(const char *folder, bool *there, struct ms_manifest *out,
                                 struct ms_err *err)
{
    struct ms_buf path = {0}, text = {0};
    struct ms_manifest unused;
    *there = false;
    enum ms_status s = path_of(&path, folder, "manifest.json", err);
    if (s == MS_OK && ms_file_is(path.p)) {
        s = ms_file_read_most(path.p, MOST_BYTES, &text, err);
        if (s == MS_OK)
            s = check_text(folder, path.p, &text, there, out ? out : &unused, err);
    }
    ms_buf_finish(&path);
    ms_buf_finish(&text);
    return s;
}
