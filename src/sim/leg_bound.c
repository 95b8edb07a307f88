/* Decides the least time in which a leg's bytes can cross, from its last entry on: every link carries its
 * bytes at full rate from when the first of their ranks enters. */
#include <math.h>

#include "sim/core.h"

/* A hop's bytes on every link of its route. @return links touched so far */
static uint32_t add_hop(struct ms_core *c, int group, uint32_t src, uint32_t dst, double bytes,
                        double from_s, uint32_t n_seen)
{
    const struct ms_route_table *r = &c->platform.routes;
    uint32_t route = ms_route_table_known(r, group, src, dst);
    for (uint64_t i = r->first[route]; i < r->first[route + 1] && bytes > 0; i++) {
        uint32_t l = r->link[i];
        double *load = &c->samples.link_load[l], *from = &c->samples.link_from_s[l];
        if (*load == 0) {
            c->samples.link_seen[n_seen++] = l;
            *from = from_s;
        }
        *from = fmin(*from, from_s);
        *load += bytes;
    }
    return n_seen;
}

/* When the first of those enters whose bytes a flow may carry: in later phases anybody's. */
static double earliest_s(const struct ms_leg_run *leg, uint32_t f, const struct ms_leg_stream *s)
{
    const struct ms_leg *plan = &leg->plan;
    double from_s = leg->entry_s[plan->src[f]];
    for (uint32_t i = 0; i < s->n_parts; i++)
        from_s = fmin(from_s, leg->entry_s[ms_leg_part_of(plan, s, i).src]);
    return from_s;
}

static uint32_t add_flow(struct ms_core *c, const struct ms_leg_run *leg, uint32_t f,
                         uint32_t n_seen)
{
    const struct ms_leg *plan = &leg->plan;
    struct ms_leg_stream s;
    ms_leg_stream_of(plan, f, &s);
    double from_s = earliest_s(leg, f, &s);
    if (ms_leg_has_main(plan, f))
        n_seen = add_hop(c, leg->group, plan->src[f], plan->dst[f], plan->bytes[f], from_s, n_seen);
    for (uint32_t i = 0; i < s.n_parts; i++) {
        struct ms_leg_part p = ms_leg_part_of(plan, &s, i);
        n_seen = add_hop(c, leg->group, p.src, p.dst, p.bytes, from_s, n_seen);
    }
    return n_seen;
}

double ms_leg_bound_s(struct ms_core *c, const struct ms_leg_run *leg)
{
    double last_s = leg->last_entry_s, end_s = last_s;
    bool as_planned = leg->first_entry_s == last_s && leg->plan.n_phases == 1 &&
                      !(c->in->params->faults.jitter_network_sigma > 0);
    uint32_t n_seen = 0;
    if (as_planned)
        return leg->phase_s[0];
    for (uint32_t f = 0; f < leg->plan.n_flows; f++)
        n_seen = add_flow(c, leg, f, n_seen);
    for (uint32_t i = 0; i < n_seen; i++) {
        uint32_t l = c->samples.link_seen[i];
        double needs_s = c->samples.link_load[l] / c->out->link_bandwidth[l];
        if (c->platform.link_shared[l])
            end_s = fmax(end_s, c->samples.link_from_s[l] + needs_s);
        c->samples.link_load[l] = 0;
    }
    return end_s - last_s;
}
