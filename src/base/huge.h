/** @file huge.h  Big arrays on large pages.
 *
 *  An array of megabytes that is read in no order costs a miss of the page table a look, its
 *  first touch a fault every 4 KiB, and its growth a copy. Where the kernel gives large pages on
 *  request (transparent huge pages: always or madvise) it is asked for them; elsewhere nothing is
 *  different. What these give is malloc's: free frees it. */
#ifndef MS_BASE_HUGE_H
#define MS_BASE_HUGE_H

#include <stddef.h>

/** From this size on an array is worth large pages, bytes. */
#define MS_HUGE_BYTES ((size_t)1 << 20)

/** As malloc. */
void *ms_huge_alloc(size_t size);
/** As realloc, for arrays that grow: a big one is given addresses beyond its size, where these are
 *  not limited, and grows into them without moving. It does not give back what it had. */
void *ms_huge_realloc(void *p, size_t size);

#endif
