/* The sections and keys a profile file may have, and the rule that every number names its source. */
#include "hardware/hardware_file.h"

#include <string.h>

#include "base/yaml_tree.h"
#include "cluster/topology.h"

#define IN_KERNELS(member) MS_AT(struct ms_hardware_kernels, member)

/* clang-format off */
static const struct ms_field kernel_rows[] = {
    {.key = "dispatch_alpha", IN_KERNELS(alpha_s[0]), MS_TIME, .fallback = "0us",
     .help = "start-up of a dispatch leg, without the route's latency"},
    {.key = "combine_alpha", IN_KERNELS(alpha_s[1]), MS_TIME, .fallback = "0us",
     .help = "start-up of a combine leg, without the route's latency"},
    {.key = "dispatch_alpha_per_doubling", IN_KERNELS(alpha_per_doubling_s[0]), MS_TIME, .fallback = "0us",
     .help = "more of it for each doubling of ranks or nodes"},
    {.key = "combine_alpha_per_doubling", IN_KERNELS(alpha_per_doubling_s[1]), MS_TIME, .fallback = "0us",
     .help = "the same for combine"},
    {.key = "doubling_of", IN_KERNELS(doubling_of), MS_ONE_OF("ranks", "nodes"), .fallback = "ranks",
     .help = "what doubles"},
    {.key = "message_gap", IN_KERNELS(message_gap_s), MS_TIME, .fallback = "0us",
     .help = "least time a NIC spends on a message that leaves the node"},
    {.key = "gap_rule", IN_KERNELS(gap_rule), MS_ONE_OF("max", "additive"), .fallback = "max",
     .help = "a message takes the longer of gap and bytes, or both"},
    {.key = "count_message", IN_KERNELS(count_message_s), MS_TIME, .fallback = "0us",
     .help = "one message to each remote expert, after its tokens"},
    {.key = "sms", IN_KERNELS(sms), MS_INT32(0, 1024), .fallback = "0",
     .help = "SMs the kernels take"},
    {.key = "dispatch_chunk_tokens", IN_KERNELS(chunk_tokens[0]), MS_INT32(0, 1e6), .fallback = "0",
     .help = "tokens of a channel's chunk"},
    {.key = "combine_chunk_tokens", IN_KERNELS(chunk_tokens[1]), MS_INT32(0, 1e6), .fallback = "0",
     .help = "the same for combine"},
    {.key = "chunk_cost", IN_KERNELS(chunk_s), MS_TIME, .fallback = "0us",
     .help = "a chunk's own time"},
    {.key = "fan_in_loss", IN_KERNELS(fan_in_loss), MS_NUMBER(0, 1), .fallback = "0",
     .help = "share of a port's rate lost with each doubling of its peers"},
    {.key = "ramp", IN_KERNELS(ramp_bytes), MS_QUANTITY(BYTES, 0, 1e15), .fallback = "0",
     .help = "below it the rate is in proportion to the size"},
    {.key = "dispatch_overlap_slowdown", IN_KERNELS(overlap_slowdown[0]), MS_NUMBER(1, 100), .fallback = "1",
     .help = "factor on a leg while the GPU computes"},
    {.key = "combine_overlap_slowdown", IN_KERNELS(overlap_slowdown[1]), MS_NUMBER(1, 100), .fallback = "1",
     .help = "the same for combine"},
    {0},
};

static const struct ms_field compute_rows[] = {
    {.key = "experts", MS_AT(struct ms_hardware, experts), .type = MS_FIELD_STRING, MS_OPTIONAL,
     .help = "the measured table of expert times (list compute)"},
    {0},
};

static const struct ms_field jitter_rows[] = {
    {.key = "sigma", MS_AT(struct ms_hardware, jitter_sigma), MS_NUMBER(0, 10), .fallback = "0",
     .help = "log-normal factor on start-up and compute"},
    {.key = "tail_share", MS_AT(struct ms_hardware, jitter_tail_share), MS_NUMBER(0, 1), .fallback = "0",
     .help = "share of draws with a Pareto tail"},
    {.key = "tail_alpha", MS_AT(struct ms_hardware, jitter_tail_alpha), MS_NUMBER(1, 100), .fallback = "2",
     .help = "its exponent"},
    {.key = "network_sigma", MS_AT(struct ms_hardware, jitter_network_sigma), MS_NUMBER(0, 10), .fallback = "0",
     .help = "log-normal factor on a leg's flows"},
    {0},
};
/* clang-format on */

static const char *const sections[] = {"help",        "links",   "nccl",  "normal",
                                       "low_latency", "compute", "jitter"};
enum { N_SECTIONS = sizeof sections / sizeof *sections, MOST_VALUES = 256 };

struct reading {
    struct ms_arena *arena;
    struct ms_hardware *h;
    struct ms_errs *errs;
    const char *file;
};

static void fail(struct reading *r, const struct ms_entry *at, const char *section,
                 const char *text)
{
    char key[160];
    snprintf(key, sizeof key, "%s%s%s", section, *section && *at->key ? "." : "", at->key);
    ms_errs_add_at(r->errs, MS_INVALID, r->file, at->line, at->col, key, "%s", text);
}

