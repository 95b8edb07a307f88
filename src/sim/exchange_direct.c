/* One message a (source, destination) pair, all posted at once. */
#include "sim/exchange.h"

static void send(const struct ms_leg_problem *p, struct ms_leg *leg, int s, int r, double copies)
{
    ms_exchange_send(p, leg, ms_leg_start(leg, s), ms_leg_start(leg, r), s, r, copies, 1,
                     ms_leg_complete(leg, r));
}

static void plan(const struct ms_leg_problem *p, struct ms_leg *leg)
{
    ms_exchange_pairs(p, leg, send);
}

const struct ms_exchange ms_exchange_direct = {
    .name = "direct",
    .help = "one message per pair of ranks, all posted at once",
    .auto_dedup = MS_DEDUP_RANK,
    .auto_meeting = MS_MEETING_PAIR,
    .auto_completion = MS_COMPLETION_BOTH,
    .leg_cpu_s = {3.3e-3, 3.3},
    .plan = plan,
};
