/* The inner loops of sampling by hand for AVX-512: tables of a group's experts are looked up in registers,
 * and what a vector lane does not take is masked. The same operations as sample_vector.c has, so the same
 * numbers. */
#include "routing/sample_vector.h"

#if defined(__x86_64__)
#include <immintrin.h>
#include <stdbool.h>

enum { L = MS_VECTOR_LANES, W = 16 }; /* lanes of a register */

#define TARGET __attribute__((target("avx512f,avx512vl,avx512dq,avx512bw")))
#define INLINE static inline __attribute__((always_inline)) TARGET

INLINE __m512i words_at(const void *p)
{
    return _mm512_loadu_si512(p);
}

INLINE __m512 floats_at(const float *p)
{
    return _mm512_loadu_ps(p);
}

/** A table of up to 32 words. */
struct table {
    __m512i low, high;
};

INLINE struct table table_of(const void *words, int n)
{
    const uint32_t *w = words;
    uint32_t mask = n < 32 ? (1u << n) - 1 : UINT32_MAX;
    return (struct table){_mm512_maskz_loadu_epi32((__mmask16)mask, w),
                          _mm512_maskz_loadu_epi32((__mmask16)(mask >> W), w + W)};
}

INLINE __m512i look_up(struct table t, __m512i i)
{
    return _mm512_permutex2var_epi32(t.low, i, t.high);
}

/** Where an alias table is looked at: the cell, and the fraction within it. */
struct dart {
    __m512i cell, fraction;
};

/* word * size, its high and its low half. */
INLINE struct dart throw(__m512i word, int size)
{
    __m512i n = _mm512_set1_epi64(size);
    __m512i even = _mm512_mul_epu32(word, n);
    __m512i odd = _mm512_mul_epu32(_mm512_srli_epi64(word, 32), n);
    return (struct dart){_mm512_mask_blend_epi32(0xAAAA, _mm512_srli_epi64(even, 32), odd),
                         _mm512_mask_blend_epi32(0xAAAA, even, _mm512_slli_epi64(odd, 32))};
}

TARGET static void pick(const struct ms_races *r, int group, const uint32_t *word, uint32_t *out)
{
    int first = group * r->size;
    bool small = r->size <= 2 * W;
    struct table keep = table_of(r->keep + first, small ? r->size : 0);
    struct table other = table_of(r->other + first, small ? r->size : 0);
    __m512i base = _mm512_set1_epi32(first);
    for (int i = 0; i < L; i += W) {
        struct dart d = throw(words_at(word + i), r->size);
        __m512i cell = _mm512_add_epi32(d.cell, base);
        __m512i last = small ? look_up(keep, d.cell) : _mm512_i32gather_epi32(cell, r->keep, 4);
        __m512i second = small ? look_up(other, d.cell) : _mm512_i32gather_epi32(cell, r->other, 4);
        __mmask16 own = _mm512_cmplt_epu32_mask(d.fraction, last);
        _mm512_storeu_si512(out + i, _mm512_mask_mov_epi32(second, own, cell));
    }
}

/* The first two arrivals of each group, for all L tokens; the first in place of its exponential. */
INLINE void arrivals(int n, const float *first_inverse, const float *rest_inverse,
                     const uint32_t *first, float *e1, float *e2, int size)
{
    bool small = size <= 2 * W;
    for (int g = 0; g < n; g++) {
        struct table rest = table_of(rest_inverse + g * size, small ? size : 0);
        __m512 inverse = _mm512_set1_ps(first_inverse[g]);
        __m512i base = _mm512_set1_epi32(g * size);
        for (int at = g * L; at < (g + 1) * L; at += W) {
            __m512i who = words_at(first + at);
            __m512 by = small ? _mm512_castsi512_ps(look_up(rest, _mm512_sub_epi32(who, base)))
                              : _mm512_i32gather_ps(who, rest_inverse, 4);
            __m512 t1 = _mm512_mul_ps(floats_at(e1 + at), inverse);
            _mm512_storeu_ps(e1 + at, t1);
            _mm512_storeu_ps(e2 + at, _mm512_add_ps(t1, _mm512_mul_ps(floats_at(e2 + at), by)));
        }
    }
}

