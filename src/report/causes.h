/** @file causes.h  Causes of the tail on the page: what `moesim explain DIR --format json` printed. */
#ifndef MS_REPORT_CAUSES_H
#define MS_REPORT_CAUSES_H

#include "base/err.h"
#include "base/file.h"

/** A heading, then a table a case: cause, share, what it is, the metric without it.
 *  @param path of the text, for messages
 *  @return MS_OK; MS_INVALID where it is something else */
enum ms_status ms_html_causes(struct ms_buf *b, const char *path, const char *text, size_t n,
                              struct ms_err *err);

#endif
