/** @file place.h  Which rank holds which expert, replicas included.
 *
 *  A strategy is one place_<name>.c and one word in meson.build. Strategies are pure: no clock,
 *  file, global or log; randomness only from `rng`. Loads in tokens per step; experts, ranks, slots
 *  and layers count from 0. */
#ifndef MS_PLACE_PLACE_H
#define MS_PLACE_PLACE_H

#include "base/arena.h"
#include "base/err.h"
#include "base/rng.h"

struct ms_place_map;

struct ms_place_problem {             /* borrowed for the call */
    int n_layers, n_experts, n_ranks; /**< each >= 1 */
    int n_slots;                      /**< replicas included; a multiple of n_ranks, >= n_experts */
    int n_nodes, n_groups; /**< nodes of the ranks; expert groups of the model (1 = none) */
    int node_copies;       /**< a token crosses to a node once: its groups are better kept on one */
    /** [n_layers][n_experts], tokens per step, >= 0; NULL when the strategy needs none */
    const double *load;
    /** [n_batches][n_layers][n_experts] the batches that load is the sum of; NULL: load is one */
    const double *batch_load;
    int n_batches;
    /** [n_layers - 1][n_experts][n_experts] how often an expert of a layer was followed by one of the
     *  next, of the same tokens; NULL: not known */
    const double *follows;
    /** What a layer's slots [n_slots] cost over all batches; NULL: the ranks' loads alone.
     *  @param limit of no interest above  @param fullest a rank that it would help to relieve, or
     *  NULL  @param share [n_slots] planned shares that the cost is of, out, or NULL */
    double (*cost)(void *ctx, int layer, const int *slot_expert, double limit, int *fullest,
                   double *share);
    void *cost_ctx;
    const int *rank_node; /**< [n_ranks] */
    /** [n_layers][n_slots] the placement in force, which weights are moved away from; NULL: none */
    const int *old;
    /** slots of a layer whose expert may be one that the rank did not hold in `old`; 0: all */
    int limit_slots;
    /** of strategies that copy one; and how many MoE layers the model has, of which the first
     *  n_layers are placed */
    const struct ms_place_map *map;
    int moe_layers;
};

/** The answer. Slot s of every layer belongs to rank s * n_ranks / n_slots. */
struct ms_placement {
    int n_layers, n_experts, n_ranks, n_slots;
    int *slot_expert; /**< [n_layers][n_slots] */
    /** [n_layers][n_slots] what the plan means each slot to take of its expert's tokens, of sum 1 an
     *  expert; NULL: all its slots alike */
    double *slot_share;
};

struct ms_place_strategy {
    const char *name, *help;
    int needs_load;
    int needs_map;     /**< placement.map must be given, and says how many slots there are */
    int needs_follows; /**< works on the ids of tokens: a trace of counts has none */
    int plans_shares;  /**< its copies' shares are planned by the loads, not all alike */
    int heeds_limit;   /**< keeps within limit_slots of the placement in force */
    enum ms_status (*solve)(const struct ms_place_problem *p, struct ms_rng *rng, int *slot_expert,
                            struct ms_err *err);
};

/** When the weights of moved experts cross: before the step, or beside the exchanges of the step
 *  before. */
enum ms_rebalance_overlap { MS_REBALANCE_BEFORE, MS_REBALANCE_BESIDE };

/** Scenario section `placement.rebalance`. */
struct ms_rebalance_params {
    int every;       /**< steps between two placements; 0: never */
    int history;     /**< steps before each one whose loads it sees; 0: ms_place_params.history */
    int limit_slots; /**< ms_place_problem.limit_slots */
    int overlap;     /**< enum ms_rebalance_overlap */
};

/** Scenario section `placement`. */
struct ms_place_params {
    const char *strategy;
    int redundant_experts;
    const char *replica_choice; /**< a name of demand's table, or auto; NULL: auto */
    int history;                /**< steps before the first whose loads a placement sees */
    int stale_steps;            /**< and how many lie between */
    struct ms_rebalance_params rebalance;
    const char *map; /**< a file of place_map.h, or NULL */
};

/** The table, NULL-terminated; and by name (NULL: unknown). */
const struct ms_place_strategy *const *ms_place_strategies(void);
const struct ms_place_strategy *ms_place_find(const char *name);

/** Run one strategy and check its answer: every expert of every layer held at least once. With a
 *  limit_slots the placement in force is improved within it, by the strategy that can, whichever was
 *  asked for.
 *  @param out zeroed on entry; owned by the caller on MS_OK (ms_place_finish), still zero on any
 *  error
 *  @return MS_OK; MS_INFEASIBLE when the experts do not fit the slots; MS_NOMEM; MS_INTERNAL when
 *  the strategy lied */
enum ms_status ms_place_solve(const struct ms_place_strategy *s, const struct ms_place_problem *p,
                              struct ms_rng *rng, struct ms_placement *out, struct ms_err *err);
void ms_place_finish(struct ms_placement *p);

#endif
