/** @file compare.h  Results compared along one key: ratios, intervals, verdicts, and what they mean
 *  in plain words.
 *
 *  Records that agree in every other key form a group (a key whose value follows from the one
 *  compared, as in a zip axis, does not split: the notes tell it); in each group one is the
 *  baseline and every other gets the ratio of the metric with its 95 % interval (paired cluster
 *  bootstrap over repeats), and a verdict (stats/boot.h: margin, Holm's correction within the
 *  group; none where the hardware in force differs, or the records keep no samples of the metric).
 *  Records that do not move the same tokens are refused, unless the key is itself about the tokens.
 *  Sentences are made of computed facts only. */
#ifndef MS_REPORT_COMPARE_H
#define MS_REPORT_COMPARE_H

#include <stdbool.h>
#include <stdio.h>

#include "report/results.h"
#include "report/table.h"

struct ms_compare_options {
    /** NULL: the study's, else platform when it varies, else the first key that does */
    const char *by;
    /** NULL: the study's, which is asked for like this one; else exchange.p99_us (layer with
     *  stragglers), and a percentile the samples do not carry falls back to the highest they do */
    const char *metric;
    const char *baseline; /**< NULL: the first value in record order */
    const char *x;        /**< a key or a number of the records to plot against; NULL = none */
    double margin;        /**< < 0: the study's */
    bool alone;           /**< a case with nothing to compare it with is no error */
};

struct ms_compare_row {
    const struct ms_result *r;
    const char *label;
    double value;              /**< of the metric; NaN: failed, or not there */
    double value_lo, value_hi; /**< its own 95 % interval by order statistics; NaN = not carried */
    double units;              /**< independent units behind the percentiles */
    struct ms_ratio ratio;     /**< to the baseline; meaningless in the baseline's own row */
    bool is_baseline;
    enum ms_verdict verdict;
    /** variance over repeats of the difference to the baseline, in units of what two unpaired runs
     *  would have; NaN = not known */
    double paired;
    struct ms_ratio step; /**< the mean time of a step, to the baseline's */
    enum ms_verdict step_verdict;
};

struct ms_compare_group {
    /** "routing.trace_filter=github, exchange.algorithm=direct"; "" = only one group */
    const char *title;
    const char *brief;          /**< "github, direct": the same in front of a sentence */
    struct ms_compare_row *row; /**< [n] the baseline first, then by value */
    size_t n;
    bool has_slowdown;   /**< some row has one at the compared percentile */
    bool mixed_hardware; /**< rows have different hardware in force: no verdict across it */
};

/** Zero-initialise; finish frees. Borrows the results. */
struct ms_comparison {
    struct ms_arena arena;
    const struct ms_results *results;   /**< borrowed */
    struct ms_strings titles;           /**< of the groups, numbered as they are */
    const char *by, *baseline, *metric; /**< in force */
    const char *x;                      /**< NULL = none */
    bool is_series;        /**< the metric is a statistic of a series with percentiles */
    bool is_rate;          /**< it is the tokens a second of a step: the inverse of a mean time */
    enum ms_series series; /**< then of this one */
    int stat;              /**< MS_STAT_… or a percentile */
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
/** The same for a document, every column: Markdown, or LaTeX (booktabs). */
enum ms_status ms_compare_document(const struct ms_comparison *c, bool latex, FILE *out);
void ms_compare_csv(const struct ms_comparison *c, struct ms_buf *out);
void ms_compare_json(const struct ms_comparison *c, struct ms_buf *out);

/** The keys and values that tell a record's group from others.
 *  @param without [results->n_keys] the keys that are left out; NULL: none */
void ms_compare_title(const struct ms_comparison *c, const struct ms_result *r, const bool *without,
                      struct ms_buf *out);
/** A record's abscissa: the number that c->x names, NaN = it is none. */
double ms_compare_x(const struct ms_comparison *c, const struct ms_result *r);
/** The slowdown against the balanced twin at the compared percentile, NaN = there is none. */
double ms_compare_slowdown(const struct ms_comparison *c, const struct ms_result *r);
/** Do a record's independent units carry a percentile? */
bool ms_compare_carries(const struct ms_result *r, int percent);
/** Do all rows of a group carry a p99? Then how far it lies above the median is shown. */
bool ms_compare_shows_tail(const struct ms_comparison *c, const struct ms_compare_group *g);
/** The row of a group with the largest value, or the smallest. @return NULL: no row has one */
const struct ms_compare_row *ms_compare_end(const struct ms_compare_group *g, bool largest);
/** Ratios, intervals and verdicts of a group whose first row is the baseline (compare_judge.c);
 *  called by ms_compare_make. */
enum ms_status ms_compare_judge(struct ms_comparison *c, struct ms_compare_group *g,
                                struct ms_err *err);
/** The verdict as a word for this metric: tie, faster, slower, unclear; "" = none. */
const char *ms_compare_word(const struct ms_comparison *c, enum ms_verdict v);
/** Sentences about the whole (compare_notes.c); called by ms_compare_make. */
enum ms_status ms_compare_add_notes(struct ms_comparison *c);

#endif
