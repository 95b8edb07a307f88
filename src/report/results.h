/** @file results.h  Result records read back: from folders or results.jsonl files, for tables and
 *  comparisons.
 *
 *  A record answers to keys: its sweep axes, the name of a zip of them, what differs between the
 *  settings of the folders read, "folder", and the things every record says about itself
 *  (platform, network.model, exchange.algorithm, placement.strategy, scenario, seed, repeats,
 *  workload.ranks). */
#ifndef MS_REPORT_RESULTS_H
#define MS_REPORT_RESULTS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/file.h"
#include "base/strings.h"
#include "report/facts.h"
#include "stats/boot.h"
#include "sweep/series.h"

struct ms_result {
    const char *line;   /**< its text, owned by the set; NULL: read for a table alone */
    const char *source; /**< folder or file it came from, as typed */
    size_t n_source;    /**< its number among the paths read */
    const char *id, *key, *work_hash;
    bool ok;
    struct ms_facts facts;
    const struct ms_strings *names; /**< of the facts' paths */
    size_t *label; /**< [n_columns] its value of each column, a number in `texts` */
};

/** Keys that move together under a name of their own. */
struct ms_zip {
    const char *name;
    const char **key; /**< [n_keys] */
    size_t n_keys;
};

enum { MS_RESULTS_JOINS = 4 }; /**< columns that may be added to those of the records */

/** Zero-initialise; finish frees. */
struct ms_results {
    struct ms_arena arena;
    struct ms_buf *text; /**< [n_texts] the files */
    size_t n_texts;
    struct ms_result *r; /**< [n] in the order of arguments and cases; equal records once */
    size_t n;
    const char *by, *metric; /**< report defaults of the first study, NULL = none */
    double margin;           /**< 0.05 where no study says */
    double wall_s;           /**< spent on the cases read, 0 = not known */
    size_t n_wanted;    /**< cases the studies have, each study once; more than n: unfinished */
    const char **study; /**< [n_studies] hashes of the studies read */
    size_t n_studies;
    /** [n_columns] every key a record answers to: axes in the order met, then what records say
     *  about themselves */
    const char **column;
    size_t n_columns;
    struct ms_facts *settings; /**< [n_sources] of the first case of each path read */
    size_t n_sources;
    struct ms_zip *zip; /**< [n_zips] */
    size_t n_zips;
    struct ms_strings *names; /**< paths of facts */
    struct ms_strings texts;  /**< of facts and labels; equal labels have equal numbers */
    const char **key;         /**< [n_keys] the columns that vary */
    size_t n_keys;
    struct ms_errs warnings; /**< records that were dropped, for whoever prints */
};

/** Records whose seal does not hold are left out (base/seal.h).
 *  @param paths folders, or results.jsonl files  @return MS_OK; MS_INVALID: no results there;
 *  MS_IO; MS_NOMEM */
enum ms_status ms_results_read(struct ms_results *out, const char *const *paths, size_t n_paths,
                               struct ms_err *err);
/** The records of a folder that a run has just written, for its closing table: only what that shows,
 *  and no text. */
enum ms_status ms_results_read_brief(struct ms_results *out, const char *dir, struct ms_err *err);
void ms_results_finish(struct ms_results *s);

/** What the records answer to and what of it varies (results_keys.c); called by ms_results_read. */
enum ms_status ms_results_find_keys(struct ms_results *s, struct ms_err *err);
/** Make a column of several: keys joined by "+". @return MS_OK, also for a key that is one already;
 *  MS_USAGE: one of them is no key */
enum ms_status ms_results_join(struct ms_results *s, const char *keys, struct ms_err *err);
/** Keep the records whose key has a value ("KEY=VALUE", or "KEY!=VALUE").
 *  @return MS_OK; MS_USAGE: no such key, or no record has the value */
enum ms_status ms_results_keep(struct ms_results *s, const char *where, struct ms_err *err);
/** The column of a key, n_columns = no record answers to it. */
size_t ms_results_column(const struct ms_results *s, const char *key);
/** A record's value of a key as text, "" = it has none. */
const char *ms_result_label(const struct ms_results *s, const struct ms_result *r, const char *key);
/** What a record was run with under a key of scenarios ("hardware.library"): its axis, or the first
 *  case's setting of its folder. @param number [40] is written where it is one  @return "" = not known */
const char *ms_result_setting(const struct ms_results *s, const struct ms_result *r,
                              const char *key, char *number);
/** A number by path ("exchange.p99_us"), NaN = it is not there. */
double ms_result_number(const struct ms_result *r, const char *path);
/** A text by path, or fallback. */
const char *ms_result_text(const struct ms_result *r, const char *path, const char *fallback);
/** Is it true by path? */
bool ms_result_true(const struct ms_result *r, const char *path);
/** Times without start-ups are no forecast of a real machine's: which cases are that, as a sentence.
 *  @return false: none is */
bool ms_results_hardware_note(const struct ms_results *s, char *out, size_t size);
/** The whole record, for its lists; NULL: no memory. The caller's to decref. */
json_t *ms_result_json(const struct ms_result *r);
/** Independent units behind a record's percentiles: its own number, else its repeats. */
double ms_result_units(const struct ms_result *r);
/** The samples of a series by repeat (sweep/record.h, `samples`), in the arena. @param record from
 *  ms_result_json  @return false: it has none */
bool ms_record_samples(const json_t *record, enum ms_series which, struct ms_arena *arena,
                       struct ms_clustered *out);
/** The same of a record not at hand as JSON. */
bool ms_result_samples(const struct ms_result *r, enum ms_series which, struct ms_arena *arena,
                       struct ms_clustered *out);

#endif
