/* Decides what the balanced twin of an exchange moves: totals by kind of pair, spread evenly over
 * the pairs of that kind. */
#include "demand/balanced_twin.h"

#include <string.h>

/* What kind of pair (source, destination) is: each kind keeps its total in the twin. */
enum { DIAGONAL, SAME_NODE, FORWARDER, ACROSS, N_KINDS };

struct totals {
    double selections[N_KINDS], copies[N_KINDS], pairs[N_KINDS];
    double own_node, other_nodes, slots;
};

static void local_indices(struct ms_twin_seats seats, int G)
{
    for (int r = 0; r < G; r++) {
        seats.local[r] = 0;
        for (int i = 0; i < r; i++)
            seats.local[r] += seats.rank_node[i] == seats.rank_node[r];
    }
}

static int pair_kind(struct ms_twin_seats seats, int s, int d)
{
    if (s == d)
        return DIAGONAL;
    if (!seats.per_node_leg || seats.rank_node[s] == seats.rank_node[d])
        return SAME_NODE;
    return seats.local[s] == seats.local[d] ? FORWARDER : ACROSS;
}

static struct totals add_up(const struct ms_traffic *t, struct ms_twin_seats seats)
{
    int G = t->n_ranks, N = t->n_nodes;
    struct totals o = {0};
    for (int s = 0; s < G; s++)
        for (int d = 0; d < G; d++) {
            int kind = pair_kind(seats, s, d);
            o.selections[kind] += t->selections[ms_cell(s, G, d)];
            o.copies[kind] += t->rank_copies[ms_cell(s, G, d)];
            o.pairs[kind]++;
        }
    for (int s = 0; s < G; s++)
        for (int n = 0; n < N; n++)
            *(n == seats.rank_node[s] ? &o.own_node : &o.other_nodes) +=
                t->node_copies[ms_cell(s, N, n)];
    for (int i = 0; i < t->n_slots; i++)
        o.slots += t->slot_tokens[i];
    return o;
}

void ms_traffic_twin_sums(const struct ms_traffic *t, struct ms_twin_seats seats, double *sums)
{
    local_indices(seats, t->n_ranks);
    struct totals o = add_up(t, seats);
    int n = 0;
    memset(sums, 0, MS_TWIN_SUMS * sizeof *sums);
    for (int k = 0; k < N_KINDS; k++) {
        sums[n++] = o.selections[k];
        sums[n++] = o.copies[k];
    }
    sums[n++] = o.own_node;
    sums[n++] = o.other_nodes;
    sums[n++] = o.slots;
}

void ms_traffic_twin(const struct ms_traffic *t, struct ms_twin_seats seats,
                     struct ms_traffic *twin)
{
    int G = t->n_ranks, N = t->n_nodes;
    local_indices(seats, G);
    struct totals o = add_up(t, seats);
    for (int s = 0; s < G; s++)
        for (int d = 0; d < G; d++) {
            int kind = pair_kind(seats, s, d);
            size_t at = ms_cell(s, G, d);
            twin->selections[at] = o.selections[kind] / o.pairs[kind];
            twin->rank_copies[at] = o.copies[kind] / o.pairs[kind];
        }
    for (int s = 0; s < G; s++)
        for (int n = 0; n < N; n++)
            twin->node_copies[ms_cell(s, N, n)] =
                n == seats.rank_node[s] ? o.own_node / G : o.other_nodes / ((double)G * (N - 1));
    for (int i = 0; i < t->n_slots; i++)
        twin->slot_tokens[i] = o.slots / t->n_slots;
    double tokens = 0;
    for (int e = 0; e < t->n_experts; e++)
        tokens += t->expert_tokens[e];
    for (int e = 0; e < t->n_experts; e++)
        twin->expert_tokens[e] = tokens / t->n_experts;
    twin->dropped = t->dropped;
    twin->requested = t->requested;
    twin->is_matrix = t->is_matrix;
}
