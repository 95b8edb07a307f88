/** @file demand_history.h  Inside of the demand: the batches that a placement has seen. */
#ifndef MS_DEMAND_DEMAND_HISTORY_H
#define MS_DEMAND_DEMAND_HISTORY_H

#include "demand/demand_int.h"

/** Which steps the placement of an epoch sees: falling, at most 12; those below 0 lie before the run.
 *  @param step [12], out  @return how many */
int ms_demand_past_steps(const struct ms_demand *d, int epoch, int64_t *step);
/** Have the requests of those steps told to ms_demand_see, where a placement looks at loads. */
enum ms_status ms_demand_look_back(struct ms_demand *d, struct ms_requests_problem *p,
                                   struct ms_err *err);
void ms_demand_see(void *ctx, int batch, const struct ms_run *run);
/** Loads [n_batches][L][E] that the placement of an epoch sees, in the run's arena. */
enum ms_status ms_demand_past_loads(struct ms_demand *d, int repeat, int epoch, double **load,
                                    int *n_batches, struct ms_err *err);

/* demand_law.c */
/** Popularity so many steps back, where it drifts: the walk is as steady backwards. */
enum ms_status ms_demand_draw_past(struct ms_demand *d, int repeat, int64_t n_steps,
                                   struct ms_err *err);
/** Frequencies [E] at a step before the first; NULL: those of the first. */
const double *ms_demand_past(const struct ms_demand *d, int64_t step, int layer, int domain);

/* demand_requests.c */
/** What the tokens of a pattern choose in a layer at a step, past ones too: f [E] of sum 1. */
void ms_demand_pattern(const struct ms_demand *d, int64_t step, int layer, int pattern, double *f);

#endif
