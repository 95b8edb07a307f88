/** @file traffic.h  What one exchange has to move: the meeting point of routing (or training) and
 *  simulation.
 *
 *  One ms_traffic is one (repeat, step, layer, group), after placement, drops and replica choice.
 *  Counts, not bytes: the exchange algorithm decides which of them crosses and at how many bytes a
 *  copy. Counts are whole numbers held in doubles, except in a balanced twin, where totals are
 *  spread evenly. Of the pairs of ranks only those are held that have something to move: among
 *  thousands of ranks a source reaches few of the others. */
#ifndef MS_ROUTING_TRAFFIC_H
#define MS_ROUTING_TRAFFIC_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"

/** What the tokens of one source need of each rank, as far as they need something. */
struct ms_traffic_row {
    int n;
    const uint32_t *rank;     /**< [n] in ascending order; the source itself = local, never sent */
    const double *selections; /**< [n] (token, expert) selections that the rank holds */
    /** [n] distinct tokens that need the rank; <= selections, and may be the same array */
    const double *copies;
};

/** G ranks (those of one expert-parallel group), N nodes among them, S slots (replicas included),
 *  E experts. */
struct ms_traffic {
    int n_ranks, n_nodes, n_slots, n_experts;
    struct ms_traffic_row *row; /**< [G] by source */
    /** [G][N] distinct tokens that need any rank of node column; own node included */
    double *node_copies;
    /** [S] tokens computed in each slot; slots of rank r: r*S/G .. (r+1)*S/G - 1 */
    double *slot_tokens;
    double *expert_tokens; /**< [E] selections after assignment and drops */
    double dropped;        /**< selections dropped by capacity */
    double requested;      /**< selections before drops: sum over ranks of tokens x top_k */
    /** 1: a byte matrix: all counts are bytes (a copy = 1 byte), dispatch only, no experts */
    int is_matrix;
    uint32_t *everyone;     /**< [G] 0, 1, …: the ranks of a row that reaches all of them */
    struct ms_arena *rows;  /**< where rows lie */
    pthread_mutex_t *guard; /**< held while rows is used; NULL: one thread writes rows */
};

/** Everything in the arena: no row has anything, all other counts are 0. @return false: out of
 *  memory */
bool ms_traffic_init(struct ms_traffic *t, struct ms_arena *arena, int n_ranks, int n_nodes,
                     int n_slots, int n_experts);

/** Make the row of a source from selections [G] and copies [G], most of them perhaps 0; what it was
 *  before is forgotten. Rows of several sources may be set at once where there is a guard.
 *  @return false: out of memory */
bool ms_traffic_set_row(struct ms_traffic *t, int source, const double *selections,
                        const double *copies);
/** Where a rank stands in a row, or -1: it has nothing. */
int ms_traffic_find(const struct ms_traffic_row *row, uint32_t rank);
/** Selections of a source that a rank holds; its distinct tokens that need the rank. */
static inline double ms_traffic_selections(const struct ms_traffic *t, int source, int rank)
{
    int at = ms_traffic_find(&t->row[source], (uint32_t)rank);
    return at < 0 ? 0 : t->row[source].selections[at];
}
static inline double ms_traffic_copies(const struct ms_traffic *t, int source, int rank)
{
    int at = ms_traffic_find(&t->row[source], (uint32_t)rank);
    return at < 0 ? 0 : t->row[source].copies[at];
}
/** Pairs that have something to move, those of a rank with itself included. */
size_t ms_traffic_pairs(const struct ms_traffic *t);

/** Columns of a traffic one after another: for each rank who has something for it, in ascending order,
 *  without a table of its own. */
struct ms_traffic_columns {
    const struct ms_traffic *traffic;
    uint32_t *next;   /**< [G] the rank of each source's next entry, G behind the last */
    int *at;          /**< [G] its place in the source's row */
    uint32_t *source; /**< [n] sources of the column, and the places in their rows of its entries */
    int *entry, n;
};

/** @return false: out of memory; the arena holds what it needs */
bool ms_traffic_columns_init(struct ms_traffic_columns *c, struct ms_arena *arena,
                             const struct ms_traffic *t);
/** The column of a rank: source, entry and n. For ranks 0, 1, … G-1 in this order. */
void ms_traffic_columns_next(struct ms_traffic_columns *c, int rank);

/** The largest of n loads over their mean, a load the sum of `each` neighbours of v [n * each] (the
 *  slots of a rank). 1 where all are 0. */
double ms_traffic_max_over_mean(const double *v, int n, int each);
/** Copies that a token sends to other ranks, mean over the tokens: distinct (token, rank) pairs off
 *  the diagonal. 0 where there are no tokens. */
double ms_traffic_remote_copies(const struct ms_traffic *t, int top_k);

#endif
