/* Decides how sure a ratio is: repeats are drawn anew, with the same draw on both sides, and a draw
 * is a weight for each repeat, so that a percentile is one walk over values sorted once. */
#include "stats/boot.h"

#include <math.h>
#include <stdlib.h>

#include "base/rng.h"
#include "stats/percentile.h"

/* A sample sorted once; a draw is then a weight for each repeat, and a percentile one walk from the
 * nearer end. */
struct point {
    double value;
    int repeat;
};

struct side {
    struct point *point; /* [n], ascending */
    size_t n;
    size_t *size; /* [n_repeats] points in each repeat */
    int n_repeats;
};

static int by_value(const void *a, const void *b)
{
    const struct point *x = a, *y = b;
    if (x->value != y->value)
        return x->value < y->value ? -1 : 1;
    return (x->repeat > y->repeat) - (x->repeat < y->repeat);
}

static void side_finish(struct side *s)
{
    free(s->point);
    free(s->size);
    *s = (struct side){0};
}

static enum ms_status side_init(struct side *s, const struct ms_clustered *in)
{
    *s = (struct side){.n = in->n, .n_repeats = in->n_repeats};
    s->point = malloc((in->n + 1) * sizeof *s->point);
    s->size = calloc((size_t)in->n_repeats + 1, sizeof *s->size);
    if (!s->point || !s->size) {
        side_finish(s);
        return MS_NOMEM;
    }
    for (size_t i = 0; i < in->n; i++) {
        s->point[i] = (struct point){in->value[i], in->repeat[i]};
        s->size[in->repeat[i]]++;
    }
    qsort(s->point, s->n, sizeof *s->point, by_value);
    return MS_OK;
}

static double weighted_mean(const struct side *s, const unsigned *weight, size_t total)
{
    double sum = 0;
    for (size_t i = 0; i < s->n; i++)
        sum += s->point[i].value * weight[s->point[i].repeat];
    return sum / (double)total;
}

/* The statistic when repeat r counts weight[r] times. */
static double weighted_stat(const struct side *s, const unsigned *weight, int stat)
{
    size_t total = 0;
    for (int r = 0; r < s->n_repeats; r++)
        total += weight[r] * s->size[r];
    if (total == 0)
        return NAN;
    if (stat == MS_STAT_MEAN)
        return weighted_mean(s, weight, total);
    size_t rank = ms_percentile_rank(stat, total), from_top = total - rank + 1, seen = 0;
    if (from_top <= rank) {
        for (size_t i = s->n; i-- > 0;)
            if ((seen += weight[s->point[i].repeat]) >= from_top)
                return s->point[i].value;
    } else {
        for (size_t i = 0; i < s->n; i++)
            if ((seen += weight[s->point[i].repeat]) >= rank)
                return s->point[i].value;
    }
    return NAN;
}

static double divide(double a, double b)
{
    return b > 0 ? a / b : NAN;
}

