/* network.model: fluid. One actor owns the solver: it sleeps until the next completion, or until
 * somebody has added flows, and tells the engines. Times come from the solver, exactly;
 * SimGrid's clock is only slept on. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <simgrid/actor.h>
#include <simgrid/engine.h>
#include <simgrid/semaphore.h>

#include "sim/actor.h"
#include "sim/background.h"
#include "sim/cause.h"
#include "sim/core.h"
#include "sim/wires.h"

struct net {
    struct ms_core *core;
    struct ms_fluid *fluid;
    struct ms_wires wires;
    struct ms_paths paths;
    struct ms_held_rates held; /* of the platform's bandwidth_files, the same in every run */
    uint32_t first_held;
    bool held_known;
    struct ms_background background;
    int *node; /* [ranks of all groups] */
    struct ms_pool *pool;
    sg_sem_t sem;
    size_t n_links; /* of the solver: the platform's, and the ranks' resources */
    bool poked;
    uint64_t n_added, n_planned,
        n_legs;   /* of this run: flows given to the solver and planned; legs */
    bool running; /* the solver runs: flows that its ends let go are no news */
};

/* An early completion is settled to within this many quanta of its own time, not of the whole
 * exchange's. */
#define RAMP 4
/* Starts are put on a grid of half a quantum where there are more ranks than this. */
#define GRID_RANKS 512

static void poke(struct net *n)
{
    if (!n->poked && !n->running) {
        n->poked = true;
        sg_sem_release(n->sem);
    }
}

/* @return true when the time `next_s` has come, false when somebody woke us before */
static bool wait_until(struct net *n, double next_s)
{
    bool due = false;
    if (next_s == INFINITY) {
        sg_sem_acquire(n->sem);
    } else {
        double left_s = ms_engine_left_s(n->core, next_s);
        due = left_s <= 0 || sg_sem_acquire_timeout(n->sem, left_s);
    }
    if (!due)
        n->poked = false;
    return due;
}

static bool has_background(const struct net *n)
{
    return n->fluid && n->background.host;
}

/* Until the first of the ranks wakes, or one is let go, nobody can add flows, and SimGrid need
 * not be asked. */
static enum ms_status run_ahead(struct net *n, double horizon_s)
{
    struct ms_core *c = n->core;
    double to_s = horizon_s < INFINITY ? nextafter(horizon_s, 0) : INFINITY;
    if (has_background(n)) /* no further than its flows are known */
        to_s = fmin(to_s, n->background.until_s);
    ms_actors_hold(c);
    enum ms_status s = ms_wires_run_to_event(&n->wires, to_s);
    ms_fluid_next_s(n->fluid); /* what is due at this instant comes before what ranks do in it */
    c->run.ahead_s = ms_fluid_now_s(n->fluid);
    ms_actors_release(c);
    return s;
}

/* Background flows are told to the solver this much ahead. */
#define BACKGROUND_AHEAD_S 1e-4

/* Other tenants' flows that start before `to_s` and a little more. */
static enum ms_status add_background(struct net *n, double to_s)
{
    struct ms_core *c = n->core;
    struct ms_background_flow x;
    uint32_t route;
    while (n->background.until_s <= to_s && !c->status)
        while (ms_background_next(&n->background, to_s + BACKGROUND_AHEAD_S, &x)) {
            int group = x.src / c->n_ranks, src = x.src % c->n_ranks, dst = x.dst % c->n_ranks;
            if (x.dst / c->n_ranks != group || src == dst)
                continue; /* routes are known within groups */
            enum ms_status s =
                ms_route_table_get(&c->platform.routes, group, src, dst, &route, c->err);
            if (s == MS_OK)
                s = ms_wires_background(&n->wires, group, src, dst, x.bytes, x.start_s);
            if (s != MS_OK)
                return ms_core_note(c, s);
        }
    return c->status;
}

