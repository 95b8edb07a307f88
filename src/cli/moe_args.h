/** @file moe_args.h  What train, evaluate and profile share on the command line: a checkpoint and
 *  texts in any order, names from a table, counts. */
#ifndef MS_CLI_MOE_ARGS_H
#define MS_CLI_MOE_ARGS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/file.h"
#include "cli/verb.h"
#include "moe/observer.h"

/** Operands and the values of --text, as the user ordered them. Zero-initialise; free both
 *  lists. */
struct ms_moe_inputs {
    const char **operand; /**< operands before the first --text, and folders anywhere */
    int n_operands;
    const char **text; /**< values of --text, and files after it */
    int n_texts;
};

/** ms_args_parse, and the inputs in the user's order: `--text FILE…` means that operands after a
 *  --text that are no folder are further texts.  @return as ms_args_parse: 0 go on, 1 stop with 0,
 *  2 stop with MS_USAGE */
int ms_moe_parse(const struct ms_verb *verb, int argc, char **argv, struct ms_args *args,
                 struct ms_moe_inputs *out);
void ms_moe_inputs_finish(struct ms_moe_inputs *in);

/** A word of a NULL-terminated list. @return its index, or -1 after a usage message */
int ms_moe_word(const struct ms_verb *verb, const struct ms_args *args, const char *name,
                const char *const *words, int fallback);

/** --rope: the words in order, and what they mean. */
extern const char *const ms_rope_words[];
#define MS_ROPE_HELP                                                                               \
    "precision of the rotary frequencies: float32 as from_pretrained keeps\n"                      \
    "them; bfloat16 as a model cast to it as a whole holds them; auto:\n"                          \
    "bfloat16 where config.json says so and windows end at 256 [auto]"

/** The last part of a path. */
const char *ms_moe_file_name(const char *path);
bool ms_moe_is_folder(const char *path);

/** Print err on stderr and give its exit code. */
int ms_moe_fail(const struct ms_err *err);

#endif
