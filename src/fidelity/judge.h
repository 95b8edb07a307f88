/** @file judge.h  Errors summed by family and part, against the bounds shipped beside the data.
 *  Inside this room only. */
#ifndef MS_FIDELITY_JUDGE_H
#define MS_FIDELITY_JUDGE_H

#include "fidelity/fidelity.h"

/** Fill in families, parts and bounds of rows that were simulated.
 *  @param bounds a CSV of family, leg, library, mean, worst (empty leg or library: all of them;
 *  empty mean or worst: none); NULL: none  @return MS_OK; MS_INVALID with the line; MS_IO; MS_NOMEM */
enum ms_status ms_fidelity_judge(struct ms_fidelity *f, const char *bounds, struct ms_err *err);

#endif
