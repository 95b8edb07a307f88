/** @file shapes_routing.c  Odd values of the sections workload and routing. */
#include <string.h>

#include "routing/law.h"
#include "scenario/fields.h"
#include "scenario/scenario.h"

/* ---- workload.tokens_per_rank ---- */

static const struct ms_field spread_fields[] = {{.key = "mean",
                                                 .type = MS_FIELD_NUMBER,
                                                 .offset = offsetof(struct ms_tokens, mean),
                                                 .min = 0,
                                                 .max = 1e9,
                                                 .above_min = true,
                                                 .help = "mean tokens a rank"},
                                                {.key = "cv",
                                                 .type = MS_FIELD_NUMBER,
                                                 .offset = offsetof(struct ms_tokens, cv),
                                                 .min = 0,
                                                 .max = 100,
                                                 .help = "coefficient of variation over ranks"},
                                                {0}};

static void parse_token_list(struct ms_reading *r, const struct ms_key *k, const struct ms_entry *e,
                             struct ms_tokens *t)
{
    int64_t *list = MS_NEW(r->arena, int64_t, e->value->n);
    int n = 0;
    if (e->value->n == 0)
        ms_reading_fail(r, e, k->path, "the list is empty; it needs one number a rank");
    for (const struct ms_entry *i = e->value->first; i && list; i = i->next)
        if (ms_reading_integer(r, i, k->path, k->field, &list[n]))
            n++;
    t->kind = MS_TOKENS_LIST;
    t->list = list;
    t->n_list = n;
}

static void parse_tokens(struct ms_reading *r, const struct ms_key *k, const struct ms_entry *e,
                         void *at)
{
    struct ms_tokens *t = at;
    if (e->value->kind == MS_YAML_LIST) {
        parse_token_list(r, k, e, t);
    } else if (e->value->kind == MS_YAML_MAP) {
        t->kind = MS_TOKENS_SPREAD;
        ms_reading_table(r, e, k->path, spread_fields, t);
    } else if (strcmp(e->value->text, "trace") == 0) {
        t->kind = MS_TOKENS_TRACE;
    } else {
        struct ms_field one = *k->field;
        one.min = 1;
        t->kind = MS_TOKENS_EQUAL;
        ms_reading_integer(r, e, k->path, &one, &t->count);
    }
}

static void echo_tokens(struct ms_echo *o, const char *name, const struct ms_key *k, const void *at)
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

static void schema_tokens(struct ms_json *j, const struct ms_key *k)
{
    ms_json_array(j, "anyOf");
    ms_json_raw(j, NULL, "{\"type\":\"integer\",\"minimum\":1}");
    ms_json_raw(
        j, NULL,
        "{\"type\":\"array\",\"minItems\":1,\"items\":{\"type\":\"integer\",\"minimum\":0}}");
    ms_json_object(j, NULL);
    ms_schema_table(j, spread_fields);
    ms_json_end_object(j);
    ms_json_raw(j, NULL, "{\"const\":\"trace\"}");
    ms_json_end_array(j);
}

const struct ms_shape ms_shape_tokens = {parse_tokens, echo_tokens, schema_tokens,
                                         "a number, a list, {mean, cv} or trace", spread_fields};

/* ---- routing.popularity ---- */

static const char *const orders[] = {"shuffled", "sorted", NULL};
static const struct ms_field order_field = {
    .key = "order", .type = MS_FIELD_ENUM, .names = orders, .help = "of hot experts"};
static void parse_law(struct ms_reading *r, const struct ms_key *k, const struct ms_entry *e,
                      const char *path, const char **law)
{
    struct ms_key as_name = *k;
    snprintf(as_name.path, sizeof as_name.path, "%s", path);
    ms_shape_name.parse(r, &as_name, e, (void *)law);
}

/* The row of the law's table for one key; an error where there is none. */
static const struct ms_field *law_field(struct ms_reading *r, const struct ms_entry *e,
                                        const char *path, const char *law)
{
    const char *names[MS_LAW_MAX_PARAMS + 2] = {"law", "order"};
    char text[300], what[120];
    size_t n = 2;
    const struct ms_law *l = ms_law_find(law);
    for (const struct ms_field *f = l ? l->fields : NULL; f && f->key; f++) {
        if (strcmp(f->key, e->key) == 0)
            return f;
        if (n < sizeof names / sizeof *names)
            names[n++] = f->key;
    }
    snprintf(what, sizeof what, "not a parameter of %s", law);
    ms_reading_fail(r, e, path, "%s%s", what, ms_allowed(text, sizeof text, e->key, names, n));
    return NULL;
}

