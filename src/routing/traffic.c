/* Decides how the counts of one exchange lie in memory: zeroed arrays in an arena. What they mean
 * stands in the header. */
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
