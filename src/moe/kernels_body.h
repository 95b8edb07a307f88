/* Compiled once per instruction set: LANES floats a vector, TABLE the name of the resulting struct.
 */
#include "moe/kernels.h"

#include <math.h>
#include <string.h>

#define INLINE static inline __attribute__((always_inline))

typedef float vec __attribute__((vector_size(4 * LANES)));
typedef int32_t ivec __attribute__((vector_size(4 * LANES)));
typedef float vec_any __attribute__((vector_size(4 * LANES), aligned(4), may_alias));

INLINE vec load(const float *p)
{
    return *(const vec_any *)p;
}

INLINE void store(float *p, vec v)
{
    *(vec_any *)p = v;
}

/* The last n < LANES floats of a row; the others are `fill`. */
INLINE vec load_tail(const float *p, int n, float fill)
{
    float a[LANES];
    store(a, fill - (vec){0});
    memcpy(a, p, (size_t)n * sizeof *a);
    return load(a);
}

INLINE void store_tail(float *p, vec v, int n)
{
    memcpy(p, &v, (size_t)n * sizeof *p);
}

typedef float vec4 __attribute__((vector_size(16)));
typedef int32_t ivec4 __attribute__((vector_size(16)));
typedef float vec8 __attribute__((vector_size(32)));
typedef int32_t ivec8 __attribute__((vector_size(32)));
#define LARGER(v, i, a, b) ((v)((((a) > (b)) & (i)(a)) | (~((a) > (b)) & (i)(b))))

/* Halves are folded onto each other down to four: the same order for every call. */
INLINE vec4 to_four(vec v, int largest)
{
#if LANES == 16
    vec8 half[2], w;
    memcpy(half, &v, sizeof half);
    w = largest ? LARGER(vec8, ivec8, half[0], half[1]) : half[0] + half[1];
#elif LANES == 8
    vec8 w = v;
#endif
#if LANES >= 8
    vec4 quarter[2];
    memcpy(quarter, &w, sizeof quarter);
    return largest ? LARGER(vec4, ivec4, quarter[0], quarter[1]) : quarter[0] + quarter[1];
#else
    return v;
#endif
}

INLINE float sum(vec v)
{
    vec4 q = to_four(v, 0);
    return (q[0] + q[2]) + (q[1] + q[3]);
}

INLINE vec select(ivec mask, vec a, vec b)
{
    return (vec)((mask & (ivec)a) | (~mask & (ivec)b));
}

INLINE vec larger(vec a, vec b)
{
    return select(a > b, a, b);
}

INLINE float largest(vec v)
{
    vec4 q = to_four(v, 1);
    float a = q[0] > q[1] ? q[0] : q[1], b = q[2] > q[3] ? q[2] : q[3];
    return a > b ? a : b;
}

/* exp(x) = 2^n exp(r), |r| <= ln2/2; the polynomial of Cephes' expf. */
INLINE vec vexp(vec x)
{
    const vec low = -87.0f - (vec){0}, high = 88.0f - (vec){0};
    const float magic =
        12582912.0f; /* 1.5 * 2^23: adding it rounds to an integer in the low bits */
    x = select(x < low, low, select(x > high, high, x));
    vec shifted = x * 1.44269504088896341f + magic;
    vec n = shifted - magic;
    vec r = x - n * 0.693359375f;
    r = r + n * 2.12194440e-4f;
    vec p = 1.9875691500e-4f * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = p * (r * r) + r + 1.0f;
    return (vec)((ivec)p + ((ivec)shifted << 23));
}

/* A block for every vector of 0..n-1 and once more for the tail; it sees i, WHOLE, rest, GET and
 * PUT. */
#define EACH_VECTOR(n, ...)                                                                        \
    do {                                                                                           \
        int i = 0;                                                                                 \
        for (; i + LANES <= (n); i += LANES) {                                                     \
            enum { WHOLE = 1 };                                                                    \
            const int rest = LANES;                                                                \
            __VA_ARGS__                                                                            \
        }                                                                                          \
        if (i < (n)) {                                                                             \
            enum { WHOLE = 0 };                                                                    \
            const int rest = (n)-i;                                                                \
            __VA_ARGS__                                                                            \
        }                                                                                          \
    } while (0)
#define GET(p) (WHOLE ? load((p) + i) : load_tail((p) + i, rest, 0))
#define PUT(p, v) (WHOLE ? store((p) + i, (v)) : store_tail((p) + i, (v), rest))

static void norm(struct ms_norm_shape s, float eps, const float *x0, size_t ldx, const float *w,
                 float *y0, size_t ldy, float *r)
{
    for (int row = 0; row < s.rows; row++)
        for (int part = 0; part < s.parts; part++) {
            const float *x = x0 + (size_t)row * ldx + (size_t)part * (size_t)s.len;
            float *y = y0 + (size_t)row * ldy + (size_t)part * (size_t)s.len;
            vec acc = {0};
            EACH_VECTOR(s.len, { acc += GET(x) * GET(x); });
            float scale = 1.0f / sqrtf(sum(acc) / (float)s.len + eps);
            r[row * s.parts + part] = scale;
            EACH_VECTOR(s.len, { PUT(y, GET(w) * (GET(x) * scale)); });
        }
}

