/* From plans to the solver and back: a gate becomes a batch of flows, joins with flows become
 * sinks, a finished sink tells the plan's engine. */
#include "sim/wires.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static enum ms_status no_memory(struct ms_wires *f)
{
    return f->status = ms_err_set(f->err, MS_NOMEM, "out of memory for flows");
}

/* A route of its own for each port link, so that flows can use it beside their pair's. */
static enum ms_status register_ports(struct ms_wires *f)
{
    uint32_t n = f->ports.gap_s > 0 ? 2u * (uint32_t)f->ports.n_total : 0;
    enum ms_status s = MS_OK;
    f->port_route = malloc((n + 1u) * sizeof *f->port_route);
    f->port = calloc(n + 1u, sizeof *f->port);
    f->ports_bind = n && (f->ports.adds || !f->ports.capacity_Bps);
    if (!f->port_route || !f->port)
        return no_memory(f);
    for (uint32_t i = 0; i < n && s == MS_OK; i++) {
        uint32_t link = f->ports.first_link + i;
        s = ms_fluid_route(f->fluid, &link, 1, &f->port_route[i], f->err);
    }
    return f->status = s;
}

enum ms_status ms_wires_init(struct ms_wires *f, struct ms_fluid *fluid,
                             struct ms_route_table *routes, const struct ms_wires_ports *ports,
                             struct ms_err *err)
{
    memset(f, 0, sizeof *f);
    f->fluid = fluid;
    f->routes = routes;
    f->err = err;
    f->add_latency = true;
    if (ports)
        f->ports = *ports;
    return register_ports(f);
}

void ms_wires_finish(struct ms_wires *f)
{
    if (!f)
        return;
    free(f->fluid_route);
    free(f->port_route);
    free(f->port);
    free(f->channel_route);
    free(f->rated_route[0]);
    free(f->rated_route[1]);
    free(f->path_route[0]);
    free(f->path_route[1]);
    free(f->leg);
    free(f->batch);
    free(f->use);
    free(f->also);
    free(f->started);
    free(f->events);
    memset(f, 0, sizeof *f);
}

void ms_wires_leg_finish(struct ms_wires_leg *leg)
{
    free(leg->sink);
    free(leg->rank_bytes);
    leg->sink = NULL;
    leg->rank_bytes = NULL;
    leg->sink_cap = leg->rank_cap = 0;
}

/* Tags of outages; those of legs have the leg's slot in the upper half. */
#define OUTAGE_SLOT UINT32_MAX

/* An event at the time when something goes off: a flow of nothing that ends then. */
static enum ms_status announce(struct ms_wires *f, uint32_t outage, double at_s)
{
    struct ms_fluid_flow nothing = {.start_s = at_s, .route = MS_FLUID_NO_ROUTE};
    enum ms_status s =
        ms_fluid_open(f->fluid, 1, (uint64_t)OUTAGE_SLOT << 32 | outage, &nothing.sink, f->err);
    return s == MS_OK ? ms_fluid_add(f->fluid, &nothing, 1, f->err) : s;
}

/* Every cable of a link changes alike. */
static enum ms_status change(struct ms_wires *f, const struct ms_link_event *e)
{
    const struct ms_paths *p = &f->paths;
    uint32_t n = p->hashed ? p->cables[e->link] : 1,
             first = p->hashed ? p->first[e->link] : e->link;
    enum ms_status s = MS_OK;
    for (uint32_t i = 0; i < n && s == MS_OK; i++)
        s = ms_fluid_set_capacity(f->fluid, first + i, e->at_s, e->capacity_Bps / n, f->err);
    return s;
}

