/* As direct, but each rank has at most `window` messages under way, taken in rotation order
 * (source + 1, source + 2, …), as the channels of NCCL do: the next starts when any of them has
 * arrived. */
#include "sim/exchange.h"

static void plan(const struct ms_leg_problem *p, struct ms_leg *leg)
{
    int n = leg->n_ranks;
    leg->window = p->window > 0 ? (uint32_t)p->window : 1;
    for (int s = 0; s < n; s++)
        for (int i = 1; i < n; i++) {
            int r = (s + i) % n;
            double copies = ms_exchange_sent(p, s, r);
            if (!(copies > 0))
                continue;
            uint32_t start = ms_leg_join(leg), done = ms_leg_join(leg);
            ms_leg_queue(leg, s, start, done);
            ms_leg_phase(leg, (uint32_t)(i - 1) / leg->window);
            ms_exchange_send(p, leg, start, ms_leg_start(leg, r), s, r, copies, 1, done);
            ms_leg_edge(leg, done, ms_leg_complete(leg, r), 0);
        }
}

const struct ms_exchange ms_exchange_windowed = {
    .name = "windowed",
    .help = "at most `window` messages under way per rank, in rotation order, as NCCL",
    .windowed = true,
    .auto_dedup = MS_DEDUP_RANK,
    .auto_meeting = MS_MEETING_PAIR,
    .auto_completion = MS_COMPLETION_BOTH,
    .leg_cpu_s = {22e-3, 0.95},
    .plan = plan,
};
