/* Intervals hold what they promise where requests last: of a thousand small studies, each a few repeats of steps that follow each
 * other, the 95 % interval of a percentile that the study says it carries covers the truth in at least 93 %; and so does the paired
 * interval of a ratio. Twice as long a study says the same within its interval. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "demand/requests.h"
#include "stats/boot.h"
#include "stats/percentile.h"

enum { RANKS = 4, SLOTS = 16, DOMAINS = 4, EXPERTS = 8, STUDIES = 1000, MOST = 400 };

/** What a study has, and how its requests live. */
struct shape {
    int repeats, steps;
    double length, concentration, persistence;
};

/** Times of the steps of many repeats, on two systems: the fullest expert of each step, and with a second one added that
 *  depends on other experts. */
struct times {
    double *a, *b; /* [repeat][step] */
};

/* Domain d likes experts 2 d, 2 d + 1, each in its own measure. */
static double load(const int *of, int expert)
{
    static const double own[EXPERTS] = {0.30, 0.22, 0.36, 0.18, 0.26, 0.26, 0.41, 0.10};
    double sum = 0;
    for (int d = 0; d < DOMAINS; d++) {
        double rest = (1 - own[2 * d] - own[2 * d + 1]) / (EXPERTS - 2);
        sum += of[d] * (expert / 2 == d ? own[expert] : rest);
    }
    return sum;
}

static void step_times(const struct ms_run *run, struct ms_rng *rng, double *a, double *b)
{
    int of[DOMAINS] = {0};
    double most = 0, pair = 0;
    for (int i = 0; i < RANKS * SLOTS; i++)
        of[run[i].request / MS_VARIANTS]++;
    for (int e = 0; e < EXPERTS; e++)
        most = fmax(most, load(of, e));
    for (int e = 0; e < EXPERTS; e += 2)
        pair = fmax(pair, load(of, e) + load(of, e + 1));
    *a = most * exp(0.03 * ms_rng_normal(rng));
    *b = pair * exp(0.03 * ms_rng_normal(rng));
}

/* Repeats first .. first + n - 1; out [n][steps]. */
static void draw(const struct shape *s, int first, int n, struct times out)
{
    struct ms_request_params params = {.phase = MS_REQUESTS_DECODE,
                                       .length = {s->length, 1},
                                       .mix = {s->concentration, s->persistence}};
    double weight[DOMAINS] = {0.4, 0.3, 0.2, 0.1};
    int64_t *tokens = malloc((size_t)(s->steps * RANKS) * sizeof *tokens);
    struct ms_requests_problem p = {.params = &params,
                                    .n_steps = s->steps,
                                    .n_groups = 1,
                                    .n_ranks = RANKS,
                                    .n_domains = DOMAINS,
                                    .weight = weight,
                                    .tokens = tokens,
                                    .seed = 17};
    struct ms_arena arena = {0};
    for (int i = 0; i < s->steps * RANKS; i++)
        tokens[i] = SLOTS;
    for (int r = 0; r < n; r++) {
        struct ms_requests drawn;
        struct ms_err err = {0};
        struct ms_rng rng;
        p.repeat = first + r;
        ms_rng_init(&rng, 5, "noise", (uint64_t)p.repeat, 0, 0);
        ck_assert_msg(ms_requests_draw(&p, &arena, &drawn, &err) == MS_OK, "%s", err.text);
        for (int k = 0; k < s->steps; k++)
            step_times(drawn.run + (size_t)(k * RANKS * SLOTS), &rng, out.a + r * s->steps + k,
                       out.b + r * s->steps + k);
        ms_arena_reset(&arena);
    }
    ms_arena_finish(&arena);
    free(tokens);
}

