/** @file plot.h  Pictures of a comparison, drawn by gnuplot (run as a program, never linked).
 *
 *  One row of two panels a group. Left: median and tail of every alternative with the tail's 95 %
 *  interval (order statistics, as in the table). Right: the share of exchanges that
 *  take longer than t, on a logarithmic axis, so that the tail is what one sees. Colours are those
 *  of Okabe and Ito (2008), told apart by colour-blind readers too. */
#ifndef MS_REPORT_PLOT_H
#define MS_REPORT_PLOT_H

#include "report/compare.h"

enum ms_picture { MS_SVG, MS_PNG, MS_PDF };

/** Of the tails, or of the metric against c->x where there is one.
 *  @param path ends in .svg, .png or .pdf; replaced whole
 *  @return MS_OK; MS_USAGE: another ending, or a metric without samples; MS_IO: cannot write, or
 *  gnuplot is missing or failed; MS_NOMEM */
enum ms_status ms_plot_compare(const struct ms_comparison *c, const char *path, struct ms_err *err);
/** The gnuplot script alone: what ms_plot_compare runs. output: the file gnuplot writes,
 *  NULL: its standard output */
enum ms_status ms_plot_script(const struct ms_comparison *c, const char *output,
                              enum ms_picture kind, struct ms_buf *out, struct ms_err *err);
/** Have gnuplot draw a script without `set output` into a file, which is replaced whole.
 *  @return MS_OK; MS_IO: cannot write, or gnuplot is missing or failed; MS_NOMEM */
enum ms_status ms_plot_draw(const char *path, const struct ms_buf *script, struct ms_err *err);

#endif
