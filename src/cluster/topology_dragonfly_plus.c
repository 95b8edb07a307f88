/* Dragonfly+: groups are leaf-spine networks, and the spines of all groups are fully joined
 * (Shpiner et al., "Dragonfly+: low cost topology for scaling datacenters", HiPINEB 2017). Routes
 * are minimal: leaf, spine, spine, leaf. */
#include <math.h>

#include "cluster/topology.h"

/* clang-format off */
static const struct ms_field fields[] = {
    {MS_ROW_OVERSUBSCRIPTION,
     .help = "GPU ports of a leaf for each uplink, and GPUs of a group for each cable to another "
             "group"},
    {MS_ROW_NODES_PER_LEAF,
     .help = "nodes a leaf; 0 = 1"},
    {MS_ROW_LEAVES_PER_GROUP,
     .help = "leaves a group; 0 = the root of their number"},
    {MS_ROW_GLOBAL_CABLES,
     .help = "cables between two groups, spread over their spines; 0 = GPUs a group (no "
             "permutation is blocked)"},
    {0},
};
/* clang-format on */

struct plus {
    int a, groups, spines; /* leaves a group, groups, spines a group */
    int *global;           /* [groups][groups] */
};

static int route(const struct ms_blueprint *f, int a, int b, struct ms_route_hop *out)
{
    const struct plus *d = f->own;
    int A = a / d->a, B = b / d->a, n = 0;
    out[n++] = (struct ms_route_hop){a, false, 1};
    if (A != B)
        out[n++] = (struct ms_route_hop){d->global[(A < B ? A : B) * d->groups + (A < B ? B : A)],
                                         A > B, d->spines};
    out[n++] = (struct ms_route_hop){b, true, d->spines};
    return n;
}

static bool add_trunks(struct ms_blueprint *f, struct plus *d, int per, int global)
{
    int nodes = f->n_gpus / f->M;
    for (int l = 0; l < f->n_edges; l++) {
        int here = nodes - l * per < per ? nodes - l * per : per,
            up = (int)ms_uplinks(f->p, (int64_t)here * f->N);
        if (ms_blueprint_trunk(f, up, "leaf_%d", l) < 0)
            return false;
        f->n_cables += up;
    }
    for (int A = 0; A < d->groups; A++)
        for (int B = A + 1; B < d->groups; B++) {
            if ((d->global[A * d->groups + B] =
                     ms_blueprint_trunk(f, global, "global_%d_%d", A, B)) < 0)
                return false;
            f->n_cables += global;
        }
    return true;
}

static enum ms_status build(struct ms_blueprint *f, struct ms_err *err)
{
    const struct ms_topology_params *p = f->p;
    struct plus *d = MS_NEW(f->arena, struct plus, 1);
    int per = (int)ms_leaf_nodes(p, f->N, 1, err);
    if (!d || !per)
        return d ? MS_INFEASIBLE : ms_err_set(err, MS_NOMEM, "no memory");
    f->n_edges = (int)ms_ceil_div(p->nodes, per);
    d->a = p->leaves_per_group ? (int)p->leaves_per_group : (int)sqrt(f->n_edges + 0.5);
    d->a = d->a > f->n_edges ? f->n_edges : d->a;
    d->groups = (int)ms_ceil_div(f->n_edges, d->a);
    d->global = MS_NEW(f->arena, int, (size_t)d->groups *(size_t)d->groups);
    if (!d->global)
        return ms_err_set(err, MS_NOMEM, "no memory");
    int global =
        p->global_cables ? (int)p->global_cables : (int)ms_uplinks(p, (int64_t)d->a * per * f->N);
    int64_t spine_ports =
        d->a * ms_uplinks(p, (int64_t)per * f->N) + (int64_t)(d->groups - 1) * global;
    d->spines = (int)ms_ceil_div(spine_ports, p->switch_ports);
    for (int g = 0; g < f->n_gpus; g++)
        f->edge[g] = g / f->M / per;
    f->n_cables = f->n_gpus / f->M * f->N;
    f->n_switches = f->n_edges + d->groups * d->spines;
    f->own = d;
    f->route = route;
    f->mirrored = true;
    return add_trunks(f, d, per, global) ? MS_OK : ms_err_set(err, MS_NOMEM, "no memory");
}

const struct ms_topology ms_topology_dragonfly_plus = {
    .name = "dragonfly-plus",
    .help = "leaf-spine groups whose spines are fully joined; minimal routing; NVLink inside nodes",
    .detail = "leaf_N is the trunk of leaf N to its group's spines, global_A_B that between two "
              "groups. The default has a cable "
              "for every GPU of a group to every other group, so that no permutation is blocked; "
              "fewer with --global-cables.",
    .fields = fields,
    .build = build,
};
