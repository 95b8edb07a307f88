/* Progressive filling: the water level rises over all flows alike; a link whose capacity is used up
 * freezes its flows at that level, and what they use comes off the other links they cross.
 *
 * The heap holds lower bounds of the level at which each link would freeze: levels only rise as
 * others freeze, so the root is computed anew and is right if it stays the root. Links within TIE
 * of the water level freeze at it, so that flows which are equal stay equal to the bit. */
#include <assert.h>
#include <math.h>
#include <string.h>

#include "sim/fluid/fluid_internal.h"

#define TIE 1e-10

static void sift_down(struct ms_fluid_heap_item *h, uint32_t n, uint32_t i,
                      struct ms_fluid_heap_item x)
{
    for (uint32_t child; (child = 2 * i + 1) < n; i = child) {
        if (child + 1 < n && h[child + 1].key < h[child].key)
            child++;
        if (!(h[child].key < x.key))
            break;
        h[i] = h[child];
    }
    h[i] = x;
}

static double level_of(const struct ms_fluid_comp *c, uint32_t l, double water)
{
    double room = c->pair[l][0], crowd = c->pair[l][1];
    if (crowd <= 0)
        return MS_FLUID_FREE_RATE;
    double level = c->fat[l] ? c->capacity[l] : room / crowd;
    return level > water ? level : water;
}

/* Every flow over this link has one other link; if that one froze before, what is written there is
 * never read. */
static void freeze_two(ms_fluid_pair *pair, const uint32_t *other, uint32_t n, ms_fluid_pair used)
{
    for (uint32_t e = 0; e < n; e++)
        pair[other[e]] -= used;
}

static void freeze_more(ms_fluid_pair *pair, const uint8_t *done, const uint32_t *other, uint32_t n,
                        uint32_t others, ms_fluid_pair used)
{
    for (uint32_t e = 0; e < n; e++, other += others) {
        uint8_t frozen = 0;
        for (uint32_t j = 0; j < others; j++)
            frozen |= done[other[j]];
        for (uint32_t j = 0; !frozen && j < others; j++)
            pair[other[j]] -= used;
    }
}

static void freeze(struct ms_fluid_comp *c, uint32_t l, double level)
{
    ms_fluid_pair used = {level, 1};
    c->level[l] = level;
    c->done[l] = 1;
    c->order[c->n_order++] = l;
    for (uint32_t k = 2; k <= c->k_max; k++) {
        struct ms_fluid_bucket *b = c->by_k[k];
        if (!b || b->len[l] == 0)
            continue;
        const uint32_t *other = b->other + (size_t)b->at[l] * (k - 1);
        if (k == 2)
            freeze_two(c->pair, other, b->len[l], used);
        else
            freeze_more(c->pair, c->done, other, b->len[l], k - 1, used);
    }
}

static uint32_t start(struct ms_fluid_comp *c)
{
    uint32_t n = 0;
    for (uint32_t l = 0; l < c->m; l++) {
        c->pair[l] = (ms_fluid_pair){c->capacity[l], c->crowd[l]};
        c->done[l] = 0;
        c->level[l] = MS_FLUID_FREE_RATE;
        if (c->crowd[l])
            c->heap[n++] = (struct ms_fluid_heap_item){level_of(c, l, 0), l};
    }
    c->pair[c->m] = (ms_fluid_pair){0, 0};
    c->done[c->m] = 1;
    c->n_order = 0;
    for (uint32_t i = n / 2; i-- > 0;)
        sift_down(c->heap, n, i, c->heap[i]);
    return n;
}

void ms_fluid_fill(struct ms_fluid_comp *c)
{
    struct ms_fluid_heap_item *h = c->heap;
    double water = 0;
    for (uint32_t n = start(c); n > 0;) {
        uint32_t l = h[0].id;
        double level = level_of(c, l, water);
        bool later =
            level > h[0].key && ((n > 1 && h[1].key < level) || (n > 2 && h[2].key < level));
        if (later && level > water * (1 + TIE) && level < MS_FLUID_FREE_RATE) {
            sift_down(h, n, 0, (struct ms_fluid_heap_item){level, l});
            continue;
        }
        n--;
        if (n > 0)
            sift_down(h, n, 0, h[n]);
        if (level >= MS_FLUID_FREE_RATE)
            continue;
        water = level > water * (1 + TIE) ? level : water;
        freeze(c, l, water);
    }
}
