/** @file sample_vector.h  The vectorised part of sampling: MS_VECTOR_LANES tokens side by side.
 *
 *  The same additions, products and comparisons on every machine (no contraction), so the same
 *  numbers. */
#ifndef MS_ROUTING_SAMPLE_VECTOR_H
#define MS_ROUTING_SAMPLE_VECTOR_H

#include <stdint.h>

#include "routing/routing.h"

enum { MS_VECTOR_LANES = 64, MS_CIRCLE = 32 };

/** The groups that each of L = MS_VECTOR_LANES tokens may use, as races: the smaller the time, the
 *  better the score. Arrays are [limit][L] but where they say otherwise. */
struct ms_races {
    int groups, limit, size;         /**< races of a token; experts of a group */
    const uint32_t *keep, *other;    /**< [E] alias tables within groups: the cell's own expert
                                       *   below keep, else the other */
    const uint32_t *weight;          /**< [E] in units of 2^-30 of the group's */
    const float *unit;               /**< [groups] weight of a group times 2^-30 */
    uint32_t *group;                 /**< race -> group */
    float *next, *second;            /**< next arrival; the second while the first is to come */
    uint32_t *first;                 /**< who comes first; MS_NO_EXPERT once it has */
    uint32_t *left;                  /**< weight still in the race, units of `weight` */
    uint32_t *chosen;                /**< [K][L] arrived, in their order */
    uint32_t now[MS_VECTOR_LANES];   /**< group of the arrival under way */
    uint32_t base[MS_VECTOR_LANES];  /**< its first expert */
    uint32_t race[MS_VECTOR_LANES];  /**< of the arrival under way */
    uint32_t known[MS_VECTOR_LANES]; /**< its expert where that was drawn before */
    float time[MS_VECTOR_LANES];
};
enum { MS_WHOLE_GROUP = 1 << 30, MS_LITTLE_LEFT = 1 << 20 };
#define MS_NO_EXPERT UINT32_MAX

struct ms_vector_ops {
    /** Standard exponentials -ln(u), u = (word / 2^9 + 1/2) / 2^23 (absolute error below 1e-7).
     *  @param n a multiple of 16 */
    void (*exponentials)(const uint32_t *word, float *out, int n);
    /** Start of the races: of every group the first two arrivals t1 = e1 * first_inverse[g] and
     *  t2 = t1 + e2 * rest_inverse[first]; the groups whose t1 * t2 is among the `limit` smallest
     *  (ties: the lower group) are in.
     *  @param first [groups][L] who comes first  @param e1, e2 [groups][L] exponentials, changed */
    void (*start)(int groups, const float *first_inverse, const float *rest_inverse,
                  const uint32_t *first, float *e1, float *e2, struct ms_races *r);
    /** One expert of each group by its weight.  @param word, out [L] */
    void (*pick)(const struct ms_races *r, int group, const uint32_t *word, uint32_t *out);
    /** The k-th arrival of each token, in chosen[k].  @param word [L]
     *  @return bits of the tokens for which an expert came that has come before: draw again */
    uint64_t (*arrive)(struct ms_races *r, int k, const uint32_t *word);
    /** When the next one comes of the race that the k-th came of.  @param exponential [L]
     *  @return bits of the tokens whose race has less than MS_LITTLE_LEFT: sum up anew */
    uint64_t (*advance)(struct ms_races *r, int k, const float *exponential);
    /** The experts of L tokens, one token after the other.  @param chosen [K][L]  @param out [L][K] */
    void (*deal)(int K, const uint32_t *chosen, uint16_t *out);
    /** Arcs of a circle of 2^32: bit t of mask[i] says whether point[t] lies in start[i] ..
     *  start[i] + last[i] (modulo 2^32).  @param point [MS_CIRCLE] */
    void (*circle)(int n, const uint32_t *start, const uint32_t *last, const uint32_t *point,
                   uint32_t *mask);
};

/** Plain, AVX2, AVX-512; NULL: not on this machine.  @param width 0 .. MS_VECTOR_WIDTHS - 1 */
const struct ms_vector_ops *ms_vector_ops_of(int width);
enum { MS_VECTOR_WIDTHS = 3 };
#if defined(__x86_64__)
extern const struct ms_vector_ops ms_vector_avx512; /**< sample_avx512.c; ask ms_vector_ops_of */
#endif
/** The widest this machine has. */
const struct ms_vector_ops *ms_vector_ops(void);

#endif
