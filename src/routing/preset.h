/** @file preset.h  Published model shapes by name (scenario key model.preset).
 *
 *  Decides only the numbers of struct ms_model_shape; every row says where they come from. A preset
 *  is a start: any key of the section `model` may override its number. */
#ifndef MS_ROUTING_PRESET_H
#define MS_ROUTING_PRESET_H

#include "routing/routing.h"

struct ms_model_preset {
    const char *name, *help;
    struct ms_model_shape shape; /**< .preset = name */
    const char *source;
};

/** The table, ended by a row whose name is NULL; and by name (NULL: unknown). */
const struct ms_model_preset *ms_model_presets(void);
const struct ms_model_preset *ms_model_preset_find(const char *name);

/** Bytes of a value of the experts' weights as that preset's model is published. */
double ms_model_preset_weight_bytes(const char *name);
/** The weights of one routed expert: three matrices, of values as the model says, else as its preset
 *  is published, else bfloat16. */
double ms_model_expert_bytes(const struct ms_model_shape *m);

/** Other names that ms_model_preset_find knows ("deepseek-r1", "Qwen/Qwen3-235B-A22B"); NULL past
 *  the last. */
const char *ms_model_preset_alias(size_t i);

#endif
