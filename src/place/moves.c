/* Decides which rank an expert's weights come from when another placement takes over: the nearest that
 * holds them. */
#include "place/moves.h"

static bool holds(const int *slot, int per_rank, int rank, int expert)
{
    for (int i = rank * per_rank; i < (rank + 1) * per_rank; i++)
        if (slot[i] == expert)
            return true;
    return false;
}

/* Is slot i of a rank the first there to get an expert that the rank did not hold? */
static bool arrives(const int *from, int from_per, const int *to, int to_per, int rank, int i)
{
    if (holds(from, from_per, rank, to[i]))
        return false;
    for (int k = rank * to_per; k < i; k++)
        if (to[k] == to[i])
            return false;
    return true;
}

static int nearest(const int *rank_node, const int *from, int from_slots, int per_rank, int expert,
                   int rank, const int *sent)
{
    int best = -1;
    bool best_near = false;
    for (int i = 0; i < from_slots; i++) {
        int r = i / per_rank;
        bool near = rank_node[r] == rank_node[rank];
        if (from[i] != expert || (best >= 0 && best_near && !near))
            continue;
        if (best < 0 || near != best_near || sent[r] < sent[best]) {
            best = r;
            best_near = near;
        }
    }
    return best;
}

int ms_place_moves(const int *rank_node, int n_ranks, const int *from, int from_slots,
                   const int *to, int to_slots, int *sent, double *count)
{
    int from_per = from_slots / n_ranks, to_per = to_slots / n_ranks, n = 0;
    for (int r = 0; r < n_ranks; r++)
        for (int i = r * to_per; i < (r + 1) * to_per; i++) {
            if (!arrives(from, from_per, to, to_per, r, i))
                continue;
            int source = nearest(rank_node, from, from_slots, from_per, to[i], r, sent);
            if (source < 0)
                continue;
            sent[source]++;
            count[ms_cell(source, n_ranks, r)]++;
            n++;
        }
    return n;
}

int ms_place_moved(int n_ranks, const int *from, int from_slots, const int *to, int to_slots)
{
    int from_per = from_slots / n_ranks, to_per = to_slots / n_ranks, n = 0;
    for (int r = 0; r < n_ranks; r++)
        for (int i = r * to_per; i < (r + 1) * to_per; i++)
            n += arrives(from, from_per, to, to_per, r, i);
    return n;
}