/* The rank of every group by t1 * t2, 0 best, of a register's tokens. */
INLINE void rank_groups(int n, const float *t1, const float *t2, __m512i *rank)
{
    const __m512i one = _mm512_set1_epi32(1);
    __m512 product[MS_MOST_GROUPS];
    for (int g = 0; g < n; g++) {
        product[g] = _mm512_mul_ps(floats_at(t1 + g * L), floats_at(t2 + g * L));
        rank[g] = _mm512_setzero_si512();
        for (int h = 0; h < g; h++) {
            __mmask16 before = _mm512_cmp_ps_mask(product[h], product[g], _CMP_LE_OQ);
            rank[g] = _mm512_mask_add_epi32(rank[g], before, rank[g], one);
            rank[h] = _mm512_mask_add_epi32(rank[h], (__mmask16)~before, rank[h], one);
        }
    }
}

INLINE void choose_groups(int n, int limit, const uint32_t *first, const float *t1, const float *t2,
                          struct ms_races *r)
{
    for (int i = 0; i < L; i += W) {
        __m512i rank[MS_MOST_GROUPS];
        rank_groups(n, t1 + i, t2 + i, rank);
        for (int j = 0; j < limit; j++) {
            __m512i group = _mm512_setzero_si512(), who = group;
            __m512 next = _mm512_setzero_ps(), second = next;
            for (int g = 0; g < n; g++) {
                int at = g * L + i;
                __mmask16 on = _mm512_cmpeq_epi32_mask(rank[g], _mm512_set1_epi32(j));
                group = _mm512_mask_mov_epi32(group, on, _mm512_set1_epi32(g));
                who = _mm512_mask_loadu_epi32(who, on, first + at);
                next = _mm512_mask_loadu_ps(next, on, t1 + at);
                second = _mm512_mask_loadu_ps(second, on, t2 + at);
            }
            int to = j * L + i;
            _mm512_storeu_si512(r->group + to, group);
            _mm512_storeu_si512(r->first + to, who);
            _mm512_storeu_ps(r->next + to, next);
            _mm512_storeu_ps(r->second + to, second);
            _mm512_storeu_si512(r->left + to, _mm512_set1_epi32(MS_WHOLE_GROUP));
        }
    }
}

TARGET static void start(int n, const float *first_inverse, const float *rest_inverse,
                         const uint32_t *first, float *e1, float *e2, struct ms_races *r)
{
    arrivals(n, first_inverse, rest_inverse, first, e1, e2, r->size);
    if (n == 8 && r->limit == 4)
        choose_groups(8, 4, first, e1, e2, r);
    else
        choose_groups(n, r->limit, first, e1, e2, r);
}

/* Which race each token's next arrival is of. */
INLINE void find_least(struct ms_races *r, int limit, int i)
{
    __m512 least = floats_at(r->next + i);
    __m512i race = _mm512_setzero_si512();
    __m512i known = words_at(r->first + i), group = words_at(r->group + i);
    for (int j = 1; j < limit; j++) {
        int at = j * L + i;
        __mmask16 on = _mm512_cmp_ps_mask(floats_at(r->next + at), least, _CMP_LT_OQ);
        least = _mm512_mask_loadu_ps(least, on, r->next + at);
        race = _mm512_mask_mov_epi32(race, on, _mm512_set1_epi32(j));
        known = _mm512_mask_loadu_epi32(known, on, r->first + at);
        group = _mm512_mask_loadu_epi32(group, on, r->group + at);
    }
    _mm512_storeu_ps(r->time + i, least);
    _mm512_storeu_si512(r->race + i, race);
    _mm512_storeu_si512(r->known + i, known);
    _mm512_storeu_si512(r->now + i, group);
    _mm512_storeu_si512(r->base + i, _mm512_mullo_epi32(group, _mm512_set1_epi32(r->size)));
}

INLINE __m512i pick_from(const struct ms_races *r, __m512i base, __m512i word)
{
    struct dart d = throw(word, r->size);
    __m512i cell = _mm512_add_epi32(d.cell, base);
    __m512i last = _mm512_i32gather_epi32(cell, r->keep, 4);
    __m512i second = _mm512_i32gather_epi32(cell, r->other, 4);
    return _mm512_mask_mov_epi32(second, _mm512_cmplt_epu32_mask(d.fraction, last), cell);
}

