/** @file fields_train.c  The odd rows of the section train; its tables live with what they
 * configure (moe/). */
#include <stdlib.h>
#include <string.h>

#include "moe/train.h"
#include "scenario/fields.h"

static bool is_map(struct ms_reading *r, const struct ms_key *k, const struct ms_entry *e)
{
    if (e->value->kind == MS_YAML_MAP)
        return true;
    ms_reading_fail(r, e, k->path, "must be a mapping");
    return false;
}

/* ---- init: random | a folder ---- */

static void parse_init(struct ms_reading *r, const struct ms_key *k, const struct ms_entry *e,
                       void *at)
{
    if (e->value->kind == MS_YAML_SCALAR && strcmp(e->value->text, "random") == 0)
        *(const char **)at = "random";
    else
        ms_reading_value(r, e, k->path, k->field, at);
}

static void echo_init(struct ms_echo *o, const char *name, const struct ms_key *k, const void *at)
{
    const char *init = *(const char *const *)at;
    if (init && strcmp(init, "random") == 0)
        ms_json_string(&o->j, name, init);
    else
        ms_echo_path(o, name, init);
}

static void schema_init(struct ms_json *j, const struct ms_key *k)
{
    ms_json_string(j, "type", "string");
}

static const struct ms_shape shape_init = {parse_init, echo_init, schema_init,
                                           "random or a checkpoint folder", NULL};

/* ---- model ---- */

static void parse_model(struct ms_reading *r, const struct ms_key *k, const struct ms_entry *e,
                        void *at)
{
    struct ms_train_params *p = at;
    if (is_map(r, k, e))
        ms_reading_table(r, e, k->path, ms_train_model_fields, &p->model);
}

static void echo_model(struct ms_echo *o, const char *name, const struct ms_key *k, const void *at)
{
    const struct ms_train_params *p = at;
    ms_echo_table(o, name, ms_train_model_fields, &p->model);
}

static void schema_model(struct ms_json *j, const struct ms_key *k)
{
    ms_schema_table(j, ms_train_model_fields);
}

static const struct ms_shape shape_model = {parse_model, echo_model, schema_model, "a mapping",
                                            ms_train_model_fields};

/* ---- data ---- */

static const struct ms_field data_fields[] = {
    {.key = "heldout",
     .type = MS_FIELD_NUMBER,
     .offset = offsetof(struct ms_train_data, heldout),
     .min = 0,
     .max = 0.9,
     .fallback = "0.1",
     .help = "last share of each text kept for evaluation"},
    {.key = "tokens",
     .type = MS_FIELD_PATH,
     .offset = offsetof(struct ms_train_data, tokens),
     .fallback = "",
     .help = ".npy int32 [steps, batch, seq+1], used in order"},
    {0}};
static const struct ms_field text_field = {.key = "text", .type = MS_FIELD_PATH};

static void parse_data(struct ms_reading *r, const struct ms_key *k, const struct ms_entry *e,
                       void *at)
{
    struct ms_train_params *p = at;
    struct ms_key of_text = *k;
    int n = 0;
    if (!is_map(r, k, e))
        return;
    const struct ms_entry *text = ms_yaml_get(e->value, "text");
    snprintf(of_text.path, sizeof of_text.path, "train.data.text");
    if (text)
        p->data.text = ms_shape_words(r, &of_text, text, &text_field, &n);
    p->data.n_text = (size_t)n;
    ms_reading_table(r, ms_yaml_without(r->arena, e, "text"), k->path, data_fields, &p->data);
}

static void echo_data(struct ms_echo *o, const char *name, const struct ms_key *k, const void *at)
{
    const struct ms_train_params *p = at;
    ms_json_object(&o->j, name);
    ms_json_array(&o->j, "text");
    for (size_t i = 0; i < p->data.n_text; i++)
        ms_echo_path(o, NULL, p->data.text[i]);
    ms_json_end_array(&o->j);
    for (const struct ms_field *f = data_fields; f->key; f++)
        ms_echo_value(o, f->key, f, (const char *)&p->data + f->offset);
    ms_json_end_object(&o->j);
}

static void schema_data(struct ms_json *j, const struct ms_key *k)
{
    ms_json_string(j, "type", "object");
    ms_json_object(j, "properties");
    ms_json_raw(j, "text",
                "{\"anyOf\":[{\"type\":\"string\"},{\"type\":\"array\",\"minItems\":1,\"items\":{"
                "\"type\":\"string\"}}]}");
    for (const struct ms_field *f = data_fields; f->key; f++) {
        ms_json_object(j, f->key);
        ms_schema_value(j, f);
        ms_json_end_object(j);
    }
    ms_json_end_object(j);
    ms_json_bool(j, "additionalProperties", false);
}

static const struct ms_shape shape_data = {parse_data, echo_data, schema_data,
                                           "{text: [files], heldout} or {tokens: steps.npy}",
                                           data_fields};

