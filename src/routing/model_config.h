/** @file model_config.h  A model's shape from its Hugging Face config.json, whatever the family.
 *
 *  Decides which of the field's many keys say the same: sizes, which layers have experts, groups,
 *  the width that experts take; a configuration of text inside a larger one is found. Nothing but
 *  the shape is read: what the model computes is moe/'s, for the families it runs. */
#ifndef MS_ROUTING_MODEL_CONFIG_H
#define MS_ROUTING_MODEL_CONFIG_H

#include "base/err.h"
#include "routing/routing.h"

/** @param out .config and .preset are left alone; zero on error
 *  @return MS_OK; MS_INVALID naming the key: not JSON, no mixture of experts, a size that is
 *  missing or not a whole number; MS_IO; MS_NOMEM */
enum ms_status ms_model_config_read(const char *path, struct ms_model_shape *out,
                                    struct ms_err *err);
/** The same from the file's bytes. */
enum ms_status ms_model_config_parse(const char *path, const char *text, size_t n,
                                     struct ms_model_shape *out, struct ms_err *err);

#endif
