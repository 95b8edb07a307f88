/* Levenberg-Marquardt within bounds, from many starts; and how far the minimum is a minimum in each
 * direction. */
#include "hardware/least_squares.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { N = MS_MOST_PARAMETERS, MOST_STEPS = 120 };

struct work {
    const struct ms_least_squares *p;
    double *r, *r_new, *column; /* [n_residuals] */
    double *J;                  /* [n_residuals][n_parameters], in units of scale */
};

static bool work_init(struct work *w, const struct ms_least_squares *p)
{
    size_t m = (size_t)p->n_residuals, n = (size_t)p->n_parameters;
    *w = (struct work){.p = p};
    w->r = malloc((m * (3 + n) + 1) * sizeof *w->r);
    if (!w->r)
        return false;
    w->r_new = w->r + m;
    w->column = w->r_new + m;
    w->J = w->column + m;
    return true;
}

static double sum_of(const struct ms_least_squares *p, const double *r)
{
    double sum = 0;
    for (int i = 0; i < p->n_residuals; i++)
        sum += r[i] * r[i];
    return sum;
}

static double unit(const struct ms_least_squares *p, const double *x, int k)
{
    return fmax(fabs(x[k]), 0.1 * p->scale[k]);
}

/* Forward differences; backward at an upper bound. Columns are in units of each parameter's size. */
static void jacobian(struct work *w, const double *x)
{
    const struct ms_least_squares *p = w->p;
    double at[N];
    memcpy(at, x, (size_t)p->n_parameters * sizeof *at);
    for (int k = 0; k < p->n_parameters; k++) {
        double u = unit(p, x, k), h = 1e-6 * u;
        h = x[k] + h > p->high[k] ? -h : h;
        at[k] = x[k] + h;
        p->residuals(p->ctx, at, w->column);
        at[k] = x[k];
        for (int i = 0; i < p->n_residuals; i++)
            w->J[(size_t)i * (size_t)p->n_parameters + (size_t)k] =
                (w->column[i] - w->r[i]) / h * u;
    }
}

static void normal_equations(const struct work *w, double A[N][N], double g[N])
{
    int n = w->p->n_parameters;
    memset(A, 0, sizeof(double[N][N]));
    memset(g, 0, sizeof(double[N]));
    for (int i = 0; i < w->p->n_residuals; i++) {
        const double *row = w->J + (size_t)i * (size_t)n;
        for (int a = 0; a < n; a++) {
            g[a] += row[a] * w->r[i];
            for (int b = 0; b <= a; b++)
                A[a][b] += row[a] * row[b];
        }
    }
    for (int a = 0; a < n; a++)
        for (int b = a + 1; b < n; b++)
            A[a][b] = A[b][a];
}

/* Gauss with pivots over the parameters that may move; the others get 0. */
static void solve(int n, double A[N][N], const double g[N], double lambda, const bool *held,
                  double d[N])
{
    double M[N][N + 1];
    for (int a = 0; a < n; a++) {
        for (int b = 0; b < n; b++)
            M[a][b] = held[a] || held[b] ? a == b : A[a][b];
        if (!held[a])
            M[a][a] += lambda * A[a][a] + 1e-14;
        M[a][n] = held[a] ? 0 : -g[a];
    }
    for (int c = 0; c < n; c++) {
        int pivot = c;
        for (int a = c + 1; a < n; a++)
            pivot = fabs(M[a][c]) > fabs(M[pivot][c]) ? a : pivot;
        for (int b = c; b <= n; b++) {
            double t = M[c][b];
            M[c][b] = M[pivot][b], M[pivot][b] = t;
        }
        for (int a = 0; a < n; a++) {
            double f = a != c && M[c][c] != 0 ? M[a][c] / M[c][c] : 0;
            for (int b = c; b <= n && f != 0; b++)
                M[a][b] -= f * M[c][b];
        }
    }
    for (int a = 0; a < n; a++)
        d[a] = M[a][a] != 0 ? M[a][n] / M[a][a] : 0;
}

/* At a bound, and downhill leads out of it. */
static void hold(const struct ms_least_squares *p, const double *x, const double g[N], bool *held)
{
    for (int k = 0; k < p->n_parameters; k++)
        held[k] = (x[k] <= p->low[k] && g[k] > 0) || (x[k] >= p->high[k] && g[k] < 0);
}

