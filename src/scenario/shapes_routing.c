/* Odd values of the sections workload and routing: tokens per rank, the popularity of experts,
 * filters and lists. */
#include <string.h>

#include "routing/law.h"
#include "scenario/fields.h"
#include "scenario/scenario.h"

/* ---- workload.tokens_per_rank ---- */

/* clang-format off */
static const struct ms_field spread_fields[] = {
    {.key = "mean", MS_AT(struct ms_tokens, mean),
     MS_NUMBER(0, 1e9), .above_min = true,
     .help = "mean tokens a rank"},
    {.key = "cv", MS_AT(struct ms_tokens, cv),
     MS_NUMBER(0, 100),
     .help = "coefficient of variation over ranks"},
    {0},
};
/* clang-format on */
static const struct ms_field of_every_rank = {.key = "tokens_per_rank", MS_INT(1, 1e9)};
static const struct ms_field of_one_rank = {.key = "tokens_per_rank", MS_INT(0, 1e9)};

static void parse_token_list(struct ms_reading *r, const char *path, const struct ms_entry *e,
                             struct ms_tokens *t)
{
    int64_t *list = MS_NEW(r->arena, int64_t, e->value->n);
    int n = 0;
    if (e->value->n == 0)
        ms_reading_fail(r, e, path, "the list is empty; it needs one number a rank");
    for (const struct ms_entry *i = e->value->first; i && list; i = i->next)
        if (ms_reading_value(r, i, path, &of_one_rank, &list[n]))
            n++;
    t->kind = MS_TOKENS_LIST;
    t->list = list;
    t->n_list = n;
}

static void parse_tokens(struct ms_reading *r, const char *path, const struct ms_field *f,
                         const struct ms_entry *e, void *at)
{
    struct ms_tokens *t = at;
    if (e->value->kind == MS_YAML_LIST) {
        parse_token_list(r, path, e, t);
    } else if (e->value->kind == MS_YAML_MAP) {
        t->kind = MS_TOKENS_SPREAD;
        ms_reading_table(r, e, path, spread_fields, t);
    } else if (strcmp(e->value->text, "trace") == 0) {
        t->kind = MS_TOKENS_TRACE;
    } else {
        t->kind = MS_TOKENS_EQUAL;
        ms_reading_value(r, e, path, &of_every_rank, &t->count);
    }
}

static void echo_tokens(struct ms_echo *o, const char *name, const struct ms_field *f,
                        const void *at)
{
    const struct ms_tokens *t = at;
    switch (t->kind) {
    case MS_TOKENS_EQUAL:
        ms_json_integer(&o->j, name, t->count);
        break;
    case MS_TOKENS_LIST:
        ms_json_array(&o->j, name);
        for (int i = 0; i < t->n_list; i++)
            ms_json_integer(&o->j, NULL, t->list[i]);
        ms_json_end_array(&o->j);
        break;
    case MS_TOKENS_SPREAD:
        ms_echo_table(o, name, spread_fields, t);
        break;
    case MS_TOKENS_TRACE:
        ms_json_string(&o->j, name, "trace");
        break;
    }
}

static void schema_tokens(struct ms_json *j, const struct ms_field *f)
{
    ms_json_array(j, "anyOf");
    ms_json_object(j, NULL);
    ms_schema_value(j, &of_every_rank);
    ms_json_end_object(j);
    ms_json_object(j, NULL);
    ms_json_string(j, "type", "array");
    ms_json_integer(j, "minItems", 1);
    ms_json_object(j, "items");
    ms_schema_value(j, &of_one_rank);
    ms_json_end_object(j);
    ms_json_end_object(j);
    ms_json_object(j, NULL);
    ms_schema_table(j, spread_fields);
    ms_json_end_object(j);
    ms_json_raw(j, NULL, "{\"const\":\"trace\"}");
    ms_json_end_array(j);
}

const struct ms_shape ms_shape_tokens = {parse_tokens, echo_tokens, schema_tokens,
                                         "a number, a list, {mean, cv} or trace"};

/* ---- routing.popularity ---- */

static const char *const orders[] = {"shuffled", "sorted", NULL};
static const struct ms_field order_field = {
    .key = "order", .type = MS_FIELD_ENUM, .names = orders, .help = "of hot experts"};

/* The law's row for one key; an error where there is none. */
static const struct ms_field *law_field(struct ms_reading *r, const struct ms_entry *e,
                                        const char *path, const char *law)
{
    enum { MAX = 16 };
    const char *names[MAX] = {"law", "order"};
    char allowed[300];
    size_t n = 2;
    const struct ms_field *fields = ms_law_find(law)->fields, *f = ms_field_find(fields, e->key);
    if (f)
        return f;
    for (f = fields; f && f->key && n < MAX; f++)
        names[n++] = f->key;
    ms_reading_fail(r, e, path, "not a parameter of %s%s", law,
                    ms_allowed(allowed, sizeof allowed, e->key, names, n));
    return NULL;
}