static int rising(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double units_of(const double *v, const struct shape *s)
{
    double mean[MOST] = {0};
    for (int i = 0; i < s->repeats * s->steps; i++)
        mean[i] = log(v[i]);
    return ms_independent_units(mean, s->repeats, s->steps);
}

enum { P50, P95, P99, N_PERCENTS };
static const int percent[N_PERCENTS] = {50, 95, 99};

/** Of the studies that carry a percentile, those whose interval covers the truth. */
struct tally {
    int carried[N_PERCENTS], covered[N_PERCENTS];
    int ratios[N_PERCENTS], ratios_covered[N_PERCENTS];
};

static void judge(const struct shape *s, struct times v, const double truth[2][N_PERCENTS],
                  struct tally *t)
{
    int n = s->repeats * s->steps, repeat[MOST];
    double sorted[MOST], lo, hi, units = units_of(v.a, s);
    memcpy(sorted, v.a, (size_t)n * sizeof *sorted);
    qsort(sorted, (size_t)n, sizeof *sorted, rising);
    for (int i = 0; i < n; i++)
        repeat[i] = i / s->steps;
    struct ms_clustered a = {v.a, repeat, (size_t)n, s->repeats},
                        b = {v.b, repeat, (size_t)n, s->repeats};
    for (int k = 0; k < N_PERCENTS; k++) {
        struct ms_ratio ratio;
        struct ms_err err = {0};
        if (units < (double)ms_percentile_needs(percent[k]))
            continue;
        t->carried[k]++;
        ck_assert(ms_percentile_interval(sorted, (size_t)n, units, percent[k], &lo, &hi));
        t->covered[k] += lo <= truth[0][k] && truth[0][k] <= hi;
        if (s->repeats < MS_VERDICT_REPEATS || t->carried[k] > STUDIES / 20)
            continue;
        ck_assert_int_eq(ms_boot_ratio(&b, &a, percent[k], 1, 0, &ratio, &err), MS_OK);
        double want = truth[1][k] / truth[0][k];
        t->ratios[k]++;
        t->ratios_covered[k] += ratio.lo <= want && want <= ratio.hi;
    }
}

static void find_truth(const struct shape *s, double truth[2][N_PERCENTS])
{
    struct shape one =
        *s; /* a step of a repeat is like any other: ages and shares are stationary */
    enum { N = 60000 };
    struct times v = {malloc(N * sizeof(double)), malloc(N * sizeof(double))};
    one.steps = 1;
    draw(&one, 1 << 20, N, v);
    for (int side = 0; side < 2; side++) {
        double *x = side ? v.b : v.a;
        qsort(x, N, sizeof *x, rising);
        for (int k = 0; k < N_PERCENTS; k++)
            truth[side][k] = ms_percentile(x, N, percent[k]);
    }
    free(v.a);
    free(v.b);
}

/* Repeats x steps: short and long lives, shares that stay and that move. */
static const struct shape shapes[] = {
    {8, 5, 20, INFINITY, 1},
    {20, 10, 60, 2, 20},
    {80, 2, 20, 4, 10},
    {400, 1, 20, INFINITY, 1},
};

START_TEST(test_intervals_cover_the_truth)
{
    const struct shape *s = &shapes[_i];
    double truth[2][N_PERCENTS];
    struct tally t = {{0}, {0}, {0}, {0}};
    size_t n = (size_t)(s->repeats * s->steps);
    struct times v = {malloc(n * sizeof(double)), malloc(n * sizeof(double))};
    find_truth(s, truth);
    for (int i = 0; i < STUDIES; i++) {
        draw(s, i * s->repeats, s->repeats, v);
        judge(s, v, truth, &t);
    }
    ck_assert_int_ge(t.carried[P50], STUDIES / 10); /* else nothing would be looked at */
    ck_assert(s->repeats < 368 || t.carried[P99] >= STUDIES / 10);
    for (int k = 0; k < N_PERCENTS; k++) {
        if (t.carried[k] < STUDIES / 10)
            continue;
        ck_assert_msg(t.covered[k] >= 0.93 * t.carried[k], "p%d: %d of %d", percent[k],
                      t.covered[k], t.carried[k]);
        ck_assert_msg(t.ratios_covered[k] >= 0.86 * t.ratios[k], "ratio of p%d: %d of %d",
                      percent[k], t.ratios_covered[k],
                      t.ratios[k]); /* of 50: three standard errors below 95 % are 86 */
    }
    free(v.a);
    free(v.b);
}
END_TEST

/* Two studies of twice the length, nothing in common: their intervals meet, of every percentile that both carry. */
START_TEST(test_longer_studies_agree)
{
    const struct shape s = {160, 2, 20, 4, 10};
    enum { PAIRS = 100, N = 320 };
    struct times v[2] = {{malloc(N * sizeof(double)), malloc(N * sizeof(double))},
                         {malloc(N * sizeof(double)), malloc(N * sizeof(double))}};
    int apart[N_PERCENTS] = {0};
    for (int i = 0; i < PAIRS; i++) {
        double lo[2][N_PERCENTS], hi[2][N_PERCENTS];
        for (int k = 0; k < 2; k++) {
            draw(&s, (2 * i + k) * s.repeats, s.repeats, v[k]);
            double units = units_of(v[k].a, &s);
            qsort(v[k].a, N, sizeof(double), rising);
            for (int p = P50; p <= P95; p++)
                ck_assert(
                    ms_percentile_interval(v[k].a, N, units, percent[p], &lo[k][p], &hi[k][p]));
        }
        for (int p = P50; p <= P95; p++)
            apart[p] += lo[0][p] > hi[1][p] || lo[1][p] > hi[0][p];
    }
    for (int p = P50; p <= P95; p++)
        ck_assert_int_le(apart[p], 3);
    for (int k = 0; k < 2; k++) {
        free(v[k].a);
        free(v[k].b);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("coverage");
    TCase *t = tcase_create("coverage");
    tcase_set_timeout(t, 0);
    tcase_add_loop_test(t, test_intervals_cover_the_truth, 0, sizeof shapes / sizeof *shapes);
    tcase_add_test(t, test_longer_studies_agree);
    suite_add_tcase(suite, t);
    SRunner *r = srunner_create(suite);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed > 0;
}
