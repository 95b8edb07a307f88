/* Decides how a run is drawn: work items of (exchange, a few source ranks), each by its own
 * streams, so that threads and order change nothing. */
#include <stdlib.h>
#include <string.h>

#include "base/pool.h"
#include "demand/count.h"
#include "demand/demand_int.h"
#include "routing/assigner.h"
#include "routing/capacity.h"
#include "routing/sample.h"

enum { RANKS_PER_ITEM = 64 };

/** One thread's tables. */
struct worker {
    struct ms_sampler *sampler;
    struct ms_assigner *assigner; /* instead of the sampler */
    struct ms_counter *counter;
    int counter_nodes; /* nodes it was made for */
    uint16_t *chosen;  /* [tokens][K], tokens = block or, with capacity, the largest rank's */
    float *prob;
    double requested; /* selections before drops, of the item */
    struct ms_err err;
    size_t err_item;
};

struct job {
    struct ms_demand *d;
    int repeat, chunks; /* items per exchange */
    int64_t block;      /* tokens drawn at a time */
    bool capacity, probs;
    struct worker *worker;
    double *partial; /* [items][S + E + 2]: slots, experts, dropped, requested */
};

struct row {
    int step, layer, group, rank;
};

/* Numbers of an item's part of an exchange. */
static size_t part_size(const struct ms_demand *d)
{
    return (size_t)d->S + (size_t)d->E + 2;
}

void ms_demand_draw_ids(const struct ms_demand *d, struct ms_rng *rng, int layer, int n,
                        uint16_t *chosen)
{
    const struct ms_trace *t = &d->trace;
    size_t K = (size_t)d->K;
    for (int i = 0; i < n; i++) {
        int token = (int)ms_rng_below(rng, (uint32_t)t->n_tokens);
        const uint16_t *ids = t->ids + ms_cell(token, t->n_layers, layer % t->n_layers) * K;
        memcpy(chosen + (size_t)i * K, ids, K * sizeof *chosen);
    }
}

/* Is there a token assignment to put on a law's scores? */
static bool assigned(const struct ms_demand *d)
{
    return d->assign && d->law;
}

/* All tokens of a rank under a token assignment: they are the batch it sees. */
static void draw_assigned(struct job *j, struct worker *w, struct row x, struct ms_rng stream,
                          int T)
{
    struct ms_demand *d = j->d;
    uint64_t run = (uint64_t)j->repeat << 32 | (unsigned)x.step;
    uint64_t seed = ms_rng_derive(d->in.seed, "assignment", run, (uint64_t)x.group, 0);
    const double *f = ms_demand_frequencies(d, x.step, x.layer, x.group, x.rank);
    int64_t got = ms_assigner_draw(w->assigner, f, stream, seed, x.layer,
                                   (uint64_t)x.rank * (uint64_t)j->block, T, w->chosen, w->prob);
    w->requested += d->assign->expert_choice ? (double)got : (double)T * d->K;
}

static enum ms_status drop(struct job *j, struct worker *w, int64_t T, double *dropped)
{
    const struct ms_routing_params *r = j->d->in.routing;
    int64_t n, most = ms_capacity(r->capacity_factor, j->d->K, T, j->d->E);
    enum ms_status s = ms_capacity_drop(j->d->in.model, most, r->drop_policy, (int)T, w->chosen,
                                        w->prob, &n, &w->err);
    *dropped += s == MS_OK ? (double)n : 0;
    return s;
}

/* The next n tokens of a row: chosen and, where drops ask for them, probabilities. */
static void draw_block(struct job *j, struct worker *w, struct row x, struct ms_rng *stream,
                       struct ms_rng *replicas, int n)
{
    struct ms_demand *d = j->d;
    if (w->assigner) {
        draw_assigned(j, w, x, *stream, n);
    } else if (d->trace.ids) {
        ms_demand_draw_ids(d, stream, x.layer, n, w->chosen);
        for (int i = 0; i < n * d->K && w->prob; i++)
            w->prob[i] = (float)ms_rng_unit(replicas);
    } else {
        ms_sampler_draw(w->sampler, n, w->chosen, w->prob);
    }
}

