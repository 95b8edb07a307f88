/* All GPUs in one NVSwitch domain: an HGX board, or a rack such as NVL72. NVSwitch is non-blocking:
 * ports only. */
#include "cluster/topology.h"

static enum ms_status build(struct ms_blueprint *f, struct ms_err *err)
{
    if (f->p->no_nvlink || f->p->multipath != MS_MULTIPATH_SPRAY)
        return ms_err_set(
            err, MS_INFEASIBLE,
            "nvlink is a fabric of NVLinks alone: no_nvlink and multipath do not apply");
    f->nvlink_only = true;
    f->n_edges = 1;
    return MS_OK;
}

const struct ms_topology ms_topology_nvlink = {
    .name = "nvlink",
    .help = "one NVSwitch domain, no network: HGX board (1 x 8) or rack (1 x 72)",
    .detail = "Every GPU has one NVLink port of --nvlink-bandwidth each way into a non-blocking "
              "NVSwitch.",
    .build = build,
};
