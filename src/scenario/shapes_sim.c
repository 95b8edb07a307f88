/** @file shapes_sim.c  Odd values of the sections compute, hardware and faults. */
#include <math.h>
#include <string.h>

#include "scenario/fields.h"
#include "scenario/scenario.h"

#define AT(type, member) .offset = offsetof(struct type, member)

/* ---- compute.profile ---- */

static const struct ms_field roofline_fields[] = {
    {.key = "flops",
     .type = MS_FIELD_NUMBER,
     AT(ms_compute_params, flops),
     .unit = MS_UNIT_FLOPS,
     .min = 0,
     .max = 1e30,
     .above_min = true,
     .help = "rate of the experts' products, e.g. 400Tf"},
    {.key = "bandwidth",
     .type = MS_FIELD_NUMBER,
     AT(ms_compute_params, bandwidth),
     .unit = MS_UNIT_RATE,
     .min = 0,
     .max = 1e30,
     .above_min = true,
     .help = "memory rate weights are read at, e.g. 3TBps"},
    {.key = "floor",
     .type = MS_FIELD_NUMBER,
     AT(ms_compute_params, floor_s),
     .unit = MS_UNIT_TIME,
     .min = 0,
     .max = 1e9,
     .fallback = "0us",
     .help = "least time of a layer's experts"},
    {0}};

/* A profile's name, or a mapping with the numbers themselves: then the name stays NULL. */
static void parse_profile(struct ms_reading *r, const struct ms_key *k, const struct ms_entry *e,
                          void *base, const char **profile, const struct ms_field *fields)
{
    const struct ms_entry *inside = ms_yaml_get(e->value, "profile");
    char shown[80];
    *profile = NULL;
    if (inside && inside->value->kind == MS_YAML_SCALAR)
        ms_reading_fail(r, inside, k->path,
                        "the profile '%s' is taken whole; a single number of it cannot be set",
                        ms_yaml_clean(inside->value->text, shown, sizeof shown));
    else if (e->value->kind == MS_YAML_MAP)
        ms_reading_table(r, e, k->path, fields, base);
    else if (e->value->kind == MS_YAML_LIST)
        ms_reading_fail(r, e, k->path, "a list is not %s", k->special->shape->allowed);
    else
        ms_shape_name.parse(r, k, e, (void *)profile);
}

static void schema_profile(struct ms_json *j, const struct ms_key *k)
{
    ms_json_array(j, "anyOf");
    ms_json_object(j, NULL);
    ms_shape_name.schema(j, k);
    ms_json_end_object(j);
    ms_json_object(j, NULL);
    ms_schema_table(j, k->special->shape->fields);
    ms_json_end_object(j);
    ms_json_end_array(j);
}

static void parse_compute(struct ms_reading *r, const struct ms_key *k, const struct ms_entry *e,
                          void *at)
{
    struct ms_compute_params *p = at;
    parse_profile(r, k, e, p, &p->profile, roofline_fields);
}

static void echo_compute(struct ms_echo *o, const char *name, const struct ms_key *k,
                         const void *at)
{
    const struct ms_compute_params *p = at;
    if (p->profile)
        ms_json_string(&o->j, name, p->profile);
    else
        ms_echo_table(o, name, roofline_fields, p);
}

const struct ms_shape ms_shape_compute = {parse_compute, echo_compute, schema_profile,
                                          "none, a profile or {flops, bandwidth, floor}",
                                          roofline_fields};

/* ---- hardware ---- */

static const struct ms_field hardware_fields[] = {
    {.key = "dispatch_alpha",
     .type = MS_FIELD_NUMBER,
     AT(ms_hardware_params, dispatch_alpha_s),
     .unit = MS_UNIT_TIME,
     .min = 0,
     .max = 1e9,
     .fallback = "0us",
     .help = "start-up of a dispatch leg"},
    {.key = "combine_alpha",
     .type = MS_FIELD_NUMBER,
     AT(ms_hardware_params, combine_alpha_s),
     .unit = MS_UNIT_TIME,
     .min = 0,
     .max = 1e9,
     .fallback = "0us",
     .help = "start-up of a combine leg"},
    {.key = "message_gap",
     .type = MS_FIELD_NUMBER,
     AT(ms_hardware_params, message_gap_s),
     .unit = MS_UNIT_TIME,
     .min = 0,
     .max = 1e9,
     .fallback = "0us",
     .help = "least time a NIC spends on a message that leaves the node"},
    {0}};

