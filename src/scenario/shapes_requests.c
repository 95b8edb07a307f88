/* The odd value workload.requests: none, or what a batch is made of; and in it the domains, all of
 * them, a number, or named ones with weights. */
#include <math.h>
#include <string.h>

#include "scenario/fields.h"
#include "scenario/scenario.h"

/* ---- domains ---- */

static const struct ms_field count_field = {.key = "domains", MS_INT32(1, 256), MS_WORD("all", 0)};
static const struct ms_field weight_field = {.key = "weight", MS_NUMBER(0, 1e9)};

static void parse_domains(struct ms_reading *r, const char *path, const struct ms_field *f,
                          const struct ms_entry *e, void *at)
{
    struct ms_request_domains *d = at;
    *d = (struct ms_request_domains){0};
    if (e->value->kind != MS_YAML_MAP) {
        ms_reading_value(r, e, path, &count_field, &d->n);
        return;
    }
    struct ms_domain_weight *named = MS_NEW(r->arena, struct ms_domain_weight, e->value->n);
    for (const struct ms_entry *s = e->value->first; s && named; s = s->next) {
        char full[160], shown[80];
        struct ms_domain_weight *one = &named[d->n_named];
        snprintf(full, sizeof full, "%s.%s", path, ms_clean(s->key, shown, sizeof shown));
        one->name = ms_arena_strdup(r->arena, s->key);
        if (one->name && ms_reading_value(r, s, full, &weight_field, &one->weight))
            d->n_named++;
    }
    if (e->value->n == 0)
        ms_reading_fail(r, e, path, "no domain is named; all means all of them");
    d->named = named;
}

static void echo_domains(struct ms_echo *o, const char *name, const struct ms_field *f,
                         const void *at)
{
    const struct ms_request_domains *d = at;
    if (d->n_named == 0) {
        ms_echo_value(o, name, &count_field, &d->n);
        return;
    }
    ms_json_object(&o->j, name);
    for (int i = 0; i < d->n_named; i++)
        ms_json_number(&o->j, d->named[i].name, d->named[i].weight);
    ms_json_end_object(&o->j);
}

static void schema_domains(struct ms_json *j, const struct ms_field *f)
{
    ms_json_array(j, "anyOf");
    ms_json_object(j, NULL);
    ms_schema_value(j, &count_field);
    ms_json_end_object(j);
    ms_json_object(j, NULL);
    ms_json_string(j, "type", "object");
    ms_json_integer(j, "minProperties", 1);
    ms_json_object(j, "additionalProperties");
    ms_schema_value(j, &weight_field);
    ms_json_end_object(j);
    ms_json_end_object(j);
    ms_json_end_array(j);
}

static const struct ms_shape shape_domains = {parse_domains, echo_domains, schema_domains,
                                              "all, a number of draws, or {name: weight}"};

/* ---- requests ---- */

/* clang-format off */
static const struct ms_field length_fields[] = {
    {.key = "mean", MS_AT(struct ms_request_length, mean),
     MS_NUMBER(1, 1e8),
     .help = "mean tokens of a request"},
    {.key = "cv", MS_AT(struct ms_request_length, cv),
     MS_NUMBER(0, 100), .fallback = "1",
     .help = "coefficient of variation over requests (log-normal)"},
    {0},
};

static const struct ms_field mix_fields[] = {
    {.key = "concentration", MS_AT(struct ms_request_mix, concentration),
     MS_NUMBER(0, 1e9), .above_min = true, MS_WORD("none", INFINITY), .fallback = "none",
     .help = "of the shares of what arrives: Dirichlet(concentration x weights); none = constant"},
    {.key = "persistence", MS_AT(struct ms_request_mix, persistence),
     MS_NUMBER(1, 1e9), .fallback = "100",
     .help = "mean steps until the shares are drawn anew"},
    {0},
};

const struct ms_field ms_request_fields[] = {
    {.key = "phase", MS_AT(struct ms_request_params, phase),
     MS_ONE_OF("none", "decode", "prefill"), .fallback = "decode",
     .help = "decode: slots of one token a step; prefill: steps packed with whole prompts"},
    {.key = "tokens", MS_AT(struct ms_request_params, length),
     .type = MS_FIELD_TABLE, .fields = length_fields, .fallback = "{mean: 512, cv: 1}",
     .help = "length of a request: {mean, cv}"},
    {.key = "domains", MS_AT(struct ms_request_params, domains),
     .type = MS_FIELD_ODD, .shape = &shape_domains, .fallback = "all",
     .help = "all of the trace or checkpoint, a number of draws of the law, or {name: weight}"},
    {.key = "tilt", MS_AT(struct ms_request_params, tilt),
     MS_NUMBER(0, 10), .fallback = "0",
     .help = "sd of ln weight between requests of a domain; 0.3 fits real routers"},
    {.key = "affinity", MS_AT(struct ms_request_params, affinity),
     MS_ONE_OF("none", "rank"), .fallback = "none",
     .help = "rank: each domain has ranks of its own"},
    {.key = "mix", MS_AT(struct ms_request_params, mix),
     .type = MS_FIELD_TABLE, .fields = mix_fields, .fallback = "{concentration: none}",
     .help = "how what arrives changes: {concentration, persistence}"},
    {.key = "file", MS_AT(struct ms_request_params, file),
     .type = MS_FIELD_PATH, MS_OPTIONAL,
     .help = "requests of a trace of token ids, replayed: a row a request, column domain"},
    {0},
};
/* clang-format on */

static void parse_requests(struct ms_reading *r, const char *path, const struct ms_field *f,
                           const struct ms_entry *e, void *at)
{
    struct ms_request_params *p = at;
    *p = (struct ms_request_params){0};
    if (e->value->kind == MS_YAML_MAP)
        ms_reading_table(r, e, path, ms_request_fields, p);
    else if (e->value->kind != MS_YAML_SCALAR || strcmp(e->value->text, "none") != 0)
        ms_reading_fail(r, e, path,
                        "must be none or a mapping such as {phase: decode, domains: 6}");
}

static void echo_requests(struct ms_echo *o, const char *name, const struct ms_field *f,
                          const void *at)
{
    const struct ms_request_params *p = at;
    if (p->phase == MS_REQUESTS_NONE)
        ms_json_string(&o->j, name, "none");
    else
        ms_echo_table(o, name, ms_request_fields, p);
}

static void schema_requests(struct ms_json *j, const struct ms_field *f)
{
    ms_json_array(j, "anyOf");
    ms_json_raw(j, NULL, "{\"const\":\"none\"}");
    ms_json_object(j, NULL);
    ms_schema_table(j, ms_request_fields);
    ms_json_end_object(j);
    ms_json_end_array(j);
}

const struct ms_shape ms_shape_requests = {parse_requests, echo_requests, schema_requests,
                                           "none, or what a batch is made of"};
