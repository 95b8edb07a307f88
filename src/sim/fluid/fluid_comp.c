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

void ms_fluid_comp_init(struct ms_fluid_comp *c, uint32_t m, uint32_t m_shared)
{
    *c = (struct ms_fluid_comp){.m = m, .m_shared = m_shared, .end_s = INFINITY};
    c->global = zeroed(m, sizeof *c->global);
    c->capacity = zeroed(m, sizeof *c->capacity);
    c->fat = zeroed(m, 1);
    c->crowd = zeroed(m, sizeof *c->crowd);
    c->done = zeroed(m, 1);
    c->level = zeroed(m, sizeof *c->level);
    c->serve = zeroed(m, sizeof *c->serve);
    c->inverse = zeroed(m, sizeof *c->inverse);
    c->order = zeroed(m, sizeof *c->order);
    c->heap = zeroed(m, sizeof *c->heap);
    if (posix_memalign((void **)&c->pair, 64, (m + 1) * sizeof *c->pair) != 0)
        abort();
}

static void bucket_finish(struct ms_fluid_bucket *b)
{
    for (uint32_t j = 0; b && j < b->k; j++)
        free(b->link[j]), free(b->pos[j]);
    if (b) {
        free(b->link), free(b->pos), free(b->left), free(b->sink), free(b->route), free(b->chain);
        free(b->at), free(b->len), free(b->room), free(b->live), free(b->other), free(b->owner);
        free(b);
    }
}

void ms_fluid_comp_finish(struct ms_fluid_comp *c)
{
    for (uint32_t k = 1; k <= c->k_max; k++)
        bucket_finish(c->by_k[k]);
    free(c->by_k), free(c->global), free(c->capacity), free(c->fat), free(c->crowd), free(c->pair);
    free(c->done), free(c->level), free(c->serve), free(c->inverse), free(c->order), free(c->heap);
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
        if (b->k > 1)
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

static void append_entries(const struct ms_fluid_comp *c, struct ms_fluid_bucket *b, uint32_t i)
{
    for (uint32_t j = 0; j < b->k; j++) {
        uint32_t l = b->link[j][i];
        b->live[l]++;
        if (b->relist)
            continue;
        if (b->len[l] == b->room[l] && b->live[l] <= b->room[l])
            squeeze_list(c, b, l);
        if (b->len[l] == b->room[l])
            b->relist = true;
        else
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
        c->crowd[links[j]]++;
    }
    b->left[i] = bytes;
    b->route[i] = route;
    b->sink[i] = sink;
    if (tracing)
        b->chain[i] = chain;
    c->n_live++;
    if (k > 1)
        append_entries(c, b, i);
}

void ms_fluid_comp_remove(struct ms_fluid_comp *c, uint32_t k, uint32_t flow)
{
    struct ms_fluid_bucket *b = c->by_k[k];
    for (uint32_t j = 0; j < k; j++) {
        uint32_t l = b->link[j][flow];
        assert(c->crowd[l] > 0);
        c->crowd[l]--;
        if (k == 1)
            continue;
        uint32_t *o = b->other + (size_t)b->pos[j][flow] * (k - 1);
        for (uint32_t h = 0; h + 1 < k; h++)
            o[h] = c->m;
        if (--b->live[l] == 0)
            b->len[l] = 0;
    }
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

/* Lists grow with what they once held, so that the same exchange again does not come here. */
static void make_lists(const struct ms_fluid_comp *c, struct ms_fluid_bucket *b)
{
    size_t at = 0;
    for (uint32_t l = 0; l < c->m; l++) {
        uint32_t need = b->live[l], grown = b->room[l] ? need + need / 4 + 8 : need;
        if (b->room[l] < need)
            b->room[l] = grown;
        b->at[l] = (uint32_t)at;
        b->len[l] = 0;
        at += b->room[l];
    }
    assert(at < UINT32_MAX);
    if (at > b->n_entries) {
        free(b->other), free(b->owner);
        b->n_entries = at;
        b->other = malloc(at * (b->k - 1) * sizeof *b->other);
        b->owner = malloc(at * sizeof *b->owner);
        if (!b->other || !b->owner)
            abort();
    }
    for (uint32_t i = 0; i < b->n; i++) {
        for (uint32_t j = 0; j < b->k; j++) {
            uint32_t l = b->link[j][i];
            put_entry(b, i, j, b->at[l] + b->len[l]++);
        }
    }
    b->relist = false;
}

void ms_fluid_comp_tidy(struct ms_fluid_comp *c)
{
    assert(c->n_ending == 0);
    for (uint32_t k = 1; k <= c->k_max; k++) {
        struct ms_fluid_bucket *b = c->by_k[k];
        if (!b || (!b->relist && b->dead <= b->n / 8 + 32))
            continue;
        close_holes(b);
        if (k > 1)
            make_lists(c, b);
    }
}

void ms_fluid_comp_settle(struct ms_fluid_comp *c)
{
    double first = INFINITY;
    for (uint32_t k = 1; c->serving && k <= c->k_max; k++) {
        struct ms_fluid_bucket *b = c->by_k[k];
        if (!b)
            continue;
        struct ms_fluid_kernel_args a = {
            .k = k, .link = b->link, .left = b->left, .serve = c->serve};
        ms_fluid_kernel_base(&a, 0, b->n_served, &first);
        b->n_served = b->n;
    }
    c->serving = false;
}
