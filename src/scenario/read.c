/* One document to one scenario: every key read or defaulted by the tables, unknown ones refused,
 * presets and defaults that depend on other keys put in. */
#include "scenario/read.h"

#include <string.h>

#include "moe/train.h"
#include "routing/model_config.h"
#include "routing/preset.h"

void *ms_section_base(const struct ms_section *section, const struct ms_scenario *s)
{
    const char *of = section->of == MS_OF_TRAIN ? (const char *)s->train : (const char *)s;
    return of ? (void *)(of + section->offset) : NULL;
}

static void echo_one(struct ms_buf *out, const struct ms_key *k, const void *at)
{
    struct ms_echo o = {.j = {.out = out}};
    ms_echo_value(&o, NULL, k->field, at);
}

/* What is not there yet may be written with its default only. Compared as JSON, so that 1 and 1.0
 * are equal. */
static void refuse_later(struct ms_reading *r, const struct ms_key *k, const struct ms_entry *e,
                         const struct ms_scenario *s)
{
    struct ms_scenario *standard = MS_NEW(r->arena, struct ms_scenario, 1);
    struct ms_buf given = {0}, usual = {0}, shown = {0};
    char clean[80];
    if (!standard)
        return;
    echo_one(&given, k, (char *)ms_section_base(k->section, s) + k->field->offset);
    void *at = (char *)ms_section_base(k->section, standard) + k->field->offset;
    const struct ms_entry *d =
        k->field->fallback[0] ? ms_reading_fallback(r, k->field->fallback) : NULL;
    if (d)
        ms_reading_value(r, d, k->path, k->field, at);
    echo_one(&usual, k, at);
    ms_yaml_show(&shown, e->value);
    if (given.p && usual.p && shown.p && strcmp(given.p, usual.p) != 0)
        ms_reading_fail(
            r, e, k->path, "'%s' is not available yet%s%s", ms_clean(shown.p, clean, sizeof clean),
            k->field->fallback[0] ? "; allowed: " : "; leave the key out", k->field->fallback);
    ms_buf_finish(&given);
    ms_buf_finish(&usual);
    ms_buf_finish(&shown);
}

/* A value with an error leaves its default behind, so that the checks of other keys can go on. */
static void use_fallback(struct ms_reading *r, const struct ms_key *k, void *at)
{
    struct ms_errs unseen = {0};
    struct ms_reading quiet = {.arena = r->arena, .errs = &unseen, .file = r->file};
    const struct ms_entry *e = k->field->fallback && k->field->fallback[0]
                                   ? ms_reading_fallback(&quiet, k->field->fallback)
                                   : NULL;
    if (e)
        ms_reading_value(&quiet, e, k->path, k->field, at);
    ms_errs_finish(&unseen);
}

/* A section may be the word of its profile: jitter: auto. */
static bool is_word(const struct ms_yaml *v)
{
    return v->kind == MS_YAML_SCALAR && !ms_yaml_null(v);
}

static bool has_word(const struct ms_section *s)
{
    return s->fields[0].key && strcmp(s->fields[0].key, "profile") == 0 &&
           s->fields[0].type == MS_FIELD_ENUM;
}

static bool word_section(const char *path)
{
    for (const struct ms_section *s = ms_sections; s->prefix; s++)
        if (strcmp(s->prefix, path) == 0)
            return has_word(s);
    return false;
}

