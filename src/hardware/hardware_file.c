/* The sections and keys a profile file may have, and the rule that every number names its source. */
#include "hardware/hardware_file.h"

#include <string.h>

#include "base/yaml_tree.h"
#include "cluster/topology.h"

/* clang-format off */
static const struct ms_field compute_rows[] = {
    {.key = "experts", MS_AT(struct ms_hardware, experts), .type = MS_FIELD_STRING, MS_OPTIONAL,
     .help = "the measured table of expert times (list compute)"},
    {.key = "memory", MS_AT(struct ms_hardware, memory_bytes), MS_QUANTITY(BYTES, 1, 1e18), MS_OPTIONAL,
     .help = "memory of a GPU"},
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

static const char *const sections[] = {
    "help",      "links",   "nccl",        "nccl_node",        "normal", "normal_node",
    "libraries", "compute", "low_latency", "low_latency_node", "jitter"};
enum { N_SECTIONS = sizeof sections / sizeof *sections, MOST_VALUES = 1024, MOST_SECTIONS = 64 };

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

/* A key without its leg stands for both. */
static bool read_both(struct reading *r, const char *prefix, const struct ms_entry *e, void *base)
{
    char name[80];
    snprintf(name, sizeof name, "dispatch_%.60s", e->key);
    const struct ms_field *dispatch = ms_field_find(ms_hardware_kernel_rows, name);
    snprintf(name, sizeof name, "combine_%.60s", e->key);
    const struct ms_field *combine = ms_field_find(ms_hardware_kernel_rows, name);
    if (!dispatch || !combine)
        return false;
    size_t bad = r->errs->n, held = r->h->n_values;
    read_value(r, prefix, e, dispatch, base);
    if (r->errs->n == bad) {
        held = r->h->n_values;
        read_value(r, prefix, e, combine, base);
    }
    r->h->n_values = held; /* shown once */
    return true;
}

/* @param prefix of its keys, for people: "low_latency", "pplx.low_latency" */
static void read_section(struct reading *r, const struct ms_entry *section, const char *prefix,
                         const struct ms_field *rows, void *base)
{
    if (section->value->kind != MS_YAML_MAP) {
        fail(r, section, "", "must be a mapping of keys");
        return;
    }
    for (const struct ms_entry *e = section->value->first; e; e = e->next) {
        const struct ms_field *f = ms_field_find(rows, e->key);
        if (!f && rows == ms_hardware_kernel_rows && read_both(r, prefix, e, base))
            continue;
        if (f) {
            read_value(r, prefix, e, f, base);
            continue;
        }
        const char *names[64];
        char text[700] = "unknown key";
        size_t n = 0;
        for (const struct ms_field *k = rows; k->key && n < 64; k++)
            names[n++] = k->key;
        ms_allowed(text + strlen(text), sizeof text - strlen(text), e->key, names, n);
        fail(r, e, prefix, text);
    }
}

/* "low_latency" or "low_latency_node"? */
static bool is_kernels(const char *name)
{
    size_t n = strlen(name);
    n -= n > 5 && strcmp(name + n - 5, "_node") == 0 ? 5 : 0;
    for (int k = 0; k < MS_N_KERNELS; k++) {
        const char *kind = ms_hardware_kernels_name((enum ms_comm_kernels)k);
        if (strlen(kind) == n && strncmp(kind, name, n) == 0)
            return true;
    }
    return false;
}

static void read_kernels(struct reading *r, const struct ms_entry *e, const char *library)
{
    struct ms_hardware *h = r->h;
    if (h->n_sections == MOST_SECTIONS) {
        fail(r, e, "", "is one section too many");
        return;
    }
    struct ms_hardware_section *s = &h->section[h->n_sections++];
    size_t size = strlen(e->key) + (library ? strlen(library) : 0) + 2;
    char *prefix = MS_NEW(r->arena, char, size);
    if (!prefix) {
        fail(r, e, "", "out of memory");
        return;
    }
    snprintf(prefix, size, "%s%s%s", library ? library : "", library ? "." : "", e->key);
    *s = (struct ms_hardware_section){.library = library, .name = e->key};
    ms_field_defaults(ms_hardware_kernel_rows, &s->kernels);
    s->kernels.given = true;
    read_section(r, e, prefix, ms_hardware_kernel_rows, &s->kernels);
}

/* Libraries of the profile's own naming, each with sections of kernels. */
static void read_libraries(struct reading *r, const struct ms_entry *e)
{
    static const char *const kinds[] = {"nccl",        "nccl_node",   "normal",
                                        "normal_node", "low_latency", "low_latency_node"};
    bool map = e->value->kind == MS_YAML_MAP;
    if (!map)
        fail(r, e, "", "must be a mapping of libraries");
    for (const struct ms_entry *l = map ? e->value->first : NULL; l; l = l->next) {
        if (l->value->kind != MS_YAML_MAP) {
            fail(r, l, "libraries", "must be a mapping of sections");
            continue;
        }
        for (const struct ms_entry *s = l->value->first; s; s = s->next) {
            char text[300] = "unknown key";
            if (is_kernels(s->key)) {
                read_kernels(r, s, l->key);
                continue;
            }
            ms_allowed(text + strlen(text), sizeof text - strlen(text), s->key, kinds, 6);
            fail(r, s, l->key, text);
        }
    }
}

static void read_links(struct reading *r, const struct ms_entry *e)
{
    struct ms_topology_params links = {0};
    struct ms_hardware *h = r->h;
    read_section(r, e, e->key, ms_topology_common(), &links);
    h->nic_Bps = links.nic_bandwidth_Bps;
    h->nic_latency_s = links.nic_latency_s;
    h->trunk_latency_s = links.trunk_latency_s;
    h->nvlink_Bps = links.nvlink_bandwidth_Bps;
    h->nvlink_latency_s = links.nvlink_latency_s;
}

static void read_part(struct reading *r, const struct ms_entry *e)
{
    char text[300] = "unknown key";
    if (strcmp(e->key, "help") == 0 && e->value->kind == MS_YAML_SCALAR) {
        r->h->help = e->value->text;
    } else if (strcmp(e->key, "links") == 0) {
        read_links(r, e);
    } else if (strcmp(e->key, "compute") == 0) {
        read_section(r, e, e->key, compute_rows, r->h);
    } else if (strcmp(e->key, "jitter") == 0) {
        read_section(r, e, e->key, jitter_rows, r->h);
    } else if (strcmp(e->key, "libraries") == 0) {
        read_libraries(r, e);
    } else if (is_kernels(e->key)) {
        read_kernels(r, e, NULL);
    } else {
        ms_allowed(text + strlen(text), sizeof text - strlen(text), e->key, sections, N_SECTIONS);
        fail(r, e, "", text);
    }
}

/* Of another's file nothing is quoted. */
static bool any_part(const struct ms_yaml *map)
{
    bool any = false;
    for (const struct ms_entry *e = map->first; e && !any; e = e->next)
        for (int i = 0; i < N_SECTIONS && !any; i++)
            any = strncmp(sections[i], e->key, 3) == 0;
    return any;
}

enum ms_status ms_hardware_file_read(struct ms_files *files, struct ms_arena *arena,
                                     struct ms_hardware *h, struct ms_errs *errs)
{
    struct ms_buf b = {0};
    struct ms_err err = {0};
    struct reading r = {arena, h, errs, h->path};
    size_t before = errs->n;
    h->value = MS_NEW(arena, struct ms_hardware_value, MOST_VALUES);
    h->section = MS_NEW(arena, struct ms_hardware_section, MOST_SECTIONS);
    h->help = "";
    ms_field_defaults(jitter_rows, h);
    enum ms_status s = h->value && h->section ? ms_files_read(files, h->path, &b, &err)
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
    else if (root && root->value->first && !any_part(root->value))
        fail(&r, root, "",
             "is no hardware profile: it has none of the sections of one, such as links");
    else if (root)
        for (const struct ms_entry *e = root->value->first; e; e = e->next)
            read_part(&r, e);
    ms_buf_finish(&b);
    return errs->n > before ? MS_INVALID : MS_OK;
}
