/* What a case will cost, roughly: for --dry-run, the order of starting, and the first guess of the
 * time left. */
#include "sweep/plan.h"

static const double tokens_per_s = 5e6, process_s = 0.02;

double ms_plan_estimate(const struct ms_scenario *s)
{
    const struct ms_workload *w = &s->workload;
    double exchanges = (double)w->layers * w->steps * w->groups * s->repeats;
    double a_rank = w->tokens.kind == MS_TOKENS_EQUAL    ? (double)w->tokens.count
                    : w->tokens.kind == MS_TOKENS_SPREAD ? w->tokens.mean
                                                         : 4096;
    double tokens = s->routing.source == MS_SOURCE_MATRIX ? 0 : a_rank * w->ranks * exchanges;
    double legs_each = s->routing.source == MS_SOURCE_MATRIX ? 1 : w->training ? 4 : 2;
    return exchanges * legs_each * ms_sim_leg_cpu_s(&s->sim, w->ranks) * (s->twin ? 1.1 : 1) +
           tokens / tokens_per_s + process_s;
}
