/* Decides how a comparison looks as a table, for a terminal or a document, and what columns CSV
 * and JSON have. */
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

static bool shows_value(const struct ms_comparison *c)
{
    return !c->is_series || c->stat == MS_STAT_MEAN || c->stat == MS_STAT_MAX;
}

/* ---- the table ---- */

/* How readily a column is left out of a narrow table. */
enum { SPARE_PERCENTILE = 2, SPARE_SLOWDOWN, SPARE_INTERVAL, SPARE_COST };

static bool by_platform(const struct ms_comparison *c)
{
    return strcmp(c->by, "platform") == 0;
}

static void add_columns(struct ms_table *t, const struct ms_comparison *c,
                        const struct ms_compare_group *g)
{
    char title[64];
    ms_table_column(t, c->by, MS_LEFT, 0);
    if (c->x)
        ms_table_column(t, c->x, MS_RIGHT, 0);
    for (int i = 0; c->is_series && i < 3; i++) {
        snprintf(title, sizeof title, "p%d us", percents[i]);
        ms_table_column(t, title, MS_RIGHT, percents[i] == c->stat ? 0 : SPARE_PERCENTILE);
        if (percents[i] == c->stat)
            ms_table_column(t, "(95 %)", MS_LEFT, SPARE_INTERVAL);
    }
    if (ms_compare_shows_tail(c, g))
        ms_table_column(t, "p99/p50", MS_RIGHT, SPARE_PERCENTILE);
    if (shows_value(c))
        ms_table_column(t, c->metric, MS_RIGHT, 0);
    ms_table_column(t, "ratio (95 %)", MS_LEFT, 0);
    if (c->is_series || c->is_rate)
        ms_table_column(t, "verdict", MS_LEFT, 0);
    if (g->mixed_hardware)
        ms_table_column(t, "hardware", MS_LEFT, 0);
    if (g->has_slowdown) {
        snprintf(title, sizeof title, "slowdown p%d", c->stat);
        ms_table_column(t, title, MS_RIGHT, SPARE_SLOWDOWN);
    }
    if (by_platform(c)) {
        ms_table_column(t, "switches", MS_RIGHT, SPARE_COST);
        ms_table_column(t, "cables", MS_RIGHT, SPARE_COST);
        ms_table_column(t, "bisection/GPU", MS_RIGHT, SPARE_COST);
    }
}

static void add_time(struct ms_table *t, double us, bool carried)
{
    if (isnan(us))
        ms_table_cell(t, MS_DIM, "-");
    else
        ms_table_cell(t, MS_PLAIN, "%.*f%s", us < 99.95 ? 2 : 1, us, carried ? "" : "*");
}

static void add_times(struct ms_table *t, const struct ms_comparison *c,
                      const struct ms_compare_row *r)
{
    for (int i = 0; i < 3; i++) {
        add_time(t, percentile_of(c, r->r, percents[i]), ms_compare_carries(r->r, percents[i]));
        if (percents[i] != c->stat)
            continue;
        int digits = r->value_hi < 99.95 ? 2 : 1;
        if (isnan(r->value_lo))
            ms_table_cell(t, MS_DIM, "%s", r->r->ok ? "-" : "");
        else
            ms_table_cell(t, MS_PLAIN, "[%.*f, %.*f]", digits, r->value_lo, digits, r->value_hi);
    }
}

static enum ms_style style_of(const struct ms_comparison *c, enum ms_verdict v)
{
    if (v == MS_VERDICT_UNCLEAR)
        return MS_YELLOW;
    if (v != MS_VERDICT_FASTER && v != MS_VERDICT_SLOWER)
        return MS_PLAIN;
    return (v == MS_VERDICT_FASTER) != c->is_rate ? MS_GREEN : MS_RED;
}

static void add_ratio(struct ms_table *t, const struct ms_comparison *c,
                      const struct ms_compare_row *r)
{
    bool none = r->is_baseline || isnan(r->ratio.ratio), words = c->is_series || c->is_rate;
    const char *instead = r->is_baseline ? "baseline" : r->r->ok ? "" : "failed";
    enum ms_style style = style_of(c, r->verdict);
    if (none)
        ms_table_cell(t, MS_DIM, "%s", words ? "" : instead);
    else if (r->ratio.has_interval)
        ms_table_cell(t, style, "%.3f [%.3f, %.3f]", r->ratio.ratio, r->ratio.lo, r->ratio.hi);
    else
        ms_table_cell(t, style, "%.3f", r->ratio.ratio);
    if (words)
        ms_table_cell(t, none ? MS_DIM : style, "%s",
                      none ? instead : ms_compare_word(c, r->verdict));
}

static void add_count(struct ms_table *t, double v)
{
    if (isnan(v))
        ms_table_cell(t, MS_DIM, "-");
    else
        ms_table_cell(t, MS_PLAIN, "%.0f", v);
}

static void add_costs(struct ms_table *t, const struct ms_result *r)
{
    char rate[32] = "-";
    double bisection = ms_result_number(r, "platform.bisection_per_gpu_Bps");
    add_count(t, ms_result_number(r, "platform.switches"));
    add_count(t, ms_result_number(r, "platform.cables"));
    if (!isnan(bisection))
        snprintf(rate, sizeof rate, "%.3g GB/s", bisection / 1e9);
    ms_table_cell(t, MS_PLAIN, "%s", rate);
}

