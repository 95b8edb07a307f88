/* From plans to the solver and back: a gate becomes a batch of flows, joins with flows become
 * sinks, a finished sink tells the plan's engine. */
#include "sim/wires_parts.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum ms_status ms_wires_no_memory(struct ms_wires *f)
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
        return ms_wires_no_memory(f);
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
    free(f->other);
    free(f->held_route);
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
/* And of flows of nobody's leg. */
#define OTHER_SLOT (UINT32_MAX - 1)

/* An event at the time when something goes off: a flow of nothing that ends then. */
static enum ms_status announce(struct ms_wires *f, uint32_t outage, double at_s)
{
    struct ms_fluid_flow nothing = {.start_s = at_s, .route = MS_FLUID_NO_ROUTE};
    enum ms_status s =
        ms_fluid_open(f->fluid, 1, (uint64_t)OUTAGE_SLOT << 32 | outage, &nothing.sink, f->err);
    return s == MS_OK ? ms_fluid_add(f->fluid, &nothing, 1, f->err) : s;
}

/* A cable of a link, or every one alike. */
static enum ms_status change(struct ms_wires *f, const struct ms_link_event *e)
{
    const struct ms_paths *p = &f->paths;
    uint32_t n = p->hashed ? p->cables[e->link] : 1,
             first = p->hashed ? p->first[e->link] : e->link;
    enum ms_status s = MS_OK;
    uint32_t from = e->cable < 0 ? 0 : (uint32_t)e->cable, to = e->cable < 0 ? n : from + 1;
    for (uint32_t i = from; i < to && s == MS_OK; i++)
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
        return ms_wires_no_memory(f);
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
            return ms_wires_no_memory(f);
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

void ms_wires_watch_flow(struct ms_wires *f, const struct ms_wires_leg *leg, uint32_t k,
                         double at_s)
{
    const struct ms_leg *plan = leg->exec->leg;
    struct ms_leg_stream s;
    ms_leg_stream_of(plan, k, &s);
    if (ms_leg_has_main(plan, k))
        watch(f, leg->group, plan->src[k], plan->dst[k], plan->bytes[k], at_s);
    for (uint32_t i = 0; i < s.n_parts; i++) {
        struct ms_leg_part p = ms_leg_part_of(plan, &s, i);
        watch(f, leg->group, p.src, p.dst, p.bytes, at_s);
    }
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
    enum ms_status s = ms_wires_lend_routes(f);
    if (s)
        return s;
    for (int of = 0; of < 2 && f->has_rates; of++)
        if (ms_port_rates_act(&f->rates, of) && !ms_wires_hold_rated(f, of))
            return ms_wires_no_memory(f);
    if (f->paths.hashed && !ms_wires_hold_paths(f, leg->leg))
        return ms_wires_no_memory(f);
    if (plan->n_joins > leg->sink_cap) {
        free(leg->sink);
        leg->sink = malloc(plan->n_joins * sizeof *leg->sink);
        leg->sink_cap = leg->sink ? plan->n_joins : 0;
    }
    if (!leg->sink || (leg->proportional && !weigh_ranks(leg, plan)) || !take_slot(f, leg))
        return ms_wires_no_memory(f);
    if (f->ports.gap_s > 0)
        ms_wires_judge_ports(f, leg);
    s = ms_wires_learn_routes(f, leg);
    if (s == MS_OK)
        s = ms_wires_tie_flows(f, leg);
    for (uint32_t j = 0; j < plan->n_joins && !s; j++)
        if (plan->ends[j])
            s = ms_fluid_open(f->fluid, plan->ends[j] * ms_wires_parts_of_message(f),
                              (uint64_t)leg->slot << 32 | j, &leg->sink[j], f->err);
    return f->status = s;
}

/* Its end is told: how fast it was is known then. */
static bool note_other(struct ms_wires *f, uint32_t route, double bytes, double start_s,
                       uint32_t *sink)
{
    if (f->n_others == f->other_cap) {
        size_t cap = f->other_cap ? 2 * f->other_cap : 1024;
        struct ms_wires_other *more = realloc(f->other, cap * sizeof *more);
        if (!more)
            return false;
        f->other = more;
        f->other_cap = cap;
    }
    f->other[f->n_others] = (struct ms_wires_other){route, bytes, start_s, INFINITY};
    uint64_t tag = (uint64_t)OTHER_SLOT << 32 | (uint32_t)f->n_others++;
    return ms_fluid_open(f->fluid, 1, tag, sink, f->err) == MS_OK;
}

static bool uses(const struct ms_route_table *t, uint32_t route, uint32_t link)
{
    for (uint64_t i = t->first[route]; i < t->first[route + 1]; i++)
        if (t->link[i] == link)
            return true;
    return false;
}

/* The first that may be under way at a time. */
static size_t first_alive(const struct ms_wires *f, double at_s)
{
    size_t low = 0, high = f->first_open;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (f->other[middle].start_s + f->longest_other_s < at_s)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* One has ended. */
static void end_other(struct ms_wires *f, uint32_t number, double at_s)
{
    struct ms_wires_other *x = &f->other[number];
    x->finish_s = at_s;
    f->longest_other_s = fmax(f->longest_other_s, at_s - x->start_s);
    while (f->first_open < f->n_others && f->other[f->first_open].finish_s < INFINITY)
        f->first_open++;
}

double ms_wires_others(const struct ms_wires *f, uint32_t link, double from_s, double to_s)
{
    double bytes = 0, now_s = ms_fluid_now_s(f->fluid), most;
    if (link >= f->ports.first_link || !(to_s > from_s))
        return 0;
    most = f->ports.capacity_Bps[link] * (to_s - from_s);
    for (size_t i = first_alive(f, from_s); i < f->n_others; i++) {
        const struct ms_wires_other *x = &f->other[i];
        if (x->start_s >= to_s)
            break;
        double until_s = fmin(x->finish_s, now_s), begin_s = x->start_s;
        if (!(until_s > from_s) || !(until_s > begin_s) || !uses(f->routes, x->route, link))
            continue;
        double lived_s = until_s - begin_s, moved = x->bytes;
        if (x->finish_s == INFINITY) /* half of what there was to take */
            moved = fmin(moved, f->ports.capacity_Bps[link] * lived_s / 2);
        bytes += moved * (fmin(until_s, to_s) - fmax(begin_s, from_s)) / lived_s;
    }
    return fmin(bytes / most, 1);
}

enum ms_status ms_wires_background(struct ms_wires *f, int group, int src, int dst, double bytes,
                                   double start_s)
{
    const struct ms_wires_leg nobody = {.group = group};
    enum ms_status s = ms_wires_lend_routes(f);
    if (s == MS_OK && f->paths.hashed && !ms_wires_hold_paths(f, 0))
        s = ms_wires_no_memory(f);
    if (s != MS_OK)
        return f->status = s;
    uint32_t route = ms_route_table_known(f->routes, group, (uint32_t)src, (uint32_t)dst);
    struct ms_fluid_flow flow = {.bytes = bytes, .start_s = start_s, .sink = MS_FLUID_NO_SINK};
    if (f->ended && !note_other(f, route, bytes, start_s, &flow.sink))
        return f->status = f->status ? f->status : ms_wires_no_memory(f);
    flow.route = f->paths.hashed ? ms_wires_path_route(f, &nobody, (uint32_t)src, (uint32_t)dst, 0)
                                 : MS_FLUID_LENT + route;
    return f->status = f->status ? f->status : ms_fluid_add(f->fluid, &flow, 1, f->err);
}

void ms_wires_close(struct ms_wires *f, struct ms_wires_leg *leg)
{
    f->leg[leg->slot] = NULL;
}

static enum ms_status tell(struct ms_wires *f, const struct ms_fluid_event *events, size_t n)
{
    if (n > f->event_cap) { /* a copy: telling the engines adds flows */
        free(f->events);
        f->events = malloc(2 * n * sizeof *f->events);
        f->event_cap = f->events ? 2 * n : 0;
        if (!f->events)
            return ms_wires_no_memory(f);
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
        if (slot == OTHER_SLOT) {
            end_other(f, what, f->events[i].finish_s);
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
