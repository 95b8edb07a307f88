/** @file held_rates.h  What a flow gains when a platform file's bandwidth_file makes a link faster
 *  while the flow is under way: nothing, as in SimGrid.
 *
 *  SimGrid (3.32, network_cm02.cpp) bounds a flow by the least rate that its route has when the flow
 *  starts, and never looks again: after a rise, flows under way stay slow and new ones are fast. A
 *  platform file means what SimGrid makes of it, so the fluid model does the same: a rate that a
 *  link has at some time and exceeds later is a FATPIPE resource of the solver, and a flow that
 *  starts while its route has that rate uses it. `faults.links` are ours: flows gain what comes
 *  back. Seconds since the start of the run; links count from 0. */
#ifndef MS_SIM_HELD_RATES_H
#define MS_SIM_HELD_RATES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "sim/platform_events.h"

struct ms_held_step {
    double at_s;
    uint32_t link; /**< of the platform */
    uint32_t rate; /**< in Bps */
};

/** Zero: no link is ever faster than it was before. */
struct ms_held_rates {
    size_t n_steps, n_rates;
    const struct ms_held_step *step; /**< [n_steps] by link, then by time; the first at -INFINITY */
    const double *Bps;               /**< [n_rates] */
    const uint32_t *link_of;         /**< [n_rates] */
    const double *capacity_Bps;      /**< of the platform's links at the start, borrowed */
};

/** @param capacity_Bps of the platform's links before any event; kept
 *  @param a owns what comes out
 *  @return false: no memory */
bool ms_held_rates_make(const struct ms_platform_events *e, const double *capacity_Bps,
                        struct ms_arena *a, struct ms_held_rates *out);

/** The rate that holds a flow over these links which starts at at_s, or UINT32_MAX: none does. */
uint32_t ms_held_rates_at(const struct ms_held_rates *h, const uint32_t *link, size_t n,
                          double at_s);

#endif