static int by_double(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The chance that a draw is not beyond the limit on `side` (1: above it, -1: below). Where no draw
 * is, the draws' logarithms go on as a normal distribution: a share of 0 of 2000 would either pass
 * every correction or none. */
static double chance_inside(const double *draws, size_t n, double limit, int side)
{
    size_t inside = 0;
    double sum = 0, squares = 0;
    for (size_t i = 0; i < n; i++) {
        double x = log(draws[i]);
        inside += side > 0 ? draws[i] <= limit : draws[i] >= limit;
        sum += x;
        squares += x * x;
    }
    if (inside > 0 || !(limit > 0))
        return (double)inside / (double)n;
    double mean = sum / (double)n, variance = squares / (double)n - mean * mean;
    double far = side * (mean - log(limit));
    double tail = variance > 0 ? erfc(far / sqrt(2 * variance)) / 2 : 0;
    return fmin(tail, 1 / (double)n);
}

/* draws: sorted, the ratios that exist, more than 0. */
static void interval(const double *draws, size_t n, double margin, struct ms_ratio *out)
{
    size_t lo = (n * 25 + 999) / 1000, hi = (n * 975 + 999) / 1000;
    out->lo = draws[lo ? lo - 1 : 0];
    out->hi = draws[hi ? hi - 1 : 0];
    double above = chance_inside(draws, n, 1 + margin, 1),
           below = chance_inside(draws, n, 1 - margin, -1);
    out->p_inside = fmin(1, 2 * fmin(above, below));
    out->has_interval = true;
}

static void draw_all(const struct side *a, const struct side *b, int stat, uint64_t seed,
                     double margin, unsigned *weight, double *draws, struct ms_ratio *out)
{
    struct ms_rng rng;
    ms_rng_init(&rng, seed, "boot", 0, 0, 0);
    int R = a->n_repeats;
    size_t n = 0;
    for (int d = 0; d < MS_BOOT_DRAWS; d++) {
        for (int r = 0; r < R; r++)
            weight[r] = 0;
        for (int r = 0; r < R; r++)
            weight[ms_rng_below(&rng, (uint32_t)R)]++;
        double q = divide(weighted_stat(a, weight, stat), weighted_stat(b, weight, stat));
        if (isfinite(q) && q > 0)
            draws[n++] = q;
    }
    qsort(draws, n, sizeof *draws, by_double);
    if (n > 0)
        interval(draws, n, margin, out);
}

static enum ms_status boot_sides(const struct side *a, const struct side *b, int stat,
                                 uint64_t seed, double margin, struct ms_ratio *out)
{
    int R = a->n_repeats;
    unsigned *weight = calloc((size_t)R + 1, sizeof *weight);
    double *draws = malloc(MS_BOOT_DRAWS * sizeof *draws);
    enum ms_status s = weight && draws ? MS_OK : MS_NOMEM;
    if (s == MS_OK) {
        for (int r = 0; r < R; r++)
            weight[r] = 1;
        out->ratio = divide(weighted_stat(a, weight, stat), weighted_stat(b, weight, stat));
        if (R >= 2 && isfinite(out->ratio))
            draw_all(a, b, stat, seed, margin, weight, draws, out);
    }
    free(weight);
    free(draws);
    return s;
}

enum ms_status ms_stat(const struct ms_clustered *in, int stat, double *out)
{
    struct side s;
    if (side_init(&s, in) != MS_OK)
        return MS_NOMEM;
    unsigned *weight = malloc(((size_t)s.n_repeats + 1) * sizeof *weight);
    for (int r = 0; weight && r < s.n_repeats; r++)
        weight[r] = 1;
    if (weight)
        *out = weighted_stat(&s, weight, stat);
    enum ms_status status = weight ? MS_OK : MS_NOMEM;
    free(weight);
    side_finish(&s);
    return status;
}

enum ms_status ms_boot_ratio(const struct ms_clustered *a, const struct ms_clustered *b, int stat,
                             uint64_t seed, double margin, struct ms_ratio *out, struct ms_err *err)
{
    *out = (struct ms_ratio){
        .ratio = NAN, .lo = NAN, .hi = NAN, .p_inside = 1, .n_repeats = a->n_repeats};
    if (a->n_repeats != b->n_repeats)
        return ms_err_set(err, MS_INVALID, "%d repeats against %d: the two cannot be paired",
                          a->n_repeats, b->n_repeats);
    struct side x = {0}, y = {0};
    enum ms_status s = side_init(&x, a);
    if (s == MS_OK)
        s = side_init(&y, b);
    if (s == MS_OK)
        s = boot_sides(&x, &y, stat, seed, margin, out);
    side_finish(&x);
    side_finish(&y);
    return s == MS_OK ? s : ms_err_set(err, s, "out of memory for the bootstrap");
}

struct ranked {
    double p;
    size_t index;
};

static int by_p(const void *a, const void *b)
{
    const struct ranked *x = a, *y = b;
    if (x->p != y->p)
        return x->p < y->p ? -1 : 1;
    return (x->index > y->index) - (x->index < y->index);
}

enum ms_status ms_holm(const double *p_value, size_t m, double alpha, bool *reject)
{
    struct ranked *order = malloc((m + 1) * sizeof *order);
    if (!order)
        return MS_NOMEM;
    for (size_t i = 0; i < m; i++) {
        order[i] = (struct ranked){p_value[i], i};
        reject[i] = false;
    }
    qsort(order, m, sizeof *order, by_p);
    for (size_t i = 0; i < m && order[i].p <= alpha / (double)(m - i); i++)
        reject[order[i].index] = true;
    free(order);
    return MS_OK;
}

enum ms_verdict ms_verdict(const struct ms_ratio *r, double margin, bool beyond)
{
    if (!isfinite(r->ratio))
        return MS_VERDICT_NONE;
    if (!r->has_interval || r->n_repeats < MS_VERDICT_REPEATS)
        return MS_VERDICT_UNCLEAR;
    if (r->lo >= 1 - margin && r->hi <= 1 + margin)
        return MS_VERDICT_TIE;
    if (beyond && r->hi < 1 - margin)
        return MS_VERDICT_FASTER;
    if (beyond && r->lo > 1 + margin)
        return MS_VERDICT_SLOWER;
    return MS_VERDICT_UNCLEAR;
}

const char *ms_verdict_name(enum ms_verdict v)
{
    static const char *const names[] = {"", "tie", "faster", "slower", "unclear"};
    return names[v];
}