static void norm_backward(struct ms_norm_shape s, const float *x0, size_t ldx, const float *w,
                          const float *r, const float *dy0, size_t lddy, float *dx0, size_t lddx,
                          int add, float *dw)
{
    for (int row = 0; row < s.rows; row++)
        for (int part = 0; part < s.parts; part++) {
            size_t at = (size_t)part * (size_t)s.len;
            const float *x = x0 + (size_t)row * ldx + at, *dy = dy0 + (size_t)row * lddy + at;
            float *dx = dx0 + (size_t)row * lddx + at, scale = r[row * s.parts + part];
            vec acc = {0};
            EACH_VECTOR(s.len, {
                vec g = GET(dy), v = GET(x);
                acc += GET(w) * g * v;
                PUT(dw, GET(dw) + g * v * scale);
            });
            float mean = sum(acc) / (float)s.len * scale * scale;
            EACH_VECTOR(s.len, {
                vec d = (GET(w) * GET(dy) - GET(x) * mean) * scale;
                PUT(dx, add ? GET(dx) + d : d);
            });
        }
}

static void rope(int rows, int heads, int hd, const float *cosines, const float *sines, float sign,
                 float *x, size_t ld)
{
    int half = hd / 2;
    for (int row = 0; row < rows; row++) {
        const float *c = cosines + (size_t)row * (size_t)half,
                    *s = sines + (size_t)row * (size_t)half;
        for (int head = 0; head < heads; head++) {
            float *a = x + (size_t)row * ld + (size_t)head * (size_t)hd, *b = a + half;
            EACH_VECTOR(half, {
                vec u = GET(a), v = GET(b), cs = GET(c), sn = GET(s) * sign;
                PUT(a, u * cs - v * sn);
                PUT(b, v * cs + u * sn);
            });
        }
    }
}

static void swiglu(int n, int f, const float *gu, float *h)
{
    for (int row = 0; row < n; row++) {
        const float *gate = gu + (size_t)row * 2 * (size_t)f, *up = gate + f;
        float *out = h + (size_t)row * (size_t)f;
        EACH_VECTOR(f, {
            vec g = GET(gate);
            PUT(out, g * GET(up) / (1.0f + vexp(-g)));
        });
    }
}

static void swiglu_backward(int n, int f, float *gu, const float *dh0, const float *weight,
                            float *wh0, float *dweight)
{
    for (int row = 0; row < n; row++) {
        float *gate = gu + (size_t)row * 2 * (size_t)f, *up = gate + f;
        const float *dh = dh0 + (size_t)row * (size_t)f;
        float *wh = wh0 + (size_t)row * (size_t)f, w = weight[row];
        vec acc = {0};
        EACH_VECTOR(f, {
            vec g = GET(gate), u = GET(up), d = GET(dh);
            vec s = 1.0f / (1.0f + vexp(-g)), silu = g * s;
            vec h = silu * u, dw = d * w;
            acc += d * h;
            PUT(wh, h * w);
            PUT(up, dw * silu);
            PUT(gate, dw * u * (s + silu * (1.0f - s)));
        });
        dweight[row] = sum(acc);
    }
}

static float row_max(const float *s, int n)
{
    vec top = -INFINITY - (vec){0};
    EACH_VECTOR(n, { top = larger(WHOLE ? load(s + i) : load_tail(s + i, rest, -INFINITY), top); });
    return largest(top);
}

/* Lanes i .. i+LANES-1 that are below n. */
INLINE ivec below(int i, int n)
{
    ivec lane;
    for (int l = 0; l < LANES; l++)
        lane[l] = l;
    return lane + i < n - (ivec){0};
}

/* Rows have room for whole vectors (ld): what lies after the kept columns is read and set to zero.
 */
static void softmax_causal(int rows, int first, int n, float *s0, size_t ld, float *lse)
{
    const vec none = -INFINITY - (vec){0};
    for (int row = 0; row < rows; row++) {
        float *s = s0 + (size_t)row * ld;
        int kept = first + row + 1, i = 0;
        vec top = none, acc = {0};
        for (; i + LANES <= kept; i += LANES)
            top = larger(load(s + i), top);
        if (i < kept)
            top = larger(select(below(i, kept), load(s + i), none), top);
        float shift = largest(top);
        for (i = 0; i < kept; i += LANES) {
            vec e = vexp(load(s + i) - shift);
            if (i + LANES > kept)
                e = select(below(i, kept), e, (vec){0});
            acc += e;
            store(s + i, e);
        }
        float total = sum(acc), factor = 1.0f / total;
        for (int j = 0; j < kept; j += LANES)
            store(s + j, load(s + j) * factor);
        for (; i < n; i += LANES)
            store(s + i, (vec){0});
        lse[row] = shift + logf(total);
    }
}