static void parse_hardware(struct ms_reading *r, const struct ms_key *k, const struct ms_entry *e,
                           void *at)
{
    struct ms_hardware_params *p = at;
    parse_profile(r, k, e, p, &p->profile, hardware_fields);
}

static void echo_hardware(struct ms_echo *o, const char *name, const struct ms_key *k,
                          const void *at)
{
    const struct ms_hardware_params *p = at;
    if (p->profile)
        ms_json_string(&o->j, name, p->profile);
    else
        ms_echo_table(o, name, hardware_fields, p);
}

const struct ms_shape ms_shape_hardware = {
    parse_hardware, echo_hardware, schema_profile,
    "none, a profile or {dispatch_alpha, combine_alpha, message_gap}", hardware_fields};

/* ---- faults.links ---- */

static const struct ms_field link_fields[] = {
    {.key = "name",
     .type = MS_FIELD_STRING,
     AT(ms_fault_link, pattern),
     .help = "names of links; * and ? match as in the shell"},
    {.key = "at",
     .type = MS_FIELD_NUMBER,
     AT(ms_fault_link, at_s),
     .unit = MS_UNIT_TIME,
     .min = 0,
     .max = 1e9,
     .fallback = "0us",
     .help = "when it starts"},
    {.key = "until",
     .type = MS_FIELD_NUMBER,
     AT(ms_fault_link, until_s),
     .unit = MS_UNIT_TIME,
     .min = 0,
     .max = 1e9,
     .fallback = "",
     .help = "when it ends; never"},
    {.key = "bandwidth_factor",
     .type = MS_FIELD_NUMBER,
     AT(ms_fault_link, bandwidth_factor),
     .min = 0,
     .max = 1,
     .above_min = true,
     .fallback = "0.5",
     .help = "what is left of the rate"},
    {0}};

/* `until: never` is the one word among numbers: the default, so it is left out for the table. */
static const struct ms_entry *without_never(struct ms_reading *r, const struct ms_entry *item)
{
    const struct ms_entry *until = ms_yaml_get(item->value, "until");
    bool never =
        until && until->value->kind == MS_YAML_SCALAR && strcmp(until->value->text, "never") == 0;
    return never ? ms_yaml_without(r->arena, item, "until") : item;
}

static void parse_links(struct ms_reading *r, const struct ms_key *k, const struct ms_entry *e,
                        void *at)
{
    struct ms_fault_params *p = at;
    if (e->value->kind != MS_YAML_LIST) {
        ms_reading_fail(r, e, k->path, "must be a list of mappings");
        return;
    }
    struct ms_fault_link *links = MS_NEW(r->arena, struct ms_fault_link, e->value->n);
    int n = 0;
    for (const struct ms_entry *i = e->value->first; i && links; i = i->next) {
        if (i->value->kind != MS_YAML_MAP) {
            ms_reading_fail(r, i, k->path, "must be a mapping {name, at, until, bandwidth_factor}");
            continue;
        }
        links[n].until_s = INFINITY;
        if (ms_reading_table(r, without_never(r, i), k->path, link_fields, &links[n]))
            n++;
    }
    p->links = links;
    p->n_links = n;
}

static void echo_links(struct ms_echo *o, const char *name, const struct ms_key *k, const void *at)
{
    const struct ms_fault_params *p = at;
    ms_json_array(&o->j, name);
    for (int i = 0; i < p->n_links; i++)
        ms_echo_table(o, NULL, link_fields, &p->links[i]);
    ms_json_end_array(&o->j);
}

static void schema_links(struct ms_json *j, const struct ms_key *k)
{
    ms_json_string(j, "type", "array");
    ms_json_object(j, "items");
    ms_schema_table(j, link_fields);
    ms_json_end_object(j);
}

const struct ms_shape ms_shape_links = {parse_links, echo_links, schema_links,
                                        "a list of {name, at, until, bandwidth_factor}",
                                        link_fields};
