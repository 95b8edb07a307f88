/* A network without SimGrid for tests of plans: G ranks, a NIC port in and out of each, and NVLink
 * ports within nodes. */
#ifndef LEG_WORLD_H
#define LEG_WORLD_H

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "sim/exchange.h"
#include "sim/wires.h"
#include "traffic_cells.h"

struct world {
    int n_ranks, per_node;               /* per_node 1: a plain star */
    double nic_Bps, nic_s, nv_Bps, nv_s; /* rate and latency of a whole route */
    double quantum, gap_s;               /* gap_s > 0: messages cost the ports of the NICs */
    bool gap_adds;
    int top_k; /* of the tokens routed */
    bool proportional;
    struct ms_layout layout;
    struct ms_route_table routes;
    struct ms_traffic traffic;
    struct cells cells; /* its pairs, as long as they are written: world_problem seals them */
    struct ms_arena arena;
    double *entry, *done; /* [G] */
};

static inline int world_same_node(const struct world *w, int a, int b)
{
    return w->per_node > 1 && a / w->per_node == b / w->per_node;
}

static inline struct ms_route_hint world_hint(void *ctx, int src, int dst)
{
    const struct world *w = ctx;
    return world_same_node(w, src, dst) ? (struct ms_route_hint){w->nv_s, w->nv_Bps}
                                        : (struct ms_route_hint){w->nic_s, w->nic_Bps};
}

static inline enum ms_status world_fetch(void *ctx, int group, int src, int dst,
                                         struct ms_route *out, struct ms_err *err)
{
    (void)group;
    (void)err;
    struct world *w = ctx;
    struct ms_route_hint h = world_hint(w, src, dst);
    uint32_t base = world_same_node(w, src, dst) ? 2u * (uint32_t)w->n_ranks : 0;
    out->links[0] = base + 2u * (uint32_t)src;
    out->links[1] = base + 2u * (uint32_t)dst + 1;
    out->n = 2;
    out->latency_s = h.latency_s;
    out->bandwidth_Bps = h.bandwidth_Bps;
    return MS_OK;
}

static inline void world_init(struct world *w, int n_ranks, int per_node)
{
    memset(w, 0, sizeof *w);
    w->n_ranks = n_ranks;
    w->per_node = per_node;
    w->nic_Bps = 50e9;
    w->nic_s = 2e-6;
    w->nv_Bps = 200e9;
    w->nv_s = 1e-6;
    w->top_k = 1;
    int *node = calloc((size_t)n_ranks, sizeof *node),
        *rail = calloc((size_t)n_ranks, sizeof *rail);
    for (int r = 0; r < n_ranks; r++) {
        node[r] = per_node > 1 ? r / per_node : -1;
        rail[r] = r % per_node;
    }
    ms_layout_init(&w->layout, n_ranks, node, rail, NULL);
    free(node);
    free(rail);
    ms_route_table_init(&w->routes, 1, n_ranks, NULL);
    w->routes.fetch = world_fetch;
    w->routes.ctx = w;
    size_t g = (size_t)n_ranks;
    ms_traffic_init(&w->traffic, &w->arena, n_ranks, w->layout.n_nodes, 0, 0);
    w->cells = cells_new(n_ranks);
    w->entry = calloc(g, sizeof(double));
    w->done = calloc(g, sizeof(double));
}

static inline void world_finish(struct world *w)
{
    ms_layout_finish(&w->layout);
    ms_route_table_finish(&w->routes);
    cells_finish(&w->cells);
    ms_arena_finish(&w->arena);
    free(w->entry);
    free(w->done);
}

/* Every token of every rank picks K of E experts; experts lie in blocks on ranks. share_hot: chance
 * of expert 0's rank. */
static inline void world_route_tokens(struct world *w, int tokens, int top_k, uint64_t seed)
{
    int g = w->n_ranks, n = w->layout.n_nodes;
    w->top_k = top_k;
    struct ms_rng r;
    unsigned char *rank_hit = calloc((size_t)g, 1), *node_hit = calloc((size_t)n, 1);
    for (int s = 0; s < g; s++) {
        ms_rng_init(&r, seed, "world", (uint64_t)s, 0, 0);
        for (int t = 0; t < tokens; t++) {
            memset(rank_hit, 0, (size_t)g);
            memset(node_hit, 0, (size_t)n);
            for (int k = 0; k < top_k; k++) {
                double u = ms_rng_unit(&r);
                int to = (int)(u * u * g); /* skewed to low ranks */
                w->cells.selections[s * g + to]++;
                w->cells.copies[s * g + to] += !rank_hit[to];
                w->traffic.node_copies[s * n + w->layout.node[to]] += !node_hit[w->layout.node[to]];
                rank_hit[to] = node_hit[w->layout.node[to]] = 1;
            }
        }
    }
    free(rank_hit);
    free(node_hit);
}

/* The same count for every pair, own included. */
static inline void world_uniform(struct world *w, double copies)
{
    size_t g = (size_t)w->n_ranks;
    for (size_t i = 0; i < g * g; i++)
        w->cells.selections[i] = w->cells.copies[i] = copies;
    for (size_t i = 0; i < g * (size_t)w->layout.n_nodes; i++)
        w->traffic.node_copies[i] = copies;
}

static inline struct ms_leg_problem world_problem(struct world *w, double copy_bytes)
{
    cells_seal(&w->cells, &w->traffic);
    return (struct ms_leg_problem){
        .traffic = &w->traffic,
        .layout = &w->layout,
        .share = 1,
        .top_k = w->top_k,
        .copy_bytes = copy_bytes,
        .chunk_bytes = 32 * copy_bytes,
        .chunk_tokens = 32,
        .window = 8,
        .coupled = true,
        .route = world_hint,
        .ctx = w,
    };
}

