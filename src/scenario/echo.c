/* Effective values as JSON: for people, and in the canonical form that results are keyed by. It
 * decides what can change a result. */
#include <dirent.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/hash.h"
#include "scenario/read.h"

static void fail(struct ms_echo *o, enum ms_status s)
{
    if (o->status == MS_OK)
        o->status = s;
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static int visible(const struct dirent *d)
{
    return d->d_name[0] != '.';
}

/* A folder (a checkpoint) is the names and contents of its files. */
static enum ms_status hash_folder(const char *path, struct ms_hash *out, struct ms_err *err)
{
    struct dirent **list = NULL;
    struct ms_buf all = {0};
    enum ms_status s = MS_OK;
    int n = scandir(path, &list, visible, by_name);
    if (n < 0)
        return ms_err_at(err, MS_IO, path, 0, 0, NULL, "cannot read the folder");
    for (int i = 0; i < n; i++) {
        struct ms_buf file = {0};
        struct stat st;
        struct ms_hash h;
        ms_buf_printf(&file, "%s/%s", path, list[i]->d_name);
        if (s == MS_OK && file.p && stat(file.p, &st) == 0 && S_ISREG(st.st_mode)) {
            s = ms_hash_file(file.p, &h, err);
            ms_buf_printf(&all, "%s %s\n", s == MS_OK ? h.hex : "", list[i]->d_name);
        }
        ms_buf_finish(&file);
        free(list[i]);
    }
    free(list);
    if (s == MS_OK)
        *out = ms_hash128(all.p ? all.p : "", all.n);
    ms_buf_finish(&all);
    return s;
}

void ms_echo_path(struct ms_echo *o, const char *name, const char *path)
{
    struct ms_hash h = {""};
    struct stat st;
    if (!o->canonical || !path) {
        ms_json_string(&o->j, name, path);
        return;
    }
    bool folder = stat(path, &st) == 0 && S_ISDIR(st.st_mode);
    fail(o, folder ? hash_folder(path, &h, o->err) : ms_hash_file(path, &h, o->err));
    ms_json_object(&o->j, name);
    ms_json_string(&o->j, "xxh3", h.hex);
    ms_json_end_object(&o->j);
}

void ms_echo_value(struct ms_echo *o, const char *name, const struct ms_field *f, const void *at)
{
    if (ms_field_is_word(f, at) &&
        isfinite(f->word_value)) { /* else null: JSON has no such number */
        ms_json_string(&o->j, name, f->word);
        return;
    }
    switch (f->type) {
    case MS_FIELD_BOOL:
        ms_json_bool(&o->j, name, *(const bool *)at);
        break;
    case MS_FIELD_INT:
        ms_json_integer(&o->j, name, *(const int64_t *)at);
        break;
    case MS_FIELD_INT32:
        ms_json_integer(&o->j, name, *(const int *)at);
        break;
    case MS_FIELD_NUMBER:
        ms_json_number(&o->j, name, *(const double *)at);
        break;
    case MS_FIELD_ENUM:
        ms_json_string(&o->j, name, f->names[*(const int *)at]);
        break;
    case MS_FIELD_NAME:
    case MS_FIELD_STRING:
        ms_json_string(&o->j, name, *(const char *const *)at);
        break;
    case MS_FIELD_PATH:
        ms_echo_path(o, name, *(const char *const *)at);
        break;
    case MS_FIELD_TABLE:
        ms_echo_table(o, name, f->fields, at);
        break;
    case MS_FIELD_ODD:
        f->shape->echo(o, name, f, at);
        break;
    }
}

void ms_echo_table(struct ms_echo *o, const char *name, const struct ms_field *fields,
                   const void *base)
{
    ms_json_object(&o->j, name);
    for (const struct ms_field *f = fields; f->key; f++)
        ms_echo_value(o, f->key, f, (const char *)base + f->offset);
    ms_json_end_object(&o->j);
}

/* What cannot change a result. */
static bool only_talk(const struct ms_key *k)
{
    return strcmp(k->path, "name") == 0 || strcmp(k->section->prefix, "report") == 0;
}

/* Optional sections and keys that were not given. */
static bool absent(const struct ms_key *k, const struct ms_scenario *s)
{
    return !ms_section_base(k->section, s) ||
           (strcmp(k->section->prefix, "model") == 0 && !s->has_model);
}

/* Close and open objects on the way from one section to the next. */
static void change_section(struct ms_json *j, const char *from, const char *to)
{
    size_t n = strlen(from);
    while (n > 0 && (strncmp(from, to, n) != 0 || (to[n] != '.' && to[n] != 0))) {
        ms_json_end_object(j);
        do
            n--;
        while (n > 0 && from[n] != '.');
    }
    for (const char *rest = to + n + (n > 0 && to[n] == '.'); *rest;) {
        char word[80];
        size_t len = strcspn(rest, ".");
        snprintf(word, sizeof word, "%.*s", (int)len, rest);
        ms_json_object(j, word);
        rest += len + (rest[len] == '.');
    }
}

static enum ms_status echo_all(const struct ms_scenario *s, bool canonical, struct ms_buf *out,
                               struct ms_err *err)
{
    struct ms_echo o = {.j = {.out = out}, .canonical = canonical, .err = err};
    struct ms_key_cursor c = {0};
    struct ms_key k;
    const char *section = "";
    ms_json_object(&o.j, NULL);
    while (ms_key_next(&c, &k)) {
        if (absent(&k, s) || (canonical && only_talk(&k)))
            continue;
        change_section(&o.j, section, k.section->prefix);
        section = k.section->prefix;
        const void *at = (const char *)ms_section_base(k.section, s) + k.field->offset;
        ms_echo_value(&o, k.field->key, k.field, at);
    }
    change_section(&o.j, section, "");
    ms_json_end_object(&o.j);
    if (out->failed)
        fail(&o, ms_err_set(err, MS_NOMEM, "out of memory"));
    return o.status;
}

enum ms_status ms_scenario_canonical(const struct ms_scenario *s, struct ms_buf *out,
                                     struct ms_err *err)
{
    return echo_all(s, true, out, err);
}

enum ms_status ms_scenario_echo(const struct ms_scenario *s, struct ms_buf *out, struct ms_err *err)
{
    return echo_all(s, false, out, err);
}
