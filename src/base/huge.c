/* Which pages an array is asked large ones for: all it has, its first and last too. A mapping of which
 * a part alone is asked for falls in two, and can no longer grow without being copied. */
#include "base/huge.h"

#include <malloc.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

void ms_huge_ask(void *p, size_t size)
{
    if (!p || size < MS_HUGE_BYTES)
        return;
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), end = (uintptr_t)p + malloc_usable_size(p);
    uintptr_t from = (uintptr_t)p / page * page, to = (end + page - 1) / page * page;
    madvise((void *)from, to - from, MADV_HUGEPAGE);
}

void *ms_huge_realloc(void *p, size_t size)
{
    void *q = realloc(p, size);
    ms_huge_ask(q, q ? size : 0);
    return q;
}
