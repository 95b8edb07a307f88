/** @file compare.h  Results compared along one key: ratios, intervals, verdicts, and what they mean
 *  in plain words.
 *
 *  Records that agree in every other key form a group (a key whose value follows from the one
 *  compared, as in a zip axis, does not split: the notes tell it); in each group one is the
 *  baseline and every other gets the ratio of the metric with its 95 % interval (paired cluster
 *  bootstrap over repeats), and a verdict (stats/boot.h: margin, Holm's correction within the
 *  group). Records that do not move the same tokens are refused, unless the key is itself about the
 *  tokens. Sentences are made of computed facts only. */
#ifndef MS_REPORT_COMPARE_H
#define MS_REPORT_COMPARE_H

#include <stdbool.h>
#include <stdio.h>

#include "report/results.h"
#include "report/table.h"

struct ms_compare_options {
    /** NULL: the study's, else platform when it varies, else the first key that does */
    const char *by;
    /** NULL: the study's, else exchange.p99_us (layer with stragglers); then a percentile the
     *  samples do not carry falls back to the highest they do */
    const char *metric;
    const char *baseline; /**< NULL: the first value in record order */
    double margin;        /**< < 0: the study's */
};

struct ms_compare_row {
    const struct ms_result *r;
    const char *label;
    double value;          /**< of the metric; NaN: failed, or not there */
    struct ms_ratio ratio; /**< to the baseline; meaningless in the baseline's own row */
    bool is_baseline;
    enum ms_verdict verdict;
};

struct ms_compare_group {
    /** "routing.trace_filter=github, exchange.algorithm=direct"; "" = only one group */
    const char *title;
    struct ms_compare_row *row; /**< [n] the baseline first, then by value */
    size_t n;
};

/** Zero-initialise; finish frees. Borrows the results. */
struct ms_comparison {
    struct ms_arena arena;
    const struct ms_results *results;   /**< borrowed */
    struct ms_strings titles;           /**< of the groups, numbered as they are */
    const char *by, *baseline, *metric; /**< in force */
    bool is_series;        /**< the metric is a statistic of a series with percentiles */
    enum ms_series series; /**< then of this one */
    int stat;              /**< MS_STAT_… or a percentile */
    bool more_is_better;
    double margin;
    size_t n_missing; /**< cases of the studies without a record */
    const char *caption;
    const char **along; /**< [n_along] keys that differ along `by` and with nothing else */
    size_t n_along;
    struct ms_compare_group *group; /**< [n_groups] in record order */
    size_t n_groups;
    const char **note; /**< [n_notes] sentences */
    size_t n_notes;
};

/** @return MS_OK; MS_USAGE: no such key, metric or baseline; MS_INVALID: records that cannot be
 *  compared; MS_NOMEM */
enum ms_status ms_compare_make(struct ms_comparison *out, const struct ms_results *results,
                               const struct ms_compare_options *options, struct ms_err *err);
void ms_compare_finish(struct ms_comparison *c);

/** @return MS_OK or MS_NOMEM */
enum ms_status ms_compare_table(const struct ms_comparison *c, FILE *out,
                                const struct ms_term *term);
void ms_compare_csv(const struct ms_comparison *c, struct ms_buf *out);
void ms_compare_json(const struct ms_comparison *c, struct ms_buf *out);

/** The verdict as a word for this metric: tie, faster, slower; lower, higher where less is not
 *  better by itself. */
const char *ms_compare_word(const struct ms_comparison *c, enum ms_verdict v);
/** Sentences about the whole (compare_notes.c); called by ms_compare_make. */
enum ms_status ms_compare_add_notes(struct ms_comparison *c);

#endif
