/* The pass over flows, compiled once for each instruction set (KERNEL). Every operation is exactly
 * rounded and none is fused, so all of them give the same bits. */
#include <math.h>
#if defined(__AVX512F__)
#include <immintrin.h>
#endif

#include "sim/fluid/fluid_comp.h"

struct found { /* candidates so far and the bound for more */
    double first, bound;
    uint32_t n;
};

static void lower(const struct ms_fluid_kernel_args *a, struct found *f, double t)
{
    f->first = t < f->first ? t : f->first;
    double rel = a->window_rel * f->first;
    f->bound = f->first + (a->window > rel ? a->window : rel);
}

/* What a change of rate is worth: the least of its links' credits where it gains, the largest where
 * it loses. */
static inline double credit_of(const struct ms_fluid_kernel_args *a, uint32_t k, uint32_t i,
                               double gain)
{
    double low = a->credit[a->link[0][i]], high = low;
    for (uint32_t j = 1; j < k; j++) {
        double v = a->credit[a->link[j][i]];
        low = v < low ? v : low;
        high = v > high ? v : high;
    }
    return gain * (gain > 0 ? low : high);
}

static inline void one(const struct ms_fluid_kernel_args *a, uint32_t k, bool serve, uint32_t i,
                       struct found *f)
{
    double served = serve ? a->serve[a->link[0][i]] : 0,
           rate = a->level ? a->level[a->link[0][i]] : 0;
    for (uint32_t j = 1; j < k; j++) {
        uint32_t l = a->link[j][i];
        double s = serve ? a->serve[l] : 0, r = a->level ? a->level[l] : 0;
        served = s < served ? s : served;
        rate = r < rate ? r : rate;
    }
    if (serve) {
        if (a->credit)
            served += credit_of(a, k, i, rate - served * a->per_s);
        double rest = a->left[i] - served;
        a->left[i] = rest > 0 ? rest : 0;
    }
    double t = a->left[i] / (rate > MS_FLUID_STILL ? rate : MS_FLUID_STILL);
    if (!a->level || !(t <= f->bound))
        return;
    a->cand_t[f->n] = t;
    a->cand_flow[f->n++] = i;
    if (t < f->first)
        lower(a, f, t);
}

#if defined(__AVX512F__)
enum { WIDE = 8 };

/* Flows stand by source more often than not: then eight of them have the first link in common. */
static inline __m512d wide_of(const double *table, const uint32_t *link)
{
    __m256i l = _mm256_loadu_si256((const __m256i *)link);
    if (_mm256_cmpneq_epi32_mask(l, _mm256_set1_epi32((int)link[0])) == 0)
        return _mm512_set1_pd(table[link[0]]);
    return _mm512_i32gather_pd(l, table, 8);
}

static inline __m512d wide(const double *table, const uint32_t *link)
{
    return _mm512_i32gather_pd(_mm256_loadu_si256((const __m256i *)link), table, 8);
}

static inline void many(const struct ms_fluid_kernel_args *a, uint32_t k, bool serve, uint32_t i,
                        struct found *f)
{
    __m512d left = _mm512_loadu_pd(a->left + i), rate = wide_of(a->level, a->link[0] + i);
    for (uint32_t j = 1; j < k; j++)
        rate = _mm512_min_pd(rate, wide(a->level, a->link[j] + i));
    if (serve) {
        __m512d s = wide_of(a->serve, a->link[0] + i);
        for (uint32_t j = 1; j < k; j++)
            s = _mm512_min_pd(s, wide(a->serve, a->link[j] + i));
        if (a->credit) {
            __m512d gain = _mm512_sub_pd(rate, _mm512_mul_pd(s, _mm512_set1_pd(a->per_s)));
            __m512d low = wide_of(a->credit, a->link[0] + i), high = low;
            for (uint32_t j = 1; j < k; j++) {
                __m512d v = wide(a->credit, a->link[j] + i);
                low = _mm512_min_pd(low, v);
                high = _mm512_max_pd(high, v);
            }
            __mmask8 up = _mm512_cmp_pd_mask(gain, _mm512_setzero_pd(), _CMP_GT_OQ);
            s = _mm512_add_pd(s, _mm512_mul_pd(gain, _mm512_mask_blend_pd(up, high, low)));
        }
        left = _mm512_max_pd(_mm512_sub_pd(left, s), _mm512_setzero_pd());
        _mm512_storeu_pd(a->left + i, left);
    }
    __m512d t = _mm512_div_pd(left, _mm512_max_pd(rate, _mm512_set1_pd(MS_FLUID_STILL)));
    uint32_t hit = _mm512_cmp_pd_mask(t, _mm512_set1_pd(f->bound), _CMP_LE_OQ);
    if (__builtin_expect(hit == 0, 1))
        return;
    _mm512_mask_compressstoreu_pd(a->cand_t + f->n, (__mmask8)hit, t);
    for (uint32_t m = hit, n = f->n; m; m &= m - 1)
        a->cand_flow[n++] = i + (uint32_t)__builtin_ctz(m);
    f->n += (uint32_t)__builtin_popcount(hit);
    double low = _mm512_reduce_min_pd(t);
    if (low < f->first)
        lower(a, f, low);
}
#else
enum { WIDE = 1 };

static inline void many(const struct ms_fluid_kernel_args *a, uint32_t k, bool serve, uint32_t i,
                        struct found *f)
{
    one(a, k, serve, i, f);
}
#endif

static inline uint32_t run(const struct ms_fluid_kernel_args *a, uint32_t k, uint32_t begin,
                           uint32_t end, double *first)
{
    struct found f = {*first, a->cand_t ? 1e299 : -1,
                      0}; /* ends that never come are above the bound */
    uint32_t i = begin;
    if (a->cand_t && *first < 1e299)
        lower(a, &f, *first);
    if (a->level && a->serve) {
        for (; i + WIDE <= end; i += WIDE)
            many(a, k, true, i, &f);
    } else if (a->level) {
        for (; i + WIDE <= end; i += WIDE)
            many(a, k, false, i, &f);
    }
    for (; i < end; i++)
        one(a, k, a->serve != NULL, i, &f);
    *first = f.first;
    return f.n;
}

uint32_t KERNEL(const struct ms_fluid_kernel_args *a, uint32_t begin, uint32_t end, double *first)
{
    switch (a->k) {
    case 1:
        return run(a, 1, begin, end, first);
    case 2:
        return run(a, 2, begin, end, first);
    case 3:
        return run(a, 3, begin, end, first);
    case 4:
        return run(a, 4, begin, end, first);
    default:
        return run(a, a->k, begin, end, first);
    }
}
