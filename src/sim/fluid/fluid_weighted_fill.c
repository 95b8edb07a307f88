/* Progressive filling where flows have weights: the level rises over all flows alike; a link that is
 * used up, or a flow's ceiling, freezes flows at it, and what they take comes off the other links.
 * Compiled once for each instruction set (WEIGHTED_FILL), to the same bits.
 *
 * Which links may freeze next is fluid_front.h's. What a link still has to give stands beside the
 * sum of what is asked of it; where little of that sum is left it is formed anew from the flows,
 * since subtraction has eaten its digits. */
#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#if defined(__AVX512F__)
#include <immintrin.h>
#endif

#include "sim/fluid/fluid_front.h"

enum { AHEAD = 12 }; /* entries of a list whose flows are fetched early */

enum { REST, SUM, ASKS, CREDIT }; /* of a state */

struct filling {
    struct ms_fluid_comp *c;
    struct ms_fluid_weighted *w;
    struct ms_fluid_front front;
    size_t capped; /* first ceiling not looked at */
};

static void form_sum(const struct filling *s, uint32_t l)
{
    const struct ms_fluid_weighted *w = s->w;
    double sum = 0;
    for (uint32_t e = w->at[l]; e < w->at[l] + w->len[l]; e++) {
        const struct ms_fluid_held *x = &w->held[w->owner[e] >> 1];
        uint32_t second = w->owner[e] & 1;
        if (!(w->open[w->owner[e] >> 1] >> second & 1))
            continue;
        const struct ms_fluid_ask *a = w->ask + x->ask_at + (second ? x->n_first : 0U);
        while (a->link != l)
            a++;
        sum += a->units;
    }
    w->state[l][SUM] = sum;
    w->least[l] = MS_FLUID_LITTLE * sum;
}

static inline double level_now(const struct filling *s, uint32_t l)
{
    const ms_fluid_state *x = &s->w->state[l];
    if ((*x)[ASKS] < 0.5)
        return MS_FLUID_FREE_RATE;
    if ((*x)[SUM] < s->w->least[l])
        form_sum(s, l);
    return (*x)[SUM] > 0 ? (*x)[REST] / (*x)[SUM] : MS_FLUID_FREE_RATE;
}

#if defined(__AVX512F__)
/* The levels of eight links at once. */
static inline __m512d levels_now(const struct filling *s, __m256i l)
{
    const double *state = (const double *)s->w->state;
    __m256i at = _mm256_slli_epi32(l, 2); /* four doubles a state */
    __m512d free = _mm512_set1_pd(MS_FLUID_FREE_RATE), half = _mm512_set1_pd(0.5);
    __mmask8 on = _mm512_cmp_pd_mask(_mm512_i32gather_pd(at, state + ASKS, 8), half, _CMP_NLT_UQ);
    __m512d sum = _mm512_mask_i32gather_pd(free, on, at, state + SUM, 8);
    __mmask8 little = _mm512_mask_cmp_pd_mask(
        on, sum, _mm512_mask_i32gather_pd(free, on, l, s->w->least, 8), _CMP_LT_OQ);
    if (__builtin_expect(little != 0, 0)) {
        uint32_t link[8];
        _mm256_storeu_si256((__m256i *)link, l);
        for (uint32_t m = little; m; m &= m - 1)
            form_sum(s, link[__builtin_ctz(m)]);
        sum = _mm512_mask_i32gather_pd(free, on, at, state + SUM, 8);
    }
    on &= _mm512_cmp_pd_mask(sum, _mm512_setzero_pd(), _CMP_GT_OQ);
    return _mm512_mask_div_pd(free, on, _mm512_mask_i32gather_pd(free, on, at, state + REST, 8),
                              sum);
}
#endif

