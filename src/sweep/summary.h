/** @file summary.h  summary.csv: the records as a table, one row a case, units in the column
 *  names. */
#ifndef MS_SWEEP_SUMMARY_H
#define MS_SWEEP_SUMMARY_H

#include <stddef.h>

#include "base/err.h"
#include "base/file.h"

struct ms_summary_columns;

/** A table in the making, written as it grows. Zero-initialise. */
struct ms_summary_file {
    struct ms_part part;
    struct ms_summary_columns *columns; /**< by the first record */
    struct ms_buf out;                  /**< not written yet */
};

enum ms_status ms_summary_open(struct ms_summary_file *s, const char *path, struct ms_err *err);
/** A row. Columns: case, the axes of the first record, status, every block, error. Cells that a case
 *  does not have are empty. @param record a JSON text  @return MS_OK; MS_IO; MS_NOMEM */
enum ms_status ms_summary_add(struct ms_summary_file *s, const char *record, struct ms_err *err);
/** @param so_far not MS_OK: the file is given up, and that is returned */
enum ms_status ms_summary_close(struct ms_summary_file *s, enum ms_status so_far,
                                struct ms_err *err);

#endif
