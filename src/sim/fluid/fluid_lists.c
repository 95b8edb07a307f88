/* The list of each link's flows in a bucket, as the other links of each: how they are made, what is
 * appended to them and taken out. */
#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/huge.h"
#include "sim/fluid/fluid_internal.h"

/* Lists that are made anew because flows have come are given a quarter more space, and so are all
 * together: for some that double theirs. */
#define SLACK 4

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

/* Twice the space for one link's list, at the end of the entries. @return false: there is none */
static bool move_list(struct ms_fluid_bucket *b, uint32_t l)
{
    uint32_t from = b->at[l], to = b->used, space = 2 * b->space[l] + 8, others = b->k - 1;
    if ((size_t)to + space > b->n_entries)
        return false;
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
    b->space[l] = space;
    b->used += space;
    return true;
}

bool ms_fluid_lists_add(const struct ms_fluid_comp *c, struct ms_fluid_bucket *b, uint32_t i)
{
    for (uint32_t j = 0; j < b->k; j++) {
        uint32_t l = b->link[j][i];
        if (b->len[l] == b->space[l] && b->live[l] * 4 <= b->space[l] * 3)
            squeeze_list(c, b, l);
        if (b->len[l] == b->space[l] && !move_list(b, l))
            return false;
        put_entry(b, i, j, b->at[l] + b->len[l]++);
    }
    return true;
}

void ms_fluid_lists_remove(const struct ms_fluid_comp *c, struct ms_fluid_bucket *b, uint32_t flow)
{
    for (uint32_t j = 0; j < b->k; j++) {
        uint32_t l = b->link[j][flow], *o = b->other + (size_t)b->pos[j][flow] * (b->k - 1);
        for (uint32_t h = 0; h + 1 < b->k; h++)
            o[h] = c->m;
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
    bool fine = ms_fluid_grow(&b->owner, &cap, at, sizeof *b->owner) &&
                ms_fluid_grow(&b->other, &b->n_entries, at, (b->k - 1) * sizeof *b->other);
    for (uint32_t j = 0; j < b->k && fine; j++) {
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
