/* A random permutation a layer; redundant slots hold further random experts, none twice before all
 * are there twice. */
#include "place/place.h"

static enum ms_status solve(const struct ms_place_problem *p, struct ms_rng *rng, int *slot_expert,
                            struct ms_err *err)
{
    int E = p->n_experts, S = p->n_slots;
    for (int l = 0; l < p->n_layers; l++) {
        int *slot = slot_expert + ms_cell(l, S, 0);
        for (int first = 0; first < S; first += E) {
            int n = S - first < E ? S - first : E;
            /* Selection sampling (Knuth 3.4.2 S): n of E in order, then all slots are shuffled. */
            for (int e = 0, k = 0; k < n; e++)
                if (ms_rng_below(rng, (uint32_t)(E - e)) < (uint32_t)(n - k))
                    slot[first + k++] = e;
        }
        ms_rng_shuffle(rng, slot, (size_t)S);
    }
    return MS_OK;
}

const struct ms_place_strategy ms_place_random = {
    .name = "random",
    .help = "a random permutation in each layer",
    .solve = solve,
};
