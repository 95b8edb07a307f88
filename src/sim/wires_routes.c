/* Routes that are no pair's: one for each port, channel and cable, so that flows can use them beside their
 * pair's; which of them can bind at all; and what is tied together from the start. */
#include "sim/wires_parts.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/huge.h"
/* The routes that were learnt since. Where paths are hashed, none is a pair's. */
enum ms_status ms_wires_lend_routes(struct ms_wires *f)
{
    const struct ms_route_table *r = f->routes;
    if (f->paths.hashed)
        return MS_OK;
    return f->status = ms_fluid_lend(f->fluid, r->link, r->first, r->n_routes, f->err);
}

enum ms_status ms_wires_channels(struct ms_wires *f, const struct ms_wires_channels *channels)
{
    uint32_t n = 2 * (uint32_t)channels->n_total;
    f->channels = *channels;
    f->channel_route = malloc((n + 1u) * sizeof *f->channel_route);
    if (!f->channel_route)
        return ms_wires_no_memory(f);
    for (uint32_t i = 0; i < n && f->status == MS_OK; i++) {
        uint32_t link = channels->first_link + i;
        f->status = ms_fluid_route(f->fluid, &link, 1, &f->channel_route[i], f->err);
    }
    return f->status;
}

enum ms_status ms_wires_hold_rates(struct ms_wires *f, const struct ms_held_rates *held,
                                   uint32_t first_link)
{
    f->held = *held;
    f->held_route = malloc((held->n_rates + 1) * sizeof *f->held_route);
    if (!f->held_route)
        return ms_wires_no_memory(f);
    for (uint32_t i = 0; i < held->n_rates && f->status == MS_OK; i++) {
        uint32_t link = first_link + i;
        f->status = ms_fluid_route(f->fluid, &link, 1, &f->held_route[i], f->err);
    }
    return f->status;
}

void ms_wires_rates(struct ms_wires *f, const struct ms_port_rates *rates)
{
    f->rates = *rates;
    f->has_rates = true;
}

/* Room for every known route in the table of a leg; new ones are not made yet. */
bool ms_wires_hold_rated(struct ms_wires *f, int leg)
{
    uint32_t n = f->routes->n_routes, had = f->n_rated[leg];
    if (n <= had)
        return true;
    uint32_t *p = ms_huge_realloc(f->rated_route[leg], n * sizeof *p);
    if (!p)
        return false;
    for (uint32_t i = had; i < n; i++)
        p[i] = MS_FLUID_NO_ROUTE;
    f->rated_route[leg] = p;
    f->n_rated[leg] = n;
    return true;
}

/* A pair's route with its ports' own rates, told to the solver when it is first used. */
static uint32_t rated_route(struct ms_wires *f, const struct ms_wires_leg *leg, uint32_t route,
                            uint32_t src, uint32_t dst)
{
    uint32_t *known = &f->rated_route[leg->leg][route];
    size_t n_links = (size_t)(f->routes->first[route + 1] - f->routes->first[route]);
    if (*known != MS_FLUID_NO_ROUTE || f->status)
        return *known;
    uint32_t *link = malloc((n_links + 2) * sizeof *link);
    if (!link) {
        ms_wires_no_memory(f);
        return *known;
    }
    size_t n = ms_port_rates_route(&f->rates, f->routes, leg->group, src, dst, leg->leg, link);
    if (n == n_links)
        *known = MS_FLUID_LENT + route;
    else
        f->status = ms_fluid_route(f->fluid, link, n, known, f->err);
    free(link);
    return *known;
}

void ms_wires_paths(struct ms_wires *f, const struct ms_paths *paths)
{
    f->paths = *paths;
}

/* Flows that a message is. */
uint32_t ms_wires_parts_of_message(const struct ms_wires *f)
{
    return f->paths.hashed ? f->paths.queue_pairs : 1;
}

bool ms_wires_hold_paths(struct ms_wires *f, int leg)
{
    size_t n = (size_t)f->routes->n_routes * ms_wires_parts_of_message(f);
    if (n <= f->n_paths[leg])
        return true;
    uint32_t *p = n < UINT32_MAX ? ms_huge_realloc(f->path_route[leg], n * sizeof *p) : NULL;
    if (!p)
        return false;
    for (size_t i = f->n_paths[leg]; i < n; i++)
        p[i] = MS_FLUID_NO_ROUTE;
    f->path_route[leg] = p;
    f->n_paths[leg] = (uint32_t)n;
    return true;
}

/* The route of one queue pair of a pair over cables of its own, with its ports' rates where they
 * have some; told to the solver when it is first used. */