/* ---- optimizer ---- */

static void parse_betas(struct ms_reading *r, const struct ms_entry *e, double betas[2])
{
    static const struct ms_field beta = {
        .key = "betas", .type = MS_FIELD_NUMBER, .min = 0, .max = 0.999999};
    const char *path = "train.optimizer.betas";
    if (e->value->kind != MS_YAML_LIST || e->value->n != 2) {
        ms_reading_fail(r, e, path, "must be a list of two numbers such as [0.9, 0.95]");
        return;
    }
    ms_reading_number(r, e->value->first, path, &beta, &betas[0]);
    ms_reading_number(r, e->value->first->next, path, &beta, &betas[1]);
}

static void parse_optimizer(struct ms_reading *r, const struct ms_key *k, const struct ms_entry *e,
                            void *at)
{
    struct ms_train_params *p = at;
    if (!is_map(r, k, e))
        return;
    const struct ms_entry *betas = ms_yaml_get(e->value, "betas");
    memcpy(p->optimizer.betas, ms_adamw_params_default().betas, sizeof p->optimizer.betas);
    if (betas)
        parse_betas(r, betas, p->optimizer.betas);
    ms_reading_table(r, ms_yaml_without(r->arena, e, "betas"), k->path, ms_adamw_fields,
                     &p->optimizer);
}

static void echo_optimizer(struct ms_echo *o, const char *name, const struct ms_key *k,
                           const void *at)
{
    const struct ms_adamw_params *p = &((const struct ms_train_params *)at)->optimizer;
    ms_json_object(&o->j, name);
    ms_json_array(&o->j, "betas");
    ms_json_number(&o->j, NULL, p->betas[0]);
    ms_json_number(&o->j, NULL, p->betas[1]);
    ms_json_end_array(&o->j);
    for (const struct ms_field *f = ms_adamw_fields; f->key; f++)
        ms_echo_value(o, f->key, f, (const char *)p + f->offset);
    ms_json_end_object(&o->j);
}

static void schema_optimizer(struct ms_json *j, const struct ms_key *k)
{
    ms_json_string(j, "type", "object");
    ms_json_object(j, "properties");
    ms_json_raw(j, "betas",
                "{\"type\":\"array\",\"minItems\":2,\"maxItems\":2,\"items\":{\"type\":\"number\","
                "\"minimum\":0,\"maximum\":0.999999}}");
    for (const struct ms_field *f = ms_adamw_fields; f->key; f++) {
        ms_json_object(j, f->key);
        ms_schema_value(j, f);
        ms_json_end_object(j);
    }
    ms_json_end_object(j);
    ms_json_bool(j, "additionalProperties", false);
}

static const struct ms_shape shape_optimizer = {parse_optimizer, echo_optimizer, schema_optimizer,
                                                "a mapping", ms_adamw_fields};

/* ---- router ---- */

enum { MAX_ROUTER_FIELDS = 32 };

/* Rows of one router but capacity_factor, which is none or a number: those of all routers, then its
 * own. */
static void router_table(const struct ms_router *router, struct ms_field *out)
{
    const struct ms_field *tables[2] = {ms_router_fields, router ? router->fields : NULL};
    int n = 0;
    for (int t = 0; t < 2; t++)
        for (const struct ms_field *f = tables[t]; f && f->key && n + 1 < MAX_ROUTER_FIELDS; f++)
            if (f->type != MS_FIELD_CUSTOM)
                out[n++] = *f;
    memset(&out[n], 0, sizeof out[n]);
}

static void parse_router(struct ms_reading *r, const struct ms_key *k, const struct ms_entry *e,
                         void *at)
{
    static const struct ms_field factor = {
        .key = "capacity_factor", .type = MS_FIELD_NUMBER, .min = 0, .max = 1e6, .above_min = true};
    struct ms_train_params *p = at;
    struct ms_field fields[MAX_ROUTER_FIELDS];
    struct ms_key sub = *k;
    const char *word = "top_k";
    p->router_params = ms_router_params_default();
    p->router = ms_router_find(word);
    const struct ms_entry *name = e, *capacity = NULL;
    if (e->value->kind == MS_YAML_MAP) {
        name = ms_yaml_get(e->value, "name");
        capacity = ms_yaml_get(e->value, "capacity_factor");
        snprintf(sub.path, sizeof sub.path, "train.router.name");
    }
    if (name)
        ms_shape_name.parse(r, &sub, name, &word);
    p->router = ms_router_find(word);
    sub.field = &factor;
    snprintf(sub.path, sizeof sub.path, "train.router.capacity_factor");
    if (capacity)
        ms_shape_none.parse(r, &sub, capacity, &p->router_params.capacity_factor);
    if (e->value->kind != MS_YAML_MAP)
        return;
    const struct ms_entry *rest =
        ms_yaml_without(r->arena, ms_yaml_without(r->arena, e, "name"), "capacity_factor");
    router_table(p->router, fields);
    ms_reading_table(r, rest, k->path, fields, &p->router_params);
}

