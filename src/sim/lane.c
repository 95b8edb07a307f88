/* The actors: ranks go through their layers; a director starts and ends the runs. */
#include <math.h>
#include <string.h>

#include <simgrid/actor.h>
#include <simgrid/engine.h>
#include <simgrid/semaphore.h>

#include "sim/compute.h"
#include "sim/core.h"
#include "sim/lane.h"

void ms_lane_wait(struct ms_lane *lane)
{
    struct ms_core *c = lane->core;
    c->wake_s[lane - c->lane] = INFINITY;
    sg_sem_acquire(lane->sem);
}

void ms_lane_wake(struct ms_lane *lane)
{
    struct ms_core *c = lane->core;
    if (c->holding) {
        c->held[c->n_held++] = lane;
        return;
    }
    c->wake_s[lane - c->lane] = -INFINITY;
    sg_sem_release(lane->sem);
}

void ms_lanes_hold(struct ms_core *c)
{
    c->n_held = 0;
    c->holding = true;
}

void ms_lanes_release(struct ms_core *c)
{
    c->holding = false;
    for (int i = 0; i < c->n_held; i++)
        c->wake_s[c->held[i] - c->lane] = -INFINITY;
    for (int i = 0; i < c->n_held; i++)
        sg_sem_release(c->held[i]->sem);
}

double ms_lanes_horizon_s(const struct ms_core *c)
{
    int n = c->n_total * c->n_lanes, i = 0;
    const double *w = c->wake_s;
    double a = INFINITY, b = a, d = a, e = a; /* four chains: a minimum waits for the one before */
    for (; i + 4 <= n; i += 4) {
        a = w[i] < a ? w[i] : a;
        b = w[i + 1] < b ? w[i + 1] : b;
        d = w[i + 2] < d ? w[i + 2] : d;
        e = w[i + 3] < e ? w[i + 3] : e;
    }
    for (; i < n; i++)
        a = w[i] < a ? w[i] : a;
    a = b < a ? b : a;
    d = e < d ? e : d;
    return d < a ? d : a;
}

/* Where the network has run ahead to that time already there is nothing to wait for. */
static void sleep_until(struct ms_lane *lane, double at_s)
{
    struct ms_core *c = lane->core;
    if (at_s <= c->ahead_s)
        return;
    c->wake_s[lane - c->lane] = at_s;
    ms_engine_sleep_until(c, at_s);
    c->wake_s[lane - c->lane] = -INFINITY;
}

/* The rank's processor works for `for_s`; a second lane waits its turn. */
static void compute(struct ms_lane *lane, const char *what, int step, int layer, double for_s)
{
    struct ms_core *c = lane->core;
    int rank = lane->group * c->n_ranks + lane->rank;
    struct ms_gpu *gpu = &c->gpu[rank];
    if (!(for_s > 0))
        return;
    if (gpu->lock)
        sg_sem_acquire(gpu->lock);
    lane->now_s = fmax(lane->now_s, gpu->free_s) + for_s;
    gpu->free_s = lane->now_s;
    ms_timeline_span(c, lane, what, step, layer, lane->now_s - for_s, lane->now_s);
    c->rank_busy_s[(size_t)step * (size_t)c->n_total + (size_t)rank] += for_s;
    sleep_until(lane, lane->now_s);
    if (gpu->lock)
        sg_sem_release(gpu->lock);
}

static const char *const phase_name[] = {"dispatch", "combine", "combine backward",
                                         "dispatch backward"};

/* One leg: start-up, enter, wait for everything that is for this rank. @return false: go home */
static bool exchange(struct ms_lane *lane, int step, int layer, enum ms_phase phase)
{
    struct ms_core *c = lane->core;
    bool dispatch = phase == MS_PHASE_DISPATCH || phase == MS_PHASE_DISPATCH_BACK;
    double entry_s = lane->now_s, ready_s = entry_s + c->alpha_s[dispatch ? 0 : 1];
    sleep_until(lane, ready_s);
    if (ms_leg_enter(c, lane, step, layer, phase, entry_s, ready_s))
        return false;
    ms_lane_wait(lane);
    if (c->status)
        return false;
    lane->now_s = lane->complete_s;
    sleep_until(lane, lane->now_s);
    ms_samples_rank(c, lane, step, layer, phase, lane->now_s - entry_s);
    ms_timeline_span(c, lane, phase_name[phase], step, layer, entry_s, lane->now_s);
    return !c->status;
}

