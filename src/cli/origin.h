/** @file origin.h  Which scenario a results folder is of, for verbs that simulate it again.
 *
 *  `DIR/.origin.json`: the scenario's path, from the folder where it can be, and the --set arguments.
 *  Beside the records, which hold neither paths nor hosts. */
#ifndef MS_CLI_ORIGIN_H
#define MS_CLI_ORIGIN_H

#include "base/arena.h"
#include "base/err.h"

struct ms_origin {
    const char *scenario;
    const char **sets; /**< [n_sets] */
    size_t n_sets;
};

enum ms_status ms_origin_write(const char *dir, const char *scenario, const char *const *sets,
                               size_t n_sets, struct ms_err *err);
/** @return MS_OK; MS_INVALID: the folder does not say; MS_IO; MS_NOMEM */
enum ms_status ms_origin_read(const char *dir, struct ms_arena *arena, struct ms_origin *out,
                              struct ms_err *err);

#endif
