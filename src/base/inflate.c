/* Unpacks gzip and zip through zlib: streams end where they say, checksums hold, and no more comes
 * out than the caller allows. */
#include "base/inflate.h"

#include <string.h>
#include <zlib.h>

enum { BLOCK = 1 << 16 };
static const size_t usual_most = (size_t)4 << 30;

bool ms_is_gzip(const void *bytes, size_t n)
{
    return n >= 3 && memcmp(bytes, "\x1f\x8b\x08", 3) == 0;
}

bool ms_is_zip(const void *bytes, size_t n)
{
    return n >= 4 && (memcmp(bytes, "PK\3\4", 4) == 0 || memcmp(bytes, "PK\5\6", 4) == 0);
}

static enum ms_status bad(const char *path, struct ms_err *err, const char *what)
{
    return ms_err_at(err, MS_INVALID, path, 0, 0, NULL, "%s", what);
}

/* window: 31 gzip, -15 a bare stream. *used: bytes of the input that were taken. */
static enum ms_status unpack(const char *path, int window, const unsigned char *in, size_t n,
                             size_t most, struct ms_buf *out, size_t *used, struct ms_err *err)
{
    unsigned char block[BLOCK];
    z_stream z = {0};
    size_t before = out->n, at = 0;
    int end = Z_OK;
    if (inflateInit2(&z, window) != Z_OK)
        return ms_err_set(err, MS_NOMEM, "no memory to unpack %s", path);
    enum ms_status s = MS_OK;
    while (s == MS_OK && end != Z_STREAM_END) {
        if (z.avail_in == 0 && at < n) {
            z.next_in = (unsigned char *)(uintptr_t)(in + at);
            z.avail_in = (uInt)(n - at < 1u << 30 ? n - at : 1u << 30);
            at += z.avail_in;
        }
        z.next_out = block;
        z.avail_out = sizeof block;
        end = inflate(&z, Z_NO_FLUSH);
        ms_buf_add(out, block, sizeof block - z.avail_out);
        if (end == Z_MEM_ERROR || out->failed)
            s = ms_err_set(err, MS_NOMEM, "no memory to unpack %s", path);
        else if (end != Z_OK && end != Z_STREAM_END)
            s = bad(path, err,
                    end == Z_BUF_ERROR ? "ends in the middle of its packed data"
                                       : "its packed data are damaged");
        else if (out->n - before > most)
            s = ms_err_at(err, MS_INVALID, path, 0, 0, NULL,
                          "unpacks to more than %zu MiB, which is more than such a file may hold",
                          most >> 20);
    }
    *used = at - z.avail_in;
    inflateEnd(&z);
    return s;
}

enum ms_status ms_gunzip(const char *path, const void *bytes, size_t n, size_t most,
                         struct ms_buf *out, struct ms_err *err)
{
    const unsigned char *in = bytes;
    enum ms_status s = MS_OK;
    size_t at = 0, used = 0, before = out->n;
    while (s == MS_OK && (at == 0 || ms_is_gzip(in + at, n - at))) {
        s = unpack(path, 31, in + at, n - at, most - (out->n - before), out, &used, err);
        at += used;
    }
    return s;
}

enum ms_status ms_file_read_unpacked(struct ms_files *files, const char *path, size_t most,
                                     struct ms_buf *out, struct ms_err *err)
{
    struct ms_buf packed = {0};
    enum ms_status s = ms_files_read(files, path, &packed, err);
    size_t n = strlen(path);
    if (s == MS_OK && n > 3 && strcmp(path + n - 3, ".gz") == 0 && !ms_is_gzip(packed.p, packed.n))
        s = bad(path, err, "is named .gz, but it is not packed by gzip");
    if (s != MS_OK || !ms_is_gzip(packed.p, packed.n)) {
        *out = packed;
        return s;
    }
    s = ms_gunzip(path, packed.p, packed.n, most ? most : usual_most, out, err);
    ms_buf_finish(&packed);
    return s;
}

/* ---- zip ---- */

