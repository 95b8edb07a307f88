/* The scenario file as JSON Schema (draft-07), from the same tables the reader uses: what an editor
 * accepts and completes. */
#include <math.h>
#include <string.h>

#include "base/strings.h"
#include "routing/law.h"
#include "scenario/fields.h"
#include "scenario/scenario.h"

static const char *unit_pattern(enum ms_unit unit)
{
    switch (unit) {
    case MS_UNIT_TIME:
        return "(ps|ns|us|\\u00b5s|\\u03bcs|ms|s|m|h|d)";
    case MS_UNIT_BYTES:
        return "([kMGTP]|[KMGT]i)?[Bb]";
    case MS_UNIT_RATE:
        return "(([kMGTP]|[KMGT]i)?([Bb](ps|/s)|bit/s)|[kMGTP]|[KMGT]i)";
    case MS_UNIT_FLOPS:
        return "([kMGTP]|[KMGT]i)?(f|(flop|FLOP|Flop)(s|S|/s))";
    case MS_UNIT_NONE:
        break;
    }
    return NULL;
}

static void range(struct ms_json *j, const struct ms_field *f)
{
    if (f->min == 0 && f->max == 0)
        return;
    ms_json_number(j, f->above_min ? "exclusiveMinimum" : "minimum", f->min);
    if (f->max < 1e15)
        ms_json_number(j, "maximum", f->max);
}

static void number(struct ms_json *j, const struct ms_field *f)
{
    const char *unit = unit_pattern(f->unit);
    char pattern[120];
    if (!unit) {
        ms_json_string(j, "type", "number");
        range(j, f);
        return;
    }
    ms_json_array(j, "anyOf");
    ms_json_object(j, NULL);
    if (ms_units_usual(f->unit)) {
        ms_json_integer(j, "const", 0); /* any other number needs its unit */
    } else {
        ms_json_string(j, "type", "number");
        range(j, f);
    }
    ms_json_end_object(j);
    ms_json_object(j, NULL);
    ms_json_string(j, "type", "string");
    snprintf(pattern, sizeof pattern, "^[+-]?([0-9]+\\.?[0-9]*|\\.[0-9]+)([eE][+-]?[0-9]+)? *%s$",
             unit);
    ms_json_string(j, "pattern", pattern);
    ms_json_end_object(j);
    ms_json_end_array(j);
}

static void words(struct ms_json *j, const struct ms_field *f)
{
    enum { MAX = 128 };
    const char *names[MAX];
    size_t n = ms_field_words(f, names, MAX);
    ms_json_array(j, "enum");
    for (size_t i = 0; i < n && i < MAX; i++)
        ms_json_string(j, NULL, names[i]);
    ms_json_end_array(j);
}

/* A number's row that takes one word, too. */
static void word_or(struct ms_json *j, const struct ms_field *f)
{
    struct ms_field number = *f;
    number.word = NULL;
    ms_json_array(j, "anyOf");
    ms_json_object(j, NULL);
    ms_json_string(j, "const", f->word);
    ms_json_end_object(j);
    ms_json_object(j, NULL);
    ms_schema_value(j, &number);
    ms_json_end_object(j);
    ms_json_end_array(j);
}

/* The keys that have no default. */
static void required(struct ms_json *j, const struct ms_field *fields)
{
    bool any = false;
    for (const struct ms_field *f = fields; f->key; f++)
        any = any || !f->fallback;
    if (!any)
        return;
    ms_json_array(j, "required");
    for (const struct ms_field *f = fields; f->key; f++)
        if (!f->fallback)
            ms_json_string(j, NULL, f->key);
    ms_json_end_array(j);
}

void ms_schema_value(struct ms_json *j, const struct ms_field *f)
{
    if (f->word) {
        word_or(j, f);
        return;
    }
    switch (f->type) {
    case MS_FIELD_BOOL:
        ms_json_string(j, "type", "boolean");
        break;
    case MS_FIELD_INT:
    case MS_FIELD_INT32:
        ms_json_string(j, "type", "integer");
        range(j, f);
        break;
    case MS_FIELD_NUMBER:
        number(j, f);
        break;
    case MS_FIELD_ENUM:
    case MS_FIELD_NAME:
        words(j, f);
        break;
    case MS_FIELD_STRING:
        ms_json_raw(j, "type", "[\"string\",\"number\",\"boolean\"]");
        break;
    case MS_FIELD_PATH:
        ms_json_string(j, "type", "string");
        ms_json_integer(j, "minLength", 1);
        break;
    case MS_FIELD_TABLE:
        ms_schema_table(j, f->fields);
        break;
    case MS_FIELD_ODD:
        f->shape->schema(j, f);
        break;
    }
}

void ms_schema_table(struct ms_json *j, const struct ms_field *fields)
{
    ms_json_string(j, "type", "object");
    ms_json_object(j, "properties");
    for (const struct ms_field *f = fields; f->key; f++) {
        ms_json_object(j, f->key);
        ms_json_string(j, "description", f->help);
        ms_schema_value(j, f);
        ms_json_end_object(j);
    }
    ms_json_end_object(j);
    required(j, fields);
    ms_json_bool(j, "additionalProperties", false);
}

static void key(struct ms_json *j, const struct ms_key *k)
{
    char help[400];
    const struct ms_field *f = k->field;
    bool fallback = f->fallback && f->fallback[0];
    snprintf(help, sizeof help, "%s%s%s%s%s", f->help, fallback ? "; default " : "",
             fallback ? f->fallback : "", f->later ? "; " : "",
             f->later ? "not available yet" : "");
    ms_json_object(j, f->key);
    ms_json_string(j, "description", help);
    ms_schema_value(j, f);
    ms_json_end_object(j);
}

