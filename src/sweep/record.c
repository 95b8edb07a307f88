/* The record of a case: which numbers of a run it holds, under which names, and the table of all
 * its samples. */
#include "sweep/record.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "stats/boot.h"
#include "stats/components.h"
#include "stats/percentile.h"
#include "sweep/series.h"
#include "sweep/store.h"

enum { N_BUSIEST = 10, MOST_LINKS = 1024 };

static enum ms_status nomem(struct ms_err *err)
{
    return ms_err_set(err, MS_NOMEM, "out of memory for the record");
}

/* All repeats of a series, in repeat order. @param run run of each repeat */
static double *gather(const struct ms_record_input *in, enum ms_series which, const int *run,
                      size_t *n)
{
    size_t per_run = ms_series_count(which, in->out), R = (size_t)in->s->repeats;
    double *v = malloc((per_run * R + 1) * sizeof *v);
    for (size_t r = 0; v && r < R; r++)
        ms_series_get(which, in->out, run[r], v + r * per_run);
    *n = per_run * R;
    return v;
}

static void add_summary(struct ms_json *j, const struct ms_summary *s)
{
    ms_json_number(j, "p50_us", s->p50);
    ms_json_number(j, "p95_us", s->p95);
    ms_json_number(j, "p99_us", s->p99);
    ms_json_number(j, "max_us", s->max);
    ms_json_number(j, "mean_us", s->mean);
    ms_json_integer(j, "n", (int64_t)s->n);
    ms_json_string(j, "supported", s->supported);
}

/* Independent units: of the step's mean log exchange (or layer) time, by repeat and step. */
static double units_of(const struct ms_record_input *in)
{
    bool exchange = ms_series_defined(MS_SERIES_EXCHANGE, in->s);
    int R = in->s->repeats, S = in->out->n_steps;
    size_t n, steps = (size_t)R * (size_t)S;
    double *v = gather(in, exchange ? MS_SERIES_EXCHANGE : MS_SERIES_LAYER, in->repeat_run, &n);
    if (!v)
        return NAN;
    size_t per_step = n / steps;
    for (size_t i = 0; i < steps; i++) {
        double sum = 0;
        for (size_t k = 0; k < per_step; k++)
            sum += log(v[i * per_step + k]);
        v[i] = sum / (double)per_step;
    }
    double units = ms_independent_units(v, R, S);
    free(v);
    return isfinite(units) ? units : R;
}

/* Where the exchange (or layer) time's variance lies. */
static enum ms_status add_variance(struct ms_json *j, const struct ms_record_input *in,
                                   struct ms_err *err)
{
    bool exchange = ms_series_defined(MS_SERIES_EXCHANGE, in->s);
    size_t n;
    double *v = gather(in, exchange ? MS_SERIES_EXCHANGE : MS_SERIES_LAYER, in->repeat_run, &n);
    struct ms_times t = {.x = v,
                         .repeats = (size_t)in->s->repeats,
                         .steps = (size_t)in->out->n_steps,
                         .layers = (size_t)in->out->n_layers,
                         .units = (size_t)in->out->n_groups};
    struct ms_components c;
    enum ms_status s = v ? ms_components_of(&t, &c, err) : nomem(err);
    free(v);
    if (s != MS_OK)
        return s;
    ms_json_object(j, "variance");
    ms_json_number(j, "layer", c.layer);
    ms_json_number(j, "batch", c.batch);
    ms_json_number(j, "within", c.within);
    ms_json_end_object(j);
    return MS_OK;
}

static double exposed_share(const struct ms_record_input *in)
{
    size_t per_run = ms_series_count(MS_SERIES_STEP, in->out);
    double exposed = 0, total = 0;
    for (int r = 0; r < in->s->repeats; r++)
        for (size_t i = 0; i < per_run; i++) {
            size_t at = (size_t)in->repeat_run[r] * per_run + i;
            exposed += in->out->exposed_s[at];
            total += in->out->step_s[at];
        }
    return total > 0 ? exposed / total : NAN;
}

static enum ms_status add_blocks(struct ms_json *j, const struct ms_record_input *in, double units,
                                 struct ms_err *err)
{
    for (enum ms_series w = 0; w < MS_N_SERIES; w++) {
        size_t n;
        if (!ms_series_defined(w, in->s))
            continue;
        double *v = gather(in, w, in->repeat_run, &n);
        if (!v)
            return nomem(err);
        struct ms_summary s = ms_summarise(v, n, units);
        free(v);
        if (!isfinite(s.mean) || !isfinite(s.max))
            return ms_err_set(err, MS_INTERNAL, "the simulated %s times are no times",
                              ms_series_name(w));
        ms_json_object(j, ms_series_name(w));
        add_summary(j, &s);
        if (w == MS_SERIES_STEP && in->load->has_experts) {
            ms_json_number(j, "tokens_per_s", in->load->tokens_per_step / (s.mean * 1e-6));
            ms_json_number(j, "exposed_share", exposed_share(in));
        }
        ms_json_end_object(j);
    }
    return MS_OK;
}

