/** @file csv.h  Comma-separated values, row by row (RFC 4180: quotes, doubled quotes, CRLF).
 *
 *  Blank lines and lines that start with '#' are skipped (files carry their origin there); a UTF-8
 *  byte order mark too. Fields keep their text; what a column means is the caller's. */
#ifndef MS_BASE_CSV_H
#define MS_BASE_CSV_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/files.h"

/** A file being read. Zero-initialise; finish frees. */
struct ms_csv {
    const char *path; /**< for messages, borrowed */
    char separator;   /**< 0 = comma */
    struct ms_buf text;
    size_t at;
    int next_line;
    char **field; /**< [n_fields] of the current row, NUL-terminated, borrowed until the next row */
    int n_fields, cap;
    int line; /**< 1-based line the current row starts on */
};

/** Read the whole file, through the store where there is one; then call ms_csv_next. */
enum ms_status ms_csv_open(struct ms_csv *c, struct ms_files *files, const char *path,
                           struct ms_err *err);
/** The same with the file's bytes in c->text already. */
enum ms_status ms_csv_start(struct ms_csv *c, const char *path, struct ms_err *err);
/** The next row. @return MS_OK with n_fields >= 1, or n_fields = 0 at the end; MS_INVALID with the
 *  line; MS_NOMEM */
enum ms_status ms_csv_next(struct ms_csv *c, struct ms_err *err);
void ms_csv_finish(struct ms_csv *c);

/** The whole field as a finite number (spaces around it allowed). @return false otherwise */
bool ms_csv_number(const char *field, double *out);
/** The whole field as an integer of 0..max (also "3.0"). @return false otherwise */
bool ms_csv_index(const char *field, long max, long *out);

/** Append a text as one field: quoted where it holds a comma, a quote or a line break. */
void ms_csv_cell(struct ms_buf *out, const char *text);

#endif