INLINE uint64_t arrive_of(struct ms_races *r, int limit, int k, const uint32_t *word)
{
    uint64_t again = 0;
    for (int i = 0; i < L; i += W) {
        find_least(r, limit, i);
        __m512i known = words_at(r->known + i), got = known;
        if (k > 0) { /* the first of all is known */
            __mmask16 unknown = _mm512_cmpeq_epi32_mask(known, _mm512_set1_epi32(-1));
            __m512i fresh = pick_from(r, words_at(r->base + i), words_at(word + i));
            got = _mm512_mask_mov_epi32(known, unknown, fresh);
        }
        __mmask16 came = 0;
        for (int j = 0; j < k; j++)
            came |= _mm512_cmpeq_epi32_mask(words_at(r->chosen + j * L + i), got);
        _mm512_storeu_si512(r->chosen + k * L + i, got);
        again |= (uint64_t)came << i;
    }
    return again;
}

TARGET static uint64_t arrive(struct ms_races *r, int k, const uint32_t *word)
{
    return r->limit == 4 ? arrive_of(r, 4, k, word) : arrive_of(r, r->limit, k, word);
}

INLINE uint64_t advance_of(struct ms_races *r, int limit, int k, const float *exponential)
{
    uint64_t little = 0;
    bool few_groups = r->groups <= 2 * W;
    struct table units = table_of(r->unit, few_groups ? r->groups : 0);
    for (int i = 0; i < L; i += W) {
        __m512i race = words_at(r->race + i), left = words_at(r->left + i);
        __m512 second = floats_at(r->second + i);
        for (int j = 1; j < limit; j++) {
            __mmask16 on = _mm512_cmpeq_epi32_mask(race, _mm512_set1_epi32(j));
            left = _mm512_mask_loadu_epi32(left, on, r->left + j * L + i);
            second = _mm512_mask_loadu_ps(second, on, r->second + j * L + i);
        }
        __m512i chosen = words_at(r->chosen + k * L + i);
        left = _mm512_sub_epi32(left, _mm512_i32gather_epi32(chosen, r->weight, 4));
        __m512i now = words_at(r->now + i);
        __m512 unit = few_groups ? _mm512_castsi512_ps(look_up(units, now))
                                 : _mm512_i32gather_ps(now, r->unit, 4);
        __mmask16 fresh = _mm512_cmpneq_epi32_mask(words_at(r->known + i), _mm512_set1_epi32(-1));
        __mmask16 few = _mm512_cmplt_epu32_mask(left, _mm512_set1_epi32(MS_LITTLE_LEFT));
        __m512 wait = _mm512_div_ps(floats_at(exponential + i),
                                    _mm512_mul_ps(_mm512_cvtepi32_ps(left), unit));
        __m512 next =
            _mm512_mask_mov_ps(_mm512_add_ps(floats_at(r->time + i), wait), fresh, second);
        little |= (uint64_t)(few & (__mmask16)~fresh) << i;
        for (int j = 0; j < limit; j++) {
            int at = j * L + i;
            __mmask16 on = _mm512_cmpeq_epi32_mask(race, _mm512_set1_epi32(j));
            __m512i first =
                _mm512_mask_mov_epi32(words_at(r->first + at), on, _mm512_set1_epi32(-1));
            _mm512_storeu_si512(r->first + at, first);
            _mm512_storeu_si512(r->left + at,
                                _mm512_mask_mov_epi32(words_at(r->left + at), on, left));
            _mm512_storeu_ps(r->next + at, _mm512_mask_mov_ps(floats_at(r->next + at), on, next));
        }
    }
    return little;
}

TARGET static uint64_t advance(struct ms_races *r, int k, const float *exponential)
{
    return r->limit == 4 ? advance_of(r, 4, k, exponential)
                         : advance_of(r, r->limit, k, exponential);
}

