/* Decides how a run is drawn: work items of (exchange, a few source ranks), each by its own
 * streams, so that threads and order change nothing. */
#include <stdlib.h>
#include <string.h>

#include "demand/draw_job.h"

/** One source rank of an exchange. */
struct row {
    int step, layer, group, rank;
    int64_t first_token; /* its number among the exchange's */
};

/** Where a row's tokens come from. */
struct streams {
    struct ms_rng tokens, replicas, probs;
};

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

static int64_t tokens_of(const struct ms_draw_job *j, struct row x)
{
    return ms_demand_tokens(j->d, x.step, x.layer, x.group, x.rank);
}

/* All tokens of a rank under a token assignment: they are the batch it sees. */
static void draw_assigned(struct ms_draw_job *j, struct ms_draw_worker *w, struct row x,
                          struct ms_rng stream, int T, uint16_t *chosen, float *prob)
{
    struct ms_demand *d = j->d;
    uint64_t run = (uint64_t)j->repeat << 32 | (unsigned)x.step;
    uint64_t seed = ms_rng_derive(d->in.seed, "assignment", run, (uint64_t)x.group, 0);
    const double *f = ms_demand_frequencies(d, x.step, x.layer, x.group, x.rank);
    int64_t got = ms_assigner_draw(w->assigner, f, stream, seed, x.layer,
                                   (uint64_t)x.rank * (uint64_t)j->block, T, chosen, prob);
    w->requested += d->assign->expert_choice ? (double)got : (double)T * d->K;
}

static void draw_ranks(struct ms_draw_job *j, struct ms_draw_worker *w, struct row x, int64_t first,
                       int n, uint16_t *slots)
{
    struct ms_demand *d = j->d;
    uint64_t where = (uint64_t)x.step << 32 | (unsigned)x.layer;
    struct ms_rank_problem p = {
        .n_ranks = d->G,
        .slots_per_rank = d->S / d->G,
        .top_k = d->K,
        .seed =
            ms_rng_derive(d->in.seed, "rank_assign", (uint64_t)j->repeat, where, (uint64_t)x.group),
        .scratch = w->scratch};
    d->by_rank->choose(&p, first, n, slots);
}

/* Items of the n tokens from number t of the row on and, where drops ask for them, their
 * probabilities. */
static void draw_block(struct ms_draw_job *j, struct ms_draw_worker *w, struct row x,
                       struct streams *from, int64_t t, int n, uint16_t *items, float *prob)
{
    struct ms_demand *d = j->d;
    if (d->by_rank) {
        draw_ranks(j, w, x, x.first_token + t, n, items);
    } else if (w->assigner) {
        draw_assigned(j, w, x, from->tokens, n, items, prob);
    } else if (d->trace.ids) {
        ms_demand_draw_ids(d, &from->tokens, x.layer, n, items);
    } else {
        ms_sampler_draw(w->sampler, n, items, prob);
    }
    for (int i = 0; i < n * d->K && prob && (d->by_rank || d->trace.ids); i++)
        prob[i] = (float)ms_rng_unit(&from->probs);
    if (!d->by_rank && !j->split)
        ms_counter_items(w->counter, n, items, items);
}

/* The tables stand for a row; its streams start. */
static void open_row(struct ms_draw_job *j, struct ms_draw_worker *w, struct row x,
                     struct streams *from)
{
    struct ms_demand *d = j->d;
    uint64_t who = (uint64_t)x.group << 32 | (unsigned)x.rank, seed = d->in.seed;
    uint64_t step = (uint64_t)x.step << 32, where = step | (unsigned)x.layer;
    uint64_t repeat = (uint64_t)j->repeat;
    ms_rng_init(&from->tokens, seed, "tokens", repeat, d->trace.ids ? step : where, who);
    ms_rng_init(&from->replicas, seed, "replicas", repeat, where, who);
    ms_rng_init(&from->probs, seed, "probs", repeat, where, who);
    ms_counter_source(w->counter, x.rank, from->replicas);
    if (w->sampler)
        ms_sampler_begin(w->sampler, from->tokens);
    if (!w->assigner)
        w->requested += (double)tokens_of(j, x) * d->K;
}

