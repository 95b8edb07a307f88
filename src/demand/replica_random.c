/* A copy drawn for every selection, all alike: no look at loads or places. */
#include "demand/replica.h"

static int pick(struct ms_replica_world *w, int source, int e)
{
    const int *start = w->copies.start;
    int n = start[e + 1] - start[e];
    (void)source;
    return start[e] + (n > 1 ? (int)ms_rng_below(&w->rng, (uint32_t)n) : 0);
}

const struct ms_replica_choice ms_replica_random = {
    .name = "random",
    .help = "a copy drawn anew for every token",
    .pick = pick,
};
