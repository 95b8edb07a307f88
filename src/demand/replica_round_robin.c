/* Every source deals its tokens of an expert to the copies in turn. */
#include "demand/replica.h"

static void weights(const struct ms_replica_world *w, int source, int e, double *weight)
{
    int n = w->copies.start[e + 1] - w->copies.start[e];
    (void)source;
    for (int i = 0; i < n; i++)
        weight[i] = 1;
}

const struct ms_replica_choice ms_replica_round_robin = {
    .name = "round_robin",
    .help = "a source deals its tokens of an expert to the copies in turn",
    .weights = weights,
};
