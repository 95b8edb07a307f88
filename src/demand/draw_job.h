/** @file draw_job.h  A run being drawn: for demand_draw.c, which draws an item, and demand_ahead.c, which
 *  says what the items are. */
#ifndef MS_DEMAND_DRAW_JOB_H
#define MS_DEMAND_DRAW_JOB_H

#include <pthread.h>

#include "base/ahead.h"
#include "demand/count.h"
#include "demand/demand_int.h"
#include "routing/assigner.h"
#include "routing/sample.h"

/** One thread's tables. items, prob and holder are of a block of tokens or, with capacity, of all
 *  tokens that a capacity is counted over. */
struct ms_draw_worker {
    struct ms_sampler *sampler;
    const double *sampled;        /**< the frequencies it has tables of */
    struct ms_assigner *assigner; /**< instead of the sampler */
    struct ms_counter *counter;
    int counter_nodes; /**< nodes it was made for */
    uint16_t *items, *holder;
    float *prob;
    int *scratch;     /**< [G] of a rank assignment */
    uint32_t *chosen; /**< [G][E] selections, where copies are split by them */
    double *part;     /**< [S + E + 1] of the item: slots, experts, dropped */
    double requested; /**< selections before drops, of the item */
    struct ms_err err;
    size_t err_item;
};

struct ms_draw_job {
    struct ms_demand *d;
    struct ms_traffic *traffic; /**< [steps][layers][groups], drawn from the first step on */
    int repeat, chunks, rows;   /**< items per exchange, source ranks of each */
    int first_exchange;         /**< of the steps that are drawn */
    int64_t block;              /**< tokens of a rank drawn at a time */
    int64_t buffer;             /**< tokens a worker holds */
    bool capacity, probs, requests;
    bool split;                             /**< copies are chosen by the counts of all ranks */
    bool whole;                             /**< an item is all ranks of an exchange */
    const struct ms_replica_choice *choice; /**< NULL: tokens name slots */
    int n_threads;
    struct ms_draw_worker *worker; /**< [n_threads] */
    struct ms_ahead *ahead;
    pthread_mutex_t lock; /**< of what the items of an exchange add up */
};

/** An item of the job: the rows of a few source ranks of an exchange. For ms_ahead_start.
 *  @return false: the error is in worker[thread] */
bool ms_draw_item(void *job, size_t item, int thread);
void ms_draw_worker_finish(struct ms_draw_worker *w);

#endif