static inline void freeze_flow(const struct filling *s, uint32_t i, bool crediting)
{
    const struct ms_fluid_weighted *w = s->w;
    struct ms_fluid_held *x = &w->held[i];
    const double level = s->front.water;
    double low = INFINITY, high = 0;
    size_t k, to;
    for (ms_fluid_asks(x, &k, &to); k < to; k++) {
        ms_fluid_state *l = &w->state[w->ask[k].link];
        const double units = w->ask[k].units;
        *l -= (ms_fluid_state){units * level, units, 1, 0};
        if (crediting) {
            double credit = (*l)[CREDIT];
            low = credit < low ? credit : low;
            high = credit > high ? credit : high;
        }
    }
    if (crediting) {
        double gain = level - x->level;
        x->credit = low < INFINITY ? gain * (gain > 0 ? low : high) : 0;
    }
    x->level = level;
    w->open[i] = 0;
}

static inline bool is_open(const struct ms_fluid_weighted *w, uint32_t entry)
{
    return w->open[entry >> 1] >> (entry & 1) & 1;
}

static inline void freeze_list(const struct filling *s, uint32_t l, bool crediting)
{
    const struct ms_fluid_weighted *w = s->w;
    const uint32_t *owner = w->owner + w->at[l], n = w->len[l];
    for (uint32_t e = 0; e < n; e++) {
        if (e + AHEAD < n && is_open(w, owner[e + AHEAD]))
            __builtin_prefetch(&w->held[owner[e + AHEAD] >> 1], 1);
        if (e + AHEAD / 2 < n && is_open(w, owner[e + AHEAD / 2]))
            __builtin_prefetch(&w->ask[w->held[owner[e + AHEAD / 2] >> 1].ask_at]);
        if (!is_open(w, owner[e]))
            continue;
        freeze_flow(s, owner[e] >> 1, crediting);
        if (w->limit)
            w->limit[owner[e] >> 1] = s->c->global[l];
    }
}

static void freeze_link(const struct filling *s, uint32_t l)
{
    s->w->state[l][ASKS] = 0;
    if (s->c->crediting)
        freeze_list(s, l, true);
    else
        freeze_list(s, l, false);
}

/* ---- ceilings ---- */

static int by_level(const void *a, const void *b)
{
    const struct ms_fluid_capped *x = a, *y = b;
    if (x->level != y->level)
        return x->level < y->level ? -1 : 1;
    return x->flow < y->flow ? -1 : x->flow > y->flow;
}

static bool collect_ceilings(struct ms_fluid_weighted *w)
{
    w->n_capped = 0;
    for (uint32_t i = 0; w->ceiling && i < w->n; i++) {
        double low = INFINITY;
        for (int hop = 0; hop < 2; hop++) {
            if (w->open[i] >> hop & 1)
                low = fmin(low, w->ceiling[i].level[hop]);
        }
        if (low == INFINITY)
            continue;
        if (!ms_fluid_grow(&w->capped, &w->capped_cap, w->n_capped + 1, sizeof *w->capped))
            return false;
        w->capped[w->n_capped++] = (struct ms_fluid_capped){low, i};
    }
    if (w->n_capped)
        qsort(w->capped, w->n_capped, sizeof *w->capped, by_level);
    return true;
}

/* The least ceiling of a flow that is not frozen. */
static double next_ceiling(struct filling *s)
{
    const struct ms_fluid_weighted *w = s->w;
    while (s->capped < w->n_capped && !w->open[w->capped[s->capped].flow])
        s->capped++;
    return s->capped < w->n_capped ? w->capped[s->capped].level : INFINITY;
}

static void freeze_at_ceiling(struct filling *s)
{
    const struct ms_fluid_capped *x = &s->w->capped[s->capped];
    const struct ms_fluid_ceiling *c = &s->w->ceiling[x->flow];
    bool first = s->w->open[x->flow] & MS_FLUID_FIRST && c->level[0] == x->level;
    s->front.water = x->level > s->front.water ? x->level : s->front.water;
    freeze_flow(s, x->flow, s->c->crediting);
    if (s->w->limit)
        s->w->limit[x->flow] = c->link[first ? 0 : 1];
}

/* ---- the front ---- */

