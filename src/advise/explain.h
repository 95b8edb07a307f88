/** @file explain.h  Why the tail of a case is what it is: what its slowest exchanges went into, and
 *  what they take without each of the causes, simulated on the same draws. */
#ifndef MS_ADVISE_EXPLAIN_H
#define MS_ADVISE_EXPLAIN_H

#include <stdio.h>

#include "advise/trial.h"

/** What takes a cause away. */
enum ms_cure {
    MS_CURE_NONE,
    MS_CURE_EVEN,
    MS_CURE_LINK,
    MS_CURE_STRAGGLERS,
    MS_CURE_JITTER,
    MS_CURE_START_UP,
    MS_CURE_MESSAGES,
    MS_CURE_COMPUTE,
    MS_CURE_SPRAY,
    MS_CURE_BACKGROUND,
    MS_CURE_STAY
};

struct ms_explained_cause {
    const json_t *told; /**< of the record's cause.causes */
    enum ms_cure cure;
    const char *link;  /**< of LINK: its name, without a direction */
    double factor;     /**< of LINK: its kind's rate over its own; 0: a fault of the scenario's */
    size_t trial;      /**< index of the trial without it; SIZE_MAX: none */
    double without_us; /**< the case's percentile then; NAN: not simulated */
};

struct ms_explained {
    const char *id, *axes;
    struct ms_trial base;
    char metric[32]; /**< "exchange" or "layer" */
    double p99_us;
    struct ms_explained_cause *cause; /**< [n] what is gained most by comes first */
    size_t n;
    size_t spare; /**< trial with spare experts, SIZE_MAX: none */
    int spare_experts;
    double spare_us;
};

struct ms_explain_options {
    int n_procs;
    bool cures;           /**< simulate what it takes without each cause */
    const char *timeline; /**< file for the repeat of the slowest exchange; NULL: none */
};

/** @param cases [n] of the plan  @param out [n], owned by the arena and finished with
 *  ms_explain_finish */
enum ms_status ms_explain(const struct ms_plan *plan, const size_t *cases, size_t n,
                          const struct ms_explain_options *o, struct ms_arena *arena,
                          struct ms_explained *out, int *signal_number, struct ms_err *err);
void ms_explain_finish(struct ms_explained *e, size_t n);

/** explain_print.c */
void ms_explain_text(const struct ms_explained *e, size_t n, FILE *out);
void ms_explain_json(const struct ms_explained *e, size_t n, struct ms_buf *out);
/** What a cause is, in a sentence. */
void ms_explain_words(const struct ms_explained *e, const struct ms_explained_cause *c, char *text,
                      size_t size);

#endif