static void parse_law_param(struct ms_reading *r, const struct ms_entry *e, const char *path,
                            struct ms_popularity *p)
{
    enum { MAX = sizeof p->param / sizeof *p->param };
    double v = 0;
    const struct ms_field *f = law_field(r, e, path, p->law);
    if (!f || p->n_params == MAX)
        return;
    if (e->value->kind == MS_YAML_SCALAR && strcmp(e->value->text, "none") == 0 && f->fallback &&
        strcmp(f->fallback, "none") == 0)
        return;
    if (ms_reading_number(r, e, path, f, &v))
        p->param[p->n_params++] = (struct ms_law_param){f->key, v};
}

static void parse_popularity(struct ms_reading *r, const struct ms_key *k, const struct ms_entry *e,
                             void *at)
{
    struct ms_popularity *p = at;
    char path[160], shown[80];
    p->law = "uniform";
    if (e->value->kind == MS_YAML_SCALAR) {
        parse_law(r, k, e, k->path, &p->law);
        return;
    }
    if (e->value->kind == MS_YAML_LIST) {
        ms_reading_fail(r, e, k->path, "a list is not a mapping {law: …}");
        return;
    }
    size_t before = r->errs->n;
    const struct ms_entry *law = ms_yaml_get(e->value, "law");
    if (law)
        parse_law(r, k, law, "routing.popularity.law", &p->law);
    for (const struct ms_entry *s = e->value->first; s; s = s->next) {
        snprintf(path, sizeof path, "%s.%s", k->path, ms_yaml_clean(s->key, shown, sizeof shown));
        if (strcmp(s->key, "order") == 0)
            ms_reading_value(r, s, path, &order_field, &p->order);
        else if (s != law && r->errs->n == before)
            parse_law_param(r, s, path, p);
    }
}

/* Presets are written as the law they stand for, and every parameter with its value: equal laws,
 * equal echo. */
static void echo_popularity(struct ms_echo *o, const char *name, const struct ms_key *k,
                            const void *at)
{
    const struct ms_popularity *p = at;
    const struct ms_law *law = NULL;
    double param[MS_LAW_MAX_PARAMS];
    ms_json_object(&o->j, name);
    if (ms_law_resolve(p, &law, param, NULL) == MS_OK) {
        ms_json_string(&o->j, "law", law->name);
        for (const struct ms_field *f = law->fields; f && f->key; f++)
            ms_json_number(&o->j, f->key, param[f->offset / sizeof(double)]);
    } else {
        ms_json_string(&o->j, "law", p->law);
    }
    ms_json_string(&o->j, "order", orders[p->order]);
    ms_json_end_object(&o->j);
}

static void schema_popularity(struct ms_json *j, const struct ms_key *k)
{
    ms_json_array(j, "anyOf");
    ms_json_object(j, NULL);
    ms_shape_name.schema(j, k);
    ms_json_end_object(j);
    ms_json_object(j, NULL);
    ms_json_string(j, "type", "object");
    ms_json_object(j, "properties");
    ms_json_object(j, "law");
    ms_shape_name.schema(j, k);
    ms_json_end_object(j);
    ms_json_object(j, "order");
    ms_schema_value(j, &order_field);
    ms_json_end_object(j);
    ms_json_end_object(j);
    ms_json_raw(j, "additionalProperties",
                "{\"anyOf\":[{\"type\":\"number\"},{\"const\":\"none\"}]}");
    ms_json_end_object(j);
    ms_json_end_array(j);
}

const struct ms_shape ms_shape_popularity = {parse_popularity, echo_popularity, schema_popularity,
                                             "a law, or {law, its parameters, order}", NULL};

/* ---- routing.trace_filter ---- */

static void parse_filter(struct ms_reading *r, const struct ms_key *k, const struct ms_entry *e,
                         void *at)
{
    struct ms_routing_params *p = at;
    if (e->value->kind != MS_YAML_MAP) {
        ms_reading_fail(r, e, k->path, "must be a mapping of columns to values: {kind: top8}");
        return;
    }
    struct ms_trace_filter *f = MS_NEW(r->arena, struct ms_trace_filter, e->value->n);
    int n = 0;
    for (const struct ms_entry *s = e->value->first; s && f; s = s->next) {
        char path[160], shown[80];
        const char *text;
        snprintf(path, sizeof path, "%s.%s", k->path, ms_yaml_clean(s->key, shown, sizeof shown));
        if (ms_reading_text(r, s, path, "a value of that column", &text))
            f[n++] = (struct ms_trace_filter){ms_arena_strdup(r->arena, s->key),
                                              ms_arena_strdup(r->arena, text)};
    }
    p->filter = f;
    p->n_filter = n;
}

