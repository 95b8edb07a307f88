/* The member `slowdown` of a record: the case's times against those of its balanced twin, which moves
 * the same bytes spread evenly. */
#include <stdlib.h>

#include "stats/boot.h"
#include "sweep/record_parts.h"

enum { P50, P95, P99, N_PERCENTILES };

/* Repeat by repeat. */
static enum ms_status ratios(const struct ms_record_input *in, enum ms_series which,
                             struct ms_ratio *ratio, struct ms_err *err)
{
    static const int percent[] = {[P50] = 50, [P95] = 95, [P99] = 99};
    size_t n, m, per_run = ms_series_count(which, in->out);
    double *a = ms_record_series(in, which, in->repeat_run, &n);
    double *b = ms_record_series(in, which, in->twin_run, &m);
    int *repeat = malloc((n + 1) * sizeof *repeat);
    enum ms_status s = a && b && repeat ? MS_OK : ms_record_no_memory(err);
    for (size_t i = 0; s == MS_OK && i < n; i++)
        repeat[i] = (int)(i / per_run);
    struct ms_clustered x = {a, repeat, n, in->s->repeats}, y = {b, repeat, n, in->s->repeats};
    for (int p = 0; s == MS_OK && p < N_PERCENTILES; p++)
        s = ms_boot_ratio(&x, &y, percent[p], in->s->seed, 0, &ratio[p], err);
    free(a);
    free(b);
    free(repeat);
    return s;
}

enum ms_status ms_record_add_slowdown(struct ms_json *j, const struct ms_record_input *in,
                                      struct ms_err *err)
{
    if (!in->twin_run) {
        ms_json_null(j, "slowdown");
        return MS_OK;
    }
    struct ms_ratio ratio[N_PERCENTILES];
    enum ms_status s = ratios(in, ms_record_main_series(in), ratio, err);
    if (s != MS_OK)
        return s;
    ms_json_object(j, "slowdown");
    ms_json_number(j, "vs_balanced_p50", ratio[P50].ratio);
    ms_json_number(j, "vs_balanced_p95", ratio[P95].ratio);
    ms_json_number(j, "vs_balanced_p99", ratio[P99].ratio);
    if (ratio[P99].has_interval) {
        ms_json_array(j, "ci95");
        ms_json_number(j, NULL, ratio[P99].lo);
        ms_json_number(j, NULL, ratio[P99].hi);
        ms_json_end_array(j);
    } else {
        ms_json_null(j, "ci95");
    }
    ms_json_end_object(j);
    return MS_OK;
}
