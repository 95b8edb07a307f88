/** @file seal.h  The hash of its own line that a JSON object carries, by which a reader knows it for
 *  whole: records, scenario.json, a checkpoint's manifest.
 *
 *  The last member of a sealed line is "hash": XXH3-128 of every byte before it, from the opening
 *  brace to the member in front of it, without the comma; 32 lower-case hex digits, no blanks, the
 *  closing brace behind it. So a changed byte anywhere in the line, a member moved, added or left
 *  out, or another spelling of a number is found; not more is promised: a hash is no signature. */
#ifndef MS_BASE_SEAL_H
#define MS_BASE_SEAL_H

#include <stddef.h>

#include "base/file.h"

enum ms_seal {
    MS_SEAL_WHOLE,
    MS_SEAL_BROKEN, /**< the line is not what was written */
    MS_SEAL_NONE,   /**< it ends in no hash */
};

/** Bytes of `,"hash":"…"}`. */
enum { MS_SEAL_BYTES = 9 + 32 + 2 };

/** Close an object that lacks its closing brace. */
void ms_seal_add(struct ms_buf *line);
/** A line without its end (blanks and CR already taken off). */
enum ms_seal ms_seal_check(const char *line, size_t n);

#endif
