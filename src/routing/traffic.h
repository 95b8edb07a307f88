/** @file traffic.h  What one exchange has to move: the meeting point of routing (or training) and
 * simulation.
 *
 *  One ms_traffic is one (repeat, step, layer, group), after placement, drops and replica choice.
 * Counts, not bytes: the exchange algorithm decides which of them crosses and at how many bytes a
 * copy (model.md section 2). Counts are whole numbers held in doubles, except in a balanced twin,
 * where totals are spread evenly. */
#ifndef MS_ROUTING_TRAFFIC_H
#define MS_ROUTING_TRAFFIC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/hash.h"

/** G ranks (those of one expert-parallel group), N nodes among them, S slots (replicas included).
 * Row = source. */
struct ms_traffic {
    int n_ranks, n_nodes, n_slots;
    double *selections;  /**< [G][G] (token, expert) selections held by rank column; diagonal =
                            local, never sent */
    double *rank_copies; /**< [G][G] distinct tokens that need rank column; <= selections */
    double *node_copies; /**< [G][N] distinct tokens that need any rank of node column; own node
                            included */
    double *slot_tokens; /**< [S] tokens computed in each slot; slots of rank r: r*S/G .. (r+1)*S/G
                            - 1 */
    double *expert_tokens; /**< [E] selections after assignment and drops */
    int n_experts;
    double dropped;   /**< selections dropped by capacity */
    double requested; /**< selections before drops: sum over ranks of tokens x top_k */
    int is_matrix; /**< 1: a byte matrix: all counts are bytes (a copy = 1 byte), dispatch only, no
                      experts */
};

/** All arrays zeroed in the arena. @return false: out of memory */
bool ms_traffic_init(struct ms_traffic *t, struct ms_arena *arena, int n_ranks, int n_nodes,
                     int n_slots, int n_experts);

/** The balanced twin: the same totals on every leg, spread evenly. Pairs (selections and
 * rank_copies) are spread over all pairs of different ranks; with per_node_leg (hierarchical)
 * separately over pairs within a node, pairs whose destination has the source's local index on
 * another node (the forwarding GPU), and other pairs across nodes, so that each leg keeps its
 *  bytes. The diagonal, own nodes and foreign nodes of node_copies, and slots each keep their
 * total.
 *  @param rank_node [G] node column of each rank @param twin initialised with t's dimensions */
void ms_traffic_twin(const struct ms_traffic *t, const int *rank_node, bool per_node_leg,
                     struct ms_traffic *twin);
/** The totals a twin is made of, into sums [MS_TWIN_SUMS]: equal sums, ranks and nodes make equal
 * twins. */
enum { MS_TWIN_SUMS = 16 };
void ms_traffic_twin_sums(const struct ms_traffic *t, const int *rank_node, bool per_node_leg,
                          double *sums);

#endif
