/** @file summary.h  summary.csv: the records as a table, one row a case, units in the column
 *  names. */
#ifndef MS_SWEEP_SUMMARY_H
#define MS_SWEEP_SUMMARY_H

#include <stddef.h>

#include "base/err.h"
#include "base/file.h"

/** records: n JSON texts in the order of the rows. Columns: case, the axes of the first record,
 *  status, every block, error. Cells that a case does not have are empty. @return MS_OK;
 *  MS_INVALID: a record is not JSON; MS_NOMEM */
enum ms_status ms_summary_csv(const char *const *records, size_t n, struct ms_buf *out,
                              struct ms_err *err);

#endif
