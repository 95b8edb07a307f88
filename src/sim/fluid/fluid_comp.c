/* The flows of a component: buckets by the number of links they cross, and the holes that ended
 * flows leave. */
#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/huge.h"
#include "sim/fluid/fluid_internal.h"

bool ms_fluid_grow(void *array, size_t *cap, size_t need, size_t size)
{
    void *p;
    if (need <= *cap)
        return true;
    size_t want = *cap + *cap / 2 + 16;
    if (want < need)
        want = need;
    memcpy(&p, array, sizeof p);
    void *q = want > SIZE_MAX / size ? NULL : ms_huge_realloc(p, want * size);
    if (!q)
        return false;
    memcpy(array, &q, sizeof q);
    *cap = want;
    return true;
}

/* Zeroed, in cache lines. */
static void *lines(size_t n, size_t size)
{
    void *p;
    return posix_memalign(&p, 64, n * size) == 0 ? memset(p, 0, n * size) : NULL;
}

static bool filling_init(struct ms_fluid_filling *w, uint32_t m)
{
    w->words = m / 64 + 1;
    w->rest = lines((size_t)w->words * 64, sizeof *w->rest);
    w->key = lines((size_t)w->words * 64, sizeof *w->key);
    w->crowd = lines((size_t)w->words * 64, sizeof *w->crowd);
    w->done = calloc(m + 1, 1);
    w->undone = calloc(w->words, sizeof *w->undone);
    w->reach = 0.02;
    return w->rest && w->key && w->crowd && w->done && w->undone;
}

static void filling_finish(struct ms_fluid_filling *w)
{
    free(w->rest), free(w->key), free(w->crowd), free(w->done), free(w->undone);
}

bool ms_fluid_comp_init(struct ms_fluid_comp *c, uint32_t m, uint32_t m_shared)
{
    *c = (struct ms_fluid_comp){.m = m, .m_shared = m_shared, .end_s = INFINITY};
    c->global = calloc(m + 1, sizeof *c->global);
    c->capacity = calloc(m + 1, sizeof *c->capacity);
    c->fat = calloc(m + 1, 1);
    c->crowd = calloc(m + 1, sizeof *c->crowd);
    c->level = calloc(m + 1, sizeof *c->level);
    c->serve = calloc(m + 1, sizeof *c->serve);
    c->credit = calloc(m + 1, sizeof *c->credit);
    return filling_init(&c->fill, m) && c->global && c->capacity && c->fat && c->crowd &&
           c->level && c->serve && c->credit;
}

static void bucket_finish(struct ms_fluid_bucket *b)
{
    for (uint32_t j = 0; b && j < b->k; j++) {
        if (b->link)
            free(b->link[j]);
        if (b->pos)
            free(b->pos[j]);
    }
    if (b) {
        free(b->link), free(b->pos), free(b->left), free(b->sink), free(b->also), free(b->route);
        free(b->chain);
        free(b->at), free(b->len), free(b->space), free(b->live), free(b->other), free(b->owner),
            free(b->row), free(b->frozen);
        free(b->bits), free(b->lo), free(b->hi), free(b);
    }
}

void ms_fluid_comp_finish(struct ms_fluid_comp *c)
{
    for (uint32_t k = 1; k <= c->k_max; k++)
        bucket_finish(c->by_k[k]);
    free(c->by_k), free(c->global), free(c->capacity), free(c->fat), free(c->crowd);
    free(c->level), free(c->serve), free(c->credit);
    filling_finish(&c->fill);
    ms_fluid_weighted_finish(&c->weighted);
    free(c->ending), free(c->cand_t), free(c->cand_flow);
    *c = (struct ms_fluid_comp){0};
}

static struct ms_fluid_bucket *bucket_new(const struct ms_fluid_comp *c, uint32_t k)
{
    struct ms_fluid_bucket *b = calloc(1, sizeof *b);
    if (!b)
        return NULL;
    b->k = k;
    b->link = calloc(k, sizeof *b->link);
    b->pos = calloc(k, sizeof *b->pos);
    b->at = calloc(c->m + 1, sizeof *b->at);
    b->len = calloc(c->m + 1, sizeof *b->len);
    b->space = calloc(c->m + 1, sizeof *b->space);
    b->live = calloc(c->m + 1, sizeof *b->live);
    b->lo = calloc(c->m + 1, sizeof *b->lo);
    b->hi = calloc(c->m + 1, sizeof *b->hi);
    b->words = c->fill.words;
    b->stale = k > 1;
    if (b->link && b->pos && b->at && b->len && b->space && b->live && b->lo && b->hi)
        return b;
    bucket_finish(b);
    return NULL;
}

/* @return NULL: no memory */
static struct ms_fluid_bucket *bucket_of(struct ms_fluid_comp *c, uint32_t k)
{
    if (k > c->k_max) {
        struct ms_fluid_bucket **by_k = realloc(c->by_k, (k + 1) * sizeof *by_k);
        if (!by_k)
            return NULL;
        for (uint32_t i = c->k_max ? c->k_max + 1 : 0; i <= k; i++)
            by_k[i] = NULL;
        c->by_k = by_k;
        c->k_max = k;
    }
    if (!c->by_k[k])
        c->by_k[k] = bucket_new(c, k);
    return c->by_k[k];
}

