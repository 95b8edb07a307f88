/** @file place_map.h  The map that runs in production: which expert each slot of each layer holds.
 *
 *  Read and written in the formats of serving systems: SGLang's {"physical_to_logical_map":
 *  [layers][slots]} (a row for every layer of the model), TensorRT-LLM's YAML (num_slots,
 *  initial_global_assignments by layer), vLLM-Ascend's {"layer_list": [{"layer_id", "device_list":
 *  [{"device_id", "device_expert"}]}]}, and our own JSON (SGLang's with "layer_id"). Slots of a
 *  rank lie together, ranks in order. */
#ifndef MS_PLACE_PLACE_MAP_H
#define MS_PLACE_PLACE_MAP_H

#include <stdbool.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/file.h"

/** Zero-initialise; finish frees. */
struct ms_place_map {
    struct ms_arena arena;
    int n_layers, n_slots;
    int n_experts;    /**< the highest that is held, and one */
    int n_ranks;      /**< 0 = the file does not say */
    int model_layers; /**< rows that SGLang's file gets at least */
    bool numbered;    /**< layer_id is the file's; else rows are counted */
    int *layer_id;    /**< [n_layers], rising */
    int *slot_expert; /**< [n_layers][n_slots] */
};

/** @param out zeroed on entry, still zero on error. @return MS_OK; MS_INVALID; MS_IO; MS_NOMEM */
enum ms_status ms_place_map_read(const char *path, struct ms_place_map *out, struct ms_err *err);
void ms_place_map_finish(struct ms_place_map *m);
/** Does the text look like one of these maps (and not like a trace)? */
bool ms_place_map_is(const char *text, size_t n);

/** The slots of the i-th MoE layer of a model that has `moe_layers` of them: rows that are not
 *  numbered and more than that start with the dense layers. NULL: the map has no such layer. */
const int *ms_place_map_layer(const struct ms_place_map *m, int moe_layers, int i);

/** A format that is written. */
struct ms_place_map_writer {
    const char *name, *ending, *help;
    enum ms_status (*write)(const struct ms_place_map *m, struct ms_buf *out, struct ms_err *err);
};
/** The table, ended by a row whose name is NULL. */
extern const struct ms_place_map_writer ms_place_map_writers[];

#endif
