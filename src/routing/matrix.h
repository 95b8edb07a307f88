/** @file matrix.h  Byte matrices: from rank (row) to rank (column), as CSV.
 *
 *  Read with or without a header row. With a header, columns named step, layer, group choose one
 *  matrix through filters and a column named rank or source numbers the rows; every other column is
 *  a destination, in order. Without, the file is the bare square matrix. `moesim traffic` writes
 *  this form. */
#ifndef MS_ROUTING_MATRIX_H
#define MS_ROUTING_MATRIX_H

#include "base/err.h"
#include "base/files.h"
#include "routing/routing.h"

struct ms_matrix {
    int n;
    double *bytes; /**< [n][n], finite, >= 0; the diagonal is local and never sent */
};

/** @param files the store to read through, NULL = none
 *  @param out zeroed on entry, owned by the caller (ms_matrix_finish)
 *  @return MS_OK; MS_INVALID with the line; MS_IO; MS_NOMEM */
enum ms_status ms_matrix_read(struct ms_files *files, const char *path,
                              const struct ms_trace_filter *filter, int n_filter,
                              struct ms_matrix *out, struct ms_err *err);
void ms_matrix_finish(struct ms_matrix *m);

#endif
