/* Picks the widest instruction set the CPU has among the kernels that were built. */
#include "moe/kernels.h"

const struct ms_kernels *ms_kernels_pick(void)
{
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl"))
        return &ms_kernels_avx512;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        return &ms_kernels_avx2;
#endif
    return &ms_kernels_base;
}
