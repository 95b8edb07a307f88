/* The split that makes the fullest rank lightest, solved for each batch from all counts; then whole
 * tokens, of which every source keeps what its own rank and node can take. */
#include <math.h>
#include <string.h>

#include "demand/replica.h"

enum { WITHIN = 10000 }; /* the fullest rank is within 1 / so much of the optimum */

/* Whole tokens of an expert for its copies: the largest remainders are rounded up. */
static void whole(const struct ms_replica_world *w, int e, uint32_t total)
{
    const struct ms_copies *c = &w->copies;
    uint32_t sum = 0;
    for (int k = c->start[e]; k < c->start[e + 1]; k++) {
        w->left[k] = (uint32_t)floor(w->part[k]);
        w->part[k] -= w->left[k];
        sum += w->left[k];
    }
    for (; sum < total; sum++) {
        int best = c->start[e];
        for (int k = best + 1; k < c->start[e + 1]; k++)
            best = w->part[k] > w->part[best] ? k : best;
        w->part[best]--;
        w->left[best]++;
    }
    for (int k = c->start[e]; sum > total; k++) { /* the pouring's last bits */
        uint32_t less = w->left[k] < sum - total ? w->left[k] : sum - total;
        w->left[k] -= less;
        sum -= less;
    }
}

enum near { OWN_RANK, OWN_NODE, ANYWHERE };

static bool is_near(const struct ms_replica_world *w, enum near near, int source, int k)
{
    int r = w->copies.rank[k];
    return near == ANYWHERE || r == source ||
           (near == OWN_NODE && w->rank_node[r] == w->rank_node[source]);
}

/* Sources take turns, another first one for each expert, and fill one copy after the other. */
static void hand_out(struct ms_replica_world *w, enum near near, int e, uint32_t *need,
                     uint32_t *quota)
{
    const struct ms_copies *c = &w->copies;
    int G = c->n_ranks;
    for (int i = 0; i < G; i++) {
        int s = (i + e) % G;
        for (int k = c->start[e]; k < c->start[e + 1] && need[s]; k++) {
            if (!is_near(w, near, s, k))
                continue;
            uint32_t n = need[s] < w->left[k] ? need[s] : w->left[k];
            quota[ms_cell(s, c->n_slots, k)] += n;
            need[s] -= n;
            w->left[k] -= n;
        }
    }
}

static void split(struct ms_replica_world *w, const uint32_t *counts, uint32_t *quota)
{
    const struct ms_copies *c = &w->copies;
    int E = c->n_experts, G = c->n_ranks;
    for (int e = 0; e < E; e++) {
        w->load[e] = 0;
        for (int s = 0; s < G; s++)
            w->load[e] += counts[ms_cell(s, E, e)];
    }
    ms_split_balanced(c, w->load, 1.0 / WITHIN, &w->scratch, w->part, w->rank_load);
    memset(quota, 0, ms_cell(G, c->n_slots, 0) * sizeof *quota);
    for (int e = 0; e < E; e++) {
        if (c->start[e + 1] - c->start[e] < 2)
            continue;
        for (int s = 0; s < G; s++)
            w->sent[s] = counts[ms_cell(s, E, e)];
        whole(w, e, (uint32_t)w->load[e]);
        for (enum near near = OWN_RANK; near <= ANYWHERE; near++)
            hand_out(w, near, e, w->sent, quota);
    }
}

const struct ms_replica_choice ms_replica_balanced = {
    .name = "balanced",
    .help = "the best split for the batch, solved from all ranks' counts (exchanged first)",
    .keeps_plan = true,
    .evens = true,
    .split = split,
};