/* Row i of four words, i = 0 .. 15, of the columns a, b, c, d. */
INLINE void interleave(__m512i a, __m512i b, __m512i c, __m512i d, uint16_t *rows)
{
    __m512i ab = _mm512_unpacklo_epi32(a, b), AB = _mm512_unpackhi_epi32(a, b);
    __m512i cd = _mm512_unpacklo_epi32(c, d), CD = _mm512_unpackhi_epi32(c, d);
    __m512i r0 = _mm512_unpacklo_epi64(ab, cd), r1 = _mm512_unpackhi_epi64(ab, cd);
    __m512i r2 = _mm512_unpacklo_epi64(AB, CD), r3 = _mm512_unpackhi_epi64(AB, CD);
    /* quarter q of rN is row 4 q + N */
    __m512i even = _mm512_shuffle_i32x4(r0, r1, 0x88), odd = _mm512_shuffle_i32x4(r0, r1, 0xDD);
    __m512i Even = _mm512_shuffle_i32x4(r2, r3, 0x88), Odd = _mm512_shuffle_i32x4(r2, r3, 0xDD);
    /* even: rows 0 8 1 9, Even: 2 10 3 11, odd: 4 12 5 13, Odd: 6 14 7 15 */
    _mm512_storeu_si512(rows, _mm512_shuffle_i32x4(even, Even, 0x88));
    _mm512_storeu_si512(rows + 2 * W, _mm512_shuffle_i32x4(odd, Odd, 0x88));
    _mm512_storeu_si512(rows + 4 * W, _mm512_shuffle_i32x4(even, Even, 0xDD));
    _mm512_storeu_si512(rows + 6 * W, _mm512_shuffle_i32x4(odd, Odd, 0xDD));
}

TARGET static void deal(int K, const uint32_t *chosen, uint16_t *out)
{
    for (int i = 0; i < L && K == 8; i += W) {
        __m512i pair[4];
        for (int k = 0; k < 4; k++)
            pair[k] =
                _mm512_or_si512(words_at(chosen + 2 * k * L + i),
                                _mm512_slli_epi32(words_at(chosen + (2 * k + 1) * L + i), 16));
        interleave(pair[0], pair[1], pair[2], pair[3], out + i * K);
    }
    for (int i = 0; i < L && K != 8; i++)
        for (int k = 0; k < K; k++)
            *out++ = (uint16_t)chosen[k * L + i];
}

TARGET static void circle(int n, const uint32_t *start, const uint32_t *last, const uint32_t *point,
                          uint32_t *mask)
{
    __m512i low = words_at(point), high = words_at(point + W);
    for (int i = 0; i < n; i++) {
        __m512i s = _mm512_set1_epi32((int)start[i]), l = _mm512_set1_epi32((int)last[i]);
        mask[i] = (uint32_t)_mm512_cmple_epu32_mask(_mm512_sub_epi32(low, s), l) |
                  (uint32_t)_mm512_cmple_epu32_mask(_mm512_sub_epi32(high, s), l) << W;
    }
}

#define F(x) _mm512_set1_ps(x)

/* -ln x for x in (0, 1), as sample_vector.c has it. */
TARGET static void exponentials(const uint32_t *word, float *out, int n)
{
    static const float c[] = {-1.1514610310e-1f, 1.1676998740e-1f,  -1.2420140846e-1f,
                              1.4249322787e-1f,  -1.6668057665e-1f, 2.0000714765e-1f,
                              -2.4999993993e-1f, 3.3333331174e-1f};
    for (int i = 0; i < n; i += W) {
        __m512i w = _mm512_srli_epi32(words_at(word + i), 9);
        __m512 x = _mm512_mul_ps(_mm512_add_ps(_mm512_cvtepi32_ps(w), F(0.5f)), F(0x1p-23f));
        __m512 m = _mm512_getmant_ps(x, _MM_MANT_NORM_1_2, _MM_MANT_SIGN_src);
        __m512 e = _mm512_getexp_ps(x);
        __mmask16 high = _mm512_cmp_ps_mask(m, F(1.41421356f), _CMP_GT_OQ);
        m = _mm512_mask_mul_ps(m, high, m, F(0.5f));
        e = _mm512_mask_add_ps(e, high, e, F(1));
        __m512 f = _mm512_sub_ps(m, F(1)), z = _mm512_mul_ps(f, f);
        __m512 p = F(7.0376836292e-2f);
        for (size_t k = 0; k < sizeof c / sizeof *c; k++)
            p = _mm512_add_ps(_mm512_mul_ps(p, f), F(c[k]));
        __m512 y = _mm512_mul_ps(_mm512_mul_ps(p, f), z);
        y = _mm512_sub_ps(y, _mm512_mul_ps(F(2.12194440e-4f), e));
        y = _mm512_sub_ps(y, _mm512_mul_ps(F(0.5f), z));
        __m512 rest = _mm512_mul_ps(F(-0.693359375f), e);
        _mm512_storeu_ps(out + i, _mm512_sub_ps(rest, _mm512_add_ps(y, f)));
    }
}

const struct ms_vector_ops ms_vector_avx512 = {exponentials, start, pick,  arrive,
                                               advance,      deal,  circle};
#endif