/* Does the mapping give parameters of its own? Then a preset's number is not wanted. */
static bool has_params(const struct ms_entry *e)
{
    for (const struct ms_entry *s = e->value->first; s; s = s->next)
        if (strcmp(s->key, "law") != 0 && strcmp(s->key, "order") != 0)
            return true;
    return false;
}

static void parse_law_mapping(struct ms_reading *r, const char *path, const struct ms_entry *e,
                              const char *law, struct ms_popularity *p)
{
    char full[160], shown[80];
    for (const struct ms_entry *s = e->value->first; s; s = s->next) {
        snprintf(full, sizeof full, "%s.%s", path, ms_clean(s->key, shown, sizeof shown));
        if (strcmp(s->key, "order") == 0) {
            ms_reading_value(r, s, full, &order_field, &p->order);
        } else if (strcmp(s->key, "law") != 0 && p->law) {
            const struct ms_field *f = law_field(r, s, full, law);
            if (f)
                ms_reading_value(r, s, full, f, (char *)p->params + f->offset);
        }
    }
}

static void parse_popularity(struct ms_reading *r, const char *path, const struct ms_field *f,
                             const struct ms_entry *e, void *at)
{
    struct ms_popularity *p = at;
    const struct ms_field name = ms_shape_name(f);
    const struct ms_entry *word = e->value->kind == MS_YAML_MAP ? ms_yaml_get(e->value, "law") : e;
    const char *law = "uniform";
    *p = (struct ms_popularity){0};
    if (e->value->kind == MS_YAML_LIST) {
        ms_reading_fail(r, e, path, "a list is not a mapping {law: …}");
        return;
    }
    bool known = !word || ms_reading_value(r, word, word == e ? path : "routing.popularity.law",
                                           &name, &law);
    if (known)
        ms_popularity_init(p, law, !has_params(e), r->arena, NULL);
    parse_law_mapping(r, path, e, law, p);
}

/* Presets are written as the law they stand for, and every parameter with its value: equal laws,
 * equal echo. */
static void echo_popularity(struct ms_echo *o, const char *name, const struct ms_field *f,
                            const void *at)
{
    const struct ms_popularity *p = at;
    ms_json_object(&o->j, name);
    ms_json_string(&o->j, "law", p->law->name);
    for (const struct ms_field *own = p->law->fields; own && own->key; own++)
        ms_echo_value(o, own->key, own, (const char *)p->params + own->offset);
    ms_json_string(&o->j, "order", orders[p->order]);
    ms_json_end_object(&o->j);
}

/* A mapping of one law: its name or a preset's that stands for it, and its own parameters. */
static void schema_law(struct ms_json *j, const struct ms_law *law)
{
    ms_json_object(j, NULL);
    ms_json_string(j, "type", "object");
    ms_json_object(j, "properties");
    ms_json_object(j, "law");
    ms_json_array(j, "enum");
    ms_json_string(j, NULL, law->name);
    for (const struct ms_law_preset *p = ms_law_presets(); p->name; p++)
        if (ms_law_find(p->name) == law)
            ms_json_string(j, NULL, p->name);
    ms_json_end_array(j);
    ms_json_end_object(j);
    ms_json_object(j, "order");
    ms_schema_value(j, &order_field);
    ms_json_end_object(j);
    for (const struct ms_field *f = law->fields; f && f->key; f++) {
        ms_json_object(j, f->key);
        ms_schema_value(j, f);
        ms_json_end_object(j);
    }
    ms_json_end_object(j);
    if (law != ms_law_find("uniform")) { /* what a mapping without a law means */
        ms_json_array(j, "required");
        ms_json_string(j, NULL, "law");
        ms_json_end_array(j);
    }
    ms_json_bool(j, "additionalProperties", false);
    ms_json_end_object(j);
}

static void schema_popularity(struct ms_json *j, const struct ms_field *f)
{
    const struct ms_field law = ms_shape_name(f);
    ms_json_array(j, "anyOf");
    ms_json_object(j, NULL);
    ms_schema_value(j, &law);
    ms_json_end_object(j);
    for (const struct ms_law *const *l = ms_laws(); *l; l++)
        schema_law(j, *l);
    ms_json_end_array(j);
}

const struct ms_shape ms_shape_popularity = {parse_popularity, echo_popularity, schema_popularity,
                                             "a law, or {law, its parameters, order}"};

/* ---- routing.trace_filter ---- */

static void parse_filter(struct ms_reading *r, const char *path, const struct ms_field *f,
                         const struct ms_entry *e, void *at)
{
    struct ms_routing_params *p = at;
    if (e->value->kind != MS_YAML_MAP) {
        ms_reading_fail(r, e, path, "must be a mapping of columns to values: {kind: top8}");
        return;
    }
    struct ms_trace_filter *filter = MS_NEW(r->arena, struct ms_trace_filter, e->value->n);
    int n = 0;
    for (const struct ms_entry *s = e->value->first; s && filter; s = s->next) {
        char full[160], shown[80];
        const char *text;
        snprintf(full, sizeof full, "%s.%s", path, ms_clean(s->key, shown, sizeof shown));
        if (ms_reading_text(r, s, full, "a value of that column", &text))
            filter[n++] = (struct ms_trace_filter){ms_arena_strdup(r->arena, s->key),
                                                   ms_arena_strdup(r->arena, text)};
    }
    p->filter = filter;
    p->n_filter = n;
}

