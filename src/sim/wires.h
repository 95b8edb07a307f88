/** @file wires.h  Plans over the fluid solver: the part of `network.model: fluid` that needs no
 *  SimGrid.
 *
 *  Joins that are told of ends become sinks of the solver; when one is done the plan's engine is
 *  told, with the exact time. A stream is one flow over its hops. A rank's port is a resource of its
 *  own where messages cost something: only what leaves a node uses it, and only the port, never the
 *  fabric behind it. The caller owns the clock: it asks for the next time and advances to it
 *  (transport_fluid.c from an actor, tests in a loop). Seconds since the start of the run. */
#ifndef MS_SIM_WIRES_H
#define MS_SIM_WIRES_H

#include "sim/exec.h"
#include "sim/fluid/fluid.h"
#include "sim/held_rates.h"
#include "sim/layout.h"
#include "sim/paths.h"
#include "sim/platform_events.h"
#include "sim/port_rates.h"
#include "sim/route_table.h"

/** What messages cost at a port. */
struct ms_wires_ports {
    double gap_s;             /**< of each message; 0: nothing, and no other field counts */
    bool adds;                /**< bytes / bandwidth + messages x gap; else the larger of the two */
    double cross_rail_factor; /**< and so many times both between rails, where they add; 0: once */
    uint32_t first_link; /**< the solver's links first_link + 2 r, + 1: rank r sending, receiving */
    int n_ranks;         /**< of a group; ranks of group g count from g x n_ranks */
    int n_total;         /**< of all groups */
    const struct ms_layout *layout; /**< [groups] */
    /** of the solver's links: what bounds the messages that a port can be given */
    const double *capacity_Bps;
    const bool *shared; /**< false: FATPIPE */
};

/** Links that a port is seen to use; more of them bound nothing. */
enum { MS_WIRES_PORT_LINKS = 4 };

/** What reaches a port's own links at most, in one direction. */
struct ms_wires_port {
    uint32_t link[MS_WIRES_PORT_LINKS];
    uint32_t n_links;
    double Bps; /**< the sum of their rates; INFINITY: not bounded */
};

/** Channels of kernels that pass tokens on: seconds a second of each rank's two sides. */
struct ms_wires_channels {
    uint32_t first_link;  /**< the solver's links first_link + 2 r: own tokens; + 1: passing on */
    int n_ranks, n_total; /**< of a group; of all groups */
};

/** Flows of one leg start at times on a grid, never early: in an exchange of thousands of ranks that
 *  drift apart every start would be a solve of its own. Points are step_s apart, but closer to the
 *  epoch than that never further than `share` of the time since. step_s 0: every time is one. */
struct ms_wires_grid {
    double epoch_s, step_s, share;
};

/** The first point of the grid at or after at_s. */
double ms_wires_on_grid(const struct ms_wires_grid *g, double at_s);

/** One plan under way on the wires. Zero-initialise; memory is kept from use to use. */
struct ms_wires_leg {
    struct ms_exec *exec;
    int group;
    int leg;           /**< whose costs: 0 dispatch, 1 combine */
    bool proportional; /**< a rank's flows progress in proportion to their bytes */
    struct ms_wires_grid grid;
    uint32_t *sink;     /**< [n_joins] */
    double *rank_bytes; /**< [G] of each rank's flows, where proportional */
    uint32_t sink_cap, rank_cap;
    uint32_t slot;
};

/** A flow of nobody's leg. */
struct ms_wires_other {
    uint32_t route; /**< of the route table */
    double bytes, start_s;
    double finish_s; /**< INFINITY: under way */
};

