/* Decides which safetensors files are well formed: a header that is JSON of the right shape, and
 * tensors that cover the data exactly once. */
#include "base/safetensors.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/file.h"

static const struct {
    const char *name;
    size_t size;
} types[MS_ST_N_TYPES] = {
    [MS_ST_F64] = {"F64", 8},   [MS_ST_F32] = {"F32", 4},         [MS_ST_F16] = {"F16", 2},
    [MS_ST_BF16] = {"BF16", 2}, [MS_ST_I64] = {"I64", 8},         [MS_ST_I32] = {"I32", 4},
    [MS_ST_I16] = {"I16", 2},   [MS_ST_I8] = {"I8", 1},           [MS_ST_U64] = {"U64", 8},
    [MS_ST_U32] = {"U32", 4},   [MS_ST_U16] = {"U16", 2},         [MS_ST_U8] = {"U8", 1},
    [MS_ST_BOOL] = {"BOOL", 1}, [MS_ST_F8_E4M3] = {"F8_E4M3", 1}, [MS_ST_F8_E5M2] = {"F8_E5M2", 1},
};

enum { HEADER_MAX = 100000000 }; /* the format's own limit */

struct ms_st_file {
    struct ms_arena arena;
    const char *path;
    unsigned char *map;
    size_t map_bytes;
    size_t n;
    struct ms_st_tensor *tensors; /* by name */
    size_t n_meta;
    struct ms_st_meta *meta;
};

const char *ms_st_type_name(enum ms_st_type t)
{
    return types[t].name;
}

size_t ms_st_type_size(enum ms_st_type t)
{
    return types[t].size;
}

static enum ms_status map_file(struct ms_st_file *f, struct ms_err *err)
{
    int fd;
    enum ms_status s = ms_file_open(f->path, &fd, &f->map_bytes, err);
    if (s != MS_OK)
        return s;
    if (f->map_bytes < 8) {
        close(fd);
        return ms_err_at(err, MS_INVALID, f->path, 0, 0, NULL,
                         "not a safetensors file: %zu bytes, its header length alone needs 8",
                         f->map_bytes);
    }
    void *p = mmap(NULL, f->map_bytes, PROT_READ, MAP_PRIVATE, fd, 0);
    int why = errno;
    close(fd);
    if (p == MAP_FAILED)
        return ms_err_at(err, MS_IO, f->path, 0, 0, NULL, "cannot map: %s", strerror(why));
    f->map = p;
    return MS_OK;
}

static enum ms_status bad(const struct ms_st_file *f, const char *tensor, struct ms_err *err,
                          const char *why)
{
    return ms_err_at(err, MS_INVALID, f->path, 0, 0, tensor, "%s", why);
}

static enum ms_status read_shape(const struct ms_st_file *f, const char *name, json_t *shape,
                                 struct ms_st_tensor *t, struct ms_err *err)
{
    if (!json_is_array(shape))
        return bad(f, name, err, "damaged header: no shape");
    if (json_array_size(shape) > MS_ST_MAX_DIMS)
        return ms_err_at(err, MS_INVALID, f->path, 0, 0, name, "%zu dimensions; allowed: 0 to %d",
                         json_array_size(shape), MS_ST_MAX_DIMS);
    t->n_dims = (int)json_array_size(shape);
    t->count = 1;
    for (int d = 0; d < t->n_dims; d++) {
        json_t *v = json_array_get(shape, (size_t)d);
        if (!json_is_integer(v) || json_integer_value(v) < 0)
            return bad(f, name, err, "damaged header: its shape is not a list of sizes");
        t->shape[d] = (size_t)json_integer_value(v);
        if (__builtin_mul_overflow(t->count, t->shape[d], &t->count))
            return bad(f, name, err, "its shape overflows");
    }
    return MS_OK;
}