uint32_t ms_wires_path_route(struct ms_wires *f, const struct ms_wires_leg *leg, uint32_t src,
                             uint32_t dst, uint32_t queue_pair)
{
    uint32_t route = ms_route_table_known(f->routes, leg->group, src, dst);
    uint32_t *known = &f->path_route[leg->leg][route * f->paths.queue_pairs + queue_pair];
    uint32_t base = (uint32_t)leg->group * (uint32_t)f->routes->n_ranks;
    size_t n = (size_t)(f->routes->first[route + 1] - f->routes->first[route]);
    if (*known != MS_FLUID_NO_ROUTE || f->status)
        return *known;
    uint32_t *link = malloc((n + 2) * sizeof *link);
    if (!link) {
        ms_wires_no_memory(f);
        return *known;
    }
    if (f->has_rates && ms_port_rates_act(&f->rates, leg->leg))
        n = ms_port_rates_route(&f->rates, f->routes, leg->group, src, dst, leg->leg, link);
    else
        memcpy(link, f->routes->link + f->routes->first[route], n * sizeof *link);
    ms_paths_choose(&f->paths, base + src, base + dst, queue_pair, link, n);
    f->status = ms_fluid_route(f->fluid, link, n, known, f->err);
    free(link);
    return *known;
}

/* A flow leaves or reaches a port over this link. */
static void note_port_link(struct ms_wires *f, struct ms_wires_port *p, uint32_t link)
{
    for (uint32_t i = 0; i < p->n_links; i++)
        if (p->link[i] == link)
            return;
    if (p->n_links == MS_WIRES_PORT_LINKS || link == UINT32_MAX) {
        p->Bps = INFINITY;
        return;
    }
    p->link[p->n_links++] = link;
    p->Bps += f->ports.capacity_Bps[link];
}

/* The first and the last link of a route that flows share; UINT32_MAX: none. */
static void end_links(const struct ms_wires *f, uint32_t route, uint32_t *first, uint32_t *last)
{
    const struct ms_route_table *r = f->routes;
    *first = *last = UINT32_MAX;
    for (uint64_t i = r->first[route]; i < r->first[route + 1]; i++) {
        if (!f->ports.shared[r->link[i]])
            continue;
        *first = *first == UINT32_MAX ? r->link[i] : *first;
        *last = r->link[i];
    }
}

/* A hop of so many messages a byte: can it make one of its ports wait? A port's flows have no more
 * bytes a second than the links next to it, so no more than these times the messages a byte. */
static bool can_bind(struct ms_wires *f, int group, uint32_t src, uint32_t dst, double per_byte)
{
    const struct ms_layout *l = &f->ports.layout[group];
    uint32_t base = (uint32_t)group * (uint32_t)f->ports.n_ranks, first, last;
    if (l->node[src] == l->node[dst])
        return false;
    struct ms_wires_port *out = &f->port[2 * (base + src)], *in = &f->port[2 * (base + dst) + 1];
    end_links(f, ms_route_table_known(f->routes, group, src, dst), &first, &last);
    note_port_link(f, out, first);
    note_port_link(f, in, last);
    return per_byte * (out->Bps > in->Bps ? out->Bps : in->Bps) * f->ports.gap_s > 1;
}

/* Can a leg's messages bind anywhere? A later leg's heavier ones are told by that leg; its ports'
 * other flows under way then are those of legs before it, whose own messages do not bind. */
void ms_wires_judge_ports(struct ms_wires *f, const struct ms_wires_leg *leg)
{
    const struct ms_leg *plan = leg->exec->leg;
    for (uint32_t k = 0; !f->ports_bind && k < plan->n_flows; k++) {
        struct ms_leg_stream s;
        bool streams = ms_leg_stream_of(plan, k, &s);
        double per_byte = ms_leg_messages(plan, k) / plan->bytes[k];
        if (ms_leg_has_main(plan, k))
            f->ports_bind = can_bind(f, leg->group, plan->src[k], plan->dst[k], per_byte);
        if (!streams || s.kind != MS_STREAM_OUT || s.n_parts != 1 || f->ports_bind)
            continue;
        struct ms_leg_part p = ms_leg_part_of(plan, &s, 0);
        f->ports_bind = can_bind(f, leg->group, p.src, p.dst, per_byte);
    }
}

/* The solver's route of a pair: with its ports' own rates where they have some in this leg. */
uint32_t ms_wires_known_route(struct ms_wires *f, const struct ms_wires_leg *leg, uint32_t src,
                              uint32_t dst, uint32_t queue_pair)
{
    if (f->paths.hashed)
        return ms_wires_path_route(f, leg, src, dst, queue_pair);
    uint32_t route = ms_route_table_known(f->routes, leg->group, src, dst);
    return f->has_rates && ms_port_rates_act(&f->rates, leg->leg)
               ? rated_route(f, leg, route, src, dst)
               : MS_FLUID_LENT + route;
}

