/** @file fidelity.h  Measured rows as scenarios: each is simulated and compared with its number.
 *
 *  Rows of one configuration (several legs and statistics) share a simulation, configurations that
 *  differ in sizes alone share a process. What a row cannot be simulated for is said in a sentence.
 *  This room knows rows, scenarios and errors; what it all looks like is report's. Microseconds;
 *  error = simulated / measured - 1. */
#ifndef MS_FIDELITY_FIDELITY_H
#define MS_FIDELITY_FIDELITY_H

#include "base/arena.h"
#include "base/err.h"
#include "hardware/measured.h"

/** One row and what came of it. */
struct ms_fidelity_row {
    const struct ms_measured_row *row;
    double simulated_us; /**< NAN where skipped */
    double error;        /**< likewise */
    const char *skipped; /**< why it was not simulated; NULL: it was */
    bool failed;         /**< it should have been: the simulator's or the input's fault */
    bool judged;         /**< shipped, and fit = yes: bounds apply */
};

/** Errors of rows that have something in common. NULL: rows of all of them. */
struct ms_fidelity_sum {
    const char *family, *hardware, *library, *leg;
    int n;
    double mean, worst, bias;       /**< of fit = yes rows where there are any, else of all */
    int n_all;                      /**< rows simulated, whatever their fit */
    double mean_all;                /**< likewise */
    double bound_mean, bound_worst; /**< NAN: none */
    double even_mean; /**< of skewed rows: the mean of the family's others; NAN: no such sum */
    bool beyond;      /**< it leaves its bound */
};

struct ms_fidelity {
    struct ms_arena arena;
    struct ms_fidelity_row *row; /**< [n] in the order of the rows */
    size_t n, n_simulated, n_skipped, n_failed;
    struct ms_fidelity_sum *family; /**< [n_families] in order of first appearance */
    size_t n_families;
    struct ms_fidelity_sum *part; /**< [n_parts] by family, hardware, library and leg */
    size_t n_parts;
    struct ms_fidelity_sum *bound; /**< [n_bounds] the lines of bounds.csv that had rows */
    size_t n_bounds;
};

struct ms_fidelity_options {
    const char *const *family; /**< [n_families] only these; 0: all */
    size_t n_families;
    const char *hardware; /**< only rows of this; NULL: all */
    bool fit_only;        /**< only rows with fit = yes */
    int n_procs;
    const char *bounds; /**< bounds.csv; NULL: nothing is judged */
    const char *beside; /**< a profile's name is looked for beside this file first; NULL */
    const char
        *profile; /**< a profile's name or file for every row instead of its hardware; NULL */
    void *ctx;
    void (*progress)(void *ctx, size_t n_done, size_t n); /**< NULL */
};

/** Simulate all rows and sum up. @param m borrowed as long as out
 *  @param out zeroed on entry; owned by the caller on any return (ms_fidelity_finish)
 *  @param signal_number on MS_INTERRUPTED
 *  @return MS_OK also with rows skipped or failed; MS_INVALID: bounds.csv; MS_INTERRUPTED; MS_NOMEM */
enum ms_status ms_fidelity_run(const struct ms_measured *m, const struct ms_fidelity_options *o,
                               struct ms_fidelity *out, int *signal_number, struct ms_errs *errs);
void ms_fidelity_finish(struct ms_fidelity *f);

#endif
