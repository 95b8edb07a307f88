/* vLLM's default: every rank gets every token once, whoever needs it; combine is the
 * reduce-scatter of the same size, one partial sum a token and rank. Skew changes nothing that
 * crosses. */
#include "sim/exchange.h"

static double copies(const struct ms_leg_problem *p, int from, int to)
{
    return ms_exchange_tokens(p, p->combine ? to : from);
}

static double owed(const struct ms_leg_problem *p, int r)
{
    double sum = 0;
    for (int o = 0; o < p->layout->n_ranks; o++)
        sum += o == r ? 0 : copies(p, o, r);
    return sum;
}

static void plan(const struct ms_leg_problem *p, struct ms_leg *leg)
{
    for (int s = 0; s < leg->n_ranks; s++)
        for (int r = 0; r < leg->n_ranks; r++) {
            double n = s == r ? 0 : copies(p, s, r);
            if (n > 0)
                ms_exchange_send(p, leg, ms_leg_start(leg, s), ms_leg_start(leg, r), s, r, n, 1,
                                 ms_leg_complete(leg, r));
        }
}

const struct ms_exchange ms_exchange_allgather = {
    .name = "allgather",
    .help = "every token once to every rank, and the reduce-scatter back: independent of routing",
    .auto_dedup = MS_DEDUP_RANK,
    .auto_meeting = MS_MEETING_PAIR,
    .auto_completion = MS_COMPLETION_BOTH,
    .needs_tokens = true,
    .leg_cpu_s = {6e-3, 0.95},
    .plan = plan,
    .owed = owed,
};
