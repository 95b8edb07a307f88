/** @file html.h  A comparison as one page that people send around: report.html.
 *
 *  Self-contained: no request leaves it. The verdict stands first, then the conditions, then for
 *  each group a table that sorts, and figures drawn here as SVG, each with its text. Colours follow
 *  the reader's light or dark, and everything reads without a script; the script only sorts. */
#ifndef MS_REPORT_HTML_H
#define MS_REPORT_HTML_H

#include "report/compare.h"

/** Files beside the results. */
struct ms_page_sources {
    const char *const *platforms; /**< [n_platforms] in which the records' platforms may be found */
    size_t n_platforms;
    const char *explained; /**< what `moesim explain --format json` printed; NULL: none */
    const char *timeline;  /**< what `moesim explain --timeline` wrote; NULL: none */
};

/** The whole page. @return MS_OK; MS_IO, MS_INVALID of a source; MS_NOMEM */
enum ms_status ms_report_html(const struct ms_comparison *c, const struct ms_page_sources *from,
                              struct ms_buf *out, struct ms_err *err);

#endif
