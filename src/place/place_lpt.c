/* Longest processing time first (Graham 1969): the heaviest expert (share of its load, where it has
 * replicas) to the lightest rank with a free slot, of equally light ones to the one on the lightest
 * node; a rank that holds the expert already only where there is no other. */
#include <stdlib.h>

#include "base/arena.h"
#include "place/pack.h"
#include "place/place.h"

struct item {
    float share;
    int slot, expert;
};

static int heavier(const void *a, const void *b)
{
    const struct item *x = a, *y = b;
    if (x->share != y->share)
        return x->share < y->share ? 1 : -1;
    return x->slot - y->slot;
}

static bool holds(const int *slot, int n, int expert)
{
    for (int i = 0; i < n; i++)
        if (slot[i] == expert)
            return true;
    return false;
}

/** What is placed so far. */
struct fill {
    int size;       /* slots of a rank */
    double *load;   /* [G] */
    double *node;   /* [N] load of a node over its ranks */
    int *node_size; /* [N] */
    int *used;      /* [G] */
    int *slot_expert;
};

/* Is rank a better for an expert than rank b? */
static bool better(const struct ms_place_problem *p, const struct fill *f, int expert, int a, int b)
{
    bool held_a = holds(f->slot_expert + ms_cell(a, f->size, 0), f->used[a], expert);
    bool held_b = holds(f->slot_expert + ms_cell(b, f->size, 0), f->used[b], expert);
    if (held_a != held_b)
        return held_b;
    if (f->load[a] != f->load[b])
        return f->load[a] < f->load[b];
    return f->node[p->rank_node[a]] < f->node[p->rank_node[b]];
}

static void pack(const struct ms_place_problem *p, const struct item *item, struct fill *f)
{
    int S = p->n_slots, G = p->n_ranks;
    for (int r = 0; r < G; r++) {
        f->load[r] = f->node[p->rank_node[r]] = 0;
        f->used[r] = 0;
    }
    for (int i = 0; i < S; i++) {
        int best = -1;
        for (int r = 0; r < G; r++)
            if (f->used[r] < f->size && (best < 0 || better(p, f, item[i].expert, r, best)))
                best = r;
        int node = p->rank_node[best];
        f->slot_expert[ms_cell(best, f->size, f->used[best]++)] = item[i].expert;
        f->load[best] += item[i].share;
        f->node[node] += item[i].share / (double)f->node_size[node];
    }
}

static enum ms_status solve(const struct ms_place_problem *p, struct ms_rng *rng, int *slot_expert,
                            struct ms_err *err)
{
    int E = p->n_experts, S = p->n_slots, G = p->n_ranks;
    struct ms_arena a = {0};
    float *weight = MS_NEW(&a, float, (size_t)E);
    int *expert = MS_NEW(&a, int, (size_t)S), *copies = MS_NEW(&a, int, (size_t)E);
    struct item *item = MS_NEW(&a, struct item, (size_t)S);
    struct fill f = {.size = S / G,
                     .load = MS_NEW(&a, double, (size_t)G),
                     .node = MS_NEW(&a, double, (size_t)p->n_nodes),
                     .node_size = MS_NEW(&a, int, (size_t)p->n_nodes),
                     .used = MS_NEW(&a, int, (size_t)G)};
    bool ok = weight && expert && copies && item && f.load && f.node && f.node_size && f.used;
    for (int r = 0; r < G && ok; r++)
        f.node_size[p->rank_node[r]]++;
    for (int l = 0; l < p->n_layers && ok; l++) {
        for (int e = 0; e < E; e++)
            weight[e] = (float)p->load[ms_cell(l, E, e)];
        ms_pack_replicate(weight, E, S, expert, copies);
        for (int s = 0; s < S; s++)
            item[s] = (struct item){weight[expert[s]] / (float)copies[expert[s]], s, expert[s]};
        qsort(item, (size_t)S, sizeof *item, heavier);
        f.slot_expert = slot_expert + ms_cell(l, S, 0);
        pack(p, item, &f);
    }
    ms_arena_finish(&a);
    return ok ? MS_OK : ms_err_set(err, MS_NOMEM, "out of memory");
}

const struct ms_place_strategy ms_place_lpt = {
    .name = "lpt",
    .help = "heaviest expert first, to the lightest rank with a free slot, on the lightest node",
    .needs_load = 1,
    .solve = solve,
};
