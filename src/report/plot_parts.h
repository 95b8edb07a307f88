/** @file plot_parts.h  What pictures share: terminals, colours, quoting. For
 *  the files that draw only. */
#ifndef MS_REPORT_PLOT_PARTS_H
#define MS_REPORT_PLOT_PARTS_H

#include "report/plot.h"

/** Colours of Okabe and Ito (2008) and some more, "#rrggbb". */
const char *ms_plot_colour(size_t number);
/** A text as gnuplot's own, in single quotes: in double ones it would run what stands between
 *  backquotes. */
void ms_plot_quoted(struct ms_buf *b, const char *text);
/** The same for the text of a tic, which gnuplot takes for a format. */
void ms_plot_tic(struct ms_buf *b, const char *text);
/** Terminal, output and the frame of axes. Size in pixels of a screen. output NULL: gnuplot's
 *  own standard output. */
void ms_plot_head(struct ms_buf *b, enum ms_picture kind, int width, int height,
                  const char *output);
/** "exchange p99, microseconds" of the metric in force. */
void ms_plot_metric_name(const struct ms_comparison *c, char *out, size_t size);
/** The metric against c->x: a panel for each combination of the other keys (plot_x.c). */
enum ms_status ms_plot_x_script(const struct ms_comparison *c, const char *output,
                                enum ms_picture kind, struct ms_buf *out, struct ms_err *err);

/** A script for gnuplot that draws ctx into the file `output`. */
typedef enum ms_status ms_plot_script_fn(const void *ctx, const char *output, enum ms_picture kind,
                                         struct ms_buf *out, struct ms_err *err);
/** Draw it to a file beside path, which is then replaced whole. @return as ms_plot_compare */
enum ms_status ms_plot_to(const char *path, ms_plot_script_fn *write, const void *ctx,
                          struct ms_err *err);

#endif
