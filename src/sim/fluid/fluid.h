/** @file fluid.h  Max-min fair sharing of resources among flows, over time.
 *
 *  Decides how fast every flow moves and when it ends; knows nothing of SimGrid, ranks, latency or
 *  messages. Latency is the caller's: a flow starts at the time it is given.
 *
 *  A flow uses routes, each at a weight: units a second that every link of the route spends on a
 *  byte a second of the flow. What is called a link here is any resource: a port's message rate or
 *  a GPU's communication cores are links that stand alone in a route of their own. Over every link
 *  sum(weight x rate) <= capacity; a `fatpipe` link limits each flow alone and is not shared. Rates
 *  are the weighted max-min fair allocation (progressive filling; Bertsekas and Gallager, "Data
 *  Networks", 6.5.2): rate = share x level, and no level can be raised without lowering one that is
 *  not above it.
 *
 *  A *stream* is a flow over two hops, the second of which passes on what the first brings: its
 *  first chunk goes over the first hop alone (fill), then both hops move at one rate (steady), then
 *  the last chunk goes over the second hop alone (drain). A chunk of all its bytes is store and
 *  forward, no chunk is a wire.
 *
 *  Flows end in *sinks*: a sink is what somebody waits for (all bytes for a rank in a leg, or one
 *  message). It is opened with the number of flows it waits for; when the last of them has ended,
 *  it is an event. So a million flows into a thousand ranks are a thousand events, and the caller
 *  sleeps from one to the next:
 *
 *      ms_fluid_open(f, 2, tag, &sink, &err);
 *      ms_fluid_add(f, flows, 2, &err);
 *      while ((t = ms_fluid_next_s(f)) < INFINITY) {
 *          sleep_until(t);
 *          if (ms_fluid_advance(f, t, &event, &n, &err))
 *              break;
 *          for (i = 0; i < n; i++)
 *              wake(event[i].tag);
 *      }
 *
 *  Flows may be added at any time, also for later than now; adding may move the next time, so ask
 *  again. A caller who knows that nobody can add flows before the next event (every rank waits for
 *  a sink) calls ms_fluid_run_to_event instead and sleeps once an event, not once a step.
 *
 *  Quantum q (seconds): once rates are known, all flows that end at most 3 q after the first of
 *  them end at their own time (remaining / rate); the bandwidth they free is handed out when the
 *  last of them has ended, and the others are credited then with what they would have got of it
 *  meanwhile, as far as no link carries more than it can. A stream goes on to its next part in the
 *  same way. An arrival or a change of capacity in between is acted on at its own time. So ends are
 *  late, by less than q where all flows weigh alike, and the number of solves does not grow with
 *  the number of flows. q = 0: exact.
 *
 *  Units: bytes, seconds, bytes per second (of a resource of another kind: its units); links,
 *  routes and sinks count from 0. Results do not depend on the number of threads of the pool, nor
 *  on how the caller cuts the time between events.
 *
 *  Memory: a flow over one route takes 24 bytes before its start and 4 while it starts; then 28,
 *  and 24 for its places in two links' lists, or two bits where most pairs of links have a flow.
 *  Where k > 2 of its links can bind it takes 20 + 12 k. A weighted one takes 65, and 20 for each
 *  link it asks something of; a stream's lists 16 a use of a route and 4 a sink more. A route takes 9
 *  bytes and 4 a link, one that is lent a bit. Arrays hold up to half as much again.
 *  Where there is no memory, MS_NOMEM comes back; the solver is then good for ms_fluid_destroy only,
 *  and every later call says MS_NOMEM again. */
#ifndef MS_SIM_FLUID_H
#define MS_SIM_FLUID_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/pool.h"

struct ms_fluid;

#define MS_FLUID_NO_ROUTE UINT32_MAX
#define MS_FLUID_NO_SINK UINT32_MAX
/** Route i of those lent is this + i. */
#define MS_FLUID_LENT ((uint32_t)1 << 31)

struct ms_fluid_link {
    double capacity_Bps; /**< > 0 and finite */
    bool fatpipe;        /**< limits each flow alone */
};

/** A route at a weight. */
struct ms_fluid_use {
    double weight;  /**< >= 0, finite; 0: not used at all */
    uint32_t route; /**< of ms_fluid_route */
};

/** Zero-initialise, then set what is wanted. The lists are copied by ms_fluid_add. */
struct ms_fluid_flow {
    double bytes;   /**< >= 0; 0 ends at its start */
    double start_s; /**< a time before now means now */
    uint32_t route; /**< used at weight 1; MS_FLUID_NO_ROUTE: only `with` */
    uint32_t sink;  /**< of ms_fluid_open; MS_FLUID_NO_SINK: none (background) */
    double share; /**< rate = share x level; 0 stands for 1. Bytes / bytes of the leg: all flows of
                       a leg progress in proportion, however they are cut */
    const struct ms_fluid_use *with; /**< [n_with] used beside `route` */
    const struct ms_fluid_use *then; /**< [n_then] the second hop: the flow is a stream */
    const uint32_t *also;            /**< [n_also] more sinks that wait for it */
    uint32_t n_with, n_then, n_also;
    uint32_t n_sent;    /**< the first of `also` hear already when the first hop is over */
    double chunk_bytes; /**< of a stream; more than its bytes counts as its bytes */
};

/** A sink whose last flow has ended. */
struct ms_fluid_event {
    double finish_s; /**< when its last flow ended */
    uint64_t tag;    /**< the caller's word */
    uint32_t sink;   /**< already closed: the number may be given out again */
};

/** A stretch of a flow's life and the link that set its rate. */
struct ms_fluid_span {
    uint32_t link; /**< UINT32_MAX: none (the flow had no bytes or no links) */
    double seconds;
};

