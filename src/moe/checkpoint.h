/** @file checkpoint.h  A Hugging Face folder: config.json and the weights in one or several
 *  .safetensors files.
 *
 *  Decides which tensor of which file is which parameter: per-expert tensors
 *  (block_sparse_moe.experts.N.w1/w2/w3, mlp.experts.N.gate_proj …) or stacked ones
 *  (mlp.experts.gate_up_proj [E][2f][C] gate rows first, down_proj [E][C][f]); model.safetensors or
 *  shards through model.safetensors.index.json. A missing, misshapen, unexpected or not finite
 *  tensor is refused by file, tensor and reason. */
#ifndef MS_MOE_CHECKPOINT_H
#define MS_MOE_CHECKPOINT_H

#include "moe/config.h"

struct ms_checkpoint;
struct ms_model;
struct ms_weight_source;
struct ms_st_meta;

/** Open and check headers, and every file's hash where moesim wrote the folder (manifest.h); weights
 *  stay on disk (mapped). A path to config.json's folder.
 *  @return MS_OK; MS_INVALID; MS_IO; MS_NOMEM */
enum ms_status ms_checkpoint_open(const char *folder, struct ms_checkpoint **out,
                                  struct ms_err *err);
void ms_checkpoint_close(struct ms_checkpoint *c);
const struct ms_moe_config *ms_checkpoint_config(const struct ms_checkpoint *c);
/** The text of its config.json. */
const char *ms_checkpoint_config_text(const struct ms_checkpoint *c);
/** A value of __metadata__ of the (first) weights file, or NULL. */
const char *ms_checkpoint_metadata(const struct ms_checkpoint *c, const char *key);
/** Fill every parameter of a model made from this checkpoint's config; f16 and bf16 become float32
 *  exactly. */
enum ms_status ms_checkpoint_load(const struct ms_checkpoint *c, struct ms_model *m,
                                  struct ms_err *err);
/** The same weights for a model that holds none (ms_model_options.source): made before the model,
 *  bound to it afterwards, which checks every tensor's name, shape and type; values are checked as
 *  they are fetched. The checkpoint stays open while the source is in use. NULL: no memory. */
struct ms_weight_source *ms_checkpoint_source_new(const struct ms_checkpoint *c);
enum ms_status ms_checkpoint_source_bind(struct ms_weight_source *s, struct ms_model *m,
                                         struct ms_err *err);
void ms_checkpoint_source_free(struct ms_weight_source *s);
/** Values of all tensors together. */
size_t ms_checkpoint_values(const struct ms_checkpoint *c);
/** Write folder/config.json and then folder/model.safetensors (float32, the family's own per-expert
 *  layout), each atomically; the folder is made. config_text: the original config.json or NULL.
 *  meta: extra pairs of __metadata__ (values are text), beside format = pt.
 *  @return MS_OK; MS_IO; MS_NOMEM */
enum ms_status ms_checkpoint_save(const struct ms_model *m, const char *folder,
                                  const char *config_text, const struct ms_st_meta *meta,
                                  size_t n_meta, struct ms_err *err);

#endif