/* synchronise: layer. The last of the group lets the others go. */
static bool barrier(struct ms_lane *lane)
{
    struct ms_core *c = lane->core;
    struct ms_barrier *b = &c->barrier[lane->group * c->n_lanes + lane->lane];
    b->latest_s = fmax(b->latest_s, lane->now_s);
    if (++b->n_in < c->n_ranks) {
        ms_lane_wait(lane);
        if (c->status)
            return false;
        lane->now_s = lane->complete_s;
        return true;
    }
    lane->now_s = b->latest_s;
    *b = (struct ms_barrier){0};
    for (int r = 0; r < c->n_ranks; r++) {
        struct ms_lane *other = &c->lane[(lane->group * c->n_ranks + r) * c->n_lanes + lane->lane];
        other->complete_s = lane->now_s;
        if (other != lane)
            ms_lane_wake(other);
    }
    return true;
}

static bool forward(struct ms_lane *lane, int step, int layer)
{
    struct ms_core *c = lane->core;
    const struct ms_compute_params *p = &c->in->params->compute;
    double share = 1.0 / c->n_lanes;
    const struct ms_traffic *t = ms_core_traffic(c, step, layer, lane->group);
    if (!t)
        return false;
    if (!t->is_matrix)
        compute(lane, "dense", step, layer, p->dense_s * share);
    if (!exchange(lane, step, layer, MS_PHASE_DISPATCH))
        return false;
    if (t->is_matrix)
        return true;
    compute(lane, "experts", step, layer,
            ms_compute_experts_s(p, c->in->model, t, lane->rank, share));
    return exchange(lane, step, layer, MS_PHASE_COMBINE);
}

/* Gradients flow back: twice the flops of the forward pass (inputs and weights). */
static bool backward(struct ms_lane *lane, int step, int layer)
{
    struct ms_core *c = lane->core;
    const struct ms_compute_params *p = &c->in->params->compute;
    double share = 1.0 / c->n_lanes;
    const struct ms_traffic *t = ms_core_traffic(c, step, layer, lane->group);
    if (!t || !exchange(lane, step, layer, MS_PHASE_COMBINE_BACK))
        return false;
    compute(lane, "experts backward", step, layer,
            2 * ms_compute_experts_s(p, c->in->model, t, lane->rank, share));
    if (!exchange(lane, step, layer, MS_PHASE_DISPATCH_BACK))
        return false;
    compute(lane, "dense backward", step, layer, 2 * p->dense_s * share);
    return true;
}

static bool one_step(struct ms_lane *lane, int step)
{
    struct ms_core *c = lane->core;
    size_t at = (size_t)step * (size_t)c->n_total + (size_t)(lane->group * c->n_ranks + lane->rank);
    bool sync = c->in->workload->synchronise_layer, ok = true;
    c->rank_begin_s[at] = fmin(c->rank_begin_s[at], lane->now_s);
    for (int l = 0; l < c->n_layers && ok; l++)
        ok = forward(lane, step, l) && (!sync || barrier(lane));
    for (int l = c->n_layers - 1; l >= 0 && ok && c->n_phases == 4; l--)
        ok = backward(lane, step, l) && (!sync || barrier(lane));
    c->rank_end_s[at] = fmax(c->rank_end_s[at], lane->now_s);
    return ok;
}

static void lane_main(int argc, char **argv)
{
    struct ms_lane *lane = sg_actor_self_get_data();
    struct ms_core *c = lane->core;
    for (;;) {
        ms_lane_wait(lane);
        if (c->over || c->status)
            break;
        for (int s = 0; s < c->n_steps && !c->status; s++)
            if (!one_step(lane, s))
                break;
        if (c->status)
            break;
        if (++c->n_waiting == c->n_total * c->n_lanes)
            sg_sem_release(c->director);
    }
    c->n_homed++;
}

