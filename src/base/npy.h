/** @file npy.h  NumPy's .npy files, versions 1 to 3, of one to four dimensions.
 *
 *  Decides what is a whole, well-formed file (magic, header, exact size); what the numbers mean is
 *  the caller's. Format: numpy.lib.format ("NEP 1"). Whatever the file's order is, an array in memory
 *  has the machine's bytes and C order; float16 becomes float, bool becomes uint8_t. Structured and
 *  object arrays are refused by name. */
#ifndef MS_BASE_NPY_H
#define MS_BASE_NPY_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum ms_npy_type {
    MS_NPY_I1, /**< int8_t, and so on */
    MS_NPY_I2,
    MS_NPY_I4,
    MS_NPY_I8,
    MS_NPY_U1,
    MS_NPY_U2,
    MS_NPY_U4,
    MS_NPY_U8,
    MS_NPY_F4, /**< float */
    MS_NPY_F8, /**< double */
    MS_NPY_N_TYPES
};

enum { MS_NPY_MAX_DIMS = 4 };

/** An array in memory. Zero-initialise; finish frees. */
struct ms_npy {
    enum ms_npy_type type;
    int n_dims;                    /**< 1..4 */
    size_t shape[MS_NPY_MAX_DIMS]; /**< last one fastest */
    size_t count;                  /**< product of shape; may be 0 */
    void *data;                    /**< [count], owned */
};

/** @return MS_OK; MS_INVALID: missing or not such a file, the reason names the file; MS_IO;
 *  MS_NOMEM */
enum ms_status ms_npy_read(const char *path, struct ms_npy *out, struct ms_err *err);
/** The same from a file's bytes; path is for messages. */
enum ms_status ms_npy_parse(const char *path, const void *bytes, size_t n_bytes, struct ms_npy *out,
                            struct ms_err *err);
void ms_npy_finish(struct ms_npy *a);

/** Element i of count as a double; integers past 2^53 are rounded. */
double ms_npy_number(const struct ms_npy *a, size_t i);
/** Element i as an integer. @return false where it is not a whole number of int64_t's range */
bool ms_npy_integer(const struct ms_npy *a, size_t i, int64_t *out);

/** Bytes of one element: 1, 2, 4 or 8. */
size_t ms_npy_size(enum ms_npy_type t);
/** NumPy's word for it: "<i4". */
const char *ms_npy_descr(enum ms_npy_type t);

/** Write data [product of shape] as version 1, atomically; the same array gives the same bytes. */
enum ms_status ms_npy_write(const char *path, enum ms_npy_type type, int n_dims,
                            const size_t *shape, const void *data, struct ms_err *err);

#endif
