/* What a record says of times: percentiles of every series, how many of them are independent, where
 * their variance lies, and the bound of the fullest port. */
#include <math.h>
#include <stdlib.h>

#include "stats/components.h"
#include "stats/percentile.h"
#include "sweep/record_parts.h"

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
    int R = in->s->repeats, S = in->out->n_steps;
    size_t n, steps = (size_t)R * (size_t)S;
    double *v = ms_record_series(in, ms_record_main_series(in), in->repeat_run, &n);
    if (!v)
        return NAN;
    size_t per_step = n / steps;
    if (in->degraded) { /* the repeats that have completed anything */
        double units = 0;
        for (int r = 0; r < R; r++)
            units += ms_record_present(v + (size_t)r * (n / (size_t)R), n / (size_t)R) > 0;
        free(v);
        return units;
    }
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

enum ms_status ms_record_add_variance(struct ms_json *j, const struct ms_record_input *in,
                                      struct ms_err *err)
{
    size_t n;
    double *v = ms_record_series(in, ms_record_main_series(in), in->repeat_run, &n);
    struct ms_times t = {.x = v,
                         .repeats = (size_t)in->s->repeats,
                         .steps = (size_t)in->out->n_steps,
                         .layers = (size_t)in->out->n_layers,
                         .units = (size_t)in->out->n_groups};
    struct ms_components c;
    enum ms_status s = v ? MS_OK : ms_record_no_memory(err);
    c = (struct ms_components){NAN, NAN, NAN};
    if (s == MS_OK && !in->degraded)
        s = ms_components_of(&t, &c, err);
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
            bool there = !isnan(in->out->step_s[at]);
            exposed += there ? in->out->exposed_s[at] : 0;
            total += there ? in->out->step_s[at] : 0;
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
        double *v = ms_record_series(in, w, in->repeat_run, &n);
        if (!v)
            return ms_record_no_memory(err);
        if (in->degraded)
            n = ms_record_present(v, n);
        struct ms_summary s = ms_summarise(v, n, units);
        free(v);
        if (n == 0) {
            ms_json_null(j, ms_series_name(w));
            continue;
        }
        if (!isfinite(s.mean) || !isfinite(s.max))
            return ms_err_set(err, MS_INTERNAL, "the simulated %s times are no times",
                              ms_series_name(w));
        ms_json_object(j, ms_series_name(w));
        add_summary(j, &s);
        if (w == MS_SERIES_STEP && in->load->has_experts) {
            ms_json_number(j, "tokens_per_s",
                           ms_record_of_fewer(in) ? NAN
                                                  : in->load->tokens_per_step / (s.mean * 1e-6));
            ms_json_number(j, "exposed_share", exposed_share(in));
        }
        ms_json_end_object(j);
    }
    return MS_OK;
}

enum ms_status ms_record_add_times(struct ms_json *j, const struct ms_record_input *in,
                                   double *units, struct ms_err *err)
{
    *units = units_of(in);
    enum ms_status s = isnan(*units) ? ms_record_no_memory(err) : add_blocks(j, in, *units, err);
    if (s == MS_OK)
        ms_json_number(j, "units", *units);
    return s;
}

void ms_record_add_skew(struct ms_json *j, const struct ms_record_input *in)
{
    size_t per_run = ms_series_count(MS_SERIES_DISPATCH, in->out), R = (size_t)in->s->repeats;
    double sum = 0, n = 0;
    for (size_t r = 0; r < R; r++)
        for (size_t i = 0; i < per_run; i++) {
            double skew_s = in->out->entry_skew_s[(size_t)in->repeat_run[r] * per_run + i];
            bool there = !in->degraded || !isnan(skew_s);
            sum += there ? skew_s : 0;
            n += there;
        }
    ms_json_number(j, "entry_skew_us", sum / n * 1e6);
}

enum ms_status ms_record_add_bound(struct ms_json *j, const struct ms_record_input *in,
                                   struct ms_err *err)
{
    size_t per_run = ms_series_count(MS_SERIES_EXCHANGE, in->out), R = (size_t)in->s->repeats;
    if (!ms_series_defined(MS_SERIES_EXCHANGE, in->s) || !in->out->bound_s) {
        ms_json_null(j, "bound");
        return MS_OK;
    }
    double *v = malloc((per_run * R + 1) * sizeof *v);
    if (!v)
        return ms_record_no_memory(err);
    for (size_t r = 0; r < R; r++)
        for (size_t i = 0; i < per_run; i++)
            v[r * per_run + i] = in->out->bound_s[(size_t)in->repeat_run[r] * per_run + i] * 1e6;
    size_t n = in->degraded ? ms_record_present(v, per_run * R) : per_run * R;
    struct ms_summary s = ms_summarise(v, n, (double)R);
    if (n == 0)
        s.p50 = s.p99 = NAN;
    ms_json_object(j, "bound");
    ms_json_number(j, "p50_us", s.p50);
    ms_json_number(j, "p95_us", s.p95);
    ms_json_number(j, "p99_us", s.p99);
    ms_json_number(j, "max_us", s.max);
    ms_json_number(j, "mean_us", s.mean);
    ms_json_end_object(j);
    free(v);
    return MS_OK;
}
