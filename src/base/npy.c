/* Decides which .npy files are well formed, byte for byte, and writes version 1 of the format; a
 * header is read by a small grammar, never evaluated. Big endian and Fortran order are turned. */
#include "base/npy.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"

static const struct {
    const char *descr;
    size_t size;
} types[MS_NPY_N_TYPES] = {
    [MS_NPY_I1] = {"|i1", 1}, [MS_NPY_I2] = {"<i2", 2}, [MS_NPY_I4] = {"<i4", 4},
    [MS_NPY_I8] = {"<i8", 8}, [MS_NPY_U1] = {"|u1", 1}, [MS_NPY_U2] = {"<u2", 2},
    [MS_NPY_U4] = {"<u4", 4}, [MS_NPY_U8] = {"<u8", 8}, [MS_NPY_F4] = {"<f4", 4},
    [MS_NPY_F8] = {"<f8", 8},
};

size_t ms_npy_size(enum ms_npy_type t)
{
    return types[t].size;
}

const char *ms_npy_descr(enum ms_npy_type t)
{
    return types[t].descr;
}

/* The header is a Python dictionary of three keys: {'descr': '<i4', 'fortran_order': False,
 * 'shape': (3, 4), } */
struct cursor {
    const char *p, *end;
};

static void skip(struct cursor *c)
{
    while (c->p < c->end && isspace((unsigned char)*c->p))
        c->p++;
}

static bool take(struct cursor *c, char ch)
{
    skip(c);
    if (c->p == c->end || *c->p != ch)
        return false;
    c->p++;
    return true;
}

static bool take_string(struct cursor *c, char *out, size_t size)
{
    skip(c);
    if (c->p == c->end || (*c->p != '\'' && *c->p != '"'))
        return false;
    char quote = *c->p++;
    size_t n = 0;
    while (c->p < c->end && *c->p != quote && n + 1 < size)
        out[n++] = *c->p++;
    out[n] = 0;
    return take(c, quote);
}

static bool take_word(struct cursor *c, const char *word)
{
    size_t n = strlen(word);
    skip(c);
    if ((size_t)(c->end - c->p) < n || memcmp(c->p, word, n) != 0)
        return false;
    c->p += n;
    return true;
}

static bool take_shape(struct cursor *c, struct ms_npy *a, int *n_dims)
{
    *n_dims = 0;
    if (!take(c, '('))
        return false;
    while (!take(c, ')')) {
        skip(c);
        if (c->p == c->end || !isdigit((unsigned char)*c->p))
            return false;
        size_t v = 0;
        while (c->p < c->end && isdigit((unsigned char)*c->p))
            if (__builtin_mul_overflow(v, (size_t)10, &v) ||
                __builtin_add_overflow(v, (size_t)(*c->p++ - '0'), &v))
                return false;
        if (*n_dims < MS_NPY_MAX_DIMS)
            a->shape[*n_dims] = v;
        ++*n_dims;
        if (take(c, ','))
            continue;
        if (!take(c, ')'))
            return false;
        break;
    }
    return true;
}

struct header {
    char descr[64];
    bool fortran, big, half; /* big endian; float16 */
    int n_dims;
    int seen; /* bits: descr, fortran_order, shape */
};

static bool take_header(struct cursor *c, struct header *h, struct ms_npy *a)
{
    if (!take(c, '{'))
        return false;
    while (!take(c, '}')) {
        char key[32];
        if (!take_string(c, key, sizeof key) || !take(c, ':'))
            return false;
        int bit = 0;
        if (strcmp(key, "descr") == 0 && take_string(c, h->descr, sizeof h->descr))
            bit = 1;
        else if (strcmp(key, "fortran_order") == 0 &&
                 ((h->fortran = take_word(c, "True")) || take_word(c, "False")))
            bit = 2;
        else if (strcmp(key, "shape") == 0 && take_shape(c, a, &h->n_dims))
            bit = 4;
        if (!bit || (h->seen & bit))
            return false;
        h->seen |= bit;
        if (!take(c, ',') && (skip(c), c->p == c->end || *c->p != '}'))
            return false;
    }
    return h->seen == 7;
}

static enum ms_status bad(struct ms_err *err, const char *path, const char *why)
{
    return ms_err_at(err, MS_INVALID, path, 0, 0, NULL, "%s", why);
}

