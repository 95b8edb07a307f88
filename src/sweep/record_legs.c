/* What a record says of legs beside their slowest rank: the mean over ranks, and the part that
 * notify has of them. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "stats/percentile.h"
#include "sweep/record_parts.h"

static void add(struct ms_json *j, const char *name, double *v, size_t n, double units)
{
    n = ms_record_present(v, n);
    if (n == 0)
        return;
    struct ms_summary s = ms_summarise(v, n, units);
    ms_json_object(j, name);
    ms_json_number(j, "p50_us", s.p50);
    ms_json_number(j, "p95_us", s.p95);
    ms_json_number(j, "p99_us", s.p99);
    ms_json_number(j, "mean_us", s.mean);
    ms_json_end_object(j);
}

/* A leg's time, mean over ranks that are there; NAN where the leg was not completed. */
double ms_record_rank_mean(const double *v, size_t n_ranks)
{
    double sum = 0, there = 0;
    for (size_t r = 0; r < n_ranks; r++) {
        sum += isnan(v[r]) ? 0 : v[r];
        there += !isnan(v[r]);
    }
    return sum / there;
}

static void means(const double *leg_s, const double *rank_s, size_t n_ranks, size_t n, double *us)
{
    for (size_t i = 0; i < n; i++) {
        us[i] = isnan(leg_s[i]) ? NAN : 1e6 * ms_record_rank_mean(rank_s + i * n_ranks, n_ranks);
    }
}

static void add_means(struct ms_json *j, const struct ms_record_input *in, bool combine, size_t n,
                      double units, double *v)
{
    const struct ms_sim_output *o = in->out;
    const double *rank_s = combine ? o->rank_combine_s : o->rank_dispatch_s;
    size_t ranks = (size_t)o->n_ranks;
    const double *leg_s = combine ? o->combine_s : o->dispatch_s;
    for (int r = 0; r < in->s->repeats; r++) {
        size_t at = (size_t)in->repeat_run[r] * n;
        means(leg_s + at, rank_s + at * ranks, ranks, n, v + (size_t)r * n);
    }
    add(j, combine ? "combine_mean" : "dispatch_mean", v, n * (size_t)in->s->repeats, units);
}

static void add_notify(struct ms_json *j, const struct ms_record_input *in, size_t n, double units,
                       double *v)
{
    const struct ms_sim_output *o = in->out;
    double any = 0;
    for (int r = 0; r < in->s->repeats; r++)
        for (size_t i = 0; i < n; i++) {
            size_t at = (size_t)in->repeat_run[r] * n + i;
            v[(size_t)r * n + i] = 1e6 * (o->dispatch_notify_s[at] + o->combine_notify_s[at]);
            any += isnan(v[(size_t)r * n + i]) ? 0 : v[(size_t)r * n + i];
        }
    if (any > 0)
        add(j, "notify", v, n * (size_t)in->s->repeats, units);
}

enum ms_status ms_record_add_legs(struct ms_json *j, const struct ms_record_input *in, double units,
                                  struct ms_err *err)
{
    size_t n = ms_series_count(MS_SERIES_DISPATCH, in->out);
    if (!ms_series_defined(MS_SERIES_DISPATCH, in->s))
        return MS_OK;
    double *v = malloc((n * (size_t)in->s->repeats + 1) * sizeof *v);
    if (!v)
        return ms_record_no_memory(err);
    add_means(j, in, false, n, units, v);
    if (ms_series_defined(MS_SERIES_COMBINE, in->s))
        add_means(j, in, true, n, units, v);
    add_notify(j, in, n, units, v);
    free(v);
    return MS_OK;
}