struct ms_fluid_stats {
    uint64_t n_solves;     /**< times rates of a component were computed */
    uint64_t n_flows;      /**< flows started */
    uint64_t n_active_max; /**< most flows at once */
    uint64_t n_links;      /**< links that can bind */
    uint64_t n_components; /**< parts of the network that share none of them */
};

/** links: n_links rows, copied. pool: threads for big cases, borrowed, NULL = the caller's alone.
 *  @return MS_OK; MS_INVALID for a capacity that is not positive and finite; MS_NOMEM */
enum ms_status ms_fluid_create(const struct ms_fluid_link *links, size_t n_links,
                               struct ms_pool *pool, struct ms_fluid **out, struct ms_err *err);
void ms_fluid_destroy(struct ms_fluid *f);

/** Store a route: the links it crosses, in the route's order. A link named twice weighs 2 (a
 *  fatpipe 1). n = 0: who uses this route alone ends at its start. Routes are numbered in the order
 *  stored. Store all of them before the first flow where possible: each time new ones appear the
 *  links that can bind are found anew. @return MS_OK; MS_NOMEM */
enum ms_status ms_fluid_route(struct ms_fluid *f, const uint32_t *links, size_t n, uint32_t *route,
                              struct ms_err *err);
/** Lend the solver a table of routes instead: route MS_FLUID_LENT + i crosses link[first[i]] to
 *  link[first[i + 1] - 1]. The table stays the caller's; it may grow and move if it is lent again
 *  before anything else is asked of the solver. n_routes never falls. @return MS_OK; MS_NOMEM */
enum ms_status ms_fluid_lend(struct ms_fluid *f, const uint32_t *link, const uint64_t *first,
                             size_t n_routes, struct ms_err *err);
/** Flows are going to use these routes together. Not needed, but where many flows join routes that
 *  have no link in common (a port and its message rate), saying so at the start saves finding it
 *  out flow by flow. @return MS_OK; MS_NOMEM */
enum ms_status ms_fluid_tie(struct ms_fluid *f, const uint32_t *routes, size_t n,
                            struct ms_err *err);

/** Keep which link set each flow's rate, for ms_fluid_spans. Call before the first flow; off by
 *  default (it costs time and memory). */
void ms_fluid_trace(struct ms_fluid *f, bool on);

/** From the next solve on. >= 0 */
void ms_fluid_set_quantum(struct ms_fluid *f, double quantum_s);
/** Never more than `share` of the time since epoch_s: flows that end early keep their relative
 *  accuracy. share 0: no such limit (the default). */
void ms_fluid_set_ramp(struct ms_fluid *f, double epoch_s, double share);

/** A link's capacity from at_s on (a time before now means now); 0 stalls its flows. @return MS_OK;
 *  MS_NOMEM */
enum ms_status ms_fluid_set_capacity(struct ms_fluid *f, uint32_t link, double at_s,
                                     double capacity_Bps, struct ms_err *err);

/** A new sink that n_flows >= 1 flows will end in. @return MS_OK; MS_NOMEM */
enum ms_status ms_fluid_open(struct ms_fluid *f, uint32_t n_flows, uint64_t tag, uint32_t *sink,
                             struct ms_err *err);
/** Add flows; many at once is faster than one by one. @return MS_OK; MS_INVALID for bytes, weights,
 *  shares or chunks that are negative or not finite; MS_NOMEM */
enum ms_status ms_fluid_add(struct ms_fluid *f, const struct ms_fluid_flow *flows, size_t n,
                            struct ms_err *err);

/** The next time to call advance at: an event, or a step where rates change (then advance gives no
 *  events). As things stand: flows added later may move it either way, but never before now.
 *  INFINITY when nothing more will end. Where memory ran out: now, and advance says so. */
double ms_fluid_next_s(struct ms_fluid *f);
/** Go to time `to_s` (INFINITY: until nothing more ends) through everything that happens until
 *  then.
 *  @param events the n_events sinks completed up to and with to_s, by finish time, then by sink;
 *  valid until the next call
 *  @return MS_OK; MS_NOMEM */
enum ms_status ms_fluid_advance(struct ms_fluid *f, double to_s,
                                const struct ms_fluid_event **events, size_t *n_events,
                                struct ms_err *err);
/** The same, but stop at the first event: go to its finish_s (then ms_fluid_now_s) or, if there is
 *  none before, to to_s. Nothing may then be added before that time. The events are those of that
 *  instant. */
enum ms_status ms_fluid_run_to_event(struct ms_fluid *f, double to_s,
                                     const struct ms_fluid_event **events, size_t *n_events,
                                     struct ms_err *err);
/** The time of the last advance; 0 at the start. */
double ms_fluid_now_s(const struct ms_fluid *f);

/** With ms_fluid_trace: the life of the last-ending flow of event e of the last advance, from its
 *  start to its end.
 *  @return the number of spans; valid until the next advance */
size_t ms_fluid_spans(const struct ms_fluid *f, size_t e, const struct ms_fluid_span **spans);

/** Units each link has spent up to now (weight x bytes; with weight 1 the bytes it carried),
 *  [n_links], by flows that ended or run. */
void ms_fluid_link_bytes(struct ms_fluid *f, double *bytes);
/** Call beat after every solve with the flows that have not ended, those that have not started among
 *  them; NULL: no longer. It must not touch the solver. */
void ms_fluid_watch(struct ms_fluid *f, void (*beat)(void *ctx, uint64_t n_left), void *ctx);
void ms_fluid_get_stats(const struct ms_fluid *f, struct ms_fluid_stats *out);

#endif
