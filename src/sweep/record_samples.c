/* Every single time of a case: the member `samples` of its record, and the table
 * samples/cNNNN.csv. */
#include <stdio.h>
#include <stdlib.h>

#include "sweep/record_parts.h"

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
    double *v = ms_record_series(in, which, in->repeat_run, &n);
    if (!v)
        return ms_record_no_memory(err);
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

enum ms_status ms_record_add_samples(struct ms_json *j, const struct ms_record_input *in,
                                     struct ms_err *err)
{
    ms_json_object(j, "samples");
    if (in->degraded) {
        ms_json_end_object(j);
        return MS_OK;
    }
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

static void add_cell(struct ms_buf *out, double seconds)
{
    char number[32];
    ms_buf_printf(out, ",%s", ms_number(seconds * 1e6, number));
}

/* Beside the slowest rank's: rank "mean". */
static void add_mean_row(const struct ms_sim_output *o, int repeat, int step, int layer, int group,
                         size_t at, struct ms_buf *out)
{
    size_t n = (size_t)o->n_ranks;
    double dispatch_s = ms_record_rank_mean(o->rank_dispatch_s + at * n, n),
           combine_s = ms_record_rank_mean(o->rank_combine_s + at * n, n);
    ms_buf_printf(out, "%d,%d,%d,%d,mean", repeat, step, layer, group);
    add_cell(out, dispatch_s);
    add_cell(out, combine_s);
    add_cell(out, dispatch_s + combine_s);
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
