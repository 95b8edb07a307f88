/** @file record.h  The body of a result record, from what was simulated.
 *
 *  Only what the simulation produced goes in; everything is a function of the scenario, the input
 *  files, the versions and the seed. Beside its series and bytes:
 *  - work_hash: equal for cases that move the same tokens (seed, repeats, model, workload and
 *    routing with their files). compare pairs repeats only between records whose work is the same.
 *  - degraded, where ranks were lost (faults.hosts) while a repeat was under way: on_failure, lost
 *    [{rank, host, at_us}], repeats that were hit, stuck {repeat, step, layer, leg, waiting, for_it}: the
 *    exchange of the first of them that cannot be completed, the ranks that wait in it, and how many of all
 *    have data for, or of, a lost one; exchanges_lost of the case; with remap ranks_left, experts_moved,
 *    moved_bytes, move_us (the leg of weights, mean), steps_after. Numbers of times are then of the
 *    exchanges that were completed, variance and samples are left out, and units are repeats. Loads are
 *    those of all ranks; where fewer have gone on, tokens_per_s and tail are null and request is left out.
 *  - caption: words for tables (scenario, algorithm, placement, source, model).
 *  - platform: name, topology (the generator's word), hosts, nodes, switches, cables,
 *    bisection_per_gpu_Bps (null = unknown).
 *  - co_selection, oracle, requested_max_over_mean, realised_max_over_mean.
 *  - tail: of the slowest 1 % of exchanges (at least one) how many (n); the layer met most often
 *    together with its most loaded rank and the expert that loads it most; their share of n; that
 *    rank's load over the mean; repeats: how many the frequent ones come from. Who is there when it is slow, not yet why.
 *  - loads, asked for details: rank_by_layer [layer][rank], and slots_bound (place/bound.h), mean.
 *  - loads: expert [layer][expert] and rank [rank], selections over their mean to three digits;
 *    expert is left out where it would have more than 4096 numbers.
 *  - link_utilisation: of every link that carried something by name, at most the 1024 busiest,
 *    to three digits; links has the ten busiest in full.
 *  - samples: [repeat][step, layer, group] times in us, rounded to nine significant digits:
 *    exchange_us, dispatch_us, layer_us, and step_us [repeat][step, group]. The paired bootstrap
 *    needs them, and samples/ is there on request only; combine = exchange - dispatch. Three series
 *    of 400 exchanges are 15 KB. Rank times are left to samples/. Percentiles in the record are of
 *    the unrounded values. */
#ifndef MS_SWEEP_RECORD_H
#define MS_SWEEP_RECORD_H

#include "base/file.h"
#include "base/hash.h"
#include "cluster/platform.h"
#include "demand/demand.h"
#include "scenario/scenario.h"
#include "sim/sim.h"
#include "stats/imbalance.h"

/** Means over (repeat, step, layer, group) of what was routed. */
struct ms_record_load {
    struct ms_imbalance expert; /**< of counts after assignment and drops */
    double rank_max_over_mean;  /**< of selections computed by each rank */
    /** distinct other ranks that a token goes to, mean over tokens */
    double remote_copies_per_token;
    double dropped_share; /**< dropped / requested, over the case */
    double realised_max_over_mean;
    double tokens_per_step; /**< of all ranks */
    bool has_experts;       /**< false for a matrix */
};

/** The most loaded rank of an exchange and the expert that loads it most. */
struct ms_record_hot {
    int rank, expert;
    int domain;           /**< of requests, that gives the expert most; -1: not told */
    const char *name;     /**< its name, borrowed; NULL: it has none */
    double domain_share;  /**< of the expert's tokens */
    double max_over_mean; /**< of the ranks' selections computed */
};

/** Selections over all repeats, steps and groups: what each expert was asked for in each layer, and
 *  what each rank computed. */
struct ms_record_sums {
    int n_layers, n_experts, n_ranks;
    double *expert;        /**< [n_layers][n_experts] */
    double *rank;          /**< [n_ranks] */
    double *rank_by_layer; /**< [n_layers][n_ranks], NULL: not asked for */
    double
        slots_bound; /**< what the slots allow for the fullest rank over the mean; 0: not asked for */
};

/** A rank that is lost. */
struct ms_record_lost {
    int rank;
    const char *host;
    double at_s;
};

/** What a case in which ranks are lost came to. */
struct ms_record_degraded {
    bool remap;
    struct ms_record_lost *lost; /**< [n_lost] by rank */
    int n_lost;
    int repeats;      /**< that could not complete an exchange */
    int first_repeat; /**< the first of them, and its exchange */
    struct ms_stuck first;
    /** remap, of all repeats: */
    int ranks_left;
    int64_t experts_moved;
    double moved_bytes, move_s; /**< of weights; the longest leg of them, mean over n_moves */
    int n_moves, steps_after;   /**< steps simulated with the ranks that were left */
};

struct ms_record_input {
    const struct ms_record_degraded *degraded; /**< NULL: all exchanges were completed */
    const struct ms_scenario *s;               /**< resolved */
    const struct ms_platform *platform;
    const struct ms_platform_cost *cost;
    const struct ms_sim_output *out;
    const int *repeat_run; /**< [s->repeats] run of each repeat */
    int kept_run;          /**< run of each repeat that keeps the first placement; 0: none */
    int64_t experts_moved; /**< times that an expert's weights were sent */
    const int *twin_run;   /**< [s->repeats] run of its balanced twin, NULL: not simulated */
    const struct ms_record_load *load;
    const struct ms_record_hot *hot; /**< [repeat][step][layer][group], NULL: a matrix */
    /** [repeat][group][first step][last step] requests in a batch from first to last; NULL: none,
     *  or one step */
    const double *stays;
    const struct ms_record_sums *sums; /**< NULL: a matrix */
    struct ms_demand_note note;
    struct ms_hash work_hash;
};

/** Is the body of a case that lost ranks? */
bool ms_record_degraded(const char *body);
/** Append the body: from "platform_hash" to the last member, without the closing brace.
 *  @return MS_OK; MS_INTERNAL: a time that is no time; MS_NOMEM */
enum ms_status ms_record_body(const struct ms_record_input *in, struct ms_buf *out,
                              struct ms_err *err);
/** samples/cNNNN.csv: a row for every exchange (rank "all": the slowest; "mean") and every rank of it
 *  (record_samples.c). */
void ms_record_samples_csv(const struct ms_record_input *in, struct ms_buf *out);

#endif
