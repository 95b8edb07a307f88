/* The frame of all topologies: their parameters, defaults and command, and the arithmetic they
 * share. */
#include "cluster/topology.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"

#define X(n) extern const struct ms_topology ms_topology_##n;
#include "cluster_registry.inc"
#undef X

static const struct ms_topology *const table[] = {
#define X(n) &ms_topology_##n,
#include "cluster_registry.inc"
#undef X
    NULL};

static const char *const multipaths[] = {"spray", "dmodk", "ecmp", NULL};

#define AT(member) offsetof(struct ms_topology_params, member)

static const struct ms_field common[] = {
    {"nodes", MS_FIELD_INT, AT(nodes), MS_UNIT_NONE, 1, 65536, "8", NULL, "servers", false},
    {"gpus_per_node", MS_FIELD_INT, AT(gpus_per_node), MS_UNIT_NONE, 1, 1024, "8", NULL,
     "GPUs of each server, one NIC each, one NVLink domain", false},
    {"nic_bandwidth", MS_FIELD_NUMBER, AT(nic_bandwidth_Bps), MS_UNIT_RATE, 0, 1e15, "46.5GBps",
     NULL,
     "effective rate of a NIC each way; a 400G ConnectX-7 (50 GB/s) carries 46-47 GB/s of RDMA "
     "payload (DeepEP README, "
     "normal kernels, EP32 and EP64)",
     true},
    {"nic_latency", MS_FIELD_NUMBER, AT(nic_latency_s), MS_UNIT_TIME, 0, 1, "1.4us", NULL,
     "GPU to its first switch, and the same on arrival: 2.8 us under one InfiniBand leaf "
     "(arXiv:2505.09343, latency table)",
     false},
    {"cable_bandwidth", MS_FIELD_NUMBER, AT(cable_bandwidth_Bps), MS_UNIT_RATE, 0, 1e15, "0", NULL,
     "effective rate of one switch-to-switch cable; 0 = as nic_bandwidth", false},
    {"trunk_latency", MS_FIELD_NUMBER, AT(trunk_latency_s), MS_UNIT_TIME, 0, 1, "0.45us", NULL,
     "each switch-to-switch hop: 3.7 us across leaves minus 2.8 us, two hops (arXiv:2505.09343, "
     "latency table)",
     false},
    {"link_latency", MS_FIELD_NUMBER, AT(link_latency_s), MS_UNIT_TIME, -1, 1, "-1s", NULL,
     "sets nic_latency and trunk_latency both; negative = leave them", false},
    {"nvlink_bandwidth", MS_FIELD_NUMBER, AT(nvlink_bandwidth_Bps), MS_UNIT_RATE, 0, 1e15,
     "320GBps", NULL,
     "effective NVLink rate of a GPU each way; H100 and H200 (450 GB/s) carry about 320 GB/s in "
     "all-to-all",
     true},
    {"nvlink_latency", MS_FIELD_NUMBER, AT(nvlink_latency_s), MS_UNIT_TIME, 0, 1, "0.5us", NULL,
     "GPU to NVSwitch, and the same on arrival", false},
    {"no_nvlink", MS_FIELD_BOOL, AT(no_nvlink), MS_UNIT_NONE, 0, 0, "false", NULL,
     "no NVLink: GPUs of a server talk through their NICs too", false},
    {"multipath", MS_FIELD_ENUM, AT(multipath), MS_UNIT_NONE, 0, 0, "spray", multipaths,
     "parallel cables: spray (one link of the summed rate), dmodk (by destination), ecmp (seeded "
     "hash by pair)",
     false},
    {"seed", MS_FIELD_INT, AT(seed), MS_UNIT_NONE, 0, 9e15, "1", NULL, "of the ecmp hash", false},
    {"gpu_speed", MS_FIELD_NUMBER, AT(gpu_speed_flops), MS_UNIT_FLOPS, 0, 1e30, "989Tf", NULL,
     "speed of a host; H100 SXM dense bf16 (data sheet)", true},
    {"switch_ports", MS_FIELD_INT, AT(switch_ports), MS_UNIT_NONE, 2, 4096, "64", NULL,
     "ports of every switch at NIC rate (64 x 400G: Quantum-2 QM9700, Tomahawk 4)", false},
    {0}};

const struct ms_topology *const *ms_topologies(void)
{
    return table;
}

const struct ms_topology *ms_topology_find(const char *name)
{
    for (size_t i = 0; table[i]; i++)
        if (!strcmp(table[i]->name, name))
            return table[i];
    return NULL;
}

const struct ms_field *ms_topology_common(void)
{
    return common;
}

