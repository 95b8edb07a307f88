/* The table of a group on report.html: what is compared, its interval and verdict, and behind them what
 * tells the rows apart. */
#include "report/page_parts.h"

#include <math.h>
#include <string.h>

/* Columns behind the verdict: those that some row of the page has. */
static const struct {
    const char *title, *path;
    double unit;
    int digits;
} behind_verdict[] = {
    {"held-out ce", "training.heldout_ce", 1, 3},
    {"held-out perplexity", "training.heldout_ppl", 1, 3},
    {"rank max/mean", "imbalance.rank_max_over_mean", 1, 2},
    {"Gini", "imbalance.gini", 1, 3},
    {"max/mean", "imbalance.max_over_mean", 1, 2},
    {"cables", "platform.cables", 1, 0},
    {"bisection GB/s a GPU", "platform.bisection_per_gpu_Bps", 1e9, 1},
};
enum { N_BEHIND = sizeof behind_verdict / sizeof *behind_verdict };

/* Has some row of the page it, and do this group's rows differ in it? */
static bool is_column(const struct ms_comparison *c, const struct ms_compare_group *g,
                      const char *path)
{
    bool there = false, differ = g->n < 2;
    if (strcmp(path, c->metric) == 0)
        return false; /* it is compared */
    for (size_t k = 0; k < c->n_groups; k++)
        for (size_t i = 0; i < c->group[k].n; i++)
            there = there || !isnan(ms_result_number(c->group[k].row[i].r, path));
    double first = ms_result_number(g->row[0].r, path);
    for (size_t i = 1; i < g->n; i++) {
        double v = ms_result_number(g->row[i].r, path);
        differ = differ || v != first; /* one that has none too */
    }
    return there && differ;
}

static bool has_slowdown(const struct ms_comparison *c, const struct ms_compare_group *g)
{
    bool any = false;
    for (size_t i = 0; c->is_series && i < g->n; i++)
        any = any || !isnan(ms_compare_slowdown(c, g->row[i].r));
    return any;
}

/* What is no column because it is the same in all rows. */
static void add_same(struct ms_buf *b, const struct ms_comparison *c,
                     const struct ms_compare_group *g)
{
    bool any = false;
    for (size_t i = 0; i < N_BEHIND; i++) {
        double v = ms_result_number(g->row[0].r, behind_verdict[i].path);
        bool compared = strcmp(behind_verdict[i].path, c->metric) == 0;
        if (isnan(v) || compared || is_column(c, g, behind_verdict[i].path))
            continue;
        ms_buf_printf(b, "%s %s %.*f",
                      any ? "," : "<p class=\"dim\">The same in all rows:", behind_verdict[i].title,
                      behind_verdict[i].digits, v / behind_verdict[i].unit);
        any = true;
    }
    if (any)
        ms_buf_adds(b, ".</p>\n");
}

static void head(struct ms_buf *b, const char *title, bool left)
{
    ms_buf_printf(b, "<th scope=\"col\"%s><button>", left ? " class=\"left\"" : "");
    ms_html_text(b, title);
    ms_buf_adds(b, "</button></th>");
}

static void cell(struct ms_buf *b, double v, const char *before, int digits, const char *behind)
{
    if (isnan(v))
        ms_buf_adds(b, "<td class=\"dim\" data-v=\"-1\">-</td>");
    else
        ms_buf_printf(b, "<td data-v=\"%.9g\">%s%.*f%s</td>", v, before, digits, v, behind);
}

static void add_ratio(struct ms_buf *b, const struct ms_comparison *c,
                      const struct ms_compare_row *r)
{
    const struct ms_ratio *q = &r->ratio;
    if (r->is_baseline)
        ms_buf_adds(b, "<td data-v=\"1\"></td><td class=\"left dim\">baseline</td>");
    else if (isnan(q->ratio))
        ms_buf_printf(b, "<td data-v=\"-1\"></td><td class=\"left failed\">%s</td>",
                      r->r->ok ? "" : "failed");
    else if (q->has_interval)
        ms_buf_printf(b, "<td data-v=\"%.9g\">%.3f [%.3f, %.3f]</td>", q->ratio, q->ratio, q->lo,
                      q->hi);
    else
        ms_buf_printf(b, "<td data-v=\"%.9g\">%.3f</td>", q->ratio, q->ratio);
    if (!r->is_baseline && !isnan(q->ratio))
        ms_buf_printf(b, "<td class=\"left %s\">%s</td>", ms_compare_word(c, r->verdict),
                      ms_compare_word(c, r->verdict));
}

static void add_row(struct ms_buf *b, const struct ms_comparison *c,
                    const struct ms_compare_group *g, const struct ms_compare_row *r)
{
    static const int percents[] = {50, 95, 99};
    char path[40];
    ms_buf_adds(b, "<tr>");
    ms_page_element(b, "td", "", r->label);
    for (int i = 0; c->is_series && i < 3; i++) {
        snprintf(path, sizeof path, "%s.p%d_us", ms_series_name(c->series), percents[i]);
        cell(b, ms_result_number(r->r, path), "", 1,
             ms_compare_carries(r->r, percents[i]) ? "" : "*");
        if (percents[i] != c->stat)
            continue;
        if (isnan(r->value_lo))
            ms_buf_adds(b, "<td class=\"dim\">-</td>");
        else
            ms_buf_printf(b, "<td>[%.1f, %.1f]</td>", r->value_lo, r->value_hi);
    }
    if (!c->is_series)
        cell(b, r->value, "", 3, "");
    add_ratio(b, c, r);
    if (g->mixed_hardware)
        ms_page_element(b, "td", " class=\"left\"", ms_result_text(r->r, "hardware", "-"));
    if (has_slowdown(c, g))
        cell(b, ms_compare_slowdown(c, r->r), "x", 2, "");
    for (size_t i = 0; i < N_BEHIND; i++)
        if (is_column(c, g, behind_verdict[i].path))
            cell(b, ms_result_number(r->r, behind_verdict[i].path) / behind_verdict[i].unit, "",
                 behind_verdict[i].digits, "");
    ms_buf_adds(b, "</tr>\n");
}

void ms_page_table(struct ms_buf *b, const struct ms_comparison *c,
                   const struct ms_compare_group *g)
{
    static const int percents[] = {50, 95, 99};
    char title[32];
    ms_buf_adds(b, "<div class=\"scroll\"><table class=\"sort\"><thead><tr>");
    head(b, c->by, true);
    for (int i = 0; c->is_series && i < 3; i++) {
        snprintf(title, sizeof title, "p%d us", percents[i]);
        head(b, title, false);
        if (percents[i] == c->stat)
            head(b, "95 %", false);
    }
    if (!c->is_series)
        head(b, c->metric, false);
    head(b, "ratio (95 %)", false);
    head(b, "verdict", true);
    if (g->mixed_hardware)
        head(b, "hardware", true);
    snprintf(title, sizeof title, "slowdown p%d", c->stat);
    if (has_slowdown(c, g))
        head(b, title, false);
    for (size_t i = 0; i < N_BEHIND; i++)
        if (is_column(c, g, behind_verdict[i].path))
            head(b, behind_verdict[i].title, false);
    ms_buf_adds(b, "</tr></thead><tbody>\n");
    for (size_t i = 0; i < g->n; i++)
        add_row(b, c, g, &g->row[i]);
    ms_buf_adds(b, "</tbody></table></div>\n");
    add_same(b, c, g);
}
