/** @file cli.h  What the files of the frame share: main.c, args.c, help.c, complete.c. Verbs need
 *  verb.h only. */
#ifndef MS_CLI_CLI_H
#define MS_CLI_CLI_H

#include <stdio.h>

#include "cli/verb.h"

/** The verb of that name, or NULL. */
const struct ms_verb *ms_verb_find(const char *name);

/** `moesim --help`: verbs by what they are for. */
void ms_help_all(FILE *out);
/** `moesim VERB --help`: examples first. */
void ms_help_verb(FILE *out, const struct ms_verb *verb);
/** `moesim --version`. */
void ms_help_version(FILE *out);

/** The manual page, in roff. */
void ms_man(FILE *out);

/** The words that may stand after words[1..n-1], one a line: what tools/completion.bash asks for.
 *  words[0] is the program; the last word is the one being completed (may be empty). */
int ms_complete(int n, char **words);

#endif