/* One array of a bucket, from b->cap to `want`. */
static bool stretch(const struct ms_fluid_bucket *b, void *array, size_t want, size_t size)
{
    size_t cap = b->cap;
    return ms_fluid_grow(array, &cap, want, size);
}

static bool stretch_bits(struct ms_fluid_bucket *b, size_t want)
{
    size_t cap = b->cap / 64 + 1;
    return ms_fluid_grow(&b->frozen, &cap, want / 64 + 1, sizeof *b->frozen);
}

static bool bucket_reserve(struct ms_fluid_bucket *b, uint32_t need, bool tracing)
{
    if (need <= b->cap)
        return true;
    size_t want = (size_t)b->cap + b->cap / 2 + 16;
    if (want < need)
        want = need;
    for (uint32_t j = 0; j < b->k; j++) {
        if (!stretch(b, &b->link[j], want, sizeof *b->link[j]) ||
            (b->pos[j] && !stretch(b, &b->pos[j], want, sizeof *b->pos[j])))
            return false;
    }
    if (!stretch(b, &b->left, want, sizeof *b->left) ||
        !stretch(b, &b->sink, want, sizeof *b->sink) ||
        !stretch(b, &b->route, want, sizeof *b->route) ||
        (b->also && !stretch(b, &b->also, want, sizeof *b->also)) ||
        (b->row && !stretch(b, &b->row, want, b->k * sizeof *b->row)) ||
        (b->frozen && !stretch_bits(b, want)) ||
        (tracing && !stretch(b, &b->chain, want, sizeof *b->chain)))
        return false;
    b->cap = (uint32_t)want;
    return true;
}

/* The array of second sinks comes with the first flow that has one. */
static bool set_sinks(struct ms_fluid_bucket *b, uint32_t i, const uint32_t *sink)
{
    b->sink[i] = sink[0];
    if (!b->also && sink[1] != MS_FLUID_NONE) {
        b->also = ms_huge_alloc((size_t)b->cap * sizeof *b->also);
        if (!b->also)
            return false;
        memset(b->also, 0xff, (size_t)b->cap * sizeof *b->also);
    }
    if (b->also)
        b->also[i] = sink[1];
    return true;
}

bool ms_fluid_comp_add(struct ms_fluid_comp *c, const uint32_t *links, uint32_t k, double left,
                       const struct ms_fluid_wait *flow, uint32_t chain, bool tracing)
{
    struct ms_fluid_bucket *b = bucket_of(c, k);
    if (!b || !bucket_reserve(b, b->n + 1, tracing) || !set_sinks(b, b->n, flow->sink))
        return false;
    uint32_t i = b->n++;
    for (uint32_t j = 0; j < k; j++) {
        b->link[j][i] = links[j];
        b->live[links[j]]++;
        c->crowd[links[j]]++;
    }
    b->left[i] = left;
    b->route[i] = flow->route;
    if (tracing)
        b->chain[i] = chain;
    c->n_live++;
    assert(!c->crediting);
    return true;
}

void ms_fluid_comp_remove(struct ms_fluid_comp *c, uint32_t k, uint32_t flow)
{
    struct ms_fluid_bucket *b = c->by_k[k];
    assert(flow < b->listed && !b->stale);
    for (uint32_t j = 0; j < k; j++) {
        uint32_t l = b->link[j][flow];
        assert(c->crowd[l] > 0);
        c->crowd[l]--;
        b->live[l]--;
    }
    if (b->dense)
        ms_fluid_bits_remove(c, b, b->link[0][flow], b->link[1][flow]);
    else if (k > 1)
        ms_fluid_lists_remove(c, b, flow);
    b->left[flow] = INFINITY;
    b->dead++;
    c->n_live--;
}

static void close_holes(struct ms_fluid_bucket *b)
{
    uint32_t to = 0, served = 0, listed = 0;
    for (uint32_t i = 0; i < b->n; i++) {
        if (b->left[i] == INFINITY)
            continue;
        served += i < b->n_served;
        listed += i < b->listed;
        if (to != i) {
            for (uint32_t j = 0; j < b->k; j++)
                b->link[j][to] = b->link[j][i];
            b->left[to] = b->left[i];
            b->sink[to] = b->sink[i];
            if (b->also)
                b->also[to] = b->also[i];
            b->route[to] = b->route[i];
            if (b->chain)
                b->chain[to] = b->chain[i];
        }
        to++;
    }
    b->n = to;
    b->n_served = served;
    b->listed = listed;
    b->dead = 0;
}

/* Lists or bits anew, of flows that stand close. */
static bool make_anew(const struct ms_fluid_comp *c, struct ms_fluid_bucket *b)
{
    close_holes(b);
    b->dense = b->k == 2 && ms_fluid_bits_make(c, b);
    if (b->dense)
        ms_fluid_lists_drop(b);
    else if (b->k > 1 && !ms_fluid_lists_make(c, b))
        return false;
    b->stale = false;
    return true;
}

