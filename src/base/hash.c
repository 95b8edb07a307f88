/* Decides what two equal contents are: XXH3 of the bytes, 64 bits for tables in memory, 128 for
 * keys that are stored. */
#include "base/hash.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

#include "base/file.h"

uint64_t ms_hash64(const void *data, size_t n)
{
    return XXH3_64bits(data, n);
}

/* Sixteen digits, the highest first; printf takes thirty times as long, and hashes are many. */
static void put_hex(uint64_t v, char *out)
{
    for (int i = 15; i >= 0; i--, v >>= 4)
        out[i] = "0123456789abcdef"[v & 15];
}

static struct ms_hash hex_of(XXH128_hash_t h)
{
    struct ms_hash out;
    put_hex(h.high64, out.hex);
    put_hex(h.low64, out.hex + 16);
    out.hex[32] = '\0';
    return out;
}

struct ms_hash ms_hash128(const void *data, size_t n)
{
    return hex_of(XXH3_128bits(data, n));
}

struct ms_hasher {
    XXH3_state_t *state;
};

struct ms_hasher *ms_hasher_create(void)
{
    struct ms_hasher *h = malloc(sizeof *h);
    if (!h)
        return NULL;
    h->state = XXH3_createState();
    if (!h->state || XXH3_128bits_reset(h->state) != XXH_OK) {
        ms_hasher_destroy(h);
        return NULL;
    }
    return h;
}

void ms_hasher_add(struct ms_hasher *h, const void *data, size_t n)
{
    XXH3_128bits_update(h->state, data, n);
}

struct ms_hash ms_hasher_now(const struct ms_hasher *h)
{
    return hex_of(XXH3_128bits_digest(h->state));
}

void ms_hasher_destroy(struct ms_hasher *h)
{
    if (h)
        XXH3_freeState(h->state);
    free(h);
}

enum ms_status ms_hash_file(const char *path, struct ms_hash *out, struct ms_err *err)
{
    char chunk[1 << 16];
    size_t size;
    int fd;
    enum ms_status s = ms_file_open(path, &fd, &size, err);
    if (s != MS_OK)
        return s;
    struct ms_hasher *h = ms_hasher_create();
    if (!h)
        s = ms_err_set(err, MS_NOMEM, "out of memory");
    for (ssize_t n = 1; s == MS_OK && n != 0;) {
        n = read(fd, chunk, sizeof chunk);
        if (n < 0 && errno != EINTR)
            s = ms_err_at(err, MS_IO, path, 0, 0, NULL, "cannot read: %s", strerror(errno));
        if (n > 0)
            ms_hasher_add(h, chunk, (size_t)n);
    }
    if (s == MS_OK)
        *out = ms_hasher_now(h);
    ms_hasher_destroy(h);
    close(fd);
    return s;
}
