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

static inline __attribute__((always_inline)) void groups(int n, int limit, const float *first,
                                                         const float *rest, float *e1, float *e2,
                                                         uint64_t *mask)
{
    float product[MS_MOST_GROUPS][MS_VECTOR_LANES];
    for (int g = 0; g < n; g++)
        for (int i = 0; i < MS_VECTOR_LANES; i++) {
            float t1 = e1[g * MS_VECTOR_LANES + i] * first[g];
            float t2 = t1 + e2[g * MS_VECTOR_LANES + i] * rest[g * MS_VECTOR_LANES + i];
            e1[g * MS_VECTOR_LANES + i] = t1;
            e2[g * MS_VECTOR_LANES + i] = t2;
            product[g][i] = t1 * t2;
        }
    for (int i = 0; i < MS_VECTOR_LANES; i++)
        mask[i] = 0;
    for (int g = 0; g < n; g++) {
        int32_t before[MS_VECTOR_LANES] = {0};
        for (int h = 0; h < g; h++)
            for (int i = 0; i < MS_VECTOR_LANES; i++)
                before[i] += product[h][i] <= product[g][i];
        for (int h = g + 1; h < n; h++)
            for (int i = 0; i < MS_VECTOR_LANES; i++)
                before[i] += product[h][i] < product[g][i];
        for (int i = 0; i < MS_VECTOR_LANES; i++)
            mask[i] |= (uint64_t)(before[i] < limit) << g;
    }
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

__attribute__((target("avx512f"))) static void circle_avx512(int n, const uint32_t *start,
                                                             const uint32_t *last,
                                                             const uint32_t *point, uint32_t *mask)
{
    __m512i low = _mm512_loadu_si512(point), high = _mm512_loadu_si512(point + 16);
    for (int i = 0; i < n; i++) {
        __m512i s = _mm512_set1_epi32((int)start[i]), l = _mm512_set1_epi32((int)last[i]);
        mask[i] = (uint32_t)_mm512_cmple_epu32_mask(_mm512_sub_epi32(low, s), l) |
                  (uint32_t)_mm512_cmple_epu32_mask(_mm512_sub_epi32(high, s), l) << 16;
    }
}
#endif

#define OPS(name, attributes)                                                                      \
    static attributes void exponentials_##name(const uint32_t *word, float *out, int n)            \
    {                                                                                              \
        exponentials(word, out, n);                                                                \
    }                                                                                              \
    static attributes void groups_##name(int n, int limit, const float *first, const float *rest,  \
                                         float *e1, float *e2, uint64_t *mask)                     \
    {                                                                                              \
        groups(n, limit, first, rest, e1, e2, mask);                                               \
    }                                                                                              \
    static const struct ms_vector_ops name##_ops = {exponentials_##name, groups_##name,            \
                                                    circle_##name};

OPS(plain, )
#if defined(__x86_64__)
OPS(avx2, __attribute__((target("avx2"))))
#if defined(__clang__)
#define WIDE
#else
#define WIDE ",prefer-vector-width=512"
#endif
OPS(avx512, __attribute__((target("avx512f,avx512vl,avx512dq,avx512bw" WIDE))))
#endif

const struct ms_vector_ops *ms_vector_ops(void)
{
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw"))
        return &avx512_ops;
    if (__builtin_cpu_supports("avx2"))
        return &avx2_ops;
#endif
    return &plain_ops;
}
