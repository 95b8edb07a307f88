/* Decides how the variance of a time is shared among layers, batches and the rest: sums of squares
 * of the layout's means, solved for the variances behind them. */
#include "stats/components.h"

#include <math.h>
#include <stdlib.h>

/** Means over all, of layers, of batches, and what is left of every (repeat, layer). */
struct means {
    double all, *layer, *batch, *cell;
};

static void add_means(const struct ms_times *t, struct means *m)
{
    size_t S = t->steps, L = t->layers, U = t->units, B = t->repeats * S;
    double n = (double)(B * L * U);
    for (size_t b = 0; b < B; b++)
        for (size_t l = 0; l < L; l++)
            for (size_t u = 0; u < U; u++) {
                double x = t->x[(b * L + l) * U + u];
                m->all += x / n;
                m->layer[l] += x / (double)(B * U);
                m->batch[b] += x / (double)(L * U);
                m->cell[b / S * L + l] += x / (double)(S * U);
            }
    /* a cell's own part: without the layer's and the mean of its batches' */
    for (size_t r = 0; r < t->repeats; r++) {
        double of_repeat = 0;
        for (size_t s = 0; s < S; s++)
            of_repeat += m->batch[r * S + s] / (double)S;
        for (size_t l = 0; l < L; l++)
            m->cell[r * L + l] -= m->layer[l] + of_repeat - m->all;
    }
}

static double square(double x)
{
    return x * x;
}

/* A mean square beyond the rest's, as the variance of what it is of: n values each. */
static double beyond(double sum, double freedom, double rest, double n)
{
    return freedom > 0 ? fmax(sum / freedom - rest, 0) / n : 0;
}

static struct ms_components solve(const struct ms_times *t, const struct means *m)
{
    size_t B = t->repeats * t->steps;
    double R = (double)t->repeats, L = (double)t->layers, n_batches = (double)B;
    double each = (double)(t->steps * t->units), U = (double)t->units;
    double layers = 0, batches = 0, cells = 0, rest = 0;
    for (size_t l = 0; l < t->layers; l++)
        layers += n_batches * U * square(m->layer[l] - m->all);
    for (size_t b = 0; b < B; b++)
        batches += L * U * square(m->batch[b] - m->all);
    for (size_t i = 0; i < t->repeats * t->layers; i++)
        cells += each * square(m->cell[i]);
    for (size_t i = 0; i < B * t->layers * t->units; i++)
        rest += square(t->x[i] - m->all);
    rest -= layers + batches;
    double f_cells = (R - 1) * (L - 1), f_rest = n_batches * L * U - n_batches - L + 1;
    if (B == 1 || f_rest <= 0)
        return (struct ms_components){B == 1 ? NAN : 0, NAN, NAN};
    double cell = 0;
    if (f_cells > 0 && f_rest - f_cells > 0) {
        f_rest -= f_cells;
        rest = fmax(rest - cells, 0) / f_rest;
        cell = beyond(cells, f_cells, rest, each);
    } else {
        rest = fmax(rest, 0) / f_rest;
    }
    double level = rest + each * cell; /* what layers and batches are measured against */
    double layer = beyond(layers, L - 1, level, n_batches * U);
    double batch = beyond(batches, n_batches - 1, rest, L * U) + cell;
    double sum = layer + batch + rest;
    if (!(sum > 1e-24 * square(m->all)))
        return (struct ms_components){0, 0, 0};
    return (struct ms_components){layer / sum, batch / sum, rest / sum};
}

enum ms_status ms_components_of(const struct ms_times *t, struct ms_components *out,
                                struct ms_err *err)
{
    size_t B = t->repeats * t->steps;
    struct means m = {.layer = calloc(t->layers, sizeof *m.layer),
                      .batch = calloc(B, sizeof *m.batch),
                      .cell = calloc(t->repeats * t->layers, sizeof *m.cell)};
    enum ms_status s = MS_OK;
    if (m.layer && m.batch && m.cell) {
        add_means(t, &m);
        *out = solve(t, &m);
    } else {
        s = ms_err_set(err, MS_NOMEM, "out of memory");
    }
    free(m.layer);
    free(m.batch);
    free(m.cell);
    return s;
}