enum ms_status ms_wires_weather(struct ms_wires *f, const struct ms_platform_events *e,
                                size_t n_links)
{
    enum ms_status s = MS_OK;
    f->weather = e;
    f->n_links = n_links;
    f->ports_bind = f->ports.gap_s > 0; /* rates change: the bounds below do not hold */
    f->started = calloc(e->n_outages + 1, sizeof *f->started);
    if (!f->started)
        return no_memory(f);
    for (size_t i = 0; i < e->n_events && s == MS_OK; i++)
        s = change(f, &e->event[i]);
    for (size_t i = 0; i < e->n_outages && s == MS_OK; i++)
        s = announce(f, (uint32_t)i, e->outage[i].from_s);
    return f->status = s;
}

static void fail_off(struct ms_wires *f, const struct ms_outage *off)
{
    f->status = ms_err_set(f->err, MS_INFEASIBLE,
                           "%s goes off %.9g s after the start, and the exchange needs it",
                           off->what, off->from_s);
}

/* Something goes off: a host, or a link that has not carried all that was started over it. */
static enum ms_status go_off(struct ms_wires *f, uint32_t outage)
{
    const struct ms_outage *off = &f->weather->outage[outage];
    double carried = 0, started = f->started[outage];
    if (!off->host) {
        double *bytes = malloc((f->n_links + 1) * sizeof *bytes);
        if (!bytes)
            return no_memory(f);
        ms_fluid_link_bytes(f->fluid, bytes);
        const struct ms_paths *p = &f->paths;
        carried = p->hashed ? ms_paths_sum(p, bytes, off->link) : bytes[off->link];
        free(bytes);
    }
    if (off->host || started - carried > 1e-9 * started)
        fail_off(f, off);
    return f->status;
}

/* A flow starts: over a link that is off it cannot; over one that will go off it is remembered. */
static void watch(struct ms_wires *f, int group, uint32_t src, uint32_t dst, double bytes,
                  double at_s)
{
    const struct ms_route_table *r = f->routes;
    uint32_t route = ms_route_table_known(r, group, src, dst);
    for (uint64_t i = r->first[route]; i < r->first[route + 1]; i++)
        for (size_t k = 0; k < f->weather->n_outages; k++) {
            const struct ms_outage *off = &f->weather->outage[k];
            if (off->link != r->link[i])
                continue;
            f->started[k] += bytes;
            if (off->from_s <= at_s && at_s < off->to_s)
                fail_off(f, off);
        }
}

static void watch_flow(struct ms_wires *f, const struct ms_wires_leg *leg, uint32_t k, double at_s)
{
    const struct ms_leg *plan = leg->exec->leg;
    const struct ms_leg_stream *s = ms_leg_stream_of(plan, k);
    if (ms_leg_has_main(plan, k))
        watch(f, leg->group, plan->src[k], plan->dst[k], plan->bytes[k], at_s);
    for (uint32_t i = 0; s && i < s->n_parts; i++) {
        const struct ms_leg_part *p = &plan->parts[s->first_part + i];
        watch(f, leg->group, p->src, p->dst, p->bytes, at_s);
    }
}

/* Tell the solver every route that was learnt since. */
static enum ms_status register_routes(struct ms_wires *f)
{
    const struct ms_route_table *r = f->routes;
    if (r->n_routes > f->register_cap) {
        uint32_t *p = realloc(f->fluid_route, r->n_routes * sizeof *p);
        if (!p)
            return no_memory(f);
        f->fluid_route = p;
        f->register_cap = r->n_routes;
    }
    for (uint32_t i = f->n_registered; i < r->n_routes; i++) {
        enum ms_status s =
            ms_fluid_route(f->fluid, r->link + r->first[i], (size_t)(r->first[i + 1] - r->first[i]),
                           &f->fluid_route[i], f->err);
        if (s)
            return f->status = s;
    }
    f->n_registered = r->n_routes;
    return MS_OK;
}

enum ms_status ms_wires_channels(struct ms_wires *f, const struct ms_wires_channels *channels)
{
    uint32_t n = 2 * (uint32_t)channels->n_total;
    f->channels = *channels;
    f->channel_route = malloc((n + 1u) * sizeof *f->channel_route);
    if (!f->channel_route)
        return no_memory(f);
    for (uint32_t i = 0; i < n && f->status == MS_OK; i++) {
        uint32_t link = channels->first_link + i;
        f->status = ms_fluid_route(f->fluid, &link, 1, &f->channel_route[i], f->err);
    }
    return f->status;
}

