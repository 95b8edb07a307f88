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
/** The same of bytes that come piece by piece. */
struct ms_hasher;
/** NULL: no memory. */
struct ms_hasher *ms_hasher_create(void);
void ms_hasher_add(struct ms_hasher *h, const void *data, size_t n);
/** Of all that was added so far. */
struct ms_hash ms_hasher_now(const struct ms_hasher *h);
void ms_hasher_destroy(struct ms_hasher *h);

/** XXH3-128 of a file's content, which is not held in memory. @return as ms_file_read */
enum ms_status ms_hash_file(const char *path, struct ms_hash *out, struct ms_err *err);

#endif
