/* Progressive filling: the water level rises over all flows alike; a link whose capacity is used up
 * freezes its flows at that level, and what they use comes off the other links they cross. Compiled
 * once for each instruction set (FILL); every operation is exactly rounded and their order is
 * fixed, so all of them give the same bits.
 *
 * A link's level only rises as others freeze, so an old level is a lower bound. `front` holds the
 * links up to some threshold in ascending order of such bounds; its head is computed anew, and
 * freezes if it is still the least, else moves back. Links change places little from one solve to
 * the next: the threshold comes from the first links of the last order. Links within TIE of the
 * water level freeze at it, so that flows which are equal stay equal to the bit. */
#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#if defined(__AVX2__)
#include <immintrin.h>
#endif

#include "sim/fluid/fluid_internal.h"

#define TIE 1e-10
#define LOOSE (1 + 1e-9) /* of a link that limits nobody, above its fastest flow */

struct filling {
    struct ms_fluid_comp *c;
    struct ms_fluid_filling *w;
    const struct ms_fluid_bucket *dense; /* or NULL */
    double water, threshold;
    uint32_t n_rest, n_front, n_order, head;
};

static const uint64_t *dense_row(const struct filling *s, uint32_t plane, uint32_t l)
{
    return s->dense->bits + ((size_t)plane * s->c->m + l) * s->dense->words;
}

static uint32_t crowd_of(const struct filling *s, uint32_t l)
{
    uint32_t n = s->w->waiting[l];
    for (uint32_t p = 0; s->dense && p < s->dense->planes; p++) {
        const uint64_t *row = dense_row(s, p, l);
        for (uint32_t i = s->dense->lo[l]; i < s->dense->hi[l]; i++)
            n += (uint32_t)__builtin_popcountll(row[i] & s->w->undone[i]);
    }
    return n;
}

static double level_of(const struct filling *s, uint32_t l)
{
    uint32_t crowd = crowd_of(s, l);
    if (crowd == 0)
        return MS_FLUID_FREE_RATE;
    double level = s->c->fat[l] ? s->c->capacity[l] : s->w->room[l] / crowd;
    return level > s->water ? level : s->water;
}

/* room -= used where a bit is set, 64 links. */
static void take_word(double *room, uint64_t bits, double used)
{
#if defined(__AVX512F__)
    __m512d u = _mm512_set1_pd(used);
    for (uint32_t j = 0; j < 64; j += 8) {
        __m512d v = _mm512_load_pd(room + j);
        _mm512_store_pd(room + j, _mm512_mask_sub_pd(v, (__mmask8)(bits >> j), v, u));
    }
#elif defined(__AVX2__)
    __m256d u = _mm256_set1_pd(used);
    __m256i one = _mm256_set_epi64x(8, 4, 2, 1);
    for (uint32_t j = 0; j < 64; j += 4) {
        __m256i on = _mm256_and_si256(_mm256_set1_epi64x((long long)(bits >> j)), one);
        __m256d mask = _mm256_castsi256_pd(_mm256_cmpeq_epi64(on, one));
        _mm256_store_pd(room + j, _mm256_sub_pd(_mm256_load_pd(room + j), _mm256_and_pd(mask, u)));
    }
#else
    for (; bits; bits &= bits - 1)
        room[__builtin_ctzll(bits)] -= used;
#endif
}

static void freeze_dense(const struct filling *s, uint32_t l)
{
    for (uint32_t p = 0; p < s->dense->planes; p++) {
        const uint64_t *row = dense_row(s, p, l);
        for (uint32_t i = s->dense->lo[l]; i < s->dense->hi[l]; i++)
            take_word(s->w->room + (size_t)i * 64, row[i], s->water);
    }
}

/* Every flow over this link has one other link; if that one froze before, what is written there is
 * never read. */
static void freeze_two(const struct ms_fluid_filling *w, const uint32_t *other, uint32_t n,
                       double used)
{
    double *room = w->room;
    uint32_t *waiting = w->waiting;
    for (uint32_t e = 0; e < n; e++) {
        room[other[e]] -= used;
        waiting[other[e]]--;
    }
}

static void freeze_more(const struct ms_fluid_filling *w, const uint32_t *other, uint32_t n,
                        uint32_t others, double used)
{
    for (uint32_t e = 0; e < n; e++, other += others) {
        uint8_t frozen = 0;
        for (uint32_t j = 0; j < others; j++)
            frozen |= w->done[other[j]];
        if (frozen)
            continue;
        for (uint32_t j = 0; j < others; j++) {
            w->room[other[j]] -= used;
            w->waiting[other[j]]--;
        }
    }
}

static void leave(struct filling *s, uint32_t l, double level)
{
    s->c->level[l] = level;
    s->w->done[l] = 1;
    s->w->undone[l / 64] &= ~((uint64_t)1 << (l % 64));
    s->w->order[s->n_order++] = l;
}

