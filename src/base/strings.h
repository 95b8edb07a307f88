/** @file strings.h  A set of strings, numbered in the order they were first met.
 *
 *  Equal strings get equal numbers, so labels, titles and lines are compared as integers and a pass
 *  over n of them stays linear. Texts are copies and live as long as the set. */
#ifndef MS_BASE_STRINGS_H
#define MS_BASE_STRINGS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"

/** Zero-initialise; finish frees. */
struct ms_strings {
    struct ms_arena arena;
    const char **text; /**< [n] by number */
    size_t n, cap;
    size_t *slot; /**< [n_slots] number + 1, 0 = free; a power of two */
    size_t n_slots;
    bool failed; /**< memory ran out: every later number is 0 */
};

/** The number of a string, which joins the set when it is new. Check `failed` at the end. */
size_t ms_strings_add(struct ms_strings *s, const char *text);
/** The number of a string, n where it is not in the set. */
size_t ms_strings_find(const struct ms_strings *s, const char *text);
void ms_strings_finish(struct ms_strings *s);

#endif