static double mean_skew_us(const struct ms_record_input *in)
{
    size_t per_run = ms_series_count(MS_SERIES_DISPATCH, in->out), R = (size_t)in->s->repeats;
    double sum = 0;
    for (size_t r = 0; r < R; r++)
        for (size_t i = 0; i < per_run; i++)
            sum += in->out->entry_skew_s[(size_t)in->repeat_run[r] * per_run + i];
    return sum / (double)(per_run * R) * 1e6;
}

static void add_ratio(struct ms_json *j, const char *key, const struct ms_ratio *r)
{
    ms_json_number(j, key, r->ratio);
}

/* The case against its balanced twin, repeat by repeat. */
static enum ms_status slowdown(const struct ms_record_input *in, enum ms_series which,
                               struct ms_ratio *p50, struct ms_ratio *p95, struct ms_ratio *p99,
                               struct ms_err *err)
{
    size_t n, m, per_run = ms_series_count(which, in->out);
    double *a = gather(in, which, in->repeat_run, &n), *b = gather(in, which, in->twin_run, &m);
    int *repeat = malloc((n + 1) * sizeof *repeat);
    enum ms_status s = a && b && repeat ? MS_OK : nomem(err);
    for (size_t i = 0; s == MS_OK && i < n; i++)
        repeat[i] = (int)(i / per_run);
    struct ms_clustered x = {a, repeat, n, in->s->repeats}, y = {b, repeat, n, in->s->repeats};
    if (s == MS_OK)
        s = ms_boot_ratio(&x, &y, 50, in->s->seed, 0, p50, err);
    if (s == MS_OK)
        s = ms_boot_ratio(&x, &y, 95, in->s->seed, 0, p95, err);
    if (s == MS_OK)
        s = ms_boot_ratio(&x, &y, 99, in->s->seed, 0, p99, err);
    free(a);
    free(b);
    free(repeat);
    return s;
}

