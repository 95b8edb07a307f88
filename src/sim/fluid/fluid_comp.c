/* The flows of a component: buckets, link lists, holes. */
#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "sim/fluid/fluid_internal.h"

void *ms_fluid_grow(void *p, size_t *cap, size_t need, size_t size)
{
    if (need <= *cap)
        return p;
    size_t want = *cap + *cap / 2 + 16;
    if (want < need)
        want = need;
    void *q = realloc(p, want * size);
    if (!q)
        abort();
    *cap = want;
    return q;
}

static void *zeroed(size_t n, size_t size)
{
    void *p = calloc(n + 1, size);
    if (!p)
        abort();
    return p;
}

static void *lines(size_t bytes)
{
    void *p;
    if (posix_memalign(&p, 64, bytes) != 0)
        abort();
    return memset(p, 0, bytes);
}

static void filling_init(struct ms_fluid_filling *w, uint32_t m)
{
    w->words = m / 64 + 1;
    w->room = lines(w->words * 64 * sizeof *w->room);
    w->key = lines(w->words * 64 * sizeof *w->key);
    w->crowd = lines(w->words * 64 * sizeof *w->crowd);
    w->done = zeroed(m, 1);
    w->undone = zeroed(w->words, sizeof *w->undone);
    w->reach = 0.02;
}

static void filling_finish(struct ms_fluid_filling *w)
{
    free(w->room), free(w->key), free(w->crowd), free(w->done), free(w->undone);
}

void ms_fluid_comp_init(struct ms_fluid_comp *c, uint32_t m, uint32_t m_shared)
{
    *c = (struct ms_fluid_comp){.m = m, .m_shared = m_shared, .end_s = INFINITY};
    c->global = zeroed(m, sizeof *c->global);
    c->capacity = zeroed(m, sizeof *c->capacity);
    c->fat = zeroed(m, 1);
    c->crowd = zeroed(m, sizeof *c->crowd);
    c->level = zeroed(m, sizeof *c->level);
    c->serve = zeroed(m, sizeof *c->serve);
    c->credit = zeroed(m, sizeof *c->credit);
    filling_init(&c->fill, m);
}

