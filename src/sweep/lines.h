/** @file lines.h  Reading the results folder's line files.
 *
 *  A line counts only when its newline is there and it is one JSON object: a process that was
 *  killed while writing leaves a torn last line, which is dropped without a word. CR and blanks
 *  behind a line are not part of it. A record counts only when its seal holds (base/seal.h): what was
 *  changed on the way, by a disk, a copy or a hand, is dropped and counted. */
#ifndef MS_SWEEP_LINES_H
#define MS_SWEEP_LINES_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/file.h"
#include "base/json_scan.h"

/** One record's line, taken apart. Strings live in the arena. */
struct ms_line {
    const char *text;     /**< the whole line */
    const char *id, *key; /**< of the members "case" and "key"; "" = none */
    const char *status;   /**< "ok", "failed", or "" */
    const char *body;     /**< from MS_RECORD_BODY up to its seal, NULL = none */
};

/** How the lines of a file of records read. */
struct ms_lines_seen {
    size_t n_whole;    /**< sealed, and the seal holds */
    size_t n_broken;   /**< the seal does not hold, or the line is no JSON object */
    size_t n_unsealed; /**< no seal at all */
};

/** A line where it was met in its file. */
struct ms_line_met {
    const char *text; /**< [n] without its end; NUL behind it */
    size_t n;
    uint64_t at;                  /**< of its first byte */
    struct ms_json_slice id, key; /**< as in struct ms_line */
    char status[16];
    size_t head; /**< bytes before its body; 0: it has none */
};
/** The lines of a file one after the other, of which one is in memory at a time: each(ctx, line) for
 *  every one that counts. A file that is not there has none.
 *  @param seen as in ms_lines_read; NULL: timing.jsonl, whose body is what stands behind the key
 *  @param size bytes of the file  @return MS_OK; MS_IO; MS_NOMEM (each returned false) */
enum ms_status ms_lines_walk(const char *path, bool (*each)(void *ctx, const struct ms_line_met *l),
                             void *ctx, struct ms_lines_seen *seen, uint64_t *size,
                             struct ms_err *err);
/** Every line of DIR/name that counts; a file that is not there has none.
 *  @param seen NULL: not records (timing.jsonl), seals are not asked for; else only sealed lines
 *  count  @return MS_OK; MS_IO; MS_NOMEM */
enum ms_status ms_lines_read(const char *dir, const char *name, struct ms_arena *arena,
                             struct ms_line **out, size_t *n, struct ms_lines_seen *seen,
                             struct ms_err *err);
/** The same without taking apart: each(ctx, line, n) for every line that counts, cut at its end in
 *  place. The lines live in `text`, which is the caller's to finish. each returns false to stop with
 *  MS_NOMEM.
 *  @param seen as above, but a file in which no line is sealed is one of another maker: its lines
 *  count, unchecked */
enum ms_status ms_lines_each(const char *path, struct ms_buf *text,
                             bool (*each)(void *ctx, const char *line, size_t n), void *ctx,
                             struct ms_lines_seen *seen, struct ms_err *err);
/** The steps of a training in order, history.jsonl of `folder`: each(ctx, line, object) for step 0, 1, …;
 *  an object only while the call lasts. Strict: every line is whole, its seal holds, and no step is missing.
 *  @return MS_OK; MS_INVALID: there is none, or it is not what was written; MS_IO; MS_NOMEM */
enum ms_status ms_history_each(const char *folder,
                               bool (*each)(void *ctx, const char *line, json_t *object), void *ctx,
                               struct ms_err *err);
/** What a user must know of lines that did not count. @param then "" or what follows from it
 *  @return false: nothing; text is then untouched */
bool ms_lines_told(const struct ms_lines_seen *seen, const char *then, char *text, size_t size);
/** DIR/name as a path in the arena, or NULL. */
char *ms_path_join(struct ms_arena *arena, const char *dir, const char *name);
/** DIR/scenario.json. @param out NULL: there is none; else the caller's to decref
 *  @return MS_OK; MS_INVALID: it is damaged; MS_IO; MS_NOMEM */
enum ms_status ms_study_file_read(const char *dir, json_t **out, struct ms_err *err);
/** The string member `member` of DIR/scenario.json in the arena; NULL: no such file or member, or it
 *  is damaged. */
const char *ms_scenario_json_member(const char *dir, const char *member, struct ms_arena *arena);

#endif
