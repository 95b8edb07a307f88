/** @file safetensors.h  Reading (memory-mapped) and writing one .safetensors file.
 *
 *  Decides what is a sound file: header length, JSON, known types, shapes that fit their bytes, no
 *  overlap, no hole, nothing past the end, no name twice. Whatever is wrong is reported with the
 *  file, the tensor (as the key) and the reason. What the tensors mean is the caller's. Format:
 *  github.com/huggingface/safetensors, "Format". */
#ifndef MS_BASE_SAFETENSORS_H
#define MS_BASE_SAFETENSORS_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum ms_st_type {
    MS_ST_F64,
    MS_ST_F32,
    MS_ST_F16,
    MS_ST_BF16,
    MS_ST_I64,
    MS_ST_I32,
    MS_ST_I16,
    MS_ST_I8,
    MS_ST_U64,
    MS_ST_U32,
    MS_ST_U16,
    MS_ST_U8,
    MS_ST_BOOL,
    MS_ST_F8_E4M3, /**< sized and skipped, not converted */
    MS_ST_F8_E5M2,
    MS_ST_N_TYPES
};

enum { MS_ST_MAX_DIMS = 6 };

struct ms_st_tensor {
    const char *name;
    enum ms_st_type type;
    int n_dims; /**< 0..6; 0 is a scalar */
    size_t shape[MS_ST_MAX_DIMS];
    size_t count; /**< product of shape */
    /** [count] of type, row-major, perhaps unaligned; in an open file: the mapping's */
    const void *data;
};

struct ms_st_meta {
    const char *key, *value;
};

struct ms_st_file;

/** Map and check a file. @param out owned by the caller (ms_st_close).
 *  @return MS_OK; MS_INVALID: missing or unsound; MS_IO: exists and cannot be read; MS_NOMEM */
enum ms_status ms_st_open(const char *path, struct ms_st_file **out, struct ms_err *err);
void ms_st_close(struct ms_st_file *f);
/** Give the mapping's pages back to the page cache: less resident memory, and the next look reads
 *  them from there. */
void ms_st_drop(const struct ms_st_file *f);
const char *ms_st_path(const struct ms_st_file *f);

/** The tensors in the order of their names; valid while the file is open. */
size_t ms_st_count(const struct ms_st_file *f);
const struct ms_st_tensor *ms_st_at(const struct ms_st_file *f, size_t i);
/** NULL where there is none of that name. */
const struct ms_st_tensor *ms_st_find(const struct ms_st_file *f, const char *name);
/** A value of __metadata__, or NULL. */
const char *ms_st_metadata(const struct ms_st_file *f, const char *key);
/** Pairs in __metadata__. */
size_t ms_st_metadata_count(const struct ms_st_file *f);

/** Elements first .. first+n-1 as float32; bf16 and f16 are exact, f64 and integers rounded.
 *  @return false for the 8-bit floats, which are not converted */
bool ms_st_floats(const struct ms_st_tensor *t, size_t first, size_t n, float *out);
/** The same as integers. @return false unless the type is an integer or bool and the value fits */
bool ms_st_integers(const struct ms_st_tensor *t, size_t first, size_t n, int64_t *out);
/** "F32", and bytes of one element. */
const char *ms_st_type_name(enum ms_st_type t);
size_t ms_st_type_size(enum ms_st_type t);

/** Write tensors in the order given, their data 64-byte aligned in the file as a whole; atomically
 *  (temporary file beside it, fsync, rename). The same input gives the same bytes. meta: n_meta
 *  pairs for __metadata__, perhaps none.
 *  @return MS_OK; MS_IO; MS_NOMEM */
enum ms_status ms_st_write(const char *path, const struct ms_st_tensor *tensors, size_t n_tensors,
                           const struct ms_st_meta *meta, size_t n_meta, struct ms_err *err);

#endif
