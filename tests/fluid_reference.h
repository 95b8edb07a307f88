/** @file fluid_reference.h  Max-min sharing as the textbook has it, slow and plain: what the fluid
 * solver is held against. Every arrival, end and change of capacity computes all rates anew, from
 * every flow and link. */
#ifndef TESTS_FLUID_REFERENCE_H
#define TESTS_FLUID_REFERENCE_H

#include "fluid_nets.h"

struct ref_flow {
    double bytes, start_s; /**< start_s: after the end of `after`, if there is one */
    uint32_t route;
    uint32_t after;  /**< a flow whose end it waits for; UINT32_MAX: none */
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
