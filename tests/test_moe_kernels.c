/* moe/kernels: every instruction set's kernels equal naive ones in double, at sizes that are no
 * multiple of anything. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "blas.h"
#include "moe/kernels.h"

static const struct ms_kernels *sets[3];
static int n_sets;

static float *noise(size_t n, uint64_t name)
{
    struct ms_rng r;
    float *v = malloc((n ? n : 1) * sizeof *v);
    ms_rng_init(&r, 11, "kernels", name, n, 0);
    for (size_t i = 0; i < n; i++)
        v[i] = (float)ms_rng_normal(&r);
    return v;
}

static void near(const char *what, double is, double truth, double tolerance)
{
    ck_assert_msg(fabs(is - truth) <= tolerance * (1 + fabs(truth)), "%s: %.9g, not %.9g", what, is,
                  truth);
}

/* C = alpha op(A) op(B) (+ C), against a product in double, and against OpenBLAS. */
static void one_product(const struct ms_kernels *k, int M, int N, int K, int ta, int tb, int add)
{
    size_t lda = (size_t)(ta ? M : K) + 3, ldb = (size_t)(tb ? K : N) + 1, ldc = (size_t)N + 2;
    float *A = noise(lda * (size_t)(ta ? K : M), 1), *B = noise(ldb * (size_t)(tb ? N : K), 2);
    float *C = noise(ldc * (size_t)M, 3), *before = noise(ldc * (size_t)M, 3),
          *blas = noise(ldc * (size_t)M, 3);
    float *packed = malloc(ms_packed_size(k, K, N) * sizeof *packed + 64);
    k->pack(tb, K, N, B, ldb, packed);
    k->gemm(M, N, K, 0.5f, A, ta ? 1 : lda, ta ? lda : 1, packed, (size_t)K, add, C, ldc);
    ms_sgemm(ta, tb, M, N, K, 0.5f, A, (int)lda, B, (int)ldb, add ? 1 : 0, blas, (int)ldc);
    for (int m = 0; m < M; m++)
        for (int n = 0; n < (int)ldc; n++) {
            size_t at = (size_t)m * ldc + (size_t)n;
            double sum = 0;
            for (int i = 0; i < K && n < N; i++)
                sum += (double)A[ta ? (size_t)i * lda + (size_t)m : (size_t)m * lda + (size_t)i] *
                       (double)B[tb ? (size_t)n * ldb + (size_t)i : (size_t)i * ldb + (size_t)n];
            double truth = n >= N ? (double)before[at] : 0.5 * sum + (add ? (double)before[at] : 0);
            near(k->name, (double)C[at], truth, n >= N ? 0 : 1e-5);
            near("OpenBLAS", (double)blas[at], truth, n >= N ? 0 : 1e-5);
        }
    free(A);
    free(B);
    free(C);
    free(before);
    free(blas);
    free(packed);
}

