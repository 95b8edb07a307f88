/* Picks the widest instruction set the CPU has among the kernels that were built, or the one that
 * MOESIM_KERNELS names. */
#include "moe/kernels.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static bool has_avx2(void)
{
#if defined(__x86_64__)
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
#else
    return false;
#endif
}

static bool has_avx512(void)
{
#if defined(__x86_64__)
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl");
#else
    return false;
#endif
}

const struct ms_kernels *ms_kernels_pick(void)
{
    const struct ms_kernels *can[3] = {&ms_kernels_base};
    int n = 1;
#if defined(__x86_64__)
    if (has_avx2())
        can[n++] = &ms_kernels_avx2;
    if (has_avx2() && has_avx512())
        can[n++] = &ms_kernels_avx512;
#endif
    const char *asked = getenv("MOESIM_KERNELS");
    for (int i = 0; asked && i < n; i++)
        if (strcmp(asked, can[i]->name) == 0)
            return can[i];
    return can[n - 1];
}