static enum ms_status begin_run(struct ms_core *c, int run)
{
    c->run = run;
    c->n_waiting = 0;
    memset(c->traffic, 0,
           (size_t)c->n_steps * (size_t)c->n_layers * (size_t)c->n_groups * sizeof *c->traffic);
    const struct ms_sim_source *s = &c->in->source;
    enum ms_status status = s->begin ? s->begin(s->ctx, run, c->err) : MS_OK;
    if (status)
        return ms_core_note(c, status);
    c->wall_start_s = ms_wall_s();
    c->run_start_s = simgrid_get_clock();
    c->ahead_s = -INFINITY;
    for (int i = 0; i < c->n_total * c->n_lanes; i++)
        c->lane[i].now_s = c->lane[i].complete_s = 0;
    for (int i = 0; i < c->n_total; i++)
        c->gpu[i].free_s = 0;
    ms_samples_begin(c);
    ms_timeline_begin(c);
    return c->transport->begin(c);
}

static enum ms_status end_run(struct ms_core *c)
{
    if (c->n_active)
        return ms_core_fail(c, MS_INTERNAL,
                            "run %d: all ranks have finished, %d exchanges have not", c->run,
                            c->n_active);
    enum ms_status s = c->transport->end(c);
    s = s ? s : ms_samples_end(c);
    c->out->run_wall_s[c->run] = ms_wall_s() - c->wall_start_s;
    return s;
}

static void director_main(int argc, char **argv)
{
    struct ms_core *c = sg_actor_self_get_data();
    const struct ms_sim_source *s = &c->in->source;
    c->out->platform_wall_s +=
        ms_wall_s() - c->wall_start_s; /* SimGrid closes its zones at the start */
    for (int run = 0; run < c->in->n_runs && !c->status; run++) {
        if (s->wanted && !s->wanted(s->ctx, run))
            continue;
        if (begin_run(c, run))
            break;
        for (int i = 0; i < c->n_total * c->n_lanes; i++)
            ms_lane_wake(&c->lane[i]);
        sg_sem_acquire(c->director);
        if (!c->status)
            end_run(c);
    }
    c->over = true;
    if (!c->status)
        for (int i = 0; i < c->n_total * c->n_lanes; i++)
            sg_sem_release(c->lane[i].sem);
    c->transport->stop(c);
}

/* The callbacks of the caller run on the stacks of these actors: routing needs more than SimGrid's
 * 64 KiB. */
#define LANE_STACK 1024 /* KiB */
#define DIRECTOR_STACK 8192

static void start_actor(const char *name, sg_host_t host, void (*main)(int, char **), void *data,
                        unsigned stack)
{
    sg_actor_t a = sg_actor_init(name, host);
    sg_actor_set_stacksize(a, stack);
    sg_actor_set_data(a, data);
    sg_actor_start(a, main, 0, NULL);
}

enum ms_status ms_lanes_start(struct ms_core *c)
{
    size_t n = (size_t)c->n_total * (size_t)c->n_lanes;
    c->lane = MS_NEW(&c->arena, struct ms_lane, n);
    c->gpu = MS_NEW(&c->arena, struct ms_gpu, (size_t)c->n_total);
    c->barrier = MS_NEW(&c->arena, struct ms_barrier, (size_t)c->n_groups * (size_t)c->n_lanes);
    c->wake_s = MS_NEW(&c->arena, double, n);
    c->held = MS_NEW(&c->arena, struct ms_lane *, n);
    if (!c->lane || !c->gpu || !c->barrier || !c->wake_s || !c->held)
        return ms_core_fail(c, MS_NOMEM, "out of memory for %zu ranks", n);
    for (size_t i = 0; i < n; i++)
        c->wake_s[i] = -INFINITY;
    c->director = sg_sem_init(0);
    for (int r = 0; r < c->n_total; r++) {
        c->gpu[r].lock = c->n_lanes > 1 ? sg_sem_init(1) : NULL;
        for (int k = 0; k < c->n_lanes; k++)
            c->lane[r * c->n_lanes + k] = (struct ms_lane){.core = c,
                                                           .group = r / c->n_ranks,
                                                           .rank = r % c->n_ranks,
                                                           .lane = k,
                                                           .sem = sg_sem_init(0)};
    }
    for (size_t i = 0; i < n; i++)
        start_actor("rank", c->host[i / (size_t)c->n_lanes], lane_main, &c->lane[i], LANE_STACK);
    start_actor("director", c->host[0], director_main, c, DIRECTOR_STACK);
    return MS_OK;
}
