/** @file replica.h  Which copy of an expert a token goes to.
 *
 *  A strategy is one replica_<name>.c and one word in meson.build. It fills one of four functions:
 *  `fixed` (a source rank always uses the same copy), `weights` (a source spreads its tokens over the
 *  copies in these proportions), `pick` (token by token), or `split` (all counts of the exchange are
 *  known before anything is sent, which a system pays for by exchanging them first). Pure; randomness
 *  only from the stream it is given. */
#ifndef MS_DEMAND_REPLICA_H
#define MS_DEMAND_REPLICA_H

#include <stdbool.h>
#include <stdint.h>

#include "base/rng.h"
#include "place/place.h"
#include "place/split.h"

/** A layer's copies as its sources see them. Borrowed. */
struct ms_replica_world {
    int n_nodes;
    const int *rank_node; /**< [G] */
    int *node_size;       /**< [N] ranks of each node */
    struct ms_copies copies;
    double *share;     /**< [S] planned share of each copy in its expert's tokens, sum 1 */
    uint32_t *sent;    /**< [G] selections of the source by rank so far (pick) */
    struct ms_rng rng; /**< of the source */
    struct ms_arena *arena;
    struct ms_split scratch;
    double *load, *part, *rank_load; /**< [E], [S], [G] of split */
    uint32_t *left;                  /**< [S] scratch of split */
};

struct ms_replica_choice {
    const char *name, *help;
    /** its copies' loads come out as the plan of a load-aware placement has them */
    bool keeps_plan;
    /** a plan may expect of it what the best split of a batch would do */
    bool evens;
    /** @return a copy of expert e */
    int (*fixed)(const struct ms_replica_world *w, int source, int e);
    /** @param weight of each copy of e (first at start[e]), >= 0, sum > 0 */
    void (*weights)(const struct ms_replica_world *w, int source, int e, double *weight);
    int (*pick)(struct ms_replica_world *w, int source, int e);
    /** @param counts [G][E] selections of each source
     *  @param quota [G][S], out: how many of each go to each copy; their sum over the copies of e is
     *  counts[source][e] */
    void (*split)(struct ms_replica_world *w, const uint32_t *counts, uint32_t *quota);
};

/** The table, NULL-terminated; and by name (NULL: unknown). */
const struct ms_replica_choice *const *ms_replica_choices(void);
const struct ms_replica_choice *ms_replica_find(const char *name);
/** The choice that keeps a plan and needs nobody's counts. */
const struct ms_replica_choice *ms_replica_planned(void);
/** The choice in force: "auto" (or none named) keeps the plan of a placement that looks at loads,
 *  and is the nearest copy otherwise. NULL: unknown. */
const struct ms_replica_choice *ms_replica_of(const struct ms_place_params *p);

#endif
