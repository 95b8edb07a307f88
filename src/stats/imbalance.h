/** @file imbalance.h  How unevenly a set of loads is spread: every measure the field uses, with its
 *  definition.
 *
 *  Loads are counts or weights of n experts or ranks, each >= 0; only their proportions matter. p =
 *  load / sum of loads. The same names mean different things elsewhere, so tables print the
 *  definition beside the name. Balance gives 0 for gini, cv, variance, entropy, max_violation and
 *  imbalance_ratio, 1 for max_over_mean, balancedness and min_over_max, 1/n for top_share. Loads
 *  that are all 0 count as balanced. */
#ifndef MS_STATS_IMBALANCE_H
#define MS_STATS_IMBALANCE_H

#include <stddef.h>

struct ms_imbalance {
    double gini, cv, variance, entropy;
    double max_over_mean, max_violation, balancedness, imbalance_ratio, min_over_max, top_share;
};

/** One measure: its name, its definition and its place in the struct. */
struct ms_imbalance_metric {
    const char *name, *definition;
    size_t offset;
};

/** All of them in the struct's order; ends with name NULL. */
extern const struct ms_imbalance_metric ms_imbalance_metrics[];
/** The value a row of the table names. */
double ms_imbalance_get(const struct ms_imbalance *m, const struct ms_imbalance_metric *which);

/** @param load [n], n >= 1  @param scratch [n] */
struct ms_imbalance ms_imbalance_of(const double *load, size_t n, double *scratch);

#endif
