/* The section train: its keys and their odd values. The tables of its parts live with what they
 * configure (moe/). */
#include <stdlib.h>
#include <string.h>

#include "moe/train.h"
#include "scenario/fields.h"

static bool is_map(struct ms_reading *r, const char *path, const struct ms_entry *e)
{
    if (e->value->kind == MS_YAML_MAP)
        return true;
    ms_reading_fail(r, e, path, "must be a mapping");
    return false;
}

/* ---- init: random | a folder ---- */

static void parse_init(struct ms_reading *r, const char *path, const struct ms_field *f,
                       const struct ms_entry *e, void *at)
{
    static const struct ms_field folder = {.key = "init", .type = MS_FIELD_PATH};
    if (e->value->kind == MS_YAML_SCALAR && strcmp(e->value->text, "random") == 0)
        *(const char **)at = "random";
    else
        ms_reading_value(r, e, path, &folder, at);
}

static void echo_init(struct ms_echo *o, const char *name, const struct ms_field *f, const void *at)
{
    const char *init = *(const char *const *)at;
    if (init && strcmp(init, "random") == 0)
        ms_json_string(&o->j, name, init);
    else
        ms_echo_path(o, name, init);
}

static void schema_init(struct ms_json *j, const struct ms_field *f)
{
    ms_json_string(j, "type", "string");
}

static const struct ms_shape shape_init = {parse_init, echo_init, schema_init,
                                           "random or a checkpoint folder"};

/* ---- data ---- */

/* clang-format off */
static const struct ms_field data_fields[] = {
    {.key = "heldout", MS_AT(struct ms_train_data, heldout),
     MS_NUMBER(0, 0.9), .fallback = "0.1",
     .help = "last share of each text kept for evaluation"},
    {.key = "tokens", MS_AT(struct ms_train_data, tokens),
     .type = MS_FIELD_PATH, MS_OPTIONAL,
     .help = ".npy int32 [steps, batch, seq+1], used in order"},
    {0},
};
/* clang-format on */
static const struct ms_field text_field = {.key = "text", .type = MS_FIELD_PATH};

static void parse_data(struct ms_reading *r, const char *path, const struct ms_field *f,
                       const struct ms_entry *e, void *at)
{
    struct ms_train_params *p = at;
    int n = 0;
    if (!is_map(r, path, e))
        return;
    const struct ms_entry *text = ms_yaml_get(e->value, "text");
    if (text)
        p->data.text = ms_shape_words(r, "train.data.text", text, &text_field, &n);
    p->data.n_text = (size_t)n;
    ms_reading_table(r, ms_yaml_without(r->arena, e, "text"), path, data_fields, &p->data);
}

static void echo_data(struct ms_echo *o, const char *name, const struct ms_field *f, const void *at)
{
    const struct ms_train_params *p = at;
    ms_json_object(&o->j, name);
    ms_json_array(&o->j, "text");
    for (size_t i = 0; i < p->data.n_text; i++)
        ms_echo_path(o, NULL, p->data.text[i]);
    ms_json_end_array(&o->j);
    for (const struct ms_field *own = data_fields; own->key; own++)
        ms_echo_value(o, own->key, own, (const char *)&p->data + own->offset);
    ms_json_end_object(&o->j);
}

static void schema_data(struct ms_json *j, const struct ms_field *f)
{
    ms_json_string(j, "type", "object");
    ms_json_object(j, "properties");
    ms_json_raw(j, "text",
                "{\"anyOf\":[{\"type\":\"string\"},{\"type\":\"array\",\"minItems\":1,\"items\":{"
                "\"type\":\"string\"}}]}");
    for (const struct ms_field *own = data_fields; own->key; own++) {
        ms_json_object(j, own->key);
        ms_schema_value(j, own);
        ms_json_end_object(j);
    }
    ms_json_end_object(j);
    ms_json_bool(j, "additionalProperties", false);
}

static const struct ms_shape shape_data = {parse_data, echo_data, schema_data,
                                           "{text: [files], heldout} or {tokens: steps.npy}"};

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
    ms_reading_value(r, e->value->first, path, &beta, &betas[0]);
    ms_reading_value(r, e->value->first->next, path, &beta, &betas[1]);
}

static void parse_optimizer(struct ms_reading *r, const char *path, const struct ms_field *f,
                            const struct ms_entry *e, void *at)
{
    struct ms_train_params *p = at;
    if (!is_map(r, path, e))
        return;
    const struct ms_entry *betas = ms_yaml_get(e->value, "betas");
    memcpy(p->optimizer.betas, ms_adamw_params_default().betas, sizeof p->optimizer.betas);
    if (betas)
        parse_betas(r, betas, p->optimizer.betas);
    ms_reading_table(r, ms_yaml_without(r->arena, e, "betas"), path, ms_adamw_fields,
                     &p->optimizer);
}

