/* Phase i = 1 … G-1: send to r + i, receive from r - i; a rank's next phase starts when its own
 * send and its own receive have finished. */
#include "sim/exchange.h"

/* gate[r]: the join that starts rank r's present phase. An empty message ends when its sender
 * reaches the phase. */
static void phase(const struct ms_leg_problem *p, struct ms_leg *leg, int i, uint32_t *gate,
                  uint32_t *next)
{
    int n = leg->n_ranks;
    for (int r = 0; r < n; r++)
        next[r] = ms_leg_join(leg);
    for (int s = 0; s < n && !leg->failed; s++) {
        int r = (s + i) % n;
        double copies = ms_exchange_sent(p, s, r);
        uint32_t done = gate[s];
        if (copies > 0) {
            done = ms_leg_join(leg);
            ms_exchange_send(p, leg, gate[s], gate[r], s, r, copies, 1, done);
            ms_leg_edge(leg, done, ms_leg_complete(leg, r), 0);
        }
        ms_leg_edge(leg, done, next[s], 0);
        if (next[r] != next[s])
            ms_leg_edge(leg, done, next[r], 0);
    }
}

static void plan(const struct ms_leg_problem *p, struct ms_leg *leg)
{
    int n = leg->n_ranks;
    struct ms_arena a = {0};
    uint32_t *gate = MS_NEW(&a, uint32_t, (size_t)n), *next = MS_NEW(&a, uint32_t, (size_t)n);
    if (!gate || !next)
        leg->failed = true;
    for (int r = 0; r < n && !leg->failed; r++)
        gate[r] = ms_leg_start(leg, r);
    for (int i = 1; i < n && !leg->failed; i++) {
        ms_leg_phase(leg, (uint32_t)i - 1);
        phase(p, leg, i, gate, next);
        uint32_t *t = gate;
        gate = next;
        next = t;
    }
    ms_arena_finish(&a);
}

const struct ms_exchange ms_exchange_pairwise = {
    .name = "pairwise",
    .help = "in phase i each rank sends to rank + i and receives from rank - i, phase after phase",
    .auto_dedup = MS_DEDUP_RANK,
    .auto_meeting = MS_MEETING_PAIR,
    .auto_completion = MS_COMPLETION_BOTH,
    .paired = true,
    .leg_cpu_s = {15e-3, 0.95},
    .plan = plan,
};
