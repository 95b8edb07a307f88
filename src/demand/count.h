/** @file count.h  From chosen experts to one row of a ms_traffic: replica choice, de-duplication,
 *  counts.
 *
 *  A counter holds the tables of one (layer, source rank) at a time; one a thread. An *item* is
 *  what a token names: an expert, where the source always uses the same copy, or a slot. Up to 64 ranks a token's set of ranks is one bit mask, and masks are
 *  added up eight counters at a time in the bytes of a word. */
#ifndef MS_DEMAND_COUNT_H
#define MS_DEMAND_COUNT_H

#include "base/arena.h"
#include "base/rng.h"
#include "demand/replica.h"
#include "routing/traffic.h"

struct ms_counter;

/** @param rank_node [n_ranks] node column, borrowed
 *  @param choice NULL: tokens name slots, none is chosen here
 *  @return NULL: out of memory */
struct ms_counter *ms_counter_create(int n_ranks, int n_nodes, int n_slots, int n_experts,
                                     int top_k, const int *rank_node,
                                     const struct ms_replica_choice *choice);
void ms_counter_destroy(struct ms_counter *c);

/** The placement of a layer: slot_expert [n_slots], and what the plan meant each slot to take of its
 *  expert (NULL: all alike). rank_node may change with it. */
void ms_counter_layer(struct ms_counter *c, const int *slot_expert, const double *slot_share,
                      const int *rank_node);
/** For a choice that splits: what every source has chosen, counts [n_ranks][n_experts]. */
void ms_counter_split(struct ms_counter *c, const uint32_t *counts);
/** A new row. replicas: the stream of random replica choices. */
void ms_counter_source(struct ms_counter *c, int source, struct ms_rng replicas);
/** The items of n tokens: chosen [n][top_k], n_experts = none. A copy is chosen here, where that
 *  is done token by token.
 *  @param items [n][top_k], may be chosen itself; ms_counter_none = none */
void ms_counter_items(struct ms_counter *c, int n, const uint16_t *chosen, uint16_t *items);
uint16_t ms_counter_none(const struct ms_counter *c);
/** Who holds an item that is not none: the expert, and the rank for the current source. */
int ms_counter_expert(const struct ms_counter *c, uint16_t item);
int ms_counter_rank(const struct ms_counter *c, uint16_t item);
/** Count the items of n tokens. */
void ms_counter_add(struct ms_counter *c, int n, const uint16_t *items);
/** Write the row of the current source into t, and add its slots and experts to slot_tokens [S] and
 *  expert_tokens [E]. @return false: out of memory */
bool ms_counter_row(struct ms_counter *c, struct ms_traffic *t, double *slot_tokens,
                    double *expert_tokens);

#endif
