/** @file background.h  Other tenants' flows on the same fabric: when they start, from where to where,
 *  how long they are.
 *
 *  Every host starts flows as a Poisson process of its own, so that its port is used to the share
 *  `utilisation` on average; sizes are log-normal. Draws are named by (seed, repeat, host), so
 *  platforms with equal ports meet the same arrivals, and so does the balanced twin. Flows leave
 *  their node. Seconds, bytes, ranks of all groups. */
#ifndef MS_SIM_BACKGROUND_H
#define MS_SIM_BACKGROUND_H

#include <stdbool.h>
#include <stdint.h>

#include "base/rng.h"
#include "sim/sim.h"

struct ms_background_host {
    struct ms_rng rng;
    double next_s; /**< its next flow */
    int partner;   /**< where all its flows go; -1: drawn for each */
};

/** Zero-initialise; finish frees. */
struct ms_background {
    const struct ms_background_params *p;
    struct ms_background_host *host; /**< [n] */
    const int *node;                 /**< [n] */
    int n, n_group;
    double flows_per_s; /**< of a host */
    double until_s;     /**< flows that start before are known */
};

struct ms_background_flow {
    double start_s, bytes;
    int src, dst;
};

/** A run begins. @param n_group ranks of a group: flows stay in theirs  @param node [n] borrowed  @param port_Bps of a host  @return false: no memory */
bool ms_background_begin(struct ms_background *b, const struct ms_background_params *p,
                         uint64_t seed, int repeat, int n, int n_group, const int *node,
                         double port_Bps);
void ms_background_finish(struct ms_background *b);
/** The next flow that starts before to_s. @return false: there is none; until_s is to_s then */
bool ms_background_next(struct ms_background *b, double to_s, struct ms_background_flow *out);

#endif
