/** @file config.h  The shape of a language model, from and to a Hugging Face config.json.
 *
 *  Families: Mixtral, OLMoE, Qwen3-MoE, as old and new transformers write them (rope_theta at the
 *  top or in rope_parameters, num_experts or num_local_experts, head_dim given or hidden/heads).
 *  What the model does not compute (rope scaling, attention bias, clip_qkv, other activations,
 *  dropout, …) is refused by its key. Nothing here touches weights. Formulas: transformers'
 *  modeling_mixtral.py, modeling_olmoe.py, modeling_qwen3_moe.py. */
#ifndef MS_MOE_CONFIG_H
#define MS_MOE_CONFIG_H

#include <stdbool.h>

#include "base/err.h"
#include "base/file.h"

enum ms_moe_family { MS_FAMILY_MIXTRAL, MS_FAMILY_OLMOE, MS_FAMILY_QWEN3_MOE, MS_FAMILY_N };
enum ms_qk_norm { MS_QK_NORM_NONE, MS_QK_NORM_WIDTH /**< OLMoE */, MS_QK_NORM_HEAD /**< Qwen3 */ };
enum { MS_MOE_MAX_LAYERS = 256 };

/** A plain value: copy it as you like. */
struct ms_moe_config {
    enum ms_moe_family family;
    int vocab, hidden, layers, heads, kv_heads, head_dim;
    int experts, top_k, expert_intermediate;
    int dense_intermediate; /**< of layers without experts */
    /** layers without experts (decoder_sparse_step, mlp_only_layers) */
    bool dense[MS_MOE_MAX_LAYERS];
    int max_positions;
    /** positions a token sees, itself included; 0 = all. Longer sequences are refused */
    int sliding_window;
    bool tied;         /**< the head is the embedding */
    bool bf16;         /**< dtype or torch_dtype says bfloat16 */
    bool renormalised; /**< weights of a token's experts sum to 1 (Mixtral; norm_topk_prob) */
    enum ms_qk_norm qk_norm;
    double rms_eps, rope_theta, initializer_range, aux_coef /**< router_aux_loss_coef */;
};

/** A Mixtral of the defaults of the scenario section `train.model`. */
struct ms_moe_config ms_moe_config_default(void);
/** Sizes that fit each other. @return MS_OK or MS_INVALID with the key */
enum ms_status ms_moe_config_check(const struct ms_moe_config *c, struct ms_err *err);
/** From the text of a config.json; path is for messages. @return MS_OK; MS_INVALID naming the key;
 *  MS_NOMEM */
enum ms_status ms_moe_config_parse(const char *path, const char *text, size_t n,
                                   struct ms_moe_config *out, struct ms_err *err);
/** Append a config.json that transformers 4 and 5 read. original: the text of the one it came from
 *  (its other keys are kept), or NULL. */
enum ms_status ms_moe_config_print(const struct ms_moe_config *c, const char *original,
                                   struct ms_buf *out, struct ms_err *err);
/** MoE layers (layers without dense ones). */
int ms_moe_config_moe_layers(const struct ms_moe_config *c);

#endif
