/* Decides how the counts of one exchange lie in memory, zeroed arrays in an arena, and what is read
 * off them. */
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

double ms_traffic_remote_copies(const struct ms_traffic *t, int top_k)
{
    double sum = 0;
    for (int s = 0; s < t->n_ranks; s++)
        for (int d = 0; d < t->n_ranks; d++)
            sum += s != d ? t->rank_copies[ms_cell(s, t->n_ranks, d)] : 0;
    return t->requested > 0 ? sum * top_k / t->requested : 0;
}

double ms_traffic_max_over_mean(const double *v, int n, int each)
{
    double sum = 0, top = 0;
    for (int i = 0; i < n; i++) {
        double load = 0;
        for (int k = 0; k < each; k++)
            load += v[ms_cell(i, each, k)];
        sum += load;
        top = load > top ? load : top;
    }
    return sum > 0 ? top * n / sum : 1;
}
