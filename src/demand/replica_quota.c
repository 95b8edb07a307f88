/* Local copies first, but no more than each copy's planned share of its expert: what every source
 * may send where is known before any batch, from equal sources and the plan alone. */
#include <math.h>

#include "demand/replica.h"

/** One expert's copies, with what each can still take and what every source still has to send; all in
 *  shares of the expert's tokens. */
struct plan {
    const struct ms_replica_world *w;
    int first, n;
    double supply; /* of every source */
};

/* What the rank of copy k keeps of its own tokens. */
static double kept(const struct plan *p, int k)
{
    double share = p->w->share[k];
    return share < p->supply ? share : p->supply;
}

/* What a node's sources have left after their own ranks, and what its copies can take then. */
static void left_on(const struct plan *p, int node, double *send, double *take)
{
    *send = p->supply * p->w->node_size[node];
    *take = 0;
    for (int k = p->first; k < p->first + p->n; k++)
        if (p->w->rank_node[p->w->copies.rank[k]] == node) {
            *send -= kept(p, k);
            *take += p->w->share[k] - kept(p, k);
        }
}

/* What copy k has left for other nodes once its own node is served. */
static double offered(const struct plan *p, int k)
{
    double send, take;
    left_on(p, p->w->rank_node[p->w->copies.rank[k]], &send, &take);
    return take > send && take > 0 ? (p->w->share[k] - kept(p, k)) * (1 - fmax(send, 0) / take) : 0;
}

static void weights(const struct ms_replica_world *w, int source, int e, double *weight)
{
    const struct ms_copies *c = &w->copies;
    struct plan p = {w, c->start[e], c->start[e + 1] - c->start[e], 1.0 / c->n_ranks};
    int home = w->rank_node[source];
    double mine = p.supply, send, take, all = 0;
    for (int i = 0; i < p.n; i++) {
        weight[i] = c->rank[p.first + i] == source ? kept(&p, p.first + i) : 0;
        mine -= weight[i];
    }
    left_on(&p, home, &send, &take);
    double moved = send > 0 ? fmin(fmax(take, 0) / send, 1) : 0; /* to others of its node */
    for (int i = 0; i < p.n && take > 0; i++)
        if (w->rank_node[c->rank[p.first + i]] == home)
            weight[i] += mine * moved * (w->share[p.first + i] - kept(&p, p.first + i)) / take;
    mine *= 1 - moved;
    for (int i = 0; i < p.n; i++)
        all += offered(&p, p.first + i);
    for (int i = 0; i < p.n && mine > 1e-12; i++)
        weight[i] += mine * (all > 0 ? offered(&p, p.first + i) / all : w->share[p.first + i]);
}

const struct ms_replica_choice ms_replica_quota = {
    .name = "quota",
    .help = "local copies first, but no more than each copy's planned share",
    .keeps_plan = true,
    .weights = weights,
};
