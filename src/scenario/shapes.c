/** @file shapes.c  Values that are no plain number or word, for any section. */
#include <stdlib.h>
#include <string.h>

#include "scenario/fields.h"

/* ---- a word of another room's table ---- */

static void parse_name(struct ms_reading *r, const struct ms_key *k, const struct ms_entry *e,
                       void *at)
{
    enum { MAX = 128 };
    const char *names[MAX], *text;
    if (!ms_reading_text(r, e, k->path, k->special->what, &text))
        return;
    size_t n = k->special->names(names, MAX);
    n = n < MAX ? n : MAX;
    for (size_t i = 0; i < n; i++)
        if (strcmp(names[i], text) == 0) {
            *(const char **)at = names[i];
            return;
        }
    ms_reading_unknown(r, e, k->path, k->special->what, text, names, n);
}

static void echo_name(struct ms_echo *o, const char *name, const struct ms_key *k, const void *at)
{
    ms_json_string(&o->j, name, *(const char *const *)at);
}

static void schema_name(struct ms_json *j, const struct ms_key *k)
{
    enum { MAX = 128 };
    const char *names[MAX];
    size_t n = k->special->names(names, MAX);
    ms_json_array(j, "enum");
    for (size_t i = 0; i < n && i < MAX; i++)
        ms_json_string(j, NULL, names[i]);
    ms_json_end_array(j);
}

const struct ms_shape ms_shape_name = {parse_name, echo_name, schema_name, NULL, NULL};

/* ---- the scenario's name: becomes a folder ---- */

static void parse_scenario_name(struct ms_reading *r, const struct ms_key *k,
                                const struct ms_entry *e, void *at)
{
    const char *text;
    char shown[80];
    if (!ms_reading_text(r, e, k->path, "a name", &text))
        return;
    bool bad = text[0] == '.' || strlen(text) > 100;
    for (const char *c = text; *c; c++)
        bad = bad || *c == '/' || (unsigned char)*c < 0x20 || *c == 0x7f;
    if (bad)
        ms_reading_fail(
            r, e, k->path,
            "'%s' cannot name a folder: at most 100 characters, no '/', no dot in front",
            ms_yaml_clean(text, shown, sizeof shown));
    else
        *(const char **)at = ms_arena_strdup(r->arena, text);
}

static void schema_scenario_name(struct ms_json *j, const struct ms_key *k)
{
    ms_json_string(j, "type", "string");
    ms_json_string(j, "pattern", "^[^./][^/]*$");
    ms_json_integer(j, "maxLength", 100);
}

const struct ms_shape ms_shape_scenario_name = {parse_scenario_name, echo_name,
                                                schema_scenario_name, "a word", NULL};

/* ---- all | count ---- */

static void parse_all(struct ms_reading *r, const struct ms_key *k, const struct ms_entry *e,
                      void *at)
{
    int64_t v;
    const char *text;
    char shown[80], *end;
    if (!ms_reading_text(r, e, k->path, "all or a whole number", &text))
        return;
    if (strcmp(text, "all") == 0) {
        *(int *)at = 0;
        return;
    }
    if (strtod(text, &end) == 0 && end == text) {
        ms_reading_fail(r, e, k->path, "'%s' is not a whole number or all",
                        ms_yaml_clean(text, shown, sizeof shown));
        return;
    }
    if (ms_reading_integer(r, e, k->path, k->field, &v))
        *(int *)at = (int)v;
}

static void echo_all(struct ms_echo *o, const char *name, const struct ms_key *k, const void *at)
{
    int v = *(const int *)at;
    if (v == 0)
        ms_json_string(&o->j, name, "all");
    else
        ms_json_integer(&o->j, name, v);
}

/* anyOf: a fixed word, or what the row's numbers say */
static void word_or(struct ms_json *j, const char *word, const char *type, const struct ms_field *f)
{
    struct ms_field number = *f;
    number.type = strcmp(type, "integer") == 0 ? MS_FIELD_INT : MS_FIELD_NUMBER;
    ms_json_array(j, "anyOf");
    ms_json_object(j, NULL);
    ms_json_string(j, "const", word);
    ms_json_end_object(j);
    ms_json_object(j, NULL);
    ms_schema_value(j, &number);
    ms_json_end_object(j);
    ms_json_end_array(j);
}

static void schema_all(struct ms_json *j, const struct ms_key *k)
{
    word_or(j, "all", "integer", k->field);
}

const struct ms_shape ms_shape_all = {parse_all, echo_all, schema_all, "all or a whole number",
                                      NULL};

/* ---- none | number ---- */

static void parse_none(struct ms_reading *r, const struct ms_key *k, const struct ms_entry *e,
                       void *at)
{
    if (e->value->kind == MS_YAML_SCALAR && strcmp(e->value->text, "none") == 0)
        *(double *)at = 0;
    else
        ms_reading_number(r, e, k->path, k->field, at);
}

static void echo_none(struct ms_echo *o, const char *name, const struct ms_key *k, const void *at)
{
    double v = *(const double *)at;
    if (v == 0)
        ms_json_string(&o->j, name, "none");
    else
        ms_json_number(&o->j, name, v);
}

static void schema_none(struct ms_json *j, const struct ms_key *k)
{
    word_or(j, "none", "number", k->field);
}

const struct ms_shape ms_shape_none = {parse_none, echo_none, schema_none, "none or a number",
                                       NULL};
