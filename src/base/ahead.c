/* Decides which thread begins which item and when somebody who waits may go on: items are begun in order,
 * so those that are done are all below the least one under way. */
#include "base/ahead.h"

#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>

#define NONE SIZE_MAX

struct helper {
    struct ms_ahead *ahead;
    int thread;
    pthread_t id;
};

struct ms_ahead {
    bool (*fn)(void *ctx, size_t item, int thread);
    void *ctx;
    size_t n_items;
    int n_threads;
    struct helper *helper; /* [n_threads], of 1 on */
    pthread_mutex_t lock;  /* of everything below */
    pthread_cond_t done;
    size_t next;
    size_t *under_way; /* [n_threads] */
    size_t failed;     /* the least one; NONE */
    bool stop, waits;
};

/* The next item is this thread's. @return false: there is none to begin */
static bool begin(struct ms_ahead *a, int thread)
{
    if (a->stop || a->failed != NONE || a->next == a->n_items)
        return false;
    a->under_way[thread] = a->next++;
    return true;
}

static void run(struct ms_ahead *a, int thread)
{
    size_t item = a->under_way[thread];
    pthread_mutex_unlock(&a->lock);
    bool ok = a->fn(a->ctx, item, thread);
    pthread_mutex_lock(&a->lock);
    a->under_way[thread] = NONE;
    if (!ok && item < a->failed)
        a->failed = item;
    if (a->waits)
        pthread_cond_signal(&a->done);
}

static void *help(void *arg)
{
    struct helper *h = arg;
    struct ms_ahead *a = h->ahead;
    pthread_mutex_lock(&a->lock);
    while (begin(a, h->thread))
        run(a, h->thread);
    pthread_mutex_unlock(&a->lock);
    return NULL;
}

struct ms_ahead *ms_ahead_start(int n_threads, size_t n_items,
                                bool (*fn)(void *ctx, size_t item, int thread), void *ctx)
{
    struct ms_ahead *a = calloc(1, sizeof *a);
    struct helper *helper = calloc((size_t)n_threads, sizeof *helper);
    size_t *under_way = malloc((size_t)n_threads * sizeof *under_way);
    if (!a || !helper || !under_way) {
        free(a);
        free(helper);
        free(under_way);
        return NULL;
    }
    *a = (struct ms_ahead){.fn = fn, .ctx = ctx, .n_items = n_items, .failed = NONE};
    a->helper = helper;
    a->under_way = under_way;
    for (int t = 0; t < n_threads; t++)
        under_way[t] = NONE;
    pthread_mutex_init(&a->lock, NULL);
    pthread_cond_init(&a->done, NULL);
    for (a->n_threads = 1; a->n_threads < n_threads; a->n_threads++) {
        struct helper *h = &helper[a->n_threads];
        *h = (struct helper){.ahead = a, .thread = a->n_threads};
        if (pthread_create(&h->id, NULL, help, h) != 0)
            break;
    }
    return a;
}

/* All items below are done. */
static size_t n_done(const struct ms_ahead *a)
{
    size_t n = a->next;
    for (int t = 0; t < a->n_threads; t++)
        n = a->under_way[t] < n ? a->under_way[t] : n;
    return n;
}

bool ms_ahead_wait(struct ms_ahead *a, size_t n, size_t *failed)
{
    pthread_mutex_lock(&a->lock);
    for (;;) {
        size_t done = n_done(a);
        if (done >= n || done > a->failed)
            break;
        if (begin(a, 0)) {
            run(a, 0);
            continue;
        }
        a->waits = true;
        pthread_cond_wait(&a->done, &a->lock);
        a->waits = false;
    }
    *failed = a->failed;
    pthread_mutex_unlock(&a->lock);
    return *failed >= n;
}

void ms_ahead_stop(struct ms_ahead *a)
{
    if (!a)
        return;
    pthread_mutex_lock(&a->lock);
    a->stop = true;
    pthread_mutex_unlock(&a->lock);
    for (int t = 1; t < a->n_threads; t++)
        pthread_join(a->helper[t].id, NULL);
    pthread_cond_destroy(&a->done);
    pthread_mutex_destroy(&a->lock);
    free(a->helper);
    free(a->under_way);
    free(a);
}
