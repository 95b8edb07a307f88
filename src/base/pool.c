/* Decides which thread takes which item: the next one, by an atomic counter; the threads sleep
 * between runs. */
#define _GNU_SOURCE
#include "base/pool.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>

enum {
    SPINS = 4000
}; /* of pause: some 40 us, longer than most gaps between two runs of a training step */

struct ms_pool {
    int n_threads;
    pthread_t *threads;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    atomic_uint round; /* one more a run; workers watch it */
    bool stop;
    atomic_size_t next; /* next item */
    atomic_int busy;    /* workers still in this round */
    size_t n_items;
    void (*fn)(void *ctx, size_t item, int thread);
    void *ctx;
};

struct start {
    struct ms_pool *pool;
    int thread;
};

static void relax(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
}

static void work(struct ms_pool *p, int thread)
{
    for (;;) {
        size_t i = atomic_fetch_add_explicit(&p->next, 1, memory_order_relaxed);
        if (i >= p->n_items)
            return;
        p->fn(p->ctx, i, thread);
    }
}

static void *worker(void *arg)
{
    struct start s = *(struct start *)arg;
    struct ms_pool *p = s.pool;
    free(arg);
    unsigned seen = 0;
    for (;;) {
        for (int i = 0; i < SPINS && atomic_load(&p->round) == seen; i++)
            relax();
        pthread_mutex_lock(&p->lock);
        while (atomic_load(&p->round) == seen && !p->stop)
            pthread_cond_wait(&p->wake, &p->lock);
        bool stop = p->stop;
        seen = atomic_load(&p->round);
        pthread_mutex_unlock(&p->lock);
        if (stop)
            return NULL;
        work(p, s.thread);
        atomic_fetch_sub(&p->busy, 1);
    }
}

struct ms_pool *ms_pool_create(int n_threads)
{
    struct ms_pool *p = calloc(1, sizeof *p);
    if (!p)
        return NULL;
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->wake, NULL);
    p->n_threads = 1;
    p->threads = calloc((size_t)n_threads, sizeof *p->threads);
    for (int t = 1; p->threads && t < n_threads; t++) {
        struct start *s = malloc(sizeof *s);
        if (!s)
            break;
        *s = (struct start){p, t};
        if (pthread_create(&p->threads[t], NULL, worker, s) != 0) {
            free(s);
            break;
        }
        p->n_threads++;
    }
    if (p->n_threads != n_threads) {
        ms_pool_destroy(p);
        return NULL;
    }
    return p;
}

void ms_pool_destroy(struct ms_pool *p)
{
    if (!p)
        return;
    pthread_mutex_lock(&p->lock);
    p->stop = true;
    pthread_cond_broadcast(&p->wake);
    pthread_mutex_unlock(&p->lock);
    for (int t = 1; t < p->n_threads; t++)
        pthread_join(p->threads[t], NULL);
    pthread_cond_destroy(&p->wake);
    pthread_mutex_destroy(&p->lock);
    free(p->threads);
    free(p);
}

int ms_pool_threads(const struct ms_pool *p)
{
    return p ? p->n_threads : 1;
}

void ms_pool_run(struct ms_pool *p, size_t n_items, void (*fn)(void *ctx, size_t item, int thread),
                 void *ctx)
{
    if (!p || p->n_threads == 1 || n_items < 2) {
        for (size_t i = 0; i < n_items; i++)
            fn(ctx, i, 0);
        return;
    }
    pthread_mutex_lock(&p->lock);
    p->n_items = n_items;
    p->fn = fn;
    p->ctx = ctx;
    atomic_store(&p->next, 0);
    atomic_store(&p->busy, p->n_threads - 1);
    atomic_fetch_add(&p->round, 1);
    pthread_cond_broadcast(&p->wake);
    pthread_mutex_unlock(&p->lock);
    work(p, 0);
    for (int spins = 0; atomic_load(&p->busy) > 0; spins++) {
        relax();
        if (spins > SPINS)
            sched_yield();
    }
}

int ms_cores(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) != 0)
        return 1;
    int n = CPU_COUNT(&set);
    return n > 0 ? n : 1;
}
