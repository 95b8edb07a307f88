/** @file compare_choose.h  What a comparison is about, from the options and the records; for
 *  compare.c. */
#ifndef MS_REPORT_COMPARE_CHOOSE_H
#define MS_REPORT_COMPARE_CHOOSE_H

#include "report/compare.h"

/** NULL: every case failed. */
const struct ms_result *ms_compare_first_ok(const struct ms_results *s);
/** Fill c->by. @param by as told, NULL = choose.
 *  @param alone one case may stand alone  @return MS_OK; MS_USAGE: no such key; MS_INVALID:
 *  nothing varies */
enum ms_status ms_compare_choose_key(struct ms_comparison *c, const struct ms_results *s,
                                     const char *by, bool alone, struct ms_err *err);
/** Fill c->metric, is_series, is_rate, series, stat. @return MS_OK; MS_USAGE; MS_INVALID;
 *  MS_NOMEM */
enum ms_status ms_compare_choose_metric(struct ms_comparison *c, const struct ms_results *s,
                                        const char *told, struct ms_err *err);
/** Fill c->baseline. @return MS_OK; MS_USAGE: no such value of c->by */
enum ms_status ms_compare_choose_baseline(struct ms_comparison *c, const struct ms_results *s,
                                          const char *told, struct ms_err *err);

#endif
