/** @file leg_parts.h  What leg_plan.c (building) and leg_close.c (order and checks) share. */
#ifndef MS_SIM_LEG_PARTS_H
#define MS_SIM_LEG_PARTS_H

#include <stdlib.h>

#include "base/huge.h"
#include "sim/leg_plan.h"

/** Make an array of the plan hold n items, or note that it has failed. */
#define MS_LEG_GROW(leg, array, n)                                                                 \
    do {                                                                                           \
        void *p_ = ms_huge_realloc((leg)->array, (size_t)(n) * sizeof *(leg)->array);              \
        if (p_)                                                                                    \
            (leg)->array = p_;                                                                     \
        else                                                                                       \
            (leg)->failed = true;                                                                  \
    } while (0)

/** The capacity that holds n: doubled, at least 64. */
uint32_t ms_leg_capacity(uint32_t cap, size_t n);

#endif
