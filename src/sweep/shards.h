/** @file shards.h  Which shard of a study a folder holds: noted by the run (shard.json), told by
 *  merge where one is missing or there twice. */
#ifndef MS_SWEEP_SHARDS_H
#define MS_SWEEP_SHARDS_H

#include <stddef.h>

#include "base/err.h"
#include "base/file.h"

/** DIR/shard.json says K of N; of 1 it is taken away, a run that was not split. */
enum ms_status ms_shard_note(const char *dir, size_t shard, size_t n_shards, struct ms_err *err);
/** A line for each shard of which no folder has some case, and for each folder that repeats what an
 *  earlier one has. Where no folder says how many shards there were, cases are named instead.
 *  @return MS_OK; MS_IO; MS_NOMEM */
enum ms_status ms_shards_tell(const char *const *dirs, size_t n_dirs, size_t n_cases,
                              struct ms_buf *out, struct ms_err *err);

#endif
