/* How a big array comes to stand on large pages, and to grow where it stands: it begins at a large
 * page, and has more addresses than it uses. What is not touched takes no memory. */
#include "base/huge.h"

#include <malloc.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>

enum { LARGE_PAGE = 2 << 20, AHEAD = 16 };

static void *large(size_t size)
{
    size_t whole =
        (size + LARGE_PAGE / 2) / LARGE_PAGE * LARGE_PAGE; /* the last, if it is half used */
    void *p;
    if (size > SIZE_MAX / 2 || posix_memalign(&p, LARGE_PAGE, size > whole ? size : whole) != 0)
        return NULL;
    madvise(p, whole, MADV_HUGEPAGE);
    return p;
}

void *ms_huge_alloc(size_t size)
{
    return size < MS_HUGE_BYTES ? malloc(size) : large(size);
}

/* With addresses to grow into, unless they are counted. */
static void *growing(size_t size)
{
    struct rlimit limit;
    void *p = NULL;
    if (size < SIZE_MAX / AHEAD && getrlimit(RLIMIT_AS, &limit) == 0 &&
        limit.rlim_cur == RLIM_INFINITY)
        p = large(AHEAD * size);
    return p ? p : large(size);
}

void *ms_huge_realloc(void *p, size_t size)
{
    size_t had = p ? malloc_usable_size(p) : 0;
    if (size < MS_HUGE_BYTES)
        return realloc(p, size);
    if (size <= had)
        return p;
    void *q = growing(size);
    if (!q)
        return NULL;
    if (p)
        memcpy(q, p, had);
    free(p);
    return q;
}
