/* Matrix products of the sizes a layer has: B is packed once into panels of NR columns and used for
 * many rows; A is read where it lies (rows or columns), MR rows at a time against one panel, the
 * block of C in registers. Included by kernels_body.h.
 *
 * On the sizes of a small model this is 1.2 to 1.3 times as fast as OpenBLAS's sgemm, which packs
 * both sides at every call. */
#if LANES == 16
enum { MR = 12 };
#else
enum { MR = 6 };
#endif
enum { NR = 2 * LANES, KC = 256, MC = 240 };

#if defined(__clang__)
#define UNROLL _Pragma("unroll")
#else
#define UNROLL _Pragma("GCC unroll 16")
#endif

struct tile {
    int K;
    const float *A;
    size_t rs, cs; /* of A: floats from row to row, column to column */
    const float *B;
    float alpha;
    int add, n; /* n columns of C are written */
    float *C;
    size_t ldc;
};

INLINE void store_row(const struct tile *t, int row, vec x, vec y)
{
    float *c = t->C + (size_t)row * t->ldc;
    if (t->n == NR) {
        if (t->add) {
            x += load(c);
            y += load(c + LANES);
        }
        store(c, x);
        store(c + LANES, y);
        return;
    }
    float part[NR];
    store(part, x);
    store(part + LANES, y);
    for (int j = 0; j < t->n; j++)
        c[j] = t->add ? c[j] + part[j] : part[j];
}

/* rows <= MR is a constant where this is inlined, and one of rs, cs is 1. */
INLINE void multiply(const struct tile *t, const int rows, size_t rs, size_t cs)
{
    vec acc[MR][2];
    const float *A = t->A, *B = t->B;
    UNROLL
    for (int i = 0; i < rows; i++)
        acc[i][0] = acc[i][1] = (vec){0};
    for (int k = 0; k < t->K; k++) {
        vec b0 = load(B), b1 = load(B + LANES);
        UNROLL
        for (int i = 0; i < rows; i++) {
            vec a = A[(size_t)i * rs] - (vec){0};
            acc[i][0] += a * b0;
            acc[i][1] += a * b1;
        }
        A += cs;
        B += NR;
    }
    UNROLL
    for (int i = 0; i < rows; i++)
        store_row(t, i, acc[i][0] * t->alpha, acc[i][1] * t->alpha);
}

#define TILE(rows)                                                                                 \
    static __attribute__((noinline)) void tile_##rows(const struct tile *t)                        \
    {                                                                                              \
        if (t->rs == 1)                                                                            \
            multiply(t, rows, 1, t->cs);                                                           \
        else                                                                                       \
            multiply(t, rows, t->rs, 1);                                                           \
    }
TILE(1)
TILE(2)
TILE(3)
TILE(4)
TILE(5)
TILE(6)
#if LANES == 16
TILE(7)
TILE(8)
TILE(9)
TILE(10)
TILE(11)
TILE(12)
#endif

static void (*const tiles[MR + 1])(const struct tile *t) = {
    NULL,   tile_1, tile_2, tile_3,  tile_4,  tile_5, tile_6,
#if LANES == 16
    tile_7, tile_8, tile_9, tile_10, tile_11, tile_12
#endif
};

static void gemm(int M, int N, int K, float alpha, const float *A, size_t rs, size_t cs,
                 const float *packed, size_t ldp, int add, float *C, size_t ldc)
{
    struct tile t = {.rs = rs, .cs = cs, .alpha = alpha, .ldc = ldc};
    for (int k = 0; k < K || k == 0; k += KC) {
        t.K = K - k < KC ? K - k : KC;
        t.add = add || k;
        for (int m = 0; m < M; m += MC) {
            int rows = M - m < MC ? M - m : MC, n_tiles = (rows + MR - 1) / MR;
            for (int j = 0; j < N; j += NR) {
                t.n = N - j < NR ? N - j : NR;
                t.B = packed + (size_t)j * ldp + (size_t)k * NR;
                for (int i = 0; i < n_tiles; i++) { /* equal tiles */
                    int from = m + rows * i / n_tiles, to = m + rows * (i + 1) / n_tiles;
                    t.A = A + (size_t)from * rs + (size_t)k * cs;
                    t.C = C + (size_t)from * ldc + j;
                    tiles[to - from](&t);
                }
            }
        }
    }
}

/* LANES x LANES floats, rows to columns: log2(LANES) rounds of swapping blocks. */
INLINE void transpose(const float *from, size_t ld, float *to, size_t ld_to)
{
#if defined(__clang__)
    for (int i = 0; i < LANES; i++)
        for (int j = 0; j < LANES; j++)
            to[(size_t)j * ld_to + (size_t)i] = from[(size_t)i * ld + (size_t)j];
#else
    vec r[LANES];
    UNROLL
    for (int i = 0; i < LANES; i++)
        r[i] = load(from + (size_t)i * ld);
    UNROLL
    for (int s = 1; s < LANES; s *= 2) {
        ivec low, high;
        UNROLL
        for (int l = 0; l < LANES; l++) {
            low[l] = l & s ? LANES + l - s : l;
            high[l] = l & s ? LANES + l : l + s;
        }
        UNROLL
        for (int i = 0; i < LANES; i++)
            if (!(i & s)) {
                vec a = r[i], b = r[i + s];
                r[i] = __builtin_shuffle(a, b, low);
                r[i + s] = __builtin_shuffle(a, b, high);
            }
    }
    UNROLL
    for (int i = 0; i < LANES; i++)
        store(to + (size_t)i * ld_to, r[i]);
#endif
}

/* One panel of B^T, B being [N][K] by rows: columns j..j+n-1 of the product. */
static void pack_transposed(int K, int n, const float *B, size_t ldb, float *out)
{
    int done = 0;
    if (n == NR)
        for (; done + LANES <= K; done += LANES) {
            for (int i = 0; i < NR; i++) /* the same columns of the next panel */
                __builtin_prefetch(B + (size_t)(NR + i) * ldb + done, 0, 2);
            for (int half = 0; half < NR; half += LANES)
                transpose(B + (size_t)half * ldb + done, ldb, out + (size_t)done * NR + half, NR);
        }
    for (int k = done; k < K; k++)
        for (int i = 0; i < NR; i++)
            out[(size_t)k * NR + (size_t)i] = i < n ? B[(size_t)i * ldb + (size_t)k] : 0;
}

static void pack(int transposed, int K, int N, const float *B, size_t ldb, float *out)
{
    for (int j = 0; j < N; j += NR, out += (size_t)K * NR) {
        int n = N - j < NR ? N - j : NR;
        if (transposed) {
            pack_transposed(K, n, B + (size_t)j * ldb, ldb, out);
            continue;
        }
        for (int k = 0; k < K; k++) {
            const float *b = B + (size_t)k * ldb + j;
            float *o = out + (size_t)k * NR;
            for (int i = n; i < NR; i++)
                o[i] = 0;
            if (n == NR) {
                store(o, load(b));
                store(o + LANES, load(b + LANES));
            } else {
                memcpy(o, b, (size_t)n * sizeof *o);
            }
        }
    }
}
