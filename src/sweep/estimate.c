/* What a case will cost, roughly: for check, --dry-run, the order of starting, the first guess of the
 * time left, and to refuse what cannot fit. */
#include <math.h>

#include "sweep/plan.h"

/* Measured on one core of a two-core x86 server: tokens routed a second, a process, a host and a byte
 * of the platform file in SimGrid, and a case in a process that has done another. Cases that take less
 * than shared_s share the start of a process. */
static const double tokens_per_s = 18e6, process_s = 0.02, host_s = 20e-6, byte_s = 1e-7;
static const double case_s = 1.5e-3, shared_s = 0.05, sharers = 32;
/* A process, a host and a byte of the platform file as SimGrid keeps them, an actor with its stack. */
static const double process_bytes = 20e6, host_bytes = 5e3, byte_bytes = 5, actor_bytes = 10e3;

static double tokens_a_rank(const struct ms_workload *w)
{
    return w->tokens.kind == MS_TOKENS_EQUAL    ? (double)w->tokens.count
           : w->tokens.kind == MS_TOKENS_SPREAD ? w->tokens.mean
                                                : 4096;
}

/* What is kept of every exchange of every repeat until the record is made (sim/samples.c), and of every
 * expert and slot of a layer. */
static double sample_bytes(const struct ms_scenario *s)
{
    const struct ms_workload *w = &s->workload;
    double of_a_run = (double)w->layers * w->steps * w->groups, runs = s->twin ? 2 : 1;
    double slots = (double)s->model.experts + s->placement.redundant_experts;
    double cells = of_a_run * s->repeats * runs;
    return cells * (7 + 2.0 * w->ranks) * sizeof(double) +
           of_a_run * runs * slots * sizeof(double) +
           (double)w->layers * w->groups * slots * sizeof(int);
}

/* Seconds to start a process with the platform in it, and its share where many cases use one. */
static double start_s(const struct ms_scenario *s, const struct ms_platform *p, double work_s,
                      size_t n_cases)
{
    double bytes = p ? (double)p->n_bytes : 0, hosts = p ? p->n_hosts_in_file : 0;
    double all_s = process_s + hosts * host_s + bytes * byte_s;
    if (!p || work_s > shared_s || !ms_sim_repeatable(p, &s->sim))
        return all_s;
    return case_s + all_s / fmin((double)n_cases, sharers);
}

static double platform_bytes(const struct ms_platform *p)
{
    return p ? p->n_hosts_in_file * host_bytes + (double)p->n_bytes * byte_bytes : 0;
}

struct ms_estimate ms_plan_estimate(const struct ms_scenario *s, const struct ms_platform *p,
                                    size_t n_cases)
{
    const struct ms_workload *w = &s->workload;
    bool matrix = s->routing.source == MS_SOURCE_MATRIX;
    double of_a_run = (double)w->layers * w->steps * w->groups, exchanges = of_a_run * s->repeats;
    double a_rank = tokens_a_rank(w), G = w->ranks;
    double tokens = matrix ? 0 : a_rank * G * exchanges;
    double legs_each = matrix ? 1 : w->training ? 4 : 2, runs = s->twin ? 2 : 1;
    double a_node = p && p->n_nodes > 0 ? (double)p->n_hosts / p->n_nodes : 1;
    struct ms_leg_size size = {
        .ranks = G,
        .nodes = fmax(1, G / fmin(a_node, G)),
        .choices = matrix ? INFINITY : a_rank * s->model.top_k,
    };
    double wall_s = exchanges * legs_each * ms_sim_leg_cpu_s(&s->sim, &size) *
                    (s->twin ? 1.1 : 1);                  /* equal twins are simulated once */
    double pairs = 1 - exp(-size.choices / G) + runs - 1; /* a twin has all */
    double traffic = of_a_run * (16 * G * G * pairs + 8 * G * size.nodes * runs);
    double memory = process_bytes + platform_bytes(p) + traffic + sample_bytes(s) +
                    w->groups * G * actor_bytes + w->groups * ms_sim_leg_memory(&s->sim, &size);
    wall_s += tokens / tokens_per_s;
    return (struct ms_estimate){wall_s + start_s(s, p, wall_s, n_cases), memory};
}