static void network_main(int argc, char **argv)
{
    struct net *n = sg_actor_self_get_data();
    struct ms_core *c = n->core;
    while (!c->crew.over && !c->status) {
        if (has_background(n) && add_background(n, ms_fluid_now_s(n->fluid)))
            break;
        double next_s = n->fluid ? ms_fluid_next_s(n->fluid) : INFINITY;
        double horizon_s = next_s < INFINITY ? ms_actors_horizon_s(c) : 0;
        bool ahead = next_s < horizon_s;
        if (!ahead && (!wait_until(n, next_s) || c->status))
            continue;
        n->running = true;
        enum ms_status s = ahead ? run_ahead(n, horizon_s) : ms_wires_advance(&n->wires, next_s);
        n->running = false;
        if (s)
            ms_core_note(c, s);
    }
}

static enum ms_status start(struct ms_core *c)
{
    struct net *n = calloc(1, sizeof *n);
    if (!n)
        return ms_core_fail(c, MS_NOMEM, "out of memory for the network");
    c->net = n;
    n->core = c;
    n->sem = sg_sem_init(0);
    if (c->in->n_threads > 1)
        n->pool = ms_pool_create(c->in->n_threads);
    sg_actor_t a = sg_actor_init("network", c->platform.host[0]);
    sg_actor_set_stacksize(a, 1024); /* KiB */
    sg_actor_set_data(a, n);
    sg_actor_start(a, network_main, 0, NULL);
    return MS_OK;
}

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

/* The rate of a port: of the first link to another node. */
static double port_Bps(struct ms_core *c)
{
    const struct ms_layout *l = &c->platform.layout[0];
    struct ms_route_table *t = &c->platform.routes;
    uint32_t route;
    for (int r = 1; r < c->n_ranks; r++)
        if (l->node[r] != l->node[0] && ms_route_table_get(t, 0, 0, r, &route, c->err) == MS_OK)
            return c->out->link_bandwidth[t->link[t->first[route]]];
    return 0;
}

static enum ms_status begin_background(struct ms_core *c, struct net *n)
{
    const struct ms_background_params *p = &c->in->params->background;
    if (!(p->utilisation > 0))
        return MS_OK;
    if (!n->node) {
        n->node = MS_NEW(&c->arena, int, (size_t)c->n_total);
        for (int i = 0; n->node && i < c->n_total; i++) /* nodes of different groups differ */
            n->node[i] = (i / c->n_ranks) * c->n_ranks +
                         c->platform.layout[i / c->n_ranks].node[i % c->n_ranks];
    }
    double Bps = port_Bps(c);
    if (!n->node || !(Bps > 0) ||
        !ms_background_begin(&n->background, p, c->in->seed, c->run.repeat, c->n_total, c->n_ranks,
                             n->node, Bps))
        return ms_core_fail(c, MS_NOMEM, "no background flows: no memory, or no port to use");
    return MS_OK;
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
    p->hashed = true;
    p->queue_pairs = w->queue_pairs > 1 ? (uint32_t)w->queue_pairs : 1;
    p->seed = c->in->seed;
    p->repeat = c->run.repeat;
    return MS_OK;
}

/* The solver's links: the platform's, then the ranks' ports, their own rates, their channels. */
struct layers {
    size_t n_links, n_ports, n_rates, n_channels;
    struct ms_wires_ports ports;
    struct ms_port_rates rates;
    struct ms_wires_channels channels;
    struct ms_paths *paths;     /* cables of links */
    struct ms_held_rates *held; /* last of all */
};

static size_t n_all(const struct layers *l)
{
    return l->n_links + l->n_ports + l->n_rates + l->n_channels + l->paths->n_extra +
           l->held->n_rates;
}

/* A flow over cables of a link has no one rate to be held to. */
static enum ms_status find_held(struct ms_core *c, struct net *n)
{
    if (!n->held_known && !n->paths.hashed &&
        !ms_held_rates_make(&c->platform.events, c->out->link_bandwidth, &c->arena, &n->held))
        return ms_core_fail(c, MS_NOMEM, "out of memory for the events of links");
    n->held_known = true;
    return MS_OK;
}