static void exp_causal(int rows, int first, int n, float *s0, size_t ld, const float *lse)
{
    for (int row = 0; row < rows; row++) {
        float *s = s0 + (size_t)row * ld, shift = lse[row];
        int kept = first + row + 1, i = 0;
        for (; i + LANES <= kept; i += LANES)
            store(s + i, vexp(load(s + i) - shift));
        if (i < kept) {
            store(s + i, select(below(i, kept), vexp(load(s + i) - shift), (vec){0}));
            i += LANES;
        }
        for (; i < n; i += LANES)
            store(s + i, (vec){0});
    }
}

static void softmax_backward(int rows, int n, const float *p0, float *dp0, size_t ld,
                             const float *d)
{
    for (int row = 0; row < rows; row++) {
        const float *p = p0 + (size_t)row * ld;
        float *dp = dp0 + (size_t)row * ld, shift = d[row];
        EACH_VECTOR(n, { PUT(dp, GET(p) * (GET(dp) - shift)); });
    }
}

static void dots(int rows, int n, const float *a0, size_t lda, const float *b0, size_t ldb,
                 float *out)
{
    for (int row = 0; row < rows; row++) {
        const float *a = a0 + (size_t)row * lda, *b = b0 + (size_t)row * ldb;
        vec acc = {0};
        EACH_VECTOR(n, { acc += GET(a) * GET(b); });
        out[row] = sum(acc);
    }
}

static void cross_entropy(int rows, int V, const float *logits, const int32_t *target, float *lse,
                          float *nll)
{
    for (int row = 0; row < rows; row++) {
        const float *z = logits + (size_t)row * (size_t)V;
        float top = row_max(z, V);
        double total = 0;
        for (int j = 0; j < V; j += 4096) { /* blocks, so that a large vocabulary loses no digits */
            const float *b = z + j;
            int n = V - j < 4096 ? V - j : 4096;
            vec acc = {0};
            EACH_VECTOR(n, {
                vec e = vexp((WHOLE ? load(b + i) : load_tail(b + i, rest, -INFINITY)) - top);
                if (!WHOLE) {
                    float kept[LANES];
                    store(kept, e);
                    e = load_tail(kept, rest, 0);
                }
                acc += e;
            });
            total += (double)sum(acc);
        }
        lse[row] = top + (float)log(total);
        nll[row] = target[row] < 0 ? 0 : lse[row] - z[target[row]];
    }
}

static void cross_entropy_backward(int rows, int V, float *logits, const int32_t *target,
                                   const float *lse, float scale)
{
    for (int row = 0; row < rows; row++) {
        float *z = logits + (size_t)row * (size_t)V, shift = lse[row];
        if (target[row] < 0) {
            memset(z, 0, (size_t)V * sizeof *z);
            continue;
        }
        EACH_VECTOR(V, { PUT(z, vexp(GET(z) - shift) * scale); });
        z[target[row]] -= scale;
    }
}

static void combine(int len, const float *x, int n, const float *const *y, const float *w,
                    float *out)
{
    EACH_VECTOR(len, {
        vec v = GET(x);
        for (int j = 0; j < n; j++)
            v += w[j] * GET(y[j]);
        PUT(out, v);
    });
}

static void axpy(int n, float a, const float *x, float *y)
{
    EACH_VECTOR(n, { PUT(y, GET(y) + a * GET(x)); });
}

/* One step of AdamW; plain loops: the compiler makes vectors of them, and a remainder is rounded
 * the same. */
static void adamw(size_t n, const struct ms_adamw_rates *q, const float *restrict g,
                  float *restrict w, float *restrict m, float *restrict v)
{
    const struct ms_adamw_rates a = *q;
    for (size_t i = 0; i < n; i++) {
        float d = g[i] * a.clip;
        m[i] = a.beta1 * m[i] + a.rest1 * d;
        v[i] = a.beta2 * v[i] + a.rest2 * d * d;
        w[i] = w[i] * a.keep - a.rate * m[i] / (sqrtf(v[i]) * a.root + a.eps);
    }
}

/* Sixteen running sums, the same order for every instruction set. */
static double squares(size_t n, const float *x)
{
    double sum[16] = {0}, total = 0;
    size_t i = 0;
    for (; i + 16 <= n; i += 16)
        for (size_t j = 0; j < 16; j++)
            sum[j] += (double)x[i + j] * (double)x[i + j];
    for (; i < n; i++)
        sum[0] += (double)x[i] * (double)x[i];
    for (size_t j = 0; j < 16; j++)
        total += sum[j];
    return total;
}

static void exp_all(int n, const float *x, float *y)
{
    EACH_VECTOR(n, { PUT(y, vexp(GET(x))); });
}

#include "moe/gemm_body.h"

const struct ms_kernels TABLE = {
    .name = NAME,
    .panel = NR,
    .pack = pack,
    .gemm = gemm,
    .norm = norm,
    .norm_backward = norm_backward,
    .rope = rope,
    .swiglu = swiglu,
    .swiglu_backward = swiglu_backward,
    .softmax_causal = softmax_causal,
    .exp_causal = exp_causal,
    .softmax_backward = softmax_backward,
    .dots = dots,
    .cross_entropy = cross_entropy,
    .cross_entropy_backward = cross_entropy_backward,
    .combine = combine,
    .axpy = axpy,
    .adamw = adamw,
    .squares = squares,
    .exp = exp_all,
};
