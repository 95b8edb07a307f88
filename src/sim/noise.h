/** @file noise.h  Ranks that are slow and times that jitter: factors on what a rank does by itself.
 *
 *  Every factor is drawn from a stream of its own, named by (seed, repeat, step, layer, rank and what
 *  is done), so it is the same on every platform, for every algorithm, and in the balanced twin. */
#ifndef MS_SIM_NOISE_H
#define MS_SIM_NOISE_H

#include <stdbool.h>
#include <stdint.h>

#include "sim/sim.h"

struct ms_noise {
    const struct ms_fault_params *faults;
    uint64_t seed;
    int n_ranks; /**< of all groups */
};

/** What is drawn: start-ups by phase, and computing. */
enum ms_noise_of { MS_NOISE_START = 0, MS_NOISE_DENSE = 16, MS_NOISE_EXPERTS = 24 };

/** Is there any noise at all? */
bool ms_noise_on(const struct ms_fault_params *p);
/** The factor of one piece of work of a rank: jitter, a log-normal of mean 1 and, for a share of the
 *  draws, a Pareto tail. 1 without jitter. @param what ms_noise_of + a number */
double ms_noise_jitter(const struct ms_noise *n, int repeat, int step, int layer, int rank,
                       int what);
/** The factor on the time of a rank's flows in a leg, of mean 1. @param phase of the layer */
double ms_noise_network(const struct ms_noise *n, int repeat, int step, int layer, int rank,
                        int phase);
/** How much slower a rank computes: 1, or the stragglers' factor. The stragglers are the same share of
 *  ranks, drawn anew for each repeat or, where they are per step, for each step of it. */
double ms_noise_slowdown(const struct ms_noise *n, int repeat, int step, int rank);

#endif
