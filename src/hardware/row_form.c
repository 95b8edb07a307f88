/* Which section of a profile a measured row is of, and what its ranks move. */
#include "hardware/row_form.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cluster/topology.h"

bool ms_row_in_bytes(const struct ms_measured_row *r)
{
    return r->leg == MS_LEG_ALLTOALL || r->mode == MS_MODE_ALLTOALLV || r->mode == MS_MODE_ALLTOALL;
}

bool ms_row_without_notify(const struct ms_measured_row *r)
{
    return r->leg != MS_LEG_NOTIFY && isnan(r->notify_us) &&
           strcmp(r->library, "trtllm-two-sided") == 0;
}

int ms_row_form_leg(const struct ms_measured_row *r)
{
    return r->leg == MS_LEG_COMBINE;
}

/* A library as profiles call it: no dashes; what is usual has no name. */
static void library_of(const struct ms_measured_row *r, bool one_node, char *out, size_t size)
{
    static const struct {
        const char *row, *profile;
    } names[] = {{"deepep", ""},
                 {"nccl", ""},
                 {"rccl", ""},
                 {"trtllm-one-sided", "one_sided"},
                 {"trtllm-two-sided", "two_sided"}};
    const char *name = r->library;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(names[i].row, r->library) == 0)
            name = names[i].profile;
    if (r->mode == MS_MODE_LOW_LATENCY_RDMA && strcmp(r->library, "deepep") == 0)
        name = "deepep_rdma";
    if (strcmp(r->library, "torch-nccl") == 0 && !one_node)
        name = ""; /* its launches are hidden behind the network's start-up there */
    /* the kernels as sglang 0.5.6 had them differ within a node from those of 0.5.12 */
    if (strcmp(r->library, "deepep") == 0 && r->mode == MS_MODE_LOW_LATENCY && one_node &&
        strstr(r->source, "/0.5.6"))
        name = "deepep_0_5_6";
    /* TensorRT-LLM's benchmark of them times more than the kernels */
    if (strcmp(r->library, "deepep") == 0 && strstr(r->source, "nixl PR 1749"))
        name = "deepep_trtllm";
    snprintf(out, size, "%s", name);
    for (char *c = out; *c; c++)
        *c = *c == '-' ? '_' : *c;
}

bool ms_row_section(const struct ms_measured_row *r, struct ms_row_section *out)
{
    *out = (struct ms_row_section){.one_node = r->gpus_per_node >= r->ranks &&
                                               r->mode != MS_MODE_LOW_LATENCY_RDMA};
    if (r->leg > MS_LEG_ALLTOALL || r->mode == MS_MODE_NONE)
        return false;
    out->kind = r->mode == MS_MODE_NORMAL ? MS_KERNELS_NORMAL
                : r->mode == MS_MODE_LOW_LATENCY || r->mode == MS_MODE_LOW_LATENCY_RDMA
                    ? MS_KERNELS_LOW_LATENCY
                    : MS_KERNELS_NCCL;
    library_of(r, out->one_node, out->library, sizeof out->library);
    snprintf(out->name, sizeof out->name, "%s%s%s%s", out->library, *out->library ? "." : "",
             ms_hardware_kernels_name(out->kind), out->one_node ? "_node" : "");
    return true;
}

/* ---- what is moved ---- */

/* Distinct destinations of T tokens with n of their T x K selections there, expected. */
static double expected_copies(double n, double tokens, int top_k)
{
    return n <= 0 || tokens <= 0 ? 0 : tokens * (1 - pow(1 - fmin(1, n / (tokens * top_k)), top_k));
}

