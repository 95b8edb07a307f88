/* network.model: fluid. One actor owns the solver: it sleeps until the next completion, or until
 * somebody has added flows, and tells the engines. Times come from the solver, exactly;
 * SimGrid's clock is only slept on. */
#include <math.h>
#include <stdlib.h>

#include "sim/actor.h"
#include "sim/background_fluid.h"
#include "sim/cause.h"
#include "sim/core.h"
#include "sim/simgrid.h"
#include "sim/solver_links.h"
#include "sim/wires.h"

struct net {
    struct ms_core *core;
    struct ms_fluid *fluid;
    struct ms_wires wires;
    struct ms_solver_links links;
    struct ms_background_fluid background;
    struct ms_pool *pool;
    sg_sem_t sem;
    bool poked;
    bool running;                /* the solver runs: flows that its ends let go are no news */
    uint64_t n_added, n_planned; /* of this run: flows given to the solver, and planned */
    uint64_t n_legs;             /* of this run */
};

/* An early completion is settled to within this many quanta of its own time, not of the whole
 * exchange's. */
#define RAMP 4
/* Starts are put on a grid of half a quantum where there are more ranks than this, or where the quantum is
 * coarse: ranks that drift apart would make every start a solve. */
#define GRID_RANKS 512
#define GRID_QUANTUM 0.004

static void poke(struct net *n)
{
    if (!n->poked && !n->running) {
        n->poked = true;
        ms_sg.sem_release(n->sem);
    }
}

/* @return true when the time `next_s` has come, false when somebody woke us before */
static bool wait_until(struct net *n, double next_s)
{
    bool due = false;
    if (next_s == INFINITY) {
        ms_sg.sem_acquire(n->sem);
    } else {
        double left_s = ms_engine_left_s(n->core, next_s);
        due = left_s <= 0 || ms_sg.sem_acquire_timeout(n->sem, left_s);
    }
    if (!due)
        n->poked = false;
    return due;
}

static bool has_background(const struct net *n)
{
    return n->fluid && ms_background_fluid_any(&n->background);
}

/* Until the first of the ranks wakes, or one is let go, nobody can add flows, and SimGrid need
 * not be asked. */
static enum ms_status run_ahead(struct net *n, double horizon_s)
{
    struct ms_core *c = n->core;
    double to_s = horizon_s < INFINITY ? nextafter(horizon_s, 0) : INFINITY;
    if (has_background(n)) /* no further than its flows are known */
        to_s = fmin(to_s, n->background.flows.until_s);
    ms_actors_hold(c);
    enum ms_status s = ms_wires_run_to_event(&n->wires, to_s);
    ms_fluid_next_s(n->fluid); /* what is due at this instant comes before what ranks do in it */
    c->run.ahead_s = ms_fluid_now_s(n->fluid);
    ms_actors_release(c);
    return s;
}

static void network_main(int argc, char **argv)
{
    struct net *n = ms_sg.actor_self_get_data();
    struct ms_core *c = n->core;
    while (!c->crew.over && !c->status) {
        if (has_background(n) &&
            ms_background_fluid_add(c, &n->background, &n->wires, ms_fluid_now_s(n->fluid)))
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
    n->sem = ms_sg.sem_init(0);
    if (c->in->n_threads > 1)
        n->pool = ms_pool_create(c->in->n_threads);
    sg_actor_t a = ms_sg.actor_init("network", c->platform.host[0]);
    ms_sg.actor_set_stacksize(a, 1024); /* KiB */
    ms_sg.actor_set_data(a, n);
    ms_sg.actor_start(a, network_main, 0, NULL);
    return MS_OK;
}

static void heard(struct ms_exec *exec, double finish_s, const struct ms_fluid_span *span, size_t n)
{
    struct ms_leg_run *leg = exec->owner;
    const struct net *net = leg->core->net;
    bool rename = ms_solver_links_rename(&net->links);
    struct ms_fluid_span *named = rename ? malloc((n + 1) * sizeof *named) : NULL;
    for (size_t i = 0; named && i < n; i++)
        named[i] = (struct ms_fluid_span){ms_solver_links_meant(&net->links, span[i].link),
                                          span[i].seconds};
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
    struct ms_fluid_link *links;
    enum ms_status s = ms_solver_links_lay(c, &n->links, &links);
    ms_wires_finish(&n->wires);
    ms_fluid_destroy(n->fluid);
    n->fluid = NULL;
    n->n_added = n->n_planned = n->n_legs = 0;
    if (s == MS_OK)
        s = ms_fluid_create(links, n->links.n, n->pool, &n->fluid, c->err);
    free(links);
    if (s == MS_OK)
        s = ms_wires_init(&n->wires, n->fluid, &c->platform.routes, &n->links.ports, c->err);
    if (s == MS_OK && c->in->progress)
        ms_fluid_watch(n->fluid, beat, n);
    if (s == MS_OK && c->causes)
        ms_fluid_trace(n->fluid, true);
    n->wires.ended = c->causes ? heard : NULL;
    if (s == MS_OK)
        s = ms_solver_links_wire(c, &n->links, &n->wires);
    if (s == MS_OK)
        s = ms_background_fluid_begin(c, &n->background);
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
    double phase_s = leg->phase_s[ms_leg_phase_of(&leg->plan, flow[0])];
    double quantum_s = c->in->params->network.quantum * phase_s;
    if (quantum_s != leg->quantum_s) {
        leg->quantum_s = quantum_s;
        set_quantum(c);
    }
    struct ms_wires_leg *w = leg->carried;
    bool coarse = c->n_ranks > GRID_RANKS || c->in->params->network.quantum > GRID_QUANTUM;
    bool grid = coarse && leg->plan.n_phases == 1 && !leg->plan.window;
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
    double *got = malloc((n->links.n + 1) * sizeof *got);
    enum ms_status s = got ? MS_OK : ms_core_fail(c, MS_NOMEM, "out of memory for links");
    if (got)
        ms_fluid_link_bytes(n->fluid, got);
    for (uint32_t i = 0; n->links.paths.hashed && got && i < (uint32_t)c->platform.n_links; i++)
        got[i] = ms_paths_sum(&n->links.paths, got, i);
    /* bytes stand for time, or are others' */
    bool noisy = c->in->params->faults.jitter_network_sigma > 0 ||
                 ms_background_fluid_any(&n->background) || c->in->n_gone > 0;
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
    ms_background_fluid_finish(&n->background);
    ms_wires_finish(&n->wires);
    ms_fluid_destroy(n->fluid);
    ms_pool_destroy(n->pool);
    ms_sg.sem_destroy(n->sem);
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