/* @param k its path is spelled where it is needed */
static void read_key(struct ms_reading *r, struct ms_key *k, const struct ms_entry *section,
                     struct ms_scenario *s)
{
    char *base = ms_section_base(k->section, s);
    const struct ms_entry *e = section ? ms_yaml_get(section->value, k->field->key) : NULL;
    if (section && is_word(section->value) && strcmp(k->field->key, "profile") == 0 &&
        has_word(k->section))
        e = section;
    if (!base || (!e && k->field->fallback && !k->field->fallback[0]))
        return;
    if (!e && k->field->fallback && r->standard && k->section->of != MS_OF_TRAIN)
        return; /* at its default already */
    ms_key_spell(k);
    if (e) {
        size_t before = r->errs->n;
        ms_reading_value(r, e, k->path, k->field, base + k->field->offset);
        if (r->errs->n != before)
            use_fallback(r, k, base + k->field->offset);
        else if (k->field->later)
            refuse_later(r, k, e, s);
    } else if (!k->field->fallback) {
        ms_reading_fail(r, section, k->path, "must be given: %s", k->field->help);
    } else {
        e = ms_reading_fallback(r, k->field->fallback);
        if (e)
            ms_reading_value(r, e, k->path, k->field, base + k->field->offset);
    }
}

/* The numbers of config.json take the place of a preset's. */
static void read_config(struct ms_reading *r, const struct ms_entry *section, struct ms_scenario *s)
{
    struct ms_err err = {0};
    const struct ms_entry *e = ms_yaml_get(section->value, "config");
    if (s->model.preset)
        ms_reading_fail(r, e, "model.config", "a preset is given too; one of them");
    else if (ms_model_config_read(s->model.config, &s->model, &err) != MS_OK)
        ms_errs_add(r->errs, &err);
}

static bool is_model(const struct ms_key *k)
{
    return strcmp(k->section->prefix, "model") == 0;
}

/* A preset's numbers (or those of config.json) are the defaults of its section. */
static bool from_preset(const struct ms_key *k, const struct ms_entry *section,
                        struct ms_scenario *s)
{
    if ((!s->model.preset && !s->model.config) || !section || !is_model(k))
        return false;
    return ms_yaml_get(section->value, k->field->key) == NULL;
}

static void read_keys(struct ms_reading *r, const struct ms_entry *root, struct ms_scenario *s)
{
    struct ms_key_cursor c = {0};
    struct ms_key k;
    const struct ms_section *of = NULL;
    const struct ms_entry *section = NULL;
    while (ms_key_step(&c, &k)) {
        const char *prefix = k.section->prefix;
        if (k.section != of)
            section = prefix[0] ? ms_yaml_find(root->value, prefix, NULL) : root;
        of = k.section;
        if (from_preset(&k, section, s))
            continue;
        read_key(r, &k, section, s);
        if (!is_model(&k))
            continue;
        if (strcmp(k.field->key, "preset") == 0 && s->model.preset)
            s->model = ms_model_preset_find(s->model.preset)->shape;
        if (strcmp(k.field->key, "config") == 0 && s->model.config)
            read_config(r, section, s);
    }
}

/* Every key of the file must be in the tables. */
static void refuse_unknown(struct ms_reading *r, const struct ms_yaml *map, const char *prefix)
{
    for (const struct ms_entry *e = map->first; e; e = e->next) {
        struct ms_key k;
        char path[160], shown[80], hint[600];
        snprintf(path, sizeof path, "%s%s%s", prefix, prefix[0] ? "." : "",
                 ms_clean(e->key, shown, sizeof shown));
        if (!prefix[0] && strcmp(e->key, "sweep") == 0)
            continue;
        if (strchr(e->key, '.') && ms_key_settable(path)) {
            ms_reading_fail(r, e, path, "keys are nested in a file: %.*s: {%s: …}",
                            (int)strcspn(e->key, "."), e->key, strchr(e->key, '.') + 1);
            continue;
        }
        if (ms_key_find(path, &k))
            continue;
        if (!ms_key_section(path))
            ms_reading_fail(r, e, path, "unknown key%s",
                            ms_key_hint(path, false, hint, sizeof hint));
        else if (e->value->kind == MS_YAML_MAP)
            refuse_unknown(r, e->value, path);
        else if (!ms_yaml_null(e->value) && !(is_word(e->value) && word_section(path)) &&
                 !(is_word(e->value) && strcmp(e->value->text, "none") == 0))
            ms_reading_fail(r, e, path, "must be a mapping of keys%s",
                            e->value->kind == MS_YAML_LIST ? ", not a list" : "");
    }
}