/* All tokens of one source rank through sampler and counter. */
static enum ms_status draw_row(struct job *j, struct worker *w, struct row x, double *dropped)
{
    struct ms_demand *d = j->d;
    struct ms_rng stream, replicas;
    uint64_t who = (uint64_t)x.group << 32 | (unsigned)x.rank;
    uint64_t step = (uint64_t)x.step << 32, where = step | (unsigned)x.layer;
    ms_rng_init(&stream, d->in.seed, "tokens", (uint64_t)j->repeat, d->trace.ids ? step : where,
                who);
    ms_rng_init(&replicas, d->in.seed, "replicas", (uint64_t)j->repeat, where, who);
    ms_counter_source(w->counter, x.rank, replicas);
    if (w->sampler)
        ms_sampler_begin(w->sampler, stream);
    int64_t T = ms_demand_tokens(d, x.step, x.layer, x.group, x.rank);
    if (!w->assigner)
        w->requested += (double)T * d->K;
    for (int64_t t = 0; t < T; t += j->block) {
        int n = (int)(T - t < j->block ? T - t : j->block);
        draw_block(j, w, x, &stream, &replicas, n);
        if (j->capacity && drop(j, w, T, dropped) != MS_OK)
            return w->err.status;
        ms_counter_add(w->counter, n, w->chosen);
    }
    return MS_OK;
}

/* Tables of a worker that a run needs, made where they are missing. */
static enum ms_status equip(struct job *j, struct worker *w, int group)
{
    struct ms_demand *d = j->d;
    int n_nodes = d->group_nodes[group];
    size_t tokens = (size_t)j->block + 1;
    if (!w->counter || w->counter_nodes != n_nodes) {
        ms_counter_destroy(w->counter);
        w->counter = ms_counter_create(d->G, n_nodes, d->S, d->E, d->width,
                                       ms_demand_rank_node(d, group), d->in.place->replica_choice);
        w->counter_nodes = n_nodes;
    }
    if (assigned(d) && !w->assigner)
        w->assigner = ms_assigner_create(d->in.model, d->assign, d->in.routing->capacity_factor,
                                         (int)j->block, &w->err);
    if (w->err.status != MS_OK)
        return w->err.status;
    if (!assigned(d) && !d->trace.ids && !w->sampler)
        w->sampler = ms_sampler_create(d->in.model);
    if (!w->chosen)
        w->chosen = malloc(tokens * (size_t)d->width * sizeof *w->chosen);
    if (!w->prob && j->probs)
        w->prob = malloc(tokens * (size_t)d->K * sizeof *w->prob);
    bool source = w->sampler || w->assigner || d->trace.ids;
    if (!w->counter || !source || !w->chosen || (j->probs && !w->prob))
        return ms_err_set(&w->err, MS_NOMEM, "out of memory");
    return MS_OK;
}

static enum ms_status set_frequencies(struct ms_demand *d, struct worker *w, struct row x)
{
    if (!w->sampler)
        return MS_OK;
    return ms_sampler_set(w->sampler, ms_demand_frequencies(d, x.step, x.layer, x.group, x.rank),
                          d->inclusion, &w->err);
}

static void run_item(void *ctx, size_t item, int thread)
{
    struct job *j = ctx;
    struct ms_demand *d = j->d;
    struct worker *w = &j->worker[thread];
    int exchange = (int)(item / (size_t)j->chunks), chunk = (int)(item % (size_t)j->chunks);
    int first = chunk * RANKS_PER_ITEM;
    int last = first + RANKS_PER_ITEM < d->G ? first + RANKS_PER_ITEM : d->G;
    struct row x = {
        .step = exchange / d->Q / d->L, .layer = exchange / d->Q % d->L, .group = exchange % d->Q};
    double *slots = j->partial + item * part_size(d), *experts = slots + d->S;
    double *dropped = experts + d->E, *requested = dropped + 1;
    if (w->err.status != MS_OK)
        return;
    w->err_item = item;
    enum ms_status s = equip(j, w, x.group);
    if (s != MS_OK)
        return;
    w->requested = 0;
    ms_counter_layer(w->counter,
                     ms_demand_placement(d, x.group)->slot_expert + ms_cell(x.layer, d->S, 0),
                     ms_demand_rank_node(d, x.group));
    for (x.rank = first; x.rank < last && s == MS_OK; x.rank++) {
        if (x.rank == first || ms_demand_ranks_differ(d))
            s = set_frequencies(d, w, x);
        if (s == MS_OK)
            s = draw_row(j, w, x, dropped);
        if (s == MS_OK)
            ms_counter_row(w->counter, &d->traffic[exchange], slots, experts);
    }
    *requested = w->requested;
}