static void echo_filter(struct ms_echo *o, const char *name, const struct ms_field *f,
                        const void *at)
{
    const struct ms_routing_params *p = at;
    ms_json_object(&o->j, name);
    for (int i = 0; i < p->n_filter; i++)
        ms_json_string(&o->j, p->filter[i].column, p->filter[i].value);
    ms_json_end_object(&o->j);
}

static void schema_filter(struct ms_json *j, const struct ms_field *f)
{
    ms_json_string(j, "type", "object");
    ms_json_raw(j, "additionalProperties", "{\"type\":[\"string\",\"number\",\"boolean\"]}");
}

const struct ms_shape ms_shape_filter = {parse_filter, echo_filter, schema_filter,
                                         "a mapping {column: value}"};

/* ---- lists of words: routing.trace_axes, routing.text ---- */

static const char *const axis_names[] = {"steps",  "ranks", "layers",   "experts", "slots",
                                         "tokens", "k",     "requests", NULL};
static const struct ms_field axis_field = {
    .key = "axis", .type = MS_FIELD_ENUM, .names = axis_names};
static const struct ms_field text_field = {.key = "text", .type = MS_FIELD_PATH};

static void parse_axes(struct ms_reading *r, const char *path, const struct ms_field *f,
                       const struct ms_entry *e, void *at)
{
    struct ms_routing_params *p = at;
    p->trace_axes = ms_shape_words(r, path, e, &axis_field, &p->n_trace_axes);
    for (int i = 0; i < p->n_trace_axes; i++)
        for (int j = 0; j < i; j++)
            if (strcmp(p->trace_axes[i], p->trace_axes[j]) == 0)
                ms_reading_fail(r, e, path, "'%s' stands twice", p->trace_axes[i]);
}

static void echo_axes(struct ms_echo *o, const char *name, const struct ms_field *f, const void *at)
{
    const struct ms_routing_params *p = at;
    ms_json_array(&o->j, name);
    for (int i = 0; i < p->n_trace_axes; i++)
        ms_json_string(&o->j, NULL, p->trace_axes[i]);
    ms_json_end_array(&o->j);
}

static void schema_axes(struct ms_json *j, const struct ms_field *f)
{
    ms_json_string(j, "type", "array");
    ms_json_integer(j, "minItems", 1);
    ms_json_bool(j, "uniqueItems", true);
    ms_json_object(j, "items");
    ms_schema_value(j, &axis_field);
    ms_json_end_object(j);
}

const struct ms_shape ms_shape_axes = {parse_axes, echo_axes, schema_axes, "a list of axes"};

static void parse_texts(struct ms_reading *r, const char *path, const struct ms_field *f,
                        const struct ms_entry *e, void *at)
{
    struct ms_routing_params *p = at;
    p->text = ms_shape_words(r, path, e, &text_field, &p->n_text);
}

static void echo_texts(struct ms_echo *o, const char *name, const struct ms_field *f,
                       const void *at)
{
    const struct ms_routing_params *p = at;
    ms_json_array(&o->j, name);
    for (int i = 0; i < p->n_text; i++)
        ms_echo_path(o, NULL, p->text[i]);
    ms_json_end_array(&o->j);
}

static void schema_texts(struct ms_json *j, const struct ms_field *f)
{
    ms_json_raw(j, "anyOf",
                "[{\"type\":\"string\"},{\"type\":\"array\",\"minItems\":1,\"items\":{\"type\":"
                "\"string\"}}]");
}

const struct ms_shape ms_shape_texts = {parse_texts, echo_texts, schema_texts,
                                        "a file or a list of files"};

/* ---- cluster.hosts ---- */

static const struct ms_field hosts_field = {.key = "hosts", .type = MS_FIELD_STRING};

static void parse_hosts(struct ms_reading *r, const char *path, const struct ms_field *f,
                        const struct ms_entry *e, void *at)
{
    struct ms_scenario *s = at;
    s->hosts = ms_shape_words(r, path, e, &hosts_field, &s->n_hosts);
}

static void echo_hosts(struct ms_echo *o, const char *name, const struct ms_field *f,
                       const void *at)
{
    const struct ms_scenario *s = at;
    if (s->n_hosts == 0)
        return;
    ms_json_array(&o->j, name);
    for (int i = 0; i < s->n_hosts; i++)
        ms_json_string(&o->j, NULL, s->hosts[i]);
    ms_json_end_array(&o->j);
}

const struct ms_shape ms_shape_hosts = {parse_hosts, echo_hosts, schema_texts,
                                        "a wildcard or a list of wildcards"};