static enum ms_status set_frequencies(struct ms_demand *d, struct ms_draw_worker *w, struct row x)
{
    if (!w->sampler)
        return MS_OK;
    const double *f = ms_demand_frequencies(d, x.step, x.layer, x.group, x.rank);
    if (w->sampled == f)
        return MS_OK;
    w->sampled = f;
    return ms_sampler_set(w->sampler, f, d->inclusion, &w->err);
}

static enum ms_status no_memory(struct ms_draw_worker *w)
{
    return ms_err_set(&w->err, MS_NOMEM, "out of memory for the traffic of a run");
}

/* A row without capacity: drawn and counted block by block. */
static void count_row(struct ms_draw_job *j, struct ms_draw_worker *w, struct row x)
{
    struct streams from;
    int64_t T = tokens_of(j, x);
    open_row(j, w, x, &from);
    for (int64_t t = 0; t < T; t += j->block) {
        int n = (int)(T - t < j->block ? T - t : j->block);
        draw_block(j, w, x, &from, t, n, w->items, NULL);
        ms_counter_add(w->counter, n, w->items);
    }
}

/** The part of an exchange that an item makes. */
struct part {
    struct ms_traffic *traffic;
    double *slots, *experts, *dropped;
    const double *requested; /* of the worker */
};

/* All tokens of an exchange by their requests. */
static enum ms_status choose_all(struct ms_draw_job *j, struct ms_draw_worker *w, struct row x)
{
    struct ms_demand_exchange e = {j->repeat, x.step, x.layer, x.group};
    if (j->d->recorded && w->prob) {
        struct ms_rng rng;
        ms_rng_init(&rng, j->d->in.seed, "probs", (uint64_t)j->repeat,
                    (uint64_t)x.step << 32 | (unsigned)x.layer, (uint64_t)x.group << 32);
        for (size_t i = 0; i < (size_t)j->buffer * (size_t)j->d->K; i++)
            w->prob[i] = (float)ms_rng_unit(&rng);
    }
    return ms_demand_choose(j->d, w->sampler, e, w->items, w->prob, &w->err);
}

/* What a row's tokens choose, not yet which copies: choose_all has done it for requests. */
static enum ms_status draw_row(struct ms_draw_job *j, struct ms_draw_worker *w, struct row x,
                               size_t at)
{
    struct streams from;
    enum ms_status s = MS_OK;
    if (ms_demand_ranks_differ(j->d))
        s = set_frequencies(j->d, w, x);
    open_row(j, w, x, &from);
    if (!j->requests)
        draw_block(j, w, x, &from, 0, (int)tokens_of(j, x), w->items + at,
                   w->prob ? w->prob + at : NULL);
    return s;
}

/* Everything that is chosen in an exchange, by source and expert, splits the copies. */
static enum ms_status split_copies(struct ms_draw_job *j, struct ms_draw_worker *w, struct row x,
                                   int last)
{
    struct ms_demand *d = j->d;
    size_t at = 0, width = (size_t)d->width;
    enum ms_status s = MS_OK;
    memset(w->chosen, 0, ms_cell(d->G, d->E, 0) * sizeof *w->chosen);
    for (; x.rank < last && s == MS_OK; x.rank++) {
        size_t n = (size_t)tokens_of(j, x) * width;
        s = draw_row(j, w, x, at);
        for (size_t i = at; i < at + n; i++)
            if (w->items[i] < d->E)
                w->chosen[ms_cell(x.rank, d->E, w->items[i])]++;
        at += n;
        x.first_token += (int64_t)tokens_of(j, x);
    }
    ms_counter_split(w->counter, w->chosen);
    return s;
}

