/** @file errors.h  Errors of many cases, each told once, in the order of the file. */
#ifndef MS_SCENARIO_ERRORS_H
#define MS_SCENARIO_ERRORS_H

#include "base/err.h"

enum { MS_ERRORS_ENOUGH = 20 }; /**< more are not looked for */

/** Append errors and warnings that are not yet among into[start..]. */
void ms_errors_merge(struct ms_errs *into, const struct ms_errs *from, size_t start);
/** By file in order of appearance (--set last), then line and column. */
void ms_errors_sort(struct ms_errs *errs, size_t start);
/** MS_OK without errors from start on; MS_INVALID, or the first status that is worse. */
enum ms_status ms_errors_status(const struct ms_errs *errs, size_t start);

#endif
