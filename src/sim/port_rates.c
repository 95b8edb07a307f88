/* Which resources a route gets: the ports' at its two ends, where the kernels' rate is below that of
 * the port's own link. */
#include "sim/port_rates.h"

#include <math.h>
#include <string.h>

enum { NIC, NVLINK, PORTS };

static double rate(const struct ms_port_rates *p, int port, int leg)
{
    return port == NIC ? p->nic_Bps[leg] : p->nvlink_Bps[leg];
}

bool ms_port_rates_act(const struct ms_port_rates *p, int leg)
{
    return p->nic_Bps[leg] < INFINITY || p->nvlink_Bps[leg] < INFINITY;
}

size_t ms_port_rates_links(const struct ms_port_rates *p)
{
    bool any = ms_port_rates_act(p, 0) || ms_port_rates_act(p, 1);
    return any ? (size_t)p->n_total * 2 * PORTS * 2 : 0;
}

/* Rank by rank: leg, port, sending or receiving. */
static uint32_t resource(const struct ms_port_rates *p, int group, uint32_t rank, int leg, int port,
                         int receives)
{
    uint32_t of = (uint32_t)group * (uint32_t)p->n_ranks + rank;
    return p->first_link + ((of * 2 + (uint32_t)leg) * PORTS + (uint32_t)port) * 2 +
           (uint32_t)receives;
}

double ms_port_rates_capacity(const struct ms_port_rates *p, size_t i)
{
    double Bps = rate(p, (int)(i / 2 % PORTS), (int)(i / 2 / PORTS % 2));
    return Bps < INFINITY ? Bps : 1; /* used by nobody */
}

/* The link next to an end of the route: its flows have no more than that. */
static double end_link_Bps(const struct ms_port_rates *p, uint32_t link)
{
    return p->shared[link] ? p->capacity_Bps[link] : INFINITY;
}

size_t ms_port_rates_route(const struct ms_port_rates *p, const struct ms_route_table *t, int group,
                           uint32_t src, uint32_t dst, int leg, uint32_t *out)
{
    uint32_t route = ms_route_table_known(t, group, src, dst);
    const uint32_t *link = t->link + t->first[route];
    size_t n = (size_t)(t->first[route + 1] - t->first[route]), n_out = n;
    const int *node = p->layout[group].node;
    int port = node[src] == node[dst] ? NVLINK : NIC;
    memcpy(out, link, n * sizeof *out);
    if (n && rate(p, port, leg) < end_link_Bps(p, link[0]))
        out[n_out++] = resource(p, group, src, leg, port, 0);
    if (n && rate(p, port, leg) < end_link_Bps(p, link[n - 1]))
        out[n_out++] = resource(p, group, dst, leg, port, 1);
    return n_out;
}

/* The first rank of the group on the same node as `rank`, or on another; -1: none. */
static int peer(const struct ms_layout *l, int rank, bool near)
{
    for (int r = 0; r < l->n_ranks; r++)
        if (r != rank && (l->node[r] == l->node[rank]) == near)
            return r;
    return -1;
}

/* The link at a rank's end of a route to or from a peer; UINT32_MAX: none, or one of every flow's own
 * rate. */
static enum ms_status end_link(const struct ms_port_rates *p, struct ms_route_table *t, int group,
                               int rank, int other, bool receives, uint32_t *link,
                               struct ms_err *err)
{
    uint32_t route;
    *link = UINT32_MAX;
    if (other < 0)
        return MS_OK;
    enum ms_status s =
        ms_route_table_get(t, group, receives ? other : rank, receives ? rank : other, &route, err);
    if (s != MS_OK || t->first[route] == t->first[route + 1])
        return s;
    uint32_t found = t->link[receives ? t->first[route + 1] - 1 : t->first[route]];
    if (p->shared[found])
        *link = found;
    return MS_OK;
}

/* Are NIC and NVLink of every rank different links? Then lower those of one kind. */
static enum ms_status lower(const struct ms_port_rates *p, struct ms_route_table *t, int port,
                            double Bps, double *capacity_Bps, bool *done, struct ms_err *err)
{
    enum ms_status s = MS_OK;
    *done = true;
    for (int pass = 0; pass < 2 && *done; pass++)
        for (int i = 0; i < 2 * p->n_total && s == MS_OK && *done; i++) {
            int group = i / 2 / p->n_ranks, rank = i / 2 % p->n_ranks;
            const struct ms_layout *l = &p->layout[group];
            uint32_t own, other;
            s = end_link(p, t, group, rank, peer(l, rank, port == NVLINK), i % 2, &own, err);
            if (s == MS_OK)
                s = end_link(p, t, group, rank, peer(l, rank, port != NVLINK), i % 2, &other, err);
            if (s != MS_OK || own == UINT32_MAX)
                continue;
            *done = own != other;
            if (pass == 1 && capacity_Bps[own] > Bps)
                capacity_Bps[own] = Bps;
        }
    return s;
}

enum ms_status ms_port_rates_lower(struct ms_port_rates *p, struct ms_route_table *t,
                                   double *capacity_Bps, struct ms_err *err)
{
    enum ms_status s = MS_OK;
    for (int port = NIC; port < PORTS && s == MS_OK; port++) {
        double *Bps = port == NIC ? p->nic_Bps : p->nvlink_Bps;
        bool done = false;
        if (Bps[0] == Bps[1] && Bps[0] < INFINITY)
            s = lower(p, t, port, Bps[0], capacity_Bps, &done, err);
        if (done)
            Bps[0] = Bps[1] = INFINITY;
    }
    return s;
}
