/* What each parameter is called in the files of its family, and how stacked experts are cut into
 * the per-expert tensors of published checkpoints. */
#include "moe/checkpoint_names.h"

#include <stdio.h>
#include <string.h>

#include "moe/model.h"

size_t ms_tensor_count(const struct ms_tensor_piece *p)
{
    size_t n = 1;
    for (int d = 0; d < p->n_dims; d++)
        n *= p->shape[d];
    return n;
}

const char *ms_tensor_rest(const struct ms_param *p)
{
    const char *dots = p->layer < 0 ? NULL : strstr(p->name, "layers.");
    return dots ? strchr(dots + 7, '.') + 1 : NULL;
}

bool ms_tensor_stacked(const struct ms_param *p)
{
    return p->n_dims == 3;
}

size_t ms_tensor_pieces(const struct ms_param *p)
{
    if (!ms_tensor_stacked(p))
        return 1;
    return p->shape[0] * (strstr(p->name, "gate_up_proj") ? 2 : 1);
}

static struct ms_tensor_piece expert_piece(enum ms_moe_family family, const struct ms_param *p,
                                           size_t i)
{
    static const char *const modern[] = {"gate_proj", "up_proj", "down_proj"};
    static const char *const mixtral[] = {"w1", "w3", "w2"};
    bool gate_up = strstr(p->name, "gate_up_proj") != NULL;
    size_t e = gate_up ? i / 2 : i, which = gate_up ? i % 2 : 2,
           rows = gate_up ? p->shape[1] / 2 : p->shape[1];
    struct ms_tensor_piece out = {
        .offset = i * rows * p->shape[2], .n_dims = 2, .shape = {rows, p->shape[2]}};
    char a[192], b[192];
    snprintf(a, sizeof a, "model.layers.%d.block_sparse_moe.experts.%zu.%s.weight", p->layer, e,
             mixtral[which]);
    snprintf(b, sizeof b, "model.layers.%d.mlp.experts.%zu.%s.weight", p->layer, e, modern[which]);
    memcpy(out.name, family == MS_FAMILY_MIXTRAL ? a : b, sizeof out.name);
    memcpy(out.other, family == MS_FAMILY_MIXTRAL ? b : a, sizeof out.other);
    return out;
}

struct ms_tensor_piece ms_tensor_piece(enum ms_moe_family family, const struct ms_param *p,
                                       size_t i)
{
    if (ms_tensor_stacked(p))
        return expert_piece(family, p, i);
    struct ms_tensor_piece out = {.n_dims = p->n_dims, .shape = {p->shape[0], p->shape[1]}};
    const char *rest = ms_tensor_rest(p);
    snprintf(out.name, sizeof out.name, "%s", p->name);
    if (rest && strcmp(rest, "mlp.gate.weight") == 0) {
        snprintf(out.other, sizeof out.other, "model.layers.%d.block_sparse_moe.gate.weight",
                 p->layer);
        if (family == MS_FAMILY_MIXTRAL) {
            char swap[sizeof out.name];
            memcpy(swap, out.name, sizeof swap);
            memcpy(out.name, out.other, sizeof swap);
            memcpy(out.other, swap, sizeof swap);
        }
    }
    return out;
}

void ms_tensor_bias(const struct ms_model *m, int i, char *out, size_t size)
{
    snprintf(out, size, "model.layers.%d.mlp.gate.e_score_correction_bias",
             ms_model_moe_layer_id(m, i));
}
