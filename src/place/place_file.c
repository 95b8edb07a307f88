/* Placement `file`: the map that runs in production (placement.map), layer by layer; what it leaves
 * out of this model is refused. */
#include <stdlib.h>
#include <string.h>

#include "place/place.h"
#include "place/place_map.h"

/* Every expert of the model held, and no other. */
static enum ms_status check_row(const struct ms_place_problem *p, int layer, const int *row,
                                char *held, struct ms_err *err)
{
    memset(held, 0, (size_t)p->n_experts);
    for (int i = 0; i < p->n_slots; i++) {
        if (row[i] >= p->n_experts)
            return ms_err_at(err, MS_INVALID, NULL, 0, 0, "placement.map",
                             "MoE layer %d, slot %d holds expert %d, but model.experts is %d",
                             layer, i, row[i], p->n_experts);
        held[row[i]] = 1;
    }
    for (int e = 0; e < p->n_experts; e++)
        if (!held[e])
            return ms_err_at(err, MS_INVALID, NULL, 0, 0, "placement.map",
                             "MoE layer %d: no slot holds expert %d of %d", layer, e, p->n_experts);
    return MS_OK;
}

static enum ms_status solve(const struct ms_place_problem *p, struct ms_rng *rng, int *slot_expert,
                            struct ms_err *err)
{
    const struct ms_place_map *m = p->map;
    if (!m)
        return ms_err_at(err, MS_INVALID, NULL, 0, 0, "placement.map",
                         "must be given for placement.strategy: file");
    if (m->n_ranks > 0 && m->n_ranks != p->n_ranks)
        return ms_err_at(err, MS_INVALID, NULL, 0, 0, "placement.map",
                         "is for %d ranks, but workload.ranks is %d", m->n_ranks, p->n_ranks);
    char *held = malloc((size_t)p->n_experts);
    enum ms_status s = held ? MS_OK : ms_err_set(err, MS_NOMEM, "out of memory");
    for (int l = 0; s == MS_OK && l < p->n_layers; l++) {
        const int *row = ms_place_map_layer(m, p->moe_layers, l);
        if (!row) {
            s = ms_err_at(err, MS_INVALID, NULL, 0, 0, "placement.map",
                          "has %d layers, but %d MoE layers are simulated", m->n_layers,
                          p->n_layers);
            break;
        }
        s = check_row(p, l, row, held, err);
        memcpy(slot_expert + (size_t)l * (size_t)p->n_slots, row, (size_t)p->n_slots * sizeof *row);
    }
    free(held);
    return s;
}

const struct ms_place_strategy ms_place_file = {
    .name = "file",
    .help = "the map in placement.map: SGLang, TensorRT-LLM, vLLM-Ascend or moesim",
    .needs_map = true,
    .solve = solve,
};
