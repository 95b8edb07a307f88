/* Longest processing time first (Graham 1969): the heaviest expert (share of its load, where it has
 * replicas) to the lightest rank with a free slot; a rank that holds the expert already only where
 * there is no other. */
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

static void pack(const struct item *item, int S, int G, double *load, int *used, int *slot_expert)
{
    int size = S / G;
    for (int r = 0; r < G; r++) {
        load[r] = 0;
        used[r] = 0;
    }
    for (int i = 0; i < S; i++) {
        int best = -1;
        bool best_holds = false;
        for (int r = 0; r < G; r++) {
            if (used[r] == size)
                continue;
            bool held = holds(slot_expert + ms_cell(r, size, 0), used[r], item[i].expert);
            if (best < 0 || held < best_holds || (held == best_holds && load[r] < load[best])) {
                best = r;
                best_holds = held;
            }
        }
        slot_expert[ms_cell(best, size, used[best]++)] = item[i].expert;
        load[best] += item[i].share;
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
    double *load = MS_NEW(&a, double, (size_t)G);
    int *used = MS_NEW(&a, int, (size_t)G);
    bool ok = weight && expert && copies && item && load && used;
    for (int l = 0; l < p->n_layers && ok; l++) {
        for (int e = 0; e < E; e++)
            weight[e] = (float)p->load[ms_cell(l, E, e)];
        ms_pack_replicate(weight, E, S, expert, copies);
        for (int s = 0; s < S; s++)
            item[s] = (struct item){weight[expert[s]] / (float)copies[expert[s]], s, expert[s]};
        qsort(item, (size_t)S, sizeof *item, heavier);
        pack(item, S, G, load, used, slot_expert + ms_cell(l, S, 0));
    }
    ms_arena_finish(&a);
    return ok ? MS_OK : ms_err_set(err, MS_NOMEM, "out of memory");
}

const struct ms_place_strategy ms_place_lpt = {
    .name = "lpt",
    .help = "heaviest expert first, to the lightest rank with a free slot",
    .needs_load = 1,
    .solve = solve,
};
