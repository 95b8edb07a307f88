/* Token by token to the copy on the rank that this source has sent least to so far: what a sender can
 * know without asking anybody. */
#include "demand/replica.h"

static int pick(struct ms_replica_world *w, int source, int e)
{
    const struct ms_copies *c = &w->copies;
    int first = c->start[e], n = c->start[e + 1] - first, best = -1;
    for (int i = 0; i < n; i++) { /* equal ones: another first copy for each source */
        int k = first + (source + e + i) % n;
        if (best < 0 || w->sent[c->rank[k]] < w->sent[c->rank[best]])
            best = k;
    }
    w->sent[c->rank[best]]++;
    return best;
}

const struct ms_replica_choice ms_replica_least_loaded = {
    .name = "least_loaded",
    .help = "token by token to the copy whose rank the source has sent least to",
    .evens = true,
    .pick = pick,
};
