/** @file lock.h  One writer a folder: DIR/.lock, held with fcntl (not inherited over fork, gone with
 *  the process). Only a lock that somebody holds is a refusal; a file system that has none is
 *  worked on without, and says so. */
#ifndef MS_BASE_LOCK_H
#define MS_BASE_LOCK_H

#include "base/err.h"

/** Lock a folder and remove what killed writers left in it (ms_part_sweep).
 *  @param fd the caller's to close; -1 on any error
 *  @param warnings gets one where the file system has no locks; NULL: not wanted
 *  @return MS_OK; MS_IO: another process writes there, or nothing can be written; MS_NOMEM */
enum ms_status ms_lock_folder(const char *dir, int *fd, struct ms_errs *warnings,
                              struct ms_err *err);

#endif
