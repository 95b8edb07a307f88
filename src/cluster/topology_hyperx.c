/* HyperX: switches in a grid, fully joined along every dimension (Ahn, Binkert, Davis, McLaren,
 * Schreiber, "HyperX: topology, routing, and packaging of efficient large-scale networks", SC
 * 2009). Dimension-order minimal routing. Default cables: relative bisection 1 in every dimension,
 * K = 2 T / S (section 2 of the paper), divided by the oversubscription. */
#include "cluster/topology.h"

/* clang-format off */
static const struct ms_field fields[] = {
    {MS_ROW_DIMS,
     .help = "switches in each dimension such as 4x2; empty = a near-square"},
    {MS_ROW_NODES_PER_LEAF,
     .help = "nodes a switch; 0 = 1"},
    {MS_ROW_LOCAL_CABLES,
     .help = "cables between two switches of a row; 0 = 2 T / size / oversubscription"},
    {MS_ROW_OVERSUBSCRIPTION,
     .help = "1 = full bisection"},
    {0},
};
/* clang-format on */

struct hyperx {
    int dims, stride[6], cables[6], widest;
    int64_t size[6];
    int *trunk; /* [switch][dim][coordinate of the other] */
};

static int coordinate(const struct hyperx *x, int v, int d)
{
    return v / x->stride[d] % (int)x->size[d];
}

static int route(const struct ms_blueprint *f, int a, int b, struct ms_route_hop *out)
{
    const struct hyperx *x = f->own;
    int n = 0;
    for (int d = 0; d < x->dims; d++) {
        int from = coordinate(x, a, d), to = coordinate(x, b, d),
            other = a + (to - from) * x->stride[d];
        if (from == to)
            continue;
        int low = from < to ? a : other, high = from < to ? to : from;
        out[n++] =
            (struct ms_route_hop){x->trunk[(low * x->dims + d) * x->widest + high], from > to, 1};
        a = other;
    }
    return n;
}

static bool add_trunks(struct ms_blueprint *f, struct hyperx *x)
{
    for (int v = 0; v < f->n_edges; v++)
        for (int d = 0; d < x->dims; d++)
            for (int c = coordinate(x, v, d) + 1; c < x->size[d]; c++) {
                int other = v + (c - coordinate(x, v, d)) * x->stride[d];
                int t = ms_blueprint_trunk(f, x->cables[d], "hyperx_%d_%d", v, other);
                if (t < 0)
                    return false;
                x->trunk[(v * x->dims + d) * x->widest + c] = t;
                f->n_cables += x->cables[d];
            }
    return true;
}

static enum ms_status build(struct ms_blueprint *f, struct ms_err *err)
{
    const struct ms_topology_params *p = f->p;
    struct hyperx *x = MS_NEW(f->arena, struct hyperx, 1);
    int per = (int)(p->nodes_per_leaf ? p->nodes_per_leaf : 1), T = per * f->N, ports = T;
    if (!x)
        return ms_err_set(err, MS_NOMEM, "no memory");
    f->n_edges = f->n_switches = (int)ms_ceil_div(p->nodes, per);
    x->dims = ms_dims(p->dims, f->n_edges, 2, x->size, err);
    if (!x->dims)
        return MS_INFEASIBLE;
    for (int d = 0, stride = 1; d < x->dims; stride *= (int)x->size[d++]) {
        x->stride[d] = stride;
        x->cables[d] = p->local_cables ? (int)p->local_cables
                                       : (int)ms_uplinks(p, ms_ceil_div(2 * T, x->size[d]));
        x->widest = x->size[d] > x->widest ? (int)x->size[d] : x->widest;
        ports += x->cables[d] * ((int)x->size[d] - 1);
    }
    if (ports > p->switch_ports)
        return ms_err_set(err, MS_INFEASIBLE,
                          "a switch needs %d ports, but has %lld: lower local_cables or "
                          "nodes_per_leaf, raise oversubscription, "
                          "or use more dims",
                          ports, (long long)p->switch_ports);
    x->trunk = MS_NEW(f->arena, int, (size_t)f->n_edges *(size_t)x->dims *(size_t)x->widest);
    f->n_cables = f->n_gpus / f->M * f->N;
    for (int g = 0; g < f->n_gpus; g++)
        f->edge[g] = g / f->M / per;
    f->own = x;
    f->route = route;
    return x->trunk && add_trunks(f, x) ? MS_OK : ms_err_set(err, MS_NOMEM, "no memory");
}

const struct ms_topology ms_topology_hyperx = {
    .name = "hyperx",
    .help = "switches in a grid, fully joined along each dimension; NVLink inside nodes",
    .detail = "One hop in each dimension where the coordinates differ, in order. hyperx_U_V joins "
              "switches U and V.",
    .fields = fields,
    .build = build,
};
