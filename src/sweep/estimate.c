/* What a case will cost, roughly: for --dry-run, the order of starting, and the first guess of the
 * time left. */
#include <math.h>
#include <string.h>

#include "sweep/plan.h"

/* Wall time of one leg, measured on this project's reference machine (two cores, 64 ranks), scaled
 * with the number of flows. SimGrid's own models re-solve everything at each of F completions over
 * F flows, halved by sharing: quadratic in F; the fluid model settles a quantum's completions at
 * once: linear. */
static double leg_s(const struct ms_scenario *s, double flows)
{
    bool fluid = strcmp(s->sim.network.model, "fluid") == 0;
    if (fluid)
        return 2e-6 * flows;
    return 2.0 * pow(flows / (64.0 * 63.0), 1.5);
}

double ms_plan_estimate(const struct ms_scenario *s)
{
    const struct ms_workload *w = &s->workload;
    double G = w->ranks > 0 ? w->ranks : 64, flows = G * (G - 1);
    if (strcmp(s->sim.exchange.algorithm, "hierarchical") == 0)
        flows = G * (G / 8 + 7) / 2; /* nodes of eight: network hops, and NVLink beside them */
    double legs = 2.0 * w->layers * w->steps * w->groups * s->repeats * (w->training ? 2 : 1);
    double tokens = 1.0 * G * (double)(w->tokens.count > 0 ? w->tokens.count : 4096) * w->groups *
                    w->layers * w->steps;
    double routing = s->routing.source == MS_SOURCE_MATRIX ? 0 : tokens * s->repeats / 5e6;
    return legs * leg_s(s, flows) * (s->twin ? 1.1 : 1) + routing + 0.05;
}
