/* What a fabric costs and carries: properties the generator wrote, and the bisection over the
 * file's own links. */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>

#include "cluster/platform_check.h"
#include "cluster/max_flow.h"

/* The steps of all routes, each once: routes share most of theirs. */
struct steps {
    uint64_t *step; /* [n] from << 32 | to, the one that came last first */
    uint64_t *slot; /* [size] 1 + step, 0 free; size is a power of two */
    size_t n, cap, size;
    bool failed;
};

static size_t place(const struct steps *s, uint64_t key)
{
    size_t at = (size_t)(key * 0x9e3779b97f4a7c15u >> 20) & (s->size - 1);
    while (s->slot[at] && s->slot[at] != key)
        at = (at + 1) & (s->size - 1);
    return at;
}

static bool widen(struct steps *s)
{
    uint64_t *old = s->slot, *step;
    s->size = s->size ? 2 * s->size : 1 << 12;
    s->cap = s->size / 2;
    step = realloc(s->step, s->cap * sizeof *step);
    s->step = step ? step : s->step;
    s->slot = calloc(s->size, sizeof *s->slot);
    s->failed = !step || !s->slot;
    for (size_t i = 0; !s->failed && i < s->n; i++)
        s->slot[place(s, s->step[i] + 1)] = s->step[i] + 1;
    free(old);
    return !s->failed;
}

static void add_step(struct steps *s, int from, int to)
{
    uint64_t step = (uint64_t)(uint32_t)from << 32 | (uint32_t)to;
    if (s->failed || (s->n == s->cap && !widen(s)))
        return;
    size_t at = place(s, step + 1);
    if (s->slot[at])
        return;
    s->slot[at] = step + 1;
    s->step[s->n++] = step;
}

/* A route is a chain through its links; from its end to its begin. */
static void add_hop(struct steps *s, const struct ms_graph *g, const struct ms_hop *h)
{
    int v = h->to;
    for (int k = h->n_links; k-- > 0;) {
        int l = g->hop_link[h->first + k];
        add_step(s, g->n_points + 2 * l + 1, v);
        v = g->n_points + 2 * l;
    }
    add_step(s, h->from, v);
}

/* Vertices: the points, then two for each link (its capacity lies between them), source, sink. Links
 * shared by many routes are counted once. A step that comes again is the one that came last. */
static void add_links(struct ms_max_flow *f, const struct ms_graph *g)
{
    struct steps s = {0};
    for (int l = 0; l < g->n_links; l++)
        ms_max_flow_edge(f, g->n_points + 2 * l, g->n_points + 2 * l + 1,
                         g->link[l].policy == MS_LINK_FATPIPE ? INFINITY
                                                              : g->link[l].bandwidth_Bps);
    for (int h = g->n_hops; h-- > 0;)
        add_hop(&s, g, &g->hop[h]);
    for (size_t i = s.n; i-- > 0;)
        ms_max_flow_edge(f, (int)(s.step[i] >> 32), (int)(uint32_t)s.step[i], INFINITY);
    f->failed |= s.failed;
    free(s.step);
    free(s.slot);
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
