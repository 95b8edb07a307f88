/** @file pool.h  A fixed set of threads over numbered work items.
 *
 *  Items are taken in order by whichever thread is free; an item must depend on its index alone, so
 *  that results are the same for any number of threads. The calling thread works too: a pool of 1
 *  starts no thread. */
#ifndef MS_BASE_POOL_H
#define MS_BASE_POOL_H

#include <stddef.h>

struct ms_pool;

/** n_threads >= 1, the caller included. NULL: out of memory or no thread to be had. Start pools
 *  after fork, not before. */
struct ms_pool *ms_pool_create(int n_threads);
void ms_pool_destroy(struct ms_pool *p);
int ms_pool_threads(const struct ms_pool *p);
/** Run fn(ctx, item, thread) for item 0..n_items-1, thread 0..n_threads-1 (0 = the caller); returns
 *  when all are done. p == NULL runs them all here. Not reentrant. */
void ms_pool_run(struct ms_pool *p, size_t n_items, void (*fn)(void *ctx, size_t item, int thread),
                 void *ctx);

/** Cores this process may use. */
int ms_cores(void);

#endif