static enum ms_status read_type(const struct ms_st_file *f, const char *name, json_t *dtype,
                                struct ms_st_tensor *t, struct ms_err *err)
{
    const char *word = json_string_value(dtype);
    if (!word)
        return bad(f, name, err, "damaged header: no dtype");
    for (int i = 0; i < MS_ST_N_TYPES; i++)
        if (strcmp(word, types[i].name) == 0 ||
            (strncmp(types[i].name, "F8", 2) == 0 && strncmp(word, types[i].name, 7) == 0)) {
            t->type = (enum ms_st_type)i;
            return MS_OK;
        }
    const char *names[MS_ST_N_TYPES];
    for (int i = 0; i < MS_ST_N_TYPES; i++)
        names[i] = types[i].name;
    char allowed[256];
    return ms_err_at(err, MS_INVALID, f->path, 0, 0, name, "'%s' is not a known dtype%s", word,
                     ms_allowed(allowed, sizeof allowed, word, names, MS_ST_N_TYPES));
}

static enum ms_status read_tensor(const struct ms_st_file *f, const char *name, json_t *v,
                                  size_t data_start, struct ms_st_tensor *t, struct ms_err *err)
{
    size_t have = f->map_bytes - data_start, want;
    enum ms_status s = read_type(f, name, json_object_get(v, "dtype"), t, err);
    if (!s)
        s = read_shape(f, name, json_object_get(v, "shape"), t, err);
    if (s)
        return s;
    json_t *span = json_object_get(v, "data_offsets");
    json_t *b = json_array_get(span, 0), *e = json_array_get(span, 1);
    if (json_array_size(span) != 2 || !json_is_integer(b) || !json_is_integer(e) ||
        json_integer_value(b) < 0 || json_integer_value(e) < json_integer_value(b))
        return bad(f, name, err, "damaged header: data_offsets is not [begin, end]");
    size_t begin = (size_t)json_integer_value(b), end = (size_t)json_integer_value(e);
    if (end > have)
        return ms_err_at(err, MS_INVALID, f->path, 0, 0, name,
                         "its data ends at byte %zu, but the file holds only %zu: cut short?", end,
                         have);
    if (__builtin_mul_overflow(t->count, types[t->type].size, &want) || want != end - begin)
        return ms_err_at(err, MS_INVALID, f->path, 0, 0, name,
                         "%zu elements of %s do not fit its %zu bytes", t->count,
                         types[t->type].name, end - begin);
    t->data = f->map + data_start + begin;
    return MS_OK;
}

static enum ms_status read_meta(struct ms_st_file *f, json_t *v, struct ms_err *err)
{
    const char *key;
    json_t *value;
    if (!json_is_object(v))
        return bad(f, "__metadata__", err, "damaged header: not an object");
    f->meta = MS_NEW(&f->arena, struct ms_st_meta, json_object_size(v));
    if (!f->meta)
        return ms_err_set(err, MS_NOMEM, "%s: out of memory", f->path);
    json_object_foreach(v, key, value)
    {
        if (!json_is_string(value))
            return bad(f, "__metadata__", err, "damaged header: a value is not text");
        struct ms_st_meta *m = &f->meta[f->n_meta++];
        m->key = ms_arena_strdup(&f->arena, key);
        m->value = ms_arena_strdup(&f->arena, json_string_value(value));
        if (!m->key || !m->value)
            return ms_err_set(err, MS_NOMEM, "%s: out of memory", f->path);
    }
    return MS_OK;
}

static int by_data(const void *x, const void *y)
{
    const struct ms_st_tensor *a = x, *b = y;
    if (a->data != b->data)
        return (const char *)a->data < (const char *)b->data ? -1 : 1;
    return (a->count > b->count) - (a->count < b->count);
}

static int by_name(const void *x, const void *y)
{
    return strcmp(((const struct ms_st_tensor *)x)->name, ((const struct ms_st_tensor *)y)->name);
}

/* The format wants the data without overlap and without holes, from the header's end to the
 * file's. */
static enum ms_status check_layout(struct ms_st_file *f, size_t data_start, struct ms_err *err)
{
    const unsigned char *at = f->map + data_start;
    qsort(f->tensors, f->n, sizeof *f->tensors, by_data);
    for (size_t i = 0; i < f->n; i++) {
        const struct ms_st_tensor *t = &f->tensors[i];
        const unsigned char *p = t->data;
        if (p < at)
            return ms_err_at(err, MS_INVALID, f->path, 0, 0, t->name,
                             "its data overlaps that of '%s'", f->tensors[i - 1].name);
        if (p > at)
            return ms_err_at(err, MS_INVALID, f->path, 0, 0, t->name,
                             "%td bytes before its data belong to no tensor", p - at);
        at = p + t->count * types[t->type].size;
    }
    if (at != f->map + f->map_bytes)
        return ms_err_at(err, MS_INVALID, f->path, 0, 0, NULL, "%td bytes after the last tensor",
                         f->map + f->map_bytes - at);
    qsort(f->tensors, f->n, sizeof *f->tensors, by_name);
    return MS_OK;
}