static void bucket_finish(struct ms_fluid_bucket *b)
{
    for (uint32_t j = 0; b && j < b->k; j++)
        free(b->link[j]), free(b->pos[j]);
    if (b) {
        free(b->link), free(b->pos), free(b->left), free(b->sink), free(b->route), free(b->chain);
        free(b->at), free(b->len), free(b->room), free(b->live), free(b->other), free(b->owner);
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
    free(c->ending), free(c->cand_t), free(c->cand_flow);
    *c = (struct ms_fluid_comp){0};
}

static struct ms_fluid_bucket *bucket_of(struct ms_fluid_comp *c, uint32_t k)
{
    if (k > c->k_max) {
        c->by_k = realloc(c->by_k, (k + 1) * sizeof *c->by_k);
        if (!c->by_k)
            abort();
        for (uint32_t i = c->k_max ? c->k_max + 1 : 0; i <= k; i++)
            c->by_k[i] = NULL;
        c->k_max = k;
    }
    if (!c->by_k[k]) {
        struct ms_fluid_bucket *b = c->by_k[k] = zeroed(1, sizeof *b);
        b->k = k;
        b->link = zeroed(k, sizeof *b->link);
        b->pos = zeroed(k, sizeof *b->pos);
        b->at = zeroed(c->m, sizeof *b->at);
        b->len = zeroed(c->m, sizeof *b->len);
        b->room = zeroed(c->m, sizeof *b->room);
        b->live = zeroed(c->m, sizeof *b->live);
        b->lo = zeroed(c->m, sizeof *b->lo);
        b->hi = zeroed(c->m, sizeof *b->hi);
        b->words = c->fill.words;
        b->stale = k > 1;
    }
    return c->by_k[k];
}

static void bucket_reserve(struct ms_fluid_bucket *b, uint32_t need, bool tracing)
{
    if (need <= b->cap)
        return;
    size_t want = (size_t)b->cap + b->cap / 2 + 16, cap;
    if (want < need)
        want = need;
    for (uint32_t j = 0; j < b->k; j++) {
        cap = b->cap;
        b->link[j] = ms_fluid_grow(b->link[j], &cap, want, sizeof *b->link[j]);
        cap = b->cap;
        if (b->pos[j])
            b->pos[j] = ms_fluid_grow(b->pos[j], &cap, want, sizeof *b->pos[j]);
    }
    cap = b->cap;
    b->left = ms_fluid_grow(b->left, &cap, want, sizeof *b->left);
    cap = b->cap;
    b->sink = ms_fluid_grow(b->sink, &cap, want, sizeof *b->sink);
    cap = b->cap;
    b->route = ms_fluid_grow(b->route, &cap, want, sizeof *b->route);
    if (tracing) {
        cap = b->cap;
        b->chain = ms_fluid_grow(b->chain, &cap, want, sizeof *b->chain);
    }
    b->cap = (uint32_t)cap;
}

/* Write flow i's entry at place e of the list of its j-th link. */
static void put_entry(struct ms_fluid_bucket *b, uint32_t i, uint32_t j, uint32_t e)
{
    uint32_t *o = b->other + (size_t)e * (b->k - 1);
    for (uint32_t h = 0; h < b->k; h++) {
        if (h != j)
            *o++ = b->link[h][i];
    }
    b->owner[e] = i;
    b->pos[j][i] = e;
}

/* Close the holes in one link's list. */
static void squeeze_list(const struct ms_fluid_comp *c, struct ms_fluid_bucket *b, uint32_t l)
{
    uint32_t to = b->at[l], end = to + b->len[l];
    for (uint32_t e = b->at[l]; e < end; e++) {
        uint32_t i = b->owner[e], j = 0;
        if (b->other[(size_t)e * (b->k - 1)] == c->m)
            continue;
        while (b->link[j][i] != l)
            j++;
        put_entry(b, i, j, to++);
    }
    b->len[l] = to - b->at[l];
}

/* Twice the room for one link's list, at the end of the entries. */
static void move_list(struct ms_fluid_bucket *b, uint32_t l)
{
    uint32_t from = b->at[l], to = b->used, room = 2 * b->room[l] + 8, others = b->k - 1;
    assert(b->used < UINT32_MAX - room);
    size_t cap = b->n_entries;
    b->owner = ms_fluid_grow(b->owner, &cap, (size_t)to + room, sizeof *b->owner);
    b->other = ms_fluid_grow(b->other, &b->n_entries, (size_t)to + room, others * sizeof *b->other);
    memcpy(b->other + (size_t)to * others, b->other + (size_t)from * others,
           (size_t)b->len[l] * others * sizeof *b->other);
    memcpy(b->owner + to, b->owner + from, b->len[l] * sizeof *b->owner);
    for (uint32_t e = to; e < to + b->len[l]; e++) {
        uint32_t i = b->owner[e], j = 0;
        if (b->left[i] == INFINITY)
            continue;
        while (b->link[j][i] != l)
            j++;
        b->pos[j][i] = e;
    }
    b->at[l] = to;
    b->room[l] = room;
    b->used += room;
}

static void append_entries(const struct ms_fluid_comp *c, struct ms_fluid_bucket *b, uint32_t i)
{
    for (uint32_t j = 0; j < b->k; j++) {
        uint32_t l = b->link[j][i];
        if (b->len[l] == b->room[l] && b->live[l] * 4 <= b->room[l] * 3)
            squeeze_list(c, b, l);
        if (b->len[l] == b->room[l])
            move_list(b, l);
        put_entry(b, i, j, b->at[l] + b->len[l]++);
    }
}

void ms_fluid_comp_add(struct ms_fluid_comp *c, const uint32_t *links, uint32_t k, double bytes,
                       uint32_t route, uint32_t sink, uint32_t chain, bool tracing)
{
    struct ms_fluid_bucket *b = bucket_of(c, k);
    bucket_reserve(b, b->n + 1, tracing);
    uint32_t i = b->n++;
    for (uint32_t j = 0; j < k; j++) {
        b->link[j][i] = links[j];
        b->live[links[j]]++;
        c->crowd[links[j]]++;
    }
    b->left[i] = bytes;
    b->route[i] = route;
    b->sink[i] = sink;
    if (tracing)
        b->chain[i] = chain;
    c->n_live++;
    assert(!c->crediting);
    if (b->stale || k == 1)
        return;
    if (b->dense)
        b->stale = !ms_fluid_bits_add(c, b, links[0], links[1]);
    else
        append_entries(c, b, i);
}

static void drop_entry(const struct ms_fluid_comp *c, struct ms_fluid_bucket *b, uint32_t j,
                       uint32_t flow)
{
    uint32_t l = b->link[j][flow], *o = b->other + (size_t)b->pos[j][flow] * (b->k - 1);
    for (uint32_t h = 0; h + 1 < b->k; h++)
        o[h] = c->m;
    if (b->live[l] == 0)
        b->len[l] = 0;
}

void ms_fluid_comp_remove(struct ms_fluid_comp *c, uint32_t k, uint32_t flow)
{
    struct ms_fluid_bucket *b = c->by_k[k];
    assert(!b->stale);
    for (uint32_t j = 0; j < k; j++) {
        uint32_t l = b->link[j][flow];
        assert(c->crowd[l] > 0);
        c->crowd[l]--;
        b->live[l]--;
        if (k > 1 && !b->dense)
            drop_entry(c, b, j, flow);
    }
    if (b->dense)
        ms_fluid_bits_remove(c, b, b->link[0][flow], b->link[1][flow]);
    b->left[flow] = INFINITY;
    b->dead++;
    c->n_live--;
}

static void close_holes(struct ms_fluid_bucket *b)
{
    uint32_t to = 0, served = 0;
    for (uint32_t i = 0; i < b->n; i++) {
        if (b->left[i] == INFINITY)
            continue;
        served += i < b->n_served;
        if (to != i) {
            for (uint32_t j = 0; j < b->k; j++)
                b->link[j][to] = b->link[j][i];
            b->left[to] = b->left[i];
            b->sink[to] = b->sink[i];
            b->route[to] = b->route[i];
            if (b->chain)
                b->chain[to] = b->chain[i];
        }
        to++;
    }
    b->n = to;
    b->n_served = served;
    b->dead = 0;
}

/* Lists keep the room they once had, so that the same exchange again does not move them. */
static void make_lists(const struct ms_fluid_comp *c, struct ms_fluid_bucket *b)
{
    size_t at = 0;
    for (uint32_t l = 0; l < c->m; l++) {
        b->room[l] = b->live[l] > b->room[l] ? b->live[l] : b->room[l];
        b->at[l] = (uint32_t)at;
        b->len[l] = 0;
        at += b->room[l];
    }
    assert(at < UINT32_MAX);
    b->used = (uint32_t)at;
    if (at > b->n_entries) {
        free(b->other), free(b->owner);
        b->n_entries = at;
        b->other = malloc(at * (b->k - 1) * sizeof *b->other);
        b->owner = malloc(at * sizeof *b->owner);
        if (!b->other || !b->owner)
            abort();
    }
    for (uint32_t j = 0; j < b->k; j++) {
        size_t cap = 0;
        free(b->pos[j]);
        b->pos[j] = ms_fluid_grow(NULL, &cap, b->cap, sizeof *b->pos[j]);
    }
    for (uint32_t i = 0; i < b->n; i++) {
        for (uint32_t j = 0; j < b->k; j++) {
            uint32_t l = b->link[j][i];
            put_entry(b, i, j, b->at[l] + b->len[l]++);
        }
    }
}

void ms_fluid_comp_tidy(struct ms_fluid_comp *c)
{
    assert(c->n_ending == 0);
    for (uint32_t k = 1; k <= c->k_max; k++) {
        struct ms_fluid_bucket *b = c->by_k[k];
        if (!b || (!b->stale && b->dead <= b->n / 8 + 32))
            continue; /* most solves */
        close_holes(b);
        b->dense = k == 2 && ms_fluid_bits_make(c, b);
        if (k > 1 && !b->dense)
            make_lists(c, b);
        b->stale = false;
    }
}

void ms_fluid_comp_settle(struct ms_fluid_comp *c)
{
    const struct ms_fluid_isa *isa = ms_fluid_isa_of_this_cpu();
    double first = INFINITY;
    if (c->serving && c->crediting) {
        ms_fluid_comp_tidy(c);
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
}