static int type_of(struct header *h)
{
    const char *word = h->descr + (h->descr[0] != 0);
    h->big = h->descr[0] == '>';
    h->half = strcmp(word, "f2") == 0;
    if (!h->descr[0] || !strchr("<|=>", h->descr[0]))
        return MS_NPY_N_TYPES;
    word = h->half ? "f4" : strcmp(word, "b1") == 0 ? "u1" : word;
    int t = 0;
    while (t < MS_NPY_N_TYPES && strcmp(types[t].descr + 1, word) != 0)
        t++;
    return t;
}

static enum ms_status read_meta(const char *path, struct cursor *c, struct ms_npy *a,
                                struct header *h, struct ms_err *err)
{
    if (!take_header(c, h, a))
        return bad(err, path, "damaged .npy header");
    int t = type_of(h);
    if (t == MS_NPY_N_TYPES)
        return ms_err_at(err, MS_INVALID, path, 0, 0, NULL,
                         "numbers of type '%s' are not read; allowed: i1, i2, i4, i8, u1, u2, u4, "
                         "u8, f2, f4, f8, b1",
                         h->descr);
    if (h->n_dims < 1 || h->n_dims > MS_NPY_MAX_DIMS)
        return ms_err_at(err, MS_INVALID, path, 0, 0, NULL, "%d dimensions; allowed: 1 to 4",
                         h->n_dims);
    a->type = (enum ms_npy_type)t;
    a->n_dims = h->n_dims;
    a->count = 1;
    for (int d = 0; d < h->n_dims; d++)
        if (__builtin_mul_overflow(a->count, a->shape[d], &a->count))
            return bad(err, path, "the shape overflows");
    return MS_OK;
}

/* IEEE 754 binary16. */
static float from_half(uint16_t v)
{
    int e = v >> 10 & 31, m = v & 1023;
    double x = e == 0    ? ldexp(m, -24)
               : e == 31 ? (m ? (double)NAN : (double)INFINITY)
                         : ldexp(m + 1024, e - 25);
    return (float)(v >> 15 ? -x : x);
}

/* Where element i, counted in C order, stands in the file. */
static size_t place_in_file(const struct ms_npy *a, bool fortran, size_t i)
{
    size_t at = 0, stride = a->count;
    if (!fortran)
        return i;
    for (int d = a->n_dims - 1; d >= 0; d--) { /* the last dimension is the slowest there */
        stride /= a->shape[d];
        at += i % a->shape[d] * stride;
        i /= a->shape[d];
    }
    return at;
}

/* Bytes in order, elements in order, half to float. */
static void take_numbers(struct ms_npy *a, const struct header *h, const unsigned char *from)
{
    size_t size = h->half ? 2 : types[a->type].size;
    unsigned char *to = a->data;
    if (!h->half && !h->big && !(h->fortran && a->n_dims > 1)) {
        memcpy(to, from, a->count * size);
        return;
    }
    for (size_t i = 0; i < a->count; i++) {
        const unsigned char *p = from + size * place_in_file(a, h->fortran && a->n_dims > 1, i);
        unsigned char b[8];
        for (size_t k = 0; k < size; k++)
            b[k] = p[h->big ? size - 1 - k : k];
        if (h->half) {
            float x = from_half((uint16_t)(b[0] | b[1] << 8));
            memcpy(to + 4 * i, &x, 4);
        } else {
            memcpy(to + size * i, b, size);
        }
    }
}

