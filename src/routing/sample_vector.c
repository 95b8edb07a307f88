/* The inner loops of sampling over vector lanes, in the widest form the machine has: the same
 * operations in the same order at every width, so the same numbers. */
#include "routing/sample_vector.h"

#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

/* -ln x for x in (0, 1): exponent and mantissa apart, then the polynomial of Cephes' logf. */
static inline __attribute__((always_inline)) void exponentials(const uint32_t *word, float *out,
                                                               int n)
{
    for (int i = 0; i < n; i++) {
        float x = ((float)(int32_t)(word[i] >> 9) + 0.5f) * 0x1p-23f;
        uint32_t bits;
        memcpy(&bits, &x, sizeof bits);
        int32_t exponent = (int32_t)(bits >> 23) - 127;
        bits = (bits & 0x7fffffu) | 0x3f800000u;
        float m;
        memcpy(&m, &bits, sizeof m);
        int32_t high = m > 1.41421356f;
        m = high ? m * 0.5f : m;
        float e = (float)(exponent + high), f = m - 1, z = f * f;
        float p = 7.0376836292e-2f;
        p = p * f - 1.1514610310e-1f;
        p = p * f + 1.1676998740e-1f;
        p = p * f - 1.2420140846e-1f;
        p = p * f + 1.4249322787e-1f;
        p = p * f - 1.6668057665e-1f;
        p = p * f + 2.0000714765e-1f;
        p = p * f - 2.4999993993e-1f;
        p = p * f + 3.3333331174e-1f;
        float y = p * f * z - 2.12194440e-4f * e - 0.5f * z;
        out[i] = -(y + f + 0.693359375f * e);
    }
}

enum { L = MS_VECTOR_LANES };
#define INLINE static inline __attribute__((always_inline))

/* Copied, not set: a memset would be a call. */
static const uint32_t zero[L];

/* The rank of every group by t1 * t2, 0 best. */
INLINE void rank_groups(int n, const float *t1, const float *t2, int32_t rank[][L])
{
    float product[MS_MOST_GROUPS][L];
    for (int g = 0; g < n; g++)
        for (int i = 0; i < L; i++)
            product[g][i] = t1[g * L + i] * t2[g * L + i];
    for (int g = 0; g < n; g++) {
        int32_t before[L];
        memcpy(before, zero, sizeof before);
        for (int h = 0; h < g; h++)
            for (int i = 0; i < L; i++)
                before[i] += product[h][i] <= product[g][i];
        for (int h = g + 1; h < n; h++)
            for (int i = 0; i < L; i++)
                before[i] += product[h][i] < product[g][i];
        memcpy(rank[g], before, sizeof before);
    }
}

/* into[i] = from[i] where on[i] is all ones, of floats too: words move as they are. */
INLINE void take(const uint32_t *restrict on, const void *from, void *into)
{
    const uint32_t *restrict f = from;
    uint32_t *restrict t = into;
    for (int i = 0; i < L; i++)
        t[i] = (f[i] & on[i]) | (t[i] & ~on[i]);
}

INLINE void start(int n, const float *first_inverse, const float *rest_inverse,
                  const uint32_t *first, float *e1, float *e2, struct ms_races *r)
{
    int32_t rank[MS_MOST_GROUPS][L];
    for (int g = 0; g < n; g++) {
        const uint32_t *restrict who = first + g * L;
        float *restrict a = e1 + g * L, *restrict b = e2 + g * L, inverse = first_inverse[g];
        for (int i = 0; i < L; i++) {
            float t1 = a[i] * inverse;
            a[i] = t1;
            b[i] = t1 + b[i] * rest_inverse[who[i]];
        }
    }
    rank_groups(n, e1, e2, rank);
    for (int j = 0; j < r->limit; j++) {
        int at = j * L;
        for (int g = 0; g < n; g++) {
            uint32_t on[L], group[L];
            for (int i = 0; i < L; i++) {
                on[i] = 0u - (uint32_t)(rank[g][i] == j);
                group[i] = (uint32_t)g;
            }
            take(on, group, r->group + at);
            take(on, first + g * L, r->first + at);
            take(on, e1 + g * L, r->next + at);
            take(on, e2 + g * L, r->second + at);
        }
        for (int i = 0; i < L; i++)
            r->left[at + i] = MS_WHOLE_GROUP;
    }
}

