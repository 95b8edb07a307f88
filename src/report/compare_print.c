/* Decides how a comparison looks as a table for a terminal, and which columns its CSV and JSON have. */
#include <math.h>
#include <string.h>

#include "base/csv.h"
#include "base/json.h"
#include "base/units.h"
#include "report/compare.h"
#include "stats/percentile.h"

static const int percents[] = {50, 95, 99};

static double percentile_of(const struct ms_comparison *c, const struct ms_result *r, int percent)
{
    char path[40];
    snprintf(path, sizeof path, "%s.p%d_us", ms_series_name(c->series), percent);
    return ms_result_number(r, path);
}

static bool supported(const struct ms_comparison *c, const struct ms_result *r, int percent)
{
    char path[40];
    snprintf(path, sizeof path, "%s.n", ms_series_name(c->series));
    return ms_result_number(r, path) >= (double)ms_percentile_needs(percent);
}

static bool shows_value(const struct ms_comparison *c)
{
    return !c->is_series || c->stat == MS_STAT_MEAN || c->stat == MS_STAT_MAX;
}

/* ---- the table ---- */

static void add_columns(struct ms_table *t, const struct ms_comparison *c)
{
    ms_table_column(t, c->by, MS_LEFT, false);
    for (int i = 0; c->is_series && i < 3; i++) {
        char title[16];
        snprintf(title, sizeof title, "p%d us", percents[i]);
        ms_table_column(t, title, MS_RIGHT, false);
    }
    if (shows_value(c))
        ms_table_column(t, c->metric, MS_RIGHT, false);
    ms_table_column(t, "ratio (95 %)", MS_LEFT, false);
    ms_table_column(t, "verdict", MS_LEFT, false);
    ms_table_column(t, "slowdown", MS_RIGHT, true);
    if (strcmp(c->by, "platform") == 0) {
        ms_table_column(t, "switches", MS_RIGHT, true);
        ms_table_column(t, "cables", MS_RIGHT, true);
        ms_table_column(t, "bisection/GPU", MS_RIGHT, true);
    }
}

static void add_time(struct ms_table *t, double us, bool carried)
{
    if (isnan(us))
        ms_table_cell(t, MS_DIM, "-");
    else
        ms_table_cell(t, MS_PLAIN, "%.*f%s", us < 99.95 ? 2 : 1, us, carried ? "" : "*");
}

static void add_ratio(struct ms_table *t, const struct ms_comparison *c,
                      const struct ms_compare_row *r)
{
    if (r->is_baseline || isnan(r->ratio.ratio)) {
        ms_table_cell(t, MS_PLAIN, "%s", "");
        ms_table_cell(t, MS_DIM, "%s", r->is_baseline ? "baseline" : r->r->ok ? "" : "failed");
        return;
    }
    bool better = (r->verdict == MS_VERDICT_FASTER) != c->more_is_better;
    enum ms_style style = r->verdict == MS_VERDICT_TIE ? MS_PLAIN : better ? MS_GREEN : MS_RED;
    if (r->ratio.has_interval)
        ms_table_cell(t, style, "%.3f [%.3f, %.3f]", r->ratio.ratio, r->ratio.lo, r->ratio.hi);
    else
        ms_table_cell(t, style, "%.3f", r->ratio.ratio);
    ms_table_cell(t, style, "%s", ms_compare_word(c, r->verdict));
}

static void add_count(struct ms_table *t, double v)
{
    if (isnan(v))
        ms_table_cell(t, MS_DIM, "-");
    else
        ms_table_cell(t, MS_PLAIN, "%.0f", v);
}

static void add_row(struct ms_table *t, const struct ms_comparison *c,
                    const struct ms_compare_row *r)
{
    ms_table_row(t);
    ms_table_cell(t, r->is_baseline ? MS_BOLD : MS_PLAIN, "%s%s", r->label,
                  ms_result_true(r->r, "oracle") ? " (oracle)" : "");
    for (int i = 0; c->is_series && i < 3; i++)
        add_time(t, percentile_of(c, r->r, percents[i]), supported(c, r->r, percents[i]));
    if (shows_value(c)) {
        if (isnan(r->value))
            ms_table_cell(t, MS_DIM, "-");
        else
            ms_table_cell(t, MS_PLAIN, "%.5g", r->value);
    }
    add_ratio(t, c, r);
    double slowdown = ms_result_number(r->r, "slowdown.vs_balanced_p99");
    if (isnan(slowdown))
        ms_table_cell(t, MS_DIM, "-");
    else
        ms_table_cell(t, MS_PLAIN, "x%.2f", slowdown);
    if (strcmp(c->by, "platform") != 0)
        return;
    char rate[32] = "-";
    double bisection = ms_result_number(r->r, "platform.bisection_per_gpu_Bps");
    add_count(t, ms_result_number(r->r, "platform.switches"));
    add_count(t, ms_result_number(r->r, "platform.cables"));
    if (!isnan(bisection))
        snprintf(rate, sizeof rate, "%.3g GB/s", bisection / 1e9);
    ms_table_cell(t, MS_PLAIN, "%s", rate);
}

