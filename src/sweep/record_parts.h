/** @file record_parts.h  What the files of a record share: each adds its members to the one line that
 *  record.c composes. Inside this room only. */
#ifndef MS_SWEEP_RECORD_PARTS_H
#define MS_SWEEP_RECORD_PARTS_H

#include "base/json.h"
#include "sweep/record.h"
#include "sweep/series.h"

/** @return MS_NOMEM */
enum ms_status ms_record_no_memory(struct ms_err *err);
/** The series that a case is judged by: its exchanges', or its layers' where exchanges have no time of
 *  their own. */
enum ms_series ms_record_main_series(const struct ms_record_input *in);
/** All repeats of a series in us, in repeat order. @param run [s->repeats] run of each repeat
 *  @return [n], the caller's to free; NULL: no memory */
double *ms_record_series(const struct ms_record_input *in, enum ms_series which, const int *run,
                         size_t *n);

/** The numbers of v that are there, in front: what was not completed is NAN. @return how many */
size_t ms_record_present(double *v, size_t n);
/** The member `degraded` (record_degraded.c), where ranks were lost. */
void ms_record_add_degraded(struct ms_json *j, const struct ms_record_input *in);

/** A member for every series (percentiles, how many samples), and `units`: how many of the samples are
 *  independent (record_times.c). @return MS_OK; MS_INTERNAL: a time that is no time; MS_NOMEM */
enum ms_status ms_record_add_times(struct ms_json *j, const struct ms_record_input *in,
                                   double *units, struct ms_err *err);
/** The members `dispatch_mean`, `combine_mean` (over ranks), `notify` where there is one
 *  (record_legs.c). */
enum ms_status ms_record_add_legs(struct ms_json *j, const struct ms_record_input *in, double units,
                                  struct ms_err *err);
/** Are some of the times of fewer ranks than the loads are (on_failure: remap)? */
bool ms_record_of_fewer(const struct ms_record_input *in);
/** The mean over the ranks that have a time. @return NaN: none has */
double ms_record_rank_mean(const double *v, size_t n_ranks);
/** The member `variance` (record_times.c): shares of layers, of batches, and within. */
enum ms_status ms_record_add_variance(struct ms_json *j, const struct ms_record_input *in,
                                      struct ms_err *err);
/** The member `request` (record_request.c), where there are stays. */
enum ms_status ms_record_add_request(struct ms_json *j, const struct ms_record_input *in,
                                     struct ms_err *err);
/** The member `entry_skew_us` (record_times.c), the mean. */
void ms_record_add_skew(struct ms_json *j, const struct ms_record_input *in);
/** The member `slowdown` (record_slowdown.c), null where no twin was simulated. */
enum ms_status ms_record_add_slowdown(struct ms_json *j, const struct ms_record_input *in,
                                      struct ms_err *err);
/** The member `bytes` (record_links.c), of all repeats. */
void ms_record_add_bytes(struct ms_json *j, const struct ms_record_input *in);
/** The member `rebalance` (record_rebalance.c), where placements follow the load; a new placement
 *  each: experts_moved and their bytes, of which network_bytes leave a node; move_us, wait_us (longest
 *  leg, what ranks wait); kept_step_us: a step when the first placement stays, on the same draws;
 *  net_saved_us_per_step against it, all costs counted; gain_us_per_step in steps without moves,
 *  cost_us a placement, payback_steps. */
void ms_record_add_rebalance(struct ms_json *j, const struct ms_record_input *in);
/** The member `loads` (record_loads.c), where there are sums. */
void ms_record_add_loads(struct ms_json *j, const struct ms_record_input *in);
/** The members `links` and `link_utilisation` (record_links.c). */
enum ms_status ms_record_add_links(struct ms_json *j, const struct ms_record_input *in,
                                   struct ms_err *err);
/** The member `tail` (record_tail.c). */
enum ms_status ms_record_add_tail(struct ms_json *j, const struct ms_record_input *in,
                                  struct ms_err *err);
/** The member `bound` (record_times.c): the same exchanges if the fullest link were all that counts. */
enum ms_status ms_record_add_bound(struct ms_json *j, const struct ms_record_input *in,
                                   struct ms_err *err);
/** The member `cause` (record_cause.c), where causes were kept: of the slowest 1 % of exchanges (at
 *  least five; of layers where ranks are slow) metric, slowest, bound_us, causes. */
enum ms_status ms_record_add_cause(struct ms_json *j, const struct ms_record_input *in,
                                   struct ms_err *err);
/** The member `samples` (record_samples.c). */
enum ms_status ms_record_add_samples(struct ms_json *j, const struct ms_record_input *in,
                                     struct ms_err *err);

#endif
