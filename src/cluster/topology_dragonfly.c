/* Dragonfly with minimal routing (Kim, Dally, Scott, Abts, "Technology-driven, highly-scalable
 * dragonfly topology", ISCA 2008): groups of fully joined switches, groups fully joined. Balanced
 * as the paper says: for T GPUs a switch, 2T local and T global cables. */
#include <math.h>

#include "cluster/topology.h"

/* clang-format off */
static const struct ms_field fields[] = {
    {MS_ROW_NODES_PER_LEAF,
     .help = "nodes a switch; 0 = 1"},
    {MS_ROW_LEAVES_PER_GROUP,
     .help = "switches a group; 0 = the root of their number"},
    {MS_ROW_LOCAL_CABLES,
     .help = "cables between two switches of a group; 0 = 2 T / (switches a group - 1)"},
    {MS_ROW_GLOBAL_CABLES,
     .help = "cables between two groups, all at one switch of each; 0 = GPUs a group / "
             "(groups - 1)"},
    {0},
};
/* clang-format on */

struct dragonfly {
    int a, groups, n; /* switches a group, groups, switches */
    int *local;       /* [n][a] trunk from switch i to member j > i % a of its group */
    int *global;      /* [groups][groups] trunk from group i to j > i */
};

static int members(const struct dragonfly *d, int group)
{
    return d->n - group * d->a < d->a ? d->n - group * d->a : d->a;
}

/* The switch of `group` that holds the cables to `other`. */
static int gateway(const struct dragonfly *d, int group, int other)
{
    int peer = (other - group - 1 + d->groups) % d->groups;
    return group * d->a + peer % members(d, group);
}

static int local_hop(const struct dragonfly *d, int from, int to, struct ms_route_hop *out)
{
    int low = from < to ? from : to, high = from < to ? to : from;
    if (from == to)
        return 0;
    *out = (struct ms_route_hop){d->local[low * d->a + high % d->a], from > to, 1};
    return 1;
}

static int route(const struct ms_blueprint *f, int a, int b, struct ms_route_hop *out)
{
    const struct dragonfly *d = f->own;
    int A = a / d->a, B = b / d->a, n = 0;
    if (A == B)
        return local_hop(d, a, b, out);
    n += local_hop(d, a, gateway(d, A, B), out + n);
    out[n++] =
        (struct ms_route_hop){d->global[(A < B ? A : B) * d->groups + (A < B ? B : A)], A > B, 1};
    n += local_hop(d, gateway(d, B, A), b, out + n);
    return n;
}

static enum ms_status check_ports(const struct ms_blueprint *f, const struct dragonfly *d, int T,
                                  int local, int global, struct ms_err *err)
{
    for (int s = 0; s < d->n; s++) {
        int group = s / d->a, need = T + local * (members(d, group) - 1);
        for (int other = 0; other < d->groups; other++)
            need += other != group && gateway(d, group, other) == s ? global : 0;
        if (need > f->p->switch_ports)
            return ms_err_set(
                err, MS_INFEASIBLE,
                "switch %d needs %d ports (%d GPUs, %d local, %d global), but switches have %lld: "
                "lower "
                "local_cables, global_cables or nodes_per_leaf, or raise switch_ports",
                s, need, T, local * (members(d, group) - 1),
                need - T - local * (members(d, group) - 1), (long long)f->p->switch_ports);
    }
    return MS_OK;
}

static bool add_trunks(struct ms_blueprint *f, struct dragonfly *d, int local, int global)
{
    bool good = true;
    for (int s = 0; s < d->n; s++)
        for (int t = s + 1; t < d->n && t / d->a == s / d->a; t++) {
            d->local[s * d->a + t % d->a] = ms_blueprint_trunk(f, local, "local_%d_%d", s, t);
            good &= f->n_trunks > 0;
            f->n_cables += local;
        }
    for (int A = 0; A < d->groups; A++)
        for (int B = A + 1; B < d->groups; B++) {
            d->global[A * d->groups + B] = ms_blueprint_trunk(f, global, "global_%d_%d", A, B);
            good &= d->global[A * d->groups + B] >= 0;
            f->n_cables += global;
        }
    return good;
}

static enum ms_status build(struct ms_blueprint *f, struct ms_err *err)
{
    const struct ms_topology_params *p = f->p;
    struct dragonfly *d = MS_NEW(f->arena, struct dragonfly, 1);
    int per = (int)(p->nodes_per_leaf ? p->nodes_per_leaf : 1), T = per * f->N;
    if (!d)
        return ms_err_set(err, MS_NOMEM, "no memory");
    d->n = f->n_edges = f->n_switches = (int)ms_ceil_div(p->nodes, per);
    d->a = p->leaves_per_group ? (int)p->leaves_per_group : (int)sqrt(d->n + 0.5);
    d->a = d->a > d->n ? d->n : d->a;
    d->groups = (int)ms_ceil_div(d->n, d->a);
    d->local = MS_NEW(f->arena, int, (size_t)d->n *(size_t)d->a);
    d->global = MS_NEW(f->arena, int, (size_t)d->groups *(size_t)d->groups);
    int local = p->local_cables ? (int)p->local_cables
                : d->a > 1      ? (int)ms_ceil_div(2 * T, d->a - 1)
                                : 0;
    int global = p->global_cables ? (int)p->global_cables
                 : d->groups > 1  ? (int)ms_ceil_div(T * d->a, d->groups - 1)
                                  : 0;
    if (!d->local || !d->global)
        return ms_err_set(err, MS_NOMEM, "no memory");
    for (int g = 0; g < f->n_gpus; g++)
        f->edge[g] = g / f->M / per;
    f->n_cables = f->n_gpus / f->M * f->N;
    f->own = d;
    f->route = route;
    f->mirrored = true;
    if (!add_trunks(f, d, local, global))
        return ms_err_set(err, MS_NOMEM, "no memory");
    return check_ports(f, d, T, local, global, err);
}

const struct ms_topology ms_topology_dragonfly = {
    .name = "dragonfly",
    .help = "groups of fully joined switches, groups fully joined; minimal routing; NVLink inside "
            "nodes",
    .detail = "At most one local, one global and one local hop. All cables between two groups end "
              "at one switch of each "
              "(local_S_T, global_A_B are the trunks), so traffic between two groups alone meets "
              "them as a bottleneck: minimal "
              "routing does not go round it.",
    .fields = fields,
    .build = build,
};
