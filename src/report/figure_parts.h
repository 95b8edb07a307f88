/** @file figure_parts.h  What the figures of report.html share: the frame, axes, legends. For
 *  figure*.c only. Sizes are of the view box. */
#ifndef MS_REPORT_FIGURE_PARTS_H
#define MS_REPORT_FIGURE_PARTS_H

#include "report/figure.h"

enum {
    MS_FIGURE_W = 720,
    MS_FIGURE_H = 300,
    MS_FIGURE_LEFT = 62,
    MS_FIGURE_RIGHT = 14,
    MS_FIGURE_TOP = 12,
    MS_FIGURE_BOTTOM = 44,
    MS_FIGURE_ROW = 26,   /**< of figures with a line a row */
    MS_FIGURE_LABEL = 190 /**< width of the rows' names */
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
void ms_figure_end(struct ms_buf *b, const char *caption);
void ms_figure_x_axis(struct ms_buf *b, const struct ms_scale *x, double y, double top,
                      const char *title);
void ms_figure_y_mark(struct ms_buf *b, double y, const char *text);
/** Marks at round values. */
void ms_figure_y_axis(struct ms_buf *b, const struct ms_scale *y);
/** The first n rows' names in their colours. */
void ms_figure_legend(struct ms_buf *b, const struct ms_compare_group *g, size_t n);
void ms_figure_row_name(struct ms_buf *b, const char *label, double y);

#endif
