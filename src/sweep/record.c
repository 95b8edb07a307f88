/* The record of a case: which case it is, what it was simulated with, and the order of what its other
 * files say of it. */
#include "sweep/record.h"

#include <math.h>
#include <stdlib.h>

#include "base/json.h"
#include "sweep/record_parts.h"
#include "sweep/store.h"

enum ms_status ms_record_no_memory(struct ms_err *err)
{
    return ms_err_set(err, MS_NOMEM, "out of memory for the record");
}

enum ms_series ms_record_main_series(const struct ms_record_input *in)
{
    return ms_series_defined(MS_SERIES_EXCHANGE, in->s) ? MS_SERIES_EXCHANGE : MS_SERIES_LAYER;
}

double *ms_record_series(const struct ms_record_input *in, enum ms_series which, const int *run,
                         size_t *n)
{
    size_t per_run = ms_series_count(which, in->out), R = (size_t)in->s->repeats;
    double *v = malloc((per_run * R + 1) * sizeof *v);
    for (size_t r = 0; v && r < R; r++)
        ms_series_get(which, in->out, run[r], v + r * per_run);
    *n = per_run * R;
    return v;
}

static void add_imbalance(struct ms_json *j, const struct ms_record_input *in)
{
    const struct ms_record_load *l = in->load;
    if (!l->has_experts) {
        ms_json_null(j, "imbalance");
        return;
    }
    ms_json_object(j, "imbalance");
    ms_json_number(j, "gini", l->expert.gini);
    ms_json_number(j, "cv", l->expert.cv);
    ms_json_number(j, "variance", l->expert.variance);
    ms_json_number(j, "entropy", l->expert.entropy);
    ms_json_number(j, "max_over_mean", l->expert.max_over_mean);
    ms_json_number(j, "rank_max_over_mean", l->rank_max_over_mean);
    ms_json_number(j, "dropped_share", l->dropped_share);
    ms_json_end_object(j);
    ms_json_number(j, "remote_copies_per_token", l->remote_copies_per_token);
    ms_json_string(j, "co_selection", in->note.co_selection_measured ? "measured" : "independent");
    if (in->note.oracle)
        ms_json_bool(j, "oracle", true);
    if (in->note.has_requested) {
        ms_json_number(j, "requested_max_over_mean", in->note.requested_max_over_mean);
        ms_json_number(j, "realised_max_over_mean", l->realised_max_over_mean);
    }
}

static void number_or_null(struct ms_json *j, const char *key, double v)
{
    ms_json_number(j, key, v < 0 ? NAN : v);
}

static void add_platform(struct ms_json *j, const struct ms_record_input *in)
{
    const struct ms_platform *p = in->platform;
    ms_json_object(j, "platform");
    ms_json_string(j, "name", p->name);
    ms_json_string(j, "topology", p->topology);
    ms_json_integer(j, "hosts", p->n_hosts);
    ms_json_integer(j, "nodes", p->n_nodes);
    number_or_null(j, "switches", in->cost->n_switches);
    number_or_null(j, "cables", in->cost->n_cables);
    number_or_null(j, "bisection_per_gpu_Bps", in->cost->bisection_per_gpu_Bps);
    ms_json_end_object(j);
}

static void add_caption(struct ms_json *j, const struct ms_scenario *s)
{
    ms_json_object(j, "caption");
    ms_json_string(j, "scenario", s->name);
    ms_json_string(j, "algorithm", s->sim.exchange.algorithm);
    ms_json_string(j, "placement", s->placement.strategy);
    ms_json_string(j, "source", ms_source_names[s->routing.source]);
    ms_json_string(j, "model", s->has_model ? s->model.preset : NULL);
    if (s->sim.faults.straggler_share > 0)
        ms_json_bool(j, "stragglers", true);
    ms_json_end_object(j);
}

static void add_identity(struct ms_json *j, const struct ms_record_input *in)
{
    const struct ms_scenario *s = in->s;
    ms_json_string(j, "platform_hash", in->platform->hash.hex);
    ms_json_string(j, "work_hash", in->work_hash.hex);
    ms_json_integer(j, "seed", (int64_t)s->seed);
    ms_json_string(j, "hardware", s->sim.hardware.profile);
    ms_json_string(j, "network_model", s->sim.network.model);
    if (in->out->streams)
        ms_json_string(j, "streams", in->out->streams);
    const struct ms_platform *p = in->platform;
    int gpus_per_node = p->n_nodes > 0 ? (p->n_hosts + p->n_nodes - 1) / p->n_nodes : 0;
    ms_json_integer(j, "fan_in",
                    ms_sim_fan_in(&in->s->sim.exchange, in->s->workload.ranks, gpus_per_node));
    ms_json_object(j, "versions");
    ms_json_string(j, "moesim", MS_VERSION);
    ms_json_string(j, "simgrid", ms_sim_simgrid_version());
    ms_json_end_object(j);
    ms_json_integer(j, "ranks", s->workload.ranks);
    ms_json_integer(j, "groups", s->workload.groups);
    ms_json_integer(j, "layers", in->out->n_layers);
    ms_json_integer(j, "steps", in->out->n_steps);
    ms_json_integer(j, "repeats", s->repeats);
    ms_record_add_degraded(j, in);
}

enum ms_status ms_record_body(const struct ms_record_input *in, struct ms_buf *out,
                              struct ms_err *err)
{
    struct ms_json j = {.out = out};
    double units;
    add_identity(&j, in);
    enum ms_status s = ms_record_add_times(&j, in, &units, err);
    if (s == MS_OK)
        s = ms_record_add_legs(&j, in, units, err);
    if (s == MS_OK)
        s = ms_record_add_variance(&j, in, err);
    if (s == MS_OK)
        s = ms_record_add_request(&j, in, err);
    if (s != MS_OK)
        return s;
    ms_record_add_skew(&j, in);
    s = ms_record_add_slowdown(&j, in, err);
    if (s != MS_OK)
        return s;
    add_imbalance(&j, in);
    ms_record_add_bytes(&j, in);
    ms_record_add_rebalance(&j, in);
    ms_record_add_loads(&j, in);
    s = ms_record_add_links(&j, in, err);
    if (s == MS_OK)
        s = ms_record_add_tail(&j, in, err);
    if (s == MS_OK)
        s = ms_record_add_bound(&j, in, err);
    if (s == MS_OK)
        s = ms_record_add_cause(&j, in, err);
    if (s != MS_OK)
        return s;
    add_platform(&j, in);
    add_caption(&j, in->s);
    s = ms_record_add_samples(&j, in, err);
    return s == MS_OK && out->failed ? ms_record_no_memory(err) : s;
}
