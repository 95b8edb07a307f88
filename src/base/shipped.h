/** @file shipped.h  Where the files that come with the program are: platforms/, scenarios/.
 *
 *  A program in its build tree takes them from the source tree, an installed one from its data
 *  folder (PREFIX/share/moesim). */
#ifndef MS_BASE_SHIPPED_H
#define MS_BASE_SHIPPED_H

#include <stddef.h>

/** The path of a shipped file or folder, "platforms/hardware" for one.
 *  @param size 4096 is enough  @return out */
const char *ms_shipped(const char *what, char *out, size_t size);

#endif
