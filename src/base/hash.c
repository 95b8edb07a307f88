/* Decides what two equal contents are: XXH3 of the bytes, 64 bits for tables in memory, 128 for
 * keys that are stored. */
#include "base/hash.h"

#include <xxhash.h>

#include "base/file.h"

uint64_t ms_hash64(const void *data, size_t n)
{
    return XXH3_64bits(data, n);
}

struct ms_hash ms_hash128(const void *data, size_t n)
{
    XXH128_hash_t h = XXH3_128bits(data, n);
    struct ms_hash out;
    snprintf(out.hex, sizeof out.hex, "%016llx%016llx", (unsigned long long)h.high64,
             (unsigned long long)h.low64);
    return out;
}

enum ms_status ms_hash_file(const char *path, struct ms_hash *out, struct ms_err *err)
{
    struct ms_buf b = {0};
    enum ms_status s = ms_file_read(path, &b, err);
    if (s == MS_OK)
        *out = ms_hash128(b.p, b.n);
    ms_buf_finish(&b);
    return s;
}
