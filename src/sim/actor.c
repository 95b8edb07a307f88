/* The actors: ranks go through their layers, alone or side by side with their other half; a
 * director starts and ends the runs. */
#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "sim/actor.h"
#include "sim/cause.h"
#include "sim/compute.h"
#include "sim/core.h"
#include "sim/kernel_work.h"
#include "sim/move.h"
#include "sim/network_model.h"
#include "sim/simgrid.h"

void ms_actor_wait(struct ms_actor *actor)
{
    struct ms_core *c = actor->core;
    c->crew.wake_s[actor - c->crew.actor] = INFINITY;
    ms_sg.sem_acquire(actor->sem);
}

void ms_actor_wake(struct ms_actor *actor)
{
    struct ms_core *c = actor->core;
    if (c->crew.holding) {
        c->crew.held[c->crew.n_held++] = actor;
        return;
    }
    c->crew.wake_s[actor - c->crew.actor] = -INFINITY;
    ms_sg.sem_release(actor->sem);
}

void ms_actors_hold(struct ms_core *c)
{
    c->crew.n_held = 0;
    c->crew.holding = true;
}

void ms_actors_release(struct ms_core *c)
{
    c->crew.holding = false;
    for (int i = 0; i < c->crew.n_held; i++)
        c->crew.wake_s[c->crew.held[i] - c->crew.actor] = -INFINITY;
    for (int i = 0; i < c->crew.n_held; i++)
        ms_sg.sem_release(c->crew.held[i]->sem);
}

