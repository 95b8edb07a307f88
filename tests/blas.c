/* OpenBLAS with one thread a call, and starting the program again where the library's kernel is
 * below what the CPU can do. */
#include "blas.h"

#include <cblas.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

const char *ms_blas_kernel(void)
{
    return openblas_get_corename();
}

void ms_blas_one_thread(void)
{
    openblas_set_num_threads(1);
}

/* The kernel to ask for instead of `now`, or NULL. */
static const char *better(const char *now)
{
#if defined(__x86_64__)
    static const char *const avx512[] = {"SkylakeX", "Cooperlake", "Sapphirerapids"};
    static const char *const avx2[] = {"Haswell", "Zen", "SkylakeX", "Cooperlake",
                                       "Sapphirerapids"};
    bool has_avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    bool has_avx512 = has_avx2 && __builtin_cpu_supports("avx512f") &&
                      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw") &&
                      __builtin_cpu_supports("avx512vl");
    const char *const *good = has_avx512 ? avx512 : avx2;
    size_t n = has_avx512 ? sizeof avx512 / sizeof *avx512 : sizeof avx2 / sizeof *avx2;
    for (size_t i = 0; i < n; i++)
        if (strcasecmp(now, good[i]) == 0)
            return NULL;
    return has_avx512 ? "SkylakeX" : has_avx2 ? "Haswell" : NULL;
#else
    (void)now;
    return NULL;
#endif
}

void ms_blas_pick(char **argv)
{
    static const char guard[] = "MOESIM_BLAS_PICKED";
    if (getenv(guard)) { /* started again: the children we start shall choose for themselves */
        unsetenv(guard);
        return;
    }
    const char *want = getenv("OPENBLAS_CORETYPE") ? NULL : better(ms_blas_kernel());
    if (!want || setenv("OPENBLAS_CORETYPE", want, 1) != 0 || setenv(guard, "1", 1) != 0)
        return;
    execv("/proc/self/exe", argv);
    unsetenv("OPENBLAS_CORETYPE");
    unsetenv(guard);
}

void ms_sgemm(int ta, int tb, int M, int N, int K, float alpha, const float *A, int lda,
              const float *B, int ldb, float beta, float *C, int ldc)
{
    if (K == 0 && beta == 0) {
        for (int i = 0; i < M; i++)
            memset(C + (size_t)i * (size_t)ldc, 0, (size_t)N * sizeof *C);
        return;
    }
    if (M == 0 || N == 0 || K == 0)
        return;
    cblas_sgemm(CblasRowMajor, ta ? CblasTrans : CblasNoTrans, tb ? CblasTrans : CblasNoTrans, M, N,
                K, alpha, A, lda, B, ldb, beta, C, ldc);
}
