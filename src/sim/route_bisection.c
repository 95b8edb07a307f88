/* The bisection of platforms whose links only SimGrid knows: the maximum flow between the two
 * halves of the nodes over all routes. */
#include "sim/route_bisection.h"

#include <math.h>
#include <stdlib.h>

#include "cluster/max_flow.h"

enum { MAX_HOSTS = 256 };

static bool first_half(const struct ms_platform *p, int host)
{
    return p->n_nodes > 1 ? p->host_node[host] < p->n_nodes / 2 : host < p->n_hosts / 2;
}

/* Hosts, then two vertices a link, source, sink: as the bisection of the file's own links. */
static double max_flow(const struct ms_platform *p, const struct ms_route_query *r,
                       const struct ms_route_pair *pair, bool *failed)
{
    int h = p->n_hosts, n = h + 2 * r->n_links;
    struct ms_max_flow f;
    ms_max_flow_init(&f, n + 2);
    for (int l = 0; l < r->n_links; l++)
        ms_max_flow_edge(&f, h + 2 * l, h + 2 * l + 1,
                         r->link[l].shared ? r->link[l].bandwidth_Bps : INFINITY);
    for (size_t i = 0; i < r->n_pairs; i++) {
        int v = pair[i].src;
        for (int k = r->first[i]; k < r->first[i + 1]; k++) {
            ms_max_flow_edge(&f, v, h + 2 * r->link_of[k], INFINITY);
            v = h + 2 * r->link_of[k] + 1;
        }
        ms_max_flow_edge(&f, v, pair[i].dst, INFINITY);
    }
    for (int i = 0; i < h; i++)
        ms_max_flow_edge(&f, first_half(p, i) ? n : i, first_half(p, i) ? i : n + 1, INFINITY);
    double flow = ms_max_flow_solve(&f, n, n + 1);
    *failed = f.failed;
    ms_max_flow_finish(&f);
    return flow;
}

static enum ms_status from_routes(const struct ms_platform *p, struct ms_platform_cost *out,
                                  struct ms_err *err)
{
    size_t n = 0, h = (size_t)p->n_hosts;
    struct ms_route_pair *pair = malloc(h * h * sizeof *pair);
    struct ms_route_query r = {0};
    bool failed = false;
    int n_first = 0;
    for (int a = 0; pair && a < p->n_hosts; a++) {
        n_first += first_half(p, a);
        for (int b = 0; b < p->n_hosts; b++)
            if (a != b)
                pair[n++] = (struct ms_route_pair){a, b};
    }
    enum ms_status s =
        pair ? ms_route_query_ask(p, pair, n, &r, err) : ms_err_set(err, MS_NOMEM, "no memory");
    double flow = s == MS_OK ? max_flow(p, &r, pair, &failed) : -1;
    if (failed)
        s = ms_err_set(err, MS_NOMEM, "no memory for the bisection of %s", p->path);
    if (s == MS_OK && isfinite(flow)) {
        out->bisection_Bps = flow;
        out->bisection_per_gpu_Bps = flow / n_first;
    }
    ms_route_query_finish(&r);
    free(pair);
    return s;
}

enum ms_status ms_route_cost(const struct ms_platform *p, struct ms_platform_cost *out,
                             struct ms_err *err)
{
    enum ms_status s = ms_platform_cost(p, out, err);
    if (s != MS_OK || p->links_complete || p->n_hosts < 2 || p->n_hosts > MAX_HOSTS)
        return s;
    return from_routes(p, out, err);
}
