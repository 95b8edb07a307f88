/* Legs under way: planned when their first rank enters, told to the transport, given back when
 * everything has happened. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "sim/core.h"
#include "sim/lane.h"

/* Do bytes flow from experts to tokens? */
static bool is_combine(enum ms_phase phase)
{
    return phase == MS_PHASE_COMBINE || phase == MS_PHASE_DISPATCH_BACK;
}

const struct ms_traffic *ms_core_traffic(struct ms_core *c, int step, int layer, int group)
{
    const struct ms_traffic **t = &c->traffic[ms_core_cell(c, step, layer, group)];
    if (!*t) {
        double from_s = ms_wall_s();
        *t = c->in->source.traffic(c->in->source.ctx, c->run, step, layer, group);
        c->wall_start_s += ms_wall_s() - from_s;
        if (!*t)
            ms_core_fail(c, MS_INTERNAL, "no traffic for run %d, step %d, layer %d, group %d",
                         c->run, step, layer, group);
        else if ((*t)->n_ranks != c->n_ranks || (c->exchange->needs_nodes && !(*t)->is_matrix &&
                                                 (*t)->n_nodes != c->layout[group].n_nodes)) {
            ms_core_fail(c, MS_INTERNAL, "traffic of %d ranks on %d nodes, for %d on %d",
                         (*t)->n_ranks, (*t)->n_nodes, c->n_ranks, c->layout[group].n_nodes);
            *t = NULL;
        }
    }
    return *t;
}

struct hint_ctx {
    struct ms_core *core;
    int group;
};

static struct ms_route_hint route_hint(void *ctx, int src, int dst)
{
    struct hint_ctx *h = ctx;
    uint32_t route;
    enum ms_status s = ms_routes_get(&h->core->routes, h->group, src, dst, &route, h->core->err);
    if (s) {
        ms_core_note(h->core, s);
        return (struct ms_route_hint){0, INFINITY};
    }
    struct ms_route_shape shape = ms_routes_shape(&h->core->routes, route);
    return (struct ms_route_hint){shape.latency_s, shape.bandwidth_Bps};
}

static double copy_bytes(const struct ms_core *c, enum ms_phase phase, const struct ms_traffic *t)
{
    const struct ms_workload *w = c->in->workload;
    if (t->is_matrix)
        return 1;
    return c->in->model->hidden *
           (phase == MS_PHASE_DISPATCH ? w->dispatch_bytes_per_value : w->combine_bytes_per_value);
}

/* A chunk of a byte matrix: its tokens are not known; those of DeepSeek-V3 in FP8, unless the model
 * is given. */
static double chunk_bytes(const struct ms_core *c, double copy, const struct ms_traffic *t)
{
    const struct ms_workload *w = c->in->workload;
    if (!t->is_matrix)
        return c->in->params->exchange.chunk_tokens * copy;
    int hidden = c->in->model && c->in->model->hidden > 0 ? c->in->model->hidden : 7168;
    return c->in->params->exchange.chunk_tokens * hidden * w->dispatch_bytes_per_value;
}

/* All routes of a plan; the time it takes is the platform's. */
static enum ms_status learn_routes(struct ms_core *c, const struct ms_leg_run *leg)
{
    const struct ms_leg *plan = &leg->plan;
    double from_s = ms_wall_s();
    uint32_t known = c->routes.n_routes, route;
    enum ms_status s = MS_OK;
    for (uint32_t f = 0; f < plan->n_flows && !s; f++)
        s = ms_routes_get(&c->routes, leg->group, (int)plan->src[f], (int)plan->dst[f], &route,
                          c->err);
    if (c->routes.n_routes > known) {
        double took_s = ms_wall_s() - from_s;
        c->out->platform_wall_s += took_s;
        c->wall_start_s += took_s;
    }
    return s;
}

static enum ms_status make_plan(struct ms_core *c, struct ms_leg_run *leg)
{
    const struct ms_traffic *t = ms_core_traffic(c, leg->step, leg->layer, leg->group);
    if (!t)
        return c->status;
    const struct ms_exchange_params *e = &c->in->params->exchange;
    struct hint_ctx hint = {c, leg->group};
    double copy = copy_bytes(c, leg->phase, t), chunk = chunk_bytes(c, copy, t);
    struct ms_leg_problem p = {
        .traffic = t,
        .layout = &c->layout[leg->group],
        .combine = is_combine(leg->phase),
        .share = 1.0 / c->n_lanes,
        .copy_bytes = copy,
        .chunk_bytes = chunk,
        .chunk_tokens = chunk / copy,
        .dedup = ms_exchange_dedup(c->exchange, e->deduplicate),
        .forwarding = e->forwarding,
        .window = e->window,
        .route = route_hint,
        .ctx = &hint,
    };
    enum ms_status s = ms_exchange_plan(c->exchange, &p, &leg->plan, c->err);
    if (s || (s = learn_routes(c, leg)))
        return ms_core_note(c, s);
    if (!c->status)
        ms_samples_bytes(c, leg, &p);
    return c->status;
}

/* A NIC spends at least the gap on each message that leaves the node: as bytes at the route's rate.
 */
