/* One run drawn: work items of (exchange, a few source ranks), each by its own streams. */
#include <stdlib.h>
#include <string.h>

#include "base/pool.h"
#include "place/count.h"
#include "place/demand_int.h"
#include "routing/assign.h"
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
    bool capacity;
    struct worker *worker;
    double *partial; /* [items][S + E + 2]: slots, experts, dropped, requested */
};

/* Token ids: T tokens of the trace, drawn with replacement, the same ones in every layer. */
static void draw_ids(const struct ms_demand *d, struct ms_rng *rng, int layer, int n,
                     uint16_t *chosen)
{
    const struct ms_trace *t = &d->trace;
    for (int i = 0; i < n; i++) {
        size_t token = ms_rng_below(rng, (uint32_t)t->n_tokens);
        const uint16_t *ids = t->ids + (token * t->n_layers + layer % t->n_layers) * d->K;
        memcpy(chosen + (size_t)i * d->K, ids, (size_t)d->K * sizeof *chosen);
    }
}

static void random_probs(struct ms_rng *rng, int n, float *prob)
{
    for (int i = 0; i < n; i++)
        prob[i] = (float)ms_rng_unit(rng);
}

struct row {
    int step, layer, group, rank;
};

/* Is there a token assignment to put on a law's scores? */
static bool assigned(const struct ms_demand *d)
{
    return d->assign != NULL && d->law != NULL;
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

/* All tokens of one source rank through sampler and counter. */
static enum ms_status draw_row(struct job *j, struct worker *w, struct row x, double *dropped)
{
    struct ms_demand *d = j->d;
    struct ms_rng stream, replicas;
    uint64_t who = (uint64_t)x.group << 32 | (unsigned)x.rank;
    uint64_t where = (uint64_t)x.step << 32 | (unsigned)x.layer;
    bool ids = d->trace.ids != NULL;
    ms_rng_init(&stream, d->in.seed, "tokens", (uint64_t)j->repeat,
                ids ? (uint64_t)x.step << 32 : where, who);
    ms_rng_init(&replicas, d->in.seed, "replicas", (uint64_t)j->repeat, where, who);
    ms_counter_source(w->counter, x.rank, replicas);
    if (!ids && w->sampler != NULL)
        ms_sampler_begin(w->sampler, stream);
    int64_t T = ms_demand_tokens(d, x.step, x.layer, x.group, x.rank);
    if (!assigned(d))
        w->requested += (double)T * d->K;
    for (int64_t t = 0; t < T; t += j->block) {
        int n = (int)(T - t < j->block ? T - t : j->block);
        if (ids)
            draw_ids(d, &stream, x.layer, n, w->chosen);
        else if (w->assigner != NULL)
            draw_assigned(j, w, x, stream, n);
        else
            ms_sampler_draw(w->sampler, n, w->chosen, w->prob);
        if (ids && w->prob != NULL)
            random_probs(&replicas, n * d->K, w->prob);
        if (j->capacity && drop(j, w, T, dropped) != MS_OK)
            return w->err.status;
        ms_counter_add(w->counter, n, w->chosen);
    }
    return MS_OK;
}

static enum ms_status prepare(struct job *j, struct worker *w, struct row x)
{
    struct ms_demand *d = j->d;
    const struct ms_placement *p = ms_demand_placement(d, x.group);
    const int *node = ms_demand_rank_node(d, x.group);
    int n_nodes = d->group_nodes[x.group];
    if (w->counter == NULL || w->counter_nodes != n_nodes) {
        ms_counter_destroy(w->counter);
        w->counter = ms_counter_create(d->G, n_nodes, d->S, d->E, d->width, node,
                                       d->in.place->replica_choice);
        w->counter_nodes = n_nodes;
    }
    if (assigned(d) && w->assigner == NULL)
        w->assigner = ms_assigner_create(d->in.model, d->assign, d->in.routing->capacity_factor,
                                         (int)j->block, &w->err);
    if (!assigned(d) && w->sampler == NULL)
        w->sampler = ms_sampler_create(d->in.model);
    if (w->chosen == NULL)
        w->chosen = malloc((size_t)(j->block + 1) * d->width * sizeof *w->chosen);
    if (w->prob == NULL && j->capacity && d->in.routing->drop_policy == MS_DROP_PROBS)
        w->prob = malloc((size_t)(j->block + 1) * d->K * sizeof *w->prob);
    bool no_prob = j->capacity && d->in.routing->drop_policy == MS_DROP_PROBS && w->prob == NULL;
    if (w->err.status != MS_OK)
        return w->err.status;
    bool no_source = w->sampler == NULL && w->assigner == NULL;
    if (w->counter == NULL || no_source || w->chosen == NULL || no_prob)
        return ms_err_set(&w->err, MS_NOMEM, "out of memory");
    ms_counter_layer(w->counter, p->slot_expert + (size_t)x.layer * d->S, node);
    w->requested = 0;
    if (d->trace.ids != NULL || assigned(d) || ms_demand_ranks_differ(d))
        return MS_OK;
    return ms_sampler_set(w->sampler, ms_demand_frequencies(d, x.step, x.layer, x.group, 0),
                          d->inclusion, &w->err);
}

static void run_item(void *ctx, size_t item, int thread)
{
    struct job *j = ctx;
    struct ms_demand *d = j->d;
    struct worker *w = &j->worker[thread];
    size_t exchange = item / (size_t)j->chunks;
    int chunk = (int)(item % (size_t)j->chunks), first = chunk * RANKS_PER_ITEM;
    int last = first + RANKS_PER_ITEM < d->G ? first + RANKS_PER_ITEM : d->G;
    struct row x = {.step = (int)(exchange / d->Q / d->L),
                    .layer = (int)(exchange / d->Q % d->L),
                    .group = (int)(exchange % d->Q)};
    struct ms_traffic *t = &d->traffic[exchange];
    double *slots = j->partial + item * ((size_t)d->S + d->E + 2), *experts = slots + d->S;
    double *dropped = experts + d->E, *requested = dropped + 1;
    if (w->err.status != MS_OK)
        return;
    w->err_item = item;
    enum ms_status s = prepare(j, w, x);
    for (x.rank = first; x.rank < last && s == MS_OK; x.rank++) {
        if (ms_demand_ranks_differ(d))
            s = ms_sampler_set(w->sampler,
                               ms_demand_frequencies(d, x.step, x.layer, x.group, x.rank),
                               d->inclusion, &w->err);
        if (s == MS_OK)
            s = draw_row(j, w, x, dropped);
        if (s == MS_OK)
            ms_counter_row(w->counter, t, slots, experts);
    }
    *requested = w->requested;
}

/* The parts of an exchange's items, in their order. */
static void add_up(struct job *j, size_t n_items)
{
    struct ms_demand *d = j->d;
    for (size_t item = 0; item < n_items; item++) {
        struct ms_traffic *t = &d->traffic[item / (size_t)j->chunks];
        const double *p = j->partial + item * ((size_t)d->S + d->E + 2);
        for (int i = 0; i < d->S; i++)
            t->slot_tokens[i] += p[i];
        for (int e = 0; e < d->E; e++)
            t->expert_tokens[e] += p[d->S + e];
        t->dropped += p[d->S + d->E];
        t->requested += p[d->S + d->E + 1];
    }
}

/* The first failed item's error, whatever thread met it. */
static enum ms_status finish(struct job *j, int n_threads, struct ms_err *err)
{
    const struct worker *worst = NULL;
    for (int i = 0; i < n_threads; i++) {
        struct worker *w = &j->worker[i];
        if (w->err.status != MS_OK && (worst == NULL || w->err_item < worst->err_item))
            worst = w;
    }
    enum ms_status s = worst != NULL ? worst->err.status : MS_OK;
    if (worst != NULL && err != NULL && err->status == MS_OK)
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
    size_t n = (size_t)d->P * d->Q * d->G * d->token_layers;
    for (size_t i = 0; i < n; i++)
        most = d->tokens[i] > most ? d->tokens[i] : most;
    return most;
}

static enum ms_status draw_traffic(struct ms_demand *d, int repeat, struct ms_err *err)
{
    struct job j = {.d = d, .repeat = repeat, .block = MS_SAMPLE_BLOCK};
    bool expert_choice = d->assign != NULL && d->assign->expert_choice;
    j.capacity = d->in.routing->capacity_factor > 0 && !expert_choice;
    if (j.capacity || assigned(d))
        j.block = most_tokens(d) + 1;
    j.chunks = (d->G + RANKS_PER_ITEM - 1) / RANKS_PER_ITEM;
    size_t n_items = (size_t)d->P * d->L * d->Q * j.chunks;
    int n_threads = n_items < (size_t)d->in.n_threads ? (int)n_items : d->in.n_threads;
    j.worker = MS_NEW(&d->run, struct worker, (size_t)n_threads);
    j.partial = MS_NEW(&d->run, double, n_items *((size_t)d->S + d->E + 2));
    if (j.worker == NULL || j.partial == NULL)
        return ms_err_set(err, MS_NOMEM, "out of memory");
    struct ms_pool *pool = n_threads > 1 ? ms_pool_create(n_threads) : NULL;
    ms_pool_run(pool, n_items, run_item, &j);
    ms_pool_destroy(pool);
    enum ms_status s = finish(&j, n_threads, err);
    if (s == MS_OK)
        add_up(&j, n_items);
    return s;
}

enum ms_status ms_demand_place(struct ms_demand *d, const double *load, uint64_t stream,
                               struct ms_err *err)
{
    for (int q = 0; q < d->Q; q++) {
        if (d->group_placement[q] != q)
            continue;
        struct ms_place_problem p = {.n_layers = d->L,
                                     .n_experts = d->E,
                                     .n_ranks = d->G,
                                     .n_slots = d->S,
                                     .n_nodes = d->group_nodes[q],
                                     .n_groups = d->in.model->groups,
                                     .load = load,
                                     .rank_node = ms_demand_rank_node(d, q)};
        struct ms_rng rng;
        ms_rng_init(&rng, d->in.seed, "placement", stream, 0, 0);
        struct ms_placement fresh = {0};
        enum ms_status s = ms_place_solve(d->strategy, &p, &rng, &fresh, err);
        if (s != MS_OK)
            return s;
        ms_place_finish(&d->placement[q]);
        d->placement[q] = fresh;
    }
    return MS_OK;
}

/* Loads for a placement: another draw of the same popularity, never the tokens it is scored on. */
static enum ms_status other_draw(struct ms_demand *d, int repeat, double *load, struct ms_err *err)
{
    enum { SAMPLE = 16384 };
    struct ms_sampler *s = ms_sampler_create(d->in.model);
    uint16_t *chosen = malloc((size_t)SAMPLE * d->K * sizeof *chosen);
    enum ms_status status =
        s != NULL && chosen != NULL ? MS_OK : ms_err_set(err, MS_NOMEM, "out of memory");
    for (int l = 0; l < d->L && status == MS_OK; l++) {
        struct ms_rng stream;
        ms_rng_init(&stream, d->in.seed, "loads", (uint64_t)repeat, (uint64_t)l, 0);
        for (int r = 0; r < (ms_demand_ranks_differ(d) ? d->G : 1) && status == MS_OK; r++) {
            int n = ms_demand_ranks_differ(d) ? SAMPLE / d->G + 1 : SAMPLE;
            if (d->trace.ids != NULL) {
                draw_ids(d, &stream, l, n, chosen);
            } else {
                status = ms_sampler_set(s, ms_demand_frequencies(d, 0, l, 0, r), d->inclusion, err);
                stream.ctr[1] = (uint32_t)r;
                ms_sampler_begin(s, stream);
                if (status == MS_OK)
                    ms_sampler_draw(s, n, chosen, NULL);
            }
            for (int i = 0; i < n * d->K && status == MS_OK; i++)
                load[(size_t)l * d->E + chosen[i]]++;
        }
    }
    ms_sampler_destroy(s);
    free(chosen);
    return status;
}

enum ms_status ms_demand_draw(struct ms_demand *d, int repeat, struct ms_err *err)
{
    enum ms_status s = ms_demand_draw_popularity(d, repeat, err);
    if (s == MS_OK)
        s = ms_demand_draw_tokens(d, repeat, err);
    if (s == MS_OK && d->strategy->needs_load) {
        double *load = MS_NEW(&d->run, double, (size_t)d->L * d->E);
        s = load != NULL ? other_draw(d, repeat, load, err)
                         : ms_err_set(err, MS_NOMEM, "out of memory");
        if (s == MS_OK)
            s = ms_demand_place(d, load, (uint64_t)repeat, err);
    }
    return s == MS_OK ? draw_traffic(d, repeat, err) : s;
}