/* {value: 24us, source: "…"}; a word of a list may stand alone. */
static const struct ms_yaml *value_of(struct reading *r, const char *section,
                                      const struct ms_entry *e, const struct ms_field *f,
                                      const char **source)
{
    const struct ms_entry *value = ms_yaml_get(e->value, "value"),
                          *from = ms_yaml_get(e->value, "source");
    *source = "";
    if (f->type == MS_FIELD_ENUM && e->value->kind == MS_YAML_SCALAR)
        return e->value;
    if (!value || value->value->kind != MS_YAML_SCALAR) {
        fail(r, e, section, "must be {value: …, source: where the number comes from}");
        return NULL;
    }
    if (!from || from->value->kind != MS_YAML_SCALAR || !*from->value->text) {
        fail(r, e, section, "has no source: every number says where it comes from");
        return NULL;
    }
    for (const struct ms_entry *k = e->value->first; k; k = k->next)
        if (k != value && k != from) {
            fail(r, k, section, "unknown key; allowed: value, source");
            return NULL;
        }
    *source = from->value->text;
    return value->value;
}

static void read_value(struct reading *r, const char *section, const struct ms_entry *e,
                       const struct ms_field *f, void *base)
{
    const char *source;
    struct ms_err err = {0};
    const struct ms_yaml *v = value_of(r, section, e, f, &source);
    if (!v)
        return;
    if (ms_field_parse(f, v->text, v->plain, r->arena, (char *)base + f->offset, &err) != MS_OK) {
        fail(r, e, section, err.text);
        return;
    }
    if (r->h->n_values < MOST_VALUES)
        r->h->value[r->h->n_values++] =
            (struct ms_hardware_value){section, e->key, v->text, source};
}

static void read_section(struct reading *r, const struct ms_entry *section,
                         const struct ms_field *rows, void *base)
{
    if (section->value->kind != MS_YAML_MAP) {
        fail(r, section, "", "must be a mapping of keys");
        return;
    }
    for (const struct ms_entry *e = section->value->first; e; e = e->next) {
        const struct ms_field *f = ms_field_find(rows, e->key);
        if (f) {
            read_value(r, section->key, e, f, base);
            continue;
        }
        const char *names[64];
        char text[700] = "unknown key";
        size_t n = 0;
        for (const struct ms_field *k = rows; k->key && n < 64; k++)
            names[n++] = k->key;
        ms_allowed(text + strlen(text), sizeof text - strlen(text), e->key, names, n);
        fail(r, e, section->key, text);
    }
}

static void read_part(struct reading *r, const struct ms_entry *e)
{
    struct ms_topology_params links = {0};
    char text[300] = "unknown key";
    if (strcmp(e->key, "help") == 0 && e->value->kind == MS_YAML_SCALAR) {
        r->h->help = e->value->text;
    } else if (strcmp(e->key, "links") == 0) {
        read_section(r, e, ms_topology_common(), &links);
    } else if (strcmp(e->key, "compute") == 0) {
        read_section(r, e, compute_rows, r->h);
    } else if (strcmp(e->key, "jitter") == 0) {
        read_section(r, e, jitter_rows, r->h);
    } else {
        for (int k = 0; k < MS_N_KERNELS; k++)
            if (strcmp(e->key, ms_hardware_kernels_name((enum ms_comm_kernels)k)) == 0) {
                r->h->kernels[k].given = true;
                read_section(r, e, kernel_rows, &r->h->kernels[k]);
                return;
            }
        ms_allowed(text + strlen(text), sizeof text - strlen(text), e->key, sections, N_SECTIONS);
        fail(r, e, "", text);
    }
}

enum ms_status ms_hardware_file_read(struct ms_files *files, struct ms_arena *arena,
                                     struct ms_hardware *h, struct ms_errs *errs)
{
    struct ms_buf b = {0};
    struct ms_err err = {0};
    struct reading r = {arena, h, errs, h->path};
    size_t before = errs->n;
    h->value = MS_NEW(arena, struct ms_hardware_value, MOST_VALUES);
    h->help = "";
    for (int k = 0; k < MS_N_KERNELS; k++)
        ms_field_defaults(kernel_rows, &h->kernels[k]);
    ms_field_defaults(jitter_rows, h);
    enum ms_status s = h->value ? ms_files_read(files, h->path, &b, &err)
                                : ms_err_set(&err, MS_NOMEM, "out of memory");
    if (s != MS_OK) {
        ms_errs_add(errs, &err);
        ms_buf_finish(&b);
        return s;
    }
    h->hash = ms_hash128(b.p, b.n);
    const struct ms_entry *root = ms_yaml_parse(arena, h->path, 0, b.p, b.n, errs);
    if (root && root->value->kind != MS_YAML_MAP)
        fail(&r, root, "", "a hardware profile is a mapping of sections");
    else if (root)
        for (const struct ms_entry *e = root->value->first; e; e = e->next)
            read_part(&r, e);
    ms_buf_finish(&b);
    return errs->n > before ? MS_INVALID : MS_OK;
}
