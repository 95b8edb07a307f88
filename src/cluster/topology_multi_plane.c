/* Multi-plane: every NIC splits its rate over P equal, separate networks of P times the ports (a 64
 * x 400G switch is a 256 x 100G one), so that a tier is saved (DeepSeek, "Insights into
 * DeepSeek-V3", arXiv:2505.09343, section 5). A message is striped in P equal sub-flows and
 * complete with the last. The planes are equal and separate, so the sub-flows advance alike, and
 * one flow over links of the summed rate is exact, as long as no plane fails: that is how the file
 * says it. A link's `cables` are a multiple of P, so a lost plane can still be told as a factor (P
 * - 1) / P on it. */
#include "cluster/topology.h"

/* clang-format off */
static const struct ms_field fields[] = {
    {.key = "planes", MS_AT(struct ms_topology_params, planes), MS_INT(1, 64), .fallback = "4",
     .help = "separate networks; each NIC has a port in all"},
    {MS_ROW_OVERSUBSCRIPTION,
     .help = "GPU ports of a leaf for each uplink; 1 = non-blocking"},
    {MS_ROW_NODES_PER_LEAF,
     .help = "0 = all in one switch a plane where they fit, else as many as fit a leaf"},
    {0},
};
/* clang-format on */

struct planes {
    int spines;
};

static int route(const struct ms_blueprint *f, int a, int b, struct ms_route_hop *out)
{
    const struct planes *d = f->own;
    out[0] = (struct ms_route_hop){a, false, 1};
    out[1] = (struct ms_route_hop){b, true, d->spines};
    return 2;
}

static enum ms_status build(struct ms_blueprint *f, struct ms_err *err)
{
    struct ms_topology_params p = *f->p;
    struct planes *d = MS_NEW(f->arena, struct planes, 1);
    if (!d)
        return ms_err_set(err, MS_NOMEM, "no memory");
    if (p.multipath != MS_MULTIPATH_SPRAY)
        return ms_err_set(
            err, MS_INFEASIBLE,
            "multi-plane stripes every message over all planes: only --multipath spray");
    f->planes = (int)p.planes;
    p.switch_ports *= p.planes;
    bool one = !p.nodes_per_leaf && f->n_gpus / f->M * f->N <= p.switch_ports;
    int per = one ? (int)p.nodes : (int)ms_leaf_nodes(&p, f->N, p.nodes, err), up_all = 0;
    if (!per)
        return MS_INFEASIBLE;
    f->n_edges = (int)ms_ceil_div(p.nodes, per);
    for (int g = 0; g < f->n_gpus; g++)
        f->edge[g] = g / f->M / per;
    for (int l = 0; l < f->n_edges && f->n_edges > 1; l++) {
        int here = (int)p.nodes - l * per < per ? (int)p.nodes - l * per : per;
        int up = (int)ms_uplinks(&p, (int64_t)here * f->N);
        if (ms_blueprint_trunk(f, up * f->planes, "leaf_%d", l) < 0)
            return ms_err_set(err, MS_NOMEM, "no memory");
        up_all += up;
    }
    d->spines = (int)ms_ceil_div(up_all, p.switch_ports);
    f->n_switches = f->planes * (f->n_edges + d->spines);
    f->n_cables = f->planes * (f->n_gpus / f->M * f->N + up_all);
    f->own = d;
    f->route = route;
    f->mirrored = true;
    return MS_OK;
}

const struct ms_topology ms_topology_multi_plane = {
    .name = "multi-plane",
    .help = "P equal separate networks, every message striped over all; NVLink inside nodes",
    .detail = "Each plane is one switch where all GPUs fit (switch-ports x planes), else a "
              "leaf-spine. Links carry the summed rate "
              "of their P planes, which is exact for equal stripes; switches and cables are "
              "counted in every plane.",
    .fields = fields,
    .build = build,
};
