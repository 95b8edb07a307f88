/* The frame of the fuzz targets: the table of them, scratch files, and what holds for every reader's
 * answer. */
#define _GNU_SOURCE
#include "fuzz.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

const struct fuzz_target *fuzz_at(size_t i)
{
    static const struct fuzz_target *const tables[] = {fuzz_inputs, fuzz_models, fuzz_results};
    for (size_t t = 0; t < sizeof tables / sizeof *tables; t++)
        for (const struct fuzz_target *row = tables[t]; row->name; row++)
            if (i-- == 0)
                return row;
    return NULL;
}

const struct fuzz_target *fuzz_find(const char *name)
{
    const struct fuzz_target *t;
    for (size_t i = 0; (t = fuzz_at(i)); i++)
        if (strcmp(t->name, name) == 0)
            return t;
    return NULL;
}

void fuzz_must(bool holds)
{
    if (!holds)
        __builtin_trap();
}

void fuzz_told(enum ms_status s, const struct ms_err *err)
{
    fuzz_must((s == MS_OK) == (err->text[0] == 0));
}

void fuzz_told_all(enum ms_status s, const struct ms_errs *errs)
{
    fuzz_must((s == MS_OK) == (errs->n == 0));
}

/* ---- scratch files ---- */

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
    (void)st, (void)kind, (void)at;
    return remove(path);
}

static void remove_folder(void)
{
    nftw(fuzz_folder(), remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

const char *fuzz_folder(void)
{
    static char folder[FUZZ_PATH / 2];
    const char *above = getenv("TMPDIR");
    if (*folder)
        return folder;
    if (!above)
        above = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
    snprintf(folder, sizeof folder, "%s/moesim-fuzz-XXXXXX", above);
    if (!mkdtemp(folder)) {
        perror(folder);
        exit(1);
    }
    atexit(remove_folder);
    return folder;
}

const char *fuzz_file(const char *name, const void *data, size_t n)
{
    static char paths[16][FUZZ_PATH];
    static unsigned turn;
    char *path = paths[turn++ % 16], *slash;
    snprintf(path, FUZZ_PATH, "%s/%s", fuzz_folder(), name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0 && errno == ENOENT && (slash = strrchr(path, '/'))) {
        *slash = 0;
        mkdir(path, 0700);
        *slash = '/';
        fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    }
    if (fd < 0 || (n && write(fd, data, n) != (ssize_t)n)) {
        perror(path);
        exit(1);
    }
    close(fd);
    return path;
}

int fuzz_cut(const char *data, size_t n, int most, struct fuzz_part *part)
{
    int n_parts = 0;
    while (n_parts < most - 1) {
        const char *end = memchr(data, 0, n);
        if (!end)
            break;
        part[n_parts++] = (struct fuzz_part){data, (size_t)(end - data)};
        n -= (size_t)(end - data) + 1;
        data = end + 1;
    }
    part[n_parts++] = (struct fuzz_part){data, n};
    return n_parts;
}

void fuzz_one(const struct fuzz_target *t, const uint8_t *data, size_t n)
{
    char *copy = malloc(n + 1); /* its end is watched, unlike that of libFuzzer's own buffer */
    if (!copy)
        exit(1);
    if (n)
        memcpy(copy, data, n);
    copy[n] = 0;
    t->one(copy, n);
    free(copy);
}
