/** @file hash.h  Content keys: XXH3 of bytes and of files. */
#ifndef MS_BASE_HASH_H
#define MS_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/** 32 lower-case hex digits and a NUL. */
struct ms_hash {
    char hex[33];
};

uint64_t ms_hash64(const void *data, size_t n);
struct ms_hash ms_hash128(const void *data, size_t n);
/** XXH3-128 of a file's content. @return MS_OK; MS_INVALID where it is missing, MS_IO where it
 *  cannot be read */
enum ms_status ms_hash_file(const char *path, struct ms_hash *out, struct ms_err *err);

#endif
