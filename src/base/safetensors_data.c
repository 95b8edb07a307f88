/* The numbers of a tensor, and the writer. */
#include "base/safetensors.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"

/* ---- numbers ---- */

static float from_bits(uint32_t bits)
{
    float v;
    memcpy(&v, &bits, sizeof v);
    return v;
}

/* IEEE 754 binary16: exact in float32, subnormals, infinities and NaN payloads included. */
static float from_f16(uint16_t h)
{
    uint32_t sign = (uint32_t)(h & 0x8000) << 16, e = h >> 10 & 31, m = h & 1023;
    if (e == 31)
        return from_bits(sign | 0x7f800000 | m << 13);
    if (e)
        return from_bits(sign | (e + 112) << 23 | m << 13);
    float v = (float)m * 0x1p-24f;
    return sign ? -v : v;
}

#define LOAD(type, var)                                                                            \
    type var;                                                                                      \
    memcpy(&var, (const unsigned char *)t->data + i * sizeof(type), sizeof var)

static bool integer_at(const struct ms_st_tensor *t, size_t i, int64_t *out)
{
    switch (t->type) {
#define CASE(T, type)                                                                              \
    case T: {                                                                                      \
        LOAD(type, v);                                                                             \
        *out = (int64_t)v;                                                                         \
        return true;                                                                               \
    }
        CASE(MS_ST_I64, int64_t)
        CASE(MS_ST_I32, int32_t)
        CASE(MS_ST_I16, int16_t)
        CASE(MS_ST_I8, int8_t)
        CASE(MS_ST_U32, uint32_t)
        CASE(MS_ST_U16, uint16_t)
        CASE(MS_ST_U8, uint8_t)
        CASE(MS_ST_BOOL, uint8_t)
#undef CASE
    case MS_ST_U64: {
        LOAD(uint64_t, v);
        *out = (int64_t)v;
        return v <= INT64_MAX;
    }
    default:
        return false;
    }
}

bool ms_st_integers(const struct ms_st_tensor *t, size_t first, size_t n, int64_t *out)
{
    for (size_t i = 0; i < n; i++)
        if (!integer_at(t, first + i, &out[i]))
            return false;
    return true;
}

bool ms_st_floats(const struct ms_st_tensor *t, size_t first, size_t n, float *out)
{
    size_t end = first + n;
    switch (t->type) {
    case MS_ST_F32:
        memcpy(out, (const unsigned char *)t->data + first * 4, n * 4);
        return true;
    case MS_ST_BF16:
        for (size_t i = first; i < end; i++) {
            LOAD(uint16_t, v);
            out[i - first] = from_bits((uint32_t)v << 16);
        }
        return true;
    case MS_ST_F16:
        for (size_t i = first; i < end; i++) {
            LOAD(uint16_t, v);
            out[i - first] = from_f16(v);
        }
        return true;
    case MS_ST_F64:
        for (size_t i = first; i < end; i++) {
            LOAD(double, v);
            out[i - first] = (float)v;
        }
        return true;
    default:
        for (size_t i = first; i < end; i++) {
            int64_t v;
            if (!integer_at(t, i, &v))
                return false;
            out[i - first] = (float)v;
        }
        return true;
    }
}

/* ---- writing ---- */

static void write_header(struct ms_buf *b, const struct ms_st_tensor *t, size_t n,
                         const struct ms_st_meta *meta, size_t n_meta)
{
    struct ms_json j = {.out = b};
    size_t at = 0;
    ms_buf_add(b, "\0\0\0\0\0\0\0\0", 8);
    ms_json_object(&j, NULL);
    if (n_meta) {
        ms_json_object(&j, "__metadata__");
        for (size_t i = 0; i < n_meta; i++)
            ms_json_string(&j, meta[i].key, meta[i].value);
        ms_json_end_object(&j);
    }
    for (size_t i = 0; i < n; i++) {
        ms_json_object(&j, t[i].name);
        ms_json_string(&j, "dtype", ms_st_type_name(t[i].type));
        ms_json_array(&j, "shape");
        for (int d = 0; d < t[i].n_dims; d++)
            ms_json_integer(&j, NULL, (int64_t)t[i].shape[d]);
        ms_json_end_array(&j);
        ms_json_array(&j, "data_offsets");
        ms_json_integer(&j, NULL, (int64_t)at);
        at += t[i].count * ms_st_type_size(t[i].type);
        ms_json_integer(&j, NULL, (int64_t)at);
        ms_json_end_array(&j);
        ms_json_end_object(&j);
    }
    ms_json_end_object(&j);
    while (b->n % 64 && !b->failed)
        ms_buf_adds(b, " ");
    for (int i = 0; i < 8 && !b->failed; i++)
        b->p[i] = (char)((b->n - 8) >> (8 * i) & 255);
}

/* One write a tensor: they are large. */
static bool write_all(int fd, const struct ms_buf *header, const struct ms_st_tensor *t, size_t n)
{
    bool ok = ms_fd_write(fd, header->p, header->n);
    for (size_t i = 0; ok && i < n; i++)
        ok = ms_fd_write(fd, t[i].data, t[i].count * ms_st_type_size(t[i].type));
    return ok;
}

enum ms_status ms_st_write(const char *path, const struct ms_st_tensor *tensors, size_t n_tensors,
                           const struct ms_st_meta *meta, size_t n_meta, struct ms_err *err)
{
    struct ms_buf header = {0};
    struct ms_part part;
    write_header(&header, tensors, n_tensors, meta, n_meta);
    enum ms_status s =
        header.failed ? ms_err_set(err, MS_NOMEM, "out of memory") : ms_part_open(&part, path, err);
    if (s == MS_OK) {
        bool ok = write_all(part.fd, &header, tensors, n_tensors);
        s = ms_part_close(&part, ok, errno, err);
    }
    ms_buf_finish(&header);
    return s;
}
