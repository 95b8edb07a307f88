/* What a case will cost, roughly: for --dry-run, the order of starting, and the first guess of the
 * time left. */
#include <math.h>
#include <string.h>

#include "sweep/plan.h"

/* CPU time of one leg of 64 ranks on fat-tree2-8x8 with OLMoE's arXiv routing, measured on two
 * cores of an x86 server: 32 exchanges with fluid, one or two with cm02. Algorithms without a cm02
 * measurement count as direct. */
static const struct {
    const char *algorithm;
    double fluid_s, native_s;
} legs[] = {{"direct", 6e-3, 0.95}, {"windowed", 22e-3, 0.95},     {"pairwise", 15e-3, 0.95},
            {"ring", 13e-3, 0.95},  {"hierarchical", 5.3e-3, 0.1}, {"low_latency", 7e-3, 0.95}};
enum { N_LEGS = sizeof legs / sizeof *legs, MEASURED_RANKS = 64 };

/* Growth with the pairs of ranks: fluid settles completions in bulk (about linear); SimGrid solves
 * its whole system at each of them (issue 3: 3 s at 64 ranks, two minutes at 128). */
static const double fluid_growth = 1.1, native_growth = 2.6;
static const double tokens_per_s = 5e6, process_s = 0.02;

static double leg_s(const struct ms_scenario *s, double ranks)
{
    bool fluid = strcmp(s->sim.network.model, "fluid") == 0;
    double pairs = ranks * (ranks - 1) / (MEASURED_RANKS * (MEASURED_RANKS - 1.0));
    for (int i = 0; i < N_LEGS; i++)
        if (strcmp(legs[i].algorithm, s->sim.exchange.algorithm) == 0)
            return fluid ? legs[i].fluid_s * pow(pairs, fluid_growth)
                         : legs[i].native_s * pow(pairs, native_growth);
    return 0;
}

double ms_plan_estimate(const struct ms_scenario *s)
{
    const struct ms_workload *w = &s->workload;
    double exchanges = (double)w->layers * w->steps * w->groups * s->repeats;
    double a_rank = w->tokens.kind == MS_TOKENS_EQUAL    ? (double)w->tokens.count
                    : w->tokens.kind == MS_TOKENS_SPREAD ? w->tokens.mean
                                                         : 4096;
    double tokens = s->routing.source == MS_SOURCE_MATRIX ? 0 : a_rank * w->ranks * exchanges;
    double legs_each = s->routing.source == MS_SOURCE_MATRIX ? 1 : w->training ? 4 : 2;
    return exchanges * legs_each * leg_s(s, w->ranks) * (s->twin ? 1.1 : 1) +
           tokens / tokens_per_s + process_s;
}
