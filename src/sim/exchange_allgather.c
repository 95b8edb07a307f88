/* vLLM's default: every rank gets every token once, whoever needs it; combine is the
 * reduce-scatter of the same size, one partial sum a token and rank. Skew changes nothing that
 * crosses. */
#include <math.h>

#include "sim/exchange.h"

/* What each rank has: the tokens of its own. NULL: out of memory. */
static double *tokens_of(const struct ms_leg_problem *p, struct ms_arena *a)
{
    int n = p->layout->n_ranks;
    double *tokens = MS_NEW(a, double, (size_t)n);
    for (int r = 0; r < n && tokens; r++)
        tokens[r] = ms_exchange_tokens(p, r);
    return tokens;
}

static void owed(const struct ms_leg_problem *p, double *copies)
{
    struct ms_arena a = {0};
    const double *tokens = tokens_of(p, &a);
    int n = p->layout->n_ranks;
    for (int r = 0; r < n; r++)
        for (int o = 0; o < n; o++)
            copies[r] += o == r ? 0 : tokens ? tokens[p->combine ? r : o] : NAN;
    ms_arena_finish(&a);
}

static void plan(const struct ms_leg_problem *p, struct ms_leg *leg)
{
    struct ms_arena a = {0};
    const double *tokens = tokens_of(p, &a);
    leg->failed |= !tokens;
    for (int s = 0; s < leg->n_ranks && !leg->failed; s++)
        for (int r = 0; r < leg->n_ranks; r++) {
            double n = s == r ? 0 : tokens[p->combine ? r : s];
            if (n > 0)
                ms_exchange_send(p, leg, ms_leg_start(leg, s), ms_leg_start(leg, r), s, r, n, 1,
                                 ms_leg_complete(leg, r));
        }
    ms_arena_finish(&a);
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
