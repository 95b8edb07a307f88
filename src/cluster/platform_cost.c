/* What a fabric costs and carries: properties the generator wrote, and the bisection over the
 * file's own links. */
#include <math.h>

#include "cluster/platform_check.h"
#include "cluster/max_flow.h"

/* Vertices: the points, then two for each link (its capacity lies between them), source, sink. A
 * route becomes a chain through its links, so links shared by many routes are counted once. */
static void add_links(struct ms_max_flow *f, const struct ms_graph *g)
{
    for (int l = 0; l < g->n_links; l++)
        ms_max_flow_edge(f, g->n_points + 2 * l, g->n_points + 2 * l + 1,
                         g->link[l].policy == MS_LINK_FATPIPE ? INFINITY
                                                              : g->link[l].bandwidth_Bps);
    for (int h = 0; h < g->n_hops; h++) {
        int v = g->hop[h].from;
        for (int k = 0; k < g->hop[h].n_links; k++) {
            int l = g->hop_link[g->hop[h].first + k];
            ms_max_flow_edge(f, v, g->n_points + 2 * l, INFINITY);
            v = g->n_points + 2 * l + 1;
        }
        ms_max_flow_edge(f, v, g->hop[h].to, INFINITY);
    }
}

/* First half: the first half of the nodes; of the hosts where there are no two nodes. */
static bool first_half(const struct ms_platform *p, int host)
{
    return p->n_nodes > 1 ? p->host_node[host] < p->n_nodes / 2 : host < p->n_hosts / 2;
}

enum ms_status ms_platform_cost(const struct ms_platform *p, struct ms_platform_cost *out,
                                struct ms_err *err)
{
    const struct ms_graph *g = p->graph;
    int n = g->n_points + 2 * g->n_links, n_first = 0;
    struct ms_max_flow f;
    *out = (struct ms_platform_cost){p->n_switches, p->n_cables, -1, -1};
    if (!p->links_complete || p->n_hosts < 2)
        return MS_OK;
    ms_max_flow_init(&f, n + 2);
    if (!f.failed)
        add_links(&f, g);
    for (int h = 0; h < p->n_hosts; h++) {
        bool first = first_half(p, h);
        ms_max_flow_edge(&f, first ? n : p->host_point[h], first ? p->host_point[h] : n + 1,
                         INFINITY);
        n_first += first;
    }
    double flow = ms_max_flow_solve(&f, n, n + 1);
    bool failed = f.failed;
    ms_max_flow_finish(&f);
    if (failed)
        return ms_err_set(err, MS_NOMEM, "no memory for the bisection of %s", p->path);
    if (isfinite(flow)) {
        out->bisection_Bps = flow;
        out->bisection_per_gpu_Bps = flow / n_first;
    }
    return MS_OK;
}
