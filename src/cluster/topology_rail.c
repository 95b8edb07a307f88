/* Rail-optimised: GPU i of every node in leaf i, leaves joined by spines (NVIDIA DGX SuperPOD
 * reference architecture); and rail-only, the same without spines between the rails (Wang et al.,
 * "Rail-only: a low-cost high-performance network for training LLMs with trillion parameters",
 * arXiv:2307.12169). */
#include "cluster/topology.h"

/* clang-format off */
#define LEAF_ROWS                                                                                  \
    {MS_ROW_OVERSUBSCRIPTION,                                                                      \
     .help = "GPU ports of a leaf for each uplink; 1 = non-blocking"},                             \
    {MS_ROW_NODES_PER_LEAF,                                                                        \
     .help = "nodes whose GPU i share a leaf (a scalable unit); 0 = as many as fit the switch"}

static const struct ms_field fields[] = {
    {.key = "cross_rail", MS_AT(struct ms_topology_params, cross_rail),
     MS_ONE_OF("spine", "nvlink"), .fallback = "spine",
     .help = "GPU i to GPU j of another node: over the spines, or over NVLink to the local GPU j "
             "first"},
    LEAF_ROWS,
    {0},
};
static const struct ms_field only_fields[] = {LEAF_ROWS, {0}};
/* clang-format on */

struct rails {
    int spines, M;
    bool cross; /* the fabric joins the rails */
};

/* Edges: leaf `rail` of scalable unit `unit` is unit * M + rail. */
static int route(const struct ms_blueprint *f, int a, int b, struct ms_route_hop *out)
{
    const struct rails *r = f->own;
    if (!r->cross && a % r->M != b % r->M)
        return -1;
    out[0] = (struct ms_route_hop){a, false, 1};
    out[1] = (struct ms_route_hop){b, true, r->spines};
    return 2;
}

/* Leaves and their trunks (trunk e = leaf e); hubs: one, or one a rail. @return uplinks of all
 * leaves, -1 with err set */
static int64_t add_leaves(struct ms_blueprint *f, struct rails *r, bool *joined, struct ms_err *err)
{
    const struct ms_topology_params *p = f->p;
    int64_t all = 0, per_leaf = ms_leaf_nodes(p, 1, p->nodes, err);
    int units = per_leaf ? (int)ms_ceil_div(p->nodes, per_leaf) : 0;
    f->n_edges = units * f->N;
    f->hub = MS_NEW(f->arena, int, (size_t)f->n_edges + 1);
    if (!per_leaf || !f->hub)
        return per_leaf ? (ms_err_set(err, MS_NOMEM, "no memory"), -1) : -1;
    for (int g = 0; g < f->n_gpus; g++)
        f->edge[g] = (int)(g / f->M / per_leaf) * f->N + f->nic[g % f->M];
    *joined = r->cross ? f->n_edges > 1 : units > 1;
    f->n_hubs = !*joined ? 0 : r->cross ? 1 : f->N;
    for (int e = 0; e < f->n_edges; e++) {
        int64_t first = e / f->N * per_leaf,
                here = p->nodes - first < per_leaf ? p->nodes - first : per_leaf;
        int up = (int)ms_uplinks(p, here);
        f->hub[e] = !*joined ? -1 : r->cross ? 0 : e % f->N;
        if (*joined && ms_blueprint_trunk(f, up, "leaf_%d", e) < 0)
            return ms_err_set(err, MS_NOMEM, "no memory"), -1;
        all += up;
    }
    return all;
}

static enum ms_status build_rails(struct ms_blueprint *f, bool cross, bool spines_between,
                                  struct ms_err *err)
{
    struct rails *r = MS_NEW(f->arena, struct rails, 1);
    bool joined;
    if (!r)
        return ms_err_set(err, MS_NOMEM, "no memory");
    *r = (struct rails){.M = f->N, .cross = cross};
    if (!cross && f->M > 1 && f->p->no_nvlink)
        return ms_err_set(err, MS_INFEASIBLE, "without NVLink nothing joins the rails");
    int64_t up = add_leaves(f, r, &joined, err);
    if (up < 0)
        return MS_INFEASIBLE;
    bool wired = joined || spines_between;
    r->spines = (int)ms_ceil_div(up, f->p->switch_ports * (spines_between ? 1 : f->N));
    f->n_switches = f->n_edges + (wired ? r->spines * (spines_between ? 1 : f->N) : 0);
    f->n_cables = f->n_gpus / f->M * f->N + (wired ? (int)up : 0);
    f->own = r;
    f->route = route;
    f->rails = true;
    f->transit = cross || f->M == 1 ? MS_TRANSIT_NONE
                 : spines_between   ? MS_TRANSIT_NVLINK
                                    : MS_TRANSIT_PXN;
    return MS_OK;
}

static enum ms_status build(struct ms_blueprint *f, struct ms_err *err)
{
    return build_rails(f, f->p->cross_rail == 0, true, err);
}

static enum ms_status build_only(struct ms_blueprint *f, struct ms_err *err)
{
    return build_rails(f, false, false, err);
}

const struct ms_topology ms_topology_rail = {
    .name = "rail",
    .help =
        "rail-optimised: a leaf for each GPU index, spines above; cross-rail over spine or NVLink",
    .detail = "GPU i of every node of a scalable unit hangs on leaf i. With --cross-rail nvlink "
              "the routes between rails go over "
              "NVLink to the local GPU on the destination's rail (property transit=nvlink), and "
              "the spines carry only traffic "
              "between units. leaf_N is the trunk of leaf N to the spines.",
    .fields = fields,
    .build = build,
};

const struct ms_topology ms_topology_rail_only = {
    .name = "rail-only",
    .help = "a leaf for each GPU index and nothing between the rails: cross-rail over NVLink only",
    .detail = "Routes between rails pass over NVLink through the local GPU on the destination's "
              "rail (property transit=pxn): a "
              "direct exchange needs `exchange: {forwarding: pxn}`. Several units of one rail are "
              "joined by that rail's own spines.",
    .fields = only_fields,
    .build = build_only,
};