enum ms_status ms_compare_table(const struct ms_comparison *c, FILE *out,
                                const struct ms_term *term)
{
    const char *bold = ms_style_begin(MS_BOLD, term->colour),
               *end = ms_style_end(MS_BOLD, term->colour);
    fprintf(out, "%s%s%s\n%s against %s %s\n", bold, c->caption, end, c->metric, c->by,
            c->baseline);
    for (size_t g = 0; g < c->n_groups; g++) {
        struct ms_table *t = ms_table_create();
        if (t)
            add_columns(t, c);
        for (size_t i = 0; t && i < c->group[g].n; i++)
            add_row(t, c, &c->group[g].row[i]);
        fprintf(out, "\n");
        if (*c->group[g].title)
            fprintf(out, "%s%s%s\n", bold, c->group[g].title, end);
        bool printed = ms_table_print(t, out, term);
        ms_table_destroy(t);
        if (!printed)
            return MS_NOMEM;
    }
    if (c->n_notes > 0)
        fprintf(out, "\n");
    for (size_t i = 0; i < c->n_notes; i++)
        fprintf(out, "%s\n", c->note[i]);
    return MS_OK;
}

/* ---- CSV ---- */

static void add_number(struct ms_buf *out, double v)
{
    char number[40];
    ms_buf_printf(out, ",%s", isfinite(v) ? ms_number(v, number) : "");
}

void ms_compare_csv(const struct ms_comparison *c, struct ms_buf *out)
{
    ms_buf_adds(out, "group,");
    ms_csv_cell(out, c->by);
    ms_buf_adds(out,
                ",case,metric,value,ratio,ratio_lo,ratio_hi,verdict,slowdown_p99,switches,cables,"
                "bisection_per_gpu_Bps\n");
    for (size_t g = 0; g < c->n_groups; g++)
        for (size_t i = 0; i < c->group[g].n; i++) {
            const struct ms_compare_row *r = &c->group[g].row[i];
            ms_csv_cell(out, c->group[g].title);
            ms_buf_adds(out, ",");
            ms_csv_cell(out, r->label);
            ms_buf_printf(out, ",%s,%s", r->r->id, c->metric);
            add_number(out, r->value);
            add_number(out, r->is_baseline ? NAN : r->ratio.ratio);
            add_number(out, r->is_baseline ? NAN : r->ratio.lo);
            add_number(out, r->is_baseline ? NAN : r->ratio.hi);
            ms_buf_printf(out, ",%s",
                          r->is_baseline          ? "baseline"
                          : isnan(r->ratio.ratio) ? (r->r->ok ? "" : "failed")
                                                  : ms_compare_word(c, r->verdict));
            add_number(out, ms_result_number(r->r, "slowdown.vs_balanced_p99"));
            add_number(out, ms_result_number(r->r, "platform.switches"));
            add_number(out, ms_result_number(r->r, "platform.cables"));
            add_number(out, ms_result_number(r->r, "platform.bisection_per_gpu_Bps"));
            ms_buf_adds(out, "\n");
        }
}

/* ---- JSON ---- */

static void json_row(struct ms_json *j, const struct ms_comparison *c,
                     const struct ms_compare_row *r)
{
    ms_json_object(j, NULL);
    ms_json_string(j, "value", r->label);
    ms_json_string(j, "case", r->r->id);
    ms_json_string(j, "status", r->r->ok ? "ok" : "failed");
    for (int i = 0; c->is_series && i < 3; i++) {
        char key[16];
        snprintf(key, sizeof key, "p%d_us", percents[i]);
        ms_json_number(j, key, percentile_of(c, r->r, percents[i]));
    }
    ms_json_number(j, "metric", r->value);
    ms_json_bool(j, "baseline", r->is_baseline);
    ms_json_number(j, "ratio", r->is_baseline ? 1 : r->ratio.ratio);
    if (r->ratio.has_interval && !r->is_baseline) {
        ms_json_array(j, "ci95");
        ms_json_number(j, NULL, r->ratio.lo);
        ms_json_number(j, NULL, r->ratio.hi);
        ms_json_end_array(j);
    } else {
        ms_json_null(j, "ci95");
    }
    bool judged = !r->is_baseline && !isnan(r->ratio.ratio);
    ms_json_string(j, "verdict", judged ? ms_compare_word(c, r->verdict) : NULL);
    ms_json_number(j, "slowdown_p99", ms_result_number(r->r, "slowdown.vs_balanced_p99"));
    ms_json_number(j, "switches", ms_result_number(r->r, "platform.switches"));
    ms_json_number(j, "cables", ms_result_number(r->r, "platform.cables"));
    ms_json_number(j, "bisection_per_gpu_Bps",
                   ms_result_number(r->r, "platform.bisection_per_gpu_Bps"));
    ms_json_end_object(j);
}

void ms_compare_json(const struct ms_comparison *c, struct ms_buf *out)
{
    struct ms_json j = {.out = out};
    ms_json_object(&j, NULL);
    ms_json_string(&j, "caption", c->caption);
    ms_json_string(&j, "by", c->by);
    ms_json_string(&j, "metric", c->metric);
    ms_json_string(&j, "baseline", c->baseline);
    ms_json_number(&j, "margin", c->margin);
    ms_json_array(&j, "groups");
    for (size_t g = 0; g < c->n_groups; g++) {
        ms_json_object(&j, NULL);
        ms_json_string(&j, "group", c->group[g].title);
        ms_json_array(&j, "rows");
        for (size_t i = 0; i < c->group[g].n; i++)
            json_row(&j, c, &c->group[g].row[i]);
        ms_json_end_array(&j);
        ms_json_end_object(&j);
    }
    ms_json_end_array(&j);
    ms_json_array(&j, "notes");
    for (size_t i = 0; i < c->n_notes; i++)
        ms_json_string(&j, NULL, c->note[i]);
    ms_json_end_array(&j);
    ms_json_end_object(&j);
    ms_buf_adds(out, "\n");
}