static void echo_optimizer(struct ms_echo *o, const char *name, const struct ms_field *f,
                           const void *at)
{
    const struct ms_adamw_params *p = &((const struct ms_train_params *)at)->optimizer;
    ms_json_object(&o->j, name);
    ms_json_array(&o->j, "betas");
    ms_json_number(&o->j, NULL, p->betas[0]);
    ms_json_number(&o->j, NULL, p->betas[1]);
    ms_json_end_array(&o->j);
    for (const struct ms_field *own = ms_adamw_fields; own->key; own++)
        ms_echo_value(o, own->key, own, (const char *)p + own->offset);
    ms_json_end_object(&o->j);
}

static void schema_optimizer(struct ms_json *j, const struct ms_field *f)
{
    ms_json_string(j, "type", "object");
    ms_json_object(j, "properties");
    ms_json_raw(j, "betas",
                "{\"type\":\"array\",\"minItems\":2,\"maxItems\":2,\"items\":{\"type\":\"number\","
                "\"minimum\":0,\"maximum\":0.999999}}");
    for (const struct ms_field *own = ms_adamw_fields; own->key; own++) {
        ms_json_object(j, own->key);
        ms_schema_value(j, own);
        ms_json_end_object(j);
    }
    ms_json_end_object(j);
    ms_json_bool(j, "additionalProperties", false);
}

static const struct ms_shape shape_optimizer = {parse_optimizer, echo_optimizer, schema_optimizer,
                                                "a mapping"};

/* ---- router ---- */

enum { MAX_ROUTER_FIELDS = 32 };

/* Rows of one router: those of all routers, then its own. */
static void router_table(const struct ms_router *router, struct ms_field *out)
{
    const struct ms_field *tables[2] = {ms_router_fields, router ? router->fields : NULL};
    int n = 0;
    for (int t = 0; t < 2; t++)
        for (const struct ms_field *f = tables[t]; f && f->key && n + 1 < MAX_ROUTER_FIELDS; f++)
            out[n++] = *f;
    memset(&out[n], 0, sizeof out[n]);
}

static void parse_router(struct ms_reading *r, const char *path, const struct ms_field *f,
                         const struct ms_entry *e, void *at)
{
    struct ms_train_params *p = at;
    struct ms_field fields[MAX_ROUTER_FIELDS];
    const struct ms_field name = ms_shape_name(f);
    bool map = e->value->kind == MS_YAML_MAP;
    const struct ms_entry *given = map ? ms_yaml_get(e->value, "name") : e;
    const char *word = "top_k";
    p->router_params = ms_router_params_default();
    if (given)
        ms_reading_value(r, given, map ? "train.router.name" : path, &name, &word);
    p->router = ms_router_find(word);
    if (!map)
        return;
    router_table(p->router, fields);
    ms_reading_table(r, ms_yaml_without(r->arena, e, "name"), path, fields, &p->router_params);
}

static void echo_router(struct ms_echo *o, const char *name, const struct ms_field *f,
                        const void *at)
{
    const struct ms_train_params *p = at;
    struct ms_field fields[MAX_ROUTER_FIELDS];
    ms_json_object(&o->j, name);
    ms_json_string(&o->j, "name", p->router ? p->router->name : NULL);
    router_table(p->router, fields);
    for (const struct ms_field *own = fields; own->key; own++)
        ms_echo_value(o, own->key, own, (const char *)&p->router_params + own->offset);
    ms_json_end_object(&o->j);
}

static void schema_router_keys(struct ms_json *j, const struct ms_field *fields)
{
    for (const struct ms_field *f = fields; f && f->key; f++) {
        ms_json_object(j, f->key);
        ms_schema_value(j, f);
        ms_json_end_object(j);
    }
}

static void schema_router(struct ms_json *j, const struct ms_field *f)
{
    const struct ms_field name = ms_shape_name(f);
    ms_json_string(j, "type", "object");
    ms_json_object(j, "properties");
    ms_json_object(j, "name");
    ms_schema_value(j, &name);
    ms_json_end_object(j);
    schema_router_keys(j, ms_router_fields);
    for (size_t i = 0; ms_routers[i]; i++)
        schema_router_keys(j, ms_routers[i]->fields);
    ms_json_end_object(j);
    ms_json_bool(j, "additionalProperties", false);
}

static const struct ms_shape shape_router = {parse_router, echo_router, schema_router,
                                             "{name, capacity_factor, …}; `moesim list router`"};

/* ---- losses ---- */

