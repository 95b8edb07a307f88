/** @file figure_parts.h  What the figures of report.html share: the frame, axes, legends. For
 *  figure*.c only. Sizes are of the view box. */
#ifndef MS_REPORT_FIGURE_PARTS_H
#define MS_REPORT_FIGURE_PARTS_H

#include "report/figure.h"

enum {
    MS_FIGURE_W = 720,
    MS_FIGURE_H = 300,
    MS_FIGURE_LEFT = 74,
    MS_FIGURE_RIGHT = 14,
    MS_FIGURE_TOP = 12,
    MS_FIGURE_BOTTOM = 44,
    MS_FIGURE_ROW = 26,   /**< of figures with a line a row */
    MS_FIGURE_LABEL = 206 /**< width of the rows' names */
};

struct ms_scale {
    double lo, hi;   /**< of the data */
    double from, to; /**< on the page */
};

double ms_figure_at(const struct ms_scale *s, double v);
/** 1, 2 or 5 times a power of ten, for about five marks. */
double ms_figure_step(const struct ms_scale *s);

/** @param name for screen readers */
void ms_figure_begin(struct ms_buf *b, const char *name, int height);
/** Of a figure without a legend. */
void ms_figure_end(struct ms_buf *b, const char *caption);
/** Of one with a legend, which stands between these two. */
void ms_figure_drawn(struct ms_buf *b);
void ms_figure_caption(struct ms_buf *b, const char *caption);
void ms_figure_x_axis(struct ms_buf *b, const struct ms_scale *x, double y, double top,
                      const char *title);
void ms_figure_y_mark(struct ms_buf *b, double y, const char *text);
/** Marks at round values. */
void ms_figure_y_axis(struct ms_buf *b, const struct ms_scale *y);
/** The first n rows' names in their colours. */
void ms_figure_legend(struct ms_buf *b, const struct ms_compare_group *g, size_t n);
/** "1.3 GB", "25 kB". @param out [32] */
const char *ms_figure_bytes(double bytes, char *out);
/** The attribute of a filled shape; a negative colour is that of lines. */
void ms_figure_fill(struct ms_buf *b, int colour);
/** Names of things in colours (cN), a negative colour being that of lines. */
void ms_figure_keys(struct ms_buf *b, const char *const *name, const int *colour, size_t n);
/** What the upright axis shows, between two heights. */
void ms_figure_y_title(struct ms_buf *b, double from, double to, const char *text);
/** A row's name; of a long one its ends. */
void ms_figure_row_name(struct ms_buf *b, const char *label, double y);

#endif
