/* Lays the links of a run for the fluid solver: the platform's, and the resources of ranks, cables and
 * held flows behind them. */
#include "sim/solver_links.h"

#include <stdlib.h>
#include <string.h>

#include "sim/cause.h"

static struct ms_wires_ports ports_of(const struct ms_core *c)
{
    return (struct ms_wires_ports){.gap_s = c->gap_s,
                                   .adds = c->gap_adds,
                                   .cross_rail_factor = c->kernels.kernels->cross_rail_factor,
                                   .first_link = (uint32_t)c->platform.n_links,
                                   .n_ranks = c->n_ranks,
                                   .n_total = c->n_total,
                                   .layout = c->platform.layout,
                                   .capacity_Bps = c->out->link_bandwidth,
                                   .shared = c->platform.link_shared};
}

/* What the kernels get of their ports: the section's own rates, fan-in and the slow-down of a GPU that
 * computes meanwhile. */
static struct ms_port_rates rates_of(struct ms_core *c, size_t n_before)
{
    struct ms_route_ask ask = {c, 0};
    struct ms_leg_problem wire = {
        .layout = &c->platform.layout[0], .route = ms_route_hint_of, .ctx = &ask};
    struct ms_port_rates r = {.first_link = (uint32_t)n_before,
                              .n_ranks = c->n_ranks,
                              .n_total = c->n_total,
                              .layout = c->platform.layout,
                              .capacity_Bps = c->out->link_bandwidth,
                              .shared = c->platform.link_shared};
    for (int leg = 0; leg < 2; leg++)
        ms_kernel_rates(&c->kernels, leg, &wire, &r.nic_Bps[leg], &r.nvlink_Bps[leg]);
    return r;
}

/* Cables that are down from the start and for good: queue pairs are hashed to the others. */
static const bool *cables_down(struct ms_core *c, const struct ms_paths *p)
{
    const struct ms_platform_events *e = &c->platform.events;
    bool *down = MS_NEW(&c->arena, bool, (size_t)p->n_extra + 1);
    bool *up = MS_NEW(&c->arena, bool, (size_t)p->n_extra + 1); /* at some time */
    if (!down || !up)
        return NULL;
    for (size_t i = 0; i < e->n_events; i++) {
        const struct ms_link_event *v = &e->event[i];
        if (v->cable < 0 || p->cables[v->link] < 2)
            continue;
        uint32_t k = p->first[v->link] + (uint32_t)v->cable - p->first_extra;
        up[k] = up[k] || v->capacity_Bps > 0;
        down[k] = down[k] || v->at_s <= 0;
    }
    for (uint32_t k = 0; k < p->n_extra; k++)
        down[k] = down[k] && !up[k];
    return down;
}

/* Which links are cables, in every run alike; which of them is taken, in every repeat anew. */
static enum ms_status hash_paths(struct ms_core *c, struct ms_paths *p, uint32_t first_extra)
{
    const struct ms_network_params *w = &c->in->params->network;
    if (w->multipath != MS_PATHS_ECMP)
        return MS_OK;
    if (!p->hashed && !ms_paths_init(p, c->in->platform, c->out->link_name,
                                     (uint32_t)c->platform.n_links, first_extra, &c->arena))
        return ms_core_fail(c, MS_NOMEM, "out of memory for the cables of links");
    if (!p->hashed && !(p->down = cables_down(c, p)))
        return ms_core_fail(c, MS_NOMEM, "out of memory for the cables of links");
    p->hashed = true;
    p->queue_pairs = w->queue_pairs > 1 ? (uint32_t)w->queue_pairs : 1;
    p->seed = c->in->seed;
    p->repeat = c->run.repeat;
    return MS_OK;
}

/* A flow over cables of a link has no one rate to be held to. */
static enum ms_status find_held(struct ms_core *c, struct ms_solver_links *l)
{
    if (!l->held_known && !l->paths.hashed &&
        !ms_held_rates_make(&c->platform.events, c->out->link_bandwidth, &c->arena, &l->held))
        return ms_core_fail(c, MS_NOMEM, "out of memory for the events of links");
    l->held_known = true;
    return MS_OK;
}

