/* Leaf-spine and three-level fat trees, NVLink inside nodes, all NICs of a node in one leaf. */
#include "cluster/topology.h"

/* clang-format off */
static const struct ms_field fields[] = {
    {.key = "levels", MS_AT(struct ms_topology_params, levels), MS_INT(2, 3), .fallback = "2",
     .help = "switch tiers: 2 (leaf, spine) or 3 (leaf, pod, core)"},
    {MS_ROW_OVERSUBSCRIPTION,
     .help = "GPU ports of a leaf for each uplink; 1 = non-blocking"},
    {MS_ROW_NODES_PER_LEAF,
     .help = "0 = as many as fit the switch, but at least 4 leaves (8 with three levels)"},
    {.key = "leaves_per_pod", MS_AT(struct ms_topology_params, leaves_per_pod), MS_INT(0, 65536),
     .fallback = "0",
     .help = "of three levels; 0 = a quarter of the leaves, at least 2"},
    {0},
};
/* clang-format on */

struct tree {
    int spines;   /* two levels: in all; three: pod switches of one pod */
    int pod_size; /* leaves; 0: two levels */
    int n_leaves;
};

static int route(const struct ms_blueprint *f, int a, int b, struct ms_route_hop *out)
{
    const struct tree *t = f->own;
    int n = 0;
    out[n++] = (struct ms_route_hop){a, false, 1};
    if (t->pod_size && a / t->pod_size != b / t->pod_size) {
        out[n++] = (struct ms_route_hop){t->n_leaves + a / t->pod_size, false, t->spines};
        /* every pod wires its cable i to the same core switch */
        out[n++] = (struct ms_route_hop){t->n_leaves + b / t->pod_size, true, 1 << 20};
    }
    out[n++] = (struct ms_route_hop){b, true, t->spines};
    return n;
}

/* Leaves with their uplinks as trunks 0..L-1. @return all uplinks, -1: no memory */
static int64_t add_leaves(struct ms_blueprint *f, int per_leaf)
{
    int64_t all = 0;
    int nodes = f->n_gpus / f->M;
    for (int l = 0; l < f->n_edges; l++) {
        int here = nodes - l * per_leaf < per_leaf ? nodes - l * per_leaf : per_leaf;
        int up = (int)ms_uplinks(f->p, (int64_t)here * f->N);
        if (ms_blueprint_trunk(f, up, "leaf_%d", l) < 0)
            return -1;
        all += up;
    }
    return all;
}

static enum ms_status add_pods(struct ms_blueprint *f, struct tree *t, struct ms_err *err)
{
    int n_pods, pods_up = 0;
    int64_t size = f->p->leaves_per_pod ? f->p->leaves_per_pod : ms_ceil_div(f->n_edges, 4);
    size = size < 2 ? 2 : size > f->n_edges ? f->n_edges : size;
    t->pod_size = (int)size;
    n_pods = (int)ms_ceil_div(f->n_edges, size);
    t->spines = (int)ms_ceil_div(size * f->trunk[0].cables, f->p->switch_ports / 2);
    for (int pod = 0; pod < n_pods; pod++) {
        int up = 0;
        for (int l = pod * t->pod_size; l < (pod + 1) * t->pod_size && l < f->n_edges; l++)
            up += f->trunk[l].cables;
        if (n_pods > 1 && ms_blueprint_trunk(f, up, "pod_%d", pod) < 0)
            return ms_err_set(err, MS_NOMEM, "no memory");
        pods_up += n_pods > 1 ? up : 0;
        f->n_switches += t->spines;
    }
    f->n_switches += (int)ms_ceil_div(pods_up, f->p->switch_ports);
    f->n_cables += pods_up;
    return MS_OK;
}

static enum ms_status build(struct ms_blueprint *f, struct ms_err *err)
{
    const struct ms_topology_params *p = f->p;
    struct tree *t = MS_NEW(f->arena, struct tree, 1);
    int per_leaf = (int)ms_leaf_nodes(p, f->N, ms_ceil_div(p->nodes, p->levels == 3 ? 8 : 4), err);
    if (!t || !per_leaf)
        return t ? MS_INFEASIBLE : ms_err_set(err, MS_NOMEM, "no memory");
    for (int g = 0; g < f->n_gpus; g++)
        f->edge[g] = g / f->M / per_leaf;
    f->n_edges = t->n_leaves = (int)ms_ceil_div(p->nodes, per_leaf);
    f->n_switches = f->n_edges;
    f->n_cables = f->n_gpus / f->M * f->N;
    f->own = t;
    f->route = route;
    f->mirrored = true;
    if (f->n_edges == 1)
        return MS_OK;
    int64_t up = add_leaves(f, per_leaf);
    if (up < 0)
        return ms_err_set(err, MS_NOMEM, "no memory");
    f->n_cables += (int)up;
    t->spines = (int)ms_ceil_div(up, p->switch_ports);
    if (p->levels == 3)
        return add_pods(f, t, err);
    if (f->n_edges > p->switch_ports * t->spines || f->n_edges > p->switch_ports)
        return ms_err_set(err, MS_INFEASIBLE,
                          "%d leaves are more than the %lld ports of a spine: use three levels "
                          "(--levels 3), more ports, or more "
                          "nodes a leaf",
                          f->n_edges, (long long)p->switch_ports);
    f->n_switches += t->spines;
    return MS_OK;
}

const struct ms_topology ms_topology_fat_tree = {
    .name = "fat-tree",
    .help = "leaf-spine or three-level fat tree, any oversubscription; NVLink inside nodes",
    .detail = "All NICs of a node go to one leaf. Uplinks of a leaf: its GPU ports divided by "
              "--oversubscription; the tiers above "
              "pass on what the leaves send up. leaf_N is the trunk of leaf N towards the spines, "
              "pod_N that of a pod towards "
              "the core.",
    .fields = fields,
    .build = build,
};