static bool same_key(const char *a, const char *b)
{
    for (; *a && *b; a++, b++)
        if ((*a == '-' ? '_' : *a) != (*b == '-' ? '_' : *b))
            return false;
    return *a == *b;
}

static const struct ms_field *find_field(const struct ms_topology *t, const char *key)
{
    for (const struct ms_field *f = common; f->key; f++)
        if (same_key(f->key, key))
            return f;
    for (const struct ms_field *f = t->fields; f && f->key; f++)
        if (same_key(f->key, key))
            return f;
    return NULL;
}

static enum ms_status out_of_range(const struct ms_field *f, const char *value, struct ms_err *err)
{
    return ms_err_set(err, MS_USAGE, "%s %s must be %s %g and at most %g", f->key, value,
                      f->above_min ? "more than" : "at least", f->min, f->max);
}

static enum ms_status set_number(const struct ms_field *f, struct ms_topology_params *p,
                                 const char *value, struct ms_err *err)
{
    double v;
    void *at = (char *)p + f->offset;
    if (!ms_units_parse(value, f->type == MS_FIELD_INT ? MS_UNIT_NONE : f->unit, &v))
        return ms_err_set(err, MS_USAGE, "%s: '%s' is not %s", f->key, value,
                          ms_units_hint(f->unit));
    if (f->type == MS_FIELD_INT && v != floor(v))
        return ms_err_set(err, MS_USAGE, "%s: '%s' is not a whole number", f->key, value);
    if (v < f->min || v > f->max || (f->above_min && v == f->min))
        return out_of_range(f, value, err);
    if (f->type == MS_FIELD_INT)
        *(int64_t *)at = (int64_t)v;
    else
        *(double *)at = v;
    return MS_OK;
}

static enum ms_status set_field(const struct ms_field *f, struct ms_topology_params *p,
                                const char *value, struct ms_err *err)
{
    void *at = (char *)p + f->offset;
    char list[256];
    size_t n = 0;
    if (f->type == MS_FIELD_INT || f->type == MS_FIELD_NUMBER)
        return set_number(f, p, value, err);
    if (f->type == MS_FIELD_BOOL) {
        *(bool *)at = strcmp(value, "false") != 0;
        return MS_OK;
    }
    if (f->type == MS_FIELD_STRING) {
        *(const char **)at = value;
        return MS_OK;
    }
    for (; f->names[n]; n++)
        if (!strcmp(f->names[n], value)) {
            *(int *)at = (int)n;
            return MS_OK;
        }
    return ms_err_set(err, MS_USAGE, "%s: '%s' is not known%s", f->key, value,
                      ms_allowed(list, sizeof list, value, f->names, n));
}

enum ms_status ms_topology_set(const struct ms_topology *t, struct ms_topology_params *p,
                               const char *key, const char *value, struct ms_err *err)
{
    const struct ms_field *f = find_field(t, key);
    if (!f)
        return ms_err_set(err, MS_USAGE, "%s has no parameter %s", t->name, key);
    return set_field(f, p, value, err);
}

void ms_topology_defaults(const struct ms_topology *t, struct ms_topology_params *p)
{
    *p = (struct ms_topology_params){.oversubscription = 1, .planes = 1, .dims = ""};
    for (const struct ms_field *f = common; f->key; f++)
        set_field(f, p, f->fallback, NULL);
    for (const struct ms_field *f = t->fields; f && f->key; f++)
        set_field(f, p, f->fallback, NULL);
}

enum ms_status ms_topology_build(const struct ms_topology *t, const struct ms_topology_params *p,
                                 struct ms_arena *arena, struct ms_blueprint *out,
                                 struct ms_err *err)
{
    int64_t n = p->nodes * p->gpus_per_node;
    if (n > 32768)
        return ms_err_set(err, MS_INFEASIBLE, "%lld GPUs are more than a platform may have (32768)",
                          (long long)n);
    *out = (struct ms_blueprint){
        .p = p, .arena = arena, .n_gpus = (int)n, .M = (int)p->gpus_per_node, .planes = 1};
    out->edge = MS_NEW(arena, int, (size_t)n);
    if (!out->edge)
        return ms_err_set(err, MS_NOMEM, "no memory");
    return t->build(out, err);
}

