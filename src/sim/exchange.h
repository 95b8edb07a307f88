/** @file exchange.h  Exchange algorithms: from counts to a plan of flows.
 *
 *  An algorithm is one exchange_<name>.c with one const struct and one word in meson.build. It
 *  is pure: no clock, no SimGrid; it sees the counts, where the ranks sit, and the nominal
 *  latency and bandwidth of a route. The frame here chooses what is de-duplicated, runs it, and
 *  checks that every rank is given exactly the bytes the routing asked for. Whatever others must
 *  know of an algorithm (does it need nodes, what does a leg cost to simulate …) is a field of
 *  its struct: its name stands in its own file only.
 *
 *  Directions. `dispatch`: row s of the counts sends to column r. `combine`: column r sends back
 *  to row s.
 *
 *  Streams (hierarchical, pxn): bytes that are passed on by another GPU do so chunk by chunk. A
 *  transport that can moves them as one flow over both hops: fill, steady, drain (leg_plan.h). For
 *  one that cannot they are flows of their own, tied at start and end: the second hop starts one
 *  chunk after the first has started, the time chunk_bytes (or the whole first hop, if that is
 *  less) takes alone on the first route, latency + bytes / bandwidth; it runs beside the first and
 *  ends no earlier than the first hop's end plus one chunk on the second route.
 *
 *  Where a forwarder passes on what another rank sent (dispatch fan-out, pxn), it need not have
 *  entered the leg itself. Where it adds its own part (hierarchical combine), the sum starts after
 *  its entry. */
#ifndef MS_SIM_EXCHANGE_H
#define MS_SIM_EXCHANGE_H

#include "hardware/hardware.h"
#include "routing/traffic.h"
#include "sim/layout.h"
#include "sim/leg_plan.h"
#include "sim/sim.h"

/** What is known of a route before anything moves. */
struct ms_route_hint {
    double latency_s, bandwidth_Bps;
};

struct ms_leg_problem { /* borrowed for the call */
    const struct ms_traffic *traffic;
    const struct ms_layout *layout;
    bool combine;
    double share;        /**< of the counts: 1, or 0.5 of a half-batch */
    int top_k;           /**< experts a token chooses; 0 with a byte matrix */
    double copy_bytes;   /**< one token copy */
    double chunk_bytes;  /**< one chunk of a stream */
    double chunk_tokens; /**< copies in it */
    int dedup;           /**< enum ms_dedup, not AUTO */
    int forwarding;      /**< enum ms_forwarding */
    int window;
    int meeting;            /**< enum ms_meeting, not AUTO */
    int completion;         /**< enum ms_completion, not AUTO */
    bool coupled;           /**< the transport moves streams as one flow */
    const double *beside_s; /**< [G] what a rank works beside the network; NULL: nothing */
    bool follows; /**< legs follow each other: one-sided data queue behind the leg before */
    /** channel time, over all channels: for a token and node of the rank whose token it is, for one that
     *  is passed on, for a copy of it; 0: nothing */
    double owner_copy_s, forwarder_token_s, forwarder_copy_s;
    double message_bytes; /**< of one network write; 0: a message is one */
    struct ms_route_hint (*route)(void *ctx, int src, int dst);
    void *ctx;
};

/** The transports that an exchange's cost was measured with. */
enum ms_exchange_cost { MS_COST_FLUID, MS_COST_SIMGRID, MS_COSTS };

struct ms_exchange {
    const char *name, *help;
    int auto_dedup;      /**< what deduplicate: auto means */
    int auto_meeting;    /**< what meeting: auto means */
    int auto_completion; /**< what completion: auto means */
    int layers_ahead;    /**< of the slowest rank that a rank may be, for want of buffers; 0: any */
    bool streams;        /**< bytes are passed on, and a rank's flows progress in proportion */
    bool needs_nodes;    /**< useless without node properties: an input error */
    bool needs_tokens;   /**< a byte matrix is not enough */
    bool forwards;       /**< brings its own forwarding: pxn does not apply */
    bool windowed;       /**< exchange.window acts */
    bool chunked;        /**< passes on chunk by chunk: exchange.chunk_tokens acts */
    bool per_node_leg;   /**< bytes cross to the GPU with the source's local index */
    bool neighbours;     /**< a rank sends to the next rank only */
    bool paired;         /**< a rank receives from one other at a time */
    enum ms_comm_kernels kernels; /**< whose start-up and message costs it has */
    /** CPU seconds to simulate a leg of 64 ranks on fat-tree2-8x8 with OLMoE's arXiv routing, on
     *  two cores of an x86 server, by transport: 32 exchanges of fluid, one or two of SimGrid. */
    double leg_cpu_s[MS_COSTS];
    void (*plan)(const struct ms_leg_problem *p, struct ms_leg *leg);
    /** copies [G]: what each rank must be given in all, where the routing does not say; else NULL. */
    void (*owed)(const struct ms_leg_problem *p, double *copies);
};

