/* Progressive filling: the water level rises over all flows alike; a link whose capacity is used up
 * freezes its flows at that level, and what they use comes off the other links they cross.
 *
 * Compiled once for each instruction set (FILL); every operation is exactly rounded and their order
 * is fixed, so all of them give the same bits.
 * Which links may freeze next is fluid_front.h's. */
#include <assert.h>
#include <math.h>
#include <string.h>
#if defined(__AVX512F__)
#include <immintrin.h>
#endif

#include "sim/fluid/fluid_front.h"

struct filling {
    struct ms_fluid_comp *c;
    struct ms_fluid_filling *w;
    const struct ms_fluid_bucket *dense; /* or NULL */
    struct ms_fluid_front front;
};

static const uint64_t *dense_row(const struct filling *s, uint32_t plane, uint32_t l)
{
    return s->dense->bits + ((size_t)plane * s->c->m + l) * s->dense->words;
}

/* Where a bit is set, of 64 links: rest -= used, crowd -= 1. */
static void take_word(double *rest, int32_t *crowd, uint64_t bits, double used)
{
#if defined(__AVX512F__)
    __m512d u = _mm512_set1_pd(used);
    __m512i one = _mm512_set1_epi32(1);
    for (uint32_t j = 0; j < 64; j += 8) {
        __m512d v = _mm512_load_pd(rest + j);
        _mm512_store_pd(rest + j, _mm512_mask_sub_pd(v, (__mmask8)(bits >> j), v, u));
    }
    for (uint32_t j = 0; j < 64; j += 16) {
        __m512i v = _mm512_load_si512(crowd + j);
        _mm512_store_si512(crowd + j, _mm512_mask_sub_epi32(v, (__mmask16)(bits >> j), v, one));
    }
#else
    for (; bits; bits &= bits - 1) {
        rest[__builtin_ctzll(bits)] -= used;
        crowd[__builtin_ctzll(bits)]--;
    }
#endif
}

static void freeze_dense(const struct filling *s, uint32_t l)
{
    for (uint32_t p = 0; p < s->dense->planes; p++) {
        const uint64_t *row = dense_row(s, p, l);
        for (uint32_t i = s->dense->lo[l]; i < s->dense->hi[l]; i++)
            take_word(s->w->rest + (size_t)i * 64, s->w->crowd + (size_t)i * 64, row[i],
                      s->front.water);
    }
}

/* Every flow over this link has one other link; if that one froze before, what is written there is
 * never read. */
static void freeze_two(const struct ms_fluid_filling *w, const uint32_t *other, uint32_t n,
                       double used)
{
    double *rest = w->rest;
    int32_t *crowd = w->crowd;
    for (uint32_t e = 0; e < n; e++) {
        rest[other[e]] -= used;
        crowd[other[e]]--;
    }
}

enum { AHEAD = 12 }; /* entries of a list whose flows are fetched early */

static inline bool take_flow(uint64_t *frozen, uint32_t flow)
{
    uint64_t bit = (uint64_t)1 << (flow % 64), *word = &frozen[flow / 64];
    bool first = !(*word & bit);
    *word |= bit;
    return first;
}

/* Each flow freezes with the first of its links that does; what is written to that link is not read
 * again. */
static inline void freeze_more(const struct ms_fluid_filling *w, const struct ms_fluid_bucket *b,
                               uint32_t l, uint32_t k, double used)
{
    const uint32_t *owner = b->owner + b->at[l], n = b->len[l];
    for (uint32_t e = 0; e < n; e++) {
        if (e + AHEAD < n)
            __builtin_prefetch(b->row + (size_t)owner[e + AHEAD] * k);
        if (!take_flow(b->frozen, owner[e]))
            continue;
        const uint32_t *link = b->row + (size_t)owner[e] * k;
        for (uint32_t j = 0; j < k; j++) {
            w->rest[link[j]] -= used;
            w->crowd[link[j]]--;
        }
    }
}

static void freeze(struct filling *s, uint32_t l)
{
    struct ms_fluid_comp *c = s->c;
    c->level[l] = s->front.water;
    s->w->done[l] = 1;
    s->w->undone[l / 64] &= ~((uint64_t)1 << (l % 64));
    if (s->dense)
        freeze_dense(s, l);
    for (uint32_t k = 2; k <= c->k_max; k++) {
        struct ms_fluid_bucket *b = c->by_k[k];
        if (!b || b->dense || b->len[l] == 0)
            continue;
        if (k == 2)
            freeze_two(s->w, b->other + b->at[l], b->len[l], s->front.water);
        else if (k == 3)
            freeze_more(s->w, b, l, 3, s->front.water);
        else if (k == 4)
            freeze_more(s->w, b, l, 4, s->front.water);
        else
            freeze_more(s->w, b, l, k, s->front.water);
    }
}

/* Levels of all links into w->key; done ones, and those without flows to freeze, FREE. @return the
 * least */
