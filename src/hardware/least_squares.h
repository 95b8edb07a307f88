/** @file least_squares.h  Bounded non-linear least squares, the same answer every time.
 *
 *  Levenberg-Marquardt with forward differences, steps cut off at the bounds, from a fixed list of
 *  starts (Halton points in the logarithm around the given one and around the usual
 *  sizes); the best end wins. Meant for a
 *  handful of parameters and residuals that are smooth but for kinks (maxima of parts). */
#ifndef MS_HARDWARE_LEAST_SQUARES_H
#define MS_HARDWARE_LEAST_SQUARES_H

#include "base/err.h"

enum { MS_MOST_PARAMETERS = 24 };

struct ms_least_squares {
    int n_parameters, n_residuals;
    const double *low, *high; /**< [n_parameters] */
    const double *scale;      /**< [n_parameters] > 0: a usual size of each */
    void *ctx;
    void (*residuals)(void *ctx, const double *x, double *r); /**< r [n_residuals] */
};

/** @param x [n_parameters] in: where to begin; out: the minimum  @param n_starts >= 1
 *  @param sum_of_squares out  @return MS_OK or MS_NOMEM */
enum ms_status ms_least_squares_solve(const struct ms_least_squares *p, int n_starts, double *x,
                                      double *sum_of_squares);

/** How well the residuals fix each parameter at x: its standard error in units of the larger of |x|
 *  and scale, from the inverse of the Hessian, residuals taken to be off by at least `noise` each.
 *  INFINITY: not at all. @param error [n_parameters], out  @return MS_OK or MS_NOMEM */
enum ms_status ms_least_squares_errors(const struct ms_least_squares *p, const double *x,
                                       double noise, double *error);

#endif
