/** @file overview.h  The closing table of a run: one row a case, what varies first, in at most 100
 *  columns. */
#ifndef MS_REPORT_OVERVIEW_H
#define MS_REPORT_OVERVIEW_H

#include <stdio.h>

#include "report/results.h"
#include "report/table.h"

/** Rows in record order; times of exchanges, or of layers where exchanges are not defined.
 *  @return MS_OK or MS_NOMEM */
enum ms_status ms_overview_print(const struct ms_results *s, FILE *out, const struct ms_term *term);

#endif