/* A stream's channels with one of its hops. */
static enum ms_status tie_channels(struct ms_wires *f, const struct ms_wires_leg *leg,
                                   const struct ms_leg_stream *s, uint32_t one)
{
    const struct ms_leg *plan = leg->exec->leg;
    uint32_t k = s->flow;
    uint32_t base = (uint32_t)leg->group * (uint32_t)f->channels.n_ranks;
    bool in = s->kind == MS_STREAM_IN, local = s->kind == MS_STREAM_LOCAL;
    uint32_t owner = in ? plan->dst[k] : plan->src[k],
             forwarder = in || local ? plan->src[k] : plan->dst[k];
    uint32_t uses[] = {one, f->channel_route[2 * (base + owner)],
                       f->channel_route[2 * (base + forwarder) + 1]};
    return ms_fluid_tie(f->fluid, uses, 3, f->err);
}

/* The routes that a flow of the plan uses together: a stream's hops, and ports where messages can
 * bind. Said once, before anything moves. */
static enum ms_status tie_flow(struct ms_wires *f, const struct ms_wires_leg *leg, uint32_t k)
{
    const struct ms_leg *plan = leg->exec->leg;
    struct ms_leg_stream s;
    bool streams = ms_leg_stream_of(plan, k, &s);
    uint32_t base = (uint32_t)leg->group * (uint32_t)f->ports.n_ranks, one = MS_FLUID_NO_ROUTE;
    enum ms_status status = MS_OK;
    if (ms_leg_has_main(plan, k)) {
        one = ms_wires_known_route(f, leg, plan->src[k], plan->dst[k], 0);
        uint32_t uses[] = {one, one, one};
        if (f->ports_bind) {
            uses[1] = f->port_route[2 * (base + plan->src[k])];
            uses[2] = f->port_route[2 * (base + plan->dst[k]) + 1];
            status = ms_fluid_tie(f->fluid, uses, 3, f->err);
        }
    }
    for (uint32_t i = 0; i < s.n_parts && !status; i++) {
        struct ms_leg_part p = ms_leg_part_of(plan, &s, i);
        uint32_t route = ms_wires_known_route(f, leg, p.src, p.dst, 0);
        one = one == MS_FLUID_NO_ROUTE ? route : one;
        status = ms_fluid_tie(f->fluid, (uint32_t[]){one, route}, 2, f->err);
    }
    if (streams && f->channel_route && one != MS_FLUID_NO_ROUTE && !status)
        status = tie_channels(f, leg, &s, one);
    return status;
}

enum ms_status ms_wires_tie_flows(struct ms_wires *f, const struct ms_wires_leg *leg)
{
    const struct ms_leg *plan = leg->exec->leg;
    enum ms_status s = MS_OK;
    for (uint32_t k = 0; k < plan->n_flows && !s && (plan->n_streams || f->ports_bind); k++)
        s = tie_flow(f, leg, k);
    return f->status = s;
}

/* A hop's route, and in a dispatch the way back as the combine will take it. */
static void learn(struct ms_wires *f, const struct ms_wires_leg *leg, uint32_t src, uint32_t dst,
                  uint32_t queue_pair)
{
    const struct ms_wires_leg back = {.group = leg->group, .leg = 1};
    ms_wires_known_route(f, leg, src, dst, queue_pair);
    if (leg->leg == 0 && !f->paths.hashed && ms_route_table_has(f->routes, leg->group, dst, src))
        ms_wires_known_route(f, &back, dst, src, queue_pair);
}

/* All routes of a plan that are made for it, before its first flow: each time there are new ones the
 * solver finds anew which links can bind. */
enum ms_status ms_wires_learn_routes(struct ms_wires *f, const struct ms_wires_leg *leg)
{
    const struct ms_leg *plan = leg->exec->leg;
    bool rated =
        f->has_rates && (ms_port_rates_act(&f->rates, 0) || ms_port_rates_act(&f->rates, 1));
    uint32_t n = f->paths.hashed ? f->paths.queue_pairs : rated ? 1 : 0;
    for (uint32_t q = 0; q < n; q++) {
        for (uint32_t k = 0; k < plan->n_flows; k++)
            if (ms_leg_has_main(plan, k))
                learn(f, leg, plan->src[k], plan->dst[k], q);
        for (uint32_t k = 0; k < plan->n_flows && plan->n_parts; k++) {
            struct ms_leg_stream s;
            ms_leg_stream_of(plan, k, &s);
            for (uint32_t i = 0; i < s.n_parts; i++) {
                struct ms_leg_part p = ms_leg_part_of(plan, &s, i);
                learn(f, leg, p.src, p.dst, q);
            }
        }
    }
    return f->status;
}