/* The flows that have come since, into the lists or bits there are. @return false: out of memory */
static bool append(const struct ms_fluid_comp *c, struct ms_fluid_bucket *b)
{
    for (uint32_t i = b->listed; i < b->n && b->k > 1 && !b->stale; i++)
        b->stale = !(b->dense ? ms_fluid_bits_add(c, b, b->link[0][i], b->link[1][i])
                              : ms_fluid_lists_add(b, i));
    return !b->stale || make_anew(c, b);
}

bool ms_fluid_comp_tidy(struct ms_fluid_comp *c)
{
    assert(c->n_ending == 0);
    for (uint32_t k = 1; k <= c->k_max; k++) {
        struct ms_fluid_bucket *b = c->by_k[k];
        if (!b)
            continue;
        bool many = b->n - b->listed > b->listed / 4 + 32 || b->dead > b->n / 8 + 32;
        if (!(b->stale || many ? make_anew(c, b) : append(c, b)))
            return false;
        b->listed = b->n;
    }
    return true;
}

bool ms_fluid_comp_settle(struct ms_fluid_comp *c)
{
    const struct ms_fluid_isa *isa = ms_fluid_isa_of_this_cpu();
    double first = INFINITY;
    if (c->weighted.on) {
        bool fine = !c->crediting || (ms_fluid_weighted_tidy(c) && isa->weighted_fill(c));
        ms_fluid_weighted_credit(c);
        return fine;
    }
    if (c->serving && c->crediting) {
        if (!ms_fluid_comp_tidy(c))
            return false;
        isa->fill(c);
    }
    for (uint32_t k = 1; c->serving && k <= c->k_max; k++) {
        struct ms_fluid_bucket *b = c->by_k[k];
        if (!b)
            continue;
        struct ms_fluid_kernel_args a = {
            .k = k, .link = b->link, .left = b->left, .serve = c->serve};
        if (c->crediting) {
            a.level = c->level;
            a.credit = c->credit;
            a.per_s = 1 / c->cut_s;
        }
        isa->kernel(&a, 0, b->n_served, &first);
        b->n_served = 0;
    }
    c->serving = c->crediting = false;
    return true;
}

/* Flow i of a bucket as it came. */
static struct ms_fluid_wait as_it_came(const struct ms_fluid_bucket *b, uint32_t i)
{
    return (struct ms_fluid_wait){.bytes = b->left[i],
                                  .route = b->route[i],
                                  .sink = {b->sink[i], b->also ? b->also[i] : MS_FLUID_NONE}};
}

bool ms_fluid_comp_weigh(struct ms_fluid *f, struct ms_fluid_comp *c)
{
    bool fine =
        ms_fluid_comp_settle(c) && (c->weighted.at || ms_fluid_weighted_init(&c->weighted, c->m));
    c->weighted.on = true;
    c->n_live = 0;
    memset(c->crowd, 0, c->m * sizeof *c->crowd);
    for (uint32_t k = 1; k <= c->k_max; k++) {
        struct ms_fluid_bucket *b = c->by_k[k];
        for (uint32_t i = 0; b && i < b->n && fine; i++) {
            struct ms_fluid_wait x = as_it_came(b, i);
            if (b->left[i] < INFINITY)
                fine = ms_fluid_weighted_add(f, c, &x, b->left[i], MS_FLUID_FIRST,
                                             b->chain ? b->chain[i] : MS_FLUID_NONE);
        }
        bucket_finish(b);
        c->by_k[k] = NULL;
    }
    return fine;
}

static bool move(struct ms_fluid *f, const struct ms_fluid_comp *old, const struct ms_fluid_wait *x,
                 double left, uint8_t hops, uint32_t chain)
{
    uint32_t to;
    if (!ms_fluid_place(f, x, left, hops, chain, &to))
        return false;
    struct ms_fluid_comp *c = &f->comp[to];
    c->busy_s = c->n_live == 1 || old->busy_s < c->busy_s ? old->busy_s : c->busy_s;
    return true;
}

bool ms_fluid_comp_move(struct ms_fluid *f, struct ms_fluid_comp *old)
{
    struct ms_fluid_weighted *w = &old->weighted;
    bool fine = true;
    for (uint32_t k = 1; k <= old->k_max; k++) {
        struct ms_fluid_bucket *b = old->by_k[k];
        for (uint32_t i = 0; b && i < b->n && fine; i++) {
            struct ms_fluid_wait x = as_it_came(b, i);
            if (b->left[i] < INFINITY)
                fine = move(f, old, &x, b->left[i], MS_FLUID_FIRST,
                            b->chain ? b->chain[i] : MS_FLUID_NONE);
        }
    }
    for (uint32_t i = 0; i < w->n && fine; i++) {
        if (w->left[i] == INFINITY)
            continue;
        fine = move(f, old, &w->flow[i], w->left[i], w->held[i].hops,
                    w->chain ? w->chain[i] : MS_FLUID_NONE);
    }
    return fine;
}
