/* What happens to SimGrid's links while they are used: rates change, links go off and on again, a host
 * that goes off ends the run; and a flow's start, which must not see a fault's rate. */
#include "sim/weather_simgrid.h"
#include "sim/simgrid.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static int by_time(const void *a, const void *b)
{
    const struct ms_link_event *x = a, *y = b;
    return (x->at_s > y->at_s) - (x->at_s < y->at_s);
}

/* The run that an actor of the weather was made for is still under way. */
static bool goes_on(const struct ms_core *c, int run)
{
    return c->run.number == run && !c->status && !c->crew.over;
}

/* Changes the links of one run. A rate of 0 would be none of SimGrid's. A link that is lifted gets its
 * rate when it is dropped, at this same instant. */
static void rates_main(int argc, char **argv)
{
    struct ms_weather *w = ms_sg.actor_self_get_data();
    struct ms_core *c = w->core;
    const struct ms_platform_events *all = &c->platform.events;
    int run = c->run.number;
    for (size_t i = 0; i < all->n_events && goes_on(c, run); i++) {
        const struct ms_link_event *e = &all->event[i];
        ms_engine_sleep_until(c, e->at_s);
        if (!goes_on(c, run))
            return;
        w->now_Bps[e->link] = fmax(e->capacity_Bps, 1e-3);
        if (!w->n_lifts[e->link])
            ms_sg.link_set_bandwidth(c->platform.link[e->link], w->now_Bps[e->link]);
    }
}

struct outing {
    struct ms_core *c;
    const struct ms_outage *off;
};

/* Switches one link off and on again, or ends the run of a host. */
static void outage_main(int argc, char **argv)
{
    struct outing *o = ms_sg.actor_self_get_data();
    struct ms_core *c = o->c;
    const struct ms_outage *off = o->off;
    int run = c->run.number;
    free(o);
    ms_engine_sleep_until(c, off->from_s);
    if (!goes_on(c, run))
        return;
    if (off->host) {
        ms_core_fail(c, MS_INFEASIBLE,
                     "%s goes off %.9g s after the start, and the exchange needs it", off->what,
                     off->from_s);
        return;
    }
    ms_sg.link_turn_off(c->platform.link[off->link]);
    if (!isfinite(off->to_s))
        return;
    ms_engine_sleep_until(c, off->to_s);
    if (goes_on(c, run))
        ms_sg.link_turn_on(c->platform.link[off->link]);
}

static enum ms_status start_outages(struct ms_core *c)
{
    const struct ms_platform_events *w = &c->platform.events;
    for (size_t i = 0; i < w->n_outages; i++) {
        const struct ms_outage *off = &w->outage[i];
        struct outing *o = malloc(sizeof *o);
        if (!o)
            return ms_core_fail(c, MS_NOMEM, "out of memory for the events of links");
        *o = (struct outing){c, off};
        if (!off->host && c->run.start_s > 0)
            ms_sg.link_turn_on(c->platform.link[off->link]);
        sg_actor_t a = ms_sg.actor_init("outage", c->platform.host[0]);
        ms_sg.actor_set_data(a, o);
        ms_sg.actor_daemonize(a);
        ms_sg.actor_start(a, outage_main, 0, NULL);
    }
    return MS_OK;
}

/* What a link has before the first event of a run, and which links a fault slows down at some time. */
static enum ms_status learn(struct ms_weather *w, struct ms_core *c)
{
    const struct ms_platform_events *e = &c->platform.events;
    size_t n = (size_t)c->platform.n_links;
    w->core = c;
    if (!e->n_events)
        return MS_OK;
    if (!w->now_Bps) {
        w->now_Bps = MS_NEW(&c->arena, double, n);
        w->n_lifts = MS_NEW(&c->arena, int, n);
        w->at_fault = MS_NEW(&c->arena, bool, n);
    }
    if (!w->now_Bps || !w->n_lifts || !w->at_fault)
        return ms_core_fail(c, MS_NOMEM, "out of memory for the events of links");
    memcpy(w->now_Bps, c->out->link_bandwidth, n * sizeof *w->now_Bps);
    for (size_t i = 0; i < e->n_events; i++) {
        w->at_fault[e->event[i].link] |= !e->event[i].of_file;
        w->lifts |= !e->event[i].of_file && c->latency_at_sender;
    }
    return MS_OK;
}

static void start_rates(struct ms_weather *w)
{
    struct ms_core *c = w->core;
    struct ms_platform_events *e = &c->platform.events;
    if (!e->n_events)
        return;
    qsort(e->event, e->n_events, sizeof *e->event, by_time);
    for (size_t i = 0; i < e->n_events && c->run.start_s > 0; i++)
        ms_sg.link_set_bandwidth(c->platform.link[e->event[i].link],
                                 c->out->link_bandwidth[e->event[i].link]);
    sg_actor_t a = ms_sg.actor_init("weather", c->platform.host[0]);
    ms_sg.actor_set_data(a, w);
    ms_sg.actor_daemonize(a);
    ms_sg.actor_start(a, rates_main, 0, NULL);
}

enum ms_status ms_weather_begin(struct ms_weather *w, struct ms_core *c)
{
    enum ms_status s = learn(w, c);
    if (s != MS_OK)
        return s;
    start_rates(w);
    return start_outages(c);
}

static void each_at_fault(struct ms_weather *w, uint32_t route, bool lift)
{
    const struct ms_route_table *r = &w->core->platform.routes;
    for (uint64_t i = r->first[route]; i < r->first[route + 1]; i++) {
        uint32_t l = r->link[i];
        if (!w->at_fault[l])
            continue;
        w->n_lifts[l] += lift ? 1 : -1;
        if (w->n_lifts[l] == (lift ? 1 : 0))
            ms_sg.link_set_bandwidth(w->core->platform.link[l],
                                     lift ? w->core->out->link_bandwidth[l] : w->now_Bps[l]);
    }
}

void ms_weather_lift(struct ms_weather *w, uint32_t route)
{
    if (w->lifts)
        each_at_fault(w, route, true);
}

void ms_weather_drop(struct ms_weather *w, uint32_t route)
{
    if (w->lifts)
        each_at_fault(w, route, false);
}