START_TEST(test_products)
{
    const int sizes[][3] = {{1, 1, 1},     {12, 32, 16},  {13, 33, 17}, {5, 64, 300}, {37, 7, 45},
                            {250, 40, 20}, {11, 95, 257}, {64, 16, 33}, {3, 31, 512}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (int how = 0; how < 8; how++)
            one_product(sets[_i], sizes[i][0], sizes[i][1], sizes[i][2], how & 1, how >> 1 & 1,
                        how >> 2);
}
END_TEST

START_TEST(test_a_part_of_a_packed_matrix)
{
    const struct ms_kernels *k = sets[_i];
    float *A = noise(9 * 20, 1), *B = noise(50 * 40, 2), C[9 * 40], D[9 * 40];
    float *packed = malloc(ms_packed_size(k, 50, 40) * sizeof *packed);
    k->pack(0, 50, 40, B, 40, packed);
    k->gemm(9, 40, 20, 1, A, 20, 1, packed, 50, 0, C, 40); /* the first 20 of 50 rows */
    ms_sgemm(0, 0, 9, 40, 20, 1, A, 20, B, 40, 0, D, 40);
    for (int i = 0; i < 9 * 40; i++)
        near("part", (double)C[i], (double)D[i], 1e-5);
    free(A);
    free(B);
    free(packed);
}
END_TEST

START_TEST(test_exp_is_within_two_units)
{
    enum { N = 200001 };
    float *x = malloc(N * sizeof *x), *y = malloc(N * sizeof *y);
    double worst = 0;
    for (int i = 0; i < N; i++)
        x[i] = -87.0f + 175.0f * (float)i / (N - 1);
    sets[_i]->exp(N, x, y);
    for (int i = 0; i < N; i++) {
        double truth = exp((double)x[i]),
               unit = (double)(nextafterf((float)truth, INFINITY) - (float)truth);
        worst = fmax(worst, fabs((double)y[i] - truth) / unit);
    }
    ck_assert_msg(worst < 2, "%s: %.2f units", sets[_i]->name, worst);
    const float edge[5] = {-INFINITY, -1e30f, 1e30f, 0, NAN};
    float out[5];
    sets[_i]->exp(5, edge, out);
    ck_assert(out[0] < 2e-38f && out[1] < 2e-38f && isfinite(out[2]) && out[3] == 1 &&
              isnan(out[4]));
    free(x);
    free(y);
}
END_TEST

START_TEST(test_norms)
{
    const struct ms_kernels *k = sets[_i];
    enum { R = 3, P = 2, LEN = 21, LD = 50 };
    float *x = noise(R * LD, 1), *w = noise(LEN, 2), *dy = noise(R * LD, 3), y[R * LD], r[R * P],
          dx[R * LD], dw[LEN] = {0};
    struct ms_norm_shape s = {R, P, LEN};
    double dw_truth[LEN] = {0};
    k->norm(s, 1e-5f, x, LD, w, y, LD, r);
    k->norm_backward(s, x, LD, w, r, dy, LD, dx, LD, 0, dw);
    for (int row = 0; row < R; row++)
        for (int p = 0; p < P; p++) {
            const float *v = x + row * LD + p * LEN, *g = dy + row * LD + p * LEN;
            double square = 0, dot = 0;
            for (int i = 0; i < LEN; i++) {
                square += (double)v[i] * (double)v[i];
                dot += (double)w[i] * (double)g[i] * (double)v[i];
            }
            double scale = 1 / sqrt(square / LEN + 1e-5);
            for (int i = 0; i < LEN; i++) {
                int at = row * LD + p * LEN + i;
                near("norm", (double)y[at], (double)w[i] * (double)v[i] * scale, 1e-6);
                near("dnorm", (double)dx[at],
                     scale *
                         ((double)w[i] * (double)g[i] - (double)v[i] * scale * scale * dot / LEN),
                     1e-6);
                dw_truth[i] += (double)g[i] * (double)v[i] * scale;
            }
        }
    for (int i = 0; i < LEN; i++)
        near("dw", (double)dw[i], dw_truth[i], 1e-6);
    free(x);
    free(w);
    free(dy);
}
END_TEST

START_TEST(test_swiglu)
{
    const struct ms_kernels *k = sets[_i];
    enum { N = 3, F = 19 };
    float *gu = noise(N * 2 * F, 1), *dh = noise(N * F, 2), h[N * F], wh[N * F], dweight[N],
          keep[N * 2 * F];
    const float weight[N] = {0.25f, 1, -2};
    memcpy(keep, gu, sizeof keep);
    k->swiglu(N, F, gu, h);
    k->swiglu_backward(N, F, gu, dh, weight, wh, dweight);
    for (int n = 0; n < N; n++) {
        double dot = 0;
        for (int i = 0; i < F; i++) {
            double g = (double)keep[n * 2 * F + i], u = (double)keep[n * 2 * F + F + i],
                   d = (double)dh[n * F + i];
            double s = 1 / (1 + exp(-g)), w = (double)weight[n];
            near("h", (double)h[n * F + i], g * s * u, 1e-6);
            near("wh", (double)wh[n * F + i], w * g * s * u, 1e-6);
            near("dgate", (double)gu[n * 2 * F + i], d * w * u * s * (1 + g * (1 - s)), 1e-6);
            near("dup", (double)gu[n * 2 * F + F + i], d * w * g * s, 1e-6);
            dot += d * g * s * u;
        }
        near("dweight", (double)dweight[n], dot, 1e-6);
    }
    free(gu);
    free(dh);
}
END_TEST

START_TEST(test_softmax_and_cross_entropy)
{
    const struct ms_kernels *k = sets[_i];
    enum { R = 4, FIRST = 18, N = 22, LD = 64, V = 5001 };
    float *s = noise(R * LD, 1), p[R * LD], again[R * LD], lse[R];
    memcpy(p, s, sizeof p);
    memcpy(again, s, sizeof again);
    k->softmax_causal(R, FIRST, N, p, LD, lse);
    k->exp_causal(R, FIRST, N, again, LD, lse);
    for (int r = 0; r < R; r++) {
        double sum = 0;
        for (int i = 0; i <= FIRST + r; i++)
            sum += exp((double)s[r * LD + i]);
        near("lse", (double)lse[r], log(sum), 1e-6);
        for (int i = 0; i < N; i++) {
            double truth = i <= FIRST + r ? exp((double)s[r * LD + i]) / sum : 0;
            near("p", (double)p[r * LD + i], truth, 1e-6);
            near("p again", (double)again[r * LD + i], truth, 1e-6);
        }
    }
    float *z = noise(2 * V, 2), *keep = noise(2 * V, 2), nll[2];
    const int32_t target[2] = {4321, -1};
    k->cross_entropy(2, V, z, target, lse, nll);
    k->cross_entropy_backward(2, V, z, target, lse, 0.5f);
    double sum = 0;
    for (int i = 0; i < V; i++)
        sum += exp((double)keep[i]);
    near("nll", (double)nll[0], log(sum) - (double)keep[4321], 1e-6);
    ck_assert(nll[1] == 0);
    for (int i = 0; i < V; i++) {
        near("dlogit", (double)z[i], 0.5 * (exp((double)keep[i]) / sum - (i == 4321)), 1e-7);
        ck_assert(z[V + i] == 0);
    }
    free(s);
    free(z);
    free(keep);
}
END_TEST

START_TEST(test_combine)
{
    enum { LEN = 21 };
    float *x = noise(LEN, 1), *a = noise(LEN, 2), *b = noise(LEN, 3), out[LEN];
    const float *const y[2] = {a, b};
    const float w[2] = {0.5f, -2};
    for (int n = 0; n <= 2; n++) {
        sets[_i]->combine(LEN, x, n, y, w, out);
        for (int i = 0; i < LEN; i++)
            near("sum", (double)out[i],
                 (double)x[i] + (n > 0 ? 0.5 * (double)a[i] : 0) - (n > 1 ? 2 * (double)b[i] : 0),
                 1e-6);
    }
    free(x);
    free(a);
    free(b);
}
END_TEST

START_TEST(test_rope_turns_back)
{
    enum { R = 3, HEADS = 2, HD = 10 };
    float *x = noise(R * HEADS * HD, 1), *keep = noise(R * HEADS * HD, 1), c[R * HD / 2],
          s[R * HD / 2];
    for (int i = 0; i < R * HD / 2; i++) {
        c[i] = cosf((float)i);
        s[i] = sinf((float)i);
    }
    sets[_i]->rope(R, HEADS, HD, c, s, 1, x, HEADS * HD);
    near("first", (double)x[0], (double)(keep[0] * c[0] - keep[5] * s[0]), 1e-6);
    near("second", (double)x[HD + 7], (double)(keep[HD + 7] * c[2] + keep[HD + 2] * s[2]), 1e-6);
    sets[_i]->rope(R, HEADS, HD, c, s, -1, x, HEADS * HD);
    for (int i = 0; i < R * HEADS * HD; i++)
        near("back", (double)x[i], (double)keep[i], 1e-6);
    free(x);
    free(keep);
}
END_TEST

int main(int argc, char **argv)
{
    ms_blas_pick(argv);
    ms_blas_one_thread();
    sets[n_sets++] = &ms_kernels_base;
#if defined(__x86_64__)
    if (ms_kernels_pick() != &ms_kernels_base)
        sets[n_sets++] = &ms_kernels_avx2;
    if (ms_kernels_pick() == &ms_kernels_avx512)
        sets[n_sets++] = &ms_kernels_avx512;
#endif
    Suite *s = suite_create("moe_kernels");
    TCase *tc = tcase_create("kernels");
    tcase_add_loop_test(tc, test_products, 0, n_sets);
    tcase_add_loop_test(tc, test_a_part_of_a_packed_matrix, 0, n_sets);
    tcase_add_loop_test(tc, test_exp_is_within_two_units, 0, n_sets);
    tcase_add_loop_test(tc, test_norms, 0, n_sets);
    tcase_add_loop_test(tc, test_swiglu, 0, n_sets);
    tcase_add_loop_test(tc, test_softmax_and_cross_entropy, 0, n_sets);
    tcase_add_loop_test(tc, test_combine, 0, n_sets);
    tcase_add_loop_test(tc, test_rope_turns_back, 0, n_sets);
    suite_add_tcase(s, tc);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