static void echo_router(struct ms_echo *o, const char *name, const struct ms_key *k, const void *at)
{
    const struct ms_train_params *p = at;
    struct ms_field fields[MAX_ROUTER_FIELDS];
    ms_json_object(&o->j, name);
    ms_json_string(&o->j, "name", p->router ? p->router->name : NULL);
    ms_shape_none.echo(o, "capacity_factor", k, &p->router_params.capacity_factor);
    router_table(p->router, fields);
    for (const struct ms_field *f = fields; f->key; f++)
        ms_echo_value(o, f->key, f, (const char *)&p->router_params + f->offset);
    ms_json_end_object(&o->j);
}

static void schema_router_keys(struct ms_json *j, const struct ms_field *fields)
{
    for (const struct ms_field *f = fields; f && f->key; f++) {
        if (f->type == MS_FIELD_CUSTOM)
            continue;
        ms_json_object(j, f->key);
        ms_schema_value(j, f);
        ms_json_end_object(j);
    }
}

static void schema_router(struct ms_json *j, const struct ms_key *k)
{
    ms_json_string(j, "type", "object");
    ms_json_object(j, "properties");
    ms_json_object(j, "name");
    ms_shape_name.schema(j, k);
    ms_json_end_object(j);
    ms_json_raw(j, "capacity_factor",
                "{\"anyOf\":[{\"const\":\"none\"},{\"type\":\"number\",\"exclusiveMinimum\":0}]}");
    schema_router_keys(j, ms_router_fields);
    for (size_t i = 0; ms_routers[i]; i++)
        schema_router_keys(j, ms_routers[i]->fields);
    ms_json_end_object(j);
    ms_json_bool(j, "additionalProperties", false);
}

static const struct ms_shape shape_router = {parse_router, echo_router, schema_router,
                                             "{name, capacity_factor, …}; `moesim list router`",
                                             NULL};

/* ---- losses ---- */

static void parse_losses(struct ms_reading *r, const struct ms_key *k, const struct ms_entry *e,
                         void *at)
{
    static const struct ms_field weight = {
        .key = "weight", .type = MS_FIELD_NUMBER, .min = 0, .max = 1e6};
    enum { MAX = 64 };
    struct ms_train_params *p = at;
    const char *names[MAX];
    size_t n = ms_names_losses(names, MAX), n_terms = 0;
    if (!is_map(r, k, e))
        return;
    struct ms_loss_term *terms = MS_NEW(r->arena, struct ms_loss_term, e->value->n);
    for (const struct ms_entry *s = e->value->first; s && terms; s = s->next) {
        char path[160], shown[80];
        struct ms_loss_term t = {.loss = ms_loss_find(s->key)};
        snprintf(path, sizeof path, "%s.%s", k->path, ms_yaml_clean(s->key, shown, sizeof shown));
        if (!t.loss)
            ms_reading_unknown(r, s, k->path, "a loss", s->key, names, n);
        else if (ms_reading_number(r, s, path, &weight, &t.weight))
            terms[n_terms++] = t;
    }
    p->losses = terms;
    p->n_losses = n_terms;
}

static void echo_losses(struct ms_echo *o, const char *name, const struct ms_key *k, const void *at)
{
    const struct ms_train_params *p = at;
    ms_json_object(&o->j, name);
    for (size_t i = 0; i < p->n_losses; i++)
        ms_json_number(&o->j, p->losses[i].loss->name, p->losses[i].weight);
    ms_json_end_object(&o->j);
}

static void schema_losses(struct ms_json *j, const struct ms_key *k)
{
    ms_json_string(j, "type", "object");
    ms_json_object(j, "properties");
    for (size_t i = 0; ms_losses[i]; i++) {
        ms_json_object(j, ms_losses[i]->name);
        ms_json_string(j, "description", ms_losses[i]->help);
        ms_json_string(j, "type", "number");
        ms_json_integer(j, "minimum", 0);
        ms_json_end_object(j);
    }
    ms_json_end_object(j);
    ms_json_bool(j, "additionalProperties", false);
}

static const struct ms_shape shape_losses = {parse_losses, echo_losses, schema_losses,
                                             "{name: weight, …}; `moesim list loss`", NULL};

const struct ms_special ms_train_special[] = {
    {.path = "train.init", .shape = &shape_init},
    {.path = "train.model", .shape = &shape_model},
    {.path = "train.data", .shape = &shape_data},
    {.path = "train.optimizer", .shape = &shape_optimizer},
    {.path = "train.router", .shape = &shape_router, .names = ms_names_routers, .what = "a router"},
    {.path = "train.losses", .shape = &shape_losses, .names = ms_names_losses, .what = "a loss"},
    {0}};