void ms_wires_rates(struct ms_wires *f, const struct ms_port_rates *rates)
{
    f->rates = *rates;
    f->has_rates = true;
}

/* Room for every known route in the table of a leg; new ones are not made yet. */
static bool hold_rated(struct ms_wires *f, int leg)
{
    uint32_t n = f->routes->n_routes, had = f->n_rated[leg];
    if (n <= had)
        return true;
    uint32_t *p = realloc(f->rated_route[leg], n * sizeof *p);
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
        no_memory(f);
        return *known;
    }
    size_t n = ms_port_rates_route(&f->rates, f->routes, leg->group, src, dst, leg->leg, link);
    if (n == n_links)
        *known = f->fluid_route[route];
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
static uint32_t parts_of_message(const struct ms_wires *f)
{
    return f->paths.hashed ? f->paths.queue_pairs : 1;
}

static bool hold_paths(struct ms_wires *f, int leg)
{
    size_t n = (size_t)f->routes->n_routes * parts_of_message(f);
    if (n <= f->n_paths[leg])
        return true;
    uint32_t *p = n < UINT32_MAX ? realloc(f->path_route[leg], n * sizeof *p) : NULL;
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
static uint32_t path_route(struct ms_wires *f, const struct ms_wires_leg *leg, uint32_t src,
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
        no_memory(f);
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
static void judge_ports(struct ms_wires *f, const struct ms_wires_leg *leg)
{
    const struct ms_leg *plan = leg->exec->leg;
    for (uint32_t k = 0; !f->ports_bind && k < plan->n_flows; k++) {
        const struct ms_leg_stream *s = ms_leg_stream_of(plan, k);
        double per_byte = plan->messages[k] / plan->bytes[k];
        if (ms_leg_has_main(plan, k))
            f->ports_bind = can_bind(f, leg->group, plan->src[k], plan->dst[k], per_byte);
        if (!s || s->kind != MS_STREAM_OUT || s->n_parts != 1 || f->ports_bind)
            continue;
        const struct ms_leg_part *p = &plan->parts[s->first_part];
        f->ports_bind = can_bind(f, leg->group, p->src, p->dst, per_byte);
    }
}

/* The solver's route of a pair: with its ports' own rates where they have some in this leg. */
static uint32_t known_route(struct ms_wires *f, const struct ms_wires_leg *leg, uint32_t src,
                            uint32_t dst, uint32_t queue_pair)
{
    if (f->paths.hashed)
        return path_route(f, leg, src, dst, queue_pair);
    uint32_t route = ms_route_table_known(f->routes, leg->group, src, dst);
    return f->has_rates && ms_port_rates_act(&f->rates, leg->leg)
               ? rated_route(f, leg, route, src, dst)
               : f->fluid_route[route];
}

/* A stream's channels with one of its hops. */
static enum ms_status tie_channels(struct ms_wires *f, const struct ms_wires_leg *leg, uint32_t k,
                                   uint32_t one)
{
    const struct ms_leg *plan = leg->exec->leg;
    const struct ms_leg_stream *s = ms_leg_stream_of(plan, k);
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
    const struct ms_leg_stream *s = ms_leg_stream_of(plan, k);
    uint32_t base = (uint32_t)leg->group * (uint32_t)f->ports.n_ranks, one = MS_FLUID_NO_ROUTE;
    enum ms_status status = MS_OK;
    if (ms_leg_has_main(plan, k)) {
        one = known_route(f, leg, plan->src[k], plan->dst[k], 0);
        uint32_t uses[] = {one, one, one};
        if (f->ports_bind) {
            uses[1] = f->port_route[2 * (base + plan->src[k])];
            uses[2] = f->port_route[2 * (base + plan->dst[k]) + 1];
            status = ms_fluid_tie(f->fluid, uses, 3, f->err);
        }
    }
    for (uint32_t i = 0; s && i < s->n_parts && !status; i++) {
        const struct ms_leg_part *p = &plan->parts[s->first_part + i];
        uint32_t route = known_route(f, leg, p->src, p->dst, 0);
        one = one == MS_FLUID_NO_ROUTE ? route : one;
        status = ms_fluid_tie(f->fluid, (uint32_t[]){one, route}, 2, f->err);
    }
    if (s && f->channel_route && one != MS_FLUID_NO_ROUTE && !status)
        status = tie_channels(f, leg, k, one);
    return status;
}

static enum ms_status tie_flows(struct ms_wires *f, const struct ms_wires_leg *leg)
{
    const struct ms_leg *plan = leg->exec->leg;
    enum ms_status s = MS_OK;
    for (uint32_t k = 0; k < plan->n_flows && !s && (plan->n_streams || f->ports_bind); k++)
        s = tie_flow(f, leg, k);
    return f->status = s;
}

/* All paths of a plan, before its first flow. */
static enum ms_status learn_paths(struct ms_wires *f, const struct ms_wires_leg *leg)
{
    const struct ms_leg *plan = leg->exec->leg;
    for (uint32_t q = 0; f->paths.hashed && q < f->paths.queue_pairs; q++) {
        for (uint32_t k = 0; k < plan->n_flows; k++)
            if (ms_leg_has_main(plan, k))
                path_route(f, leg, plan->src[k], plan->dst[k], q);
        for (uint32_t i = 0; i < plan->n_parts; i++)
            path_route(f, leg, plan->parts[i].src, plan->parts[i].dst, q);
    }
    return f->status;
}

static bool take_slot(struct ms_wires *f, struct ms_wires_leg *leg)
{
    for (uint32_t i = 0; i < f->n_slots; i++)
        if (!f->leg[i]) {
            f->leg[leg->slot = i] = leg;
            return true;
        }
    struct ms_wires_leg **p = realloc(f->leg, (f->n_slots + 1) * sizeof *p);
    if (!p)
        return false;
    f->leg = p;
    f->leg[leg->slot = f->n_slots++] = leg;
    return true;
}

/* What each rank sends, streams counted where they start. */
static bool weigh_ranks(struct ms_wires_leg *leg, const struct ms_leg *plan)
{
    uint32_t n = (uint32_t)plan->n_ranks;
    if (n > leg->rank_cap) {
        free(leg->rank_bytes);
        leg->rank_bytes = malloc(n * sizeof *leg->rank_bytes);
        leg->rank_cap = leg->rank_bytes ? n : 0;
    }
    if (!leg->rank_bytes)
        return false;
    memset(leg->rank_bytes, 0, n * sizeof *leg->rank_bytes);
    for (uint32_t f = 0; f < plan->n_flows; f++)
        leg->rank_bytes[plan->src[f]] += plan->bytes[f];
    return true;
}

enum ms_status ms_wires_open(struct ms_wires *f, struct ms_wires_leg *leg)
{
    const struct ms_leg *plan = leg->exec->leg;
    enum ms_status s = register_routes(f);
    if (s)
        return s;
    if (f->has_rates && ms_port_rates_act(&f->rates, leg->leg) && !hold_rated(f, leg->leg))
        return no_memory(f);
    if (f->paths.hashed && !hold_paths(f, leg->leg))
        return no_memory(f);
    if (plan->n_joins > leg->sink_cap) {
        free(leg->sink);
        leg->sink = malloc(plan->n_joins * sizeof *leg->sink);
        leg->sink_cap = leg->sink ? plan->n_joins : 0;
    }
    if (!leg->sink || (leg->proportional && !weigh_ranks(leg, plan)) || !take_slot(f, leg))
        return no_memory(f);
    if (f->ports.gap_s > 0)
        judge_ports(f, leg);
    s = learn_paths(f, leg);
    if (s == MS_OK)
        s = tie_flows(f, leg);
    for (uint32_t j = 0; j < plan->n_joins && !s; j++)
        if (plan->ends[j])
            s = ms_fluid_open(f->fluid, plan->ends[j] * parts_of_message(f),
                              (uint64_t)leg->slot << 32 | j, &leg->sink[j], f->err);
    return f->status = s;
}

enum ms_status ms_wires_background(struct ms_wires *f, int group, int src, int dst, double bytes,
                                   double start_s)
{
    const struct ms_wires_leg nobody = {.group = group};
    enum ms_status s = register_routes(f);
    if (s == MS_OK && f->paths.hashed && !hold_paths(f, 0))
        s = no_memory(f);
    if (s != MS_OK)
        return f->status = s;
    uint32_t route = ms_route_table_known(f->routes, group, (uint32_t)src, (uint32_t)dst);
    struct ms_fluid_flow flow = {.bytes = bytes, .start_s = start_s, .sink = MS_FLUID_NO_SINK};
    flow.route = f->paths.hashed ? path_route(f, &nobody, (uint32_t)src, (uint32_t)dst, 0)
                                 : f->fluid_route[route];
    return f->status = f->status ? f->status : ms_fluid_add(f->fluid, &flow, 1, f->err);
}

void ms_wires_close(struct ms_wires *f, struct ms_wires_leg *leg)
{
    f->leg[leg->slot] = NULL;
}

/* A flow in the making: its lists grow at the ends of the batch's. */
struct making {
    struct ms_wires *f;
    const struct ms_wires_leg *leg;
    const struct ms_leg *plan;
    struct ms_fluid_flow *out;
    struct ms_fluid_use *use; /* the next free ones */
    uint32_t *also;
    double asked_s, start_s; /* of the flow before: most are the same */
    uint32_t queue_pair;
};

static void tell_too(struct making *m, uint32_t join)
{
    if (join == MS_LEG_NONE)
        return;
    if (m->out->sink == MS_FLUID_NO_SINK) {
        m->out->sink = m->leg->sink[join];
        return;
    }
    *m->also++ = m->leg->sink[join];
    m->out->n_also++;
}

/* Heard already when the first hop is over. */
static void tell_early(struct making *m, uint32_t join)
{
    if (join == MS_LEG_NONE)
        return;
    *m->also++ = m->leg->sink[join];
    m->out->n_also++;
    m->out->n_sent++;
}

static uint32_t pair_route(const struct making *m, uint32_t src, uint32_t dst, double *latency_s)
{
    uint32_t route = ms_route_table_known(m->f->routes, m->leg->group, src, dst);
    double of_route_s = ms_route_table_shape(m->f->routes, route).latency_s;
    *latency_s = of_route_s > *latency_s ? of_route_s : *latency_s;
    return known_route(m->f, m->leg, src, dst, m->queue_pair);
}

/* The ports of both ends of a hop that leaves its node: its messages a byte, at the sender and at
 * the receiver. @return uses made */
static uint32_t use_ports(struct making *m, uint32_t src, uint32_t dst, double bytes,
                          uint32_t messages)
{
    const struct ms_wires_ports *p = &m->f->ports;
    if (!m->f->ports_bind ||
        p->layout[m->leg->group].node[src] == p->layout[m->leg->group].node[dst])
        return 0;
    double weight = messages / bytes;
    if (p->adds) {
        uint32_t route = ms_route_table_known(m->f->routes, m->leg->group, src, dst);
        double Bps = ms_route_table_shape(m->f->routes, route).bandwidth_Bps;
        if (m->f->has_rates && m->f->rates.nic_Bps[m->leg->leg] < Bps)
            Bps = m->f->rates.nic_Bps[m->leg->leg];
        const int *rail = p->layout[m->leg->group].rail;
        weight = weight * p->gap_s + 1 / Bps;
        if (p->cross_rail_factor > 1 && rail[src] != rail[dst])
            weight *= p->cross_rail_factor;
    }
    uint32_t base = (uint32_t)m->leg->group * (uint32_t)p->n_ranks;
    *m->use++ = (struct ms_fluid_use){weight, m->f->port_route[2 * (base + src)]};
    *m->use++ = (struct ms_fluid_use){weight, m->f->port_route[2 * (base + dst) + 1]};
    return 2;
}

/* Fewer bytes than this a message: they would weigh so much on the port that they would stall it;
 * what counts then is messages. */
#define LEAST_BYTES 16

static void make_plain(struct making *m, uint32_t k, double *latency_s)
{
    const struct ms_leg *plan = m->plan;
    struct ms_fluid_flow *o = m->out;
    uint32_t src = plan->src[k], dst = plan->dst[k];
    o->route = pair_route(m, src, dst, latency_s);
    o->with = m->use;
    bool tiny = plan->bytes[k] < (double)LEAST_BYTES * plan->messages[k];
    double bytes = tiny ? plan->messages[k] : plan->bytes[k];
    o->n_with = use_ports(m, src, dst, bytes, plan->messages[k]);
    if (o->n_with && tiny) {
        o->route = MS_FLUID_NO_ROUTE;
        o->bytes = bytes;
        m->f->unwired_bytes += m->queue_pair == 0 ? plan->bytes[k] : 0;
    }
    tell_too(m, plan->end[k]);
    tell_too(m, plan->sent[k]);
}

/* The parts as one hop of a flow of `bytes`. @return uses made */
static uint32_t use_parts(struct making *m, const struct ms_leg_stream *s, double bytes,
                          double *latency_s)
{
    for (uint32_t i = 0; i < s->n_parts; i++) {
        const struct ms_leg_part *p = &m->plan->parts[s->first_part + i];
        uint32_t route = pair_route(m, p->src, p->dst, latency_s);
        *m->use++ = (struct ms_fluid_use){p->bytes / bytes, route};
    }
    return s->n_parts;
}

/* Channels of a rank: the side of its own tokens, or that of what it passes on. @return uses made */
static uint32_t use_channels(struct making *m, uint32_t rank, bool forwards, double work_s,
                             double bytes)
{
    uint32_t base = (uint32_t)m->leg->group * (uint32_t)m->f->channels.n_ranks;
    if (!(work_s > 0) || !m->f->channel_route)
        return 0;
    *m->use++ =
        (struct ms_fluid_use){work_s / bytes, m->f->channel_route[2 * (base + rank) + forwards]};
    return 1;
}

static void tell_parts(struct making *m, const struct ms_leg_stream *s)
{
    for (uint32_t i = 0; i < s->n_parts; i++)
        tell_too(m, m->plan->parts[s->first_part + i].end);
}

/* Main brings, the parts pass on. */
static void make_out(struct making *m, uint32_t k, const struct ms_leg_stream *s, double *latency_s)
{
    const struct ms_leg *plan = m->plan;
    struct ms_fluid_flow *o = m->out;
    double hop_s = 0;
    o->route = pair_route(m, plan->src[k], plan->dst[k], latency_s);
    o->with = m->use;
    o->n_with = use_ports(m, plan->src[k], plan->dst[k], o->bytes, plan->messages[k]);
    o->n_with += use_channels(m, plan->src[k], false, s->owner_s, o->bytes);
    o->then = m->use;
    o->n_then = use_parts(m, s, o->bytes, &hop_s);
    o->n_then += use_channels(m, plan->dst[k], true, s->forwarder_s, o->bytes);
    if (s->n_parts == 1) /* pxn: the second hop is the one that leaves the node */
        o->n_then += use_ports(m, plan->parts[s->first_part].src, plan->parts[s->first_part].dst,
                               o->bytes, plan->messages[k]);
    o->chunk_bytes = s->chunk_bytes;
    *latency_s += hop_s;
    tell_early(m, plan->sent[k]);
    tell_early(m, plan->end[k]);
    tell_parts(m, s);
}

/* The parts bring, main passes on. */
static void make_in(struct making *m, uint32_t k, const struct ms_leg_stream *s, double *latency_s)
{
    const struct ms_leg *plan = m->plan;
    struct ms_fluid_flow *o = m->out;
    double hop_s = 0;
    o->route = MS_FLUID_NO_ROUTE;
    o->with = m->use;
    o->n_with = use_parts(m, s, o->bytes, latency_s);
    o->n_with += use_channels(m, plan->src[k], true, s->forwarder_s, o->bytes);
    o->then = m->use;
    *m->use++ = (struct ms_fluid_use){1, pair_route(m, plan->src[k], plan->dst[k], &hop_s)};
    o->n_then = 1 + use_ports(m, plan->src[k], plan->dst[k], o->bytes, plan->messages[k]);
    o->n_then += use_channels(m, plan->dst[k], false, s->owner_s, o->bytes);
    o->chunk_bytes = s->chunk_bytes;
    *latency_s += hop_s;
    for (uint32_t i = 0; i < s->n_parts; i++)
        tell_early(m, ms_leg_sender(plan, (int)plan->parts[s->first_part + i].src));
    tell_too(m, plan->end[k]);
    tell_too(m, plan->sent[k]);
}

static void make_local(struct making *m, uint32_t k, const struct ms_leg_stream *s,
                       double *latency_s)
{
    struct ms_fluid_flow *o = m->out;
    o->route = MS_FLUID_NO_ROUTE;
    o->with = m->use;
    o->n_with = use_parts(m, s, o->bytes, latency_s);
    o->n_with += use_channels(m, m->plan->src[k], false, s->owner_s, o->bytes);
    o->n_with += use_channels(m, m->plan->src[k], true, s->forwarder_s, o->bytes);
    tell_parts(m, s);
    tell_too(m, m->plan->sent[k]);
}

double ms_wires_on_grid(const struct ms_wires_grid *g, double at_s)
{
    double since_s = at_s - g->epoch_s, least_s = 1e-3 * g->step_s;
    if (!(g->step_s > 0) || since_s <= least_s)
        return at_s;
    double linear_s = g->step_s / g->share; /* from here on */
    if (since_s >= linear_s)
        return g->epoch_s + linear_s + ceil((since_s - linear_s) / g->step_s) * g->step_s;
    double ratio = 1 + g->share, steps = floor(log(linear_s / since_s) / log(ratio));
    return fmax(at_s, g->epoch_s + linear_s * pow(ratio, -steps));
}

static void make(struct making *m, uint32_t k, double at_s)
{
    const struct ms_leg_stream *s = ms_leg_stream_of(m->plan, k);
    double latency_s = 0;
    struct ms_fluid_flow *o = m->out;
    *o = (struct ms_fluid_flow){
        .bytes = m->plan->bytes[k], .sink = MS_FLUID_NO_SINK, .also = m->also};
    if (m->leg->proportional)
        o->share = o->bytes / m->leg->rank_bytes[m->plan->src[k]];
    if (!s)
        make_plain(m, k, &latency_s);
    else if (s->kind == MS_STREAM_OUT)
        make_out(m, k, s, &latency_s);
    else if (s->kind == MS_STREAM_IN)
        make_in(m, k, s, &latency_s);
    else
        make_local(m, k, s, &latency_s);
    double start_s = at_s + (m->f->add_latency ? latency_s : 0);
    if (start_s != m->asked_s) {
        m->asked_s = start_s;
        m->start_s = ms_wires_on_grid(&m->leg->grid, start_s);
    }
    o->start_s = m->start_s;
    uint32_t parts = parts_of_message(m->f);
    if (parts > 1) { /* what each use weighs is a byte's */
        o->bytes /= parts;
        o->chunk_bytes /= parts;
        o->share /= parts;
    }
}

/* At least n items; what they held is not kept. */
static bool hold(void **p, uint32_t *cap, size_t n, size_t size)
{
    if (n <= *cap)
        return true;
    free(*p);
    *p = n < UINT32_MAX / 2 ? malloc(2 * n * size) : NULL;
    *cap = *p ? (uint32_t)(2 * n) : 0;
    return *p != NULL;
}

/* Memory for a batch: a flow has two ports and a sender's sink, a stream its parts and two sides of
 * channels besides. */
static bool hold_batch(struct ms_wires *f, const struct ms_leg *plan, const uint32_t *flow,
                       uint32_t n)
{
    size_t most = 8 * (size_t)n, parts = parts_of_message(f);
    for (uint32_t i = 0; i < n; i++) {
        const struct ms_leg_stream *s = ms_leg_stream_of(plan, flow[i]);
        most += s ? s->n_parts : 0;
    }
    void *batch = f->batch, *use = f->use, *also = f->also;
    bool ok = hold(&batch, &f->batch_cap, n * parts, sizeof *f->batch) &&
              hold(&use, &f->use_cap, most * parts, sizeof *f->use) &&
              hold(&also, &f->also_cap, most * parts, sizeof *f->also);
    f->batch = batch;
    f->use = use;
    f->also = also;
    return ok;
}

void ms_wires_start(struct ms_wires *f, struct ms_wires_leg *leg, const uint32_t *flow,
                    const double *at_s, uint32_t n)
{
    const struct ms_leg *plan = leg->exec->leg;
    if (f->status)
        return;
    if (!hold_batch(f, plan, flow, n)) {
        no_memory(f);
        return;
    }
    uint32_t parts = parts_of_message(f);
    struct making m = {f, leg, plan, f->batch, f->use, f->also, NAN, 0, 0};
    for (uint32_t i = 0; i < n; i++)
        for (m.queue_pair = 0; m.queue_pair < parts; m.queue_pair++, m.out++)
            make(&m, flow[i], at_s[i]);
    for (uint32_t i = 0; f->weather && f->weather->n_outages && i < n; i++)
        watch_flow(f, leg, flow[i], f->batch[i * parts].start_s);
    if (f->status == MS_OK)
        f->status = ms_fluid_add(f->fluid, f->batch, (size_t)n * parts, f->err);
}

static enum ms_status tell(struct ms_wires *f, const struct ms_fluid_event *events, size_t n)
{
    if (n > f->event_cap) { /* a copy: telling the engines adds flows */
        free(f->events);
        f->events = malloc(2 * n * sizeof *f->events);
        f->event_cap = f->events ? 2 * n : 0;
        if (!f->events)
            return no_memory(f);
    }
    if (n)
        memcpy(f->events, events, n * sizeof *events);
    for (size_t i = 0; i < n; i++) {
        uint32_t slot = (uint32_t)(f->events[i].tag >> 32), what = (uint32_t)f->events[i].tag;
        const struct ms_fluid_span *span;
        if (slot == OUTAGE_SLOT) {
            go_off(f, what);
            continue;
        }
        size_t n_spans = f->ended ? ms_fluid_spans(f->fluid, i, &span) : 0;
        if (n_spans)
            f->ended(f->leg[slot]->exec, f->events[i].finish_s, span, n_spans);
        ms_exec_ended(f->leg[slot]->exec, what, f->events[i].finish_s);
    }
    return f->status;
}

enum ms_status ms_wires_advance(struct ms_wires *f, double to_s)
{
    const struct ms_fluid_event *events;
    size_t n;
    enum ms_status s = ms_fluid_advance(f->fluid, to_s, &events, &n, f->err);
    return s ? (f->status = s) : tell(f, events, n);
}

enum ms_status ms_wires_run_to_event(struct ms_wires *f, double to_s)
{
    const struct ms_fluid_event *events;
    size_t n;
    enum ms_status s = ms_fluid_run_to_event(f->fluid, to_s, &events, &n, f->err);
    return s ? (f->status = s) : tell(f, events, n);
}
