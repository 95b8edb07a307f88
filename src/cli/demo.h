/** @file demo.h  What the files of `moesim demo` share: its folder, its steps, what was found. */
#ifndef MS_CLI_DEMO_H
#define MS_CLI_DEMO_H

#include <stdio.h>

#include "base/err.h"
#include "base/file.h"

/** The two trainings, by folder and word: without and with a balancing loss. */
enum { MS_DEMO_UNBALANCED, MS_DEMO_BALANCED, MS_DEMO_MODELS };
extern const char *const ms_demo_models[MS_DEMO_MODELS];

/** Lay out the folder and run every verb of the demo, each command named on `talk` as it ends.
 *  @return MS_OK; MS_FAILED: a verb failed (its words are in err); MS_IO; MS_NOMEM */
enum ms_status ms_demo_run(const char *dir, FILE *talk, struct ms_err *err);
/** Read back what the verbs wrote; write comprehensive_summary.json, loss_functions.json,
 *  profiling_report.txt and the picture imbalance_metrics; print a screen of what was found. */
enum ms_status ms_demo_find(const char *dir, FILE *out, struct ms_err *err);
/** Gini coefficient by layer of both models as DIR/imbalance_metrics.{svg,png}.
 *  @param gini [MS_DEMO_MODELS][n_layers]
 *  @return MS_OK; MS_IO: no gnuplot, or it failed */
enum ms_status ms_demo_plot(const char *dir, int n_layers, const double *const *gini,
                            struct ms_err *err);

#endif
