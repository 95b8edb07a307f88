/* Decides which request every token belongs to: slots that hold requests while they last, or steps
 * packed with whole prompts, each slot and rank by its own stream. */
#include "demand/requests.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "demand/requests_mix.h"
#include "demand/requests_recorded.h"

enum { LONGEST = 1 << 28 };

/* Of the log-normal with the params' mean and cv. */
static void parameters(const struct ms_request_params *p, double *mu, double *sigma)
{
    double sigma2 = log1p(p->length.cv * p->length.cv);
    *sigma = sqrt(sigma2);
    *mu = log(p->length.mean) - sigma2 / 2;
}

static int32_t whole(double x)
{
    return (int32_t)fmin(fmax(nearbyint(x), 1), LONGEST);
}

int32_t ms_request_length(const struct ms_request_params *p, struct ms_rng *rng)
{
    double mu, sigma;
    if (p->length.cv <= 0)
        return whole(p->length.mean);
    parameters(p, &mu, &sigma);
    return whole(exp(mu + sigma * ms_rng_normal(rng)));
}

/* P(n) ~ n x P(length = n), by rejection from (x + 1) f(x) >= n f(x): the log-normal weighted by x
 * (one with mu + sigma^2) and the plain one, in the proportion mean : 1. */
int32_t ms_request_length_found(const struct ms_request_params *p, struct ms_rng *rng)
{
    double mu, sigma;
    if (p->length.cv <= 0)
        return whole(p->length.mean);
    parameters(p, &mu, &sigma);
    for (;;) {
        double shift = ms_rng_unit(rng) * (p->length.mean + 1) < p->length.mean ? sigma * sigma : 0;
        double x = exp(mu + shift + sigma * ms_rng_normal(rng));
        int32_t n = whole(x);
        if (ms_rng_unit(rng) * (x + 1) < n)
            return n;
    }
}

/** What draws: the problem, its mix or its recorded requests, and the runs so far. */
struct drawing {
    const struct ms_requests_problem *p;
    struct ms_mix *mix;
    struct ms_recorded *recorded, *recorded_past;
    struct ms_requests *out;
};

/** A request in a slot. */
struct held {
    uint32_t id;
    int32_t length, age;
};

/* A request that arrives at a rank at a step. @return false: out of memory */
static bool arrive(struct drawing *w, struct ms_rng *rng, int64_t step, int rank, struct held *h)
{
    int domain = ms_mix_domain(w->mix, step, rank, ms_rng_unit(rng));
    if (domain < 0)
        return false;
    if (w->recorded) {
        h->id = ms_recorded_next(w->recorded, domain);
        return true;
    }
    h->id = (uint32_t)domain * MS_VARIANTS + ms_rng_below(rng, MS_VARIANTS);
    return true;
}

/* The request that a slot holds at the first step. */
static bool find(struct drawing *w, struct ms_rng *rng, int rank, struct held *h)
{
    const struct ms_requests_problem *p = w->p;
    h->length = w->recorded ? p->recorded_tokens : ms_request_length_found(p->params, rng);
    h->age = (int32_t)ms_rng_below(rng, (uint32_t)h->length);
    return arrive(w, rng, -(int64_t)h->age, rank, h);
}

static bool follow(struct drawing *w, struct ms_rng *rng, int64_t step, int rank, struct held *h)
{
    h->length = w->recorded ? w->p->recorded_tokens : ms_request_length(w->p->params, rng);
    h->age = 0;
    return arrive(w, rng, step, rank, h);
}

static int64_t tokens_of(const struct ms_requests_problem *p, int step, int group, int rank)
{
    return p->tokens[ms_cell(step, p->n_groups, group) * (size_t)p->n_ranks + (size_t)rank];
}

static size_t row_of(const struct ms_requests_problem *p, int step, int group, int rank)
{
    return ms_cell(step, p->n_groups, group) * (size_t)p->n_ranks + (size_t)rank;
}