/* Which there are. Rates that are simply a link's are put into capacity_Bps [platform's links]. */
static enum ms_status lay(struct ms_core *c, struct layers *l, double *capacity_Bps)
{
    bool steady = !c->platform.events.n_events && !c->platform.events.n_outages;
    l->n_links = (size_t)c->platform.n_links;
    l->ports = ports_of(c);
    memcpy(capacity_Bps, c->out->link_bandwidth, l->n_links * sizeof *capacity_Bps);
    l->n_ports = l->ports.gap_s > 0 ? 2 * (size_t)c->n_total : 0;
    l->rates = rates_of(c, l->n_links + l->n_ports);
    if (steady && !l->ports.adds) {
        enum ms_status s =
            ms_port_rates_lower(&l->rates, &c->platform.routes, capacity_Bps, c->err);
        if (s != MS_OK)
            return s;
    }
    l->n_rates = ms_port_rates_links(&l->rates);
    c->n_rate_links = (int)l->n_rates;
    l->n_channels = ms_kernel_passes_on(&c->kernels) ? 2 * (size_t)c->n_total : 0;
    l->channels = (struct ms_wires_channels){(uint32_t)(l->n_links + l->n_ports + l->n_rates),
                                             c->n_ranks, c->n_total};
    return hash_paths(c, l->paths, l->channels.first_link + (uint32_t)l->n_channels);
}

static void fill_links(const struct ms_core *c, const struct layers *l, const double *capacity_Bps,
                       struct ms_fluid_link *links)
{
    const struct ms_paths *p = l->paths;
    struct ms_fluid_link *at = links;
    for (size_t i = 0; i < l->n_links; i++)
        *at++ = (struct ms_fluid_link){capacity_Bps[i], !c->platform.link_shared[i]};
    for (size_t i = 0; i < l->n_ports; i++)
        *at++ = (struct ms_fluid_link){ms_wires_port_capacity(&l->ports), false};
    for (size_t i = 0; i < l->n_rates; i++)
        *at++ = (struct ms_fluid_link){ms_port_rates_capacity(&l->rates, i), false};
    for (size_t i = 0; i < l->n_channels; i++)
        *at++ = (struct ms_fluid_link){1, false};
    for (uint32_t k = 0; p->n_extra && k < l->n_links; k++)
        for (uint32_t i = 0; p->cables[k] > 1 && i < p->cables[k]; i++)
            links[p->first[k] + i] =
                (struct ms_fluid_link){links[k].capacity_Bps / p->cables[k], links[k].fatpipe};
    at += p->n_extra;
    for (size_t i = 0; i < l->held->n_rates; i++)
        *at++ = (struct ms_fluid_link){l->held->Bps[i], true};
}

/* A cable of a link that stands for several, by that link. */
static uint32_t cable_of(const struct ms_paths *p, uint32_t link)
{
    for (uint32_t l = 0; l < p->n_links && link != UINT32_MAX; l++)
        if (p->cables[l] > 1 && link >= p->first[l] && link < p->first[l] + p->cables[l])
            return MS_CAUSE_CABLE | l;
    return link;
}

/* What the link stands for of whose time is asked: a link of the platform where it is a cable of it,
 * or a rate that it once had. */
static uint32_t meant_by(const struct net *n, uint32_t link)
{
    if (n->held.n_rates && link >= n->first_held && link - n->first_held < n->held.n_rates)
        return n->held.link_of[link - n->first_held];
    return n->paths.hashed ? cable_of(&n->paths, link) : link;
}

static void heard(struct ms_exec *exec, double finish_s, const struct ms_fluid_span *span, size_t n)
{
    struct ms_leg_run *leg = exec->owner;
    const struct net *net = leg->core->net;
    bool rename = net->paths.n_extra > 0 || net->held.n_rates > 0;
    struct ms_fluid_span *named = rename ? malloc((n + 1) * sizeof *named) : NULL;
    for (size_t i = 0; named && i < n; i++)
        named[i] = (struct ms_fluid_span){meant_by(net, span[i].link), span[i].seconds};
    ms_causes_ended(leg, finish_s, named ? named : span, n);
    free(named);
}

static double others(struct ms_core *c, uint32_t link, double from_s, double to_s)
{
    const struct net *n = c->net;
    return has_background(n) ? ms_wires_others(&n->wires, link, from_s, to_s) : 0;
}

