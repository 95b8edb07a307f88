/** @file blas.h  OpenBLAS as a witness and a yardstick: one thread a call, and the kernel that fits the CPU.
 *  The program does without it.
 *
 *  Debian's 0.3.21 takes its Prescott kernel (SSE3) on CPUs newer than itself; the choice is read
 *  from OPENBLAS_CORETYPE when the library is loaded, so it can only be corrected by starting
 *  again. */
#ifndef TESTS_BLAS_H
#define TESTS_BLAS_H

/** Call first in main: where the loaded kernel is below what the CPU can do, start this program
 *  again (once) with OPENBLAS_CORETYPE set: SkylakeX with AVX-512 (measured 157 against Haswell's
 *  104 GFLOP/s a core), Haswell with AVX2. Returns where nothing is to be done, the user has set
 *  OPENBLAS_CORETYPE, or starting again fails. */
void ms_blas_pick(char **argv);
/** The kernel in use, "SkylakeX"; for --version. */
const char *ms_blas_kernel(void);

/** Row-major C [M][N] = alpha op(A) op(B) + beta C; op transposes where ta, tb. K = 0 gives beta C.
 *  One thread. */
void ms_sgemm(int ta, int tb, int M, int N, int K, float alpha, const float *A, int lda,
              const float *B, int ldb, float beta, float *C, int ldc);
/** OpenBLAS to one thread: its results change with its thread count, and the pool is ours. */
void ms_blas_one_thread(void);

#endif