/* scratch [2G]. @return false: out of memory */
static bool add_sender(struct ms_traffic *t, const struct ms_measured_row *r, int a,
                       double *scratch)
{
    const struct ms_measured_sender *sender = &r->traffic->rank[a];
    int G = t->n_ranks, per_rank = t->n_experts / G;
    double sum = 0, *selections = scratch, *copies = scratch + G;
    memset(scratch, 0, 2 * (size_t)G * sizeof *scratch);
    for (int e = 0; e < t->n_experts; e++) {
        double n = sender->selections[e];
        selections[e / per_rank] += n;
        t->slot_tokens[e] += n;
        t->expert_tokens[e] += n;
        sum += n;
    }
    double tokens = sum / r->top_k;
    t->requested += sum;
    for (int b = 0; b < G; b++) {
        double n = selections[b];
        double *node = &t->node_copies[ms_cell(a, t->n_nodes, b / r->gpus_per_node)];
        copies[b] = sender->n_copies ? sender->copies_to[b] : expected_copies(n, tokens, r->top_k);
        *node = fmin(tokens, *node + copies[b]);
    }
    return ms_traffic_set_row(t, a, selections, copies);
}

static int nodes_of(const struct ms_measured_row *r)
{
    return (r->ranks + r->gpus_per_node - 1) / r->gpus_per_node;
}

bool ms_row_traffic(struct ms_arena *arena, const struct ms_measured_row *r, struct ms_traffic *out)
{
    if (!ms_traffic_init(out, arena, r->ranks, nodes_of(r), r->experts, r->experts))
        return false;
    double *scratch = malloc(2 * (size_t)r->ranks * sizeof *scratch);
    bool ok = scratch;
    for (int a = 0; a < r->ranks && ok; a++)
        ok = add_sender(out, r, a, scratch);
    free(scratch);
    return ok;
}

static bool is_peer(const struct ms_measured_row *r, int a, int b)
{
    bool other_node = a / r->gpus_per_node != b / r->gpus_per_node;
    return a != b &&
           (r->peers == MS_PEERS_ALL || (r->peers == MS_PEERS_OTHER_NODES && other_node) ||
            (r->peers == MS_PEERS_SAME_RAIL && other_node &&
             a % r->gpus_per_node == b % r->gpus_per_node));
}

/* Recorded tokens, a copy a selection; combine the other way round. bytes [G][G]. */
static void recorded_bytes(double *bytes, const struct ms_measured_row *r)
{
    int G = r->ranks, per_rank = r->traffic->n_experts / G;
    bool combine = r->leg == MS_LEG_COMBINE;
    double each = ms_measured_copy_bytes(r, r->leg);
    for (int a = 0; a < G; a++)
        for (int e = 0; e < r->traffic->n_experts; e++) {
            int b = e / per_rank;
            bytes[combine ? ms_cell(b, G, a) : ms_cell(a, G, b)] +=
                each * r->traffic->rank[a].selections[e];
        }
}

/* Every rank sends what the row says to its peers, evenly; with a rank of its own measured, that one
 * sends and receives it, and pairs of others the mean of both. */
static void even_bytes(double *bytes, const struct ms_measured_row *r)
{
    int G = r->ranks, n = 0;
    for (int b = 0; b < G; b++)
        n += is_peer(r, 0, b);
    double received = r->bytes_received > 0 || r->rank >= 0 ? r->bytes_received : r->bytes_sent;
    for (int a = 0; a < G; a++)
        for (int b = 0; b < G; b++) {
            double all = r->rank < 0 || r->rank == a ? r->bytes_sent
                         : r->rank == b              ? received
                                                     : (r->bytes_sent + received) / 2;
            bytes[ms_cell(a, G, b)] = a == b ? r->self_bytes : is_peer(r, a, b) ? all / n : 0;
        }
}

bool ms_row_bytes(struct ms_arena *arena, const struct ms_measured_row *r, struct ms_traffic *out)
{
    int G = r->ranks, nodes = nodes_of(r);
    double *bytes = calloc((size_t)G * (size_t)G, sizeof *bytes);
    bool ok = bytes && ms_traffic_init(out, arena, G, nodes, 0, 0);
    out->is_matrix = 1;
    if (ok && r->traffic && r->hidden > 0 && r->leg != MS_LEG_ALLTOALL)
        recorded_bytes(bytes, r);
    else if (ok)
        even_bytes(bytes, r);
    for (int a = 0; a < G && ok; a++) {
        const double *row = bytes + ms_cell(a, G, 0);
        ok = ms_traffic_set_row(out, a, row, row);
        for (int b = 0; b < G; b++) {
            out->node_copies[ms_cell(a, nodes, b / r->gpus_per_node)] += row[b];
            out->requested += row[b];
        }
    }
    free(bytes);
    return ok;
}