double ms_actors_horizon_s(const struct ms_core *c)
{
    int n = c->n_total * c->n_halves, i = 0;
    const double *w = c->crew.wake_s;
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
void ms_actor_sleep_until(struct ms_actor *actor, double at_s)
{
    struct ms_core *c = actor->core;
    if (at_s <= c->run.ahead_s)
        return;
    c->crew.wake_s[actor - c->crew.actor] = at_s;
    ms_engine_sleep_until(c, at_s);
    c->crew.wake_s[actor - c->crew.actor] = -INFINITY;
}

/* Work that shares the GPU with the other half's communication kernels has fewer SMs: looked at piece
 * by piece, since legs begin and end meanwhile. */
static void work(struct ms_actor *actor, double for_s)
{
    enum { PIECES = 16 };
    struct ms_core *c = actor->core;
    double slower = c->n_halves > 1 ? ms_compute_sharing(&c->in->params->compute,
                                                         ms_kernel_sms_taken(&c->kernels))
                                    : 1;
    int n = slower > 1 ? PIECES : 1;
    const struct ms_actor *other =
        n > 1 ? ms_core_actor(c, actor->group, actor->rank, 1 - actor->half) : actor;
    for (int i = 0; i < n; i++) {
        actor->now_s += for_s / n * (other->in_leg ? slower : 1);
        ms_actor_sleep_until(actor, actor->now_s);
    }
}

/* How much slower a rank computes in this step. */
static double slowdown_of(struct ms_core *c, int rank, int step)
{
    struct ms_gpu *gpu = &c->crew.gpu[rank];
    bool anew = c->in->params->faults.straggler_per == MS_STRAGGLER_STEP && gpu->slow_step != step;
    if (gpu->slow_step < 0 || anew)
        gpu->slowdown = ms_noise_slowdown(&c->noise, c->run.repeat, step, ms_core_was(c, rank));
    gpu->slow_step = step;
    return gpu->slowdown;
}

/* The rank's processor works for `for_s`; a second actor waits its turn. */
static void compute(struct ms_actor *actor, const char *what, int step, int layer,
                    enum ms_noise_of kind, double for_s)
{
    struct ms_core *c = actor->core;
    int rank = actor->group * c->n_ranks + actor->rank;
    struct ms_gpu *gpu = &c->crew.gpu[rank];
    if (!(for_s > 0))
        return;
    double jitter = ms_noise_jitter(&c->noise, c->run.repeat, step, layer, ms_core_was(c, rank),
                                    (int)kind + actor->half);
    double slowdown = slowdown_of(c, rank, step);
    ms_causes_compute(c, actor, for_s, slowdown, jitter);
    for_s *= slowdown * jitter;
    if (gpu->lock)
        ms_sg.sem_acquire(gpu->lock);
    double start_s = actor->now_s = fmax(actor->now_s, gpu->free_s);
    work(actor, for_s);
    gpu->free_s = actor->now_s;
    ms_timeline_span(c, actor, what, step, layer, start_s, actor->now_s);
    c->samples.rank_busy_s[(size_t)step * (size_t)c->n_total + (size_t)rank] +=
        actor->now_s - start_s;
    if (gpu->lock)
        ms_sg.sem_release(gpu->lock);
}

static const char *const phase_name[] = {"dispatch", "combine", "combine backward",
                                         "dispatch backward"};

/* One leg: start-up, enter, wait for everything that is for this rank. @return false: go home */
static bool exchange(struct ms_actor *actor, int step, int layer, enum ms_phase phase)
{
    struct ms_core *c = actor->core;
    bool dispatch = phase == MS_PHASE_DISPATCH || phase == MS_PHASE_DISPATCH_BACK;
    int rank = actor->group * c->n_ranks + actor->rank;
    int what = MS_NOISE_START + 2 * (int)phase + actor->half;
    double entry_s = actor->now_s;
    double ready_s =
        entry_s + c->start_s[dispatch ? 0 : 1] * ms_noise_jitter(&c->noise, c->run.repeat, step,
                                                                 layer, ms_core_was(c, rank), what);
    if (phase == MS_PHASE_DISPATCH && c->in->exchanges_counts)
        ready_s += c->in->params->hardware.count_exchange_s;
    ms_actor_sleep_until(actor, ready_s);
    actor->in_leg = true;
    if (ms_leg_run_enter(c, actor, step, layer, phase, entry_s, ready_s))
        return false;
    ms_actor_wait(actor);
    actor->in_leg = false;
    if (c->status)
        return false;
    actor->now_s = actor->complete_s;
    ms_causes_complete(c, actor);
    ms_actor_sleep_until(actor, actor->now_s);
    ms_samples_rank(c, actor, step, layer, phase, actor->now_s - entry_s);
    if (ready_s > entry_s)
        ms_timeline_span(c, actor, "start-up", step, layer, entry_s, ready_s);
    ms_timeline_span(c, actor, phase_name[phase], step, layer, entry_s, actor->now_s);
    return !c->status;
}

/* synchronise: layer. The last of the group lets the others go. */
static bool barrier(struct ms_actor *actor)
{
    struct ms_core *c = actor->core;
    struct ms_barrier *b = &c->crew.barrier[actor->group * c->n_halves + actor->half];
    b->latest_s = fmax(b->latest_s, actor->now_s);
    if (++b->n_in < c->n_ranks) {
        ms_actor_wait(actor);
        if (c->status)
            return false;
        actor->now_s = actor->complete_s;
        return true;
    }
    actor->now_s = b->latest_s;
    *b = (struct ms_barrier){0};
    for (int r = 0; r < c->n_ranks; r++) {
        struct ms_actor *other = ms_core_actor(c, actor->group, r, actor->half);
        other->complete_s = actor->now_s;
        if (other != actor)
            ms_actor_wake(other);
    }
    return true;
}

/* Layers of a run in the order a rank goes through them, forward and backward. */
static int layer_number(const struct ms_core *c, int step, int layer, bool back)
{
    int per_step = c->n_layers * (c->n_phases == 4 ? 2 : 1);
    return step * per_step + (back ? 2 * c->n_layers - 1 - layer : layer);
}

static struct ms_barrier *passed(struct ms_core *c, const struct ms_actor *actor, int number)
{
    size_t row = (size_t)(actor->group * c->n_halves + actor->half);
    size_t n = (size_t)layer_number(c, c->n_steps, 0, false);
    return &c->crew.passed[row * n + (size_t)number];
}

/* Buffers for so many layers: a rank waits for the slowest to be through with an older one. */
static bool wait_for_buffers(struct ms_actor *actor, int number)
{
    struct ms_core *c = actor->core;
    int older = number - c->exchange->layers_ahead - 1;
    if (!c->exchange->layers_ahead || older < layer_number(c, c->run.first_step, 0, false))
        return true;
    struct ms_barrier *b = passed(c, actor, older);
    if (b->n_in < c->n_ranks) {
        c->crew.waits_for[actor - c->crew.actor] = older;
        ms_actor_wait(actor);
        if (c->status)
            return false;
    }
    actor->now_s = fmax(actor->now_s, b->latest_s);
    return true;
}

/* This rank is through; the last one lets go those who wait for it. */
static void pass_layer(struct ms_actor *actor, int number)
{
    struct ms_core *c = actor->core;
    if (!c->exchange->layers_ahead)
        return;
    struct ms_barrier *b = passed(c, actor, number);
    b->latest_s = fmax(b->latest_s, actor->now_s);
    if (++b->n_in < c->n_ranks)
        return;
    for (int r = 0; r < c->n_ranks; r++) {
        struct ms_actor *other = ms_core_actor(c, actor->group, r, actor->half);
        int *waits = &c->crew.waits_for[other - c->crew.actor];
        if (*waits != number)
            continue;
        *waits = -1;
        ms_actor_wake(other);
    }
}

static bool forward(struct ms_actor *actor, int step, int layer)
{
    struct ms_core *c = actor->core;
    const struct ms_compute_params *p = &c->in->params->compute;
    double share = 1.0 / c->n_halves;
    const struct ms_traffic *t = ms_core_traffic(c, step, layer, actor->group);
    if (!t)
        return false;
    if (!t->is_matrix)
        compute(actor, "dense", step, layer, MS_NOISE_DENSE,
                ms_compute_dense_s(p, c->in->model, c->in->workload, t, actor->rank, share));
    if (!exchange(actor, step, layer, MS_PHASE_DISPATCH))
        return false;
    if (t->is_matrix)
        return true;
    compute(actor, "experts", step, layer, MS_NOISE_EXPERTS,
            ms_compute_experts_s(p, c->in->model, t, actor->rank, share));
    return exchange(actor, step, layer, MS_PHASE_COMBINE);
}

/* Gradients flow back: twice the flops of the forward pass (inputs and weights). */
static bool backward(struct ms_actor *actor, int step, int layer)
{
    struct ms_core *c = actor->core;
    const struct ms_compute_params *p = &c->in->params->compute;
    double share = 1.0 / c->n_halves;
    const struct ms_traffic *t = ms_core_traffic(c, step, layer, actor->group);
    if (!t || !exchange(actor, step, layer, MS_PHASE_COMBINE_BACK))
        return false;
    compute(actor, "experts backward", step, layer, MS_NOISE_EXPERTS + 2,
            2 * ms_compute_experts_s(p, c->in->model, t, actor->rank, share));
    if (!exchange(actor, step, layer, MS_PHASE_DISPATCH_BACK))
        return false;
    compute(actor, "dense backward", step, layer, MS_NOISE_DENSE + 2,
            2 * ms_compute_dense_s(p, c->in->model, c->in->workload, t, actor->rank, share));
    return true;
}

static bool one_layer(struct ms_actor *actor, int step, int layer, bool back)
{
    int number = layer_number(actor->core, step, layer, back);
    bool ok = wait_for_buffers(actor, number) && (back || ms_moves_layer(actor, step, layer)) &&
              (back ? backward(actor, step, layer) : forward(actor, step, layer));
    if (ok)
        pass_layer(actor, number);
    return ok;
}

/* Dense layers and head, before the step's MoE layers. */
static bool outside(struct ms_actor *actor, int step)
{
    struct ms_core *c = actor->core;
    const struct ms_compute_params *p = &c->in->params->compute;
    const struct ms_traffic *t = ms_core_traffic(c, step, 0, actor->group);
    if (t && (!t->is_matrix || !isnan(p->outside_s)))
        compute(actor, "outside", step, c->n_layers, MS_NOISE_DENSE,
                ms_compute_outside_s(p, c->in->model, c->in->workload, t, actor->rank, c->n_layers,
                                     1.0 / c->n_halves));
    return t != NULL;
}

static bool one_step(struct ms_actor *actor, int step)
{
    struct ms_core *c = actor->core;
    size_t at =
        (size_t)step * (size_t)c->n_total + (size_t)(actor->group * c->n_ranks + actor->rank);
    bool sync = c->in->workload->synchronise_layer, ok = true;
    c->samples.rank_begin_s[at] = fmin(c->samples.rank_begin_s[at], actor->now_s);
    if (!ms_moves_step(actor, step))
        return false;
    if (!outside(actor, step))
        return false;
    for (int l = 0; l < c->n_layers && ok; l++)
        ok = one_layer(actor, step, l, false) && (!sync || barrier(actor));
    for (int l = c->n_layers - 1; l >= 0 && ok && c->n_phases == 4; l--)
        ok = one_layer(actor, step, l, true) && (!sync || barrier(actor));
    c->samples.rank_end_s[at] = fmax(c->samples.rank_end_s[at], actor->now_s);
    return ok;
}

static void actor_main(int argc, char **argv)
{
    struct ms_actor *actor = ms_sg.actor_self_get_data();
    struct ms_core *c = actor->core;
    for (;;) {
        ms_actor_wait(actor);
        if (c->crew.over || c->status)
            break;
        for (int s = c->run.first_step; s < c->n_steps && !c->status; s++)
            if (!one_step(actor, s))
                break;
        if (c->status)
            break;
        if (++c->crew.n_waiting == c->n_total * c->n_halves)
            ms_sg.sem_release(c->crew.director);
    }
    c->crew.n_homed++;
}

static size_t n_layers_of_crew(const struct ms_core *c)
{
    return (size_t)c->n_groups * (size_t)c->n_halves *
           (size_t)layer_number(c, c->n_steps, 0, false);
}

static enum ms_status begin_run(struct ms_core *c, int run)
{
    c->run.number = run;
    c->run.repeat = run / (c->in->runs_a_repeat > 0 ? c->in->runs_a_repeat : 1);
    c->crew.n_waiting = 0;
    memset(c->run.traffic, 0,
           (size_t)c->n_steps * (size_t)c->n_layers * (size_t)c->n_groups * sizeof *c->run.traffic);
    const struct ms_sim_source *s = &c->in->source;
    c->run.first_step = s->first_step ? s->first_step(s->ctx, run) : 0;
    enum ms_status status = s->begin ? s->begin(s->ctx, run, c->err) : MS_OK;
    if (status)
        return ms_core_note(c, status);
    c->run.wall_start_s = ms_clock_s();
    c->run.start_s = ms_sg.get_clock();
    c->run.ahead_s = -INFINITY;
    for (int i = 0; i < c->n_total * c->n_halves; i++) {
        c->crew.actor[i].now_s = c->crew.actor[i].complete_s = 0;
        c->crew.actor[i].n_complete = c->crew.actor[i].n_sent = 0;
    }
    for (int i = 0; i < c->n_total; i++) {
        c->crew.gpu[i].free_s = 0;
        c->crew.gpu[i].slow_step = -1;
    }
    memset(c->crew.passed, 0, n_layers_of_crew(c) * sizeof *c->crew.passed);
    ms_samples_begin(c);
    ms_timeline_begin(c);
    ms_causes_begin(c);
    ms_moves_begin(c);
    return c->model->transport->begin(c);
}

static enum ms_status end_run(struct ms_core *c)
{
    if (c->run.n_active)
        return ms_core_fail(c, MS_INTERNAL,
                            "run %d: all ranks have finished, %d exchanges have not", c->run.number,
                            c->run.n_active);
    enum ms_status s = c->model->transport->end(c);
    s = s ? s : ms_samples_end(c);
    ms_causes_end(c);
    c->out->run_wall_s[c->run.number] = ms_clock_s() - c->run.wall_start_s;
    return s;
}

static void director_main(int argc, char **argv)
{
    struct ms_core *c = ms_sg.actor_self_get_data();
    const struct ms_sim_source *s = &c->in->source;
    c->out->platform_wall_s +=
        ms_clock_s() - c->run.wall_start_s; /* SimGrid closes its zones at the start */
    for (int run = 0; run < c->in->n_runs && !c->status; run++) {
        if (s->wanted && !s->wanted(s->ctx, run))
            continue;
        if (begin_run(c, run))
            break;
        for (int i = 0; i < c->n_total * c->n_halves; i++)
            ms_actor_wake(&c->crew.actor[i]);
        ms_sg.sem_acquire(c->crew.director);
        if (!c->status)
            end_run(c);
    }
    c->crew.over = true;
    if (!c->status && c->in->over)
        c->in->over(c->in->over_ctx);
    if (!c->status)
        for (int i = 0; i < c->n_total * c->n_halves; i++)
            ms_sg.sem_release(c->crew.actor[i].sem);
    c->model->transport->stop(c);
}

/* The callbacks of the caller run on the stacks of these actors: routing needs more than
 * SimGrid's 64 KiB. One short of a power of two: SimGrid adds a page to guard it, and malloc's words about
 * the next stack then stand on the last page of this one, not on a page of their own, which with
 * thousands of actors is a third of what starting them costs. */
#define ACTOR_STACK 255 /* KiB */
#define DIRECTOR_STACK 8192

static void start_actor(const char *name, sg_host_t host, void (*main)(int, char **), void *data,
                        unsigned stack)
{
    sg_actor_t a = ms_sg.actor_init(name, host);
    ms_sg.actor_set_stacksize(a, stack);
    ms_sg.actor_set_data(a, data);
    ms_sg.actor_start(a, main, 0, NULL);
}

enum ms_status ms_actors_start(struct ms_core *c)
{
    size_t n = (size_t)c->n_total * (size_t)c->n_halves;
    c->crew.actor = MS_NEW(&c->arena, struct ms_actor, n);
    c->crew.gpu = MS_NEW(&c->arena, struct ms_gpu, (size_t)c->n_total);
    c->crew.barrier =
        MS_NEW(&c->arena, struct ms_barrier, (size_t)c->n_groups * (size_t)c->n_halves);
    c->crew.wake_s = MS_NEW(&c->arena, double, n);
    c->crew.held = MS_NEW(&c->arena, struct ms_actor *, n);
    c->crew.passed = MS_NEW(&c->arena, struct ms_barrier, n_layers_of_crew(c));
    c->crew.waits_for = MS_NEW(&c->arena, int, n);
    if (!c->crew.passed || !c->crew.waits_for)
        return ms_core_fail(c, MS_NOMEM, "out of memory for %zu ranks", n);
    for (size_t i = 0; i < n; i++)
        c->crew.waits_for[i] = -1;
    if (!c->crew.actor || !c->crew.gpu || !c->crew.barrier || !c->crew.wake_s || !c->crew.held)
        return ms_core_fail(c, MS_NOMEM, "out of memory for %zu ranks", n);
    for (size_t i = 0; i < n; i++)
        c->crew.wake_s[i] = -INFINITY;
    c->crew.director = ms_sg.sem_init(0);
    for (int r = 0; r < c->n_total; r++) {
        c->crew.gpu[r].lock = c->n_halves > 1 ? ms_sg.sem_init(1) : NULL;
        for (int k = 0; k < c->n_halves; k++)
            c->crew.actor[r * c->n_halves + k] = (struct ms_actor){.core = c,
                                                                   .group = r / c->n_ranks,
                                                                   .rank = r % c->n_ranks,
                                                                   .half = k,
                                                                   .sem = ms_sg.sem_init(0)};
    }
    for (size_t i = 0; i < n; i++)
        start_actor("rank", c->platform.host[i / (size_t)c->n_halves], actor_main,
                    &c->crew.actor[i], ACTOR_STACK);
    start_actor("director", c->platform.host[0], director_main, c, DIRECTOR_STACK);
    return MS_OK;
}

void ms_actors_finish(struct ms_core *c)
{
    for (int r = 0; r < c->n_total; r++) {
        if (c->crew.gpu[r].lock)
            ms_sg.sem_destroy(c->crew.gpu[r].lock);
        for (int k = 0; k < c->n_halves; k++)
            ms_sg.sem_destroy(c->crew.actor[r * c->n_halves + k].sem);
    }
    ms_sg.sem_destroy(c->crew.director);
}
