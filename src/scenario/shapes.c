/* Odd values of any section: the scenario's name, a profile by name or by its numbers, lists of
 * words. */
#include <string.h>

#include "scenario/fields.h"

struct ms_field ms_shape_name(const struct ms_field *f)
{
    struct ms_field name = *f;
    name.type = MS_FIELD_NAME;
    return name;
}

/* ---- the scenario's name: becomes a folder ---- */

static void parse_scenario_name(struct ms_reading *r, const char *path, const struct ms_field *f,
                                const struct ms_entry *e, void *at)
{
    const char *text;
    char shown[80];
    if (!ms_reading_text(r, e, path, "a name", &text))
        return;
    bool bad = !*text || text[0] == '.' || strlen(text) > 100;
    for (const char *c = text; *c; c++)
        bad = bad || *c == '/' || (unsigned char)*c < 0x20 || *c == 0x7f;
    if (bad)
        ms_reading_fail(r, e, path,
                        "'%s' cannot name a folder: 1 to 100 characters, no '/', no dot in front",
                        ms_clean(text, shown, sizeof shown));
    else
        *(const char **)at = ms_arena_strdup(r->arena, text);
}

static void echo_scenario_name(struct ms_echo *o, const char *name, const struct ms_field *f,
                               const void *at)
{
    ms_json_string(&o->j, name, *(const char *const *)at);
}

static void schema_scenario_name(struct ms_json *j, const struct ms_field *f)
{
    ms_json_string(j, "type", "string");
    ms_json_string(j, "pattern", "^[^./][^/]*$");
    ms_json_integer(j, "maxLength", 100);
}

const struct ms_shape ms_shape_scenario_name = {parse_scenario_name, echo_scenario_name,
                                                schema_scenario_name, "a word"};

/* ---- a profile: a name, or a mapping with the numbers themselves (the name is NULL then) ---- */

static void parse_profile(struct ms_reading *r, const char *path, const struct ms_field *f,
                          const struct ms_entry *e, void *at)
{
    const struct ms_entry *inside = ms_yaml_get(e->value, "profile");
    const struct ms_field name = ms_shape_name(f);
    char shown[80];
    *(const char **)at = NULL;
    if (inside && inside->value->kind == MS_YAML_SCALAR)
        ms_reading_fail(r, inside, path,
                        "the profile '%s' is taken whole; a single number of it cannot be set",
                        ms_clean(inside->value->text, shown, sizeof shown));
    else if (e->value->kind == MS_YAML_MAP)
        ms_reading_table(r, e, path, f->fields, at);
    else if (e->value->kind == MS_YAML_LIST)
        ms_reading_fail(r, e, path, "a list is not none, a profile or a mapping of its numbers");
    else
        ms_reading_value(r, e, path, &name, at);
}

static void echo_profile(struct ms_echo *o, const char *name, const struct ms_field *f,
                         const void *at)
{
    const char *profile = *(const char *const *)at;
    if (profile)
        ms_json_string(&o->j, name, profile);
    else
        ms_echo_table(o, name, f->fields, at);
}

static void schema_profile(struct ms_json *j, const struct ms_field *f)
{
    const struct ms_field name = ms_shape_name(f);
    ms_json_array(j, "anyOf");
    ms_json_object(j, NULL);
    ms_schema_value(j, &name);
    ms_json_end_object(j);
    ms_json_object(j, NULL);
    ms_schema_table(j, f->fields);
    ms_json_end_object(j);
    ms_json_end_array(j);
}

const struct ms_shape ms_shape_profile = {parse_profile, echo_profile, schema_profile,
                                          "none, a profile or a mapping of its numbers"};

/* ---- lists of words ---- */

const char **ms_shape_words(struct ms_reading *r, const char *path, const struct ms_entry *e,
                            const struct ms_field *f, int *n_out)
{
    bool list = e->value->kind == MS_YAML_LIST;
    const char **words = MS_NEW(r->arena, const char *, list ? e->value->n : 1);
    int n = 0, index;
    *n_out = 0;
    if (list && e->value->n == 0)
        ms_reading_fail(r, e, path, "the list is empty");
    for (const struct ms_entry *i = list ? e->value->first : e; i && words; i = i->next) {
        bool ok = f->type == MS_FIELD_ENUM ? ms_reading_value(r, i, path, f, &index)
                                           : ms_reading_value(r, i, path, f, &words[n]);
        if (ok && f->type == MS_FIELD_ENUM)
            words[n] = f->names[index];
        n += ok;
        if (!list)
            break;
    }
    *n_out = n;
    return words;
}
