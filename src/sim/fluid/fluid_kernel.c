/* The pass over flows, plain C for the vectoriser; compiled once for each instruction set with its
 * own KERNEL name. Every operation is exactly rounded and none is fused, so all of them give the
 * same bits. */
#include <math.h>

#include "sim/fluid/fluid_internal.h"

enum { BLOCK = 64 };

/* Bytes served: the least over the flow's links. */
static inline void take_off(const struct ms_fluid_kernel_args *a, uint32_t k, uint32_t at,
                            uint32_t n)
{
    const double *serve = a->serve;
    double *left = a->left + at, s[BLOCK];
    const uint32_t *first = a->link[0] + at;
    for (uint32_t i = 0; i < n; i++)
        s[i] = serve[first[i]];
    for (uint32_t j = 1; j < k; j++) {
        const uint32_t *link = a->link[j] + at;
        for (uint32_t i = 0; i < n; i++) {
            double v = serve[link[i]];
            s[i] = v < s[i] ? v : s[i];
        }
    }
    for (uint32_t i = 0; i < n; i++) {
        double rest = left[i] - s[i];
        left[i] = rest > 0 ? rest : 0;
    }
}

/* Time to the end: left x the largest 1 / rate. @return the smallest */
static inline double estimate(const struct ms_fluid_kernel_args *a, uint32_t k, uint32_t at,
                              uint32_t n, double *t)
{
    const double *inverse = a->inverse, *left = a->left + at;
    const uint32_t *first = a->link[0] + at;
    double low[8];
    for (uint32_t i = 0; i < n; i++)
        t[i] = inverse[first[i]];
    for (uint32_t j = 1; j < k; j++) {
        const uint32_t *link = a->link[j] + at;
        for (uint32_t i = 0; i < n; i++) {
            double v = inverse[link[i]];
            t[i] = v > t[i] ? v : t[i];
        }
    }
    for (uint32_t i = 0; i < n; i++)
        t[i] *= left[i];
    for (uint32_t i = n; i < BLOCK; i++)
        t[i] = INFINITY;
    for (uint32_t v = 0; v < 8; v++)
        low[v] = t[v];
    for (uint32_t i = 8; i < BLOCK; i += 8) {
        for (uint32_t v = 0; v < 8; v++)
            low[v] = t[i + v] < low[v] ? t[i + v] : low[v];
    }
    for (uint32_t v = 1; v < 8; v++)
        low[0] = low[v] < low[0] ? low[v] : low[0];
    return low[0];
}

static inline uint32_t run(const struct ms_fluid_kernel_args *a, uint32_t k, uint32_t begin,
                           uint32_t end, double *first)
{
    uint32_t found = 0;
    double lowest = *first, t[BLOCK];
    for (uint32_t at = begin; at < end; at += BLOCK) {
        uint32_t n = end - at < BLOCK ? end - at : BLOCK;
        if (a->serve)
            n == BLOCK ? take_off(a, k, at, BLOCK) : take_off(a, k, at, n);
        if (!a->inverse)
            continue;
        double low = n == BLOCK ? estimate(a, k, at, BLOCK, t) : estimate(a, k, at, n, t);
        lowest = low < lowest ? low : lowest;
        double rel = a->window_rel * lowest, bound = lowest + (a->window > rel ? a->window : rel);
        if (!(low <= bound) || low == INFINITY)
            continue;
        for (uint32_t i = 0; i < n; i++) {
            a->cand_t[found] = t[i];
            a->cand_flow[found] = at + i;
            found += t[i] <= bound;
        }
    }
    *first = lowest;
    return found;
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
