/* DeepEP's low-latency kernels: one message per (token, expert) selection, straight to its rank.
 * On the wire they are one flow a pair; each message counts for the NIC's message gap. */
#include "sim/exchange.h"

static void send(const struct ms_leg_problem *p, struct ms_leg *leg, int s, int r, double copies)
{
    uint32_t messages = p->traffic->is_matrix ? 1 : ms_exchange_messages(copies);
    ms_exchange_send(p, leg, ms_leg_start(leg, s), ms_leg_start(leg, r), s, r, copies, messages,
                     ms_leg_complete(leg, r));
}

static void plan(const struct ms_leg_problem *p, struct ms_leg *leg)
{
    ms_exchange_pairs(p, leg, send);
}

const struct ms_exchange ms_exchange_low_latency = {
    .name = "low_latency",
    .help = "one message per (token, expert) selection, as DeepEP's low-latency kernels",
    .auto_dedup = MS_DEDUP_NONE,
    .kernels = MS_KERNELS_LOW_LATENCY,
    .auto_meeting = MS_MEETING_NONE,
    .auto_completion = MS_COMPLETION_RECEIVED,
    .layers_ahead = 1, /* two buffers */
    .leg_cpu_s = {5.2e-3, 3.3},
    .plan = plan,
};