/* Which copies a row's tokens go to, and which of them are dropped. */
static enum ms_status choose_copies(struct ms_draw_job *j, struct ms_draw_worker *w, struct row x,
                                    size_t at, struct part *out)
{
    struct ms_demand *d = j->d;
    int n = (int)tokens_of(j, x);
    size_t width = (size_t)d->width;
    uint16_t *items = w->items + at;
    struct streams from;
    if (j->split)
        open_row(j, w, x, &from);
    if (j->split || j->requests)
        ms_counter_items(w->counter, n, items, items);
    if (j->capacity)
        ms_demand_holders(d, w->counter, (size_t)n * width, items, w->holder + at);
    if (!j->capacity || ms_demand_pooled(d))
        return MS_OK;
    return ms_demand_drop(d, n, (size_t)n * width, w->holder + at, w->prob ? w->prob + at : NULL,
                          ms_counter_none(w->counter), items, out->dropped, &w->err);
}

/* Rows first.rank .. last - 1, drawn before any is counted: a capacity, copies or requests that see
 * all of them. */
static enum ms_status count_together(struct ms_draw_job *j, struct ms_draw_worker *w,
                                     struct row first, int last, struct part *out)
{
    struct ms_demand *d = j->d;
    size_t width = (size_t)d->width, at = 0;
    struct row x = first;
    int64_t T = 0;
    enum ms_status s = MS_OK;
    if (j->requests)
        s = choose_all(j, w, x);
    if (s == MS_OK && j->split)
        s = split_copies(j, w, x, last);
    for (double asked = w->requested; x.rank < last && s == MS_OK; x.rank++) {
        int n = (int)tokens_of(j, x);
        if (!j->split)
            s = draw_row(j, w, x, at);
        if (s == MS_OK)
            s = choose_copies(j, w, x, at, out);
        if (j->split)
            w->requested = asked; /* counted while drawing */
        at += (size_t)n * width;
        x.first_token += n;
        T += n;
    }
    if (s == MS_OK && j->capacity && ms_demand_pooled(d))
        s = ms_demand_drop(d, T, at, w->holder, w->prob, ms_counter_none(w->counter), w->items,
                           out->dropped, &w->err);
    for (x = first, at = 0; x.rank < last && s == MS_OK; x.rank++) {
        int n = (int)tokens_of(j, x);
        ms_counter_source(w->counter, x.rank, (struct ms_rng){0});
        ms_counter_add(w->counter, n, w->items + at);
        if (!ms_counter_row(w->counter, out->traffic, out->slots, out->experts))
            s = no_memory(w);
        at += (size_t)n * width;
    }
    return s;
}

/* Slots, experts and the dropped: an item's part of an exchange. */
static size_t part_size(const struct ms_demand *d)
{
    return (size_t)d->S + (size_t)d->E + 1;
}

/* Tables of a worker that a run needs, made where they are missing. */
static enum ms_status equip(struct ms_draw_job *j, struct ms_draw_worker *w, int group)
{
    struct ms_demand *d = j->d;
    int n_nodes = d->group_nodes[group];
    size_t n = ((size_t)j->buffer + 1) * (size_t)d->width;
    if (!w->counter || w->counter_nodes != n_nodes) {
        ms_counter_destroy(w->counter);
        w->counter = ms_counter_create(d->G, n_nodes, d->S, d->E, d->width,
                                       ms_demand_rank_node(d, group), j->choice);
        w->counter_nodes = n_nodes;
    }
    if (assigned(d) && !w->assigner)
        w->assigner = ms_assigner_create(d->in.model, d->assign, d->in.routing->capacity_factor,
                                         (int)j->block, &w->err);
    if (w->err.status != MS_OK)
        return w->err.status;
    bool samples = !assigned(d) && !d->trace.ids && !d->by_rank; /* requests too */
    if (samples && !w->sampler)
        w->sampler = ms_sampler_create(d->in.model);
    if (!w->items)
        w->items = malloc(n * sizeof *w->items);
    if (!w->prob && j->probs)
        w->prob = malloc(n * sizeof *w->prob);
    if (!w->holder && j->capacity)
        w->holder = malloc(n * sizeof *w->holder);
    if (!w->scratch)
        w->scratch = malloc((size_t)d->G * sizeof *w->scratch);
    if (!w->chosen && j->split)
        w->chosen = malloc(ms_cell(d->G, d->E, 0) * sizeof *w->chosen);
    if (!w->part)
        w->part = malloc(part_size(d) * sizeof *w->part);
    if (!w->part || !w->counter || !w->items || !w->scratch || (j->split && !w->chosen) ||
        (samples && !w->sampler) || (j->probs && !w->prob) || (j->capacity && !w->holder))
        return ms_err_set(&w->err, MS_NOMEM, "out of memory");
    return MS_OK;
}

