/* One ideal switch: what a network without any fabric limit would do. */
#include "cluster/topology.h"

static enum ms_status build(struct ms_blueprint *f, struct ms_err *err)
{
    f->n_edges = 1;
    f->n_switches = 1;
    f->n_cables = f->n_gpus / f->M * f->N;
    return MS_OK;
}

const struct ms_topology ms_topology_star = {
    .name = "star",
    .help = "one ideal switch with a port for every GPU; NVLink inside nodes",
    .detail =
        "The bound of every other topology: only the ports limit. --switch-ports does not apply.",
    .build = build,
};
