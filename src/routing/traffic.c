#include "routing/traffic.h"

bool ms_traffic_init(struct ms_traffic *t, struct ms_arena *arena, int n_ranks, int n_nodes,
                     int n_slots, int n_experts)
{
    size_t G = (size_t)n_ranks;
    *t = (struct ms_traffic){
        .n_ranks = n_ranks, .n_nodes = n_nodes, .n_slots = n_slots, .n_experts = n_experts};
    t->selections = MS_NEW(arena, double, G *G);
    t->rank_copies = MS_NEW(arena, double, G *G);
    t->node_copies = MS_NEW(arena, double, G *(size_t)n_nodes);
    t->slot_tokens = MS_NEW(arena, double, (size_t)n_slots);
    t->expert_tokens = MS_NEW(arena, double, (size_t)n_experts);
    return t->selections && t->rank_copies && t->node_copies && t->slot_tokens && t->expert_tokens;
}

/* What kind of pair (source, destination) is: each kind keeps its total in the twin. */
enum { DIAGONAL, SAME_NODE, FORWARDER, ACROSS, N_KINDS };

static int local_index(const int *rank_node, int r)
{
    int n = 0;
    for (int i = 0; i < r; i++)
        n += rank_node[i] == rank_node[r];
    return n;
}

static int pair_kind(const int *rank_node, const int *local, bool per_node_leg, int s, int d)
{
    if (s == d)
        return DIAGONAL;
    if (!per_node_leg || rank_node[s] == rank_node[d])
        return SAME_NODE;
    return local[s] == local[d] ? FORWARDER : ACROSS;
}

struct totals {
    double selections[N_KINDS], copies[N_KINDS], pairs[N_KINDS];
    double own_node, other_nodes, slots;
};

static void add_up(const struct ms_traffic *t, const int *rank_node, const int *local,
                   bool per_node_leg, struct totals *o)
{
    int G = t->n_ranks, N = t->n_nodes;
    *o = (struct totals){0};
    for (int s = 0; s < G; s++)
        for (int d = 0; d < G; d++) {
            int kind = pair_kind(rank_node, local, per_node_leg, s, d);
            o->selections[kind] += t->selections[(size_t)s * G + d];
            o->copies[kind] += t->rank_copies[(size_t)s * G + d];
            o->pairs[kind]++;
        }
    for (int s = 0; s < G; s++)
        for (int n = 0; n < N; n++)
            *(n == rank_node[s] ? &o->own_node : &o->other_nodes) +=
                t->node_copies[(size_t)s * N + n];
    for (int i = 0; i < t->n_slots; i++)
        o->slots += t->slot_tokens[i];
}

enum { MOST_LOCAL = 4096 };

static void local_indices(const int *rank_node, int G, int *local)
{
    for (int r = 0; r < G && r < MOST_LOCAL; r++)
        local[r] = local_index(rank_node, r);
}

void ms_traffic_twin_sums(const struct ms_traffic *t, const int *rank_node, bool per_node_leg,
                          double *sums)
{
    int local[MOST_LOCAL] = {0};
    struct totals o;
    local_indices(rank_node, t->n_ranks, local);
    add_up(t, rank_node, local, per_node_leg, &o);
    int n = 0;
    for (int k = 0; k < N_KINDS; k++) {
        sums[n++] = o.selections[k];
        sums[n++] = o.copies[k];
    }
    sums[n++] = o.own_node;
    sums[n++] = o.other_nodes;
    sums[n++] = o.slots;
    while (n < MS_TWIN_SUMS)
        sums[n++] = 0;
}

void ms_traffic_twin(const struct ms_traffic *t, const int *rank_node, bool per_node_leg,
                     struct ms_traffic *twin)
{
    int G = t->n_ranks, N = t->n_nodes, local[MOST_LOCAL] = {0};
    struct totals o;
    local_indices(rank_node, G, local);
    add_up(t, rank_node, local, per_node_leg, &o);
    for (int s = 0; s < G; s++)
        for (int d = 0; d < G; d++) {
            int kind = pair_kind(rank_node, local, per_node_leg, s, d);
            twin->selections[(size_t)s * G + d] = o.selections[kind] / o.pairs[kind];
            twin->rank_copies[(size_t)s * G + d] = o.copies[kind] / o.pairs[kind];
        }
    for (int s = 0; s < G; s++)
        for (int n = 0; n < N; n++)
            twin->node_copies[(size_t)s * N + n] =
                n == rank_node[s] ? o.own_node / G : o.other_nodes / ((double)G * (N - 1));
    for (int i = 0; i < t->n_slots; i++)
        twin->slot_tokens[i] = o.slots / t->n_slots;
    for (int e = 0; e < t->n_experts; e++) {
        double sum = 0;
        for (int i = 0; i < t->n_experts; i++)
            sum += t->expert_tokens[i];
        twin->expert_tokens[e] = sum / t->n_experts;
    }
    twin->dropped = t->dropped;
    twin->requested = t->requested;
    twin->is_matrix = t->is_matrix;
}
