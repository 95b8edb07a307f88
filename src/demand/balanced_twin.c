/* Decides what the balanced twin of an exchange moves: totals by kind of pair, spread evenly over
 * the pairs of that kind. */
#include "demand/balanced_twin.h"

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"

struct ms_twin {
    struct ms_arena arena;
    int G, n_kinds;
    enum ms_twin_kinds by;
    const int *rank_node;
    int *local;         /* [G] a rank's place among those of its node */
    int *crossed;       /* [2G + 1] hops between nodes of those from 0 on, twice around the ring */
    int most_crossings; /* once around, and one */
    double *pairs, *selections, *copies; /* [n_kinds] */
    double *row;                         /* [2][G] scratch */
    double own_node, other_nodes, slots;
};

/* The rank's place among those of its node. */
static int local_index(const int *rank_node, int r)
{
    int n = 0;
    for (int i = 0; i < r; i++)
        n += rank_node[i] == rank_node[r];
    return n;
}

/* By node: 0 the diagonal, 1 the same node, 2 another node; by rail 3 another node off the source's rail.
 * By hop: around the ring s, s + 1, … d, how many hops, and how many of them cross between nodes. */
static inline int kind_of(const struct ms_twin *w, int s, int d)
{
    if (w->by == MS_TWIN_BY_HOP) {
        int to = d < s ? d + w->G : d;
        return (to - s) * w->most_crossings + w->crossed[to] - w->crossed[s];
    }
    if (w->rank_node[s] == w->rank_node[d])
        return s != d;
    return 2 + (w->by == MS_TWIN_BY_RAIL && w->local[s] != w->local[d]);
}

static bool lay_kinds(struct ms_twin *w)
{
    w->local = MS_NEW(&w->arena, int, (size_t)w->G);
    w->crossed = MS_NEW(&w->arena, int, 2 * (size_t)w->G + 1);
    if (!w->local || !w->crossed)
        return false;
    for (int r = 0; r < w->G && w->by == MS_TWIN_BY_RAIL; r++)
        w->local[r] = local_index(w->rank_node, r);
    for (int i = 0; i < 2 * w->G; i++)
        w->crossed[i + 1] =
            w->crossed[i] + (w->rank_node[i % w->G] != w->rank_node[(i + 1) % w->G]);
    w->most_crossings = w->crossed[w->G] + 1;
    w->n_kinds = w->by == MS_TWIN_BY_HOP ? w->G * w->most_crossings : 4;
    return true;
}

struct ms_twin *ms_twin_create(int n_ranks, const int *rank_node, enum ms_twin_kinds by)
{
    struct ms_twin *w = calloc(1, sizeof *w);
    if (!w)
        return NULL;
    *w = (struct ms_twin){.G = n_ranks, .by = by, .rank_node = rank_node};
    if (lay_kinds(w)) {
        w->pairs = MS_NEW(&w->arena, double, (size_t)w->n_kinds);
        w->selections = MS_NEW(&w->arena, double, (size_t)w->n_kinds);
        w->copies = MS_NEW(&w->arena, double, (size_t)w->n_kinds);
        w->row = MS_NEW(&w->arena, double, 2 * (size_t)n_ranks);
    }
    if (!w->pairs || !w->selections || !w->copies || !w->row) {
        ms_twin_destroy(w);
        return NULL;
    }
    for (int s = 0; s < n_ranks; s++)
        for (int d = 0; d < n_ranks; d++)
            w->pairs[kind_of(w, s, d)]++;
    return w;
}

void ms_twin_destroy(struct ms_twin *w)
{
    if (!w)
        return;
    ms_arena_finish(&w->arena);
    free(w);
}

static void add_up(struct ms_twin *w, const struct ms_traffic *t)
{
    memset(w->selections, 0, (size_t)w->n_kinds * sizeof *w->selections);
    memset(w->copies, 0, (size_t)w->n_kinds * sizeof *w->copies);
    w->own_node = w->other_nodes = w->slots = 0;
    for (int s = 0; s < w->G; s++) {
        const struct ms_traffic_row *row = &t->row[s];
        for (int i = 0; i < row->n; i++) {
            int kind = kind_of(w, s, (int)row->rank[i]);
            w->selections[kind] += row->selections[i];
            w->copies[kind] += row->copies[i];
        }
    }
    for (int s = 0; s < w->G; s++)
        for (int n = 0; n < t->n_nodes; n++)
            *(n == w->rank_node[s] ? &w->own_node : &w->other_nodes) +=
                t->node_copies[ms_cell(s, t->n_nodes, n)];
    for (int i = 0; i < t->n_slots; i++)
        w->slots += t->slot_tokens[i];
}

void ms_twin_totals(struct ms_twin *w, const struct ms_traffic *t, struct ms_buf *out)
{
    add_up(w, t);
    ms_buf_add(out, w->selections, (size_t)w->n_kinds * sizeof *w->selections);
    ms_buf_add(out, w->copies, (size_t)w->n_kinds * sizeof *w->copies);
    ms_buf_add(out, (double[]){w->own_node, w->other_nodes, w->slots}, 3 * sizeof(double));
}

bool ms_twin_fill(struct ms_twin *w, const struct ms_traffic *t, struct ms_traffic *twin)
{
    int G = w->G, N = t->n_nodes;
    add_up(w, t);
    for (int s = 0; s < G; s++) {
        for (int d = 0; d < G; d++) {
            int kind = kind_of(w, s, d);
            w->row[d] = w->selections[kind] / w->pairs[kind];
            w->row[G + d] = w->copies[kind] / w->pairs[kind];
        }
        if (!ms_traffic_set_row(twin, s, w->row, w->row + G))
            return false;
    }
    for (int s = 0; s < G; s++)
        for (int n = 0; n < N; n++)
            twin->node_copies[ms_cell(s, N, n)] =
                n == w->rank_node[s] ? w->own_node / G : w->other_nodes / ((double)G * (N - 1));
    for (int i = 0; i < t->n_slots; i++)
        twin->slot_tokens[i] = w->slots / t->n_slots;
    double tokens = 0;
    for (int e = 0; e < t->n_experts; e++)
        tokens += t->expert_tokens[e];
    for (int e = 0; e < t->n_experts; e++)
        twin->expert_tokens[e] = tokens / t->n_experts;
    twin->dropped = t->dropped;
    twin->requested = t->requested;
    twin->is_matrix = t->is_matrix;
    return true;
}
