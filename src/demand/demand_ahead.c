/* Decides what the work items of a run are, and draws them while the run goes on: whoever needs an
 * exchange waits until it is there, and works too. */
#include <stdlib.h>

#include "demand/draw_job.h"

/* Items are about as large as this, so that threads end together; but a popularity's tables are made for
 * each. */
enum { MOST_ROWS = 64, LEAST_ROWS = 4, TOKENS_PER_ITEM = 1 << 16 };

/* The most tokens of a rank, or of all ranks of an exchange together. */
static int64_t most_tokens(const struct ms_demand *d, bool of_exchange)
{
    int64_t most = 0;
    for (int step = 0; step < d->P; step++)
        for (int q = 0; q < d->Q; q++)
            for (int l = 0; l < d->token_layers; l++) {
                int64_t sum = 0;
                for (int r = 0; r < d->G; r++) {
                    int64_t n = ms_demand_tokens(d, step, l, q, r);
                    sum = of_exchange ? sum + n : n > sum ? n : sum;
                }
                most = sum > most ? sum : most;
            }
    return most;
}

static int rows_of(const struct ms_draw_job *j, int64_t most)
{
    int64_t rows = TOKENS_PER_ITEM / (most + 1);
    if (j->whole)
        return j->d->G;
    return (int)(rows < LEAST_ROWS ? LEAST_ROWS : rows > MOST_ROWS ? MOST_ROWS : rows);
}

static void plan(struct ms_draw_job *j)
{
    struct ms_demand *d = j->d;
    const struct ms_routing_params *r = d->in.routing;
    bool assigned = d->assign && d->law;
    int64_t most = most_tokens(d, false);
    j->capacity = r->capacity_factor > 0 && !(d->assign && d->assign->expert_choice);
    j->requests = d->in.workload->requests.phase != MS_REQUESTS_NONE;
    j->choice = d->by_rank ? NULL : ms_replica_of(d->in.place);
    j->split = j->choice && j->choice->split && d->S > d->E;
    j->whole = j->requests || j->split || (j->capacity && ms_demand_pooled(d));
    j->probs = j->capacity && r->drop_policy == MS_DROP_PROBS;
    j->block = j->capacity || j->split || assigned ? most + 1 : MS_SAMPLE_BLOCK;
    j->buffer = j->whole ? most_tokens(d, true) : j->block;
    j->rows = rows_of(j, most);
    j->chunks = (d->G + j->rows - 1) / j->rows;
}

enum ms_status ms_demand_start_drawing(struct ms_demand *d, int repeat, int first, int last,
                                       struct ms_err *err)
{
    struct ms_draw_job *j = calloc(1, sizeof *j);
    if (!j)
        return ms_err_set(err, MS_NOMEM, "out of memory");
    *j = (struct ms_draw_job){
        .d = d, .traffic = d->traffic, .repeat = repeat, .first_exchange = first * d->L * d->Q};
    pthread_mutex_init(&j->lock, NULL);
    d->job = j;
    plan(j);
    size_t n_items = (size_t)(last - first) * (size_t)d->L * (size_t)d->Q * (size_t)j->chunks;
    j->n_threads = n_items < (size_t)d->in.n_threads ? (int)n_items : d->in.n_threads;
    j->worker = calloc((size_t)j->n_threads, sizeof *j->worker);
    if (j->worker)
        j->ahead = ms_ahead_start(j->n_threads, n_items, ms_draw_item, j);
    if (j->ahead)
        return MS_OK;
    ms_demand_stop_drawing(d);
    return ms_err_set(err, MS_NOMEM, "out of memory");
}

enum ms_status ms_demand_await(struct ms_demand *d, size_t n_exchanges, struct ms_err *err)
{
    struct ms_draw_job *j = d->job;
    size_t first = j ? (size_t)j->first_exchange : 0, failed;
    if (!j || n_exchanges <= first ||
        ms_ahead_wait(j->ahead, (n_exchanges - first) * (size_t)j->chunks, &failed))
        return MS_OK;
    const struct ms_draw_worker *w = j->worker;
    while (w->err.status == MS_OK || w->err_item != failed)
        w++;
    if (err && err->status == MS_OK)
        *err = w->err;
    return w->err.status;
}

void ms_demand_stop_drawing(struct ms_demand *d)
{
    struct ms_draw_job *j = d->job;
    if (!j)
        return;
    ms_ahead_stop(j->ahead);
    for (int i = 0; i < j->n_threads && j->worker; i++)
        ms_draw_worker_finish(&j->worker[i]);
    pthread_mutex_destroy(&j->lock);
    free(j->worker);
    free(j);
    d->job = NULL;
}

enum ms_status ms_demand_draw_traffic(struct ms_demand *d, int repeat, int first, int last,
                                      struct ms_err *err)
{
    enum ms_status s = ms_demand_start_drawing(d, repeat, first, last, err);
    if (s == MS_OK)
        s = ms_demand_await(d, (size_t)last * (size_t)d->L * (size_t)d->Q, err);
    ms_demand_stop_drawing(d);
    return s;
}
