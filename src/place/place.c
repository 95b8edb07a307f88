/* Decides whether a placement can be and whether a strategy kept its promise; the strategies
 * themselves are a table. */
#include "place/place.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define X(name) extern const struct ms_place_strategy ms_place_##name;
#include "place_registry.inc"
#undef X

static const struct ms_place_strategy *const strategies[] = {
#define X(name) &ms_place_##name,
#include "place_registry.inc"
#undef X
    NULL,
};

const struct ms_place_strategy *const *ms_place_strategies(void)
{
    return strategies;
}

const struct ms_place_strategy *ms_place_find(const char *name)
{
    for (int i = 0; strategies[i]; i++)
        if (!strcmp(strategies[i]->name, name))
            return strategies[i];
    return NULL;
}

static enum ms_status check_problem(const struct ms_place_strategy *s,
                                    const struct ms_place_problem *p, struct ms_err *err)
{
    int extra = p->n_slots - p->n_experts;
    if (p->n_slots >= p->n_experts && p->n_slots % p->n_ranks == 0) {
        if (s->needs_load && !p->load)
            return ms_err_set(err, MS_INTERNAL, "placement %s needs loads and got none", s->name);
        return MS_OK;
    }
    int more = (p->n_experts + p->n_ranks - 1) / p->n_ranks * p->n_ranks - p->n_experts;
    while (more < extra)
        more += p->n_ranks;
    int fewer = p->n_ranks;
    while (fewer > 1 && (p->n_slots % fewer != 0 || p->n_ranks % fewer != 0))
        fewer--;
    return ms_err_at(
        err, MS_INFEASIBLE, NULL, 0, 0, "placement.redundant_experts",
        "%d experts with %d redundant are %d slots, which do not divide over %d ranks; "
        "take redundant_experts: %d, or ranks: %d with workload.groups: %d",
        p->n_experts, extra, p->n_slots, p->n_ranks, more, fewer, p->n_ranks / fewer);
}

/* Every expert of every layer at least once, and nothing but experts. */
static enum ms_status check_answer(const struct ms_place_strategy *s,
                                   const struct ms_place_problem *p, const int *slot_expert,
                                   struct ms_err *err)
{
    char *seen = malloc((size_t)p->n_experts);
    enum ms_status status = seen ? MS_OK : ms_err_set(err, MS_NOMEM, "out of memory");
    for (int l = 0; l < p->n_layers && status == MS_OK; l++) {
        const int *slot = slot_expert + ms_cell(l, p->n_slots, 0);
        memset(seen, 0, (size_t)p->n_experts);
        for (int i = 0; i < p->n_slots; i++) {
            if (slot[i] < 0 || slot[i] >= p->n_experts) {
                status = ms_err_set(err, MS_INTERNAL,
                                    "placement %s put expert %d into slot %d of layer %d", s->name,
                                    slot[i], i, l);
                break;
            }
            seen[slot[i]] = 1;
        }
        for (int e = 0; e < p->n_experts && status == MS_OK; e++)
            if (!seen[e])
                status = ms_err_set(err, MS_INTERNAL, "placement %s left out expert %d of layer %d",
                                    s->name, e, l);
    }
    free(seen);
    return status;
}

/* The strategy that heeds a limit, where there is one to heed. */
static const struct ms_place_strategy *that_may(const struct ms_place_strategy *s,
                                                const struct ms_place_problem *p)
{
    if (p->limit_slots <= 0 || !p->old || !s->needs_load || s->heeds_limit)
        return s;
    for (int i = 0; strategies[i]; i++)
        if (strategies[i]->heeds_limit)
            return strategies[i];
    return s;
}

enum ms_status ms_place_solve(const struct ms_place_strategy *s, const struct ms_place_problem *p,
                              struct ms_rng *rng, struct ms_placement *out, struct ms_err *err)
{
    enum ms_status status = check_problem(s, p, err);
    if (status != MS_OK)
        return status;
    size_t n = ms_cell(p->n_layers, p->n_slots, 0);
    int *slot = malloc(n * sizeof *slot);
    if (!slot)
        return ms_err_set(err, MS_NOMEM, "out of memory");
    memset(slot, 0xff, n * sizeof *slot);
    s = that_may(s, p);
    status = s->solve(p, rng, slot, err);
    if (status == MS_OK)
        status = check_answer(s, p, slot, err);
    if (status != MS_OK) {
        free(slot);
        return status;
    }
    double *share = NULL;
    if (s->plans_shares && p->cost) {
        share = calloc(n, sizeof *share);
        if (!share) {
            free(slot);
            return ms_err_set(err, MS_NOMEM, "out of memory");
        }
        for (int l = 0; l < p->n_layers; l++) {
            size_t at = ms_cell(l, p->n_slots, 0);
            p->cost(p->cost_ctx, l, slot + at, INFINITY, NULL, share + at);
        }
    }
    *out = (struct ms_placement){p->n_layers, p->n_experts, p->n_ranks, p->n_slots, slot, share};
    return MS_OK;
}

void ms_place_finish(struct ms_placement *p)
{
    if (!p)
        return;
    free(p->slot_expert);
    free(p->slot_share);
    *p = (struct ms_placement){0};
}