static enum ms_status add_gaps(struct ms_core *c, struct ms_leg_run *leg)
{
    const struct ms_leg *plan = &leg->plan;
    leg->fabric.wire_bytes = NULL;
    if (!(c->gap_s > 0))
        return MS_OK;
    if (plan->n_flows > leg->wire_cap) {
        free(leg->wire_bytes);
        leg->wire_bytes = malloc(plan->n_flows * sizeof *leg->wire_bytes);
        leg->wire_cap = leg->wire_bytes ? plan->n_flows : 0;
        if (!leg->wire_bytes)
            return ms_core_fail(c, MS_NOMEM, "out of memory for %u flows", plan->n_flows);
    }
    const int *node = c->layout[leg->group].node;
    for (uint32_t f = 0; f < plan->n_flows; f++) {
        uint32_t route = ms_routes_known(&c->routes, leg->group, plan->src[f], plan->dst[f]);
        double least =
            plan->messages[f] * c->gap_s * ms_routes_shape(&c->routes, route).bandwidth_Bps;
        bool leaves = node[plan->src[f]] != node[plan->dst[f]];
        leg->wire_bytes[f] =
            leaves && isfinite(least) ? fmax(plan->bytes[f], least) : plan->bytes[f];
    }
    leg->fabric.wire_bytes = leg->wire_bytes;
    return MS_OK;
}

static void leg_start(struct ms_exec *x, uint32_t gate, double at_s)
{
    struct ms_leg_run *leg = x->owner;
    leg->core->transport->flows(leg->core, leg, gate, at_s);
}

static void leg_complete(struct ms_exec *x, int rank, double at_s)
{
    struct ms_leg_run *leg = x->owner;
    struct ms_core *c = leg->core;
    struct ms_lane *lane = &c->lane[(leg->group * c->n_ranks + rank) * c->n_lanes + leg->lane];
    leg->last_complete_s = fmax(leg->last_complete_s, at_s);
    lane->complete_s = at_s;
    ms_lane_wake(lane);
}

static void leg_done(struct ms_exec *x)
{
    struct ms_leg_run *leg = x->owner;
    struct ms_core *c = leg->core;
    ms_samples_leg(c, leg);
    c->transport->close(c, leg);
    struct ms_leg_run **p = &c->active;
    while (*p != leg)
        p = &(*p)->next;
    *p = leg->next;
    leg->next = c->idle;
    c->idle = leg;
    c->n_active--;
}

static const struct ms_exec_ops leg_ops = {leg_start, leg_complete, leg_done};

static struct ms_leg_run *take_idle(struct ms_core *c)
{
    struct ms_leg_run *leg = c->idle;
    if (leg)
        c->idle = leg->next;
    else if (!(leg = calloc(1, sizeof *leg)))
        ms_core_fail(c, MS_NOMEM, "out of memory for a leg");
    return leg;
}

static struct ms_leg_run *open_leg(struct ms_core *c, const struct ms_lane *lane, int step,
                                   int layer, enum ms_phase phase)
{
    struct ms_leg_run *leg = take_idle(c);
    if (!leg)
        return NULL;
    leg->core = c;
    leg->step = step;
    leg->layer = layer;
    leg->group = lane->group;
    leg->lane = lane->lane;
    leg->phase = phase;
    leg->first_entry_s = lane->now_s;
    leg->last_entry_s = leg->last_complete_s = -INFINITY;
    leg->next = c->active;
    c->active = leg;
    c->n_active++;
    if (make_plan(c, leg) || add_gaps(c, leg))
        return NULL;
    c->out->n_flows += leg->plan.n_flows;
    leg->fabric.exec = &leg->exec;
    leg->fabric.group = leg->group;
    enum ms_status s = ms_exec_init(&leg->exec, &leg->plan, &leg_ops, leg, c->err);
    if (s)
        ms_core_note(c, s);
    else
        c->transport->open(c, leg);
    return c->status ? NULL : leg;
}

enum ms_status ms_leg_enter(struct ms_core *c, struct ms_lane *lane, int step, int layer,
                            enum ms_phase phase, double entry_s, double ready_s)
{
    struct ms_leg_run *leg = c->active;
    while (leg && !(leg->step == step && leg->layer == layer && leg->phase == phase &&
                    leg->group == lane->group && leg->lane == lane->lane))
        leg = leg->next;
    if (!leg)
        leg = open_leg(c, lane, step, layer, phase);
    if (!leg)
        return c->status;
    leg->first_entry_s = fmin(leg->first_entry_s, entry_s);
    leg->last_entry_s = fmax(leg->last_entry_s, entry_s);
    ms_exec_enter(&leg->exec, lane->rank, ready_s);
    return c->status;
}

static void free_list(struct ms_leg_run *leg)
{
    while (leg) {
        struct ms_leg_run *next = leg->next;
        ms_leg_finish(&leg->plan);
        ms_exec_finish(&leg->exec);
        ms_fabric_leg_finish(&leg->fabric);
        free(leg->wire_bytes);
        free(leg->mailbox);
        free(leg->by_end);
        free(leg->end_first);
        free(leg->reaped);
        free(leg);
        leg = next;
    }
}

void ms_legs_finish(struct ms_core *c)
{
    free_list(c->active);
    free_list(c->idle);
    c->active = c->idle = NULL;
}
