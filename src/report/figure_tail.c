/* The waterfall of the tail: what an exchange takes when the same bytes are spread evenly, what uneven
 * loads add at the median, and what comes on top to p95 and p99; and the port bound beside it. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "report/figure_parts.h"
#include "sweep/series.h"

enum { N_STEPS = 4 };

struct fall {
    double end_us[N_STEPS]; /* of the balanced twin's median, the median, p95, p99 */
    double bound_us;
};

/* @return false: the record has no twin, or failed */
static bool fall_of(const struct ms_result *r, struct fall *f)
{
    double slowdown = ms_result_number(r, "slowdown.vs_balanced_p50");
    f->end_us[1] = ms_result_number(r, "exchange.p50_us");
    f->end_us[2] = ms_result_number(r, "exchange.p95_us");
    f->end_us[3] = ms_result_number(r, "exchange.p99_us");
    f->end_us[0] = f->end_us[1] / slowdown;
    f->bound_us = ms_result_number(r, "bound.p50_us");
    return r->ok && f->end_us[0] > 0 && f->end_us[3] > 0 && isfinite(f->end_us[0]);
}

static void draw(struct ms_buf *b, const struct ms_scale *x, const struct fall *f, double y)
{
    static const char *const title[N_STEPS] = {"balanced twin, median",
                                               "uneven loads, at the median",
                                               "from the median to p95", "from p95 to p99"};
    for (int k = 0; k < N_STEPS; k++) {
        double from_us = k ? f->end_us[k - 1] : 0, to_us = f->end_us[k];
        double lo = fmin(from_us, to_us), hi = fmax(from_us, to_us);
        ms_buf_printf(b,
                      "<rect class=\"f%d\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"5\" "
                      "stroke=\"none\"><title>%s: %+.4g us</title></rect>",
                      k, ms_figure_at(x, lo), y + 5 * k,
                      fmax(1, ms_figure_at(x, hi) - ms_figure_at(x, lo)), title[k],
                      to_us - from_us);
    }
    if (f->bound_us > 0)
        ms_buf_printf(
            b,
            "<path class=\"c11\" stroke-width=\"2\" d=\"M%.1f %.1fv20\"><title>port bound, "
            "median: %.4g us</title></path>\n",
            ms_figure_at(x, f->bound_us), y, f->bound_us);
}

void ms_figure_tail(struct ms_buf *b, const struct ms_comparison *c,
                    const struct ms_compare_group *g)
{
    struct ms_scale x = {0, 0, MS_FIGURE_LABEL, MS_FIGURE_W - MS_FIGURE_RIGHT};
    int height = MS_FIGURE_TOP + MS_FIGURE_ROW * (int)g->n + MS_FIGURE_BOTTOM;
    struct fall f;
    for (size_t i = 0; i < g->n; i++)
        if (fall_of(g->row[i].r, &f))
            x.hi = fmax(x.hi, fmax(f.end_us[0], f.end_us[3]));
    if (!(x.hi > 0) || g->n > 200 || strcmp(ms_series_name(c->series), "exchange") != 0)
        return;
    ms_figure_begin(b, "Waterfall of the tail: what adds up to p99", height);
    ms_figure_x_axis(b, &x, height - MS_FIGURE_BOTTOM, MS_FIGURE_TOP, "exchange, microseconds");
    for (size_t i = 0; i < g->n; i++) {
        double y = MS_FIGURE_TOP + MS_FIGURE_ROW * (double)i;
        ms_figure_row_name(b, g->row[i].label, y + MS_FIGURE_ROW / 2.0);
        if (fall_of(g->row[i].r, &f))
            draw(b, &x, &f, y + 3);
    }
    static const char *const step[] = {"balanced twin, median", "uneven loads, at the median",
                                       "from the median to p95", "from p95 to p99",
                                       "port bound, median"};
    static const int colour[] = {0, 1, 2, 3, 11};
    ms_figure_drawn(b);
    ms_figure_keys(b, step, colour, sizeof colour / sizeof *colour);
    ms_figure_caption(
        b, "Steps from top to bottom: the median of the balanced twin (the same bytes, spread "
           "evenly), what uneven loads add to it at the median, from there to p95, from p95 to "
           "p99; the upright line is the median port bound of the uneven loads.");
}
