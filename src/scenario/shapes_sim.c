/* The numbers of the sections compute, hardware and faults that stand in a mapping of their own,
 * and the list of links that fail. */
#include <math.h>
#include <string.h>

#include "scenario/fields.h"
#include "scenario/scenario.h"

/* clang-format off */
const struct ms_field ms_roofline_fields[] = {
    {.key = "flops", MS_AT(struct ms_compute_params, flops),
     MS_QUANTITY(FLOPS, 0, 1e30), .above_min = true,
     .help = "rate of the experts' products, e.g. 400Tf"},
    {.key = "bandwidth", MS_AT(struct ms_compute_params, bandwidth),
     MS_QUANTITY(RATE, 0, 1e30), .above_min = true,
     .help = "memory rate weights are read at, e.g. 3TBps"},
    {.key = "floor", MS_AT(struct ms_compute_params, floor_s),
     MS_TIME, .fallback = "0us",
     .help = "least time of a layer's experts"},
    {0},
};

const struct ms_field ms_hardware_fields[] = {
    {.key = "dispatch_alpha", MS_AT(struct ms_hardware_params, dispatch_alpha_s),
     MS_TIME, .fallback = "0us",
     .help = "start-up of a dispatch leg"},
    {.key = "combine_alpha", MS_AT(struct ms_hardware_params, combine_alpha_s),
     MS_TIME, .fallback = "0us",
     .help = "start-up of a combine leg"},
    {.key = "message_gap", MS_AT(struct ms_hardware_params, message_gap_s),
     MS_TIME, .fallback = "0us",
     .help = "least time a NIC spends on a message that leaves the node"},
    {0},
};

const struct ms_field ms_link_fields[] = {
    {.key = "name", MS_AT(struct ms_fault_link, pattern),
     .type = MS_FIELD_STRING,
     .help = "names of links; * and ? match as in the shell"},
    {.key = "at", MS_AT(struct ms_fault_link, at_s),
     MS_TIME, .fallback = "0us",
     .help = "when it starts"},
    {.key = "until", MS_AT(struct ms_fault_link, until_s),
     MS_TIME, MS_WORD("never", INFINITY), .fallback = "never",
     .help = "when it ends"},
    {.key = "bandwidth_factor", MS_AT(struct ms_fault_link, bandwidth_factor),
     MS_NUMBER(0, 1), .above_min = true, .fallback = "0.5",
     .help = "what is left of the rate"},
    {0},
};
/* clang-format on */

static void parse_links(struct ms_reading *r, const char *path, const struct ms_field *f,
                        const struct ms_entry *e, void *at)
{
    struct ms_fault_params *p = at;
    if (e->value->kind != MS_YAML_LIST) {
        ms_reading_fail(r, e, path, "must be a list of mappings");
        return;
    }
    struct ms_fault_link *links = MS_NEW(r->arena, struct ms_fault_link, e->value->n);
    int n = 0;
    for (const struct ms_entry *i = e->value->first; i && links; i = i->next) {
        if (i->value->kind != MS_YAML_MAP) {
            ms_reading_fail(r, i, path, "must be a mapping {name, at, until, bandwidth_factor}");
            continue;
        }
        if (ms_reading_table(r, i, path, f->fields, &links[n]))
            n++;
    }
    p->links = links;
    p->n_links = n;
}

static void echo_links(struct ms_echo *o, const char *name, const struct ms_field *f,
                       const void *at)
{
    const struct ms_fault_params *p = at;
    ms_json_array(&o->j, name);
    for (int i = 0; i < p->n_links; i++)
        ms_echo_table(o, NULL, f->fields, &p->links[i]);
    ms_json_end_array(&o->j);
}

static void schema_links(struct ms_json *j, const struct ms_field *f)
{
    ms_json_string(j, "type", "array");
    ms_json_object(j, "items");
    ms_schema_table(j, f->fields);
    ms_json_end_object(j);
}

const struct ms_shape ms_shape_links = {parse_links, echo_links, schema_links,
                                        "a list of {name, at, until, bandwidth_factor}"};
