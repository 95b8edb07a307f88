/** @file samples_file.h  samples/cNNNN.csv of a results folder, and beside it what tells damage and whose
 *  they are: samples/cNNNN.json, {"schema":"moesim.samples/1","case":…,"key":…,"csv":"<XXH3-128 of the
 *  file>","hash":…}, sealed (base/seal.h). */
#ifndef MS_SWEEP_SAMPLES_FILE_H
#define MS_SWEEP_SAMPLES_FILE_H

#include <stdbool.h>

#include "base/file.h"

enum ms_samples_state {
    MS_SAMPLES_NONE,
    MS_SAMPLES_WHOLE,
    MS_SAMPLES_BROKEN, /**< not what was written for this key, or nothing beside them says so */
};

/** Read a case's samples.
 *  @param key of the record they belong to  @param out NULL: not wanted  @return MS_OK; MS_IO; MS_NOMEM */
enum ms_status ms_samples_read(const char *dir, const char *id, const char *key,
                               enum ms_samples_state *state, struct ms_buf *out,
                               struct ms_err *err);
/** Write them and their hash; what is the same already stays. */
enum ms_status ms_samples_write(const char *dir, const char *id, const char *key,
                                const struct ms_buf *text, struct ms_err *err);

#endif