/* Rows first.rank .. last - 1 of an exchange. */
static enum ms_status count_rows(struct ms_draw_job *j, struct ms_draw_worker *w, struct row first,
                                 int last, struct part *out)
{
    enum ms_status s = j->requests ? MS_OK : set_frequencies(j->d, w, first);
    if (j->whole)
        return s == MS_OK ? count_together(j, w, first, last, out) : s;
    for (struct row x = first; x.rank < last && s == MS_OK; x.rank++) {
        if (ms_demand_ranks_differ(j->d))
            s = set_frequencies(j->d, w, x);
        if (s == MS_OK && j->capacity) {
            s = count_together(j, w, x, x.rank + 1, out);
        } else if (s == MS_OK) {
            count_row(j, w, x);
            if (!ms_counter_row(w->counter, out->traffic, out->slots, out->experts))
                s = no_memory(w);
        }
        x.first_token += tokens_of(j, x);
    }
    return s;
}

/* What an item has counted, to what the exchange's others have: whole numbers, so their order is of no
 * matter. */
static void add_up(struct ms_draw_job *j, const struct part *p)
{
    struct ms_demand *d = j->d;
    struct ms_traffic *t = p->traffic;
    pthread_mutex_lock(&j->lock);
    for (int i = 0; i < d->S; i++)
        t->slot_tokens[i] += p->slots[i];
    for (int e = 0; e < d->E; e++)
        t->expert_tokens[e] += p->experts[e];
    t->dropped += *p->dropped;
    t->requested += *p->requested;
    pthread_mutex_unlock(&j->lock);
}

bool ms_draw_item(void *ctx, size_t item, int thread)
{
    struct ms_draw_job *j = ctx;
    struct ms_demand *d = j->d;
    struct ms_draw_worker *w = &j->worker[thread];
    int exchange = j->first_exchange + (int)(item / (size_t)j->chunks);
    int first = (int)(item % (size_t)j->chunks) * j->rows;
    int last = first + j->rows > d->G ? d->G : first + j->rows;
    struct row x = {
        .step = exchange / d->Q / d->L, .layer = exchange / d->Q % d->L, .group = exchange % d->Q};
    w->err_item = item;
    if (equip(j, w, x.group) != MS_OK)
        return false;
    memset(w->part, 0, part_size(d) * sizeof *w->part);
    struct part out = {.traffic = &j->traffic[exchange],
                       .slots = w->part,
                       .experts = w->part + d->S,
                       .dropped = w->part + d->S + d->E,
                       .requested = &w->requested};
    w->requested = 0;
    for (; x.rank < first; x.rank++)
        x.first_token += tokens_of(j, x);
    const struct ms_placement *p = ms_demand_placement(d, x.step, x.group);
    size_t at = ms_cell(x.layer, d->S, 0);
    ms_counter_layer(w->counter, p->slot_expert + at, p->slot_share ? p->slot_share + at : NULL,
                     ms_demand_rank_node(d, x.group));
    if (count_rows(j, w, x, last, &out) != MS_OK)
        return false;
    add_up(j, &out);
    return true;
}

void ms_draw_worker_finish(struct ms_draw_worker *w)
{
    ms_sampler_destroy(w->sampler);
    ms_assigner_destroy(w->assigner);
    ms_counter_destroy(w->counter);
    free(w->items);
    free(w->holder);
    free(w->prob);
    free(w->scratch);
    free(w->chosen);
    free(w->part);
}
