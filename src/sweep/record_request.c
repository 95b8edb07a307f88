/* Decides what a request saw: decoding, over the steps that it was in a batch of, the mean and the worst
 * one (the time to its next token); in prefill the step that it was packed into (to its first). */
#include <math.h>
#include <stdlib.h>

#include "base/json.h"
#include "stats/percentile.h"
#include "sweep/record_parts.h"

struct seen {
    double us, n; /* so many requests saw it */
};

static int faster(const void *a, const void *b)
{
    double x = ((const struct seen *)a)->us, y = ((const struct seen *)b)->us;
    return (x > y) - (x < y);
}

/* Nearest rank of a sample in which every value stands n times. */
static double percentile(const struct seen *v, size_t n, double total, int percent)
{
    double rank = (double)ms_percentile_rank(percent, (size_t)total), at = 0;
    for (size_t i = 0; i < n; i++) {
        at += v[i].n;
        if (at >= rank)
            return v[i].us;
    }
    return v[n - 1].us;
}

static void add(struct ms_json *j, const char *name, struct seen *v, size_t n)
{
    double total = 0, sum = 0;
    qsort(v, n, sizeof *v, faster);
    for (size_t i = 0; i < n; i++) {
        total += v[i].n;
        sum += v[i].n * v[i].us;
    }
    ms_json_object(j, name);
    ms_json_number(j, "p50_us", percentile(v, n, total, 50));
    ms_json_number(j, "p95_us", percentile(v, n, total, 95));
    ms_json_number(j, "p99_us", percentile(v, n, total, 99));
    ms_json_number(j, "max_us", v[n - 1].us);
    ms_json_number(j, "mean_us", sum / total);
    ms_json_integer(j, "n", (int64_t)total);
    ms_json_end_object(j);
}

/* The steps first .. last of a group in a run: their mean and their worst. */
static void see(const struct ms_record_input *in, int repeat, int group, int first, int last,
                double *mean, double *worst)
{
    const struct ms_sim_output *o = in->out;
    size_t run = ms_cell(in->repeat_run[repeat], o->n_steps, 0);
    *mean = *worst = 0;
    for (int s = first; s <= last; s++) {
        double us = o->step_s[(run + (size_t)s) * (size_t)o->n_groups + (size_t)group] * 1e6;
        *mean += us / (last - first + 1);
        *worst = fmax(*worst, us);
    }
}

enum ms_status ms_record_add_request(struct ms_json *j, const struct ms_record_input *in,
                                     struct ms_err *err)
{
    int P = in->out->n_steps, Q = in->out->n_groups;
    size_t each = (size_t)Q * (size_t)P * (size_t)P, n = 0, most = each * (size_t)in->s->repeats;
    if (!in->stays || ms_record_of_fewer(in))
        return MS_OK;
    struct seen *mean = malloc((most + 1) * sizeof *mean),
                *worst = malloc((most + 1) * sizeof *worst);
    for (size_t i = 0; mean && worst && i < most; i++) {
        int first = (int)(i / (size_t)P % (size_t)P), last = (int)(i % (size_t)P);
        if (in->stays[i] <= 0)
            continue;
        mean[n].n = worst[n].n = in->stays[i];
        see(in, (int)(i / each), (int)(i % each / (size_t)P / (size_t)P), first, last, &mean[n].us,
            &worst[n].us);
        n += isnan(mean[n].us) ? 0 : 1; /* a step that was not completed ends it */
    }
    bool ok = mean && worst;
    if (ok && n > 0) {
        ms_json_object(j, "request");
        if (in->s->workload.requests.phase == MS_REQUESTS_PREFILL) {
            add(j, "first_token", mean, n);
        } else {
            add(j, "mean_step", mean, n);
            add(j, "worst_step", worst, n);
        }
        ms_json_end_object(j);
    }
    free(mean);
    free(worst);
    return ok ? MS_OK : ms_record_no_memory(err);
}
