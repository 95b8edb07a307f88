/* Expert e on rank e mod G, so that neighbours in number sit on different ranks; redundant slots
 * repeat experts from 0 on. */
#include "place/place.h"

static enum ms_status solve(const struct ms_place_problem *p, struct ms_rng *rng, int *slot_expert,
                            struct ms_err *err)
{
    int per_rank = p->n_slots / p->n_ranks;
    for (int l = 0; l < p->n_layers; l++)
        for (int r = 0; r < p->n_ranks; r++)
            for (int i = 0; i < per_rank; i++)
                slot_expert[ms_cell(l, p->n_slots, r * per_rank + i)] =
                    (i * p->n_ranks + r) % p->n_experts;
    return MS_OK;
}

const struct ms_place_strategy ms_place_round_robin = {
    .name = "round_robin",
    .help = "expert e on rank e mod ranks",
    .solve = solve,
};
