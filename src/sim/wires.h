/** @file wires.h  Plans over the fluid solver: the part of `network.model: fluid` that needs
 *  no SimGrid.
 *
 *  Joins where flows end become sinks of the solver; when one is done the plan's engine is told,
 *  with the exact time. The caller owns the clock: it asks for the next time and advances to it
 *  (transport_fluid.c from an actor, tests in a loop). Seconds since the start of the run. */
#ifndef MS_SIM_WIRES_H
#define MS_SIM_WIRES_H

#include "sim/exec.h"
#include "sim/fluid/fluid.h"
#include "sim/route_table.h"

/** One plan under way on the wires. Zero-initialise; memory is kept from use to use. */
struct ms_wires_leg {
    struct ms_exec *exec;
    int group;
    const double *wire_bytes; /**< [n_flows] what the wires carry, NULL = leg->bytes */
    uint32_t *sink;           /**< [n_joins] */
    uint32_t sink_cap;
    uint32_t slot;
};

struct ms_wires {
    struct ms_fluid *fluid;
    struct ms_route_table *routes;
    /** [routes->n_routes] the solver's number of each, as far as registered */
    uint32_t *fluid_route;
    uint32_t n_registered, register_cap;
    struct ms_wires_leg **leg; /**< by slot; NULL = free */
    uint32_t n_slots;
    struct ms_fluid_flow *batch;
    uint32_t batch_cap;
    struct ms_fluid_event *events;
    size_t event_cap;
    bool add_latency;   /**< flows start their route's latency after their gate */
    struct ms_err *err; /**< first failure inside a callback */
    enum ms_status status;
};

/** fluid and routes are borrowed; err keeps the first failure and must outlive it. */
void ms_wires_init(struct ms_wires *f, struct ms_fluid *fluid, struct ms_route_table *routes,
                   struct ms_err *err);
void ms_wires_finish(struct ms_wires *f);
/** Put a plan on the wires before its first rank enters. All its routes must be known to
 *  `routes`. */
enum ms_status ms_wires_open(struct ms_wires *f, struct ms_wires_leg *leg);
/** When its exec is done. */
void ms_wires_close(struct ms_wires *f, struct ms_wires_leg *leg);
void ms_wires_leg_finish(struct ms_wires_leg *leg);
/** ms_exec_ops.start for a leg on the wires. Failures are kept in f->status. */
void ms_wires_start(struct ms_wires *f, struct ms_wires_leg *leg, uint32_t gate, double at_s);
/** Go to to_s and tell the engines what has ended. @return MS_OK or the first failure */
enum ms_status ms_wires_advance(struct ms_wires *f, double to_s);
/** Go to the next end, but not past to_s, and tell its engine: for when nobody else can add
 *  flows before. */
enum ms_status ms_wires_run_to_event(struct ms_wires *f, double to_s);

#endif
