/** @file demand_cost.h  Inside of the demand: what slots would cost, for placements that search. */
#ifndef MS_DEMAND_DEMAND_COST_H
#define MS_DEMAND_DEMAND_COST_H

#include "demand/demand_history.h"
#include "place/split.h"

struct ms_demand_past {
    double *load; /**< [n_batches][L][E], NULL: nothing is known yet */
    int n_batches;
    const double *follows; /**< ms_place_problem.follows */
};

/** Zero but for the first three; filled by ms_demand_costing. */
struct ms_place_costing {
    const struct ms_demand *d;
    int group;
    const struct ms_demand_past *past;
    struct ms_arena arena;
    struct ms_copies copies;
    struct ms_split scratch;
    double *mean;      /* [E] of the layer */
    int best_layer;    /* of the slots that cost least so far; -1: none */
    double *best_sum;  /* [n_batches] their cost of the first batches */
    double *now_sum;   /* [n_batches] that of the slots that are asked for */
    double *part;      /* [S] of a batch, then of a node's copies */
    double *share;     /* [S] planned for each copy */
    double *rank_load; /* [G] */
    double *node_take; /* [N] */
    int *node_size;    /* [N] */
};

/** Have p cost its slots. @return false: out of memory */
bool ms_demand_costing(struct ms_place_costing *c, struct ms_place_problem *p);
void ms_demand_costing_finish(struct ms_place_costing *c);

#endif
