/** @file assignment.h  What the token assignments that look at the batch's load share. */
#ifndef MS_MOE_ASSIGNMENT_H
#define MS_MOE_ASSIGNMENT_H

#include <math.h>

#include "moe/router.h"

/** load[e] = sum over the tokens of the softmax of the logits, in token order. @return its mean
 *  over the experts */
double ms_assign_load(const struct ms_route_problem *p, const struct ms_routes *r, double *load);

#endif