static double all_levels(const struct filling *s)
{
    struct ms_fluid_filling *w = s->w;
    double low = MS_FLUID_FREE_RATE;
    uint32_t m = s->c->m, shared = s->c->m_shared, l = 0;
#if defined(__AVX512F__)
    __m512d free = _mm512_set1_pd(MS_FLUID_FREE_RATE), lows = free;
    for (; l + 8 <= shared; l += 8) {
        __m256i n = _mm256_load_si256((const __m256i *)(w->crowd + l));
        __mmask8 on = _mm256_cmpgt_epi32_mask(n, _mm256_setzero_si256()) &
                      (__mmask8)(w->undone[l / 64] >> (l % 64));
        __m512d v =
            _mm512_mask_div_pd(free, on, _mm512_load_pd(w->rest + l), _mm512_cvtepi32_pd(n));
        _mm512_store_pd(w->key + l, v);
        lows = _mm512_min_pd(lows, v);
    }
    low = _mm512_reduce_min_pd(lows);
#endif
    for (; l < m; l++) {
        bool on = w->crowd[l] > 0 && !w->done[l];
        w->key[l] = !on           ? MS_FLUID_FREE_RATE
                    : l >= shared ? s->c->capacity[l]
                                  : w->rest[l] / w->crowd[l];
        low = w->key[l] < low ? w->key[l] : low;
    }
    return low;
}

static bool refill(struct filling *s)
{
    struct ms_fluid_front *f = &s->front;
    double low = all_levels(s);
    if (!ms_fluid_front_refill(f, s->w->key, s->c->m, low, &s->w->reach))
        return false;
    for (uint32_t n = f->n; n < MS_FLUID_FRONT && n % 8; n++)
        f->link[n] = s->c->m; /* the dummy: no flows */
    return true;
}

static double level_now(const struct filling *s, uint32_t l)
{
    const struct ms_fluid_filling *w = s->w;
    if (w->crowd[l] <= 0)
        return MS_FLUID_FREE_RATE;
    return l >= s->c->m_shared ? s->c->capacity[l] : w->rest[l] / w->crowd[l];
}

/* The least level in front, into *level. @return the places of the links that freeze with it */
static uint32_t least_of_front(const struct filling *s, double *level)
{
#if defined(__AVX512F__)
    const struct ms_fluid_filling *w = s->w;
#endif
    double low = MS_FLUID_FREE_RATE;
    uint32_t tied = 0;
#if defined(__AVX512F__)
    __m512d v[MS_FLUID_FRONT / 8], lows = _mm512_set1_pd(MS_FLUID_FREE_RATE);
    __m256i zero = _mm256_setzero_si256(), shared = _mm256_set1_epi32((int)s->c->m_shared);
    uint32_t n = (s->front.n + 7) / 8;
    for (uint32_t i = 0; i < n; i++) {
        __m256i l = _mm256_loadu_si256((const __m256i *)(s->front.link + 8 * i));
        __m256i crowd = _mm256_i32gather_epi32(w->crowd, l, 4);
        __mmask8 on = _mm256_cmpgt_epi32_mask(crowd, zero),
                 fat = on & _mm256_cmpge_epi32_mask(l, shared);
        v[i] = _mm512_mask_div_pd(_mm512_set1_pd(MS_FLUID_FREE_RATE), on,
                                  _mm512_i32gather_pd(l, w->rest, 8), _mm512_cvtepi32_pd(crowd));
        if (fat)
            v[i] = _mm512_mask_i32gather_pd(v[i], fat, l, s->c->capacity, 8);
        lows = _mm512_min_pd(lows, v[i]);
    }
    low = _mm512_reduce_min_pd(lows);
    __m512d tie = _mm512_set1_pd(ms_fluid_front_tie(&s->front, low));
    for (uint32_t i = 0; i < n; i++)
        tied |= (uint32_t)_mm512_cmp_pd_mask(v[i], tie, _CMP_LE_OQ) << (8 * i);
#else
    double v[MS_FLUID_FRONT];
    for (uint32_t i = 0; i < s->front.n; i++) {
        v[i] = level_now(s, s->front.link[i]);
        low = v[i] < low ? v[i] : low;
    }
    double tie = ms_fluid_front_tie(&s->front, low);
    for (uint32_t i = 0; i < s->front.n; i++)
        tied |= (uint32_t)(v[i] <= tie) << i;
#endif
    *level = low;
    return tied;
}

/* All that stand at one level take the same off the others, so their order does not matter; one
 * that the others of the tie lift out of it stays. */
static void freeze_tied(struct filling *s, uint32_t tied, double level)
{
    double tie = ms_fluid_front_tie(&s->front, level);
    s->front.water = ms_fluid_front_water(&s->front, level);
    for (; tied; tied &= tied - 1) {
        uint32_t at = (uint32_t)__builtin_ctz(tied), l = s->front.link[at];
        if (level_now(s, l) > tie)
            continue;
        s->front.link[at] = s->c->m;
        freeze(s, l);
        s->w->crowd[s->c->m] = 0;
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
    memcpy(w->rest, c->capacity, c->m * sizeof *w->rest);
    memcpy(w->crowd, c->crowd, c->m * sizeof *w->crowd);
    w->done[c->m] = 1;
    w->crowd[c->m] = 0;
    for (uint32_t l = 0; l < c->m; l++)
        c->level[l] = MS_FLUID_FREE_RATE;
    for (uint32_t k = 3; k <= c->k_max; k++) {
        if (c->by_k[k])
            memset(c->by_k[k]->frozen, 0, (c->by_k[k]->n / 64 + 1) * sizeof *c->by_k[k]->frozen);
    }
}

void FILL(struct ms_fluid_comp *c)
{
    struct filling s = {.c = c, .w = &c->fill};
    start(&s);
    while (refill(&s)) {
        for (;;) {
            double level;
            uint32_t tied = least_of_front(&s, &level);
            if (ms_fluid_front_over(&s.front, level))
                break;
            freeze_tied(&s, tied, level);
        }
    }
}
