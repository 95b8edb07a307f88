/* Decides what becomes of the program when memory is out: it ends at once, with exit code 5 and a word
 * on stderr. Whatever it was writing stands beside its target under another name and is swept at the
 * next start, and records went out whole; so ending is always safe, and going on never is.
 *
 * The linker (--wrap) sends every allocation of the program's own code through here; rooms and their
 * tests know nothing of it and return MS_NOMEM. Jansson and libxml2 are given the same functions.
 * A case's child ends in the same way, and its case counts as failed. */
#include "cli/memory.h"

#include <jansson.h>
#include <libxml/xmlmemory.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"

void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t n);
void *__real_aligned_alloc(size_t align, size_t n);
char *__real_strdup(const char *s);
char *__real_strndup(const char *s, size_t n);

void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t n);
void *__wrap_aligned_alloc(size_t align, size_t n);
char *__wrap_strdup(const char *s);
char *__wrap_strndup(const char *s, size_t n);

/* Says so without allocating, and without running what others left to be done at the end. */
static void *or_end(void *p, size_t n)
{
    static const char text[] = "moesim: error: out of memory\n";
    if (p || n == 0)
        return p;
    (void)!write(STDERR_FILENO, text, sizeof text - 1);
    _exit(MS_INTERNAL);
}

void *__wrap_malloc(size_t n)
{
    return or_end(__real_malloc(n), n);
}

void *__wrap_calloc(size_t n, size_t size)
{
    return or_end(__real_calloc(n, size), n && size);
}

void *__wrap_realloc(void *p, size_t n)
{
    return or_end(__real_realloc(p, n), n);
}

void *__wrap_aligned_alloc(size_t align, size_t n)
{
    return or_end(__real_aligned_alloc(align, n), n);
}

char *__wrap_strdup(const char *s)
{
    return or_end(__real_strdup(s), 1);
}

char *__wrap_strndup(const char *s, size_t n)
{
    return or_end(__real_strndup(s, n), 1);
}

/* Large arrays are mapped on their own whatever was freed before: they grow without being copied, and go
 * back at once. What is small stays with a process that does one case after another. */
enum { MAPPED_BYTES = 2 << 20, KEPT_BYTES = 32 << 20 };

void ms_memory_or_end(void)
{
#ifdef __GLIBC__
    mallopt(M_MMAP_THRESHOLD, MAPPED_BYTES);
    mallopt(M_TRIM_THRESHOLD, KEPT_BYTES);
#endif
    json_set_alloc_funcs(malloc, free);
    xmlMemSetup(free, malloc, realloc, strdup);
}
