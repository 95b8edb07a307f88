/* Experts that the same tokens use in consecutive layers close together (ExFlow: Yao et al. 2024): layer
 * by layer, the heaviest expert first to the rank, of those that are not full by load, whose experts of
 * the layer before send it most tokens; ties to the lightest. */
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "place/pack.h"
#include "place/place.h"

/* A rank may be fuller than the mean by this much before affinity gives way to balance. */
static const double SLACK = 1.05;

struct work {
    int E, S, G, per_rank;
    float *weight;       /* [E] */
    int *expert, *count; /* [S], [E] */
    int *order, *used;   /* [S], [G] */
    double *share;       /* [S] */
    double *load;        /* [G] */
    double *pull;        /* [G] tokens that come from the rank's experts of the layer before */
    const int *before;   /* [S] the layer before; NULL: the first */
};

static bool take(struct ms_arena *a, struct work *w)
{
    size_t S = (size_t)w->S, E = (size_t)w->E, G = (size_t)w->G;
    w->weight = MS_NEW(a, float, E);
    w->expert = MS_NEW(a, int, S);
    w->count = MS_NEW(a, int, E);
    w->order = MS_NEW(a, int, S);
    w->used = MS_NEW(a, int, G);
    w->share = MS_NEW(a, double, S);
    w->load = MS_NEW(a, double, G);
    w->pull = MS_NEW(a, double, G);
    return w->weight && w->expert && w->count && w->order && w->used && w->share && w->load &&
           w->pull;
}

static bool holds(const struct work *w, const int *slot, int rank, int expert)
{
    for (int i = 0; i < w->used[rank]; i++)
        if (slot[rank * w->per_rank + i] == expert)
            return true;
    return false;
}

static void find_pull(struct work *w, const double *follows, int expert)
{
    for (int r = 0; r < w->G; r++) {
        w->pull[r] = 0;
        for (int i = r * w->per_rank; w->before && follows && i < (r + 1) * w->per_rank; i++)
            w->pull[r] += follows[ms_cell(w->before[i], w->E, expert)];
    }
}

/* Is rank a better for the share of an expert than rank b? */
static bool better(const struct work *w, const int *slot, double most, int i, int a, int b)
{
    int expert = w->expert[i];
    bool held_a = holds(w, slot, a, expert), held_b = holds(w, slot, b, expert);
    bool fits_a = w->load[a] + w->share[i] <= most, fits_b = w->load[b] + w->share[i] <= most;
    if (held_a != held_b)
        return held_b;
    if (fits_a != fits_b)
        return fits_a;
    if (fits_a && w->pull[a] != w->pull[b])
        return w->pull[a] > w->pull[b];
    return w->load[a] < w->load[b];
}

static void one_layer(struct work *w, const double *load, const double *follows, int *slot)
{
    double all = 0;
    for (int e = 0; e < w->E; e++) {
        w->weight[e] = (float)load[e];
        all += load[e];
    }
    ms_pack_replicate(w->weight, w->E, w->S, w->expert, w->count);
    for (int i = 0; i < w->S; i++) {
        int at = i;
        w->share[i] = load[w->expert[i]] / w->count[w->expert[i]];
        for (; at > 0 && w->share[w->order[at - 1]] < w->share[i]; at--)
            w->order[at] = w->order[at - 1];
        w->order[at] = i;
    }
    memset(w->used, 0, (size_t)w->G * sizeof *w->used);
    memset(w->load, 0, (size_t)w->G * sizeof *w->load);
    for (int k = 0; k < w->S; k++) {
        int i = w->order[k], best = -1;
        find_pull(w, follows, w->expert[i]);
        for (int r = 0; r < w->G; r++)
            if (w->used[r] < w->per_rank &&
                (best < 0 || better(w, slot, SLACK * all / w->G, i, r, best)))
                best = r;
        slot[best * w->per_rank + w->used[best]++] = w->expert[i];
        w->load[best] += w->share[i];
    }
}

static enum ms_status solve(const struct ms_place_problem *p, struct ms_rng *rng, int *slot_expert,
                            struct ms_err *err)
{
    struct ms_arena arena = {0};
    struct work w = {
        .E = p->n_experts, .S = p->n_slots, .G = p->n_ranks, .per_rank = p->n_slots / p->n_ranks};
    (void)rng;
    bool ok = take(&arena, &w);
    for (int l = 0; l < p->n_layers && ok; l++) {
        int *slot = slot_expert + ms_cell(l, w.S, 0);
        const double *follows =
            p->follows && l > 0 ? p->follows + ms_cell(l - 1, w.E, 0) * (size_t)w.E : NULL;
        w.before = l > 0 ? slot - w.S : NULL;
        one_layer(&w, p->load + ms_cell(l, w.E, 0), follows, slot);
    }
    ms_arena_finish(&arena);
    return ok ? MS_OK : ms_err_set(err, MS_NOMEM, "out of memory");
}

const struct ms_place_strategy ms_place_affinity = {
    .name = "affinity",
    .help = "experts that the same tokens use in consecutive layers on one rank, within even loads",
    .needs_load = 1,
    .needs_follows = 1,
    .solve = solve,
};
