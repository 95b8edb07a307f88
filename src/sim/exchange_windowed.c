/* As direct, but each rank has at most `window` messages under way, taken in rotation order
 * (source + 1, source + 2, …), as the channels of NCCL do: the next starts when any of them has
 * arrived. Receives are posted likewise, from rank - 1, rank - 2, …: ranks that drift apart keep to
 * one rotation, and no message comes before its turn at the receiver. */
#include "sim/exchange.h"

static void send(const struct ms_leg_problem *p, struct ms_leg *leg, int s, int r, double copies)
{
    uint32_t start = ms_leg_join(leg), done = ms_leg_join(leg), posted = MS_LEG_NONE;
    ms_leg_queue_send(leg, s, start, done);
    if (p->meeting == MS_MEETING_PAIR) {
        posted = ms_leg_join(leg);
        ms_leg_queue_take(leg, r, posted, done);
    }
    ms_exchange_send(p, leg, start, posted, s, r, copies, 1, done);
    ms_leg_edge(leg, done, ms_leg_complete(leg, r), 0);
}

static void plan(const struct ms_leg_problem *p, struct ms_leg *leg)
{
    int n = leg->n_ranks;
    ms_leg_window(leg, p->window > 0 ? (uint32_t)p->window : 1);
    for (int i = 1; i < n; i++) {
        ms_leg_phase(leg, (uint32_t)(i - 1) / leg->window);
        for (int s = 0; s < n; s++) {
            double copies = ms_exchange_sent(p, s, (s + i) % n);
            if (copies > 0)
                send(p, leg, s, (s + i) % n, copies);
        }
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
