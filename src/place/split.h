/** @file split.h  Copies of experts by the ranks that hold them, and the split of their tokens that
 *  makes the fullest rank lightest.
 *
 *  Two slots with the same expert on one rank are one *copy*: which of them computes a token changes
 *  nothing. Copies of an expert stand together, by rising rank. */
#ifndef MS_PLACE_SPLIT_H
#define MS_PLACE_SPLIT_H

#include <stdbool.h>

#include "base/arena.h"

struct ms_copies {
    int n_experts, n_ranks, n_slots;
    int *start; /**< [E + 2] copies of expert e: start[e] .. start[e + 1] - 1 */
    int *rank;  /**< [S] rank of a copy */
    int *slot;  /**< [S] its first slot */
    int *times; /**< [S] slots that it is */
};

/** @return false: out of memory */
bool ms_copies_init(struct ms_copies *c, struct ms_arena *arena, int n_experts, int n_ranks,
                    int n_slots);
/** @param slot_expert [S] of one layer; -1: an empty slot */
void ms_copies_fill(struct ms_copies *c, const int *slot_expert);

/** Scratch of ms_split_balanced, allocated once. */
struct ms_split {
    struct ms_arena *arena;
    int *order;      /* [S] an expert's copies, lightest rank first */
    int *replicated; /* [S] experts with more than one copy and a load */
    double *base;    /* [S] what their ranks hold of other experts */
    bool *full;      /* [G] */
};
bool ms_split_init(struct ms_split *s, struct ms_arena *arena, int n_ranks, int n_slots);

/** Share the load of every expert out to its copies so that the fullest rank is as light as it can
 *  be: water poured into one replicated expert's ranks after the other, until still. That minimises
 *  the sum of squares over all splits, whose minimum has the least maximum too (loads of ranks are
 *  the base of a submodular system: Fujishige 1980), so it is the optimum of the linear programme.
 *  @param load [E]  @param tolerance of the maximum, relative; what is left to gain is proved by a
 *  set of ranks that hold all copies of what they compute
 *  @param part [S] load of each copy  @param rank_load [G]  @return the largest rank load */
double ms_split_balanced(const struct ms_copies *c, const double *load, double tolerance,
                         struct ms_split *scratch, double *part, double *rank_load);

#endif
