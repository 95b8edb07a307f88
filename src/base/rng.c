/* Decides which numbers a named stream gives: its name is hashed to a Philox key, and everything
 * drawn is a function of that key and a counter. */
#include "base/rng.h"

#include <Random123/philox.h>
#include <math.h>
#include <string.h>

#include "base/hash.h"

uint64_t ms_rng_derive(uint64_t seed, const char *purpose, uint64_t a, uint64_t b, uint64_t c)
{
    uint64_t words[5] = {seed, a, b, c, ms_hash64(purpose, strlen(purpose))};
    return ms_hash64(words, sizeof words);
}

void ms_rng_init(struct ms_rng *r, uint64_t seed, const char *purpose, uint64_t a, uint64_t b,
                 uint64_t c)
{
    uint64_t name = ms_rng_derive(seed, purpose, a, b, c);
    uint64_t key = ms_rng_derive(name, "key", 0, 0, 0);
    *r = (struct ms_rng){.key = {(uint32_t)key, (uint32_t)(key >> 32)},
                         .ctr = {0, 0, (uint32_t)name, (uint32_t)(name >> 32)}};
}

static void refill(struct ms_rng *r)
{
    philox4x32_ctr_t c = {{r->ctr[0], r->ctr[1], r->ctr[2], r->ctr[3]}};
    philox4x32_key_t k = {{r->key[0], r->key[1]}};
    c = philox4x32(c, k);
    memcpy(r->out, c.v, sizeof r->out);
    if (++r->ctr[0] == 0)
        r->ctr[1]++;
    r->left = 4;
}

uint32_t ms_rng_u32(struct ms_rng *r)
{
    if (r->left == 0)
        refill(r);
    return r->out[4 - r->left--];
}

uint64_t ms_rng_u64(struct ms_rng *r)
{
    uint64_t low = ms_rng_u32(r);
    return low | (uint64_t)ms_rng_u32(r) << 32;
}

double ms_rng_unit(struct ms_rng *r)
{
    return ((double)(ms_rng_u64(r) >> 12) + 0.5) * 0x1p-52;
}

/* Lemire, "Fast random integer generation in an interval", 2019. */
uint32_t ms_rng_below(struct ms_rng *r, uint32_t n)
{
    uint64_t m = (uint64_t)ms_rng_u32(r) * n;
    if ((uint32_t)m < n) {
        uint32_t floor = (uint32_t)-n % n;
        while ((uint32_t)m < floor)
            m = (uint64_t)ms_rng_u32(r) * n;
    }
    return (uint32_t)(m >> 32);
}

double ms_rng_exponential(struct ms_rng *r)
{
    return -log(ms_rng_unit(r));
}

double ms_rng_normal(struct ms_rng *r)
{
    double radius = sqrt(2 * ms_rng_exponential(r));
    return radius * cos(6.283185307179586477 * ms_rng_unit(r));
}

double ms_rng_gumbel(struct ms_rng *r)
{
    return -log(ms_rng_exponential(r));
}

double ms_rng_gamma(struct ms_rng *r, double shape)
{
    double boost = 1;
    if (shape < 1) {
        boost = pow(ms_rng_unit(r), 1 / shape);
        shape += 1;
    }
    double d = shape - 1.0 / 3, c = 1 / sqrt(9 * d);
    for (;;) {
        double x = ms_rng_normal(r), v = 1 + c * x;
        if (v <= 0)
            continue;
        v = v * v * v;
        if (log(ms_rng_unit(r)) < 0.5 * x * x + d - d * v + d * log(v))
            return boost * d * v;
    }
}

void ms_rng_shuffle(struct ms_rng *r, int *v, size_t n)
{
    for (size_t i = n; i > 1; i--) {
        uint32_t j = ms_rng_below(r, (uint32_t)i);
        int t = v[i - 1];
        v[i - 1] = v[j];
        v[j] = t;
    }
}
