/** @file demand.h  From routing parameters and a placement to the traffic of every exchange of a
 *  case: who asks what of whom.
 *
 *  A demand holds everything that can be known before drawing: the trace, matrix or law, and the
 *  placement. All of it is read and checked in ms_demand_create: every input error of the sections
 *  model, workload, routing and placement that needs more than one key shows up there, before
 *  anything is simulated. Then one *run* at a time is drawn: ms_demand_begin draws the tokens of
 *  one repeat for all steps, layers and groups, in parallel. The answer depends on (seed, repeat,
 *  step, layer, group, rank) alone, never on threads or order. A demand may be created before
 *  fork() and used in the child: threads start when a run begins. Global rank = group * ranks +
 *  rank within the group, after group_layout. */
#ifndef MS_DEMAND_DEMAND_H
#define MS_DEMAND_DEMAND_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/files.h"
#include "base/hash.h"
#include "demand/balanced_twin.h"
#include "place/place.h"
#include "routing/routing.h"
#include "routing/traffic.h"

/** Borrowed for the life of the demand (the structs behind the pointers too). */
struct ms_demand_input {
    const struct ms_model_shape *model; /**< may be NULL for a matrix */
    const struct ms_workload *workload; /**< resolved: ranks, groups, layers, steps all >= 1 */
    const struct ms_routing_params *routing;
    const struct ms_place_params *place;
    const int *rank_node;       /**< [groups*ranks] node of each global rank (ms_rank_nodes) */
    uint64_t seed;              /**< of the scenario */
    int n_threads;              /**< >= 1 */
    struct ms_files *files;     /**< what the command has read; NULL = read the files now */
    enum ms_twin_kinds twin_by; /**< of the exchange algorithm */
    bool node_copies;           /**< a token crosses to a node once (hierarchical) */
};

/** What the record says about the routing, beside the counts. */
struct ms_demand_note {
    int trace_ranks; /**< ranks that the trace tells apart; 0, 1: none */
    /** traces of token ids and checkpoints; otherwise independent given the counts */
    bool co_selection_measured;
    bool oracle;                    /**< the placement saw the very loads it is scored on */
    bool has_requested;             /**< trace and target: the two numbers below mean something */
    double requested_max_over_mean; /**< per expert, mean over layers */
    /** of the last run begun, mean over (step, layer, group), after drops */
    double realised_max_over_mean;
};

/** Weights from rank to rank of a group. */
struct ms_move {
    int from, to;
    double bytes;
};

struct ms_demand;

/** Read and check all inputs, solve the placement.
 *  @param out owned by the caller (ms_demand_destroy); untouched on error. Errors carry file and
 *  line, or the key. */
enum ms_status ms_demand_create(const struct ms_demand_input *in, struct ms_demand **out,
                                struct ms_err *err);
void ms_demand_destroy(struct ms_demand *d);

/** Draw one repeat (0, 1, …). What ms_demand_traffic gave before is gone. */
enum ms_status ms_demand_begin(struct ms_demand *d, int repeat, struct ms_err *err);
/** The same in the background, by n_threads - 1 threads; the caller draws too while it waits for an
 *  exchange. Placement and requests are there when it returns, and so is everything where a later
 *  placement has to see the traffic of steps before. Each exchange is to be asked for (ready) before
 *  ms_demand_traffic, and all of them (complete) before notes and keys are read. One thread asks. */
enum ms_status ms_demand_begin_ahead(struct ms_demand *d, int repeat, struct ms_err *err);
/** Until an exchange, and all before it, can be looked at.  @return the first error among them, whatever
 *  thread met it */
enum ms_status ms_demand_ready(struct ms_demand *d, int step, int layer, int group,
                               struct ms_err *err);
/** Until all is drawn. */
enum ms_status ms_demand_complete(struct ms_demand *d, struct ms_err *err);
/** Replace the traffic of the run begun by its balanced twin (balanced_twin.h); ms_demand_begin
 *  undoes it. */
enum ms_status ms_demand_begin_twin(struct ms_demand *d, struct ms_err *err);
/** Equal keys mean equal twins (all exchanges of the run begun): simulate one of them. @return MS_OK
 *  or MS_NOMEM */
enum ms_status ms_demand_twin_key(struct ms_demand *d, struct ms_hash *key, struct ms_err *err);

/** One exchange of the run begun; borrowed until the next begin. Ranks 0..G-1 of the group. */
const struct ms_traffic *ms_demand_traffic(const struct ms_demand *d, int step, int layer,
                                           int group);
/** [G] node column (ms_traffic.node_copies) of each rank of a group. */
const int *ms_demand_rank_node(const struct ms_demand *d, int group);
/** Who holds what in a group at a step of the run begun (NULL for a matrix); layer = workload layer. */
const struct ms_placement *ms_demand_placement(const struct ms_demand *d, int step, int group);
/** Replace the traffic of the run begun by what it is when the first placement stays; ms_demand_begin
 *  undoes it. */
enum ms_status ms_demand_begin_kept(struct ms_demand *d, struct ms_err *err);
/** Replace the traffic of the run begun, from a step on, by what it is when ranks are lost: the others'
 *  tokens alone, and the experts of the lost ones on ranks that have a copy or, where there is none, on
 *  the next rank that is left. Ranks and nodes are counted anew: ms_demand_traffic, ms_demand_moves and
 *  ms_demand_rank_node speak of those that are left. One group; ms_demand_begin undoes it. Weights without
 *  a copy come from the memory of the lost rank's node, sent by another rank of it than the one that
 *  gets them; where there is none, by the rank after that one.
 *  @param lost [ranks]  @param before [ranks] those of them that were lost at an earlier time, whose
 *  experts have moved already; NULL: none  @param step the first to be drawn  @return MS_OK; MS_INFEASIBLE: fewer than two ranks are left; MS_NOMEM */
enum ms_status ms_demand_begin_lost(struct ms_demand *d, int repeat, const bool *lost,
                                    const bool *before, int step, struct ms_err *err);
/** Does a run have more than one placement? */
bool ms_demand_rebalances(const struct ms_demand *d);
/** Weights that are sent so that the placement of a step can be in force, in a layer (-1: in all of
 *  them together, where weights move before the step). Empty at most steps, and in a twin or kept
 *  run.  @param experts how many experts they are, or NULL  @return moves[0 .. n - 1], borrowed until
 *  the next begin */
const struct ms_move *ms_demand_moves(const struct ms_demand *d, int step, int layer, int group,
                                      size_t *n, int *experts);
/** The domain of requests that gives an expert most of its tokens in an exchange of the run begun.
 *  @param share of the expert's tokens, out  @return its number; -1: there are no domains to tell
 *  apart */
int ms_demand_hot_domain(const struct ms_demand *d, int step, int layer, int group, int expert,
                         double *share);
/** The name of a domain; NULL: draws of a law have none. */
const char *ms_demand_domain_name(const struct ms_demand *d, int domain);
struct ms_demand_note ms_demand_note(const struct ms_demand *d);
/** What the reader of the trace has to say, one sentence each ("warning: …" where in doubt); NULL past
 *  the last. */
const char *ms_demand_trace_note(const struct ms_demand *d, int i);
/** Requests of the run begun by the steps they were in a batch of, added to stays
 *  [groups][steps][steps] (first, last); prompts by the one step that they are packed into. Nothing to
 *  add where batches are not made of requests. */
void ms_demand_add_stays(const struct ms_demand *d, double *stays);

#endif