/* What a slot held before the request it is found with: the stream of arrivals is as steady backwards,
 * so lengths are plain ones and each arrived when the next one found the slot empty. */
static bool look_back(struct drawing *w, struct held h, int group, int rank, int64_t slot)
{
    const struct ms_requests_problem *p = w->p;
    struct drawing past = *w;
    struct ms_rng rng;
    int64_t arrival = -(int64_t)h.age;
    past.recorded = w->recorded_past;
    ms_rng_init(&rng, p->seed, "requests_past", (uint64_t)p->repeat,
                (uint64_t)group << 32 | (unsigned)rank, (uint64_t)slot);
    for (int b = 0; b < p->n_past; b++) {
        while (arrival > p->past[b]) {
            int64_t left = arrival;
            h.length = w->recorded ? p->recorded_tokens : ms_request_length(p->params, &rng);
            arrival = left - h.length;
            if (!arrive(&past, &rng, arrival, rank, &h))
                return false;
        }
        p->see(p->ctx, b,
               &(struct ms_run){
                   .n_tokens = 1, .first = (int32_t)(p->past[b] - arrival), .request = h.id});
    }
    return true;
}

/* One slot through all steps: it has a token in each that has so many slots. */
static bool fill_slot(struct drawing *w, int group, int rank, int64_t slot)
{
    const struct ms_requests_problem *p = w->p;
    struct ms_rng rng;
    struct held h = {0};
    ms_rng_init(&rng, p->seed, "requests", (uint64_t)p->repeat,
                (uint64_t)group << 32 | (unsigned)rank, (uint64_t)slot);
    bool ok = find(w, &rng, rank, &h);
    if (ok && slot < tokens_of(p, 0, group, rank))
        ok = look_back(w, h, group, rank, slot);
    for (int step = 0; step < p->n_steps && ok; step++) {
        if (slot < tokens_of(p, step, group, rank))
            w->out->run[w->out->start[row_of(p, step, group, rank)] + (size_t)slot] =
                (struct ms_run){.n_tokens = 1, .first = h.age, .request = h.id};
        if (++h.age == h.length)
            ok = follow(w, &rng, step + 1, rank, &h);
    }
    return ok;
}

/* A run a token: every slot has one. */
static enum ms_status decode(struct drawing *w, struct ms_arena *arena, struct ms_err *err)
{
    const struct ms_requests_problem *p = w->p;
    size_t n = 0;
    for (int step = 0; step < p->n_steps; step++)
        for (int g = 0; g < p->n_groups; g++)
            for (int r = 0; r < p->n_ranks; r++) {
                w->out->start[row_of(p, step, g, r)] = n;
                n += (size_t)tokens_of(p, step, g, r);
            }
    w->out->start[row_of(p, p->n_steps, 0, 0)] = n;
    w->out->run = MS_NEW(arena, struct ms_run, n);
    bool ok = w->out->run;
    for (int g = 0; g < p->n_groups; g++)
        for (int r = 0; r < p->n_ranks; r++) {
            int64_t slots = 0;
            for (int step = 0; step < p->n_steps; step++)
                slots = tokens_of(p, step, g, r) > slots ? tokens_of(p, step, g, r) : slots;
            for (int64_t slot = 0; slot < slots && ok; slot++)
                ok = fill_slot(w, g, r, slot);
        }
    return ok ? MS_OK : ms_err_set(err, MS_NOMEM, "out of memory for the requests of a run");
}

/** Runs while their number is not known. */
struct growing {
    struct ms_run *run;
    size_t n, cap;
};

static bool add(struct growing *all, struct ms_run run)
{
    if (all->n == all->cap) {
        size_t cap = all->cap ? 2 * all->cap : 1024;
        struct ms_run *more = realloc(all->run, cap * sizeof *more);
        if (!more)
            return false;
        all->run = more;
        all->cap = cap;
    }
    all->run[all->n++] = run;
    return true;
}

