/** @file store_parts.h  What the files of the results folder share: store.c (records into its files),
 *  store_folder.c (whose it is), store_reuse.c (records that are there already), store_line.c (what a
 *  line says). Inside this room only. */
#ifndef MS_SWEEP_STORE_PARTS_H
#define MS_SWEEP_STORE_PARTS_H

#include <stdint.h>

#include "base/arena.h"
#include "sweep/store.h"

/** Where a line stands in its file. */
struct ms_store_place {
    uint64_t at;
    uint32_t n;    /**< without its newline; 0: there is none */
    uint32_t head; /**< what of it the parent wrote: the rest is the child's */
    bool right;    /**< the head is what it would write now */
};

/** What there is of a case. */
struct ms_store_entry {
    struct ms_store_place record, timing;
    bool ok;
};

/** One of the two files of lines. */
struct ms_store_file {
    const char *name;
    int fd;       /**< read anywhere, written at the end; -1: not open */
    uint64_t end; /**< bytes in it */
};

struct ms_store {
    struct ms_arena arena;
    const struct ms_store_study *study;
    const char *dir;
    struct ms_store_entry *entry; /**< [study->n] */
    int lock_fd;
    struct ms_store_file results, timing;
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

/** A line at its place. @param out emptied first  @return MS_OK; MS_IO; MS_NOMEM */
enum ms_status ms_store_line_read(const struct ms_store *s, const struct ms_store_file *f,
                                  const struct ms_store_place *at, struct ms_buf *out,
                                  struct ms_err *err);

/** What a line of a case starts with: a good record's, up to MS_RECORD_BODY; its timing's, up to the
 *  members. */
void ms_store_head_good(const struct ms_store_case *c, bool degraded, struct ms_buf *out);
void ms_store_head_timing(const struct ms_store_case *c, struct ms_buf *out);
/** A record's line without its newline, with its seal.
 *  @param body [n] from MS_RECORD_BODY on, without the closing brace; a string */
void ms_store_line_ok(const struct ms_store_case *c, const char *body, size_t n,
                      struct ms_buf *out);
void ms_store_line_failed(const struct ms_store_case *c, const char *error, struct ms_buf *out);
/** A line of timing.jsonl. @param members [n] of a JSON object, without braces; n 0: none */
void ms_store_line_timing(const struct ms_store_case *c, const char *members, size_t n,
                          struct ms_buf *out);

#endif
