/** @file inflate.h  Packed files: gzip, and the members of a zip archive (NumPy's .npz).
 *
 *  Decides what is sound (lengths and checksums) and how much may come out; what the bytes mean is
 *  the caller's. Formats: RFC 1952, PKWARE's APPNOTE 6.3 (stored and deflated members). */
#ifndef MS_BASE_INFLATE_H
#define MS_BASE_INFLATE_H

#include <stddef.h>
#include <stdint.h>

#include "base/files.h"

/** Do the bytes start as gzip, as zip does? */
bool ms_is_gzip(const void *bytes, size_t n);
bool ms_is_zip(const void *bytes, size_t n);

/** Append what is packed in n bytes of gzip (one or several members). path is for messages.
 *  @param most bytes that may come out  @return MS_OK; MS_INVALID; MS_NOMEM */
enum ms_status ms_gunzip(const char *path, const void *bytes, size_t n, size_t most,
                         struct ms_buf *out, struct ms_err *err);

/** Read a file, unpacked where it is gzip (as one named .gz must be).
 *  @param files NULL = read it now  @param most bytes; 0 = 4 GiB  @return as ms_file_read */
enum ms_status ms_file_read_unpacked(struct ms_files *files, const char *path, size_t most,
                                     struct ms_buf *out, struct ms_err *err);

/** One file of an archive. */
struct ms_zip_member {
    char name[256];
    size_t packed, size; /**< bytes stored, bytes unpacked */
    size_t at;           /**< of its local header */
    unsigned method;     /**< 0 stored, 8 deflated */
    uint32_t crc;
};

/** Members of an archive in memory. @param most of them that fit `out`  @param n receives how many
 *  there are  @return MS_OK; MS_INVALID: not a sound archive */
enum ms_status ms_zip_list(const char *path, const void *bytes, size_t n_bytes,
                           struct ms_zip_member *out, size_t most, size_t *n, struct ms_err *err);
/** Append one member's bytes. */
enum ms_status ms_zip_read(const char *path, const void *bytes, size_t n_bytes,
                           const struct ms_zip_member *m, size_t most, struct ms_buf *out,
                           struct ms_err *err);

#endif
