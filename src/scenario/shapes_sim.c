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
    {.key = "profile", MS_AT(struct ms_hardware_params, profile),
     .type = MS_FIELD_STRING, .fallback = "auto",
     .help = "the profile whose other numbers are kept: auto, none, a name or a file"},
    {.key = "library", MS_AT(struct ms_hardware_params, library),
     .type = MS_FIELD_STRING, .fallback = "auto",
     .help = "whose kernels: a library of the profile's (list hardware NAME); auto: the usual ones"},
    {.key = "dispatch_alpha", MS_AT(struct ms_hardware_params, dispatch_alpha_s),
     MS_TIME, MS_WORD("auto", NAN), .fallback = "auto",
     .help = "start-up of a dispatch leg, without the route's latency"},
    {.key = "combine_alpha", MS_AT(struct ms_hardware_params, combine_alpha_s),
     MS_TIME, MS_WORD("auto", NAN), .fallback = "auto",
     .help = "start-up of a combine leg, without the route's latency"},
    {.key = "message_gap", MS_AT(struct ms_hardware_params, message_gap_s),
     MS_TIME, MS_WORD("auto", NAN), .fallback = "auto",
     .help = "least time a NIC spends on a message that leaves the node"},
    {.key = "count_exchange", MS_AT(struct ms_hardware_params, count_exchange_s),
     MS_TIME, .fallback = "0us",
     .help = "added to a dispatch whose replica choice needs all ranks' counts first (balanced)"},
    {0},
};

const struct ms_field ms_link_fields[] = {
    {.key = "name", MS_AT(struct ms_fault_link, pattern),
     .type = MS_FIELD_STRING,
     .help = "names of links; * and ? match as in the shell; NAME#2: one cable, from 0, of a link that stands for several"},
    {.key = "at", MS_AT(struct ms_fault_link, at_s),
     MS_TIME, .fallback = "0us",
     .help = "when it starts"},
    {.key = "until", MS_AT(struct ms_fault_link, until_s),
     MS_TIME, MS_WORD("never", INFINITY), .fallback = "never",
     .help = "when it ends"},
    {.key = "bandwidth_factor", MS_AT(struct ms_fault_link, bandwidth_factor),
     MS_NUMBER(0, 1), .fallback = "0.5",
     .help = "what is left of the rate; 0: nothing, flows wait until it is back; one cable that is down from the start "
             "for good: queue pairs are hashed to the others (ecmp)"},
    {0},
};
const struct ms_field ms_host_fields[] = {
    {.key = "name", MS_AT(struct ms_fault_host, pattern),
     .type = MS_FIELD_STRING,
     .help = "names of hosts; * and ? match as in the shell"},
    {.key = "at", MS_AT(struct ms_fault_host, at_s),
     MS_TIME, .fallback = "0us",
     .help = "when they are lost, since the start of a repeat"},
    {0},
};
/* clang-format on */

/* ---- hardware ---- */

/* A file is meant beside the scenario; a name is looked up by hardware/. */
static const char *profile_word(struct ms_reading *r, const struct ms_entry *e, const char *text)
{
    return strchr(text, '/') || strstr(text, ".yaml") ? ms_reading_path(r, e, text)
                                                      : ms_arena_strdup(r->arena, text);
}

static void parse_hardware(struct ms_reading *r, const char *path, const struct ms_field *f,
                           const struct ms_entry *e, void *at)
{
    struct ms_hardware_params *p = at;
    const char *text;
    ms_field_defaults(f->fields, p);
    if (e->value->kind == MS_YAML_MAP) {
        const struct ms_entry *inside = ms_yaml_get(e->value, "profile");
        if (ms_reading_table(r, e, path, f->fields, p))
            p->profile = profile_word(r, inside ? inside : e, p->profile);
    } else if (ms_reading_text(r, e, path, "auto, none, a profile or a mapping", &text)) {
        p->profile = profile_word(r, e, text);
    }
}

/* Is it a word alone, all numbers being the profile's? */
static bool is_word(const struct ms_hardware_params *p)
{
    return isnan(p->dispatch_alpha_s) && isnan(p->combine_alpha_s) && isnan(p->message_gap_s) &&
           p->count_exchange_s == 0 && (!p->library || strcmp(p->library, "auto") == 0);
}

