/* DeepSeek's EPLB. Hierarchical where expert groups divide over the nodes: groups to nodes,
 * replicas within each node, then replicas to ranks; else the same with one node and one group. */
#include "base/arena.h"
#include "place/pack.h"
#include "place/place.h"

/** Scratch and dimensions; "middle" numbers experts by node. */
struct work {
    int E, S, G, nodes, groups;
    int *rank_order; /* [G] ranks by node */
    float *weight;   /* [E], then in middle order [E] */
    float *group_weight, *load, *share;
    int *pack, *place, *order, *used;
    int *middle_expert; /* [E] */
    int *slot_middle;   /* [S] of one node */
    int *copies;        /* [E] */
};

static bool take(struct ms_arena *a, struct work *w)
{
    size_t most = (size_t)(w->S > w->G ? w->S : w->G);
    w->rank_order = MS_NEW(a, int, (size_t)w->G);
    w->weight = MS_NEW(a, float, (size_t)w->E);
    w->group_weight = MS_NEW(a, float, (size_t)w->E);
    w->load = MS_NEW(a, float, most);
    w->share = MS_NEW(a, float, most);
    w->pack = MS_NEW(a, int, most);
    w->place = MS_NEW(a, int, most);
    w->order = MS_NEW(a, int, most);
    w->used = MS_NEW(a, int, most);
    w->middle_expert = MS_NEW(a, int, (size_t)w->E);
    w->slot_middle = MS_NEW(a, int, (size_t)w->S);
    w->copies = MS_NEW(a, int, (size_t)w->E);
    return w->rank_order && w->weight && w->group_weight && w->load && w->share && w->pack &&
           w->place && w->order && w->used && w->middle_expert && w->slot_middle && w->copies;
}

/* Ranks in the order of their nodes. @return whether every node has the same number */
static bool order_ranks(const struct ms_place_problem *p, int *order)
{
    int n = 0;
    bool even = p->n_ranks % p->n_nodes == 0;
    for (int node = 0; node < p->n_nodes; node++) {
        int first = n;
        for (int r = 0; r < p->n_ranks; r++)
            if (p->rank_node[r] == node)
                order[n++] = r;
        even &= n - first == p->n_ranks / p->n_nodes;
    }
    return even;
}

/* Groups to nodes: the experts in the order in which nodes hold them. */
static void groups_to_nodes(struct work *w, const float *weight)
{
    int size = w->E / w->groups, per_node = w->groups / w->nodes;
    for (int g = 0; g < w->groups; g++) {
        w->group_weight[g] = 0;
        for (int i = 0; i < size; i++)
            w->group_weight[g] += weight[g * size + i];
    }
    ms_pack_balanced(w->group_weight, w->groups, w->nodes, w->pack, w->place, w->order, w->load,
                     w->used);
    for (int g = 0; g < w->groups; g++)
        for (int i = 0; i < size; i++)
            w->middle_expert[(w->pack[g] * per_node + w->place[g]) * size + i] = g * size + i;
}

static void one_layer(struct work *w, const float *weight, int *slot_expert)
{
    int E = w->E / w->nodes, S = w->S / w->nodes, G = w->G / w->nodes, per_rank = w->S / w->G;
    groups_to_nodes(w, weight);
    for (int node = 0; node < w->nodes; node++) {
        const int *expert = w->middle_expert + node * E;
        float *middle = w->group_weight;
        for (int e = 0; e < E; e++)
            middle[e] = weight[expert[e]];
        ms_pack_replicate(middle, E, S, w->slot_middle, w->copies);
        for (int s = 0; s < S; s++)
            w->share[s] = middle[w->slot_middle[s]] / (float)w->copies[w->slot_middle[s]];
        ms_pack_balanced(w->share, S, G, w->pack, w->place, w->order, w->load, w->used);
        for (int s = 0; s < S; s++) {
            int rank = w->rank_order[node * G + w->pack[s]];
            slot_expert[rank * per_rank + w->place[s]] = expert[w->slot_middle[s]];
        }
    }
}

static enum ms_status solve(const struct ms_place_problem *p, struct ms_rng *rng, int *slot_expert,
                            struct ms_err *err)
{
    struct ms_arena arena = {0};
    struct work w = {.E = p->n_experts, .S = p->n_slots, .G = p->n_ranks};
    if (!take(&arena, &w)) {
        ms_arena_finish(&arena);
        return ms_err_set(err, MS_NOMEM, "out of memory");
    }
    bool even = order_ranks(p, w.rank_order);
    bool by_node = even && p->n_groups % p->n_nodes == 0 && p->n_experts % p->n_groups == 0;
    w.nodes = by_node ? p->n_nodes : 1;
    w.groups = by_node ? p->n_groups : 1;
    for (int r = 0; r < w.G && !by_node; r++)
        w.rank_order[r] = r;
    for (int l = 0; l < p->n_layers; l++) {
        for (int e = 0; e < w.E; e++)
            w.weight[e] = (float)p->load[ms_cell(l, w.E, e)];
        one_layer(&w, w.weight, slot_expert + ms_cell(l, w.S, 0));
    }
    ms_arena_finish(&arena);
    return MS_OK;
}

const struct ms_place_strategy ms_place_eplb = {
    .name = "eplb",
    .help = "DeepSeek's load balancer: replicate the hottest experts, pack them evenly, groups "
            "kept on nodes",
    .needs_load = 1,
    .solve = solve,
};
