/* What a case will cost, roughly: for check, --dry-run, the order of starting, the first guess of the
 * time left, and to refuse what cannot fit. */
#include <math.h>

#include "sweep/plan.h"

/* Measured on one core of a two-core x86 server: tokens routed a second, a process, and a host of
 * the platform file in SimGrid. */
static const double tokens_per_s = 5e6, process_s = 0.02, host_s = 40e-6;
static const double process_bytes = 45e6, host_bytes = 12e3;

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

struct ms_estimate ms_plan_estimate(const struct ms_scenario *s, const struct ms_platform *p)
{
    const struct ms_workload *w = &s->workload;
    bool matrix = s->routing.source == MS_SOURCE_MATRIX;
    double of_a_run = (double)w->layers * w->steps * w->groups, exchanges = of_a_run * s->repeats;
    double a_rank = tokens_a_rank(w), G = w->ranks, hosts = p ? p->n_hosts_in_file : 0;
    double tokens = matrix ? 0 : a_rank * G * exchanges;
    double legs_each = matrix ? 1 : w->training ? 4 : 2, runs = s->twin ? 2 : 1;
    double a_node = p && p->n_nodes > 0 ? (double)p->n_hosts / p->n_nodes : 1;
    struct ms_leg_size size = {
        .ranks = G,
        .nodes = fmax(1, G / fmin(a_node, G)),
        .choices = matrix ? INFINITY : a_rank * s->model.top_k,
    };
    double wall_s = exchanges * legs_each * ms_sim_leg_cpu_s(&s->sim, &size) *
                    (s->twin ? 1.1 : 1); /* equal twins are simulated once */
    double traffic = runs * of_a_run * (16 * G * G + 8 * G * size.nodes);
    double memory = process_bytes + hosts * host_bytes + traffic + sample_bytes(s) +
                    w->groups * ms_sim_leg_memory(&s->sim, &size);
    return (struct ms_estimate){wall_s + tokens / tokens_per_s + process_s + hosts * host_s,
                                memory};
}
