/** @file train_case.h  One case of a training study: a model trained in a folder of its own, and its
 *  record.
 *
 *  The folder is DIR/cNNNN with what every training leaves (moe/train.h) and the file `key`, the
 *  case's key: a folder of another key is trained anew, one of the same goes on. The record's body
 *  has `training` (steps; ce, the mean of the last tenth of the steps; heldout_ce and heldout_ppl of
 *  the last evaluation, means over the domains; the same by domain), `losses` and `imbalance` (means
 *  of the last tenth of the steps, over layers). */
#ifndef MS_SWEEP_TRAIN_CASE_H
#define MS_SWEEP_TRAIN_CASE_H

#include <stdbool.h>

#include "scenario/scenario.h"
#include "sweep/message.h"
#include "sweep/store.h"

/** Train it, or go on, and make its record.
 *  @param dir of the study  @return as ms_train_run */
enum ms_status ms_train_case_run(const struct ms_scenario *s, const struct ms_store_case *c,
                                 const char *dir, int threads, struct ms_message *out,
                                 struct ms_err *err);
/** Is the folder of this case there, of this key, with a checkpoint? */
bool ms_train_case_whole(const struct ms_store_case *c, const char *dir);

#endif
