/* Decides how memory that dies together is cut from chunks: each chunk twice the last one's size up
 * to 64 MiB, so that the number of calls to malloc stays logarithmic. */
#include "base/arena.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/huge.h"

enum { ALIGN = 64, MIN_CHUNK = 1 << 16 };

struct ms_arena_chunk {
    struct ms_arena_chunk *next;
    size_t used, size;
    unsigned char *data;
};

static struct ms_arena_chunk *chunk_new(size_t size)
{
    struct ms_arena_chunk *c = malloc(sizeof *c);
    if (!c)
        return NULL;
    *c = (struct ms_arena_chunk){.size = size};
    c->data = size < MS_HUGE_BYTES ? aligned_alloc(ALIGN, size) : ms_huge_alloc(size);
    if (!c->data) {
        free(c);
        return NULL;
    }
    return c;
}

static size_t aligned(size_t bytes)
{
    return (bytes + ALIGN - 1) / ALIGN * ALIGN;
}

/* The next bytes, as they are. */
static void *take(struct ms_arena *a, size_t bytes)
{
    struct ms_arena_chunk *c = a->head;
    if (!c || c->size - c->used < bytes) {
        size_t want = c ? 2 * c->size : MIN_CHUNK;
        if (want > (size_t)1 << 26)
            want = (size_t)1 << 26;
        c = chunk_new(want < bytes ? aligned(bytes) : want);
        if (!c)
            return NULL;
        c->next = a->head;
        a->head = c;
    }
    void *p = c->data + c->used;
    c->used += bytes;
    a->total_bytes += bytes;
    return p;
}

void *ms_arena_alloc(struct ms_arena *a, size_t count, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes) || bytes > SIZE_MAX / 2)
        return NULL;
    bytes = aligned(bytes);
    if (a->head) /* behind strings */
        a->head->used = aligned(a->head->used);
    void *p = take(a, bytes);
    return p ? memset(p, 0, bytes) : NULL;
}

char *ms_arena_strdup(struct ms_arena *a, const char *s)
{
    size_t n = strlen(s) + 1;
    char *p = take(a, n);
    return p ? memcpy(p, s, n) : NULL;
}

void ms_arena_reset(struct ms_arena *a)
{
    struct ms_arena_chunk *keep = NULL, *next;
    for (struct ms_arena_chunk *c = a->head; c; c = next) {
        next = c->next;
        if (!keep || c->size > keep->size) {
            struct ms_arena_chunk *old = keep;
            keep = c;
            c = old;
        }
        if (c) {
            free(c->data);
            free(c);
        }
    }
    if (keep) {
        keep->used = 0;
        keep->next = NULL;
    }
    *a = (struct ms_arena){.head = keep};
}

void ms_arena_finish(struct ms_arena *a)
{
    ms_arena_reset(a);
    if (a->head) {
        free(a->head->data);
        free(a->head);
    }
    *a = (struct ms_arena){0};
}
