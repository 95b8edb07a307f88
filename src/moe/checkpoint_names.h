/** @file checkpoint_names.h  Which stored tensors make up a parameter, and what they are called.
 *
 *  A parameter is one tensor of the file, or (stacked experts) one or two an expert. Shared by
 *  reading and writing. */
#ifndef MS_MOE_CHECKPOINT_NAMES_H
#define MS_MOE_CHECKPOINT_NAMES_H

#include "moe/config.h"

struct ms_model;
struct ms_param;

/* One stored tensor that fills a piece of a parameter. Names are written as the family's files have
 * them; `other` is the second spelling that is read (or ""). */
struct ms_tensor_piece {
    char name[192], other[192];
    size_t offset; /* floats into the parameter */
    int n_dims;
    size_t shape[3];
};

/** Elements of a piece. */
size_t ms_tensor_count(const struct ms_tensor_piece *p);
/** The parameter's name behind "model.layers.N.", or NULL. */
const char *ms_tensor_rest(const struct ms_param *p);
bool ms_tensor_stacked(const struct ms_param *p);
/** How many pieces, and the i-th of them. */
size_t ms_tensor_pieces(const struct ms_param *p);
struct ms_tensor_piece ms_tensor_piece(enum ms_moe_family family, const struct ms_param *p,
                                       size_t i);
/** Name of the router's bias of MoE layer i. */
void ms_tensor_bias(const struct ms_model *m, int i, char *out, size_t size);

#endif
