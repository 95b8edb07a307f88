/** @file model_config_parts.h  What the files of the config.json reader share: model_config.c (sizes,
 *  groups, weights) and model_config_layers.c (which layers have experts). Inside this room only. */
#ifndef MS_ROUTING_MODEL_CONFIG_PARTS_H
#define MS_ROUTING_MODEL_CONFIG_PARTS_H

#include <jansson.h>

#include "routing/model_config.h"

enum { MS_CONFIG_LAYERS = 4096 }; /**< at most */

struct ms_config_reader {
    const char *path;
    const json_t *o;    /**< the text model's object */
    const json_t *moe;  /**< what it holds of its experts apart (DBRX's ffn_config), or NULL */
    const char *family; /**< model_type; empty: not given */
    struct ms_err *err;
    enum ms_status status;
};

/** Keep the first failure. */
void ms_config_fail(struct ms_config_reader *r, const char *key, const char *why);
/** A member that is there and not null, or NULL. */
const json_t *ms_config_given(const json_t *o, const char *key);
/** A whole number; of a list (one a layer, or one a modality) the first that is not 0. */
int ms_config_whole(struct ms_config_reader *r, const json_t *v, const char *key);
/** The same of a member; fallback where it is not given. */
int ms_config_option(struct ms_config_reader *r, const char *key, int fallback);

/** Layers of the model where a list of them says so, else `given`. */
int ms_config_layers(const struct ms_config_reader *r, int given);
/** How many of the model's layers have experts. @param layers at most MS_CONFIG_LAYERS */
int ms_config_moe_layers(struct ms_config_reader *r, int layers);

#endif
