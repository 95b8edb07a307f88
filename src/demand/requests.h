/** @file requests.h  What a batch is made of: which request every token of every step belongs to.
 *
 *  decode: a rank's batch is so many slots, one token a step each; a slot holds a request until its
 *  length is used up, then another arrives. Steps of a repeat are consecutive; at the first the
 *  slots are as old as a steady stream of requests finds them (lengths drawn in proportion to
 *  length, ages uniform within). prefill: a step is packed with whole prompts, the last one cut.
 *
 *  A request has a domain, drawn when it arrives by the shares of that moment, and a variant: one of
 *  MS_VARIANTS fixed ways in which requests of a domain differ. Domain and variant are its
 *  *pattern*: all that its tokens' experts depend on. Shares are the weights or, where the mix
 *  moves, Dirichlet(concentration x weights), drawn anew on average every `persistence` steps
 *  (arrivals of the past included). With affinity a domain arrives at its own ranks: the ranks of a
 *  group are dealt to the domains in order, in proportion to the weights.
 *
 *  Nothing here knows nodes, platforms or experts: the same requests arrive on every platform. */
#ifndef MS_DEMAND_REQUESTS_H
#define MS_DEMAND_REQUESTS_H

#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/rng.h"
#include "routing/routing.h"

enum { MS_VARIANTS = 32, MS_MOST_DOMAINS = 256 };

/** Neighbouring tokens of one request on a rank in a step. */
struct ms_run {
    int32_t n_tokens;
    int32_t first;    /**< number of the first one within its request */
    uint32_t request; /**< domain * MS_VARIANTS + variant; of a recorded request its row */
};

struct ms_requests_problem {
    const struct ms_request_params *params;
    int n_steps, n_groups, n_ranks, n_domains;
    const double *weight;  /**< [n_domains] of sum 1 */
    const int64_t *tokens; /**< [n_steps][n_groups][n_ranks] of each rank */
    uint64_t seed;
    int repeat;
    /** Recorded requests instead of drawn ones: their domains [n_recorded], each of as many tokens;
     *  NULL: drawn. */
    const int *recorded;
    int n_recorded, recorded_tokens;
    /** Batches before the first step, for who looks back: steps -1, -2, … falling, and what is told
     *  of them, a run of tokens at a time. Looking back changes nothing that is drawn forward. */
    const int64_t *past; /**< [n_past], NULL: none */
    int n_past;
    void (*see)(void *ctx, int batch, const struct ms_run *run);
    void *ctx;
};

/** The batches of one repeat. */
struct ms_requests {
    size_t *start;      /**< [steps * groups * ranks + 1] runs of a rank: run[start[i]] on */
    struct ms_run *run; /**< in the order of the rank's tokens */
};

/** @param out its arrays live in the arena  @return MS_OK or MS_NOMEM */
enum ms_status ms_requests_draw(const struct ms_requests_problem *p, struct ms_arena *arena,
                                struct ms_requests *out, struct ms_err *err);

/** One length: log-normal of the given mean and cv, rounded, at least 1. */
int32_t ms_request_length(const struct ms_request_params *p, struct ms_rng *rng);
/** The length of the request that a slot is found holding: length-biased. */
int32_t ms_request_length_found(const struct ms_request_params *p, struct ms_rng *rng);

#endif