/* ---- loads ---- */

/* Latency of the longest route on the platform that `platform generate` would make of it. */
static double latency_s(const struct ms_measured_row *r, const struct ms_hardware *h, bool one_node)
{
    struct ms_topology_params p;
    ms_topology_defaults(ms_topology_find("rail"), &p);
    double nic = h->nic_latency_s > 0 ? h->nic_latency_s : p.nic_latency_s;
    double trunk = h->trunk_latency_s > 0 ? h->trunk_latency_s : p.trunk_latency_s;
    double nvlink = h->nvlink_latency_s > 0 ? h->nvlink_latency_s : p.nvlink_latency_s;
    if (one_node)
        return 2 * nvlink;
    bool straight = r->mode == MS_MODE_NORMAL || r->mode == MS_MODE_LOW_LATENCY_RDMA ||
                    r->peers == MS_PEERS_SAME_RAIL;
    return 2 * nic + (straight ? 0 : 2 * trunk);
}

static struct ms_form_case case_of(const struct ms_measured_row *r, const struct ms_hardware *h,
                                   const struct ms_row_section *s)
{
    bool rdma = r->mode == MS_MODE_LOW_LATENCY_RDMA, bytes = ms_row_in_bytes(r);
    return (struct ms_form_case){
        .kind = s->kind,
        .combine = r->leg == MS_LEG_COMBINE,
        .ranks = r->ranks,
        .gpus_per_node = rdma ? 1 : r->gpus_per_node,
        .tokens = bytes ? 0 : (double)r->tokens,
        .experts = bytes ? 0 : r->experts,
        .top_k = bytes ? 0 : r->top_k,
        .groups = r->groups,
        .group_limit = r->group_limit ? r->group_limit : r->groups,
        .perfect = r->routing == MS_ROUTED_PERFECT,
        .per_rank = r->mode == MS_MODE_NORMAL,
        .copy_bytes = bytes ? 1 : ms_measured_copy_bytes(r, r->leg),
        .masked_share = r->masked_share,
        .sms = s->kind == MS_KERNELS_LOW_LATENCY ? 0 : r->sms,
        .latency_s = latency_s(r, h, s->one_node),
        .nic_Bps = h->nic_Bps,
        .nvlink_Bps = h->nvlink_Bps,
        .bytes_sent = r->bytes_sent,
        .bytes_received = r->bytes_received > 0 || r->rank >= 0 ? r->bytes_received : r->bytes_sent,
        .bytes_own = r->self_bytes,
        .message_bytes = r->message_bytes,
        .peers = (enum ms_form_peers)r->peers};
}

enum ms_status ms_row_load(struct ms_arena *arena, const struct ms_measured_row *r,
                           const struct ms_hardware *h, struct ms_form_load *out)
{
    struct ms_row_section s;
    struct ms_traffic t;
    ms_row_section(r, &s);
    struct ms_form_case c = case_of(r, h, &s);
    struct ms_form_rank *rank = MS_NEW(arena, struct ms_form_rank, (size_t)r->ranks);
    int *node = MS_NEW(arena, int, (size_t)r->ranks), *rail = MS_NEW(arena, int, (size_t)r->ranks);
    if (!rank || !node || !rail)
        return MS_NOMEM;
    if (!r->traffic && !(ms_row_in_bytes(r) && r->mode == MS_MODE_ALLTOALLV)) {
        ms_form_even_load(&c, rank, out);
        return MS_OK;
    }
    for (int i = 0; i < r->ranks; i++) {
        node[i] = i / c.gpus_per_node;
        rail[i] = i % c.gpus_per_node;
    }
    if (!(ms_row_in_bytes(r) ? ms_row_bytes(arena, r, &t) : ms_row_traffic(arena, r, &t)))
        return MS_NOMEM;
    if (ms_row_in_bytes(r))
        c.combine = false; /* bytes are in the leg's own direction already */
    return ms_form_traffic_load(&c, &t, node, rail, rank, out) ? MS_OK : MS_NOMEM;
}