/* Every hop of a plan, streams' parts included. */
struct hop {
    uint32_t src, dst;
    double bytes;
};

static inline struct hop *world_hops(const struct ms_leg *plan, uint32_t *n)
{
    struct hop *h = calloc((size_t)plan->n_flows + plan->n_parts + 1, sizeof *h);
    *n = 0;
    for (uint32_t f = 0; f < plan->n_flows; f++)
        if (ms_leg_has_main(plan, f))
            h[(*n)++] = (struct hop){plan->src[f], plan->dst[f], plan->bytes[f]};
    for (uint32_t f = 0; f < plan->n_flows; f++) {
        struct ms_leg_stream s;
        ms_leg_stream_of(plan, f, &s);
        for (uint32_t i = 0; i < s.n_parts; i++) {
            struct ms_leg_part p = ms_leg_part_of(plan, &s, i);
            h[(*n)++] = (struct hop){p.src, p.dst, p.bytes};
        }
    }
    return h;
}

struct world_run {
    struct ms_exec exec;
    struct ms_wires wires;
    struct ms_wires_leg leg;
    struct world *w;
};

static inline void world_start(struct ms_exec *x, const uint32_t *flow, const double *at_s,
                               uint32_t n)
{
    struct world_run *run = x->owner;
    ms_wires_start(&run->wires, &run->leg, flow, at_s, n);
}

static inline void world_complete(struct ms_exec *x, int rank, double at_s)
{
    struct world_run *run = x->owner;
    run->w->done[rank] = at_s;
}

/* Run a plan with the ranks entering at w->entry; fills w->done (NAN = never). @return all done */
static inline bool world_play(struct world *w, const struct ms_leg *plan)
{
    static const struct ms_exec_ops ops = {.start = world_start, .complete = world_complete};
    size_t n_links = 4 * (size_t)w->n_ranks, n_ports = w->gap_s > 0 ? 2 * (size_t)w->n_ranks : 0;
    struct ms_fluid_link *links = calloc(n_links + n_ports, sizeof *links);
    struct ms_wires_ports ports = {.gap_s = w->gap_s,
                                   .adds = w->gap_adds,
                                   .first_link = (uint32_t)n_links,
                                   .n_ranks = w->n_ranks,
                                   .n_total = w->n_ranks,
                                   .layout = &w->layout};
    for (size_t i = 0; i < n_ports; i++)
        links[n_links + i].capacity_Bps = ms_wires_port_capacity(&ports);
    for (size_t i = 0; i < n_links; i++)
        links[i].capacity_Bps = i < n_links / 2 ? w->nic_Bps : w->nv_Bps;
    struct world_run run = {.w = w};
    struct ms_err err = {0};
    struct ms_fluid *fluid = NULL;
    bool ok = !ms_fluid_create(links, n_links + n_ports, NULL, &fluid, &err);
    ok = ok && !ms_wires_init(&run.wires, fluid, &w->routes, &ports, &err);
    run.leg.proportional = w->proportional;
    uint32_t n_hops, route;
    struct hop *hop = world_hops(plan, &n_hops);
    for (uint32_t i = 0; ok && i < n_hops; i++)
        ok = !ms_route_table_get(&w->routes, 0, (int)hop[i].src, (int)hop[i].dst, &route, &err);
    free(hop);
    ok = ok && !ms_exec_init(&run.exec, plan, &ops, &run, &err);
    run.leg.exec = &run.exec;
    ok = ok && !ms_wires_open(&run.wires, &run.leg);
    ms_fluid_set_quantum(fluid, w->quantum);
    for (int r = 0; r < w->n_ranks; r++)
        w->done[r] = NAN;
    int n_in = 0;
    double last = -1;
    while (ok && n_in < w->n_ranks) { /* in the order of their entries */
        double next = INFINITY;
        for (int r = 0; r < w->n_ranks; r++)
            if (w->entry[r] > last && w->entry[r] < next)
                next = w->entry[r];
        while (ok && ms_fluid_next_s(fluid) < next)
            ok = !ms_wires_advance(&run.wires, ms_fluid_next_s(fluid));
        ok = ok && !ms_wires_advance(&run.wires, next);
        for (int r = 0; r < w->n_ranks; r++)
            if (w->entry[r] == next) {
                ms_exec_enter(&run.exec, r, next);
                n_in++;
            }
        last = next;
    }
    while (ok && ms_fluid_next_s(fluid) < INFINITY)
        ok = !ms_wires_advance(&run.wires, ms_fluid_next_s(fluid));
    ok = ok && ms_exec_done(&run.exec);
    ms_wires_leg_finish(&run.leg);
    ms_wires_finish(&run.wires);
    ms_exec_finish(&run.exec);
    ms_fluid_destroy(fluid);
    free(links);
    return ok;
}

/* The last completion of an algorithm, or NAN. */
static inline double world_exchange_s(struct world *w, const char *name,
                                      const struct ms_leg_problem *p)
{
    struct ms_leg plan = {0};
    double last = NAN;
    if (!ms_exchange_plan(ms_exchange_find(name), p, &plan, NULL) && world_play(w, &plan)) {
        last = 0;
        for (int r = 0; r < w->n_ranks; r++)
            last = w->done[r] > last ? w->done[r] : last;
    }
    ms_leg_finish(&plan);
    return last;
}

#endif
