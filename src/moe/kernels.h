/** @file kernels.h  What is not a matrix product: norms, rotations, softmax, SwiGLU, cross-entropy,
 *  on rows of float32.
 *
 *  One source (kernels_body.inc) compiled for several instruction sets; ms_kernels_pick takes the
 *  widest the CPU has, so results are the same for the same CPU type; MOESIM_KERNELS=base, avx2 or
 *  avx512 in the environment takes that one where the CPU has it, so that two types agree. Every
 *  product of the model is computed here, with no other library, and sums run in a fixed order of
 *  the type's vectors. exp is our own polynomial, within 2 units in the last place on [-87, 88],
 *  clamped outside. ld = floats from row to row. */
#ifndef MS_MOE_KERNELS_H
#define MS_MOE_KERNELS_H

#include <stddef.h>
#include <stdint.h>

/** Rows of `parts` pieces of `len` floats, each piece normed on its own with the same weights
 *  [len]. */
struct ms_norm_shape {
    int rows, parts, len;
};

/** What one step of AdamW multiplies with (adamw.c). */
struct ms_adamw_rates {
    float clip, beta1, rest1, beta2, rest2, keep, rate, root, eps;
};

struct ms_kernels {
    const char *name;
    int panel; /**< columns of a panel of packed B */
    /** B [K][N], or [N][K] where transposed, into ms_packed_size(k, K, N) floats. */
    void (*pack)(int transposed, int K, int N, const float *B, size_t ldb, float *out);
    /** C [M][N] (+)= alpha A B. A's element (m, k) is A[m*rs + k*cs], one of rs, cs is 1.
     *  @param ldp the K that B was packed with; the first K of them are used  @param add 0: C is
     *  overwritten */
    void (*gemm)(int M, int N, int K, float alpha, const float *A, size_t rs, size_t cs,
                 const float *packed, size_t ldp, int add, float *C, size_t ldc);
    /** y = w * x * r, r = 1/sqrt(mean(x^2) + eps). @param r [rows][parts] */
    void (*norm)(struct ms_norm_shape s, float eps, const float *x, size_t ldx, const float *w,
                 float *y, size_t ldy, float *r);
    /** dx (+)= r * (w dy - x r^2 mean(w dy x)); dw [len] += dy x r. add: dx is added to, else
     *  written (may be dy) */
    void (*norm_backward)(struct ms_norm_shape s, const float *x, size_t ldx, const float *w,
                          const float *r, const float *dy, size_t lddy, float *dx, size_t lddx,
                          int add, float *dw);
    /** Rotate pairs (i, i + hd/2) of every head by the angle of the row's position; sign -1 turns
     *  back.
     *  @param cosines, sines [rows][hd/2] */
    void (*rope)(int rows, int heads, int hd, const float *cosines, const float *sines, float sign,
                 float *x, size_t ld);
    /** h = silu(gate) * up. @param gu [n][2f] gate then up  @param h [n][f] */
    void (*swiglu)(int n, int f, const float *gu, float *h);
    /** gu becomes its own gradient under dh * weight; dweight [n] = sum(dh h); wh [n][f] = weight *
     *  h */
    void (*swiglu_backward)(int n, int f, float *gu, const float *dh, const float *weight,
                            float *wh, float *dweight);
    /** Row i keeps columns 0..first+i: softmax in place, zero after them. Rows are long enough for n
     *  rounded up to `panel`. @param lse [rows] */
    void (*softmax_causal)(int rows, int first, int n, float *s, size_t ld, float *lse);
    /** The same from a known lse. */
    void (*exp_causal)(int rows, int first, int n, float *s, size_t ld, const float *lse);
    /** dp = p * (dp - d[row]) */
    void (*softmax_backward)(int rows, int n, const float *p, float *dp, size_t ld, const float *d);
    /** out[row] = a . b */
    void (*dots)(int rows, int n, const float *a, size_t lda, const float *b, size_t ldb,
                 float *out);
    /** nll[row] = lse - logit[target], 0 for target -1 */
    void (*cross_entropy)(int rows, int V, const float *logits, const int32_t *target, float *lse,
                          float *nll);
    /** logits become scale * (softmax - onehot), 0 for target -1 */
    void (*cross_entropy_backward)(int rows, int V, float *logits, const int32_t *target,
                                   const float *lse, float scale);
    /** out = x + the sum over j of w[j] y[j]; out may be x. @param y [n] rows of len floats */
    void (*combine)(int len, const float *x, int n, const float *const *y, const float *w,
                    float *out);
    /** y += a x */
    void (*axpy)(int n, float a, const float *x, float *y);
    /** d = clip g; m = beta1 m + rest1 d; v = beta2 v + rest2 d^2; w = keep w - rate m / (root
     *  sqrt(v) + eps) */
    void (*adamw)(size_t n, const struct ms_adamw_rates *q, const float *g, float *w, float *m,
                  float *v);
    /** Sum of x^2 in double. */
    double (*squares)(size_t n, const float *x);
    /** For tests: y = exp(x) */
    void (*exp)(int n, const float *x, float *y);
};

extern const struct ms_kernels ms_kernels_base, ms_kernels_avx2, ms_kernels_avx512;
/** Never NULL; a name that the CPU has not, or that there is not, is passed over. */
const struct ms_kernels *ms_kernels_pick(void);

static inline size_t ms_packed_size(const struct ms_kernels *k, int K, int N)
{
    return (size_t)((N + k->panel - 1) / k->panel * k->panel) * (size_t)K;
}

#endif
