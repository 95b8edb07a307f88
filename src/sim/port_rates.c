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