static void add_row(struct ms_table *t, const struct ms_comparison *c,
                    const struct ms_compare_group *g, const struct ms_compare_row *r)
{
    char number[32];
    ms_table_row(t);
    ms_table_cell(t, r->is_baseline ? MS_BOLD : MS_PLAIN, "%s%s", r->label,
                  ms_result_true(r->r, "oracle") ? " (oracle)" : "");
    if (c->x && isnan(ms_compare_x(c, r->r)))
        ms_table_cell(t, MS_DIM, "-");
    else if (c->x)
        ms_table_cell(t, MS_PLAIN, "%s", ms_plain_number(ms_compare_x(c, r->r), number));
    if (c->is_series)
        add_times(t, c, r);
    if (ms_compare_shows_tail(c, g))
        ms_table_cell(t, MS_PLAIN, "%.2f", percentile_of(c, r->r, 99) / percentile_of(c, r->r, 50));
    if (shows_value(c) && isnan(r->value))
        ms_table_cell(t, MS_DIM, "-");
    else if (shows_value(c))
        ms_table_cell(t, MS_PLAIN, "%s", ms_plain_number(r->value, number));
    add_ratio(t, c, r);
    if (g->mixed_hardware)
        ms_table_cell(t, MS_PLAIN, "%s", ms_result_text(r->r, "hardware", "none"));
    if (g->has_slowdown) {
        double slowdown = ms_compare_slowdown(c, r->r);
        if (isnan(slowdown))
            ms_table_cell(t, MS_DIM, "-");
        else
            ms_table_cell(t, MS_PLAIN, "x%.2f%s", slowdown,
                          ms_compare_carries(r->r, c->stat) ? "" : "*");
    }
    if (by_platform(c))
        add_costs(t, r->r);
}

static struct ms_table *make_table(const struct ms_comparison *c, const struct ms_compare_group *g)
{
    struct ms_table *t = ms_table_create();
    if (t)
        add_columns(t, c, g);
    for (size_t i = 0; t && i < g->n; i++)
        add_row(t, c, g, &g->row[i]);
    return t;
}

/* What the times are of; the reader of a table cannot know. */
static const char *meaning(const struct ms_comparison *c)
{
    static const char *const of[] = {
        "dispatch + combine of a layer, each from its last entry to its last completion",
        "from the last rank's entry to the last completion",
        "from the last rank's entry to the last completion",
        "a rank's own dispatch + combine",
        ("from the first dispatch entry to the last combine completion, compute and waiting "
         "included"),
        "all layers of a step, compute and waiting included"};
    return c->is_series ? of[c->series] : NULL;
}

enum ms_status ms_compare_table(const struct ms_comparison *c, FILE *out,
                                const struct ms_term *term)
{
    const char *bold = ms_style_begin(MS_BOLD, term->colour),
               *end = ms_style_end(MS_BOLD, term->colour);
    fprintf(out, "%s%s%s\n%s against %s %s\n", bold, c->caption, end, c->metric, c->by,
            c->baseline);
    if (meaning(c))
        fprintf(out, "%s: %s\n", ms_series_name(c->series), meaning(c));
    for (size_t g = 0; g < c->n_groups; g++) {
        struct ms_table *t = make_table(c, &c->group[g]);
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

enum ms_status ms_compare_document(const struct ms_comparison *c, bool latex, FILE *out)
{
    fprintf(out, "%s%s: %s against %s %s\n", latex ? "% " : "", c->caption, c->metric, c->by,
            c->baseline);
    for (size_t g = 0; g < c->n_groups; g++) {
        struct ms_table *t = make_table(c, &c->group[g]);
        fprintf(out, "\n");
        if (*c->group[g].title)
            fprintf(out, latex ? "%% %s\n" : "**%s**\n\n", c->group[g].title);
        bool printed = latex ? ms_table_latex(t, out) : ms_table_markdown(t, out);
        ms_table_destroy(t);
        if (!printed)
            return MS_NOMEM;
    }
    for (size_t i = 0; i < c->n_notes; i++)
        fprintf(out, "%s%s\n", latex ? "% " : i == 0 ? "\n- " : "- ", c->note[i]);
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
                "bisection_per_gpu_Bps,value_lo,value_hi,slowdown,units,hardware\n");
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
            add_number(out, r->value_lo);
            add_number(out, r->value_hi);
            add_number(out, ms_compare_slowdown(c, r->r));
            add_number(out, r->units);
            ms_buf_adds(out, ",");
            ms_csv_cell(out, ms_result_text(r->r, "hardware", ""));
            ms_buf_adds(out, "\n");
        }
}

/* ---- JSON ---- */

static void json_interval(struct ms_json *j, const char *key, bool there, double lo, double hi)
{
    if (!there) {
        ms_json_null(j, key);
        return;
    }
    ms_json_array(j, key);
    ms_json_number(j, NULL, lo);
    ms_json_number(j, NULL, hi);
    ms_json_end_array(j);
}

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
    json_interval(j, "metric_ci95", !isnan(r->value_lo), r->value_lo, r->value_hi);
    ms_json_number(j, "units", r->units);
    ms_json_bool(j, "baseline", r->is_baseline);
    ms_json_number(j, "ratio", r->is_baseline ? 1 : r->ratio.ratio);
    json_interval(j, "ci95", r->ratio.has_interval && !r->is_baseline, r->ratio.lo, r->ratio.hi);
    bool judged = !r->is_baseline && r->verdict != MS_VERDICT_NONE;
    ms_json_string(j, "verdict", judged ? ms_compare_word(c, r->verdict) : NULL);
    ms_json_number(j, "slowdown", ms_compare_slowdown(c, r->r));
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
