/** @file lines.h  Reading the results folder's line files, and replacing them.
 *
 *  A line counts only when its newline is there and it is one JSON object: a process that was
 *  killed while writing leaves a torn last line, which is dropped without a word. */
#ifndef MS_SWEEP_LINES_H
#define MS_SWEEP_LINES_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/file.h"

/** One record's line, taken apart. Strings live in the arena. */
struct ms_line {
    const char *text;     /**< the whole line */
    const char *id, *key; /**< of the members "case" and "key"; "" = none */
    const char *status;   /**< "ok", "failed", or "" */
    const char *body;     /**< from MS_RECORD_BODY up to the closing brace, NULL = none */
};

/** Every whole line of DIR/name; a file that is not there has none.
 *  @return MS_OK; MS_IO; MS_NOMEM */
enum ms_status ms_lines_read(const char *dir, const char *name, struct ms_arena *arena,
                             struct ms_line **out, size_t *n, struct ms_err *err);
/** The same without taking apart: each(ctx, text, object) for every whole line, text cut at its
 *  newline in place. The lines live in `text`, which is the caller's to finish; an object only
 *  while the call lasts. each returns false to stop with MS_NOMEM. */
enum ms_status ms_lines_each(const char *path, struct ms_buf *text,
                             bool (*each)(void *ctx, const char *line, json_t *object), void *ctx,
                             struct ms_err *err);
/** DIR/name as a path in the arena, or NULL. */
char *ms_path_join(struct ms_arena *arena, const char *dir, const char *name);
/** The string member `member` of DIR/scenario.json in the arena; NULL: no such file or member. */
const char *ms_scenario_json_member(const char *dir, const char *member, struct ms_arena *arena);

#endif
