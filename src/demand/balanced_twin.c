/* Decides what the balanced twin of an exchange moves: totals by kind of pair, spread evenly over
 * the pairs of that kind. */
#include "demand/balanced_twin.h"

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"

struct ms_twin {
    struct ms_arena arena;
    int G, n_kinds;
    const int *rank_node;
    int *kind;                           /* [G][G] of (source, destination) */
    double *pairs, *selections, *copies; /* [n_kinds] */
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

/* 0 the diagonal, 1 the same node, 2 another node; by rail 3 another node off the source's rail. */
static int kinds_by_node(struct ms_twin *w, bool rails, const int *local)
{
    for (int s = 0; s < w->G; s++)
        for (int d = 0; d < w->G; d++) {
            int kind = w->rank_node[s] == w->rank_node[d] ? s != d : 2;
            w->kind[ms_cell(s, w->G, d)] = kind + (rails && kind == 2 && local[s] != local[d]);
        }
    return 4;
}

/* Around the ring s, s + 1, … d: hops of which so many cross between nodes. */
static int kinds_by_hop(struct ms_twin *w)
{
    int crossings = 0;
    for (int s = 0; s < w->G; s++)
        crossings += w->rank_node[s] != w->rank_node[(s + 1) % w->G];
    for (int s = 0; s < w->G; s++) {
        int crossed = 0;
        for (int hops = 0; hops < w->G; hops++) {
            int d = (s + hops) % w->G;
            w->kind[ms_cell(s, w->G, d)] = hops * (crossings + 1) + crossed;
            crossed += w->rank_node[d] != w->rank_node[(d + 1) % w->G];
        }
    }
    return w->G * (crossings + 1);
}

struct ms_twin *ms_twin_create(int n_ranks, const int *rank_node, enum ms_twin_kinds by)
{
    struct ms_twin *w = calloc(1, sizeof *w);
    if (!w)
        return NULL;
    *w = (struct ms_twin){.G = n_ranks, .rank_node = rank_node};
    w->kind = MS_NEW(&w->arena, int, ms_cell(n_ranks, n_ranks, 0));
    int *local = MS_NEW(&w->arena, int, (size_t)n_ranks);
    bool ok = w->kind && local;
    for (int r = 0; r < n_ranks && ok; r++)
        local[r] = local_index(rank_node, r);
    if (ok)
        w->n_kinds =
            by == MS_TWIN_BY_HOP ? kinds_by_hop(w) : kinds_by_node(w, by == MS_TWIN_BY_RAIL, local);
    w->pairs = MS_NEW(&w->arena, double, (size_t)w->n_kinds);
    w->selections = MS_NEW(&w->arena, double, (size_t)w->n_kinds);
    w->copies = MS_NEW(&w->arena, double, (size_t)w->n_kinds);
    if (!ok || !w->pairs || !w->selections || !w->copies) {
        ms_twin_destroy(w);
        return NULL;
    }
    for (size_t i = 0; i < ms_cell(n_ranks, n_ranks, 0); i++)
        w->pairs[w->kind[i]]++;
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
    for (size_t i = 0; i < ms_cell(w->G, w->G, 0); i++) {
        w->selections[w->kind[i]] += t->selections[i];
        w->copies[w->kind[i]] += t->rank_copies[i];
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

void ms_twin_fill(struct ms_twin *w, const struct ms_traffic *t, struct ms_traffic *twin)
{
    int G = w->G, N = t->n_nodes;
    add_up(w, t);
    for (size_t i = 0; i < ms_cell(G, G, 0); i++) {
        int kind = w->kind[i];
        twin->selections[i] = w->selections[kind] / w->pairs[kind];
        twin->rank_copies[i] = w->copies[kind] / w->pairs[kind];
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
}
