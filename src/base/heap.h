/** @file heap.h  What comes next: a binary heap of (time, tie, id), the least first.
 *
 *  Two items of one time go by `tie`, then by `id`; `id` is the caller's number for what happens
 *  then. A heap with places (ms_heap_init_places) holds each id at most once and can change its
 *  time. Inline, since solvers live in these loops. */
#ifndef MS_BASE_HEAP_H
#define MS_BASE_HEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

struct ms_heap_item {
    double time_s; /**< no NaN */
    uint64_t tie;
    uint32_t id;
};

/** Zero-initialise to start; finish frees everything and leaves it ready for use again. */
struct ms_heap {
    struct ms_heap_item *item; /**< item[0] is the least */
    size_t n, cap;
    uint32_t *place; /**< [n_ids] where each id stands; NULL: not kept */
};

static inline void ms_heap_finish(struct ms_heap *h)
{
    free(h->item);
    free(h->place);
    *h = (struct ms_heap){0};
}

static inline bool ms_heap_reserve(struct ms_heap *h, size_t n)
{
    if (n <= h->cap)
        return true;
    size_t cap = h->cap + h->cap / 2 + 16;
    cap = cap < n ? n : cap;
    struct ms_heap_item *p = cap > SIZE_MAX / sizeof *p ? NULL : realloc(h->item, cap * sizeof *p);
    if (!p)
        return false;
    h->item = p;
    h->cap = cap;
    return true;
}

/** An empty heap whose ids are 0..n_ids-1, for ms_heap_move. @return false: no memory */
static inline bool ms_heap_init_places(struct ms_heap *h, size_t n_ids)
{
    *h = (struct ms_heap){.place = calloc(n_ids + 1, sizeof *h->place)};
    return h->place && ms_heap_reserve(h, n_ids);
}

static inline bool ms_heap_before(const struct ms_heap_item *a, const struct ms_heap_item *b)
{
    if (a->time_s != b->time_s)
        return a->time_s < b->time_s;
    return a->tie != b->tie ? a->tie < b->tie : a->id < b->id;
}

static inline void ms_heap_put(struct ms_heap *h, size_t at, struct ms_heap_item x)
{
    h->item[at] = x;
    if (h->place)
        h->place[x.id] = (uint32_t)at;
}

/** Find the place of x from the free place `at` on, upwards and then downwards. */
static inline void ms_heap_sift(struct ms_heap *h, size_t at, struct ms_heap_item x)
{
    for (; at > 0 && ms_heap_before(&x, &h->item[(at - 1) / 2]); at = (at - 1) / 2)
        ms_heap_put(h, at, h->item[(at - 1) / 2]);
    for (size_t child; (child = 2 * at + 1) < h->n; at = child) {
        if (child + 1 < h->n && ms_heap_before(&h->item[child + 1], &h->item[child]))
            child++;
        if (!ms_heap_before(&h->item[child], &x))
            break;
        ms_heap_put(h, at, h->item[child]);
    }
    ms_heap_put(h, at, x);
}

/** @return false: no memory, and nothing was pushed */
static inline bool ms_heap_push(struct ms_heap *h, struct ms_heap_item x)
{
    if (!ms_heap_reserve(h, h->n + 1))
        return false;
    h->n++;
    ms_heap_sift(h, h->n - 1, x);
    return true;
}

/** The least item, taken off; n >= 1. */
static inline struct ms_heap_item ms_heap_pop(struct ms_heap *h)
{
    struct ms_heap_item least = h->item[0], last = h->item[--h->n];
    if (h->n)
        ms_heap_sift(h, 0, last);
    return least;
}

/** Give an id of a heap with places another time. */
static inline void ms_heap_move(struct ms_heap *h, uint32_t id, double time_s)
{
    size_t at = h->place[id];
    ms_heap_sift(h, at, (struct ms_heap_item){time_s, h->item[at].tie, id});
}

#endif
