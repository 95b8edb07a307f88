/* Slot i holds expert i; redundant slots repeat experts from 0 on, as SGLang's and vLLM's trivial
 * placement. */
#include "place/place.h"

static enum ms_status solve(const struct ms_place_problem *p, struct ms_rng *rng, int *slot_expert,
                            struct ms_err *err)
{
    for (int l = 0; l < p->n_layers; l++)
        for (int i = 0; i < p->n_slots; i++)
            slot_expert[ms_cell(l, p->n_slots, i)] = i % p->n_experts;
    return MS_OK;
}

const struct ms_place_strategy ms_place_contiguous = {
    .name = "contiguous",
    .help = "experts in order, an equal range on each rank",
    .solve = solve,
};
