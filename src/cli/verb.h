/** @file verb.h  A verb of the command line: one file verb_<name>.c, one const struct, one word in
 *  meson.build. */
#ifndef MS_CLI_VERB_H
#define MS_CLI_VERB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/** A GNU long option. Rows end with name NULL. */
struct ms_option {
    const char *name;  /**< without the dashes */
    char letter;       /**< short form, 0 = none */
    const char *value; /**< placeholder of its value in the help, NULL = a flag */
    const char *help;
};

struct ms_verb {
    const char *name;
    const char *arguments; /**< "SCENARIO… [options]" */
    const char *summary;   /**< one line for `moesim --help` */
    const char *examples;  /**< shown first in `moesim VERB --help` */
    const struct ms_option *options;
    /** @return an exit code. argv[0] is the verb. */
    int (*run)(int argc, char **argv, const struct ms_verb *self);
    /** Words that may stand as operands, for completion: word i, NULL past the last. NULL:
     *  files. */
    const char *(*word)(size_t i);
};

/** One parsed command line: options in order, then operands. */
struct ms_args {
    struct {
        const char *name, *value;
    } option[256];
    int n_options;
    char **operand;
    int n_operands;
};

/** Parse argv by the verb's table; handles --help (prints, returns 1 = stop with exit code 0) and
 *  reports usage errors on stderr with the nearest option (returns 2 = stop with exit code 2). 0 =
 *  go on. */
int ms_args_parse(const struct ms_verb *verb, int argc, char **argv, struct ms_args *out);
/** The last value of an option, or fallback; a flag that is set gives "". */
const char *ms_args_get(const struct ms_args *a, const char *name, const char *fallback);
/** A whole number as scenario files have it, in low..high. @return false: it is none, out
 *  untouched */
bool ms_integer_parse(const char *text, int64_t low, int64_t high, int64_t *out);
/** The last value of a whole number's option; out untouched where it is not given.
 *  @return false after a usage message */
bool ms_args_integer(const struct ms_verb *verb, const struct ms_args *a, const char *name,
                     int64_t low, int64_t high, int64_t *out);
/** Print "moesim VERB: …" on stderr and return MS_USAGE. */
int ms_usage(const struct ms_verb *verb, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/** All verbs, NULL-terminated. */
const struct ms_verb *const *ms_verbs(void);

#endif
