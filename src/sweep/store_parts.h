/** @file store_parts.h  What the files of the results folder share: store.c (records into its files),
 *  store_folder.c (whose it is), store_reuse.c (records that are there already), store_line.c (what a
 *  line says). Inside this room only. */
#ifndef MS_SWEEP_STORE_PARTS_H
#define MS_SWEEP_STORE_PARTS_H

#include "base/arena.h"
#include "sweep/store.h"

/** What there is of a case. */
struct ms_store_entry {
    char *record; /**< owned; NULL = none */
    char *timing; /**< owned */
    bool ok;
};

struct ms_store {
    struct ms_arena arena;
    const struct ms_store_study *study;
    const char *dir;
    struct ms_store_entry *entry; /**< [study->n] */
    int lock_fd, results_fd, timing_fd;
    bool changed; /**< records were written or dropped since it was opened */
    /** when the first record went out that is perhaps not on the disk; 0 = none, < 0 = at once */
    double unsynced_s;
};

/** @return MS_NOMEM */
enum ms_status ms_store_no_memory(struct ms_err *err);

/** Make the folder where it is not there, lock it, and clear away what a killed run left half
 *  written.
 *  @param force take it whoever's it is  @return as ms_store_open */
enum ms_status ms_store_take_folder(struct ms_store *s, bool force, struct ms_err *err);

/** Fill the entries of cases that the folder has good records of; warn of what was dropped.
 *  @return MS_OK; MS_IO; MS_NOMEM */
enum ms_status ms_store_reuse(struct ms_store *s, struct ms_err *err);

/** A record's line without its newline, with its seal; the caller's to free. NULL: no memory.
 *  @param body from MS_RECORD_BODY on, without the closing brace */
char *ms_store_line_ok(const struct ms_store_case *c, const char *body);
char *ms_store_line_failed(const struct ms_store_case *c, const char *error);
/** A line of timing.jsonl. @param members "" or members of a JSON object, without braces */
char *ms_store_line_timing(const struct ms_store_case *c, const char *members);

#endif
