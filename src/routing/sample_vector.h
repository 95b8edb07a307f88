/** @file sample_vector.h  The vectorised part of sampling: MS_VECTOR_LANES tokens side by side.
 *
 *  The same additions, products and comparisons on every machine (no contraction), so the same
 *  numbers. */
#ifndef MS_ROUTING_SAMPLE_VECTOR_H
#define MS_ROUTING_SAMPLE_VECTOR_H

#include <stdint.h>

#include "routing/routing.h"

enum { MS_VECTOR_LANES = 64, MS_CIRCLE = 32 };

struct ms_vector_ops {
    /** Standard exponentials -ln(u), u = (word / 2^9 + 1/2) / 2^23 (absolute error below 1e-7).
     *  @param n a multiple of 16 */
    void (*exponentials)(const uint32_t *word, float *out, int n);
    /** First two arrivals of every group and the groups whose t1 * t2 is among the `limit` smallest
     *  (ties: the lower group). L = MS_VECTOR_LANES.
     *  @param e1, e2 [groups][L] exponentials, replaced by the times t1 = e1 * first[g] and
     *  t2 = t1 + e2 * rest  @param rest [groups][L]  @param mask [L] bits of the chosen groups */
    void (*groups)(int groups, int limit, const float *first, const float *rest, float *e1,
                   float *e2, uint64_t *mask);
    /** Arcs of a circle of 2^32: bit t of mask[i] says whether point[t] lies in start[i] ..
     *  start[i] + last[i] (modulo 2^32).  @param point [MS_CIRCLE] */
    void (*circle)(int n, const uint32_t *start, const uint32_t *last, const uint32_t *point,
                   uint32_t *mask);
};

/** The widest this machine has. */
const struct ms_vector_ops *ms_vector_ops(void);

#endif
