/** @file manifest.h  manifest.json of a checkpoint folder that moesim wrote: the hash of each of its
 *  files, and the length and hash of the run's logs as they were at that step.
 *
 *  {"schema":"moesim.checkpoint/1","step":N,"files":{"config.json":"…",…},"history":{"bytes":N,
 *  "hash":"…"},"loads":{"bytes":N,"hash":"…"},"hash":"…"}; hashes are XXH3-128, the last one is the
 *  file's own (base/seal.h). A folder of another maker has none, and is taken as it is. */
#ifndef MS_MOE_MANIFEST_H
#define MS_MOE_MANIFEST_H

#include <stdint.h>

#include "base/err.h"
#include "base/hash.h"

/** The beginning of a log that belongs to a checkpoint. */
struct ms_manifest_log {
    long long bytes;
    struct ms_hash hash;
};

struct ms_manifest {
    int64_t step;
    struct ms_manifest_log history, loads;
};

/** Hash the files named that are in the folder, and write its manifest.
 *  @return MS_OK; MS_IO; MS_NOMEM */
enum ms_status ms_manifest_write(const char *folder, const char *const *files, size_t n_files,
                                 const struct ms_manifest *m, struct ms_err *err);
/** Compare a folder with its manifest.
 *  @param there false: it has none of ours  @param out NULL: not wanted
 *  @return MS_OK; MS_INVALID: a file is not what was written, by name; MS_IO; MS_NOMEM */
enum ms_status ms_manifest_check(const char *folder, bool *there, struct ms_manifest *out,
                                 struct ms_err *err);

#endif