/* Defaults that depend on other keys. */
static void resolve(const struct ms_entry *root, struct ms_scenario *s)
{
    const struct ms_entry *model = ms_yaml_get(root->value, "model");
    bool groups = model && ms_yaml_get(model->value, "groups");
    s->has_model = model != NULL;
    if (model && !s->model.preset && !s->model.config && ms_yaml_get(model->value, "experts") &&
        !groups)
        s->model.groups = 1; /* groups of a model nobody described */
    if (model && !ms_yaml_get(model->value, "group_limit") &&
        s->model.group_limit > s->model.groups)
        s->model.group_limit = s->model.groups;
    if (!model)
        s->model = (struct ms_model_shape){0};
    if (s->routing.source == MS_SOURCE_MATRIX)
        s->workload.layers = 1;
    else if (s->workload.layers == 0)
        s->workload.layers = s->model.moe_layers;
    if (s->sim.network.latency == MS_LATENCY_DEFAULT)
        s->sim.network.latency = ms_sim_latency_default(s->sim.network.model);
}

static void set_train(struct ms_reading *r, const struct ms_entry *root, struct ms_scenario *s)
{
    if (!ms_yaml_get(root->value, "train"))
        return;
    struct ms_train_params *t = MS_NEW(r->arena, struct ms_train_params, 1);
    if (t)
        *t = ms_train_params_default();
    s->train = t;
}

/* Is there a key that a scenario may have, or nearly? Of another's file nothing is quoted. */
static bool any_key(const struct ms_yaml *map)
{
    bool any = false;
    for (const struct ms_entry *e = map->first; e && !any; e = e->next) {
        struct ms_key k;
        char hint[600];
        any = strcmp(e->key, "sweep") == 0 || ms_key_find(e->key, &k) || ms_key_section(e->key) ||
              ms_key_settable(e->key) ||
              strstr(ms_key_hint(e->key, false, hint, sizeof hint), "did you mean");
    }
    return any;
}

enum ms_status ms_read_standard(struct ms_arena *arena, const char *file, struct ms_scenario *out)
{
    struct ms_errs unseen = {0};
    struct ms_reading r = {.arena = arena, .errs = &unseen, .file = file};
    struct ms_yaml *nothing = MS_NEW(arena, struct ms_yaml, 1);
    struct ms_entry *root = MS_NEW(arena, struct ms_entry, 1);
    *out = (struct ms_scenario){0};
    if (!nothing || !root)
        return MS_NOMEM;
    nothing->kind = MS_YAML_MAP;
    root->value = nothing;
    read_keys(&r, root, out); /* what must be given is missed by whoever reads a scenario */
    ms_errs_finish(&unseen);
    return MS_OK;
}

void ms_read_scenario(struct ms_reading *r, const struct ms_entry *root, struct ms_scenario *s)
{
    *s = r->standard ? *r->standard : (struct ms_scenario){0};
    s->file = r->file;
    s->tree = root->value;
    if (root->value->kind != MS_YAML_MAP) {
        ms_reading_fail(r, root, NULL,
                        "a scenario is a mapping of keys (name: value), this is a %s",
                        root->value->kind == MS_YAML_LIST ? "list" : "single value");
        return;
    }
    set_train(r, root, s);
    read_keys(r, root, s);
    if (!r->keys_known && root->value->first && !any_key(root->value))
        ms_reading_fail(r, root, NULL,
                        "is no scenario: it has none of the keys of one (`moesim list keys`)");
    else if (!r->keys_known)
        refuse_unknown(r, root->value, "");
    if (s->train)
        ((struct ms_train_params *)s->train)->seed = s->seed;
    resolve(root, s);
    if (!s->name) {
        char stem[256];
        ms_path_stem(strcmp(r->file, "-") == 0 ? "stdin" : r->file, stem, sizeof stem);
        s->name = ms_arena_strdup(r->arena, stem);
    }
}