static double descend(struct work *w, double *x)
{
    const struct ms_least_squares *p = w->p;
    int n = p->n_parameters;
    double A[N][N], g[N], d[N], next[N], lambda = 1e-3;
    bool held[N];
    p->residuals(p->ctx, x, w->r);
    double sum = sum_of(p, w->r);
    for (int step = 0; step < MOST_STEPS; step++) {
        double before = sum;
        jacobian(w, x);
        normal_equations(w, A, g);
        hold(p, x, g, held);
        for (; lambda < 1e12; lambda *= 4) {
            solve(n, A, g, lambda, held, d);
            for (int k = 0; k < n; k++)
                next[k] = fmin(p->high[k], fmax(p->low[k], x[k] + d[k] * unit(p, x, k)));
            p->residuals(p->ctx, next, w->r_new);
            double new_sum = sum_of(p, w->r_new);
            if (new_sum < sum) {
                sum = new_sum;
                memcpy(x, next, (size_t)n * sizeof *x);
                memcpy(w->r, w->r_new, (size_t)p->n_residuals * sizeof *w->r);
                lambda = fmax(1e-12, lambda / 8);
                break;
            }
        }
        if (lambda >= 1e12 || before - sum <= 1e-10 * before)
            break;
    }
    return sum;
}

static double halton(int i, int k)
{
    static const int primes[N] = {2,  3,  5,  7,  11, 13, 17, 19, 23, 29, 31, 37,
                                  41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89};
    double f = 1, v = 0;
    for (; i > 0; i /= primes[k]) {
        f /= primes[k];
        v += f * (i % primes[k]);
    }
    return v;
}

enum ms_status ms_least_squares_solve(const struct ms_least_squares *p, int n_starts, double *x,
                                      double *sum_of_squares)
{
    const double factor = 6; /* starts lie within so many times of the given one */
    double best[N], at[N], first[N];
    struct work w;
    *sum_of_squares = INFINITY;
    if (!work_init(&w, p))
        return MS_NOMEM;
    memcpy(first, x, (size_t)p->n_parameters * sizeof *x);
    memcpy(best, x, (size_t)p->n_parameters * sizeof *x);
    for (int s = 0; s < n_starts; s++) {
        for (int k = 0; k < p->n_parameters; k++) {
            double given = fmax(first[k], 0.1 * p->scale[k]);
            double from = s == 0 ? first[k] : s % 2 ? given : p->scale[k];
            double by = s == 0 ? 1 : pow(factor, 2 * halton(s, k) - 1);
            at[k] = fmin(p->high[k], fmax(p->low[k], from * by));
        }
        double sum = descend(&w, at);
        if (sum < *sum_of_squares) {
            *sum_of_squares = sum;
            memcpy(best, at, (size_t)p->n_parameters * sizeof *x);
        }
    }
    memcpy(x, best, (size_t)p->n_parameters * sizeof *x);
    free(w.r);
    return MS_OK;
}

/* Jacobi's rotations: A becomes diagonal, V its eigenvectors in columns. */
static void eigen(int n, double A[N][N], double V[N][N])
{
    for (int a = 0; a < n; a++)
        for (int b = 0; b < n; b++)
            V[a][b] = a == b;
    for (int sweep = 0; sweep < 60; sweep++)
        for (int p = 0; p < n; p++)
            for (int q = p + 1; q < n; q++) {
                if (fabs(A[p][q]) < 1e-300)
                    continue;
                double t = 0.5 * atan2(2 * A[p][q], A[q][q] - A[p][p]), c = cos(t), s = sin(t);
                for (int k = 0; k < n; k++) {
                    double x = A[p][k], y = A[q][k];
                    A[p][k] = c * x - s * y, A[q][k] = s * x + c * y;
                }
                for (int k = 0; k < n; k++) {
                    double x = A[k][p], y = A[k][q];
                    A[k][p] = c * x - s * y, A[k][q] = s * x + c * y;
                    x = V[k][p], y = V[k][q];
                    V[k][p] = c * x - s * y, V[k][q] = s * x + c * y;
                }
            }
}

enum ms_status ms_least_squares_errors(const struct ms_least_squares *p, const double *x,
                                       double noise, double *error)
{
    int n = p->n_parameters, m = p->n_residuals;
    double A[N][N], V[N][N], g[N];
    struct work w;
    if (!work_init(&w, p))
        return MS_NOMEM;
    p->residuals(p->ctx, x, w.r);
    double variance = fmax(noise * noise, sum_of(p, w.r) / fmax(1, m - n));
    jacobian(&w, x);
    normal_equations(&w, A, g);
    eigen(n, A, V);
    for (int k = 0; k < n; k++) {
        double sum = 0;
        for (int e = 0; e < n; e++)
            sum += V[k][e] * V[k][e] / fmax(A[e][e], 1e-16 * m);
        double in_units = sqrt(variance * sum) * unit(p, x, k) / fmax(fabs(x[k]), p->scale[k]);
        error[k] = in_units > 1e3 ? INFINITY : in_units;
    }
    free(w.r);
    return MS_OK;
}
