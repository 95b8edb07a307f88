/* The table of topologies, their parameters and the arithmetic they share; the command that a
 * generated file is reproduced by. */
#include "cluster/topology.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cluster/xml.h"

#define X(n) extern const struct ms_topology ms_topology_##n;
#include "cluster_registry.inc"
#undef X

static const struct ms_topology *const table[] = {
#define X(n) &ms_topology_##n,
#include "cluster_registry.inc"
#undef X
    NULL};

#define AT(member) MS_AT(struct ms_topology_params, member)

/* clang-format off */
static const struct ms_field common[] = {
    {.key = "nodes", AT(nodes), MS_INT(1, 65536), .fallback = "8",
     .help = "servers"},
    {.key = "gpus_per_node", AT(gpus_per_node), MS_INT(1, 1024), .fallback = "8",
     .help = "GPUs of each server, one NVLink domain"},
    {.key = "nics_per_node", AT(nics_per_node), MS_INT(0, 1024), .fallback = "0",
     .help = "NICs of each server, its GPUs shared out over them evenly; 0 = one a GPU"},
    {.key = "nic_of", AT(nic_of), .type = MS_FIELD_STRING, .fallback = "",
     .help = "the NIC of each GPU of a server, such as 0,0,1,1 (0,0,0,0: a wrong affinity)"},
    {.key = "nic_bandwidth", AT(nic_bandwidth_Bps), MS_QUANTITY(RATE, 0, 1e15), .above_min = true,
     .fallback = "46.5GBps",
     .help = "effective rate of a NIC each way; a 400G ConnectX-7 (50 GB/s) carries 46-47 GB/s of "
             "RDMA payload (DeepEP README, normal kernels, EP32 and EP64)"},
    {.key = "nic_latency", AT(nic_latency_s), MS_QUANTITY(TIME, 0, 1), .fallback = "1.4us",
     .help = "GPU to its first switch, and the same on arrival: 2.8 us under one InfiniBand leaf "
             "(arXiv:2505.09343, latency table)"},
    {.key = "cable_bandwidth", AT(cable_bandwidth_Bps), MS_QUANTITY(RATE, 0, 1e15),
     .fallback = "0",
     .help = "effective rate of one switch-to-switch cable; 0 = as nic_bandwidth"},
    {.key = "trunk_latency", AT(trunk_latency_s), MS_QUANTITY(TIME, 0, 1), .fallback = "0.45us",
     .help = "each switch-to-switch hop: 3.7 us across leaves minus 2.8 us, two hops "
             "(arXiv:2505.09343, latency table)"},
    {.key = "link_latency", AT(link_latency_s), MS_QUANTITY(TIME, 0, 1), MS_WORD("none", -1),
     .fallback = "none",
     .help = "sets nic_latency and trunk_latency both; none = leave them"},
    {.key = "nvlink_bandwidth", AT(nvlink_bandwidth_Bps), MS_QUANTITY(RATE, 0, 1e15),
     .above_min = true, .fallback = "320GBps",
     .help = "effective NVLink rate of a GPU each way; H100 and H200 (450 GB/s) carry about "
             "320 GB/s in all-to-all"},
    {.key = "nvlink_latency", AT(nvlink_latency_s), MS_QUANTITY(TIME, 0, 1), .fallback = "0.5us",
     .help = "GPU to NVSwitch, and the same on arrival"},
    {.key = "no_nvlink", AT(no_nvlink), .type = MS_FIELD_BOOL, .fallback = "false",
     .help = "no NVLink: GPUs of a server talk through their NICs too"},
    {.key = "hardware", AT(hardware), .type = MS_FIELD_STRING, .fallback = "h100-cx7",
     .help = "hardware profile, written as a property; its rates and latencies stand for those not "
             "given (moesim list hardware); none = no profile"},
    {.key = "multipath", AT(multipath), MS_ONE_OF("spray", "dmodk", "ecmp"), .fallback = "spray",
     .help = "parallel cables: spray (one link of the summed rate), dmodk (by destination), ecmp "
             "(seeded hash by pair)"},
    {.key = "seed", AT(seed), MS_INT(0, 9e15), .fallback = "1",
     .help = "of the ecmp hash"},
    {.key = "gpu_speed", AT(gpu_speed_flops), MS_QUANTITY(FLOPS, 0, 1e30), .above_min = true,
     .fallback = "989Tf",
     .help = "speed of a host; H100 SXM dense bf16 (data sheet)"},
    {.key = "switch_ports", AT(switch_ports), MS_INT(2, 4096), .fallback = "64",
     .help = "ports of every switch at NIC rate (64 x 400G: Quantum-2 QM9700, Tomahawk 4)"},
    {0},
};
/* clang-format on */

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