/* The sections one level below prefix, as members of an open "properties" object. */
static void sections(struct ms_json *j, const char *prefix);

static void properties(struct ms_json *j, const struct ms_section *s)
{
    struct ms_key_cursor c = {0};
    struct ms_key k;
    while (ms_key_next(&c, &k))
        if (k.section == s)
            key(j, &k);
    sections(j, s->prefix);
}

static void sections(struct ms_json *j, const char *prefix)
{
    size_t n = strlen(prefix);
    for (const struct ms_section *s = ms_sections; s->prefix; s++) {
        const char *rest = s->prefix + n + (n != 0);
        if (!s->prefix[0] || (n && (strncmp(s->prefix, prefix, n) != 0 || s->prefix[n] != '.')))
            continue;
        if (strchr(rest, '.'))
            continue;
        ms_json_object(j, rest);
        ms_json_string(j, "description", s->help);
        bool word = s->fields[0].key && strcmp(s->fields[0].key, "profile") == 0 &&
                    s->fields[0].type == MS_FIELD_ENUM;
        ms_json_raw(j, "type", word ? "[\"object\",\"null\",\"string\"]" : "[\"object\",\"null\"]");
        ms_json_object(j, "properties");
        properties(j, s);
        ms_json_end_object(j);
        required(j, s->fields);
        ms_json_bool(j, "additionalProperties", false);
        ms_json_end_object(j);
    }
}

/* ---- sweep ---- */

/* Values of a key: a list, or numbers from one to another. */
static void axis(struct ms_json *j, const char *path, const struct ms_field *f)
{
    ms_json_object(j, path);
    ms_json_array(j, "anyOf");
    ms_json_object(j, NULL);
    ms_json_string(j, "type", "array");
    ms_json_integer(j, "minItems", 1);
    ms_json_object(j, "items");
    if (f)
        ms_schema_value(j, f);
    ms_json_end_object(j);
    ms_json_end_object(j);
    ms_json_raw(j, NULL,
                "{\"type\":\"object\",\"properties\":{\"from\":{},\"to\":{},\"step\":{}},"
                "\"required\":[\"from\",\"to\"],\"additionalProperties\":false}");
    ms_json_end_array(j);
    ms_json_end_object(j);
}

/* The parameters of all popularity laws, each once. */
static void law_axes(struct ms_json *j)
{
    struct ms_strings seen = {0};
    char path[200];
    axis(j, "routing.popularity.law", NULL);
    axis(j, "routing.popularity.order", NULL);
    for (const struct ms_law *const *l = ms_laws(); *l; l++)
        for (const struct ms_field *f = (*l)->fields; f && f->key; f++) {
            size_t n = seen.n;
            if (ms_strings_add(&seen, f->key) < n)
                continue;
            snprintf(path, sizeof path, "routing.popularity.%s", f->key);
            axis(j, path, f);
        }
    ms_strings_finish(&seen);
}

/* Every key that may be swept, as members of an open "properties" object. */
static void axes(struct ms_json *j)
{
    struct ms_key_cursor c = {0};
    struct ms_key k;
    char path[200];
    while (ms_key_next(&c, &k)) {
        axis(j, k.path, k.field);
        for (const struct ms_field *f = k.field->fields; f && f->key; f++) {
            snprintf(path, sizeof path, "%s.%s", k.path, f->key);
            axis(j, path, f);
        }
    }
    law_axes(j);
}

/* What stands inside values that are no plain tables: filters, mixes. */
static const char inside[] =
    "{\"^(routing\\\\.trace_filter|workload\\\\.requests|"
    "workload\\\\.tokens_per_rank"
    "|train\\\\.[a-z_]+)\\\\.[A-Za-z0-9_.]+$\":{\"type\":[\"array\",\"object\"]}}";

static void sweep(struct ms_json *j)
{
    ms_json_object(j, "sweep");
    ms_json_string(j, "description",
                   "every combination of the axes: key: [values], key: {from, to, step}, or any "
                   "word: {zip: {key: [values], …}}");
    ms_json_raw(j, "type", "[\"object\",\"null\"]");
    ms_json_object(j, "properties");
    axes(j);
    ms_json_end_object(j);
    ms_json_raw(j, "patternProperties", inside);
    ms_json_object(j, "additionalProperties");
    ms_json_string(j, "type", "object");
    ms_json_object(j, "properties");
    ms_json_object(j, "zip");
    ms_json_string(j, "type", "object");
    ms_json_object(j, "properties");
    axes(j);
    ms_json_end_object(j);
    ms_json_raw(j, "patternProperties", inside);
    ms_json_bool(j, "additionalProperties", false);
    ms_json_end_object(j);
    ms_json_end_object(j);
    ms_json_raw(j, "required", "[\"zip\"]");
    ms_json_bool(j, "additionalProperties", false);
    ms_json_end_object(j);
    ms_json_end_object(j);
}

void ms_scenario_schema(struct ms_buf *out)
{
    struct ms_json j = {.out = out};
    ms_json_object(&j, NULL);
    ms_json_string(&j, "$schema", "http://json-schema.org/draft-07/schema#");
    ms_json_string(&j, "title", "moesim scenario");
    ms_json_string(&j, "type", "object");
    ms_json_object(&j, "properties");
    properties(&j, &ms_sections[0]);
    sweep(&j);
    ms_json_end_object(&j);
    ms_json_bool(&j, "additionalProperties", false);
    /* what must be given, here or by a sweep: what trains needs no platform, a matrix no model */
    ms_json_raw(
        &j, "anyOf",
        "[{\"required\":[\"platform\",\"model\"]},{\"required\":[\"platform\",\"routing\"]},"
        "{\"required\":[\"train\"]},{\"required\":[\"sweep\"]}]");
    ms_json_end_object(&j);
}
