/** @file huge.h  Big arrays on large pages.
 *
 *  An array of many megabytes that is read in no order costs a miss of the page table a look, and its
 *  first touch a fault every 4 KiB. Where the kernel gives large pages on request (transparent huge
 *  pages: always or madvise) it is asked for them; elsewhere nothing happens. Nothing else changes. */
#ifndef MS_BASE_HUGE_H
#define MS_BASE_HUGE_H

#include <stddef.h>

/** From this size on an array is worth large pages, bytes. */
#define MS_HUGE_BYTES ((size_t)4 << 20)

/** Ask for large pages under an array of malloc's of `size` bytes; nothing for small or NULL ones. */
void ms_huge_ask(void *p, size_t size);

/** realloc, with large pages where the array is big. */
void *ms_huge_realloc(void *p, size_t size);

#endif