/* How far the case is: flows that have ended, of as many as the legs so far have a leg. */
static void beat(void *ctx, uint64_t n_left)
{
    const struct net *n = ctx;
    const struct ms_core *c = n->core;
    double legs = (double)c->n_steps * c->n_layers * c->n_groups * c->n_phases * c->n_halves;
    double a_leg = n->n_legs ? (double)n->n_planned / (double)n->n_legs : 0;
    double ended = n->n_added > n_left ? (double)(n->n_added - n_left) : 0;
    double share = a_leg > 0 ? fmin(1, ended / (a_leg * legs)) : 0;
    *c->in->progress = (c->run.number + share) / c->in->n_runs;
}

/* A fresh solver for each run: its time starts at 0 again. */
static enum ms_status begin(struct ms_core *c)
{
    struct net *n = c->net;
    struct layers l = {.paths = &n->paths, .held = &n->held};
    double *capacity_Bps = malloc(((size_t)c->platform.n_links + 1) * sizeof *capacity_Bps);
    if (!capacity_Bps)
        return ms_core_fail(c, MS_NOMEM, "out of memory for %d links", c->platform.n_links);
    enum ms_status s = lay(c, &l, capacity_Bps);
    if (s == MS_OK)
        s = find_held(c, n);
    n->first_held = (uint32_t)(n_all(&l) - n->held.n_rates);
    struct ms_fluid_link *links = s == MS_OK ? calloc(n_all(&l) + 1, sizeof *links) : NULL;
    if (s == MS_OK && !links)
        s = ms_err_set(c->err, MS_NOMEM, "out of memory for %zu links", n_all(&l));
    if (s == MS_OK)
        fill_links(c, &l, capacity_Bps, links);
    ms_wires_finish(&n->wires);
    ms_fluid_destroy(n->fluid);
    n->fluid = NULL;
    n->n_links = s == MS_OK ? n_all(&l) : 0;
    if (s == MS_OK)
        s = ms_fluid_create(links, n->n_links, n->pool, &n->fluid, c->err);
    free(links);
    free(capacity_Bps);
    if (s == MS_OK)
        s = ms_wires_init(&n->wires, n->fluid, &c->platform.routes, &l.ports, c->err);
    n->n_added = n->n_planned = n->n_legs = 0;
    if (s == MS_OK && c->in->progress)
        ms_fluid_watch(n->fluid, beat, n);
    if (s == MS_OK && c->causes)
        ms_fluid_trace(n->fluid, true);
    n->wires.ended = c->causes ? heard : NULL;
    if (s == MS_OK)
        ms_wires_paths(&n->wires, l.paths);
    if (s == MS_OK && l.n_rates)
        ms_wires_rates(&n->wires, &l.rates);
    if (s == MS_OK && l.n_channels)
        s = ms_wires_channels(&n->wires, &l.channels);
    if (s == MS_OK && (c->platform.events.n_events || c->platform.events.n_outages))
        s = ms_wires_weather(&n->wires, &c->platform.events, n->n_links);
    if (s == MS_OK && n->held.n_rates)
        s = ms_wires_hold_rates(&n->wires, &n->held, n->first_held);
    if (s == MS_OK)
        s = begin_background(c, n);
    return s == MS_OK ? MS_OK : ms_core_note(c, s);
}

/* The shortest phase under way rules. */
static void set_quantum(struct ms_core *c)
{
    struct net *n = c->net;
    const struct ms_leg_run *latest = c->run.active; /* opened legs go to the front of the list */
    double least_s = INFINITY;
    for (const struct ms_leg_run *leg = latest; leg; leg = leg->next)
        least_s = leg->quantum_s > 0 && leg->quantum_s < least_s ? leg->quantum_s : least_s;
    ms_fluid_set_quantum(n->fluid, isfinite(least_s) ? least_s : 0);
    if (latest && latest->first_entry_s < INFINITY)
        ms_fluid_set_ramp(n->fluid, latest->first_entry_s, RAMP * c->in->params->network.quantum);
}