enum ms_status ms_npy_parse(const char *path, const void *bytes, size_t n_bytes, struct ms_npy *out,
                            struct ms_err *err)
{
    const unsigned char *p = bytes;
    struct ms_npy a = {0};
    struct header h = {0};
    if (n_bytes < 10 || memcmp(p, "\x93NUMPY", 6) != 0)
        return bad(err, path, "not a .npy file");
    if (p[6] < 1 || p[6] > 3)
        return ms_err_at(err, MS_INVALID, path, 0, 0, NULL, ".npy version %d; allowed: 1, 2, 3",
                         p[6]);
    size_t start = p[6] == 1 ? 10 : 12;
    size_t len = p[8] | (size_t)p[9] << 8;
    if (p[6] > 1)
        len = n_bytes < 12 ? SIZE_MAX / 2 : len | (size_t)p[10] << 16 | (size_t)p[11] << 24;
    if (n_bytes < start || len > n_bytes - start)
        return bad(err, path, "cut short within its header");
    struct cursor c = {(const char *)p + start, (const char *)p + start + len};
    enum ms_status s = read_meta(path, &c, &a, &h, err);
    if (s)
        return s;
    size_t want, held, have = n_bytes - start - len;
    if (__builtin_mul_overflow(a.count, types[a.type].size, &held) ||
        __builtin_mul_overflow(a.count, h.half ? 2 : types[a.type].size, &want))
        return bad(err, path, "the shape overflows");
    if (want != have)
        return ms_err_at(err, MS_INVALID, path, 0, 0, NULL,
                         "%zu bytes of numbers, but its shape needs %zu", have, want);
    a.data = malloc(held ? held : 1);
    if (!a.data)
        return ms_err_set(err, MS_NOMEM, "%s: out of memory", path);
    take_numbers(&a, &h, p + start + len);
    *out = a;
    return MS_OK;
}

enum ms_status ms_npy_read(const char *path, struct ms_npy *out, struct ms_err *err)
{
    struct ms_buf b = {0};
    enum ms_status s = ms_file_read(path, &b, err);
    if (s == MS_OK)
        s = ms_npy_parse(path, b.p, b.n, out, err);
    ms_buf_finish(&b);
    return s;
}

void ms_npy_finish(struct ms_npy *a)
{
    if (!a)
        return;
    free(a->data);
    *a = (struct ms_npy){0};
}

double ms_npy_number(const struct ms_npy *a, size_t i)
{
    switch (a->type) {
    case MS_NPY_I1:
        return ((const int8_t *)a->data)[i];
    case MS_NPY_I2:
        return ((const int16_t *)a->data)[i];
    case MS_NPY_I4:
        return ((const int32_t *)a->data)[i];
    case MS_NPY_I8:
        return (double)((const int64_t *)a->data)[i];
    case MS_NPY_U1:
        return ((const uint8_t *)a->data)[i];
    case MS_NPY_U2:
        return ((const uint16_t *)a->data)[i];
    case MS_NPY_U4:
        return ((const uint32_t *)a->data)[i];
    case MS_NPY_U8:
        return (double)((const uint64_t *)a->data)[i];
    case MS_NPY_F4:
        return (double)((const float *)a->data)[i];
    default:
        return ((const double *)a->data)[i];
    }
}

bool ms_npy_integer(const struct ms_npy *a, size_t i, int64_t *out)
{
    if (a->type == MS_NPY_I8) {
        *out = ((const int64_t *)a->data)[i];
        return true;
    }
    if (a->type == MS_NPY_U8) {
        uint64_t v = ((const uint64_t *)a->data)[i];
        *out = (int64_t)v;
        return v <= INT64_MAX;
    }
    double v = ms_npy_number(a, i);
    if (!(v >= -0x1p63 && v < 0x1p63) || v != floor(v))
        return false;
    *out = (int64_t)v;
    return true;
}

enum ms_status ms_npy_write(const char *path, enum ms_npy_type type, int n_dims,
                            const size_t *shape, const void *data, struct ms_err *err)
{
    struct ms_buf b = {0};
    size_t count = 1;
    ms_buf_add(&b, "\x93NUMPY\x01\x00\x00\x00", 10);
    ms_buf_printf(&b, "{'descr': '%s', 'fortran_order': False, 'shape': (", types[type].descr);
    for (int d = 0; d < n_dims; d++) {
        ms_buf_printf(&b, d ? ", %zu" : "%zu", shape[d]);
        count *= shape[d];
    }
    ms_buf_adds(&b, n_dims == 1 ? ",), }" : "), }");
    while (b.n % 64 != 63 && !b.failed)
        ms_buf_adds(&b, " ");
    ms_buf_adds(&b, "\n");
    if (!b.failed) {
        b.p[8] = (char)((b.n - 10) & 255);
        b.p[9] = (char)((b.n - 10) >> 8);
    }
    ms_buf_add(&b, data, count * types[type].size);
    enum ms_status s = b.failed ? ms_err_set(err, MS_NOMEM, "%s: out of memory", path)
                                : ms_file_write(path, b.p, b.n, err);
    ms_buf_finish(&b);
    return s;
}
