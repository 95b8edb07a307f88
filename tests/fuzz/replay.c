/* Every seed, and every input that once was a finding (found/TARGET-*), through its reader: the
 * fuzz targets without a fuzzer, in the everyday build.
 * Usage: replay SOURCE-TREE */
#define _GNU_SOURCE
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "fuzz.h"

/* Prefixes of a seed and single changed bytes of it, a few each: cheap, and always the same. */
static void feed(const struct fuzz_target *t, const struct ms_buf *b)
{
    const uint8_t *data = (const uint8_t *)(b->p ? b->p : "");
    fuzz_one(t, data, b->n);
    if (b->n == 0 || b->n > 20000)
        return;
    uint8_t *copy = malloc(b->n);
    for (size_t i = 0; copy && i < 12; i++) {
        size_t at = (b->n * (2 * i + 1)) / 24;
        memcpy(copy, data, b->n);
        copy[at] ^= (uint8_t)(1u << (i % 8));
        fuzz_one(t, copy, b->n);
        fuzz_one(t, data, at);
    }
    free(copy);
}

static int replay(const struct fuzz_target *t, const char *pattern)
{
    glob_t found;
    int n = 0;
    if (glob(pattern, 0, NULL, &found) != 0)
        return 0;
    for (size_t i = 0; i < found.gl_pathc; i++) {
        struct ms_buf b = {0};
        struct ms_err err = {0};
        if (ms_file_read(found.gl_pathv[i], &b, &err) == MS_OK) {
            feed(t, &b);
            n++;
        }
        ms_buf_finish(&b);
    }
    globfree(&found);
    return n;
}

static int replay_target(const struct fuzz_target *t, const char *tree)
{
    char pattern[4096], list[2048], *rest = list, *word;
    int n = 0;
    snprintf(list, sizeof list, "%s", t->seeds);
    while ((word = strsep(&rest, " ")) != NULL)
        if (*word) {
            snprintf(pattern, sizeof pattern, "%s/%s", tree, word);
            int here = replay(t, pattern);
            if (here == 0)
                fprintf(stderr, "replay: %s: no seed is named %s\n", t->name, word);
            n = here == 0 ? -1000000 : n + here;
        }
    if (t->make_seeds) {
        char folder[FUZZ_PATH];
        snprintf(folder, sizeof folder, "%s/seeds-%s-", fuzz_folder(), t->name);
        t->make_seeds(folder);
        snprintf(pattern, sizeof pattern, "%s*", folder);
        n += replay(t, pattern);
    }
    snprintf(pattern, sizeof pattern, "%s/tests/fuzz/found/%s-*", tree, t->name);
    return n + replay(t, pattern);
}

int main(int argc, char **argv)
{
    int bad = 0;
    for (size_t i = 0; argc > 1 && fuzz_at(i); i++) {
        const struct fuzz_target *t = fuzz_at(i);
        if (argc > 2 && strcmp(argv[2], t->name) != 0)
            continue;
        int n = replay_target(t, argv[1]);
        printf("%-18s %d inputs\n", t->name, n);
        fflush(stdout);
        bad += n <= 0;
    }
    return argc > 1 ? bad != 0 : 2;
}