static enum ms_status open(struct ms_core *c, struct ms_leg_run *leg)
{
    struct net *n = c->net;
    struct ms_wires_leg *w = leg->carried;
    w->exec = &leg->exec;
    w->group = leg->group;
    w->leg = leg->phase == MS_PHASE_DISPATCH || leg->phase == MS_PHASE_DISPATCH_BACK ? 0 : 1;
    w->proportional = leg->phase != MS_PHASE_MOVE &&
                      ms_exchange_streams(c->exchange, c->in->params->exchange.forwarding);
    n->n_legs++;
    n->n_planned += leg->plan.n_flows * (uint64_t)ms_wires_parts_of_message(&n->wires);
    enum ms_status s = ms_wires_open(&n->wires, w);
    set_quantum(c);
    return s ? ms_core_note(c, s) : MS_OK;
}

static void flows(struct ms_core *c, struct ms_leg_run *leg, const uint32_t *flow,
                  const double *at_s, uint32_t n_flows)
{
    struct net *n = c->net;
    double phase_s = leg->phase_s[leg->plan.phase[flow[0]]];
    double quantum_s = c->in->params->network.quantum * phase_s;
    if (quantum_s != leg->quantum_s) {
        leg->quantum_s = quantum_s;
        set_quantum(c);
    }
    struct ms_wires_leg *w = leg->carried;
    bool grid = c->n_ranks > GRID_RANKS && leg->plan.n_phases == 1 && !leg->plan.window;
    w->grid = (struct ms_wires_grid){leg->first_entry_s, grid ? quantum_s / 2 : 0,
                                     RAMP * c->in->params->network.quantum};
    n->n_added += n_flows * (uint64_t)ms_wires_parts_of_message(&n->wires);
    ms_wires_start(&n->wires, w, flow, at_s, n_flows);
    if (n->wires.status)
        ms_core_note(c, n->wires.status);
    poke(n);
}

static void close_leg(struct ms_core *c, struct ms_leg_run *leg)
{
    struct net *n = c->net;
    ms_wires_close(&n->wires, leg->carried);
}

static void leg_finish(void *carried)
{
    ms_wires_leg_finish(carried);
}

/* What the solver carried against what was planned, link by link. */
static enum ms_status end(struct ms_core *c)
{
    struct net *n = c->net;
    struct ms_fluid_stats stats;
    ms_fluid_get_stats(n->fluid, &stats);
    c->out->n_solves += (int64_t)stats.n_solves;
    const double *want = c->out->link_bytes + (size_t)c->run.number * (size_t)c->platform.n_links;
    double *got = malloc((n->n_links + 1) * sizeof *got);
    enum ms_status s = got ? MS_OK : ms_core_fail(c, MS_NOMEM, "out of memory for links");
    if (got)
        ms_fluid_link_bytes(n->fluid, got);
    for (uint32_t i = 0; n->paths.hashed && got && i < (uint32_t)c->platform.n_links; i++)
        got[i] = ms_paths_sum(&n->paths, got, i);
    /* bytes stand for time, or are others' */
    bool noisy = c->in->params->faults.jitter_network_sigma > 0 || n->background.host;
    for (int i = 0; i < c->platform.n_links && !s && !noisy; i++)
        if (!(fabs(got[i] - want[i]) <= 1e-6 * want[i] + 1 + n->wires.unwired_bytes))
            s = ms_core_fail(c, MS_INTERNAL, "link '%s' carried %.17g bytes where %.17g were sent",
                             c->out->link_name[i], got[i], want[i]);
    free(got);
    return s;
}

static void stop(struct ms_core *c)
{
    poke(c->net);
}

static void finish(struct ms_core *c)
{
    struct net *n = c->net;
    if (!n)
        return;
    ms_background_finish(&n->background);
    ms_wires_finish(&n->wires);
    ms_fluid_destroy(n->fluid);
    ms_pool_destroy(n->pool);
    sg_sem_destroy(n->sem);
    free(n);
    c->net = NULL;
}

const struct ms_transport ms_transport_fluid = {
    .name = "fluid",
    .couples = true,
    .own_clock = true,
    .leg_size = sizeof(struct ms_wires_leg),
    .growth = 1.1, /* it settles completions in bulk */
    .cost = MS_COST_FLUID,
    .start = start,
    .begin = begin,
    .open = open,
    .flows = flows,
    .close = close_leg,
    .leg_finish = leg_finish,
    .others = others,
    .end = end,
    .stop = stop,
    .finish = finish,
};