/* An expert of the group from `base` on, by weight. */
INLINE void pick_from(const struct ms_races *r, const uint32_t *restrict base,
                      const uint32_t *restrict word, uint32_t *restrict out)
{
    uint32_t size = (uint32_t)r->size;
    const uint32_t *restrict keep = r->keep, *restrict other = r->other;
    for (int i = 0; i < L; i++) {
        uint32_t cell = base[i] + (uint32_t)((uint64_t)word[i] * size >> 32);
        uint32_t last = keep[cell], second = other[cell];
        out[i] = word[i] * size < last ? cell : second;
    }
}

INLINE void pick(const struct ms_races *r, int group, const uint32_t *word, uint32_t *out)
{
    uint32_t base[L];
    for (int i = 0; i < L; i++)
        base[i] = (uint32_t)(group * r->size);
    pick_from(r, base, word, out);
}

/* Bit i: flag[i] is all ones. */
INLINE uint64_t gather_bits(const uint32_t *restrict flag)
{
    static const uint32_t bit[32] = {
        1u << 0,  1u << 1,  1u << 2,  1u << 3,  1u << 4,  1u << 5,  1u << 6,  1u << 7,
        1u << 8,  1u << 9,  1u << 10, 1u << 11, 1u << 12, 1u << 13, 1u << 14, 1u << 15,
        1u << 16, 1u << 17, 1u << 18, 1u << 19, 1u << 20, 1u << 21, 1u << 22, 1u << 23,
        1u << 24, 1u << 25, 1u << 26, 1u << 27, 1u << 28, 1u << 29, 1u << 30, 1u << 31};
    uint32_t low = 0, high = 0;
    for (int i = 0; i < 32; i++)
        low |= flag[i] & bit[i];
    for (int i = 0; i < 32; i++)
        high |= flag[32 + i] & bit[i];
    return (uint64_t)high << 32 | low;
}

/* Which race each token's next arrival is of. */
INLINE void find_least(struct ms_races *r)
{
    uint32_t race[L], on[L], number[L];
    float least[L];
    memcpy(race, zero, sizeof race);
    memcpy(least, r->next, sizeof least);
    memcpy(r->known, r->first, sizeof r->known);
    memcpy(r->now, r->group, sizeof r->now);
    for (int j = 1; j < r->limit; j++) {
        const float *restrict next = r->next + j * L;
        for (int i = 0; i < L; i++) {
            on[i] = 0u - (uint32_t)(next[i] < least[i]);
            number[i] = (uint32_t)j;
        }
        take(on, next, least);
        take(on, number, race);
        take(on, r->first + j * L, r->known);
        take(on, r->group + j * L, r->now);
    }
    memcpy(r->time, least, sizeof least);
    memcpy(r->race, race, sizeof race);
    for (int i = 0; i < L; i++)
        r->base[i] = r->now[i] * (uint32_t)r->size;
}

INLINE uint64_t arrive(struct ms_races *r, int k, const uint32_t *word)
{
    uint32_t got[L], again[L], known[L];
    find_least(r);
    pick_from(r, r->base, word, got);
    for (int i = 0; i < L; i++)
        known[i] = 0u - (uint32_t)(r->known[i] != MS_NO_EXPERT);
    take(known, r->known, got);
    memcpy(again, zero, sizeof again);
    for (int j = 0; j < k; j++) {
        const uint32_t *restrict before = r->chosen + j * L;
        for (int i = 0; i < L; i++)
            again[i] |= 0u - (uint32_t)(before[i] == got[i]);
    }
    memcpy(r->chosen + k * L, got, sizeof got);
    return gather_bits(again);
}

INLINE uint64_t advance(struct ms_races *r, int k, const float *restrict exponential)
{
    uint32_t on[MS_VECTOR_LANES], left[L], little[L], fresh[L];
    float second[L], unit[L], next[L];
    const uint32_t *restrict weight = r->weight, *restrict chosen = r->chosen + k * L;
    const float *restrict units = r->unit;
    memcpy(left, r->left, sizeof left);
    memcpy(second, r->second, sizeof second);
    for (int j = 1; j < r->limit; j++) {
        for (int i = 0; i < L; i++)
            on[i] = 0u - (uint32_t)(r->race[i] == (uint32_t)j);
        take(on, r->left + j * L, left);
        take(on, r->second + j * L, second);
    }
    for (int i = 0; i < L; i++) {
        left[i] -= weight[chosen[i]];
        unit[i] = units[r->now[i]];
    }
    for (int i = 0; i < L; i++) {
        fresh[i] = 0u - (uint32_t)(r->known[i] != MS_NO_EXPERT);
        little[i] = ~fresh[i] & (0u - (uint32_t)(left[i] < MS_LITTLE_LEFT));
        next[i] = r->time[i] + exponential[i] / ((float)(int32_t)left[i] * unit[i]);
    }
    take(fresh, second, next);
    for (int j = 0; j < r->limit; j++) {
        uint32_t *restrict first = r->first + j * L;
        for (int i = 0; i < L; i++)
            on[i] = 0u - (uint32_t)(r->race[i] == (uint32_t)j);
        for (int i = 0; i < L; i++)
            first[i] |= on[i]; /* MS_NO_EXPERT */
        take(on, left, r->left + j * L);
        take(on, next, r->next + j * L);
    }
    return gather_bits(little);
}

