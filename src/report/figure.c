/* Decides how the figures of report.html are drawn: scales, marks, and the words beside them. */
#include "report/figure.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "report/figure_parts.h"
#include "report/plot_parts.h"

enum { MOST_CURVES = 12, MOST_POINTS = 300 };

/* ---- survival ---- */

struct curve {
    double *value; /* [n] ascending */
    size_t n;
};

static int by_double(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void draw_curve(struct ms_buf *b, const struct curve *c, const struct ms_scale *x,
                       const struct ms_scale *y, size_t number)
{
    size_t skip = c->n > MOST_POINTS ? c->n / MOST_POINTS : 1, tail = c->n > 100 ? c->n - 100 : 0;
    ms_buf_printf(b, "<path fill=\"none\" stroke-width=\"%s\" class=\"c%zu\" d=\"",
                  number ? "1.6" : "2.6", number % 12);
    for (size_t i = 0; i < c->n; i++) {
        if (i % skip != 0 && i < tail)
            continue;
        double share = log10((double)(c->n - i) / (double)c->n);
        ms_buf_printf(b, i ? "H%.1fV%.1f" : "M%.1f %.1f", ms_figure_at(x, c->value[i]),
                      ms_figure_at(y, share));
    }
    ms_buf_adds(b, "\"/>\n");
}

static void draw_survival(struct ms_buf *b, const struct ms_comparison *c,
                          const struct ms_compare_group *g, const struct curve *curve, size_t n)
{
    struct ms_scale x = {INFINITY, 0, MS_FIGURE_LEFT, MS_FIGURE_W - MS_FIGURE_RIGHT},
                    y = {-1, 0, MS_FIGURE_H - MS_FIGURE_BOTTOM, MS_FIGURE_TOP};
    static const double marked[] = {0, 50, 90, 95, 99, 99.9, 99.99, 99.999};
    char text[200];
    for (size_t i = 0; i < n; i++) {
        if (curve[i].n == 0)
            continue;
        x.lo = fmin(x.lo, curve[i].value[0]);
        x.hi = fmax(x.hi, curve[i].value[curve[i].n - 1]);
        y.lo = fmin(y.lo, -log10((double)curve[i].n));
    }
    ms_figure_begin(b, "Share of times longer than t, one curve a case", MS_FIGURE_H);
    ms_figure_y_title(b, y.from, y.to, "percentile (share longer than t)");
    for (size_t i = 0; i < sizeof marked / sizeof *marked; i++) {
        double share = log10(1 - marked[i] / 100);
        snprintf(text, sizeof text, "p%g", marked[i]);
        if (share >= y.lo)
            ms_figure_y_mark(b, ms_figure_at(&y, share), text);
    }
    snprintf(text, sizeof text, "t, microseconds of %s", ms_series_name(c->series));
    ms_figure_x_axis(b, &x, MS_FIGURE_H - MS_FIGURE_BOTTOM, MS_FIGURE_TOP, text);
    for (size_t i = n; i-- > 0;)
        if (curve[i].n > 0)
            draw_curve(b, &curve[i], &x, &y, i);
    snprintf(text, sizeof text,
             "Share of %ss that take longer than t, on a logarithmic scale: the further right a "
             "curve ends, the longer its tail.",
             ms_series_name(c->series));
    ms_figure_drawn(b);
    ms_figure_legend(b, g, n);
    ms_figure_caption(b, text);
}

enum ms_status ms_figure_survival(struct ms_buf *b, const struct ms_comparison *c,
                                  const struct ms_compare_group *g)
{
    struct curve curve[MOST_CURVES] = {{0}};
    struct ms_arena arena = {0};
    size_t n = g->n < MOST_CURVES ? g->n : MOST_CURVES, there = 0;
    bool failed = false;
    for (size_t i = 0; i < n && !failed; i++) {
        struct ms_clustered s;
        if (!g->row[i].r->ok || !ms_result_samples(g->row[i].r, c->series, &arena, &s))
            continue;
        curve[i] = (struct curve){MS_NEW(&arena, double, s.n), s.n};
        failed = !curve[i].value;
        if (failed)
            break;
        memcpy(curve[i].value, s.value, s.n * sizeof *s.value);
        qsort(curve[i].value, s.n, sizeof *s.value, by_double);
        there++;
    }
    if (!failed && there > 0)
        draw_survival(b, c, g, curve, n);
    ms_arena_finish(&arena);
    return failed ? MS_NOMEM : MS_OK;
}

/* ---- percentiles ---- */

static double percentile(const struct ms_comparison *c, const struct ms_result *r, int percent)
{
    char path[40];
    snprintf(path, sizeof path, "%s.p%d_us", ms_series_name(c->series), percent);
    return ms_result_number(r, path);
}

void ms_figure_percentiles(struct ms_buf *b, const struct ms_comparison *c,
                           const struct ms_compare_group *g)
{
    struct ms_scale x = {0, 0, MS_FIGURE_LABEL, MS_FIGURE_W - MS_FIGURE_RIGHT};
    char title[80];
    int height = MS_FIGURE_TOP + MS_FIGURE_ROW * (int)g->n + MS_FIGURE_BOTTOM;
    for (size_t i = 0; i < g->n; i++)
        x.hi = fmax(x.hi, fmax(0, percentile(c, g->row[i].r, 99)));
    if (!(x.hi > 0) || g->n > 200)
        return;
    ms_figure_begin(b, "Median, p95 and p99 of every case", height);
    snprintf(title, sizeof title, "%s, microseconds", ms_series_name(c->series));
    ms_figure_x_axis(b, &x, height - MS_FIGURE_BOTTOM, MS_FIGURE_TOP, title);
    for (size_t i = 0; i < g->n; i++) {
        const struct ms_compare_row *r = &g->row[i];
        double y = MS_FIGURE_TOP + MS_FIGURE_ROW * ((double)i + 0.5), p50 = percentile(c, r->r, 50),
               p95 = percentile(c, r->r, 95), p99 = percentile(c, r->r, 99);
        ms_figure_row_name(b, r->label, y);
        if (!r->r->ok || isnan(p50))
            continue;
        ms_buf_printf(b, "<path class=\"c%zu\" stroke-width=\"2\" d=\"M%.1f %.1fH%.1f\"/>", i % 12,
                      ms_figure_at(&x, p50), y, ms_figure_at(&x, p99));
        if (!isnan(r->value_lo))
            ms_buf_printf(b,
                          "<path class=\"c%zu\" stroke-width=\"7\" opacity=\"0.35\" d=\"M%.1f "
                          "%.1fH%.1f\"/>",
                          i % 12, ms_figure_at(&x, r->value_lo), y, ms_figure_at(&x, r->value_hi));
        ms_buf_printf(
            b,
            "<circle class=\"c%zu\" fill=\"var(--back)\" cx=\"%.1f\" cy=\"%.1f\" "
            "r=\"4\"/><path class=\"c%zu\" stroke-width=\"2\" d=\"M%.1f %.1fv10\"/><circle "
            "class=\"f%zu\" cx=\"%.1f\" cy=\"%.1f\" r=\"4\"/>\n",
            i % 12, ms_figure_at(&x, p50), y, i % 12, ms_figure_at(&x, p95), y - 5, i % 12,
            ms_figure_at(&x, p99), y);
    }
    ms_figure_end(
        b, "Open circle p50, bar p95, full circle p99; the broad band is the 95 % interval of the "
           "compared percentile.");
}

/* ---- slowdown ---- */

static bool point_of(const struct ms_comparison *c, const struct ms_result *r, double *x, double *y)
{
    *x = ms_result_number(r, "imbalance.rank_max_over_mean");
    *y = ms_compare_slowdown(c, r);
    return r->ok && !isnan(*x) && !isnan(*y);
}

void ms_figure_slowdown(struct ms_buf *b, const struct ms_comparison *c)
{
    const struct ms_results *s = c->results;
    struct ms_scale x = {INFINITY, 0, MS_FIGURE_LEFT, MS_FIGURE_W - MS_FIGURE_RIGHT},
                    y = {1, 1, MS_FIGURE_H - MS_FIGURE_BOTTOM, MS_FIGURE_TOP};
    double vx, vy;
    for (size_t i = 0; i < s->n; i++)
        if (point_of(c, &s->r[i], &vx, &vy)) {
            x.lo = fmin(x.lo, vx);
            x.hi = fmax(x.hi, vx);
            y.lo = fmin(y.lo, vy);
            y.hi = fmax(y.hi, vy);
        }
    if (!(x.hi > x.lo) || !(y.hi > y.lo))
        return;
    ms_figure_begin(b, "Slowdown against the balanced twin, by imbalance of rank loads",
                    MS_FIGURE_H);
    ms_figure_y_title(b, y.from, y.to, "slowdown against the balanced twin");
    ms_figure_y_axis(b, &y);
    ms_figure_x_axis(b, &x, MS_FIGURE_H - MS_FIGURE_BOTTOM, MS_FIGURE_TOP,
                     "busiest rank's selections over the mean");
    for (size_t i = 0; i < s->n; i++) {
        if (!point_of(c, &s->r[i], &vx, &vy))
            continue;
        ms_buf_printf(b, "<circle class=\"f1\" cx=\"%.1f\" cy=\"%.1f\" r=\"4\"><title>",
                      ms_figure_at(&x, vx), ms_figure_at(&y, vy));
        ms_html_text(b, s->r[i].id);
        ms_buf_printf(b, ": x%.2f at %.2f</title></circle>\n", vy, vx);
    }
    ms_figure_end(
        b,
        "Slowdown of each case against its own balanced twin (vertical), by how uneven the loads "
        "of its ranks are.");
}

/* ---- links ---- */

enum ms_status ms_figure_links(struct ms_buf *b, const struct ms_compare_row *r)
{
    json_t *record = ms_result_json(r->r);
    const json_t *links = json_object_get(record, "links"), *link;
    size_t i, n = json_array_size(links);
    struct ms_scale x = {0, 1, MS_FIGURE_LABEL, MS_FIGURE_W - MS_FIGURE_RIGHT};
    int height = MS_FIGURE_TOP + MS_FIGURE_ROW * (int)n + MS_FIGURE_BOTTOM;
    char caption[300];
    if (!record)
        return MS_NOMEM;
    if (n > 0) {
        ms_figure_begin(b, "The busiest links", height);
        ms_figure_x_axis(b, &x, height - MS_FIGURE_BOTTOM, MS_FIGURE_TOP,
                         "utilisation while an exchange is active");
    }
    json_array_foreach((json_t *)links, i, link)
    {
        const char *name = json_string_value(json_object_get(link, "name"));
        double u = json_number_value(json_object_get(link, "utilisation")),
               bytes = json_number_value(json_object_get(link, "bytes")),
               y = MS_FIGURE_TOP + MS_FIGURE_ROW * (double)i;
        char amount[32];
        ms_figure_row_name(b, name ? name : "", y + MS_FIGURE_ROW / 2.0);
        ms_buf_printf(b,
                      "<rect class=\"f1\" x=\"%d\" y=\"%.1f\" width=\"%.1f\" height=\"%d\"><title>"
                      "%.1f %%, %s</title></rect>\n",
                      MS_FIGURE_LABEL, y + 5, ms_figure_at(&x, fmin(u, 1)) - MS_FIGURE_LABEL,
                      MS_FIGURE_ROW - 10, 100 * u, ms_figure_bytes(bytes, amount));
    }
    snprintf(caption, sizeof caption,
             "The busiest links of %s, the slowest here: bytes over what the link can carry.",
             r->label);
    if (n > 0)
        ms_figure_end(b, caption);
    json_decref(record);
    return MS_OK;
}
