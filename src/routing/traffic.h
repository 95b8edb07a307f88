/** @file traffic.h  What one exchange has to move: the meeting point of routing (or training) and
 *  simulation.
 *
 *  One ms_traffic is one (repeat, step, layer, group), after placement, drops and replica choice.
 *  Counts, not bytes: the exchange algorithm decides which of them crosses and at how many bytes a
 *  copy. Counts are whole numbers held in doubles, except in a balanced twin, where totals are
 *  spread evenly. */
#ifndef MS_ROUTING_TRAFFIC_H
#define MS_ROUTING_TRAFFIC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"

/** G ranks (those of one expert-parallel group), N nodes among them, S slots (replicas included),
 *  E experts. Row = source. */
struct ms_traffic {
    int n_ranks, n_nodes, n_slots, n_experts;
    /** [G][G] (token, expert) selections held by rank column; diagonal = local, never sent */
    double *selections;
    /** [G][G] distinct tokens that need rank column; <= selections */
    double *rank_copies;
    /** [G][N] distinct tokens that need any rank of node column; own node included */
    double *node_copies;
    /** [S] tokens computed in each slot; slots of rank r: r*S/G .. (r+1)*S/G - 1 */
    double *slot_tokens;
    double *expert_tokens; /**< [E] selections after assignment and drops */
    double dropped;        /**< selections dropped by capacity */
    double requested;      /**< selections before drops: sum over ranks of tokens x top_k */
    /** 1: a byte matrix: all counts are bytes (a copy = 1 byte), dispatch only, no experts */
    int is_matrix;
};

/** All arrays zeroed in the arena. @return false: out of memory */
bool ms_traffic_init(struct ms_traffic *t, struct ms_arena *arena, int n_ranks, int n_nodes,
                     int n_slots, int n_experts);

/** The largest of n loads over their mean, a load the sum of `each` neighbours of v [n * each] (the
 *  slots of a rank). 1 where all are 0. */
double ms_traffic_max_over_mean(const double *v, int n, int each);
/** Copies that a token sends to other ranks, mean over the tokens: distinct (token, rank) pairs off
 *  the diagonal. 0 where there are no tokens. */
double ms_traffic_remote_copies(const struct ms_traffic *t, int top_k);

#endif