static uint32_t little(const unsigned char *p, int n)
{
    uint32_t v = 0;
    while (n-- > 0)
        v = v << 8 | p[n];
    return v;
}

/* The end record lies in the last 64 KiB, before a comment. NULL: there is none. */
static const unsigned char *find_end(const unsigned char *p, size_t n)
{
    size_t least = n > 65557 ? n - 65557 : 0;
    for (size_t i = n < 22 ? 0 : n - 22; n >= 22; i--) {
        if (memcmp(p + i, "PK\5\6", 4) == 0)
            return p + i;
        if (i == least)
            break;
    }
    return NULL;
}

/* Sizes past 4 GiB (zip64) stand in the extra field; NumPy writes one only where it must. */
static bool is_zip64(const struct ms_zip_member *m)
{
    return m->size == UINT32_MAX || m->packed == UINT32_MAX || m->at == UINT32_MAX;
}

enum ms_status ms_zip_list(const char *path, const void *bytes, size_t n_bytes,
                           struct ms_zip_member *out, size_t most, size_t *n, struct ms_err *err)
{
    const unsigned char *p = bytes, *end = find_end(p, n_bytes);
    if (!end)
        return bad(path, err, "is not a whole zip archive: it has no end record");
    size_t at = little(end + 16, 4);
    *n = little(end + 10, 2);
    for (size_t i = 0; i < *n; i++) {
        if (at + 46 > n_bytes || memcmp(p + at, "PK\1\2", 4) != 0)
            return bad(path, err, "is a damaged zip archive: its list of files is cut");
        size_t name = little(p + at + 28, 2);
        size_t next = at + 46 + name + little(p + at + 30, 2) + little(p + at + 32, 2);
        if (next > n_bytes)
            return bad(path, err, "is a damaged zip archive: its list of files is cut");
        if (i < most) {
            struct ms_zip_member *m = &out[i];
            *m = (struct ms_zip_member){.method = little(p + at + 10, 2),
                                        .crc = little(p + at + 16, 4),
                                        .packed = little(p + at + 20, 4),
                                        .size = little(p + at + 24, 4),
                                        .at = little(p + at + 42, 4)};
            size_t keep = name < sizeof m->name ? name : sizeof m->name - 1;
            memcpy(m->name, p + at + 46, keep);
            m->name[keep] = 0;
            if (is_zip64(m))
                return bad(path, err, "holds an array of 4 GiB or more, which is not read");
        }
        at = next;
    }
    return MS_OK;
}

enum ms_status ms_zip_read(const char *path, const void *bytes, size_t n_bytes,
                           const struct ms_zip_member *m, size_t most, struct ms_buf *out,
                           struct ms_err *err)
{
    const unsigned char *p = bytes;
    if (m->at + 30 > n_bytes || memcmp(p + m->at, "PK\3\4", 4) != 0)
        return bad(path, err, "is a damaged zip archive: a file's header is missing");
    size_t from = m->at + 30 + little(p + m->at + 26, 2) + little(p + m->at + 28, 2), used;
    size_t before = out->n;
    if (from > n_bytes || m->packed > n_bytes - from)
        return bad(path, err, "is a damaged zip archive: a file is cut");
    if (m->method != 0 && m->method != 8)
        return ms_err_at(err, MS_INVALID, path, 0, 0, m->name,
                         "is packed by method %u; stored and deflated files are read", m->method);
    enum ms_status s = MS_OK;
    if (m->method == 0)
        ms_buf_add(out, p + from, m->packed);
    else
        s = unpack(path, -15, p + from, m->packed, most, out, &used, err);
    if (s != MS_OK)
        return s;
    if (out->failed)
        return ms_err_set(err, MS_NOMEM, "no memory to unpack %s", path);
    size_t got = out->n - before;
    if (got != m->size || crc32_z(0, (const unsigned char *)out->p + before, got) != m->crc)
        return ms_err_at(err, MS_INVALID, path, 0, 0, m->name, "is damaged: its checksum differs");
    return MS_OK;
}
