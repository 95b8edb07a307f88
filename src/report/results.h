/** @file results.h  Result records read back: from folders or results.jsonl files, for tables and
 * comparisons.
 *
 *  A record answers to keys: its sweep axes, and the things every record says about itself
 * (platform, network.model, exchange.algorithm, placement.strategy, scenario, seed, repeats,
 * workload.ranks). */
#ifndef MS_REPORT_RESULTS_H
#define MS_REPORT_RESULTS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/err.h"
#include "stats/boot.h"
#include "sweep/series.h"

struct ms_result {
    json_t *json;       /**< the record; owned by the set */
    const char *line;   /**< its text */
    const char *source; /**< folder or file it came from, as typed */
    const char *id, *key, *work_hash;
    bool ok;
};

/** Zero-initialise; finish frees. */
struct ms_results {
    struct ms_arena arena;
    struct ms_result *r; /**< [n] in the order of arguments and cases; equal records once */
    size_t n;
    const char *by, *metric; /**< report defaults of the first study, NULL = none */
    double margin;           /**< 0.05 where no study says */
    size_t n_wanted;    /**< cases the studies have, each study once; more than n: unfinished */
    const char **study; /**< [n_studies] hashes of the studies read */
    size_t n_studies;
    const char **key; /**< [n_keys] keys that vary: axes in their order, then what records say about
                         themselves */
    size_t n_keys;
};

/** @param paths folders, or results.jsonl files  @return MS_OK; MS_INVALID: no results there;
 * MS_IO; MS_NOMEM */
enum ms_status ms_results_read(struct ms_results *out, const char *const *paths, size_t n_paths,
                               struct ms_err *err);
void ms_results_finish(struct ms_results *s);

/** A record's value of a key as text in `arena`, "" = it has none. */
const char *ms_result_label(const struct ms_result *r, const char *key, struct ms_arena *arena);
/** Is it a key any record answers to, varying or not? */
bool ms_results_has_key(const struct ms_results *s, const char *key);
/** A number by path ("exchange.p99_us"), NaN = it is not there. */
double ms_result_number(const struct ms_result *r, const char *path);
/** A text by path, or fallback. */
const char *ms_result_text(const struct ms_result *r, const char *path, const char *fallback);
/** The samples of a series by repeat (record.h, `samples`), in the arena. @return false: the record
 * has none */
bool ms_result_samples(const struct ms_result *r, enum ms_series which, struct ms_arena *arena,
                       struct ms_clustered *out);

#endif
