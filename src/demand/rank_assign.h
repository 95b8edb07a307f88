/** @file rank_assign.h  Token assignments that see the ranks: controls that no router can reach,
 *  because a router knows experts only.
 *
 *  A strategy is one rank_assign_<name>.c and one word in meson.build. It fills slots, not experts:
 *  slot s is held by rank s / slots_per_rank. Tokens of an exchange are numbered through all its
 *  source ranks, so that few tokens a rank come out even too. Pure; randomness only from `seed`. */
#ifndef MS_DEMAND_RANK_ASSIGN_H
#define MS_DEMAND_RANK_ASSIGN_H

#include <stdint.h>

struct ms_rank_problem {
    int n_ranks, slots_per_rank, top_k;
    uint64_t seed; /**< of the exchange: the same for all its source ranks */
    int *scratch;  /**< [n_ranks] */
};

struct ms_rank_assign {
    const char *name, *help;
    /** Slots of tokens first .. first + n - 1 of the exchange.
     *  @param slot [n][top_k], out: distinct within a token */
    void (*choose)(const struct ms_rank_problem *p, int64_t first, int n, uint16_t *slot);
};

/** The table, NULL-terminated; and by name (NULL: unknown). */
const struct ms_rank_assign *const *ms_rank_assigns(void);
const struct ms_rank_assign *ms_rank_assign_find(const char *name);

#endif
