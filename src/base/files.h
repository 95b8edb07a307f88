/** @file files.h  The input files of one command, each read once however often it is asked for.
 *
 *  Whole files are kept by the path they were asked for, with their content hash, until the store is
 *  finished; so many cases over one trace read it once, and children forked meanwhile read it from
 *  memory. Which files these are is for those who ask; nothing is read ahead. */
#ifndef MS_BASE_FILES_H
#define MS_BASE_FILES_H

#include "base/arena.h"
#include "base/file.h"
#include "base/hash.h"

struct ms_files_entry;

/** Zero-initialise; finish frees. */
struct ms_files {
    struct ms_arena arena;
    struct ms_files_entry *first;
    size_t n_opened; /**< files opened for reading so far */
};

/** Append a file's bytes ("-" = stdin), from memory where it was read before.
 *  @param f NULL: read it now and keep nothing  @return as ms_file_read */
enum ms_status ms_files_read(struct ms_files *f, const char *path, struct ms_buf *out,
                             struct ms_err *err);
/** The content hash of a file, or of a folder: the names and contents of its files. A folder's files
 *  are hashed once and not kept (checkpoints are large). */
enum ms_status ms_files_hash(struct ms_files *f, const char *path, struct ms_hash *out,
                             struct ms_err *err);
/** Somebody else has read this file and knows its hash. @return MS_OK or MS_NOMEM */
enum ms_status ms_files_know(struct ms_files *f, const char *path, struct ms_hash hash,
                             struct ms_err *err);
void ms_files_finish(struct ms_files *f);

#endif