static void echo_filter(struct ms_echo *o, const char *name, const struct ms_key *k, const void *at)
{
    const struct ms_routing_params *p = at;
    ms_json_object(&o->j, name);
    for (int i = 0; i < p->n_filter; i++)
        ms_json_string(&o->j, p->filter[i].column, p->filter[i].value);
    ms_json_end_object(&o->j);
}

static void schema_filter(struct ms_json *j, const struct ms_key *k)
{
    ms_json_string(j, "type", "object");
    ms_json_raw(j, "additionalProperties", "{\"type\":[\"string\",\"number\",\"boolean\"]}");
}

const struct ms_shape ms_shape_filter = {parse_filter, echo_filter, schema_filter,
                                         "a mapping {column: value}", NULL};

/* ---- lists of words: routing.trace_axes, routing.text ---- */

static const char *const axis_names[] = {"steps",  "ranks", "layers", "experts",
                                         "tokens", "k",     NULL};
static const struct ms_field axis_field = {
    .key = "axis", .type = MS_FIELD_ENUM, .names = axis_names};
static const struct ms_field text_field = {.key = "text", .type = MS_FIELD_PATH};

const char **ms_shape_words(struct ms_reading *r, const struct ms_key *k, const struct ms_entry *e,
                            const struct ms_field *f, int *n_out)
{
    bool list = e->value->kind == MS_YAML_LIST;
    const char **words = MS_NEW(r->arena, const char *, list ? e->value->n : 1);
    int n = 0, index;
    *n_out = 0;
    if (list && e->value->n == 0)
        ms_reading_fail(r, e, k->path, "the list is empty");
    for (const struct ms_entry *i = list ? e->value->first : e; i && words; i = i->next) {
        bool ok = f->type == MS_FIELD_ENUM ? ms_reading_value(r, i, k->path, f, &index)
                                           : ms_reading_value(r, i, k->path, f, &words[n]);
        if (ok && f->type == MS_FIELD_ENUM)
            words[n] = f->names[index];
        n += ok;
        if (!list)
            break;
    }
    *n_out = n;
    return words;
}

static void parse_axes(struct ms_reading *r, const struct ms_key *k, const struct ms_entry *e,
                       void *at)
{
    struct ms_routing_params *p = at;
    p->trace_axes = ms_shape_words(r, k, e, &axis_field, &p->n_trace_axes);
    for (int i = 0; i < p->n_trace_axes; i++)
        for (int j = 0; j < i; j++)
            if (strcmp(p->trace_axes[i], p->trace_axes[j]) == 0)
                ms_reading_fail(r, e, k->path, "'%s' stands twice", p->trace_axes[i]);
}

static void echo_axes(struct ms_echo *o, const char *name, const struct ms_key *k, const void *at)
{
    const struct ms_routing_params *p = at;
    ms_json_array(&o->j, name);
    for (int i = 0; i < p->n_trace_axes; i++)
        ms_json_string(&o->j, NULL, p->trace_axes[i]);
    ms_json_end_array(&o->j);
}

static void schema_axes(struct ms_json *j, const struct ms_key *k)
{
    ms_json_string(j, "type", "array");
    ms_json_integer(j, "minItems", 1);
    ms_json_bool(j, "uniqueItems", true);
    ms_json_object(j, "items");
    ms_schema_value(j, &axis_field);
    ms_json_end_object(j);
}

const struct ms_shape ms_shape_axes = {parse_axes, echo_axes, schema_axes, "a list of axes", NULL};

static void parse_texts(struct ms_reading *r, const struct ms_key *k, const struct ms_entry *e,
                        void *at)
{
    struct ms_routing_params *p = at;
    p->text = ms_shape_words(r, k, e, &text_field, &p->n_text);
}

static void echo_texts(struct ms_echo *o, const char *name, const struct ms_key *k, const void *at)
{
    const struct ms_routing_params *p = at;
    ms_json_array(&o->j, name);
    for (int i = 0; i < p->n_text; i++)
        ms_echo_path(o, NULL, p->text[i]);
    ms_json_end_array(&o->j);
}

static void schema_texts(struct ms_json *j, const struct ms_key *k)
{
    ms_json_raw(j, "anyOf",
                "[{\"type\":\"string\"},{\"type\":\"array\",\"minItems\":1,\"items\":{\"type\":"
                "\"string\"}}]");
}

const struct ms_shape ms_shape_texts = {parse_texts, echo_texts, schema_texts,
                                        "a file or a list of files", NULL};
