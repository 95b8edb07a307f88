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

/** Append a whole file ("-" = stdin). Only regular files: a pipe or a device may never end.
 *  @return MS_OK; MS_INVALID when there is no such file, it is no regular file, or more than this
 *  machine's memory holds; MS_IO when it cannot be read (a folder, no permission, a read error);
 *  MS_NOMEM */
enum ms_status ms_file_read(const char *path, struct ms_buf *out, struct ms_err *err);
/** The same, refusing what is longer than a file of its kind can be. */
enum ms_status ms_file_read_most(const char *path, size_t most, struct ms_buf *out,
                                 struct ms_err *err);
/** Open a regular file for reading, without waiting for anybody. @param size its length
 *  @return as ms_file_read */
enum ms_status ms_file_open(const char *path, int *fd, size_t *size, struct ms_err *err);
/** Is there a regular file, or a link to one? */
bool ms_file_is(const char *path);
/** Write through a temporary file beside it, fsync, rename, and fsync the folder ("-" = stdout): a
 *  reader sees the old or the new, whole, also after a power cut. What a symbolic link points to is
 *  replaced, not the link; into a device or a pipe is written as it is. */
enum ms_status ms_file_write(const char *path, const void *data, size_t n, struct ms_err *err);

/** The same without the folder's fsync: for one of several files, whose writer calls ms_dir_sync. */
enum ms_status ms_file_replace(const char *path, const void *data, size_t n, struct ms_err *err);

/** A file in the making: ".NAME.moesim-part" beside its target, so that what a kill leaves is used
 *  again by the next writer of the same target. Zero-initialise. */
struct ms_part {
    char *path;   /**< written here; NULL = nothing is open */
    char *target; /**< what a link led to */
    int fd;
    bool renames; /**< false: path is the target itself, a device or a pipe */
};

enum ms_status ms_part_open(struct ms_part *p, const char *target, struct ms_err *err);
/** Make it the target where `ok`, else drop it; closes and frees in any case.
 *  @param why errno of what failed, used where !ok */
enum ms_status ms_part_close(struct ms_part *p, bool ok, int why, struct ms_err *err);
/** Remove what killed writers left in a folder, not what somebody writes now; only for who holds its
 *  lock (a file system without locks would not say who writes). */
void ms_part_sweep(const char *dir);

/** Write all of it, however many calls that takes. @return false with errno set */
bool ms_fd_write(int fd, const void *data, size_t n);
/** Make renames in the folder of `path` last through a power cut. File systems that cannot are
 *  left alone. */
void ms_dir_sync(const char *path);
/** mkdir -p. */
enum ms_status ms_dir_make(const char *path, struct ms_err *err);
/** path as seen from the folder of base_file; absolute paths and "-" unchanged. Owned by the caller
 *  (free); NULL: no memory. */
char *ms_path_beside(const char *base_file, const char *path);
/** The last part without its extension, into out: "a/b/rail-8x8.xml" -> "rail-8x8". @return out */
const char *ms_path_stem(const char *path, char *out, size_t size);

/** "; did you mean 'x'?" for a file or folder that is not there: the nearest name beside it or, not NULL, in
 *  a folder of those shipped; "" where none is near. @return out */
const char *ms_near_file(const char *path, const char *shipped, char *out, size_t size);

/** strcmp with runs of digits compared as numbers: n2 before n10. Ties (n01, n1) fall back to
 *  strcmp. */
int ms_natural_cmp(const char *a, const char *b);

#endif
