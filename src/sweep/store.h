/** @file store.h  The results folder: what is on disk while a sweep runs, after it ended, and after
 *  it was killed.
 *
 *  - results.jsonl: one record a line, appended as cases finish, sorted at the end.
 *  - timing.jsonl: wall times and memory of the same cases; the only file that differs between two
 *    equal runs.
 *  - summary.csv: one row a case, written at the end.
 *  - scenario.json: name, axes and report defaults of the study, and its hash.
 *  - samples/cNNNN.csv and its hash, with --samples (samples_file.h); trace/cNNNN.json, with --timeline.
 *  - .lock: held with fcntl while somebody writes here (base/lock.h).
 *
 *  A record is a head (case, key, axes, status, scenario_hash), which the parent knows, and a body,
 *  which the child made, and a seal (base/seal.h): a hash of the line. Opening a folder keeps every
 *  record whose key equals that of a case of this study, with a new head: so the file has the same
 *  bytes whatever was run before, in which order, by how many processes. Torn lines, records whose
 *  seal does not hold, failed records, and records of no case are dropped.
 *  Files are replaced whole (temporary file, rename); records are fsynced once a second and at the
 *  end: a power cut costs at most the last second's. Of a body nothing is looked
 *  at but whether it is degraded (record.h). In memory are only the places of the lines: 56 bytes a
 *  case. */
#ifndef MS_SWEEP_STORE_H
#define MS_SWEEP_STORE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/file.h"
#include "base/hash.h"

#define MS_RECORD_SCHEMA "moesim.result/1"
/** Is a record of this status an answer? "degraded": of fewer ranks (record.h). */
bool ms_store_good(const char *status);
/** What every body starts with. */
#define MS_RECORD_BODY "\"platform_hash\":"

/** What the store has to know of a case; borrowed while the store is open. */
struct ms_store_case {
    const char *id;        /**< "c0003" */
    const char *axes_json; /**< {"platform":"rail-8x8"} */
    struct ms_hash scenario_hash, key;
};

struct ms_store_study {
    const struct ms_store_case *c; /**< [n] in the order of the study */
    size_t n;
    struct ms_hash study_hash; /**< of all cases: another one in the folder is refused */
    const char *scenario_json; /**< the text of scenario.json; holds "study_hash":"<hex>" */
    bool needs_samples;        /**< a record without its samples file is simulated again */
    struct ms_errs *warnings;  /**< gets what was dropped; NULL: not wanted */
};

struct ms_store;

/** Open, lock and read a folder, made when it is not there.
 *  @param force take over a folder of another study: its equal cases are kept, the rest goes
 *  @return MS_OK; MS_USAGE: the folder is of another study, or holds results that are not ours;
 *  MS_IO: locked by another process, or cannot be read or written; MS_NOMEM */
enum ms_status ms_store_open(struct ms_store **out, const char *dir,
                             const struct ms_store_study *study, bool force, struct ms_err *err);
/** Is there a record of status ok or degraded? */
bool ms_store_has(const struct ms_store *s, size_t index);
/** The record's line without its newline, read back; nothing where there is none yet.
 *  @param out emptied first  @return MS_OK; MS_IO; MS_NOMEM */
enum ms_status ms_store_record(const struct ms_store *s, size_t index, struct ms_buf *out,
                               struct ms_err *err);
/** A case is done: body from MS_RECORD_BODY to the end, without the closing brace; timing a JSON
 *  object; samples may be empty. */
enum ms_status ms_store_add(struct ms_store *s, size_t index, const struct ms_buf *body,
                            const struct ms_buf *timing, const struct ms_buf *samples,
                            struct ms_err *err);
enum ms_status ms_store_fail(struct ms_store *s, size_t index, const char *error,
                             struct ms_err *err);
/** Records of more than a second ago onto the disk; called now and then. */
enum ms_status ms_store_sync(struct ms_store *s, struct ms_err *err);
/** Sort, write the summary, unlock, free. Also after an interruption. NULL is fine. */
enum ms_status ms_store_close(struct ms_store *s, struct ms_err *err);
/** Unlock and free, leaving the folder as it is. */
void ms_store_abandon(struct ms_store *s);

/** Join the folders of shards into one, byte-identical to the run that was never split.
 *  @param warnings as in ms_store_study
 *  @param n_missing cases nobody has  @param n_failed records of status failed
 *  @return MS_OK; MS_INVALID: no results there, different studies, or two answers to one case;
 *  MS_IO; MS_NOMEM */
enum ms_status ms_store_merge(const char *const *dirs, size_t n_dirs, const char *out, bool force,
                              size_t *n_cases, size_t *n_missing, size_t *n_failed,
                              struct ms_errs *warnings, struct ms_err *err);

#endif
