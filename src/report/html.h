/** @file html.h  A comparison as one page that people send around: report.html.
 *
 *  Self-contained: no request leaves it. The verdict stands first, then the conditions, then for
 *  each group a table that sorts, and figures drawn here as SVG, each with its text. Colours follow
 *  the reader's light or dark, and everything reads without a script; the script only sorts. */
#ifndef MS_REPORT_HTML_H
#define MS_REPORT_HTML_H

#include "report/compare.h"

/** The whole page.
 *  @param platforms [n_platforms] files in which the records' platforms may be found
 *  @param explained a file of what `moesim explain --format json` printed, or NULL
 *  @return MS_OK; MS_IO, MS_INVALID of that file; MS_NOMEM */
enum ms_status ms_report_html(const struct ms_comparison *c, const char *const *platforms,
                              size_t n_platforms, const char *explained, struct ms_buf *out,
                              struct ms_err *err);

#endif
