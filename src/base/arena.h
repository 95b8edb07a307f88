/** @file arena.h  Memory for what dies together: bump allocation in chunks, freed as a whole.
 *
 *  Every block but a string's is zeroed and 64-byte aligned (a cache line; also wide enough for any vector load).
 *  Not thread-safe. */
#ifndef MS_BASE_ARENA_H
#define MS_BASE_ARENA_H

#include <stddef.h>

struct ms_arena_chunk;

/** Zero-initialise to start; finish frees everything and leaves it ready for use again. */
struct ms_arena {
    struct ms_arena_chunk *head;
    size_t total_bytes; /**< handed out so far */
};

/** count x size zeroed bytes, or NULL when the product overflows or memory is out. count 0 gives a
 *  valid pointer. */
void *ms_arena_alloc(struct ms_arena *a, size_t count, size_t size);
/** A copy of a string, or NULL. Strings stand behind each other, not aligned. */
char *ms_arena_strdup(struct ms_arena *a, const char *s);
/** Forget everything but keep the largest chunk for the next use. */
void ms_arena_reset(struct ms_arena *a);
void ms_arena_finish(struct ms_arena *a);

#define MS_NEW(arena, type, count) ((type *)ms_arena_alloc((arena), (count), sizeof(type)))

/** Where (row, column) stands in an array of rows of n_columns; (n, m, 0) is also how many
 *  an n x m array holds. */
static inline size_t ms_cell(int row, int n_columns, int column)
{
    return (size_t)row * (size_t)n_columns + (size_t)column;
}

#endif
