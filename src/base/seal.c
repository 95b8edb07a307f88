/* Decides which bytes a record's hash covers and where it stands: all before it, at the end. */
#include "base/seal.h"

#include <string.h>

#include "base/hash.h"

static const char opening[] = ",\"hash\":\"";
enum { OPENING = sizeof opening - 1, HEX = 32 };

void ms_seal_add(struct ms_buf *line)
{
    if (line->failed || line->n == 0)
        return;
    struct ms_hash h = ms_hash128(line->p, line->n);
    ms_buf_printf(line, "%s%s\"}", opening, h.hex);
}

enum ms_seal ms_seal_check(const char *line, size_t n)
{
    if (n < MS_SEAL_BYTES)
        return MS_SEAL_NONE;
    const char *end = line + n - MS_SEAL_BYTES;
    if (memcmp(end, opening, OPENING) != 0 || memcmp(end + OPENING + HEX, "\"}", 2) != 0)
        return MS_SEAL_NONE;
    struct ms_hash h = ms_hash128(line, n - MS_SEAL_BYTES);
    return memcmp(end + OPENING, h.hex, HEX) == 0 ? MS_SEAL_WHOLE : MS_SEAL_BROKEN;
}
