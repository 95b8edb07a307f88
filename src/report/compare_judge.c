/* Decides the numbers beside a value: its own interval, its ratio to the baseline with an interval,
 * and the verdict, or that there is none. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "report/compare.h"
#include "stats/percentile.h"

/* The samples a judgement needs of one record. */
struct side {
    struct ms_arena arena;
    struct ms_clustered metric, step;
    bool has_metric, has_step;
};

static enum ms_status nomem(struct ms_err *err)
{
    return ms_err_set(err, MS_NOMEM, "out of memory comparing results");
}

static enum ms_status load(const struct ms_comparison *c, const struct ms_result *r, struct side *s,
                           struct ms_err *err)
{
    json_t *record = ms_result_json(r);
    if (!record)
        return nomem(err);
    ms_arena_reset(&s->arena);
    s->has_metric =
        (c->is_series || c->is_rate) && ms_record_samples(record, c->series, &s->arena, &s->metric);
    s->has_step = ms_record_samples(record, MS_SERIES_STEP, &s->arena, &s->step);
    json_decref(record);
    return MS_OK;
}

static int by_double(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static enum ms_status own_interval(const struct ms_comparison *c, struct ms_compare_row *row,
                                   struct side *s, struct ms_err *err)
{
    if (!s->has_metric || c->is_rate || c->stat < 1 || c->stat > 99)
        return MS_OK;
    double *sorted = MS_NEW(&s->arena, double, s->metric.n);
    if (!sorted)
        return nomem(err);
    memcpy(sorted, s->metric.value, s->metric.n * sizeof *sorted);
    qsort(sorted, s->metric.n, sizeof *sorted, by_double);
    ms_percentile_interval(sorted, s->metric.n, row->units, c->stat, &row->value_lo,
                           &row->value_hi);
    return MS_OK;
}

static struct ms_ratio plain_ratio(double a, double b)
{
    return (struct ms_ratio){.ratio = b > 0 ? a / b : NAN, .lo = NAN, .hi = NAN, .p_inside = 1};
}

static enum ms_status boot(const struct ms_comparison *c, const struct ms_clustered *a,
                           const struct ms_clustered *b, int stat, const struct ms_result *base,
                           struct ms_ratio *out, struct ms_err *err)
{
    double said = ms_result_number(base, "seed"); /* NaN in a record that has none */
    uint64_t seed = said >= 0 && said < 18e18 ? (uint64_t)said : 0;
    if (a->n_repeats != b->n_repeats)
        return MS_OK;
    return ms_boot_ratio(a, b, stat, seed, c->margin, out, err);
}

/* Means by repeat: the variance of differences against the sum of variances. */
static double paired_share(const struct ms_clustered *a, const struct ms_clustered *b)
{
    double sum[3] = {0}, square[3] = {0};
    int R = a->n_repeats;
    size_t i = 0, k = 0;
    if (R < 3 || b->n_repeats != R)
        return NAN;
    for (int r = 0; r < R; r++) {
        double x = 0, y = 0, n = 0, m = 0;
        for (; i < a->n && a->repeat[i] == r; i++, n++)
            x += a->value[i];
        for (; k < b->n && b->repeat[k] == r; k++, m++)
            y += b->value[k];
        if (n < 1 || m < 1)
            return NAN;
        double v[3] = {x / n, y / m, x / n - y / m};
        for (int j = 0; j < 3; j++) {
            sum[j] += v[j];
            square[j] += v[j] * v[j];
        }
    }
    for (int j = 0; j < 3; j++)
        square[j] -= sum[j] * sum[j] / R;
    return square[0] + square[1] > 0 ? square[2] / (square[0] + square[1]) : NAN;
}

static enum ms_status ratios_of(const struct ms_comparison *c, struct ms_compare_row *row,
                                const struct side *own, const struct ms_compare_row *base,
                                const struct side *its, struct ms_err *err)
{
    enum ms_status s = MS_OK;
    row->ratio = plain_ratio(row->value, base->value);
    if (isnan(row->ratio.ratio))
        return MS_OK;
    if (own->has_metric && its->has_metric && !(c->is_series && c->stat == MS_STAT_MAX)) {
        const struct ms_clustered *a = c->is_rate ? &its->metric : &own->metric,
                                  *b = c->is_rate ? &own->metric : &its->metric;
        double exact = row->ratio.ratio; /* of the unrounded record */
        row->paired = paired_share(a, b);
        s = boot(c, a, b, c->stat, base->r, &row->ratio, err);
        row->ratio.ratio = exact;
    }
    if (s == MS_OK && own->has_step && its->has_step)
        s = boot(c, &own->step, &its->step, MS_STAT_MEAN, base->r, &row->step, err);
    return s;
}

static enum ms_status measure(const struct ms_comparison *c, struct ms_compare_group *g,
                              struct side *base, struct side *own, struct ms_err *err)
{
    enum ms_status s = MS_OK;
    for (size_t i = 0; s == MS_OK && i < g->n; i++) {
        struct ms_compare_row *row = &g->row[i];
        struct side *mine = i == 0 ? base : own;
        row->ratio = row->step = plain_ratio(NAN, NAN);
        row->paired = NAN;
        row->value_lo = row->value_hi = NAN;
        row->units = ms_result_units(row->r);
        if (!row->r->ok)
            continue;
        g->has_slowdown = g->has_slowdown || !isnan(ms_compare_slowdown(c, row->r));
        s = load(c, row->r, mine, err);
        if (s == MS_OK)
            s = own_interval(c, row, mine, err);
        if (s == MS_OK && i > 0 && g->row[0].is_baseline && g->row[0].r->ok)
            s = ratios_of(c, row, mine, &g->row[0], base, err);
    }
    return s;
}

static bool judged(const struct ms_ratio *r)
{
    return r->has_interval && r->n_repeats >= MS_VERDICT_REPEATS;
}

/* Holm's correction over the alternatives of a group. step: the step's ratios, else the metric's */
static enum ms_status verdicts(struct ms_comparison *c, struct ms_compare_group *g, bool step,
                               struct ms_err *err)
{
    double *p = malloc((g->n + 1) * sizeof *p);
    bool *reject = malloc((g->n + 1) * sizeof *reject);
    size_t m = 0, k = 0;
    enum ms_status s = p && reject ? MS_OK : nomem(err);
    for (size_t i = 1; s == MS_OK && i < g->n; i++) {
        const struct ms_ratio *r = step ? &g->row[i].step : &g->row[i].ratio;
        if (judged(r))
            p[m++] = r->p_inside;
    }
    if (s == MS_OK && ms_holm(p, m, 0.05, reject) != MS_OK)
        s = nomem(err);
    for (size_t i = 1; s == MS_OK && i < g->n; i++) {
        const struct ms_ratio *r = step ? &g->row[i].step : &g->row[i].ratio;
        bool beyond = judged(r) && reject[k++];
        enum ms_verdict v = ms_verdict(r, c->margin, beyond);
        *(step ? &g->row[i].step_verdict : &g->row[i].verdict) = v;
    }
    free(p);
    free(reject);
    return s;
}

/* A number without samples has a ratio and no verdict; nor has one across different hardware. */
static void withhold(const struct ms_comparison *c, struct ms_compare_group *g)
{
    const char *base = ms_result_text(g->row[0].r, "hardware", "");
    for (size_t i = 1; i < g->n; i++) {
        bool other = strcmp(ms_result_text(g->row[i].r, "hardware", ""), base) != 0;
        other = other && g->row[i].r->ok && g->row[0].r->ok;
        g->mixed_hardware = g->mixed_hardware || other;
        if (other || !(c->is_series || c->is_rate))
            g->row[i].verdict = g->row[i].step_verdict = MS_VERDICT_NONE;
    }
}

enum ms_status ms_compare_judge(struct ms_comparison *c, struct ms_compare_group *g,
                                struct ms_err *err)
{
    struct side base = {0}, own = {0};
    enum ms_status s = measure(c, g, &base, &own, err);
    if (s == MS_OK && g->row[0].is_baseline)
        s = verdicts(c, g, false, err);
    if (s == MS_OK && g->row[0].is_baseline)
        s = verdicts(c, g, true, err);
    if (s == MS_OK)
        withhold(c, g);
    ms_arena_finish(&base.arena);
    ms_arena_finish(&own.arena);
    return s;
}
