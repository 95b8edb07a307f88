/** @file evaluate.h  What `moesim evaluate` found, between its running (verb_evaluate.c) and its
 *  printing. */
#ifndef MS_CLI_EVALUATE_H
#define MS_CLI_EVALUATE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/file.h"

/** One text under one assignment. */
struct ms_evaluation {
    const char *text, *assignment;
    bool causal;
    int64_t tokens;
    double ce, ppl;
    int64_t *counts; /**< [n_layers][n_experts] */
    double *losses;  /**< [ms_loss_count()], or NULL: not asked for */
};

/** All of them, text x assignment. */
struct ms_evaluations {
    struct ms_evaluation *e;
    int n, n_assigns;
    int n_layers, n_experts;
    double *scratch;         /**< [2][n_experts] of the metrics */
    double *balanced_losses; /**< [ms_loss_count()] of perfect balance, or NULL */
    int window,
        windows_at_once; /**< tokens; windows that assignments which are not causal see together */
};

void ms_evaluate_json(const struct ms_evaluations *all, struct ms_buf *out);
void ms_evaluate_csv(const struct ms_evaluations *all, struct ms_buf *out);
void ms_evaluate_table(const struct ms_evaluations *all, struct ms_buf *out);

#endif