/* Whole prompts until the rank's tokens are full; the last one is cut. A step of the past (batch) has
 * the tokens of the first one, and is only seen. */
static bool pack(struct drawing *w, int64_t step, int batch, int group, int rank,
                 struct growing *all)
{
    const struct ms_requests_problem *p = w->p;
    int64_t left = tokens_of(p, step < 0 ? 0 : (int)step, group, rank);
    struct ms_rng rng;
    bool ok = true;
    ms_rng_init(&rng, p->seed, "prompts", (uint64_t)p->repeat, (uint64_t)step,
                (uint64_t)group << 32 | (unsigned)rank);
    while (left > 0 && ok) {
        struct held h;
        ok = follow(w, &rng, step, rank, &h);
        int32_t n = (int32_t)(h.length < left ? h.length : left);
        struct ms_run run = {.n_tokens = n, .request = h.id};
        if (ok && all)
            ok = add(all, run);
        else if (ok)
            p->see(p->ctx, batch, &run);
        left -= n;
    }
    return ok;
}

/* The prompts of batches of the past. */
static bool prefill_past(const struct drawing *w)
{
    const struct ms_requests_problem *p = w->p;
    struct drawing past = *w;
    bool ok = true;
    past.recorded = w->recorded_past;
    for (int b = 0; b < p->n_past && ok; b++)
        for (int g = 0; g < p->n_groups && ok; g++)
            for (int r = 0; r < p->n_ranks && ok; r++)
                ok = pack(&past, p->past[b], b, g, r, NULL);
    return ok;
}

static enum ms_status prefill(struct drawing *w, struct ms_arena *arena, struct ms_err *err)
{
    const struct ms_requests_problem *p = w->p;
    struct growing all = {0};
    bool ok = prefill_past(w);
    for (int step = 0; step < p->n_steps && ok; step++)
        for (int g = 0; g < p->n_groups && ok; g++)
            for (int r = 0; r < p->n_ranks && ok; r++) {
                w->out->start[row_of(p, step, g, r)] = all.n;
                ok = pack(w, step, -1, g, r, &all);
            }
    w->out->start[row_of(p, p->n_steps, 0, 0)] = all.n;
    w->out->run = ok ? MS_NEW(arena, struct ms_run, all.n) : NULL;
    if (w->out->run && all.n > 0)
        memcpy(w->out->run, all.run, all.n * sizeof *all.run);
    free(all.run);
    return w->out->run ? MS_OK
                       : ms_err_set(err, MS_NOMEM, "out of memory for the requests of a run");
}

enum ms_status ms_requests_draw(const struct ms_requests_problem *p, struct ms_arena *arena,
                                struct ms_requests *out, struct ms_err *err)
{
    struct drawing w = {.p = p, .mix = ms_mix_create(p), .out = out};
    enum ms_status s = w.mix ? MS_OK : ms_err_set(err, MS_NOMEM, "out of memory");
    *out = (struct ms_requests){0};
    out->start = MS_NEW(arena, size_t, row_of(p, p->n_steps, 0, 0) + 1);
    struct ms_requests_problem before = *p;
    before.seed = ms_rng_derive(p->seed, "recorded_past", 0, 0, 0);
    if (p->recorded) {
        w.recorded = ms_recorded_create(p);
        w.recorded_past = ms_recorded_create(&before);
    }
    if (s == MS_OK && (!out->start || (p->recorded && (!w.recorded || !w.recorded_past))))
        s = ms_err_set(err, MS_NOMEM, "out of memory for the requests of a run");
    if (s == MS_OK)
        s = p->params->phase == MS_REQUESTS_DECODE ? decode(&w, arena, err)
                                                   : prefill(&w, arena, err);
    ms_mix_destroy(w.mix);
    ms_recorded_destroy(w.recorded);
    ms_recorded_destroy(w.recorded_past);
    return s;
}
