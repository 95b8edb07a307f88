/* From plans to the solver and back: a gate becomes a batch of flows, joins with flows become
 * sinks, a finished sink tells the plan's engine. */
#include "sim/wires.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

void ms_wires_init(struct ms_wires *f, struct ms_fluid *fluid, struct ms_route_table *routes,
                   struct ms_err *err)
{
    memset(f, 0, sizeof *f);
    f->fluid = fluid;
    f->routes = routes;
    f->err = err;
    f->add_latency = true;
}

void ms_wires_finish(struct ms_wires *f)
{
    if (!f)
        return;
    free(f->fluid_route);
    free(f->leg);
    free(f->batch);
    free(f->events);
    memset(f, 0, sizeof *f);
}

void ms_wires_leg_finish(struct ms_wires_leg *leg)
{
    free(leg->sink);
    leg->sink = NULL;
    leg->sink_cap = 0;
}

static enum ms_status no_memory(struct ms_wires *f)
{
    return f->status = ms_err_set(f->err, MS_NOMEM, "out of memory for flows");
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

enum ms_status ms_wires_open(struct ms_wires *f, struct ms_wires_leg *leg)
{
    const struct ms_leg *plan = leg->exec->leg;
    enum ms_status s = register_routes(f);
    if (s)
        return s;
    if (plan->n_joins > leg->sink_cap) {
        free(leg->sink);
        leg->sink = malloc(plan->n_joins * sizeof *leg->sink);
        leg->sink_cap = leg->sink ? plan->n_joins : 0;
    }
    if (!leg->sink || !take_slot(f, leg))
        return no_memory(f);
    for (uint32_t j = 0; j < plan->n_joins && !s; j++)
        if (plan->ends[j])
            s = ms_fluid_open(f->fluid, plan->ends[j], (uint64_t)leg->slot << 32 | j, &leg->sink[j],
                              f->err);
    return f->status = s;
}

void ms_wires_close(struct ms_wires *f, struct ms_wires_leg *leg)
{
    f->leg[leg->slot] = NULL;
}

void ms_wires_start(struct ms_wires *f, struct ms_wires_leg *leg, uint32_t gate, double at_s)
{
    const struct ms_leg *plan = leg->exec->leg;
    uint32_t begin = plan->gate_first[gate], n = plan->gate_first[gate + 1] - begin;
    if (f->status)
        return;
    if (n > f->batch_cap) {
        free(f->batch);
        f->batch = malloc(n * sizeof *f->batch);
        f->batch_cap = f->batch ? n : 0;
        if (!f->batch) {
            no_memory(f);
            return;
        }
    }
    for (uint32_t i = 0; i < n; i++) {
        uint32_t k = begin + i;
        uint32_t route = ms_route_table_known(f->routes, leg->group, plan->src[k], plan->dst[k]);
        double latency_s = f->add_latency ? ms_route_table_shape(f->routes, route).latency_s : 0;
        f->batch[i] = (struct ms_fluid_flow){
            .bytes = leg->wire_bytes ? leg->wire_bytes[k] : plan->bytes[k],
            .start_s = at_s + latency_s,
            .route = f->fluid_route[route],
            .sink = leg->sink[plan->end[k]],
        };
    }
    f->status = ms_fluid_add(f->fluid, f->batch, n, f->err);
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
    for (size_t i = 0; i < n; i++)
        ms_exec_ended(f->leg[f->events[i].tag >> 32]->exec, (uint32_t)f->events[i].tag,
                      f->events[i].finish_s);
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