static enum ms_status read_entries(struct ms_st_file *f, json_t *root, size_t data_start,
                                   struct ms_err *err)
{
    const char *name;
    json_t *v;
    f->tensors = MS_NEW(&f->arena, struct ms_st_tensor, json_object_size(root));
    if (!f->tensors)
        return ms_err_set(err, MS_NOMEM, "%s: out of memory", f->path);
    json_object_foreach(root, name, v)
    {
        if (strcmp(name, "__metadata__") == 0) {
            enum ms_status s = read_meta(f, v, err);
            if (s)
                return s;
            continue;
        }
        struct ms_st_tensor *t = &f->tensors[f->n++];
        t->name = ms_arena_strdup(&f->arena, name);
        if (!t->name)
            return ms_err_set(err, MS_NOMEM, "%s: out of memory", f->path);
        enum ms_status s = read_tensor(f, t->name, v, data_start, t, err);
        if (s)
            return s;
    }
    return check_layout(f, data_start, err);
}

static enum ms_status read_header(struct ms_st_file *f, struct ms_err *err)
{
    uint64_t len = 0;
    for (int i = 7; i >= 0; i--)
        len = len << 8 | f->map[i];
    if (len > HEADER_MAX || len > f->map_bytes - 8)
        return ms_err_at(
            err, MS_INVALID, f->path, 0, 0, NULL,
            "not a safetensors file, or cut short: header of %llu bytes in a file of %zu",
            (unsigned long long)len, f->map_bytes);
    json_error_t why;
    json_t *root = json_loadb((const char *)f->map + 8, (size_t)len,
                              JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &why);
    if (!root)
        return ms_err_at(err, MS_INVALID, f->path, 0, 0, NULL, "damaged header: %s", why.text);
    enum ms_status s = json_is_object(root)
                           ? read_entries(f, root, 8 + (size_t)len, err)
                           : bad(f, NULL, err, "damaged header: not a JSON object");
    json_decref(root);
    return s;
}

enum ms_status ms_st_open(const char *path, struct ms_st_file **out, struct ms_err *err)
{
    struct ms_st_file *f = calloc(1, sizeof *f);
    if (!f)
        return ms_err_set(err, MS_NOMEM, "%s: out of memory", path);
    f->path = ms_arena_strdup(&f->arena, path);
    enum ms_status s = f->path ? map_file(f, err) : ms_err_set(err, MS_NOMEM, "out of memory");
    if (!s)
        s = read_header(f, err);
    if (s) {
        ms_st_close(f);
        return s;
    }
    *out = f;
    return MS_OK;
}

void ms_st_close(struct ms_st_file *f)
{
    if (!f)
        return;
    if (f->map)
        munmap(f->map, f->map_bytes);
    ms_arena_finish(&f->arena);
    free(f);
}

void ms_st_drop(const struct ms_st_file *f)
{
    madvise(f->map, f->map_bytes, MADV_DONTNEED);
}

const char *ms_st_path(const struct ms_st_file *f)
{
    return f->path;
}

size_t ms_st_count(const struct ms_st_file *f)
{
    return f->n;
}

const struct ms_st_tensor *ms_st_at(const struct ms_st_file *f, size_t i)
{
    return &f->tensors[i];
}

const struct ms_st_tensor *ms_st_find(const struct ms_st_file *f, const char *name)
{
    const struct ms_st_tensor key = {.name = name};
    return f->n ? bsearch(&key, f->tensors, f->n, sizeof key, by_name) : NULL;
}

const char *ms_st_metadata(const struct ms_st_file *f, const char *key)
{
    for (size_t i = 0; i < f->n_meta; i++)
        if (strcmp(f->meta[i].key, key) == 0)
            return f->meta[i].value;
    return NULL;
}

size_t ms_st_metadata_count(const struct ms_st_file *f)
{
    return f->n_meta;
}
