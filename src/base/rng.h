/** @file rng.h  Counter-based random streams.
 *
 *  A stream is named by (seed, purpose, three indices); the same name gives the same numbers
 *  whatever was drawn elsewhere, so results do not depend on order, threads or shards.
 *  Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC'11) through the
 *  Random123 library. Integer results are the same on every machine; normal and exponential draws
 *  go through libm. */
#ifndef MS_BASE_RNG_H
#define MS_BASE_RNG_H

#include <stddef.h>
#include <stdint.h>

struct ms_rng {
    uint32_t key[2];
    uint32_t ctr[4]; /**< ctr[0..1] count blocks; ctr[2..3] name the stream */
    uint32_t out[4];
    unsigned left; /**< unread words of out */
};

/** Start a stream. purpose is a short word such as "tokens" or "boot". */
void ms_rng_init(struct ms_rng *r, uint64_t seed, const char *purpose, uint64_t a, uint64_t b,
                 uint64_t c);
/** A seed derived the same way, for handing a whole family of streams to another room. */
uint64_t ms_rng_derive(uint64_t seed, const char *purpose, uint64_t a, uint64_t b, uint64_t c);

uint32_t ms_rng_u32(struct ms_rng *r);
uint64_t ms_rng_u64(struct ms_rng *r);
/** Uniform in (0, 1): never 0, never 1; 53 bits. */
double ms_rng_unit(struct ms_rng *r);
/** Uniform in 0..n-1 without bias; n >= 1. */
uint32_t ms_rng_below(struct ms_rng *r, uint32_t n);
/** Mean 1. */
double ms_rng_exponential(struct ms_rng *r);
/** Standard normal (Box-Muller, one of the pair; two words a draw). */
double ms_rng_normal(struct ms_rng *r);
/** Standard Gumbel: -ln(-ln U). */
double ms_rng_gumbel(struct ms_rng *r);
/** Gamma of the given shape > 0, scale 1 (Marsaglia and Tsang, 2000). */
double ms_rng_gamma(struct ms_rng *r, double shape);
/** 4 * n_blocks words at once (vectorised): those ms_rng_u32 would give from the next block on;
 *  unread words of the current block are dropped. */
void ms_rng_fill(struct ms_rng *r, uint32_t *out, size_t n_blocks);
/** Fisher-Yates over n ints. */
void ms_rng_shuffle(struct ms_rng *r, int *v, size_t n);

#endif