/* Which there are. Rates that are simply a link's are put into capacity_Bps [platform's links]. */
static enum ms_status count(struct ms_core *c, struct ms_solver_links *l, double *capacity_Bps)
{
    bool steady = !c->platform.events.n_events && !c->platform.events.n_outages;
    l->n_platform = (size_t)c->platform.n_links;
    l->ports = ports_of(c);
    memcpy(capacity_Bps, c->out->link_bandwidth, l->n_platform * sizeof *capacity_Bps);
    l->n_ports = l->ports.gap_s > 0 ? 2 * (size_t)c->n_total : 0;
    l->rates = rates_of(c, l->n_platform + l->n_ports);
    if (steady && !l->ports.adds) {
        enum ms_status s =
            ms_port_rates_lower(&l->rates, &c->platform.routes, capacity_Bps, c->err);
        if (s != MS_OK)
            return s;
    }
    l->n_rates = ms_port_rates_links(&l->rates);
    c->n_rate_links = (int)l->n_rates;
    l->n_channels = ms_kernel_passes_on(&c->kernels) ? 2 * (size_t)c->n_total : 0;
    l->channels = (struct ms_wires_channels){(uint32_t)(l->n_platform + l->n_ports + l->n_rates),
                                             c->n_ranks, c->n_total};
    uint32_t first_cable = l->channels.first_link + (uint32_t)l->n_channels;
    enum ms_status s = hash_paths(c, &l->paths, first_cable);
    if (s == MS_OK)
        s = find_held(c, l);
    l->first_held = first_cable + l->paths.n_extra;
    l->n = l->first_held + l->held.n_rates;
    return s;
}

static void fill(const struct ms_core *c, const struct ms_solver_links *l,
                 const double *capacity_Bps, struct ms_fluid_link *links)
{
    const struct ms_paths *p = &l->paths;
    struct ms_fluid_link *at = links;
    for (size_t i = 0; i < l->n_platform; i++)
        *at++ = (struct ms_fluid_link){capacity_Bps[i], !c->platform.link_shared[i]};
    for (size_t i = 0; i < l->n_ports; i++)
        *at++ = (struct ms_fluid_link){ms_wires_port_capacity(&l->ports), false};
    for (size_t i = 0; i < l->n_rates; i++)
        *at++ = (struct ms_fluid_link){ms_port_rates_capacity(&l->rates, i), false};
    for (size_t i = 0; i < l->n_channels; i++)
        *at++ = (struct ms_fluid_link){1, false};
    for (uint32_t k = 0; p->n_extra && k < l->n_platform; k++)
        for (uint32_t i = 0; p->cables[k] > 1 && i < p->cables[k]; i++)
            links[p->first[k] + i] =
                (struct ms_fluid_link){links[k].capacity_Bps / p->cables[k], links[k].fatpipe};
    at += p->n_extra;
    for (size_t i = 0; i < l->held.n_rates; i++)
        *at++ = (struct ms_fluid_link){l->held.Bps[i], true};
}

enum ms_status ms_solver_links_lay(struct ms_core *c, struct ms_solver_links *l,
                                   struct ms_fluid_link **out)
{
    double *capacity_Bps = malloc(((size_t)c->platform.n_links + 1) * sizeof *capacity_Bps);
    *out = NULL;
    if (!capacity_Bps)
        return ms_core_fail(c, MS_NOMEM, "out of memory for %d links", c->platform.n_links);
    enum ms_status s = count(c, l, capacity_Bps);
    if (s == MS_OK && !(*out = calloc(l->n + 1, sizeof **out)))
        s = ms_core_fail(c, MS_NOMEM, "out of memory for %zu links", l->n);
    if (s == MS_OK)
        fill(c, l, capacity_Bps, *out);
    free(capacity_Bps);
    return s;
}

enum ms_status ms_solver_links_wire(struct ms_core *c, const struct ms_solver_links *l,
                                    struct ms_wires *wires)
{
    enum ms_status s = MS_OK;
    ms_wires_paths(wires, &l->paths);
    if (l->n_rates)
        ms_wires_rates(wires, &l->rates);
    if (l->n_channels)
        s = ms_wires_channels(wires, &l->channels);
    if (s == MS_OK && (c->platform.events.n_events || c->platform.events.n_outages))
        s = ms_wires_weather(wires, &c->platform.events, l->n);
    if (s == MS_OK && l->held.n_rates)
        s = ms_wires_hold_rates(wires, &l->held, l->first_held);
    return s;
}

/* A cable of a link that stands for several, by that link. */
static uint32_t cable_of(const struct ms_paths *p, uint32_t link)
{
    for (uint32_t l = 0; l < p->n_links && link != UINT32_MAX; l++)
        if (p->cables[l] > 1 && link >= p->first[l] && link < p->first[l] + p->cables[l])
            return MS_CAUSE_CABLE | l;
    return link;
}

bool ms_solver_links_rename(const struct ms_solver_links *l)
{
    return l->paths.n_extra > 0 || l->held.n_rates > 0;
}

uint32_t ms_solver_links_meant(const struct ms_solver_links *l, uint32_t link)
{
    if (l->held.n_rates && link >= l->first_held && link - l->first_held < l->held.n_rates)
        return l->held.link_of[link - l->first_held];
    return l->paths.hashed ? cable_of(&l->paths, link) : link;
}
