/** @file ahead.h  Numbered work items that threads do before anybody asks for them.
 *
 *  Items are begun in order by whichever thread is free; an item must depend on its index alone, so that
 *  results are the same for any number of threads. Who waits for items works too: with one thread nothing
 *  is done before it is waited for. */
#ifndef MS_BASE_AHEAD_H
#define MS_BASE_AHEAD_H

#include <stdbool.h>
#include <stddef.h>

struct ms_ahead;

/** Begin items 0..n_items-1. fn(ctx, item, thread): thread 0..n_threads-1, 0 is who waits; false: it
 *  failed, and no further items are begun. Start after fork, not before.
 *  @param n_threads >= 1, the caller included; where fewer are to be had, there are fewer
 *  @return NULL: out of memory */
struct ms_ahead *ms_ahead_start(int n_threads, size_t n_items,
                                bool (*fn)(void *ctx, size_t item, int thread), void *ctx);
/** Until items 0..n-1 are done, or one of them has failed and all before it are done. From one thread,
 *  the one that started them.  @return false: the first of them that failed is in *failed */
bool ms_ahead_wait(struct ms_ahead *a, size_t n, size_t *failed);
/** Items that are begun are finished, no others are begun. NULL is fine. */
void ms_ahead_stop(struct ms_ahead *a);

#endif
