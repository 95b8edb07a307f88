/** @file fluid_nets.h  Networks and all-to-all traffic for the tests and the benchmark of the fluid
 *  solver. */
#ifndef TESTS_FLUID_NETS_H
#define TESTS_FLUID_NETS_H

#include <stdint.h>

#include "sim/fluid/fluid.h"

/** Links, and the route of each pair (source, destination) at off[s * n_hosts + d]; s == d: none. */
struct net {
    uint32_t n_hosts;
    size_t n_links, n_hops;
    struct ms_fluid_link *link;
    uint32_t *hop;
    size_t *off; /**< [n_hosts * n_hosts + 1] */
};

#define PORT_BPS 50e9

/** star: a link up and one down a host.
 *  fattree: leaves of 8 hosts (16 from 256 hosts on), as many spines; uplinks of a leaf are one
 * link of summed rate. oversub: the same with a quarter of the rate. dmodk: the same, one link a
 * spine, spine = destination mod spines. torus: 3-D, dimension order, ports into every direction.
 * rail: nodes of 8 with NVLink ports (8 x the rate) inside, and one switch a rail between nodes,
 * other rails through the spine at half the rate; a fatpipe on NVLink.
 *  @return false: no such topology */
bool net_make(struct net *n, const char *topology, uint32_t n_hosts);
void net_free(struct net *n);

/** Bytes from s to d: uniform 64 KiB; skew: depends on the destination only, 64 KiB x (1 + (7919 d
 * mod 13) / 13); random: uniform in 1..128 Ki, every pair its own; lognormal: sigma 1. */
double net_bytes(const char *sizes, uint32_t s, uint32_t d, uint64_t seed);

/** A solver with all routes stored: route number s * n_hosts + d. */
struct ms_fluid *net_solver(const struct net *n, struct ms_pool *pool);
/** One exchange, all pairs posted at start_s: sink d with tag d. bytes: [n_hosts * n_hosts] */
void net_alltoall(struct ms_fluid *f, const struct net *n, const double *bytes, double start_s);
/** A flow over one route, nothing more. */
struct ms_fluid_flow net_flow(double bytes, double start_s, uint32_t route, uint32_t sink);
/** ms_fluid_advance and ms_fluid_run_to_event where memory lasts. @return the number of events */
size_t net_advance(struct ms_fluid *f, double to_s, const struct ms_fluid_event **events);
size_t net_run_to_event(struct ms_fluid *f, double to_s, const struct ms_fluid_event **events);
/** Largest bytes / capacity over links, in seconds. */
double net_bound(const struct net *n, const double *bytes);

#endif
