/* Which pairs of hosts have a route where not all have: a pair is joined where its two ends are, in
 * the zone that holds both, and each end to the gateway it leaves or enters by. */
#include <stdlib.h>

#include "cluster/platform_check.h"

/* The point of p's branch that stands in `zone`: p itself, or the zone around it; -1 nowhere. */
static int branch(const struct ms_graph *g, int p, int zone)
{
    while (p >= 0 && g->point[p].zone != zone)
        p = g->point[p].zone >= 0 ? g->zone[g->point[p].zone].point : -1;
    return p;
}

static bool inside(const struct ms_graph *g, int p, int zone)
{
    return branch(g, p, zone) >= 0;
}

static bool members_joined(const struct ms_zone *z, const struct ms_point *a,
                           const struct ms_point *b)
{
    size_t k = (size_t)a->local * (size_t)z->n_members + (size_t)b->local;
    return !z->joined || (z->joined[k / 8] >> k % 8 & 1);
}

/* The stretch that joins two members of a zone; NULL where SimGrid computes a way of several. */
static const struct ms_hop *stretch(const struct ms_graph *g, int zone, int a, int b)
{
    for (int h = 0; h < g->n_hops; h++)
        if (g->hop[h].zone == zone && g->hop[h].src == a && g->hop[h].dst == b)
            return &g->hop[h];
    return NULL;
}

static bool joined(const struct ms_graph *g, int a, int b)
{
    int zone = g->point[a].zone;
    if (a == b)
        return true;
    while (zone >= 0 && !inside(g, b, zone))
        zone = g->zone[zone].parent;
    if (zone < 0)
        return false;
    int from = branch(g, a, zone), to = branch(g, b, zone);
    if (from == to || !members_joined(&g->zone[zone], &g->point[from], &g->point[to]))
        return from == to;
    const struct ms_hop *h = from != a || to != b ? stretch(g, zone, from, to) : NULL;
    if (!h)
        return true;
    return (from == a || joined(g, a, h->from)) && (to == b || joined(g, h->to, b));
}

bool ms_platform_joined(const struct ms_platform *p, int src, int dst)
{
    return p->graph->n_unjoined == 0 || joined(p->graph, p->host_point[src], p->host_point[dst]);
}
