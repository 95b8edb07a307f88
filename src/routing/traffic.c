/* Decides how the counts of one exchange lie in memory: rows of the pairs that have something; and what is
 * read off them. */
#include "routing/traffic.h"

bool ms_traffic_init(struct ms_traffic *t, struct ms_arena *arena, int n_ranks, int n_nodes,
                     int n_slots, int n_experts)
{
    size_t G = (size_t)n_ranks;
    *t = (struct ms_traffic){.n_ranks = n_ranks,
                             .n_nodes = n_nodes,
                             .n_slots = n_slots,
                             .n_experts = n_experts,
                             .rows = arena};
    t->row = MS_NEW(arena, struct ms_traffic_row, G);
    t->node_copies = MS_NEW(arena, double, G *(size_t)n_nodes);
    t->slot_tokens = MS_NEW(arena, double, (size_t)n_slots);
    t->expert_tokens = MS_NEW(arena, double, (size_t)n_experts);
    t->everyone = MS_NEW(arena, uint32_t, G);
    for (uint32_t r = 0; t->everyone && r < (uint32_t)n_ranks; r++)
        t->everyone[r] = r;
    return t->row && t->node_copies && t->slot_tokens && t->expert_tokens && t->everyone;
}

/* Memory of a row's numbers, and of ranks behind them. */
static double *row_memory(struct ms_traffic *t, size_t n_numbers, size_t n_ranks)
{
    size_t ranks = (n_ranks * sizeof(uint32_t) + sizeof(double) - 1) / sizeof(double);
    if (t->guard)
        pthread_mutex_lock(t->guard);
    double *p = MS_NEW(t->rows, double, n_numbers + ranks);
    if (t->guard)
        pthread_mutex_unlock(t->guard);
    return p;
}

bool ms_traffic_set_row(struct ms_traffic *t, int source, const double *selections,
                        const double *copies)
{
    int G = t->n_ranks, n = 0;
    bool same = true;
    for (int r = 0; r < G; r++) {
        n += selections[r] != 0 || copies[r] != 0;
        same &= selections[r] == copies[r];
    }
    bool all = n == G;
    size_t N = (size_t)n;
    double *held = row_memory(t, same ? N : 2 * N, all ? 0 : N);
    if (!held)
        return false;
    double *held_copies = same ? held : held + N;
    uint32_t *rank = all ? t->everyone : (uint32_t *)(held_copies + N);
    for (int r = 0, at = 0; r < G; r++) {
        if (selections[r] == 0 && copies[r] == 0)
            continue;
        held[at] = selections[r];
        held_copies[at] = copies[r];
        if (!all)
            rank[at] = (uint32_t)r;
        at++;
    }
    t->row[source] = (struct ms_traffic_row){n, rank, held, held_copies};
    return true;
}

int ms_traffic_find(const struct ms_traffic_row *row, uint32_t rank)
{
    int low = 0, n = row->n;
    if ((int)rank < n && row->rank[rank] == rank) /* nobody before it is missing */
        return (int)rank;
    while (n > 0) {
        int half = n / 2;
        if (row->rank[low + half] < rank) {
            low += half + 1;
            n -= half + 1;
        } else {
            n = half;
        }
    }
    return low < row->n && row->rank[low] == rank ? low : -1;
}

size_t ms_traffic_pairs(const struct ms_traffic *t)
{
    size_t n = 0;
    for (int s = 0; s < t->n_ranks; s++)
        n += (size_t)t->row[s].n;
    return n;
}

static uint32_t rank_at(const struct ms_traffic *t, int source, int at)
{
    const struct ms_traffic_row *row = &t->row[source];
    return at < row->n ? row->rank[at] : (uint32_t)t->n_ranks;
}

bool ms_traffic_columns_init(struct ms_traffic_columns *c, struct ms_arena *arena,
                             const struct ms_traffic *t)
{
    size_t G = (size_t)t->n_ranks;
    *c = (struct ms_traffic_columns){.traffic = t,
                                     .next = MS_NEW(arena, uint32_t, G),
                                     .at = MS_NEW(arena, int, G),
                                     .source = MS_NEW(arena, uint32_t, G),
                                     .entry = MS_NEW(arena, int, G)};
    if (!c->next || !c->at || !c->source || !c->entry)
        return false;
    for (int s = 0; s < t->n_ranks; s++)
        c->next[s] = rank_at(t, s, 0);
    return true;
}

void ms_traffic_columns_next(struct ms_traffic_columns *c, int rank)
{
    const struct ms_traffic *t = c->traffic;
    c->n = 0;
    for (int s = 0; s < t->n_ranks; s++) {
        if (c->next[s] != (uint32_t)rank)
            continue;
        c->source[c->n] = (uint32_t)s;
        c->entry[c->n++] = c->at[s];
        c->next[s] = rank_at(t, s, ++c->at[s]);
    }
}

double ms_traffic_remote_copies(const struct ms_traffic *t, int top_k)
{
    double sum = 0;
    for (int s = 0; s < t->n_ranks; s++)
        for (int i = 0; i < t->row[s].n; i++)
            sum += t->row[s].rank[i] != (uint32_t)s ? t->row[s].copies[i] : 0;
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
