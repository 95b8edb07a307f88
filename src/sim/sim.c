/* One case: set up what a simulation holds, run SimGrid, see that everybody came home. */
#include "sim/sim.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "demand/nodes.h"
#include "sim/actor.h"
#include "sim/cause.h"
#include "sim/core.h"
#include "sim/move.h"
#include "sim/network_model.h"
#include "sim/simgrid.h"

enum ms_status ms_core_note(struct ms_core *c, enum ms_status s)
{
    if (!s || c->status)
        return s;
    c->status = s;
    /* everybody looks up and goes home */
    for (int i = 0; c->crew.actor && i < c->n_total * c->n_halves; i++)
        ms_sg.sem_release(c->crew.actor[i].sem);
    if (c->crew.director)
        ms_sg.sem_release(c->crew.director);
    return s;
}

enum ms_status ms_core_fail(struct ms_core *c, enum ms_status s, const char *fmt, ...)
{
    char text[1024];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    ms_err_set(c->err, s, "%s", text);
    return ms_core_note(c, s);
}

int ms_core_host(const struct ms_core *c, int group, int rank)
{
    return c->in->was ? c->in->was[rank] : ms_rank_host(c->in->workload, group, rank);
}

static enum ms_status make_layouts(struct ms_core *c)
{
    const struct ms_platform *p = c->in->platform;
    c->platform.layout = MS_NEW(&c->arena, struct ms_layout, (size_t)c->n_groups);
    int *node = MS_NEW(&c->arena, int, (size_t)c->n_ranks);
    int *rail = MS_NEW(&c->arena, int, (size_t)c->n_ranks);
    if (!c->platform.layout || !node || !rail)
        return ms_core_fail(c, MS_NOMEM, "out of memory for %d groups", c->n_groups);
    for (int g = 0; g < c->n_groups; g++) {
        for (int r = 0; r < c->n_ranks; r++) {
            int h = ms_core_host(c, g, r);
            node[r] = p->host_node[h];
            rail[r] = p->host_local[h];
        }
        enum ms_status s = ms_layout_init(&c->platform.layout[g], c->n_ranks, node, rail, c->err);
        if (s)
            return ms_core_note(c, s);
    }
    return MS_OK;
}

/* Whose costs the legs have, and what every leg waits for. */
static void set_kernels(struct ms_core *c)
{
    const struct ms_sim_params *p = c->in->params;
    const struct ms_exchange_params *e = &p->exchange;
    c->kernels = (struct ms_kernel_case){.kernels = &p->hardware.kernels,
                                         .experts = c->in->model ? c->in->model->experts : 0,
                                         .sms = e->sms,
                                         .chunk_tokens = e->chunk_tokens,
                                         .kind = c->exchange->kernels};
    for (int leg = 0; leg < 2; leg++)
        c->start_s[leg] = ms_kernel_start_s(&c->kernels, leg, c->alpha_s[leg], c->n_ranks,
                                            c->platform.layout[0].n_nodes);
}

/* Stragglers are so many of the ranks that there were. */
static int ranks_of_noise(const struct ms_core *c)
{
    return c->in->was ? c->in->n_was : c->n_total;
}

static enum ms_status set_up(struct ms_core *c)
{
    const struct ms_workload *w = c->in->workload;
    const struct ms_sim_params *p = c->in->params;
    c->exchange = ms_exchange_find(p->exchange.algorithm);
    c->model = ms_network_model_find(p->network.model);
    c->n_groups = w->groups;
    c->n_ranks = w->ranks;
    c->n_total = w->groups * w->ranks;
    c->n_layers = w->layers;
    c->n_steps = w->steps;
    c->n_phases = w->training ? 4 : 2;
    c->n_halves = p->compute.overlap == MS_OVERLAP_TWO_BATCH ? 2 : 1;
    c->noise = (struct ms_noise){&p->faults, c->in->seed, ranks_of_noise(c)};
    c->latency_at_sender = p->network.latency != MS_LATENCY_FLOW;
    c->alpha_s[0] = p->hardware.dispatch_alpha_s;
    c->alpha_s[1] = p->hardware.combine_alpha_s;
    c->gap_s = p->hardware.message_gap_s;
    c->gap_adds = p->hardware.gap_adds;
    c->run.traffic = MS_NEW(&c->arena, const struct ms_traffic *,
                            (size_t)c->n_steps *(size_t)c->n_layers *(size_t)c->n_groups);
    if (!c->run.traffic)
        return ms_core_fail(c, MS_NOMEM, "out of memory for %d layers", c->n_layers);
    enum ms_status s = make_layouts(c);
    if (s == MS_OK)
        set_kernels(c);
    if (s == MS_OK)
        s = ms_core_note(c,
                         ms_route_table_init(&c->platform.routes, c->n_groups, c->n_ranks, c->err));
    if (s == MS_OK)
        s = ms_samples_init(c);
    return s == MS_OK ? ms_moves_init(c) : s;
}

/* A deadlock makes simgrid_run return as if all were well: count those who came home. */
static enum ms_status check_end(struct ms_core *c)
{
    int n = c->n_total * c->n_halves;
    if (!c->status && (!c->crew.over || c->crew.n_homed != n))
        return ms_core_fail(
            c, MS_INTERNAL,
            "the simulation stopped with %d of %d ranks finished: memory ran out, or a deadlock",
            c->crew.n_homed, n);
    return c->status;
}

static enum ms_status simulate(struct ms_core *c)
{
    double from_s = ms_clock_s();
    enum ms_status s = set_up(c);
    if (s == MS_OK)
        s = ms_engine_start(c);
    c->out->platform_wall_s = ms_clock_s() - from_s;
    if (s == MS_OK)
        s = ms_actors_start(c);
    if (s == MS_OK)
        s = c->model->transport->start(c);
    if (s == MS_OK) {
        c->run.wall_start_s = ms_clock_s();
        ms_sg.run();
        s = check_end(c);
    }
    return s == MS_OK ? ms_engine_check_clock(c) : s;
}

enum ms_status ms_sim_run(const struct ms_sim_input *in, struct ms_sim_output *out,
                          struct ms_err *err)
{
    struct ms_errs errs = {0};
    ms_sim_check(in, &errs);
    if (errs.n) {
        enum ms_status s = errs.e[0].status;
        if (err && !err->status)
            *err = errs.e[0];
        ms_errs_finish(&errs);
        return s;
    }
    ms_errs_finish(&errs);
    struct ms_core *c = calloc(1, sizeof *c);
    if (!c)
        return ms_err_set(err, MS_NOMEM, "out of memory for a simulation");
    memset(out, 0, sizeof *out);
    struct ms_sim_engine own = {0};
    c->in = in;
    c->out = out;
    c->engine = in->engine ? in->engine : &own;
    c->err = err ? err : &c->own_err;
    enum ms_status s = simulate(c);
    if (s)
        return s; /* actors may still hold pointers into c: this process is of no more use */
    s = ms_timeline_write(c);
    c->model->transport->finish(c);
    ms_leg_runs_finish(c);
    ms_causes_finish(c);
    for (int g = 0; g < c->n_groups; g++)
        ms_layout_finish(&c->platform.layout[g]);
    ms_route_table_finish(&c->platform.routes);
    free(c->samples.span);
    ms_actors_finish(c);
    ms_arena_finish(&own.arena);
    ms_arena_finish(&c->arena);
    free(c);
    return s;
}

void ms_sim_finish(struct ms_sim_output *out)
{
    if (!out)
        return;
    ms_arena_finish(&out->arena);
    free(out->exchange_part);
    free(out->layer_part);
    memset(out, 0, sizeof *out);
}
