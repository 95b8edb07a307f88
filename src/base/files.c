/* A list of files by path: what was read of each, and its hash once somebody wanted it. */
#include "base/files.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct ms_files_entry {
    const char *path;
    bool read, hashed;
    struct ms_buf bytes;
    struct ms_hash hash;
    struct ms_files_entry *next;
};

/* The entry of a path, new ones empty; NULL: no memory. */
static struct ms_files_entry *entry_of(struct ms_files *f, const char *path, struct ms_err *err)
{
    for (struct ms_files_entry *e = f->first; e; e = e->next)
        if (strcmp(e->path, path) == 0)
            return e;
    struct ms_files_entry *e = MS_NEW(&f->arena, struct ms_files_entry, 1);
    char *name = e ? ms_arena_strdup(&f->arena, path) : NULL;
    if (!name) {
        ms_err_set(err, MS_NOMEM, "out of memory for the input files");
        return NULL;
    }
    e->path = name;
    e->next = f->first;
    f->first = e;
    return e;
}

static enum ms_status read_entry(struct ms_files *f, struct ms_files_entry *e, struct ms_err *err)
{
    if (e->read)
        return MS_OK;
    f->n_opened++;
    enum ms_status s = ms_file_read(e->path, &e->bytes, err);
    if (s != MS_OK)
        ms_buf_finish(&e->bytes);
    e->read = s == MS_OK;
    return s;
}

enum ms_status ms_files_read(struct ms_files *f, const char *path, struct ms_buf *out,
                             struct ms_err *err)
{
    if (!f)
        return ms_file_read(path, out, err);
    struct ms_files_entry *e = entry_of(f, path, err);
    if (!e)
        return MS_NOMEM;
    enum ms_status s = read_entry(f, e, err);
    if (s != MS_OK)
        return s;
    ms_buf_add(out, e->bytes.p ? e->bytes.p : "", e->bytes.n);
    return out->failed ? ms_err_set(err, MS_NOMEM, "%s: too large for memory", path) : MS_OK;
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static int visible(const struct dirent *d)
{
    return d->d_name[0] != '.';
}

static enum ms_status hash_folder(struct ms_files *f, const char *path, struct ms_hash *out,
                                  struct ms_err *err)
{
    struct dirent **list = NULL;
    struct ms_buf all = {0};
    enum ms_status s = MS_OK;
    int n = scandir(path, &list, visible, by_name);
    if (n < 0)
        return ms_err_at(err, MS_IO, path, 0, 0, NULL, "cannot read the folder");
    for (int i = 0; i < n; i++) {
        struct ms_buf file = {0};
        struct stat st;
        struct ms_hash h;
        ms_buf_printf(&file, "%s/%s", path, list[i]->d_name);
        if (s == MS_OK && file.p && stat(file.p, &st) == 0 && S_ISREG(st.st_mode)) {
            f->n_opened++;
            s = ms_hash_file(file.p, &h, err);
            ms_buf_printf(&all, "%s %s\n", s == MS_OK ? h.hex : "", list[i]->d_name);
        }
        ms_buf_finish(&file);
        free(list[i]);
    }
    free(list);
    if (s == MS_OK)
        *out = ms_hash128(all.p ? all.p : "", all.n);
    ms_buf_finish(&all);
    return s;
}

enum ms_status ms_files_hash(struct ms_files *f, const char *path, struct ms_hash *out,
                             struct ms_err *err)
{
    struct ms_files_entry *e = entry_of(f, path, err);
    struct stat st;
    enum ms_status s = MS_OK;
    if (!e)
        return MS_NOMEM;
    if (!e->hashed && stat(path, &st) == 0 && S_ISDIR(st.st_mode)) {
        s = hash_folder(f, path, &e->hash, err);
    } else if (!e->hashed) {
        s = read_entry(f, e, err);
        if (s == MS_OK)
            e->hash = ms_hash128(e->bytes.p ? e->bytes.p : "", e->bytes.n);
    }
    e->hashed = s == MS_OK;
    if (s == MS_OK)
        *out = e->hash;
    return s;
}

enum ms_status ms_files_know(struct ms_files *f, const char *path, struct ms_hash hash,
                             struct ms_err *err)
{
    struct ms_files_entry *e = entry_of(f, path, err);
    if (!e)
        return MS_NOMEM;
    e->hash = hash;
    e->hashed = true;
    return MS_OK;
}

void ms_files_finish(struct ms_files *f)
{
    for (struct ms_files_entry *e = f->first; e; e = e->next)
        ms_buf_finish(&e->bytes);
    ms_arena_finish(&f->arena);
    *f = (struct ms_files){0};
}