enum ms_status ms_topology_set(const struct ms_topology *t, struct ms_topology_params *p,
                               const char *key, const char *value, struct ms_err *err)
{
    struct ms_err why = {0};
    const struct ms_field *f = ms_field_find(common, key);
    f = f ? f : ms_field_find(t->fields, key);
    if (!f)
        return ms_err_set(err, MS_USAGE, "%s has no parameter %s", t->name, key);
    if (f->type == MS_FIELD_BOOL && !*value)
        value = "true"; /* an option without a value */
    if (ms_field_parse(f, value, true, NULL, (char *)p + f->offset, &why) != MS_OK)
        return ms_err_set(err, MS_USAGE, "%s: %s", f->key, why.text);
    return MS_OK;
}

void ms_topology_defaults(const struct ms_topology *t, struct ms_topology_params *p)
{
    *p = (struct ms_topology_params){.oversubscription = 1, .planes = 1, .dims = "", .nic_of = ""};
    ms_field_defaults(common, p);
    ms_field_defaults(t->fields, p);
}

/* Which NIC each GPU of a node has: shared evenly, or as nic_of says. */
static enum ms_status give_nics(struct ms_blueprint *f, struct ms_err *err)
{
    const char *p = f->p->nic_of ? f->p->nic_of : "";
    f->N = f->p->nics_per_node ? (int)f->p->nics_per_node : f->M;
    f->nic = MS_NEW(f->arena, int, (size_t)f->M);
    if (!f->nic)
        return ms_err_set(err, MS_NOMEM, "no memory");
    if (f->N > f->M)
        return ms_err_set(err, MS_INFEASIBLE,
                          "%d NICs for %d GPUs a node: NICs beyond one a GPU add up, so raise "
                          "nic_bandwidth instead",
                          f->N, f->M);
    for (int g = 0; g < f->M; g++) {
        char *end = NULL;
        long nic = *p ? strtol(p, &end, 10) : (long)g * f->N / f->M;
        bool last = g == f->M - 1;
        if (*p && (end == p || nic < 0 || nic >= f->N || *end != (last ? '\0' : ',')))
            return ms_err_set(err, MS_INFEASIBLE,
                              "nic_of '%s' must name a NIC from 0 to %d for each of the %d GPUs of "
                              "a node, such as 0,0,1,1",
                              f->p->nic_of, f->N - 1, f->M);
        f->nic[g] = (int)nic;
        for (int h = 0; h < g; h++)
            f->shared_nics |= f->nic[h] == nic;
        p = *p ? end + !last : p;
    }
    return MS_OK;
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
    enum ms_status s = give_nics(out, err);
    return s == MS_OK ? t->build(out, err) : s;
}

static void option(struct ms_buf *out, const struct ms_field *f, const void *at)
{
    ms_buf_adds(out, " --");
    for (const char *c = f->key; *c; c++)
        ms_buf_add(out, *c == '_' ? "-" : c, 1);
    if (f->type == MS_FIELD_BOOL)
        return;
    ms_buf_adds(out, " ");
    ms_field_show(out, f, at);
}

/* Are two values of a row written alike? */
static bool alike(const struct ms_field *f, const void *a, const void *b)
{
    struct ms_buf one = {0}, other = {0};
    ms_field_show(&one, f, a);
    ms_field_show(&other, f, b);
    bool same = one.n == other.n && (one.n == 0 || memcmp(one.p, other.p, one.n) == 0);
    ms_buf_finish(&one);
    ms_buf_finish(&other);
    return same;
}

