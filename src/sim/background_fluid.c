/* Other tenants' flows given to the fluid solver: where their ports are, and how far ahead they are
 * told. */
#include "sim/background_fluid.h"

/* Flows are told to the solver this much ahead. */
#define AHEAD_S 1e-4

/* The rate of a port: of the first link to another node. */
static double port_Bps(struct ms_core *c)
{
    const struct ms_layout *l = &c->platform.layout[0];
    struct ms_route_table *t = &c->platform.routes;
    uint32_t route;
    for (int r = 1; r < c->n_ranks; r++)
        if (l->node[r] != l->node[0] && ms_route_table_get(t, 0, 0, r, &route, c->err) == MS_OK)
            return c->out->link_bandwidth[t->link[t->first[route]]];
    return 0;
}

enum ms_status ms_background_fluid_begin(struct ms_core *c, struct ms_background_fluid *b)
{
    const struct ms_background_params *p = &c->in->params->background;
    if (!(p->utilisation > 0))
        return MS_OK;
    if (!b->node) {
        b->node = MS_NEW(&c->arena, int, (size_t)c->n_total);
        for (int i = 0; b->node && i < c->n_total; i++) /* nodes of different groups differ */
            b->node[i] = (i / c->n_ranks) * c->n_ranks +
                         c->platform.layout[i / c->n_ranks].node[i % c->n_ranks];
    }
    double Bps = port_Bps(c);
    if (!b->node || !(Bps > 0) ||
        !ms_background_begin(&b->flows, p, c->in->seed, c->run.repeat, c->n_total, c->n_ranks,
                             b->node, Bps))
        return ms_core_fail(c, MS_NOMEM, "no background flows: no memory, or no port to use");
    return MS_OK;
}

void ms_background_fluid_finish(struct ms_background_fluid *b)
{
    ms_background_finish(&b->flows);
}

enum ms_status ms_background_fluid_add(struct ms_core *c, struct ms_background_fluid *b,
                                       struct ms_wires *wires, double to_s)
{
    struct ms_background_flow x;
    uint32_t route;
    while (b->flows.until_s <= to_s && !c->status)
        while (ms_background_next(&b->flows, to_s + AHEAD_S, &x)) {
            int group = x.src / c->n_ranks, src = x.src % c->n_ranks, dst = x.dst % c->n_ranks;
            if (x.dst / c->n_ranks != group || src == dst)
                continue; /* routes are known within groups */
            enum ms_status s =
                ms_route_table_get(&c->platform.routes, group, src, dst, &route, c->err);
            if (s == MS_OK)
                s = ms_wires_background(wires, group, src, dst, x.bytes, x.start_s);
            if (s != MS_OK)
                return ms_core_note(c, s);
        }
    return c->status;
}