static void deal(int K, const uint32_t *chosen, uint16_t *out)
{
    for (int i = 0; i < L; i++)
        for (int k = 0; k < K; k++)
            *out++ = (uint16_t)chosen[k * L + i];
}

static void circle_plain(int n, const uint32_t *start, const uint32_t *last, const uint32_t *point,
                         uint32_t *mask)
{
    for (int i = 0; i < n; i++) {
        mask[i] = 0;
        for (int t = 0; t < MS_CIRCLE; t++)
            mask[i] |= (uint32_t)(point[t] - start[i] <= last[i]) << t;
    }
}

#if defined(__x86_64__)
__attribute__((target("avx2"))) static void circle_avx2(int n, const uint32_t *start,
                                                        const uint32_t *last, const uint32_t *point,
                                                        uint32_t *mask)
{
    __m256i p[4];
    for (int j = 0; j < 4; j++)
        p[j] = _mm256_loadu_si256((const __m256i *)(const void *)(point + 8 * j));
    for (int i = 0; i < n; i++) {
        __m256i s = _mm256_set1_epi32((int)start[i]), l = _mm256_set1_epi32((int)last[i]);
        mask[i] = 0;
        for (int j = 0; j < 4; j++) {
            __m256i x = _mm256_sub_epi32(p[j], s),
                    in = _mm256_cmpeq_epi32(_mm256_min_epu32(x, l), x);
            mask[i] |= (uint32_t)_mm256_movemask_ps(_mm256_castsi256_ps(in)) << (8 * j);
        }
    }
}
#endif

#define OPS(name, attributes)                                                                      \
    static attributes void exponentials_##name(const uint32_t *word, float *out, int n)            \
    {                                                                                              \
        exponentials(word, out, n);                                                                \
    }                                                                                              \
    static attributes void start_##name(int n, const float *first_inverse,                         \
                                        const float *rest_inverse, const uint32_t *first,          \
                                        float *e1, float *e2, struct ms_races *r)                  \
    {                                                                                              \
        start(n, first_inverse, rest_inverse, first, e1, e2, r);                                   \
    }                                                                                              \
    static attributes void pick_##name(const struct ms_races *r, int group, const uint32_t *word,  \
                                       uint32_t *out)                                              \
    {                                                                                              \
        pick(r, group, word, out);                                                                 \
    }                                                                                              \
    static attributes uint64_t arrive_##name(struct ms_races *r, int k, const uint32_t *word)      \
    {                                                                                              \
        return arrive(r, k, word);                                                                 \
    }                                                                                              \
    static attributes uint64_t advance_##name(struct ms_races *r, int k, const float *exponential) \
    {                                                                                              \
        return advance(r, k, exponential);                                                         \
    }                                                                                              \
    static const struct ms_vector_ops name##_ops = {                                               \
        exponentials_##name, start_##name, pick_##name,  arrive_##name,                            \
        advance_##name,      deal,         circle_##name};

OPS(plain, )
#if defined(__x86_64__)
OPS(avx2, __attribute__((target("avx2"))))
#endif

const struct ms_vector_ops *ms_vector_ops_of(int width)
{
#if defined(__x86_64__)
    if (width == 2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw"))
        return &ms_vector_avx512;
    if (width == 1 && __builtin_cpu_supports("avx2"))
        return &avx2_ops;
#endif
    return width == 0 ? &plain_ops : NULL;
}

const struct ms_vector_ops *ms_vector_ops(void)
{
    const struct ms_vector_ops *ops = NULL;
    for (int width = MS_VECTOR_WIDTHS - 1; !ops; width--)
        ops = ms_vector_ops_of(width);
    return ops;
}
