/** @file fluid_reference.h  Weighted max-min sharing as the textbook has it, slow and plain: what the
 *  fluid solver is held against. Every arrival, end and change of capacity computes all rates anew,
 *  from every flow and link, and sums of weights are never kept. */
#ifndef TESTS_FLUID_REFERENCE_H
#define TESTS_FLUID_REFERENCE_H

#include "fluid_nets.h"

struct ref_flow {
    double bytes, start_s; /**< start_s: after the end of `after`, if there is one */
    uint32_t route;        /**< UINT32_MAX: only `with` */
    uint32_t after;        /**< a flow whose end it waits for; UINT32_MAX: none */
    double share;          /**< 0: 1 */
    const struct ms_fluid_use *with, *then;
    uint32_t n_with, n_then;
    double chunk_bytes;
    double sent_s;   /**< out: the end of its first hop */
    double finish_s; /**< out */
};

struct ref_change {
    double at_s, capacity_Bps;
    uint32_t link;
};

/** Run to the end; changes in any order. */
void ref_run(const struct net *n, struct ref_flow *flow, size_t n_flows,
             const struct ref_change *change, size_t n_changes);

#endif