/* The command that makes this very file: the parameters that are not defaults. */
static void command_of(const struct ms_topology *t, const struct ms_topology_params *p,
                       struct ms_buf *out)
{
    struct ms_topology_params d;
    char num[32], key[64];
    ms_topology_defaults(t, &d);
    ms_buf_printf(out, "moesim platform generate %s", t->name);
    for (int pass = 0; pass < 2; pass++)
        for (const struct ms_field *f = pass ? t->fields : common; f && f->key; f++) {
            const void *a = (const char *)p + f->offset, *b = (const char *)&d + f->offset;
            bool always = f == &common[0] || f == &common[1];
            size_t i = 0;
            for (; f->key[i]; i++)
                key[i] = f->key[i] == '_' ? '-' : f->key[i];
            key[i] = '\0';
            if (f->type == MS_FIELD_INT && (always || *(const int64_t *)a != *(const int64_t *)b))
                ms_buf_printf(out, " --%s %lld", key, (long long)*(const int64_t *)a);
            else if (f->type == MS_FIELD_NUMBER && *(const double *)a != *(const double *)b)
                ms_buf_printf(out, " --%s %s", key, ms_number(*(const double *)a, num));
            else if (f->type == MS_FIELD_BOOL && *(const bool *)a)
                ms_buf_printf(out, " --%s", key);
            else if (f->type == MS_FIELD_ENUM && *(const int *)a != *(const int *)b)
                ms_buf_printf(out, " --%s %s", key, f->names[*(const int *)a]);
            else if (f->type == MS_FIELD_STRING &&
                     strcmp(*(const char *const *)a, *(const char *const *)b) != 0)
                ms_buf_printf(out, " --%s %s", key, *(const char *const *)a);
        }
}

enum ms_status ms_topology_generate(const struct ms_topology *t, const struct ms_topology_params *p,
                                    struct ms_buf *out, struct ms_err *err)
{
    struct ms_arena arena = {0};
    struct ms_buf command = {0};
    struct ms_blueprint f;
    enum ms_status s = ms_topology_build(t, p, &arena, &f, err);
    if (s == MS_OK) {
        command_of(t, p, &command);
        s = command.failed ? MS_NOMEM : ms_blueprint_write(&f, t->name, command.p, out, err);
    }
    ms_buf_finish(&command);
    ms_arena_finish(&arena);
    return s;
}

int64_t ms_ceil_div(int64_t a, int64_t b)
{
    return (a + b - 1) / b;
}

int64_t ms_uplinks(const struct ms_topology_params *p, int64_t down)
{
    int64_t up = (int64_t)ceil((double)down / p->oversubscription - 1e-9);
    return up < 1 ? 1 : up;
}

int64_t ms_leaf_nodes(const struct ms_topology_params *p, int64_t ports_per_node, int64_t most,
                      struct ms_err *err)
{
    int64_t n = p->nodes_per_leaf ? p->nodes_per_leaf : most < 1 ? 1 : most;
    n = n > p->nodes ? p->nodes : n;
    while (!p->nodes_per_leaf && n > 1 &&
           n * ports_per_node + ms_uplinks(p, n * ports_per_node) > p->switch_ports)
        n--;
    int64_t need = n * ports_per_node + ms_uplinks(p, n * ports_per_node);
    if (need <= p->switch_ports)
        return n;
    ms_err_set(err, MS_INFEASIBLE,
               "a leaf for %lld node%s needs %lld ports, but switches have %lld: raise "
               "switch_ports or oversubscription%s",
               (long long)n, n == 1 ? "" : "s", (long long)need, (long long)p->switch_ports,
               p->nodes_per_leaf > 1 ? ", or lower nodes_per_leaf" : "");
    return 0;
}

/* Near-square: the largest factor not above the d-th root first, the rest recursively; larger sizes
 * first. */
static void split(int64_t n, int dims, int64_t *out)
{
    for (; dims > 1; dims--) {
        int64_t best = 1;
        for (int64_t k = 1; k <= n; k++)
            if (n % k == 0 && pow((double)k, dims) <= (double)n * (1 + 1e-9))
                best = k;
        out[dims - 1] = best;
        n /= best;
    }
    out[0] = n;
}

int ms_dims(const char *text, int64_t n, int dims, int64_t *out, struct ms_err *err)
{
    int64_t product = 1;
    int d = 0;
    if (!text || !*text) {
        split(n, dims, out);
        return dims;
    }
    for (const char *s = text;; s++) {
        char *end;
        if (*s < '1' || *s > '9' || d == 6)
            break;
        out[d] = strtol(s, &end, 10);
        product *= out[d++] > 65536 ? 65536 : out[d - 1];
        s = end;
        if (product > 1000000 || (*s && *s != 'x'))
            break;
        if (*s)
            continue;
        if (product == n)
            return d;
        break;
    }
    ms_err_set(err, MS_INFEASIBLE, "dims '%s' must be sizes such as 4x2 whose product is %lld",
               text, (long long)n);
    return 0;
}