static void echo_hardware(struct ms_echo *o, const char *name, const struct ms_field *f,
                          const void *at)
{
    const struct ms_hardware_params *p = at;
    char stem[256];
    struct ms_hardware_params shown = *p;
    if (o->files && p->profile) /* the profile's content enters the key beside this text */
        shown.profile = ms_path_stem(p->profile, stem, sizeof stem);
    if (is_word(p))
        ms_json_string(&o->j, name, shown.profile);
    else
        ms_echo_table(o, name, f->fields, &shown);
}

static void schema_hardware(struct ms_json *j, const struct ms_field *f)
{
    ms_json_array(j, "anyOf");
    ms_json_object(j, NULL);
    ms_json_string(j, "type", "string");
    ms_json_end_object(j);
    ms_json_object(j, NULL);
    ms_schema_table(j, f->fields);
    ms_json_end_object(j);
    ms_json_end_array(j);
}

const struct ms_shape ms_shape_hardware = {
    parse_hardware, echo_hardware, schema_hardware,
    "auto, none, the name or file of a profile, or {profile, library, dispatch_alpha, "
    "combine_alpha, message_gap, count_exchange}"};

/* ---- lists of mappings ---- */

/* @param words the keys of one, as it is shown  @param size bytes of one
 * @return [n] in the reading's arena; NULL, n 0: it is no list */
static void *parse_list(struct ms_reading *r, const char *path, const struct ms_field *f,
                        const struct ms_entry *e, const char *words, size_t size, int *n)
{
    *n = 0;
    if (e->value->kind != MS_YAML_LIST) {
        ms_reading_fail(r, e, path, "must be a list of mappings");
        return NULL;
    }
    char *all = ms_arena_alloc(r->arena, e->value->n, size);
    for (const struct ms_entry *i = e->value->first; i && all; i = i->next) {
        if (i->value->kind != MS_YAML_MAP)
            ms_reading_fail(r, i, path, "must be a mapping %s", words);
        else if (ms_reading_table(r, i, path, f->fields, all + (size_t)*n * size))
            (*n)++;
    }
    return all;
}

static void echo_list(struct ms_echo *o, const char *name, const struct ms_field *f,
                      const void *all, size_t size, int n)
{
    ms_json_array(&o->j, name);
    for (int i = 0; i < n; i++)
        ms_echo_table(o, NULL, f->fields, (const char *)all + (size_t)i * size);
    ms_json_end_array(&o->j);
}

static void schema_list(struct ms_json *j, const struct ms_field *f)
{
    ms_json_string(j, "type", "array");
    ms_json_object(j, "items");
    ms_schema_table(j, f->fields);
    ms_json_end_object(j);
}

#define LINK "{name, at, until, bandwidth_factor}"
#define HOST "{name, at}"

static void parse_links(struct ms_reading *r, const char *path, const struct ms_field *f,
                        const struct ms_entry *e, void *at)
{
    struct ms_fault_params *p = at;
    p->links = parse_list(r, path, f, e, LINK, sizeof *p->links, &p->n_links);
}

static void echo_links(struct ms_echo *o, const char *name, const struct ms_field *f,
                       const void *at)
{
    const struct ms_fault_params *p = at;
    echo_list(o, name, f, p->links, sizeof *p->links, p->n_links);
}

const struct ms_shape ms_shape_links = {parse_links, echo_links, schema_list, "a list of " LINK};

static void parse_hosts(struct ms_reading *r, const char *path, const struct ms_field *f,
                        const struct ms_entry *e, void *at)
{
    struct ms_fault_params *p = at;
    p->hosts = parse_list(r, path, f, e, HOST, sizeof *p->hosts, &p->n_hosts);
}

static void echo_hosts(struct ms_echo *o, const char *name, const struct ms_field *f,
                       const void *at)
{
    const struct ms_fault_params *p = at;
    echo_list(o, name, f, p->hosts, sizeof *p->hosts, p->n_hosts);
}

const struct ms_shape ms_shape_lost_hosts = {parse_hosts, echo_hosts, schema_list,
                                             "a list of " HOST};
