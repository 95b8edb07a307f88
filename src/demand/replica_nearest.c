/* The source's own copy, else one on its node, else any; equally near ones are spread over sources and
 * experts. */
#include "demand/replica.h"

static int fixed(const struct ms_replica_world *w, int source, int e)
{
    const struct ms_copies *c = &w->copies;
    int first = c->start[e], n = c->start[e + 1] - first, near = 0;
    if (n == 1)
        return first;
    for (int i = 0; i < n; i++) {
        int r = c->rank[first + i];
        if (r == source)
            return first + i;
        near += w->rank_node[r] == w->rank_node[source];
    }
    int pick = (source + e) % (near > 0 ? near : n);
    for (int i = 0; i < n; i++) {
        if (near > 0 && w->rank_node[c->rank[first + i]] != w->rank_node[source])
            continue;
        if (pick-- == 0)
            return first + i;
    }
    return first;
}

const struct ms_replica_choice ms_replica_nearest = {
    .name = "nearest",
    .help = "a source's own copy, else one on its node, else any; no look at loads",
    .fixed = fixed,
};
