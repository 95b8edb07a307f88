/* A plan's flow as one of the solver: its bytes, its uses, who hears of its end, when it starts. */
#include "sim/wires_parts.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/huge.h"
/* A flow in the making: its lists grow at the ends of the batch's. */
struct making {
    struct ms_wires *f;
    const struct ms_wires_leg *leg;
    const struct ms_leg *plan;
    struct ms_fluid_flow *out;
    struct ms_fluid_use *use; /* the next free ones */
    uint32_t *also;
    double gate_s;           /* when the flow was let go */
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
    return ms_wires_known_route(m->f, m->leg, src, dst, m->queue_pair);
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

/* What holds a hop that starts while a link of its route is slow. @return uses made */
static uint32_t use_held(struct making *m, uint32_t src, uint32_t dst, double weight,
                         double latency_s)
{
    const struct ms_route_table *r = m->f->routes;
    if (!m->f->held.n_rates)
        return 0;
    uint32_t route = ms_route_table_known(r, m->leg->group, src, dst);
    size_t n_links = (size_t)(r->first[route + 1] - r->first[route]);
    uint32_t rate = ms_held_rates_at(&m->f->held, r->link + r->first[route], n_links,
                                     m->gate_s + (m->f->add_latency ? latency_s : 0));
    if (rate == UINT32_MAX)
        return 0;
    *m->use++ = (struct ms_fluid_use){weight, m->f->held_route[rate]};
    return 1;
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
    uint32_t messages = ms_leg_messages(plan, k);
    bool tiny = plan->bytes[k] < (double)LEAST_BYTES * messages;
    double bytes = tiny ? messages : plan->bytes[k];
    o->n_with = use_ports(m, src, dst, bytes, messages);
    if (o->n_with && tiny) {
        o->route = MS_FLUID_NO_ROUTE;
        o->bytes = bytes;
        m->f->unwired_bytes += m->queue_pair == 0 ? plan->bytes[k] : 0;
    } else {
        o->n_with += use_held(m, src, dst, 1, *latency_s);
    }
    tell_too(m, ms_leg_end(plan, k));
    tell_too(m, ms_leg_sent(plan, k));
}

/* The parts as one hop of a flow of `bytes`. @return uses made */
static uint32_t use_parts(struct making *m, const struct ms_leg_stream *s, double bytes,
                          double *latency_s)
{
    uint32_t n_held = 0;
    for (uint32_t i = 0; i < s->n_parts; i++) {
        struct ms_leg_part p = ms_leg_part_of(m->plan, s, i);
        uint32_t route = pair_route(m, p.src, p.dst, latency_s);
        *m->use++ = (struct ms_fluid_use){p.bytes / bytes, route};
        n_held += use_held(m, p.src, p.dst, p.bytes / bytes, *latency_s);
    }
    return s->n_parts + n_held;
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
        tell_too(m, ms_leg_part_of(m->plan, s, i).end);
}

/* Main brings, the parts pass on. */
static void make_out(struct making *m, uint32_t k, const struct ms_leg_stream *s, double *latency_s)
{
    const struct ms_leg *plan = m->plan;
    struct ms_fluid_flow *o = m->out;
    double hop_s = 0;
    o->route = pair_route(m, plan->src[k], plan->dst[k], latency_s);
    o->with = m->use;
    o->n_with = use_ports(m, plan->src[k], plan->dst[k], o->bytes, ms_leg_messages(plan, k));
    o->n_with += use_channels(m, plan->src[k], false, s->owner_s, o->bytes);
    o->n_with += use_held(m, plan->src[k], plan->dst[k], 1, *latency_s);
    o->then = m->use;
    o->n_then = use_parts(m, s, o->bytes, &hop_s);
    o->n_then += use_channels(m, plan->dst[k], true, s->forwarder_s, o->bytes);
    if (s->n_parts == 1) { /* pxn: the second hop is the one that leaves the node */
        struct ms_leg_part p = ms_leg_part_of(plan, s, 0);
        o->n_then += use_ports(m, p.src, p.dst, o->bytes, ms_leg_messages(plan, k));
    }
    o->chunk_bytes = s->chunk_bytes;
    *latency_s += hop_s;
    tell_early(m, ms_leg_sent(plan, k));
    tell_early(m, ms_leg_end(plan, k));
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
    o->n_then = 1 + use_ports(m, plan->src[k], plan->dst[k], o->bytes, ms_leg_messages(plan, k));
    o->n_then += use_channels(m, plan->dst[k], false, s->owner_s, o->bytes);
    o->n_then += use_held(m, plan->src[k], plan->dst[k], 1, *latency_s + hop_s);
    o->chunk_bytes = s->chunk_bytes;
    *latency_s += hop_s;
    for (uint32_t i = 0; i < s->n_parts; i++)
        tell_early(m, ms_leg_sender(plan, (int)ms_leg_part_of(plan, s, i).src));
    tell_too(m, ms_leg_end(plan, k));
    tell_too(m, ms_leg_sent(plan, k));
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
    tell_too(m, ms_leg_sent(m->plan, k));
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
    struct ms_leg_stream s;
    bool streams = ms_leg_stream_of(m->plan, k, &s);
    double latency_s = 0;
    struct ms_fluid_flow *o = m->out;
    m->gate_s = at_s;
    *o = (struct ms_fluid_flow){
        .bytes = m->plan->bytes[k], .sink = MS_FLUID_NO_SINK, .also = m->also};
    if (m->leg->proportional)
        o->share = o->bytes / m->leg->rank_bytes[m->plan->src[k]];
    if (!streams)
        make_plain(m, k, &latency_s);
    else if (s.kind == MS_STREAM_OUT)
        make_out(m, k, &s, &latency_s);
    else if (s.kind == MS_STREAM_IN)
        make_in(m, k, &s, &latency_s);
    else
        make_local(m, k, &s, &latency_s);
    double start_s = at_s + (m->f->add_latency ? latency_s : 0);
    if (start_s != m->asked_s) {
        m->asked_s = start_s;
        m->start_s = ms_wires_on_grid(&m->leg->grid, start_s);
    }
    o->start_s = m->start_s;
    uint32_t parts = ms_wires_parts_of_message(m->f);
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
    *p = n < UINT32_MAX / 2 ? ms_huge_alloc(2 * n * size) : NULL;
    *cap = *p ? (uint32_t)(2 * n) : 0;
    return *p != NULL;
}

/* Memory for a batch: a flow has two ports, a rate that holds it and a sender's sink, a stream its
 * parts, rates that hold them and two sides of channels besides. */
static bool hold_batch(struct ms_wires *f, const struct ms_leg *plan, const uint32_t *flow,
                       uint32_t n)
{
    size_t most = 9 * (size_t)n, parts = ms_wires_parts_of_message(f);
    for (uint32_t i = 0; i < n; i++) {
        struct ms_leg_stream s;
        ms_leg_stream_of(plan, flow[i], &s);
        most += 2 * (size_t)s.n_parts;
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

enum { AHEAD = 16 }; /* flows that are fetched early: those that meet stand far apart */

static void fetch_ahead(const struct ms_wires *f, int group, const struct ms_leg *plan,
                        const uint32_t *flow, uint32_t n, uint32_t i)
{
    if (i + AHEAD < n) {
        uint32_t k = flow[i + AHEAD];
        __builtin_prefetch(&plan->src[k]);
        __builtin_prefetch(&plan->dst[k]);
        __builtin_prefetch(&plan->bytes[k]);
    }
    if (i + AHEAD / 2 < n) {
        uint32_t k = flow[i + AHEAD / 2];
        if (plan->dst[k] != MS_LEG_NONE)
            ms_route_table_fetch(f->routes, group, plan->src[k], plan->dst[k]);
    }
}

void ms_wires_start(struct ms_wires *f, struct ms_wires_leg *leg, const uint32_t *flow,
                    const double *at_s, uint32_t n)
{
    const struct ms_leg *plan = leg->exec->leg;
    if (f->status)
        return;
    if (!hold_batch(f, plan, flow, n)) {
        ms_wires_no_memory(f);
        return;
    }
    uint32_t parts = ms_wires_parts_of_message(f);
    struct making m = {f, leg, plan, f->batch, f->use, f->also, 0, NAN, 0, 0};
    for (uint32_t i = 0; i < n; i++) {
        fetch_ahead(f, leg->group, plan, flow, n, i);
        for (m.queue_pair = 0; m.queue_pair < parts; m.queue_pair++, m.out++)
            make(&m, flow[i], at_s[i]);
    }
    for (uint32_t i = 0; f->weather && f->weather->n_outages && i < n; i++)
        ms_wires_watch_flow(f, leg, flow[i], f->batch[i * parts].start_s);
    if (f->status == MS_OK)
        f->status = ms_fluid_add(f->fluid, f->batch, (size_t)n * parts, f->err);
}
