/* libFuzzer's way in. MOESIM_FUZZ names the target; `--list` prints every target with its seeds, and
 * `--seeds TARGET FOLDER` writes those that are no file of the tree. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static const struct fuzz_target *target;

static const struct fuzz_target *need(const char *name)
{
    const struct fuzz_target *t = name ? fuzz_find(name) : NULL;
    if (!t) {
        fprintf(stderr, "fuzz: '%s' is no target; --list prints them\n", name ? name : "");
        exit(2);
    }
    return t;
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    char **word = *argv;
    if (*argc > 1 && strcmp(word[1], "--list") == 0) {
        for (size_t i = 0; fuzz_at(i); i++)
            printf("%s %s\n", fuzz_at(i)->name, fuzz_at(i)->seeds);
        exit(0);
    }
    if (*argc > 3 && strcmp(word[1], "--seeds") == 0) {
        const struct fuzz_target *t = need(word[2]);
        if (t->make_seeds)
            t->make_seeds(word[3]);
        exit(0);
    }
    target = need(getenv("MOESIM_FUZZ"));
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    fuzz_one(target, data, n);
    return 0;
}