/* The parts of an exchange's items, in their order. */
static void add_up(struct job *j, size_t n_items)
{
    struct ms_demand *d = j->d;
    for (size_t item = 0; item < n_items; item++) {
        struct ms_traffic *t = &d->traffic[item / (size_t)j->chunks];
        const double *slots = j->partial + item * part_size(d), *experts = slots + d->S;
        for (int i = 0; i < d->S; i++)
            t->slot_tokens[i] += slots[i];
        for (int e = 0; e < d->E; e++)
            t->expert_tokens[e] += experts[e];
        t->dropped += experts[d->E];
        t->requested += experts[d->E + 1];
    }
}

/* The first failed item's error, whatever thread met it. */
static enum ms_status finish(struct job *j, int n_threads, struct ms_err *err)
{
    const struct worker *worst = NULL;
    for (int i = 0; i < n_threads; i++) {
        struct worker *w = &j->worker[i];
        if (w->err.status != MS_OK && (!worst || w->err_item < worst->err_item))
            worst = w;
    }
    enum ms_status s = worst ? worst->err.status : MS_OK;
    if (worst && err && err->status == MS_OK)
        *err = worst->err;
    for (int i = 0; i < n_threads; i++) {
        ms_sampler_destroy(j->worker[i].sampler);
        ms_assigner_destroy(j->worker[i].assigner);
        ms_counter_destroy(j->worker[i].counter);
        free(j->worker[i].chosen);
        free(j->worker[i].prob);
    }
    return s;
}

static int64_t most_tokens(const struct ms_demand *d)
{
    int64_t most = 0;
    size_t n = ms_cell(d->P, d->Q, 0) * ms_cell(d->G, d->token_layers, 0);
    for (size_t i = 0; i < n; i++)
        most = d->tokens[i] > most ? d->tokens[i] : most;
    return most;
}

enum ms_status ms_demand_draw_traffic(struct ms_demand *d, int repeat, struct ms_err *err)
{
    const struct ms_routing_params *r = d->in.routing;
    bool expert_choice = d->assign && d->assign->expert_choice;
    struct job j = {.d = d, .repeat = repeat, .block = MS_SAMPLE_BLOCK};
    j.capacity = r->capacity_factor > 0 && !expert_choice;
    j.probs = j.capacity && r->drop_policy == MS_DROP_PROBS;
    if (j.capacity || assigned(d))
        j.block = most_tokens(d) + 1;
    j.chunks = (d->G + RANKS_PER_ITEM - 1) / RANKS_PER_ITEM;
    size_t n_items = ms_demand_exchanges(d) * (size_t)j.chunks;
    int n_threads = n_items < (size_t)d->in.n_threads ? (int)n_items : d->in.n_threads;
    j.worker = MS_NEW(&d->run, struct worker, (size_t)n_threads);
    j.partial = MS_NEW(&d->run, double, n_items *part_size(d));
    if (!j.worker || !j.partial)
        return ms_err_set(err, MS_NOMEM, "out of memory");
    struct ms_pool *pool = n_threads > 1 ? ms_pool_create(n_threads) : NULL;
    ms_pool_run(pool, n_items, run_item, &j);
    ms_pool_destroy(pool);
    enum ms_status s = finish(&j, n_threads, err);
    if (s == MS_OK)
        add_up(&j, n_items);
    return s;
}
