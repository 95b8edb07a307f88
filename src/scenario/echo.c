/* Effective values as JSON: for people, with paths as given, and in the canonical form that results
 * are keyed by, with files by their content. It decides what can change a result. */
#include <math.h>
#include <string.h>

#include "base/files.h"
#include "scenario/read.h"

static void fail(struct ms_echo *o, enum ms_status s)
{
    if (o->status == MS_OK)
        o->status = s;
}

void ms_echo_path(struct ms_echo *o, const char *name, const char *path)
{
    struct ms_hash h = {""};
    if (!o->files || !path) {
        ms_json_string(&o->j, name, path);
        return;
    }
    fail(o, ms_files_hash(o->files, path, &h, o->err));
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

/* What cannot change a result: the section `report`, and beside it the name. */
static bool is_name(const struct ms_key *k)
{
    return !k->section->prefix[0] && strcmp(k->field->key, "name") == 0;
}

/* Where the values of a section are; NULL: it is left out, being optional and not given, or idle talk. */
static const char *values_of(const struct ms_section *of, const struct ms_scenario *s,
                             bool canonical)
{
    bool left_out = (!s->has_model && strcmp(of->prefix, "model") == 0) ||
                    (canonical && strcmp(of->prefix, "report") == 0);
    return left_out ? NULL : ms_section_base(of, s);
}

/* A file that this case does not look at, be it there or not. */
static bool idle_file(const struct ms_key *k, const struct ms_scenario *s)
{
    return k->field->type == MS_FIELD_PATH && k->field->acts && !k->field->acts->acts(s);
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
        size_t len = strcspn(rest, "."), kept = len < sizeof word ? len : sizeof word - 1;
        memcpy(word, rest, kept);
        word[kept] = '\0';
        ms_json_object(j, word);
        rest += len + (rest[len] == '.');
    }
}

static enum ms_status echo_all(const struct ms_scenario *s, struct ms_files *files,
                               struct ms_buf *out, struct ms_err *err)
{
    struct ms_echo o = {.j = {.out = out}, .files = files, .err = err};
    struct ms_key_cursor c = {0};
    struct ms_key k;
    const struct ms_section *of = NULL;
    const char *section = "", *base = NULL;
    ms_json_object(&o.j, NULL);
    while (ms_key_step(&c, &k)) {
        if (k.section != of)
            base = values_of(k.section, s, files);
        of = k.section;
        if (!base || (files && is_name(&k)))
            continue;
        if (k.section->prefix != section)
            change_section(&o.j, section, k.section->prefix);
        section = k.section->prefix;
        if (files && idle_file(&k, s)) {
            ms_json_null(&o.j, k.field->key);
            continue;
        }
        ms_echo_value(&o, k.field->key, k.field, base + k.field->offset);
    }
    change_section(&o.j, section, "");
    ms_json_end_object(&o.j);
    if (out->failed)
        fail(&o, ms_err_set(err, MS_NOMEM, "out of memory"));
    return o.status;
}

enum ms_status ms_scenario_canonical(const struct ms_scenario *s, struct ms_files *files,
                                     struct ms_buf *out, struct ms_err *err)
{
    return echo_all(s, files, out, err);
}

enum ms_status ms_scenario_echo(const struct ms_scenario *s, struct ms_buf *out, struct ms_err *err)
{
    return echo_all(s, NULL, out, err);
}
