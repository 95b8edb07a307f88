/** @file control.h  Is a control one? What an assignment that only balances loads does to copies.
 *
 *  A balanced assignment is often run beside a skewed one to see what balance is worth. If it puts a
 *  token's experts on one rank it moves a fraction of any real router's bytes, and what it shows is
 *  not balance. */
#ifndef MS_DEMAND_CONTROL_H
#define MS_DEMAND_CONTROL_H

#include "demand/demand.h"

/** Warn where the token assignment moves under half the copies to other ranks that the uniform law
 *  under top_k moves, by a small trial of both. Silent for top_k, and for inputs that a demand
 *  refuses. */
void ms_demand_warn(const struct ms_demand_input *in, struct ms_errs *errs);

#endif