static void parse_losses(struct ms_reading *r, const char *path, const struct ms_field *f,
                         const struct ms_entry *e, void *at)
{
    static const struct ms_field weight = {.key = "weight", MS_NUMBER(0, 1e6)};
    const struct ms_field name = ms_shape_name(f);
    struct ms_train_params *p = at;
    size_t n = 0;
    if (!is_map(r, path, e))
        return;
    struct ms_loss_term *terms = MS_NEW(r->arena, struct ms_loss_term, e->value->n);
    for (const struct ms_entry *s = e->value->first; s && terms; s = s->next) {
        char full[160], shown[80];
        const char *word;
        struct ms_err err = {0};
        struct ms_loss_term t = {0};
        snprintf(full, sizeof full, "%s.%s", path, ms_clean(s->key, shown, sizeof shown));
        if (ms_field_parse(&name, s->key, true, NULL, &word, &err) != MS_OK) {
            ms_reading_fail(r, s, path, "%s", err.text);
        } else if (ms_reading_value(r, s, full, &weight, &t.weight)) {
            t.loss = ms_loss_find(word);
            terms[n++] = t;
        }
    }
    p->losses = terms;
    p->n_losses = n;
}

static void echo_losses(struct ms_echo *o, const char *name, const struct ms_field *f,
                        const void *at)
{
    const struct ms_train_params *p = at;
    ms_json_object(&o->j, name);
    for (size_t i = 0; i < p->n_losses; i++)
        ms_json_number(&o->j, p->losses[i].loss->name, p->losses[i].weight);
    ms_json_end_object(&o->j);
}

static void schema_losses(struct ms_json *j, const struct ms_field *f)
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
                                             "{name: weight, …}; `moesim list loss`"};

/* clang-format off */
const struct ms_field ms_train_fields[] = {
    {.key = "init", MS_AT(struct ms_train_params, init),
     .type = MS_FIELD_ODD, .shape = &shape_init, .fallback = "random",
     .help = "random, or the folder of a checkpoint to fine-tune (ours, or a Hugging Face Mixtral, "
             "OLMoE or Qwen3-MoE)"},
    {.key = "model", MS_AT(struct ms_train_params, model),
     .type = MS_FIELD_TABLE, .fields = ms_train_model_fields, .fallback = "{}",
     .help = "shape of a model that starts at random"},
    {.key = "data",
     .type = MS_FIELD_ODD, .shape = &shape_data, .fields = data_fields,
     .help = "{text: [files], heldout: share} or {tokens: steps.npy}"},
    {.key = "batch", MS_AT(struct ms_train_params, batch),
     MS_INT(1, 1 << 20), .fallback = "16",
     .help = "sequences a step"},
    {.key = "seq", MS_AT(struct ms_train_params, seq),
     MS_INT(1, 1 << 20), .fallback = "128",
     .help = "tokens a sequence"},
    {.key = "steps", MS_AT(struct ms_train_params, steps),
     MS_INT(0, 1e9), .fallback = "500",
     .help = "steps of the whole run"},
    {.key = "optimizer",
     .type = MS_FIELD_ODD, .shape = &shape_optimizer, .fields = ms_adamw_fields, .fallback = "{}",
     .help = "AdamW and its schedule"},
    {.key = "router",
     .type = MS_FIELD_ODD, .shape = &shape_router, .named = ms_names_routers, .what = "a router",
     .fallback = "{name: top_k}",
     .help = "how tokens choose experts"},
    {.key = "losses",
     .type = MS_FIELD_ODD, .shape = &shape_losses, .named = ms_names_losses, .what = "a loss",
     .fallback = "{}",
     .help = "balancing losses, each name with its weight"},
    {.key = "normalise", MS_AT(struct ms_train_params, normalise),
     MS_ONE_OF("per_choice", "hf"), .fallback = "per_choice",
     .help = "of switch: per_choice (balance = 1), or hf as Hugging Face does (all layers "
             "together, balance = k)"},
    {.key = "micro_batches", MS_AT(struct ms_train_params, micro_batches),
     MS_INT(1, 1 << 20), .fallback = "1",
     .help = "parts of the batch that the loss switch balances on their own"},
    {.key = "bias_update", MS_AT(struct ms_train_params, bias_update),
     MS_NUMBER(0, 1), .fallback = "0",
     .help = "gamma of the loss-free bias (DeepSeek-V3: 1e-3); 0 = off"},
    {.key = "evaluate_every", MS_AT(struct ms_train_params, evaluate_every),
     MS_INT(0, 1e9), .fallback = "100",
     .help = "steps between held-out evaluations; 0 = at the end only"},
    {.key = "checkpoint_every", MS_AT(struct ms_train_params, checkpoint_every),
     MS_INT(0, 1e9), .fallback = "100",
     .help = "steps between checkpoints; 0 = at the end only"},
    {0},
};
/* clang-format on */
