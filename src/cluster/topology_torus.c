/* A torus of nodes without switches: the NICs of a node are the ports of its router, shared out
 * over the directions (dimension-order routing, the shorter way round; ties by the parity of the
 * coordinate, so that both ways are used). */
#include "cluster/topology.h"

/* clang-format off */
static const struct ms_field fields[] = {
    {MS_ROW_DIMS,
     .help = "sizes such as 4x2 or 4x4x4; empty = a near-square"},
    {MS_ROW_LOCAL_CABLES,
     .help = "cables in each direction; 0 = GPUs a node / directions, at least 1"},
    {0},
};
/* clang-format on */

struct torus {
    int dims, stride[6];
    int64_t size[6];
    int *trunk; /* [node][dim]: to the next in that dimension */
};

static int coordinate(const struct torus *t, int v, int d)
{
    return v / t->stride[d] % (int)t->size[d];
}

/* The neighbour one step on in dimension d. */
static int next(const struct torus *t, int v, int d)
{
    return coordinate(t, v, d) + 1 < t->size[d] ? v + t->stride[d]
                                                : v - ((int)t->size[d] - 1) * t->stride[d];
}

static int previous(const struct torus *t, int v, int d)
{
    return coordinate(t, v, d) ? v - t->stride[d] : v + ((int)t->size[d] - 1) * t->stride[d];
}

static int route(const struct ms_blueprint *f, int a, int b, struct ms_route_hop *out)
{
    const struct torus *t = f->own;
    int n = 0;
    for (int d = 0; d < t->dims; d++) {
        int size = (int)t->size[d],
            ahead = (coordinate(t, b, d) - coordinate(t, a, d) + size) % size;
        bool forward = 2 * ahead < size || (2 * ahead == size && coordinate(t, a, d) % 2 == 0);
        for (int step = forward ? ahead : size - ahead; ahead && step > 0; step--) {
            int to = forward ? next(t, a, d) : previous(t, a, d);
            /* a ring of two has one trunk, owned by its first node */
            bool up = size == 2 ? coordinate(t, a, d) == 0 : forward;
            int owner = up ? a : to;
            out[n++] = (struct ms_route_hop){t->trunk[owner * t->dims + d], !up, 1};
            a = to;
        }
    }
    return n;
}

static enum ms_status build(struct ms_blueprint *f, struct ms_err *err)
{
    const struct ms_topology_params *p = f->p;
    struct torus *t = MS_NEW(f->arena, struct torus, 1);
    int n = (int)p->nodes, hops = 0, used = 0;
    if (!t || !(t->trunk = MS_NEW(f->arena, int, (size_t)n * 6)))
        return ms_err_set(err, MS_NOMEM, "no memory");
    t->dims = ms_dims(p->dims, n, 2, t->size, err);
    if (!t->dims)
        return MS_INFEASIBLE;
    for (int d = 0, stride = 1; d < t->dims; stride *= (int)t->size[d++]) {
        t->stride[d] = stride;
        hops += (int)t->size[d] / 2;
        used += t->size[d] > 1;
    }
    if (hops > MS_MAX_ROUTE_HOPS)
        return ms_err_set(err, MS_INFEASIBLE, "dims give routes of %d hops; at most %d", hops,
                          MS_MAX_ROUTE_HOPS);
    int cables = p->local_cables ? (int)p->local_cables : used ? f->N / (2 * used) : 1;
    cables = cables < 1 ? 1 : cables;
    for (int v = 0; v < n; v++)
        for (int d = 0; d < t->dims; d++) {
            bool pair = t->size[d] == 2;
            if (t->size[d] < 2 || (pair && coordinate(t, v, d)))
                continue;
            t->trunk[v * t->dims + d] =
                ms_blueprint_trunk(f, pair ? 2 * cables : cables, "torus_%d_%d", d, v);
            f->n_cables += pair ? 2 * cables : cables;
        }
    for (int g = 0; g < f->n_gpus; g++)
        f->edge[g] = g / f->M;
    f->n_edges = n;
    f->ports_are_trunks = true;
    f->own = t;
    f->route = route;
    return MS_OK;
}

const struct ms_topology ms_topology_torus = {
    .name = "torus",
    .help = "nodes in a 2-D or n-D torus, no switches; NVLink inside nodes",
    .detail = "A node's NIC ports are its torus cables: M / (2 x dimensions) in each direction by "
              "default. torus_D_V leads from "
              "node V forward in dimension D. Dimension-order routing.",
    .fields = fields,
    .build = build,
};
