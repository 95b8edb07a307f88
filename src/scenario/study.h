/** @file study.h  A case with whatever errors it has. Inside this room only. */
#ifndef MS_SCENARIO_STUDY_H
#define MS_SCENARIO_STUDY_H

#include "scenario/scenario.h"

/** As ms_study_case, but all errors are told and *out is filled beside them, values with errors at
 * their defaults (except after MS_NOMEM). */
enum ms_status ms_study_read_case(const struct ms_study *study, size_t index, struct ms_case *out,
                                  struct ms_errs *errs);

#endif
