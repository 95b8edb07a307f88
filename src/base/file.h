/** @file file.h  Growing byte buffers, whole files, atomic writes, paths. */
#ifndef MS_BASE_FILE_H
#define MS_BASE_FILE_H

#include <stddef.h>

#include "base/err.h"

/** A growing buffer, always NUL-terminated once something is in it. Zero-initialise; finish frees.
 *  Out of memory sets `failed` and every later call does nothing: check once, at the end. */
struct ms_buf {
    char *p;
    size_t n, cap;
    bool failed;
};

void ms_buf_add(struct ms_buf *b, const void *data, size_t n);
void ms_buf_adds(struct ms_buf *b, const char *s);
void ms_buf_printf(struct ms_buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void ms_buf_finish(struct ms_buf *b);

/** Append a whole file ("-" = stdin). @return MS_OK; MS_INVALID when there is no such file; MS_IO
 *  when it exists and cannot be read (a folder, no permission, a read error); MS_NOMEM */
enum ms_status ms_file_read(const char *path, struct ms_buf *out, struct ms_err *err);
/** Write through a temporary file beside it, fsync, rename ("-" = stdout): a reader sees the old or
 *  the new, whole. */
enum ms_status ms_file_write(const char *path, const void *data, size_t n, struct ms_err *err);
/** Write all of it, however many calls that takes. @return false with errno set */
bool ms_fd_write(int fd, const void *data, size_t n);
/** mkdir -p. */
enum ms_status ms_dir_make(const char *path, struct ms_err *err);
/** path as seen from the folder of base_file; absolute paths and "-" unchanged. Owned by the caller
 *  (free); NULL: no memory. */
char *ms_path_beside(const char *base_file, const char *path);
/** The last part without its extension, into out: "a/b/rail-8x8.xml" -> "rail-8x8". @return out */
const char *ms_path_stem(const char *path, char *out, size_t size);

/** strcmp with runs of digits compared as numbers: n2 before n10. Ties (n01, n1) fall back to
 *  strcmp. */
int ms_natural_cmp(const char *a, const char *b);

#endif