/** The table, NULL-terminated; and by name (NULL: unknown). */
const struct ms_exchange *const *ms_exchanges(void);
const struct ms_exchange *ms_exchange_find(const char *name);
/** deduplicate resolved for an algorithm. */
int ms_exchange_dedup(const struct ms_exchange *x, int dedup);

/** Do a rank's flows progress in proportion to their bytes? Streams do: what walks through one
 *  buffer in order. */
bool ms_exchange_streams(const struct ms_exchange *x, int forwarding);
/** meeting and completion resolved likewise. */
int ms_exchange_meeting(const struct ms_exchange *x, int meeting);
int ms_exchange_completion(const struct ms_exchange *x, int completion);

/** Plan one leg and check it. What is AUTO in p is resolved here.
 *  @param leg any state ms_leg_init allows; closed on MS_OK
 *  @return MS_OK; MS_NOMEM; MS_INVALID for what the algorithm cannot do; MS_INTERNAL, naming the
 *  algorithm, when bytes are lost or made */
enum ms_status ms_exchange_plan(const struct ms_exchange *x, const struct ms_leg_problem *p,
                                struct ms_leg *leg, struct ms_err *err);

/** Bytes that never move: copies whose expert sits on their own rank. */
double ms_exchange_local_bytes(const struct ms_leg_problem *p);

/* For the algorithms. */

/** Copies of a row of the counts, after de-duplication per rank, before the share. */
static inline const double *ms_exchange_counts(const struct ms_leg_problem *p,
                                               const struct ms_traffic_row *row)
{
    return p->dedup == MS_DEDUP_NONE ? row->selections : row->copies;
}
/** Copies from rank s of the counts' rows to rank r. */
static inline double ms_exchange_copies(const struct ms_leg_problem *p, int s, int r)
{
    const struct ms_traffic_row *row = &p->traffic->row[s];
    int at = ms_traffic_find(row, (uint32_t)r);
    return at < 0 ? 0 : ms_exchange_counts(p, row)[at] * p->share;
}
/** All of row s: to [G]. */
void ms_exchange_row(const struct ms_leg_problem *p, int s, double *to);
/** Copies that rank `from` sends to rank `to` in this leg's direction. */
static inline double ms_exchange_sent(const struct ms_leg_problem *p, int from, int to)
{
    return p->combine ? ms_exchange_copies(p, to, from) : ms_exchange_copies(p, from, to);
}
/** Every two ranks of which one sends the other something in this leg's direction: `send` is called for
 *  each sender, in ascending order, with its receivers one by one. */
void ms_exchange_pairs(const struct ms_leg_problem *p, struct ms_leg *leg,
                       void (*send)(const struct ms_leg_problem *p, struct ms_leg *leg, int from,
                                    int to, double copies));
/** Copies of row s that cross to (or, reduced, from) a whole node. */
double ms_exchange_node_copies(const struct ms_leg_problem *p, int s, int node);
/** Tokens that rank r has itself: what it sent out, with the dropped ones put back on average. */
double ms_exchange_tokens(const struct ms_leg_problem *p, int r);
/** The time one chunk takes alone on a route, of a stream of `bytes`. */
double ms_exchange_chunk_s(const struct ms_leg_problem *p, int src, int dst, double bytes);
/** The join that a flow to dst must meet at: `posted`, when dst has posted it; one-sided, where it
 *  queues, when dst has all of the leg before; or MS_LEG_NONE. */
static inline uint32_t ms_exchange_meet(const struct ms_leg_problem *p, const struct ms_leg *leg,
                                        uint32_t posted, int dst)
{
    return p->meeting == MS_MEETING_PAIR   ? posted
           : p->meeting == MS_MEETING_NONE ? ms_leg_clear(leg, dst)
                                           : MS_LEG_NONE;
}
/** One message of `copies` > 0 from src to dst for dst itself: a flow, or a stream by pxn.
 *  @param posted the join from which dst takes it  */
void ms_exchange_send(const struct ms_leg_problem *p, struct ms_leg *leg, uint32_t gate,
                      uint32_t posted, int src, int dst, double copies, uint32_t messages,
                      uint32_t end);
/** A whole number of messages, at least 1. */
uint32_t ms_exchange_messages(double n);

#endif
