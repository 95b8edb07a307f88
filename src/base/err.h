/** @file err.h  How every room reports what went wrong.
 *
 *  A function that can fail returns `enum ms_status` and takes `struct ms_err *err` last (NULL is
 *  fine). The first failure fills it: place (file, 1-based line and column, 0 = unknown), key path,
 *  and one sentence that holds the value, what is allowed and the nearest name. Readers that go on
 *  after an error collect them in `struct ms_errs`. Nothing here prints to the terminal or exits:
 *  only cli/ does. */
#ifndef MS_BASE_ERR_H
#define MS_BASE_ERR_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/** The first six are also the exit codes of the program. */
enum ms_status {
    MS_OK = 0,
    MS_FAILED = 1,   /**< some cases failed, the others are kept */
    MS_USAGE = 2,    /**< wrong command line */
    MS_INVALID = 3,  /**< invalid input */
    MS_IO = 4,       /**< cannot write, or a read error on an existing file */
    MS_INTERNAL = 5, /**< our own or the simulator's failure */
    MS_NOMEM,        /**< exits 5 */
    MS_INFEASIBLE,   /**< the input is well formed and has no solution; exits 3 */
    MS_INTERRUPTED,  /**< exits 130 or 143 */
};

struct ms_err {
    enum ms_status status;
    char file[512];
    int line, col;
    char key[160];
    char text[1024];
};

/** Errors of one reading, in the order found. Zero-initialise; finish frees. */
struct ms_errs {
    struct ms_err *e;
    size_t n, cap;
    size_t n_warnings; /**< kept apart in `warn`, same shape */
    struct ms_err *warn;
    size_t warn_cap;
};

/** Fill err with a sentence and return `s`. An err that already holds a failure is left alone. */
enum ms_status ms_err_set(struct ms_err *err, enum ms_status s, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/** The same with a place. file and key may be NULL. */
enum ms_status ms_err_at(struct ms_err *err, enum ms_status s, const char *file, int line, int col,
                         const char *key, const char *fmt, ...)
    __attribute__((format(printf, 7, 8)));

/** Append a copy. More than 20 errors of one file are counted but not kept (`ms_errs_print` says
 *  so). */
void ms_errs_add(struct ms_errs *errs, const struct ms_err *err);
void ms_errs_add_at(struct ms_errs *errs, enum ms_status s, const char *file, int line, int col,
                    const char *key, const char *fmt, ...) __attribute__((format(printf, 7, 8)));
/** A warning never changes the exit code. */
void ms_errs_warn_at(struct ms_errs *errs, const char *file, int line, int col, const char *key,
                     const char *fmt, ...) __attribute__((format(printf, 6, 7)));
void ms_errs_finish(struct ms_errs *errs);

/** `FILE:LINE:COL: error: KEY: TEXT` and a newline; parts that are unknown are left out. kind:
 *  "error", "warning". */
void ms_err_print(FILE *out, const struct ms_err *err, const char *kind);
/** Warnings (of several that differ in names and numbers only, the first and how many more), then
 *  every error (at most 20 a file), one a line. */
void ms_errs_print(FILE *out, const struct ms_errs *errs);

/** The exit code of a status. */
int ms_exit_code(enum ms_status s);

/** The name nearest to `word` (Damerau-Levenshtein distance at most a third of its length, at least
 *  1), or NULL. names: n strings, NULLs skipped. */
const char *ms_nearest(const char *word, const char *const *names, size_t n);

/** "; allowed: a, b, c; did you mean 'b'?" into out (always terminated); the second part only where
 *  a name is near. More than 16 names: only the nearest is given. @return out */
const char *ms_allowed(char *out, size_t size, const char *word, const char *const *names,
                       size_t n);

/** Replace with '?', in place, what a terminal would obey (C0, DEL, C1, marks that turn the direction
 *  of writing) and bytes that are no UTF-8. Every sentence in an ms_err is clean, and every cell of
 *  a table. @return text */
char *ms_clean_line(char *text);
/** The same, keeping line ends and tabs. */
char *ms_clean_lines(char *text);
/** fprintf, what a terminal would obey cleaned as above: for sentences with names of folders in them. */
void ms_print_clean(FILE *out, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/** Text fit for a message: at most 60 characters, nothing unprintable. @param size >= 8 @return out */
const char *ms_clean(const char *text, char *out, size_t size);

#endif