struct ms_wires {
    struct ms_fluid *fluid;
    struct ms_route_table *routes;
    struct ms_wires_ports ports;
    struct ms_port_rates rates;
    bool has_rates;
    struct ms_wires_channels channels;
    uint32_t *channel_route;                  /**< [2 n_total]; NULL: channels cost nothing */
    const struct ms_platform_events *weather; /**< NULL: nothing happens to the links */
    struct ms_held_rates held;                /**< rates that flows are held to after a rise */
    uint32_t *held_route;                     /**< [held.n_rates] */
    double *started;      /**< [outages] bytes started over each one's link, so far */
    size_t n_links;       /**< of the solver, ports included */
    uint32_t *port_route; /**< [2 n_total] the route of each port link */
    /** [2 n_total] where messages cost something */
    struct ms_wires_port *port;
    /** messages can make a port wait: as long as they cannot, flows do not use the ports' rates, which
     *  changes nothing but the work. Never false again in a run. */
    bool ports_bind;
    /** [routes] a route with its ports' own rates, in dispatch and combine; NULL: there are none */
    uint32_t *rated_route[2];
    uint32_t n_rated[2];
    struct ms_paths paths; /**< which cables queue pairs take */
    /** [routes x queue pairs] a pair's route over its cables, in dispatch and combine */
    uint32_t *path_route[2];
    uint32_t n_paths[2];
    struct ms_wires_leg **leg; /**< by slot; NULL = free */
    uint32_t n_slots;
    struct ms_fluid_flow *batch;
    struct ms_fluid_use *use; /**< of the batch's flows */
    uint32_t *also;
    uint32_t batch_cap, use_cap, also_cap;
    struct ms_fluid_event *events;
    size_t event_cap;
    double unwired_bytes; /**< of flows so small that only their messages were sent */
    /** NULL, or told what the last flow of an end was limited by (a solver that traces) */
    void (*ended)(struct ms_exec *exec, double finish_s, const struct ms_fluid_span *span,
                  size_t n);
    /** flows of nobody's leg so far, where `ended` is told; in the order of their starts */
    struct ms_wires_other *other;
    size_t n_others, other_cap, first_open; /**< first_open: those before it have ended */
    double longest_other_s;                 /**< of those that have */
    bool add_latency;   /**< flows start their route's latency after their gate */
    struct ms_err *err; /**< first failure inside a callback */
    enum ms_status status;
};

/** The links of the ports, to be appended to those of the platform: capacities for ranks'
 *  directions. */
static inline double ms_wires_port_capacity(const struct ms_wires_ports *p)
{
    return p->adds ? 1 : 1 / p->gap_s; /* seconds a second, or messages a second */
}

/** Flows that a message is cut into: its queue pairs where paths are hashed, else 1. */
uint32_t ms_wires_parts_of_message(const struct ms_wires *f);

/** fluid, routes and what ports points to are borrowed; err keeps the first failure and must outlive
 *  it. ports NULL: messages cost nothing. */
enum ms_status ms_wires_init(struct ms_wires *f, struct ms_fluid *fluid,
                             struct ms_route_table *routes, const struct ms_wires_ports *ports,
                             struct ms_err *err);
void ms_wires_finish(struct ms_wires *f);
/** Let channels cost; before the first plan. The solver has their links, of capacity 1. */
enum ms_status ms_wires_channels(struct ms_wires *f, const struct ms_wires_channels *channels);
/** Give the ports rates of their own; before the first plan. The solver has their links. */
void ms_wires_rates(struct ms_wires *f, const struct ms_port_rates *rates);
/** Let queue pairs take cables of their own; before the first plan. The solver has the cables as
 *  links. */
void ms_wires_paths(struct ms_wires *f, const struct ms_paths *paths);
/** Let links change and go off as e says (borrowed); before the first plan.
 *  @param n_links of the solver, ports included */
enum ms_status ms_wires_weather(struct ms_wires *f, const struct ms_platform_events *e,
                                size_t n_links);
/** Hold flows to the rates that they start with; before the first plan. The solver has a FATPIPE
 *  link from first_link on for each rate. */
enum ms_status ms_wires_hold_rates(struct ms_wires *f, const struct ms_held_rates *held,
                                   uint32_t first_link);
/** A flow of nobody's leg between ranks of a group, whose route must be known to `routes`. */
enum ms_status ms_wires_background(struct ms_wires *f, int group, int src, int dst, double bytes,
                                   double start_s);
/** What flows of nobody's leg take of a link from from_s to to_s, as a share of what it can carry; of
 *  those under way what they have taken so far on average. Only where `ended` is told. */
double ms_wires_others(const struct ms_wires *f, uint32_t link, double from_s, double to_s);
/** Put a plan on the wires before its first rank enters. All its routes must be known to
 *  `routes`. */
enum ms_status ms_wires_open(struct ms_wires *f, struct ms_wires_leg *leg);
/** When its exec is done. */
void ms_wires_close(struct ms_wires *f, struct ms_wires_leg *leg);
void ms_wires_leg_finish(struct ms_wires_leg *leg);
/** ms_exec_ops.start for a leg on the wires. Failures are kept in f->status. */
void ms_wires_start(struct ms_wires *f, struct ms_wires_leg *leg, const uint32_t *flow,
                    const double *at_s, uint32_t n);
/** Go to to_s and tell the engines what has ended. @return MS_OK or the first failure */
enum ms_status ms_wires_advance(struct ms_wires *f, double to_s);
/** Go to the next end, but not past to_s, and tell its engine: for when nobody else can add
 *  flows before. */
enum ms_status ms_wires_run_to_event(struct ms_wires *f, double to_s);

#endif
