/* Every token's experts on distinct ranks and every expert equally loaded: the load balance that
 * benchmarks print (TensorRT-LLM's perfect router), with the dispersion that a router has. */
#include "base/rng.h"
#include "demand/rank_assign.h"

/* A block of n_ranks tokens shares a random order of the ranks; token i of it takes the top_k places
 * from i * top_k on, around and around. So a block visits every rank top_k times, and a rank's v-th
 * visit uses its v-th slot, around. */
static void choose(const struct ms_rank_problem *p, int64_t first, int n, uint16_t *slot)
{
    int64_t block = -1;
    for (int t = 0; t < n; t++) {
        int64_t token = first + t, b = token / p->n_ranks;
        if (b != block) {
            struct ms_rng rng;
            ms_rng_init(&rng, p->seed, "block", (uint64_t)b, 0, 0);
            for (int r = 0; r < p->n_ranks; r++)
                p->scratch[r] = r;
            ms_rng_shuffle(&rng, p->scratch, (size_t)p->n_ranks);
            block = b;
        }
        int64_t place = token % p->n_ranks * p->top_k;
        for (int k = 0; k < p->top_k; k++, place++) {
            int rank = p->scratch[place % p->n_ranks];
            int64_t visit = b * p->top_k + place / p->n_ranks;
            *slot++ = (uint16_t)(rank * p->slots_per_rank + (int)(visit % p->slots_per_rank));
        }
    }
}

const struct ms_rank_assign ms_rank_assign_perfect = {
    .name = "perfect",
    .help = "every token's experts on distinct ranks, all experts equally loaded (needs ranks: not "
            "in evaluate)",
    .choose = choose,
};
