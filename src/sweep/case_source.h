/** @file case_source.h  Where the simulation of a case gets its traffic from, and what is measured of it on
 *  the way. */
#ifndef MS_SWEEP_CASE_SOURCE_H
#define MS_SWEEP_CASE_SOURCE_H

#include "stats/imbalance.h"
#include "sweep/case_run.h"
#include "sweep/record.h"

struct ms_case_source {
    const struct ms_case_input *in;
    struct ms_demand *demand;
    int stride;      /**< runs a repeat: its own, its twin, with the first placement kept */
    int *repeat_run; /**< [repeats] */
    int *twin_run;   /**< [repeats] */
    int kept;        /**< the last run of a repeat keeps its first placement; 0: there is none */
    int64_t experts_moved;     /**< of weights, all repeats, groups */
    struct ms_hash *twin_key;  /**< [repeats] */
    struct ms_record_hot *hot; /**< [repeat][step][layer][group] */
    double *stays;           /**< [repeat][group][step][step] of requests, NULL: no request view */
    size_t stays_size;       /**< of a repeat */
    double *scratch;         /**< [max of experts and ranks] twice */
    struct ms_imbalance sum; /**< over n_exchanges */
    bool tells_domains;      /**< of the hottest experts */
    double slots_bound_sum;
    double rank_max_sum, realised_sum, dropped, requested, copies, first_layer_requested;
    size_t n_exchanges;
    struct ms_record_sums sums; /**< of loads, by expert and by rank */
    int repeat;                 /**< begun; -1: none */
    size_t n_measured;          /**< exchanges of it, in their order */
    bool completed;             /**< all of them */
    enum ms_status status;      /**< of what has nobody to tell it to: the next run is told */
    struct ms_err err;
    double routing_s; /**< that the case's main thread drew, or waited for what others drew */
};

/** Read the inputs of the traffic and set in->sim.source.
 *  @param s its demand is owned by the caller, on errors too (ms_demand_destroy)  @param arena of what lasts
 *  as long as s */
enum ms_status ms_case_source_init(struct ms_case_source *s, struct ms_case_input *in,
                                   const struct ms_case_options *options, struct ms_arena *arena,
                                   struct ms_err *err);
/** Draw a repeat, in the background. Nothing to do where it is the one begun. */
enum ms_status ms_case_source_begin(struct ms_case_source *s, int repeat, struct ms_err *err);
/** All traffic of the repeat begun is there and measured. */
enum ms_status ms_case_source_complete(struct ms_case_source *s, struct ms_err *err);
/** How uneven it was. */
struct ms_record_load ms_case_source_load(const struct ms_case_source *s);

#endif
