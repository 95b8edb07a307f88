/* Data goes round neighbour by neighbour. In step i rank r sends rank r + 1 everything that
 * started at r - i + 1 and has not arrived yet; a rank's next step starts when its own send and
 * its own receive have finished. Bytes count on each hop. */
#include "sim/exchange.h"

struct ring {
    int n;
    uint32_t *gate, *next;
    double *left; /* [G][G] copies of rank o for ranks at least i hops away: sent on in step i */
};

static double *left_of(const struct ring *g, int rank, int i)
{
    return &g->left[(size_t)rank * (size_t)g->n + (size_t)i];
}

static void step(const struct ms_leg_problem *p, struct ms_leg *leg, int i, struct ring *g)
{
    int n = leg->n_ranks;
    for (int r = 0; r < n; r++)
        g->next[r] = ms_leg_join(leg);
    for (int s = 0; s < n && !leg->failed; s++) {
        int origin = (s - i + 1 + n) % n, r = (s + 1) % n;
        double own = ms_exchange_sent(p, origin, r); /* what ends here */
        double left = *left_of(g, origin, i);
        uint32_t done = g->gate[s];
        if (left > 0) {
            done = ms_leg_join(leg);
            ms_leg_add(leg, &(struct ms_leg_flow){.gate = g->gate[s],
                                                  .meet = ms_exchange_meet(p, leg, g->gate[r], r),
                                                  .end = done,
                                                  .src = s,
                                                  .dst = r,
                                                  .bytes = left * p->copy_bytes,
                                                  .messages = 1,
                                                  .delivered = own * p->copy_bytes});
            if (own > 0)
                ms_leg_edge(leg, done, ms_leg_complete(leg, r), 0);
        }
        ms_leg_edge(leg, done, g->next[s], 0);
        if (r != s)
            ms_leg_edge(leg, done, g->next[r], 0);
    }
}

static void plan(const struct ms_leg_problem *p, struct ms_leg *leg)
{
    int n = leg->n_ranks;
    struct ms_arena a = {0};
    size_t N = (size_t)n;
    struct ring g = {n, MS_NEW(&a, uint32_t, N), MS_NEW(&a, uint32_t, N), MS_NEW(&a, double, N *N)};
    if (!g.gate || !g.next || !g.left)
        leg->failed = true;
    for (int r = 0; r < n && !leg->failed; r++) {
        g.gate[r] = ms_leg_start(leg, r);
        for (int j = n - 1; j > 0; j--)
            *left_of(&g, r, j) =
                ms_exchange_sent(p, r, (r + j) % n) + (j < n - 1 ? *left_of(&g, r, j + 1) : 0);
    }
    for (int i = 1; i < n && !leg->failed; i++) {
        ms_leg_phase(leg, (uint32_t)i - 1);
        step(p, leg, i, &g);
        uint32_t *t = g.gate;
        g.gate = g.next;
        g.next = t;
    }
    ms_arena_finish(&a);
}

const struct ms_exchange ms_exchange_ring = {
    .name = "ring",
    .help = "data forwarded from neighbour to neighbour; bytes counted on every hop",
    .auto_dedup = MS_DEDUP_RANK,
    .auto_meeting = MS_MEETING_PAIR,
    .auto_completion = MS_COMPLETION_BOTH,
    .forwards = true,
    .neighbours = true,
    .leg_cpu_s = {13e-3, 0.95},
    .plan = plan,
};