static double all_levels(const struct filling *s)
{
    double low = MS_FLUID_FREE_RATE, *key = s->w->key;
    uint32_t l = 0;
#if defined(__AVX512F__)
    __m512d lows = _mm512_set1_pd(MS_FLUID_FREE_RATE);
    __m256i eight = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    for (; l + 8 <= s->c->m_shared; l += 8, eight = _mm256_add_epi32(eight, _mm256_set1_epi32(8))) {
        __m512d v = levels_now(s, eight);
        _mm512_store_pd(key + l, v);
        lows = _mm512_min_pd(lows, v);
    }
    low = _mm512_reduce_min_pd(lows);
#endif
    for (; l < s->c->m_shared; l++) {
        key[l] = level_now(s, l);
        low = key[l] < low ? key[l] : low;
    }
    return low;
}

/* @return false: no link limits a flow any more */
static bool refill(struct filling *s)
{
    double low = all_levels(s);
    return ms_fluid_front_refill(&s->front, s->w->key, s->c->m_shared, low, &s->w->reach);
}

static double least_of_front(const struct filling *s, uint32_t *tied)
{
    double v[MS_FLUID_FRONT], low = MS_FLUID_FREE_RATE;
    uint32_t i = 0;
#if defined(__AVX512F__)
    for (; i + 8 <= s->front.n; i += 8) {
        __m512d eight = levels_now(s, _mm256_loadu_si256((const __m256i *)(s->front.link + i)));
        _mm512_storeu_pd(v + i, eight);
        low = fmin(low, _mm512_reduce_min_pd(eight));
    }
#endif
    for (; i < s->front.n; i++) {
        v[i] = level_now(s, s->front.link[i]);
        low = v[i] < low ? v[i] : low;
    }
    double tie = ms_fluid_front_tie(&s->front, low);
    *tied = 0;
    for (i = 0; i < s->front.n; i++)
        *tied |= (uint32_t)(v[i] <= tie) << i;
    return low;
}

static void freeze_tied(struct filling *s, uint32_t tied, double level)
{
    double tie = ms_fluid_front_tie(&s->front, level);
    s->front.water = ms_fluid_front_water(&s->front, level);
    for (; tied; tied &= tied - 1) {
        uint32_t l = s->front.link[__builtin_ctz(tied)];
        if (level_now(s, l) <= tie)
            freeze_link(s, l);
    }
}

static void start(const struct filling *s)
{
    struct ms_fluid_comp *c = s->c;
    struct ms_fluid_weighted *w = s->w;
    for (uint32_t l = 0; l < c->m_shared; l++) {
        w->state[l] = (ms_fluid_state){c->capacity[l], w->sum[l], c->crowd[l],
                                       c->crediting ? c->credit[l] : 0};
        w->least[l] = MS_FLUID_LITTLE * w->sum[l];
    }
    for (uint32_t i = 0; i < w->n; i++)
        w->open[i] = w->held[i].hops;
}

/* Flows that nothing limits. */
static void let_go(const struct filling *s)
{
    const struct ms_fluid_weighted *w = s->w;
    for (uint32_t i = 0; i < w->n; i++) {
        if (!w->open[i])
            continue;
        w->held[i].level = MS_FLUID_FREE_RATE;
        w->held[i].credit = 0;
        if (w->limit)
            w->limit[i] = MS_FLUID_NONE;
    }
}

bool WEIGHTED_FILL(struct ms_fluid_comp *c)
{
    struct filling s = {.c = c, .w = &c->weighted};
    start(&s);
    if (!collect_ceilings(s.w))
        return false;
    while (refill(&s)) {
        for (;;) {
            uint32_t tied;
            double level = least_of_front(&s, &tied), ceiling = next_ceiling(&s);
            if (ceiling <= level && ceiling <= s.front.threshold)
                freeze_at_ceiling(&s);
            else if (ms_fluid_front_over(&s.front, level))
                break;
            else
                freeze_tied(&s, tied, level);
        }
    }
    while (next_ceiling(&s) < INFINITY)
        freeze_at_ceiling(&s);
    let_go(&s);
    return true;
}