static enum ms_status add_slowdown(struct ms_json *j, const struct ms_record_input *in,
                                   struct ms_err *err)
{
    if (!in->twin_run) {
        ms_json_null(j, "slowdown");
        return MS_OK;
    }
    struct ms_ratio p50, p95, p99;
    bool exchange = ms_series_defined(MS_SERIES_EXCHANGE, in->s);
    enum ms_status s =
        slowdown(in, exchange ? MS_SERIES_EXCHANGE : MS_SERIES_LAYER, &p50, &p95, &p99, err);
    if (s != MS_OK)
        return s;
    ms_json_object(j, "slowdown");
    add_ratio(j, "vs_balanced_p50", &p50);
    add_ratio(j, "vs_balanced_p95", &p95);
    add_ratio(j, "vs_balanced_p99", &p99);
    if (p99.has_interval) {
        ms_json_array(j, "ci95");
        ms_json_number(j, NULL, p99.lo);
        ms_json_number(j, NULL, p99.hi);
        ms_json_end_array(j);
    } else {
        ms_json_null(j, "ci95");
    }
    ms_json_end_object(j);
    return MS_OK;
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

static double over_repeats(const struct ms_record_input *in, const double *per_run)
{
    double sum = 0;
    for (int r = 0; r < in->s->repeats; r++)
        sum += per_run[in->repeat_run[r]];
    return sum;
}

static void add_bytes(struct ms_json *j, const struct ms_record_input *in)
{
    ms_json_object(j, "bytes");
    ms_json_number(j, "network", over_repeats(in, in->out->bytes_network));
    ms_json_number(j, "intra_node", over_repeats(in, in->out->bytes_intra_node));
    ms_json_number(j, "local", over_repeats(in, in->out->bytes_local));
    ms_json_end_object(j);
}

struct busy {
    const char *name;
    double bytes, utilisation;
};

static int by_utilisation(const void *a, const void *b)
{
    const struct busy *x = a, *y = b;
    if (x->utilisation != y->utilisation)
        return x->utilisation > y->utilisation ? -1 : 1;
    return ms_natural_cmp(x->name, y->name);
}

/* On a FATPIPE link every flow has all of the bandwidth: bytes / bandwidth says nothing about
 * it. */
static bool is_shared(const struct ms_platform *p, const char *name)
{
    for (int l = 0; l < p->n_links; l++)
        if (strcmp(p->link[l].name, name) == 0)
            return p->link[l].policy == MS_LINK_SHARED;
    return true;
}

/* Every link that carried something, to three digits: for the picture of the topology. */
static void add_all_links(struct ms_json *j, const struct ms_record_input *in, const struct busy *b,
                          size_t n)
{
    char text[32];
    ms_json_object(j, "link_utilisation");
    for (size_t l = 0, told = 0; l < n && told < MOST_LINKS && b[l].bytes > 0; l++) {
        if (!is_shared(in->platform, b[l].name))
            continue;
        told++;
        snprintf(text, sizeof text, "%.3g", b[l].utilisation);
        ms_json_number(j, b[l].name, strtod(text, NULL));
    }
    ms_json_end_object(j);
}

static enum ms_status add_links(struct ms_json *j, const struct ms_record_input *in,
                                struct ms_err *err)
{
    const struct ms_sim_output *o = in->out;
    size_t L = (size_t)o->n_links;
    struct busy *b = malloc((L + 1) * sizeof *b);
    double active = over_repeats(in, o->active_s);
    if (!b)
        return nomem(err);
    for (size_t l = 0; l < L; l++) {
        b[l] = (struct busy){.name = o->link_name[l]};
        for (int r = 0; r < in->s->repeats; r++)
            b[l].bytes += o->link_bytes[(size_t)in->repeat_run[r] * L + l];
        double room = o->link_bandwidth[l] * active;
        b[l].utilisation = room > 0 ? b[l].bytes / room : 0;
    }
    qsort(b, L, sizeof *b, by_utilisation);
    ms_json_array(j, "links");
    for (size_t l = 0, told = 0; l < L && told < N_BUSIEST && b[l].bytes > 0; l++) {
        if (!is_shared(in->platform, b[l].name))
            continue;
        told++;
        ms_json_object(j, NULL);
        ms_json_string(j, "name", b[l].name);
        ms_json_number(j, "utilisation", b[l].utilisation);
        ms_json_number(j, "bytes", b[l].bytes);
        if (b[l].utilisation > 1 + 1e-6) /* of the rate it began with: a bandwidth_file raised it */
            ms_json_string(j, "flag", "more than its rate at the start could carry");
        ms_json_end_object(j);
    }
    ms_json_end_array(j);
    add_all_links(j, in, b, L);
    free(b);
    return MS_OK;
}

static double nine_digits(double v)
{
    char text[40];
    snprintf(text, sizeof text, "%.8e", v);
    return strtod(text, NULL);
}

static enum ms_status add_series(struct ms_json *j, const struct ms_record_input *in,
                                 enum ms_series which, const char *key, struct ms_err *err)
{
    size_t n, per_run = ms_series_count(which, in->out);
    if (!ms_series_defined(which, in->s))
        return MS_OK;
    double *v = gather(in, which, in->repeat_run, &n);
    if (!v)
        return nomem(err);
    ms_json_array(j, key);
    for (int r = 0; r < in->s->repeats; r++) {
        ms_json_array(j, NULL);
        for (size_t i = 0; i < per_run; i++)
            ms_json_number(j, NULL, nine_digits(v[(size_t)r * per_run + i]));
        ms_json_end_array(j);
    }
    ms_json_end_array(j);
    free(v);
    return MS_OK;
}

static enum ms_status add_samples(struct ms_json *j, const struct ms_record_input *in,
                                  struct ms_err *err)
{
    ms_json_object(j, "samples");
    enum ms_status s = add_series(j, in, MS_SERIES_EXCHANGE, "exchange_us", err);
    if (s == MS_OK)
        s = add_series(j, in, MS_SERIES_DISPATCH, "dispatch_us", err);
    if (s == MS_OK)
        s = add_series(j, in, MS_SERIES_LAYER, "layer_us", err);
    if (s == MS_OK)
        s = add_series(j, in, MS_SERIES_STEP, "step_us", err);
    ms_json_end_object(j);
    return s;
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
}

/* The port bound of the same exchanges: the fullest link by itself. */
static enum ms_status add_bound(struct ms_json *j, const struct ms_record_input *in,
                                struct ms_err *err)
{
    size_t per_run = ms_series_count(MS_SERIES_EXCHANGE, in->out), R = (size_t)in->s->repeats;
    if (!ms_series_defined(MS_SERIES_EXCHANGE, in->s) || !in->out->bound_s) {
        ms_json_null(j, "bound");
        return MS_OK;
    }
    double *v = malloc((per_run * R + 1) * sizeof *v);
    if (!v)
        return nomem(err);
    for (size_t r = 0; r < R; r++)
        for (size_t i = 0; i < per_run; i++)
            v[r * per_run + i] = in->out->bound_s[(size_t)in->repeat_run[r] * per_run + i] * 1e6;
    struct ms_summary s = ms_summarise(v, per_run * R, (double)R);
    ms_json_object(j, "bound");
    ms_json_number(j, "p50_us", s.p50);
    ms_json_number(j, "p99_us", s.p99);
    ms_json_end_object(j);
    free(v);
    return MS_OK;
}

enum ms_status ms_record_body(const struct ms_record_input *in, struct ms_buf *out,
                              struct ms_err *err)
{
    struct ms_json j = {.out = out};
    add_identity(&j, in);
    double units = units_of(in);
    enum ms_status s = isnan(units) ? nomem(err) : add_blocks(&j, in, units, err);
    if (s != MS_OK)
        return s;
    ms_json_number(&j, "units", units);
    s = ms_record_add_legs(&j, in, units, err);
    if (s != MS_OK)
        return s;
    s = add_variance(&j, in, err);
    if (s != MS_OK)
        return s;
    s = ms_record_add_request(&j, in, err);
    if (s != MS_OK)
        return s;
    ms_json_number(&j, "entry_skew_us", mean_skew_us(in));
    s = add_slowdown(&j, in, err);
    if (s != MS_OK)
        return s;
    add_imbalance(&j, in);
    add_bytes(&j, in);
    ms_record_add_rebalance(&j, in);
    ms_record_add_loads(&j, in);
    s = add_links(&j, in, err);
    if (s != MS_OK)
        return s;
    s = ms_record_add_tail(&j, in, err);
    if (s == MS_OK)
        s = add_bound(&j, in, err);
    if (s == MS_OK)
        s = ms_record_add_cause(&j, in, err);
    if (s != MS_OK)
        return s;
    add_platform(&j, in);
    add_caption(&j, in->s);
    s = add_samples(&j, in, err);
    return s == MS_OK && out->failed ? nomem(err) : s;
}

/* ---- samples/cNNNN.csv ---- */

static void add_cell(struct ms_buf *out, double seconds)
{
    char number[32];
    ms_buf_printf(out, ",%s", ms_number(seconds * 1e6, number));
}

/* Beside the slowest rank's: rank "mean". */
static void add_mean_row(const struct ms_sim_output *o, int repeat, int step, int layer, int group,
                         size_t at, struct ms_buf *out)
{
    double dispatch_s = 0, combine_s = 0, n = o->n_ranks;
    for (int r = 0; r < o->n_ranks; r++) {
        dispatch_s += o->rank_dispatch_s[at * (size_t)o->n_ranks + (size_t)r];
        combine_s += o->rank_combine_s[at * (size_t)o->n_ranks + (size_t)r];
    }
    ms_buf_printf(out, "%d,%d,%d,%d,mean", repeat, step, layer, group);
    add_cell(out, dispatch_s / n);
    add_cell(out, combine_s / n);
    add_cell(out, (dispatch_s + combine_s) / n);
    ms_buf_adds(out, ",,\n");
}

static void add_exchange_rows(const struct ms_sim_output *o, int repeat, int run, int step,
                              int layer, int group, struct ms_buf *out)
{
    size_t at =
        (((size_t)run * (size_t)o->n_steps + (size_t)step) * (size_t)o->n_layers + (size_t)layer) *
            (size_t)o->n_groups +
        (size_t)group;
    ms_buf_printf(out, "%d,%d,%d,%d,all", repeat, step, layer, group);
    add_cell(out, o->dispatch_s[at]);
    add_cell(out, o->combine_s[at]);
    add_cell(out, o->dispatch_s[at] + o->combine_s[at]);
    add_cell(out, o->entry_skew_s[at]);
    add_cell(out, o->layer_s[at]);
    ms_buf_adds(out, "\n");
    add_mean_row(o, repeat, step, layer, group, at, out);
    for (int r = 0; r < o->n_ranks; r++) {
        size_t k = at * (size_t)o->n_ranks + (size_t)r;
        ms_buf_printf(out, "%d,%d,%d,%d,%d", repeat, step, layer, group, r);
        add_cell(out, o->rank_dispatch_s[k]);
        add_cell(out, o->rank_combine_s[k]);
        add_cell(out, o->rank_dispatch_s[k] + o->rank_combine_s[k]);
        ms_buf_adds(out, ",,\n");
    }
}

void ms_record_samples_csv(const struct ms_record_input *in, struct ms_buf *out)
{
    const struct ms_sim_output *o = in->out;
    ms_buf_adds(
        out,
        "repeat,step,layer,group,rank,dispatch_us,combine_us,exchange_us,entry_skew_us,layer_us\n");
    for (int r = 0; r < in->s->repeats; r++)
        for (int p = 0; p < o->n_steps; p++)
            for (int l = 0; l < o->n_layers; l++)
                for (int g = 0; g < o->n_groups; g++)
                    add_exchange_rows(o, r, in->repeat_run[r], p, l, g, out);
}