/* The command that makes this very file: nodes, gpus_per_node and what is no default. */
static void command_of(const struct ms_topology *t, const struct ms_topology_params *p,
                       struct ms_buf *out)
{
    const struct ms_field *tables[] = {common, t->fields};
    struct ms_topology_params usual;
    ms_topology_defaults(t, &usual);
    ms_buf_printf(out, "moesim platform generate %s", t->name);
    for (int i = 0; i < 2; i++)
        for (const struct ms_field *f = tables[i]; f && f->key; f++) {
            const void *at = (const char *)p + f->offset;
            if (f == &common[0] || f == &common[1] ||
                !alike(f, at, (const char *)&usual + f->offset))
                option(out, f, at);
        }
}

enum ms_status ms_topology_write(const struct ms_topology *t, const struct ms_topology_params *p,
                                 const struct ms_blueprint *f, const struct ms_text_sink *sink,
                                 struct ms_err *err)
{
    struct ms_buf command = {0};
    command_of(t, p, &command);
    enum ms_status s = command.failed ? ms_err_set(err, MS_NOMEM, "no memory")
                                      : ms_blueprint_write(f, t->name, command.p, sink, err);
    ms_buf_finish(&command);
    return s;
}

static bool into_buffer(void *ctx, const char *text, size_t n)
{
    struct ms_buf *out = ctx;
    ms_buf_add(out, text, n);
    return !out->failed && out->n <= MS_XML_MAX_BYTES;
}

enum ms_status ms_topology_generate(const struct ms_topology *t, const struct ms_topology_params *p,
                                    struct ms_buf *out, struct ms_err *err)
{
    struct ms_arena arena = {0};
    struct ms_blueprint f;
    struct ms_text_sink sink = {into_buffer, out};
    enum ms_status s = ms_topology_build(t, p, &arena, &f, err);
    if (s == MS_OK)
        s = ms_topology_write(t, p, &f, &sink, err);
    if (s == MS_OK && out->failed)
        s = ms_err_set(err, MS_NOMEM, "no memory for a file of this size");
    if (s == MS_OK && out->n > MS_XML_MAX_BYTES)
        s = ms_err_set(err, MS_INFEASIBLE,
                       "the file would be larger than the 256 MiB that are read of a platform: "
                       "take fewer nodes, or more of them at an edge switch");
    ms_arena_finish(&arena);
    return s;
}

enum ms_status ms_topology_note(const struct ms_topology *t, const struct ms_topology_params *p,
                                struct ms_buf *out)
{
    struct ms_arena arena = {0};
    struct ms_blueprint f;
    enum ms_status s = ms_topology_build(t, p, &arena, &f, NULL);
    int *size = s == MS_OK ? MS_NEW(&arena, int, (size_t)f.n_edges + 1) : NULL, least = 0, most = 0;
    for (int g = 0; size && g < f.n_gpus; g++)
        size[f.edge[g]]++;
    for (int e = 0; size && e < f.n_edges; e++) {
        least = size[e] && (!least || size[e] < least) ? size[e] : least; /* empty: no GPU's NIC */
        most = size[e] > most ? size[e] : most;
    }
    if (least != most)
        ms_buf_printf(out,
                      "note: leaves are not even (%d to %d GPUs), so the bisection is not what "
                      "--oversubscription alone would give; --nodes-per-leaf sets their size\n",
                      least, most);
    ms_arena_finish(&arena);
    return out->failed ? MS_NOMEM : s;
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

/* As many nodes as fit, but so that all leaves are alike where that costs at most half of them: only
 * then is an oversubscription of 2 half of the bandwidth. */
static int64_t even_leaf(int64_t nodes, int64_t most)
{
    for (int64_t d = most; 2 * d >= most; d--)
        if (nodes % d == 0)
            return d;
    return ms_ceil_div(nodes, ms_ceil_div(nodes, most));
}

int64_t ms_leaf_nodes(const struct ms_topology_params *p, int64_t ports_per_node, int64_t most,
                      struct ms_err *err)
{
    int64_t n = p->nodes_per_leaf ? p->nodes_per_leaf : most < 1 ? 1 : most;
    n = n > p->nodes ? p->nodes : n;
    while (!p->nodes_per_leaf && n > 1 &&
           n * ports_per_node + ms_uplinks(p, n * ports_per_node) > p->switch_ports)
        n--;
    if (!p->nodes_per_leaf)
        n = even_leaf(p->nodes, n);
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
