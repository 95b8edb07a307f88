/* Philox4x32-10 over many counters at once, in the order in which ms_rng_u32 gives the words. The
 * constants are the paper's. Vector lanes are 64 bits wide and only their low halves count: a 32 x
 * 32 -> 64 bit product is one instruction. */
#include <string.h>

#include "base/rng.h"

#define M0 0xD2511F53u
#define M1 0xCD9E8D57u
#define W0 0x9E3779B9u
#define W1 0xBB67AE85u

enum { ROUNDS = 10, BATCH = 16 };

/* BATCH consecutive blocks from counter `first`, block b in out[4b .. 4b+3]. */
typedef void batch_fn(const struct ms_rng *r, uint64_t first, uint32_t *out);

static void batch_plain(const struct ms_rng *r, uint64_t first, uint32_t *out)
{
    for (uint64_t l = 0; l < BATCH; l++, out += 4) {
        uint32_t a = (uint32_t)(first + l), b = (uint32_t)((first + l) >> 32);
        uint32_t c = r->ctr[2], d = r->ctr[3], k0 = r->key[0], k1 = r->key[1];
        for (int i = 0; i < ROUNDS; i++, k0 += W0, k1 += W1) {
            uint64_t p = (uint64_t)M0 * a, q = (uint64_t)M1 * c;
            a = (uint32_t)(q >> 32) ^ b ^ k0;
            b = (uint32_t)q;
            c = (uint32_t)(p >> 32) ^ d ^ k1;
            d = (uint32_t)p;
        }
        out[0] = a;
        out[1] = b;
        out[2] = c;
        out[3] = d;
    }
}

#if defined(__x86_64__)
#include <immintrin.h>

#define TARGET512 __attribute__((target("avx512f")))
#define TARGET256 __attribute__((target("avx2")))

static TARGET512 void batch_avx512(const struct ms_rng *r, uint64_t first, uint32_t *out)
{
    const __m512i m0 = _mm512_set1_epi64(M0), m1 = _mm512_set1_epi64(M1);
    const __m512i step = _mm512_setr_epi64(0, 1, 2, 3, 4, 5, 6, 7);
    const __m512i low = _mm512_set1_epi64(0xffffffff);
    const __m512i first_half = _mm512_setr_epi64(0, 8, 1, 9, 2, 10, 3, 11);
    const __m512i second_half = _mm512_setr_epi64(4, 12, 5, 13, 6, 14, 7, 15);
    __m512i a[2], b[2], c[2], d[2];
    for (int h = 0; h < 2; h++) {
        a[h] = _mm512_add_epi64(_mm512_set1_epi64((long long)(first + 8 * (uint64_t)h)), step);
        b[h] = _mm512_srli_epi64(a[h], 32);
        c[h] = _mm512_set1_epi64(r->ctr[2]);
        d[h] = _mm512_set1_epi64(r->ctr[3]);
    }
    uint32_t k0 = r->key[0], k1 = r->key[1];
    for (int i = 0; i < ROUNDS; i++, k0 += W0, k1 += W1)
        for (int h = 0; h < 2; h++) {
            __m512i p = _mm512_mul_epu32(a[h], m0), q = _mm512_mul_epu32(c[h], m1);
            a[h] = _mm512_xor_si512(_mm512_xor_si512(_mm512_srli_epi64(q, 32), b[h]),
                                    _mm512_set1_epi64(k0));
            b[h] = q;
            c[h] = _mm512_xor_si512(_mm512_xor_si512(_mm512_srli_epi64(p, 32), d[h]),
                                    _mm512_set1_epi64(k1));
            d[h] = p;
        }
    for (int h = 0; h < 2; h++) {
        __m512i ab = _mm512_or_si512(_mm512_and_si512(a[h], low), _mm512_slli_epi64(b[h], 32));
        __m512i cd = _mm512_or_si512(_mm512_and_si512(c[h], low), _mm512_slli_epi64(d[h], 32));
        _mm512_storeu_si512(out + 32 * h, _mm512_permutex2var_epi64(ab, first_half, cd));
        _mm512_storeu_si512(out + 32 * h + 16, _mm512_permutex2var_epi64(ab, second_half, cd));
    }
}

static TARGET256 void batch_avx2(const struct ms_rng *r, uint64_t first, uint32_t *out)
{
    const __m256i m0 = _mm256_set1_epi64x(M0), m1 = _mm256_set1_epi64x(M1);
    const __m256i step = _mm256_setr_epi64x(0, 1, 2, 3), low = _mm256_set1_epi64x(0xffffffff);
    __m256i a[4], b[4], c[4], d[4];
    for (int h = 0; h < 4; h++) {
        a[h] = _mm256_add_epi64(_mm256_set1_epi64x((long long)(first + 4 * (uint64_t)h)), step);
        b[h] = _mm256_srli_epi64(a[h], 32);
        c[h] = _mm256_set1_epi64x(r->ctr[2]);
        d[h] = _mm256_set1_epi64x(r->ctr[3]);
    }
    uint32_t k0 = r->key[0], k1 = r->key[1];
    for (int i = 0; i < ROUNDS; i++, k0 += W0, k1 += W1)
        for (int h = 0; h < 4; h++) {
            __m256i p = _mm256_mul_epu32(a[h], m0), q = _mm256_mul_epu32(c[h], m1);
            a[h] = _mm256_xor_si256(_mm256_xor_si256(_mm256_srli_epi64(q, 32), b[h]),
                                    _mm256_set1_epi64x(k0));
            b[h] = q;
            c[h] = _mm256_xor_si256(_mm256_xor_si256(_mm256_srli_epi64(p, 32), d[h]),
                                    _mm256_set1_epi64x(k1));
            d[h] = p;
        }
    for (int h = 0; h < 4; h++) {
        __m256i ab = _mm256_or_si256(_mm256_and_si256(a[h], low), _mm256_slli_epi64(b[h], 32));
        __m256i cd = _mm256_or_si256(_mm256_and_si256(c[h], low), _mm256_slli_epi64(d[h], 32));
        __m256i even = _mm256_unpacklo_epi64(ab, cd), odd = _mm256_unpackhi_epi64(ab, cd);
        __m256i *to = (__m256i *)(void *)(out + 16 * h);
        _mm256_storeu_si256(to, _mm256_permute2x128_si256(even, odd, 0x20));
        _mm256_storeu_si256(to + 1, _mm256_permute2x128_si256(even, odd, 0x31));
    }
}
#endif

static batch_fn *best(void)
{
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx512f"))
        return batch_avx512;
    if (__builtin_cpu_supports("avx2"))
        return batch_avx2;
#endif
    return batch_plain;
}

void ms_rng_fill(struct ms_rng *r, uint32_t *out, size_t n_blocks)
{
    batch_fn *fn = best();
    uint64_t at = r->ctr[0] | (uint64_t)r->ctr[1] << 32;
    size_t done = 0;
    for (; done + BATCH <= n_blocks; done += BATCH)
        fn(r, at + done, out + 4 * done);
    if (done < n_blocks) {
        uint32_t tail[4 * BATCH];
        fn(r, at + done, tail);
        memcpy(out + 4 * done, tail, 4 * (n_blocks - done) * sizeof *tail);
    }
    at += n_blocks;
    r->ctr[0] = (uint32_t)at;
    r->ctr[1] = (uint32_t)(at >> 32);
    r->left = 0;
}