static void freeze(struct filling *s, uint32_t l, double level)
{
    struct ms_fluid_comp *c = s->c;
    s->water = level > s->water * (1 + TIE) ? level : s->water;
    leave(s, l, s->water);
    if (s->dense)
        freeze_dense(s, l);
    for (uint32_t k = 2; k <= c->k_max; k++) {
        struct ms_fluid_bucket *b = c->by_k[k];
        if (!b || b->dense || b->len[l] == 0)
            continue;
        const uint32_t *other = b->other + (size_t)b->at[l] * (k - 1);
        if (k == 2)
            freeze_two(s->w, other, b->len[l], s->water);
        else
            freeze_more(s->w, other, b->len[l], k - 1, s->water);
    }
}

static int by_level(const void *a, const void *b)
{
    const struct ms_fluid_key *x = a, *y = b;
    if (x->level != y->level)
        return x->level < y->level ? -1 : 1;
    return x->link < y->link ? -1 : x->link > y->link;
}

/* Nearly in order already. */
static void sort_front(struct ms_fluid_key *v, uint32_t n)
{
    if (n > 600) {
        qsort(v, n, sizeof *v, by_level);
        return;
    }
    for (uint32_t i = 1; i < n; i++) {
        struct ms_fluid_key x = v[i];
        uint32_t j = i;
        for (; j > 0 && v[j - 1].level > x.level; j--)
            v[j] = v[j - 1];
        v[j] = x;
    }
}

/* The threshold: three quarters up the levels of the first links that are left. */
static double new_threshold(struct filling *s)
{
    struct ms_fluid_key *v = s->w->front;
    uint32_t want = 32 + s->c->m / 32, n = 0;
    for (uint32_t i = 0; i < s->n_rest && n < want; i++) {
        uint32_t l = s->w->rest[i];
        double level = s->w->key[l] = level_of(s, l);
        if (level < MS_FLUID_FREE_RATE)
            v[n++] = (struct ms_fluid_key){level, l};
    }
    sort_front(v, n);
    return n ? v[n - 1 - n / 4].level : MS_FLUID_FREE_RATE;
}

static void refill(struct filling *s)
{
    struct ms_fluid_filling *w = s->w;
    uint32_t kept = 0;
    s->threshold = new_threshold(s);
    s->n_front = s->head = 0;
    for (uint32_t i = 0; i < s->n_rest; i++) {
        uint32_t l = w->rest[i];
        double level = w->key[l];
        if (level <= s->threshold)
            level = w->key[l] = level_of(s, l);
        if (level >= MS_FLUID_FREE_RATE)
            leave(s, l, s->water * LOOSE);
        else if (level <= s->threshold)
            w->front[s->n_front++] = (struct ms_fluid_key){level, l};
        else
            w->rest[kept++] = l;
    }
    s->n_rest = kept;
    sort_front(w->front, s->n_front);
}

static void step(struct filling *s)
{
    struct ms_fluid_key *v = s->w->front;
    uint32_t i = s->head, l = v[i].link;
    double level = level_of(s, l);
    if (level >= MS_FLUID_FREE_RATE) {
        leave(s, l, s->water * LOOSE);
        s->head++;
    } else if (level <= s->water * (1 + TIE) ||
               (level <= s->threshold && (i + 1 == s->n_front || level <= v[i + 1].level))) {
        freeze(s, l, level);
        s->head++;
    } else if (level > s->threshold) {
        s->w->key[l] = level;
        s->w->rest[s->n_rest++] = l;
        s->head++;
    } else {
        for (; i + 1 < s->n_front && v[i + 1].level < level; i++)
            v[i] = v[i + 1];
        v[i] = (struct ms_fluid_key){level, l};
    }
}

static void start(struct filling *s)
{
    struct ms_fluid_comp *c = s->c;
    struct ms_fluid_filling *w = s->w;
    if (c->k_max >= 2 && c->by_k[2] && c->by_k[2]->dense)
        s->dense = c->by_k[2];
    memset(w->done, 0, c->m);
    memset(w->undone, 0xff, w->words * sizeof *w->undone);
    memcpy(w->room, c->capacity, c->m * sizeof *w->room);
    w->done[c->m] = 1;
    for (uint32_t i = 0; i < c->m; i++) {
        uint32_t l = w->order[i];
        w->waiting[l] = c->crowd[l] - (s->dense ? s->dense->live[l] : 0);
        w->key[l] = c->crowd[l] == 0 ? MS_FLUID_FREE_RATE
                    : c->fat[l]      ? c->capacity[l]
                                     : c->capacity[l] / c->crowd[l];
        w->rest[s->n_rest++] = l;
    }
}

void FILL(struct ms_fluid_comp *c)
{
    struct filling s = {.c = c, .w = &c->fill};
    start(&s);
    while (s.n_rest > 0) {
        refill(&s);
        while (s.head < s.n_front)
            step(&s);
    }
    assert(s.n_order == c->m);
}
