/* What the figures of report.html are made of: frames, axes, marks and legends. */
#include "report/figure_parts.h"

#include <math.h>
#include <string.h>

enum { MOST_NAME = 24 };

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
    ms_buf_adds(b, "<figure><p class=\"title\" aria-hidden=\"true\">");
    ms_html_text(b, name);
    ms_buf_printf(b,
                  "</p><div class=\"draw\"><svg viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"",
                  MS_FIGURE_W, height);
    ms_html_text(b, name);
    ms_buf_adds(b, "\">\n");
}

void ms_figure_end(struct ms_buf *b, const char *caption)
{
    ms_figure_drawn(b);
    ms_figure_caption(b, caption);
}

void ms_figure_drawn(struct ms_buf *b)
{
    ms_buf_adds(b, "</svg></div>\n");
}

void ms_figure_caption(struct ms_buf *b, const char *caption)
{
    ms_buf_adds(b, "<figcaption>");
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
                  y + 35);
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

const char *ms_figure_bytes(double bytes, char *out)
{
    static const char *const unit[] = {"B", "kB", "MB", "GB", "TB"};
    int k = 0;
    for (; k < 4 && bytes >= 1000; k++)
        bytes /= 1000;
    snprintf(out, 32, bytes >= 100 ? "%.0f %s" : "%.3g %s", bytes, unit[k]);
    return out;
}

void ms_figure_fill(struct ms_buf *b, int colour)
{
    if (colour < 0)
        ms_buf_adds(b, "style=\"fill:var(--line)\"");
    else
        ms_buf_printf(b, "class=\"f%d\"", colour);
}

void ms_figure_keys(struct ms_buf *b, const char *const *name, const int *colour, size_t n)
{
    ms_buf_adds(b, "<ul class=\"legend\">");
    for (size_t i = 0; i < n; i++) {
        ms_buf_adds(b, "<li><svg viewBox=\"0 0 20 8\" aria-hidden=\"true\"><rect width=\"20\" "
                       "height=\"8\" ");
        ms_figure_fill(b, colour[i]);
        ms_buf_printf(b, "/></svg> %s</li>", name[i]);
    }
    ms_buf_adds(b, "</ul>\n");
}

/* The first bytes of a text that are whole characters. */
static size_t whole(const char *text, size_t n)
{
    while (n > 0 && ((unsigned char)text[n] & 0xc0) == 0x80)
        n--;
    return n;
}

void ms_figure_row_name(struct ms_buf *b, const char *label, double y)
{
    size_t n = strlen(label), head = MOST_NAME / 2, tail = n - MOST_NAME / 2 + 1;
    ms_buf_printf(b, "<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">", MS_FIGURE_LABEL - 8, y + 4);
    if (n <= MOST_NAME) {
        ms_html_text(b, label);
    } else { /* its ends tell it from others; all of it on hovering */
        char start[MOST_NAME];
        snprintf(start, sizeof start, "%.*s", (int)whole(label, head), label);
        ms_html_text(b, start);
        ms_buf_adds(b, "…");
        ms_html_text(b, label + whole(label, tail));
        ms_buf_adds(b, "<title>");
        ms_html_text(b, label);
        ms_buf_adds(b, "</title>");
    }
    ms_buf_adds(b, "</text>\n");
}

void ms_figure_y_title(struct ms_buf *b, double from, double to, const char *text)
{
    ms_buf_printf(b, "<text transform=\"translate(13 %.1f) rotate(-90)\" text-anchor=\"middle\">",
                  (from + to) / 2);
    ms_html_text(b, text);
    ms_buf_adds(b, "</text>\n");
}

void ms_figure_y_axis(struct ms_buf *b, const struct ms_scale *y)
{
    char number[32];
    double step = y->hi > y->lo ? ms_figure_step(y) : 1;
    for (double v = ceil(y->lo / step) * step; v <= y->hi; v += step)
        ms_figure_y_mark(b, ms_figure_at(y, v), ms_plain_number(v, number));
}
