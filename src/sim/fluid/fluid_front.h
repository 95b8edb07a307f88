/** @file fluid_front.h  Which links may freeze next in progressive filling; for fluid_fill.c and
 *  fluid_weighted_fill.c only, which are compiled once for each instruction set.
 *
 *  A link's level only rises as others freeze. So the levels of all links are computed at once, now
 *  and then, and those little above the least stand in the front, for which alone they are kept
 *  exact: the least of them freezes, until it is above the threshold that divides them from the
 *  rest. Links within a tie of the water level freeze at it, so that equal flows stay equal to the
 *  bit. */
#ifndef MS_SIM_FLUID_FRONT_H
#define MS_SIM_FLUID_FRONT_H

#if defined(__AVX512F__)
#include <immintrin.h>
#endif

#include "sim/fluid/fluid_comp.h"

#define MS_FLUID_TIE 1e-10

enum { MS_FLUID_FRONT = 32, MS_FLUID_FEW = 12 };

struct ms_fluid_front {
    double water, threshold;
    uint32_t n;
    uint32_t link[MS_FLUID_FRONT];
};

/** Links up to the threshold, as far as the front goes. key: [m] levels, in cache lines.
 *  @return how many there are */
static inline uint32_t ms_fluid_front_collect(struct ms_fluid_front *f, const double *key,
                                              uint32_t m)
{
    uint32_t n = 0, l = 0;
#if defined(__AVX512F__)
    __m512d t = _mm512_set1_pd(f->threshold);
    for (; l + 8 <= m; l += 8) {
        uint32_t on = _mm512_cmp_pd_mask(_mm512_load_pd(key + l), t, _CMP_LE_OQ);
        for (; on; on &= on - 1, n++) {
            if (n < MS_FLUID_FRONT)
                f->link[n] = l + (uint32_t)__builtin_ctz(on);
        }
    }
#endif
    for (; l < m; l++) {
        if (key[l] > f->threshold)
            continue;
        if (n < MS_FLUID_FRONT)
            f->link[n] = l;
        n++;
    }
    return n;
}

/** The front anew: low is the least of the keys, reach how far above it the front goes, kept from
 *  solve to solve. @return false: no flow is left to freeze */
static inline bool ms_fluid_front_refill(struct ms_fluid_front *f, const double *key, uint32_t m,
                                         double low, double *reach)
{
    uint32_t n;
    if (low >= MS_FLUID_FREE_RATE)
        return false;
    low = low > f->water ? low : f->water;
    f->threshold = low * (1 + *reach);
    for (int tries = 0; (n = ms_fluid_front_collect(f, key, m)) > MS_FLUID_FRONT && tries < 8;
         tries++) {
        *reach *= n > 4 * MS_FLUID_FRONT ? 0.25 : 0.5;
        f->threshold = low * (1 + *reach);
    }
    if (n > MS_FLUID_FRONT) { /* ties: any of the least may freeze, but nothing above them */
        f->threshold = low * (1 + MS_FLUID_TIE);
        n = ms_fluid_front_collect(f, key, m);
        n = n > MS_FLUID_FRONT ? MS_FLUID_FRONT : n;
    }
    if (n < MS_FLUID_FEW)
        *reach = *reach < 1 ? *reach * 1.6 + 1e-6 : *reach;
    f->n = n;
    return true;
}

/** The water level where a link of this level freezes. */
static inline double ms_fluid_front_water(const struct ms_fluid_front *f, double level)
{
    return level > f->water * (1 + MS_FLUID_TIE) ? level : f->water;
}

/** What freezes together with a link of this level. */
static inline double ms_fluid_front_tie(const struct ms_fluid_front *f, double level)
{
    return ms_fluid_front_water(f, level) * (1 + MS_FLUID_TIE);
}

/** Nothing in the front is to freeze before the rest is looked at. */
static inline bool ms_fluid_front_over(const struct ms_fluid_front *f, double level)
{
    return level > f->threshold && level > f->water * (1 + MS_FLUID_TIE);
}

#endif
