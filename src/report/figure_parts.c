/* What the figures of report.html are made of: frames, axes, marks and legends. */
#include "report/figure_parts.h"

#include <math.h>

void ms_html_text(struct ms_buf *b, const char *text)
{
    for (const char *c = text; *c; c++) {
        if (*c == '&')
            ms_buf_adds(b, "&amp;");
        else if (*c == '<')
            ms_buf_adds(b, "&lt;");
        else if (*c == '>')
            ms_buf_adds(b, "&gt;");
        else if (*c == '"')
            ms_buf_adds(b, "&quot;");
        else
            ms_buf_add(b, (unsigned char)*c < ' ' ? " " : c, 1);
    }
}

void ms_figure_begin(struct ms_buf *b, const char *name, int height)
{
    ms_buf_printf(b, "<figure><svg viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"", MS_FIGURE_W,
                  height);
    ms_html_text(b, name);
    ms_buf_adds(b, "\">\n");
}

void ms_figure_end(struct ms_buf *b, const char *caption)
{
    ms_buf_adds(b, "</svg>\n<figcaption>");
    ms_html_text(b, caption);
    ms_buf_adds(b, "</figcaption></figure>\n");
}

/* ---- axes ---- */

double ms_figure_at(const struct ms_scale *s, double v)
{
    double span = s->hi - s->lo;
    return s->from + (span > 0 ? (v - s->lo) / span : 0.5) * (s->to - s->from);
}

/* 1, 2 or 5 times a power of ten, for about five marks. */
double ms_figure_step(const struct ms_scale *s)
{
    double rough = (s->hi - s->lo) / 5, power = pow(10, floor(log10(rough)));
    double m = rough / power;
    return power * (m < 1.5 ? 1 : m < 3.5 ? 2 : m < 7.5 ? 5 : 10);
}

void ms_figure_x_axis(struct ms_buf *b, const struct ms_scale *x, double y, double top,
                      const char *title)
{
    double step = x->hi > x->lo ? ms_figure_step(x) : 1;
    char number[32];
    for (double v = ceil(x->lo / step) * step; v <= x->hi + 1e-9 * step; v += step)
        ms_buf_printf(b,
                      "<line class=\"grid\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%.1f\" y2=\"%.1f\"/><text "
                      "x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">%s</text>\n",
                      ms_figure_at(x, v), ms_figure_at(x, v), top, y, ms_figure_at(x, v), y + 16,
                      ms_plain_number(v, number));
    ms_buf_printf(b, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">", (x->from + x->to) / 2,
                  y + 34);
    ms_html_text(b, title);
    ms_buf_adds(b, "</text>\n");
}

void ms_figure_y_mark(struct ms_buf *b, double y, const char *text)
{
    ms_buf_printf(b,
                  "<line class=\"grid\" x1=\"%d\" x2=\"%d\" y1=\"%.1f\" y2=\"%.1f\"/><text "
                  "x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%s</text>\n",
                  MS_FIGURE_LEFT, MS_FIGURE_W - MS_FIGURE_RIGHT, y, y, MS_FIGURE_LEFT - 6, y + 4,
                  text);
}

void ms_figure_legend(struct ms_buf *b, const struct ms_compare_group *g, size_t n)
{
    ms_buf_adds(b, "<ul class=\"legend\">");
    for (size_t i = 0; i < n; i++) {
        ms_buf_printf(b,
                      "<li><svg viewBox=\"0 0 20 6\" aria-hidden=\"true\"><path class=\"c%zu\" "
                      "stroke-width=\"3\" d=\"M0 3H20\"/></svg> ",
                      i % 12);
        ms_html_text(b, g->row[i].label);
        ms_buf_adds(b, "</li>");
    }
    ms_buf_adds(b, "</ul>\n");
}

void ms_figure_row_name(struct ms_buf *b, const char *label, double y)
{
    ms_buf_printf(b, "<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">", MS_FIGURE_LABEL - 8, y + 4);
    ms_html_text(b, label);
    ms_buf_adds(b, "</text>\n");
}

void ms_figure_y_axis(struct ms_buf *b, const struct ms_scale *y)
{
    char number[32];
    double step = y->hi > y->lo ? ms_figure_step(y) : 1;
    for (double v = ceil(y->lo / step) * step; v <= y->hi; v += step)
        ms_figure_y_mark(b, ms_figure_at(y, v), ms_plain_number(v, number));
}
