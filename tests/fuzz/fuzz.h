/** @file fuzz.h  One reader under fuzzing: a row of a table.
 *
 *  Every target is a name, a function that hands the input to the reader (and what was read to whoever
 *  uses it first), and where its seeds are. What a target must never see: a crash, a sanitizer's
 *  word, a hang, a failure without a sentence. Inputs of several parts are cut at NUL bytes. */
#ifndef FUZZ_H
#define FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/** Room for the names of an input's parts. */
enum { FUZZ_PATH = 256, FUZZ_PARTS = 8 };

struct fuzz_target {
    const char *name;
    void (*one)(const char *data, size_t n); /**< data is NUL-terminated past n */
    const char *seeds;                       /**< files below the source tree, "" = none */
    void (*make_seeds)(const char *folder);  /**< seeds that are no file of the tree, or NULL */
};

/** The tables of the fuzz_*.c files, each ended by a row without a name. */
extern const struct fuzz_target fuzz_inputs[], fuzz_models[], fuzz_results[];

/** A folder of this process's own, in memory where there is such a place. */
const char *fuzz_folder(void);
/** Write a file of it; name may have a folder that is made. @return its path, good for 16 more calls */
const char *fuzz_file(const char *name, const void *data, size_t n);
/** The parts of an input, cut at NUL bytes: at most `most`, the last one takes the rest. */
struct fuzz_part {
    const char *p;
    size_t n;
};
int fuzz_cut(const char *data, size_t n, int most, struct fuzz_part *part);
/** A failure has its sentence, and MS_OK has none. */
void fuzz_told(enum ms_status s, const struct ms_err *err);
/** The same of a list: MS_OK and errors in it exclude each other. */
void fuzz_told_all(enum ms_status s, const struct ms_errs *errs);
/** Trap unless it holds. */
void fuzz_must(bool holds);

/** Feed one input to a target: what libFuzzer and the replay call. */
void fuzz_one(const struct fuzz_target *t, const uint8_t *data, size_t n);
/** Row i over all tables, NULL past the last. */
const struct fuzz_target *fuzz_at(size_t i);
const struct fuzz_target *fuzz_find(const char *name);

#endif
