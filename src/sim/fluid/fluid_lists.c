/* The list of each link's flows in a bucket: how they are made, what is appended to them and taken
 * out. */
#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/huge.h"
#include "sim/fluid/fluid_comp.h"

/* Lists that are made anew because flows have come are given a quarter more space, and so are all
 * together: for some that double theirs. */
#define SLACK 4

/* Write flow i's entry at place e of the list of its j-th link. */
static void put_entry(struct ms_fluid_bucket *b, uint32_t i, uint32_t j, uint32_t e)
{
    b->owner[e] = i;
    if (b->k == 2) {
        b->other[e] = b->link[1 - j][i];
        b->pos[j][i] = e;
    }
}

static uint32_t which(const struct ms_fluid_bucket *b, uint32_t i, uint32_t l)
{
    uint32_t j = 0;
    while (b->link[j][i] != l)
        j++;
    return j;
}

/* Close the holes in one link's list. */
static void squeeze_list(struct ms_fluid_bucket *b, uint32_t l)
{
    uint32_t to = b->at[l], end = to + b->len[l];
    for (uint32_t e = b->at[l]; e < end; e++) {
        uint32_t i = b->owner[e];
        if (b->left[i] < INFINITY)
            put_entry(b, i, which(b, i, l), to++);
    }
    b->len[l] = to - b->at[l];
}

/* Twice the space for one link's list, at the end of the entries. @return false: there is none */
static bool move_list(struct ms_fluid_bucket *b, uint32_t l)
{
    uint32_t to = b->used, space = 2 * b->space[l] + 8;
    if ((size_t)to + space > b->n_entries)
        return false;
    for (uint32_t e = 0; e < b->len[l]; e++) {
        uint32_t i = b->owner[b->at[l] + e];
        b->owner[to + e] = i;
        if (b->k > 2)
            continue;
        b->other[to + e] = b->other[b->at[l] + e];
        if (b->left[i] < INFINITY)
            b->pos[which(b, i, l)][i] = to + e;
    }
    b->at[l] = to;
    b->space[l] = space;
    b->used += space;
    return true;
}

static void set_row(struct ms_fluid_bucket *b, uint32_t i)
{
    for (uint32_t j = 0; b->k > 2 && j < b->k; j++)
        b->row[(size_t)i * b->k + j] = b->link[j][i];
}

bool ms_fluid_lists_add(struct ms_fluid_bucket *b, uint32_t i)
{
    set_row(b, i);
    for (uint32_t j = 0; j < b->k; j++) {
        uint32_t l = b->link[j][i];
        if (b->len[l] == b->space[l] && b->live[l] * 4 <= b->space[l] * 3)
            squeeze_list(b, l);
        if (b->len[l] == b->space[l] && !move_list(b, l))
            return false;
        put_entry(b, i, j, b->at[l] + b->len[l]++);
    }
    return true;
}

void ms_fluid_lists_remove(const struct ms_fluid_comp *c, struct ms_fluid_bucket *b, uint32_t flow)
{
    for (uint32_t j = 0; j < b->k; j++) {
        uint32_t l = b->link[j][flow];
        *(b->k == 2 ? &b->other[b->pos[j][flow]] : &b->row[(size_t)flow * b->k + j]) = c->m;
        if (b->live[l] == 0)
            b->len[l] = 0;
    }
}

/* Where each link's list goes, and the arrays for them. Lists keep the space they once had, so that
 * the same exchange again does not move them. */
static bool lay_out(const struct ms_fluid_comp *c, struct ms_fluid_bucket *b)
{
    bool grows = b->listed > 0 && b->listed < b->n;
    size_t at = 0;
    for (uint32_t l = 0; l < c->m; l++) {
        uint32_t want = b->live[l] + (grows ? b->live[l] / SLACK + SLACK : 0);
        b->space[l] = want > b->space[l] ? want : b->space[l];
        b->at[l] = (uint32_t)at;
        b->len[l] = 0;
        at += b->space[l];
    }
    b->used = (uint32_t)at;
    at += grows ? at / SLACK : 0;
    assert(at < UINT32_MAX);
    size_t cap = b->n_entries;
    if (b->k > 2) {
        if (!b->row)
            b->row = ms_huge_alloc((size_t)b->cap * b->k * sizeof *b->row);
        if (!b->frozen)
            b->frozen = ms_huge_alloc((b->cap / 64 + 1) * sizeof *b->frozen);
        return b->row && b->frozen && ms_fluid_grow(&b->owner, &b->n_entries, at, sizeof *b->owner);
    }
    bool fine = ms_fluid_grow(&b->owner, &cap, at, sizeof *b->owner) &&
                ms_fluid_grow(&b->other, &b->n_entries, at, sizeof *b->other);
    for (uint32_t j = 0; j < 2 && fine; j++) {
        if (!b->pos[j])
            fine = (b->pos[j] = ms_huge_alloc((size_t)b->cap * sizeof *b->pos[j])) != NULL;
    }
    return fine;
}

bool ms_fluid_lists_make(const struct ms_fluid_comp *c, struct ms_fluid_bucket *b)
{
    if (!lay_out(c, b))
        return false;
    for (uint32_t i = 0; i < b->n; i++) {
        set_row(b, i);
        for (uint32_t j = 0; j < b->k; j++) {
            uint32_t l = b->link[j][i];
            put_entry(b, i, j, b->at[l] + b->len[l]++);
        }
    }
    return true;
}

void ms_fluid_lists_drop(struct ms_fluid_bucket *b)
{
    free(b->other), free(b->owner);
    b->other = b->owner = NULL;
    b->n_entries = 0;
    for (uint32_t j = 0; j < b->k; j++) {
        free(b->pos[j]);
        b->pos[j] = NULL;
    }
}
