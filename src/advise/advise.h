/** @file advise.h  What to change: plans of a few kinds tried on the same draws, the best of them
 *  simulated again on batches they were not chosen on.
 *
 *  Candidates change one thing (where experts are and how many are spare, which copy is taken, the
 *  exchange, the platform), then the best placement meets the best exchange. Rounds are fixed: all
 *  candidates on few repeats, the better half on twice as many, and so on, all with the same draws;
 *  so the answer does not depend on how many processes there are. */
#ifndef MS_ADVISE_ADVISE_H
#define MS_ADVISE_ADVISE_H

#include <stdio.h>

#include "advise/trial.h"
#include "base/json.h"
#include "stats/boot.h"

enum { MS_PLAN_SETS = 6, MS_PLANS_MOST = 96, MS_PLANS_TOLD = 5 };

/** A plan and what became of it. */
struct ms_advice {
    char set[MS_PLAN_SETS][300]; /**< KEY=VALUE, n_sets of them */
    int n_sets;
    bool other_work; /**< moves other tokens: judged by throughput alone */
    struct ms_study study;
    struct ms_plan plan;
    struct ms_trial trial;
    double score_us;              /**< of the latest round; INFINITY: it cannot be simulated */
    struct ms_ratio metric, step; /**< held-out, against what is there */
    enum ms_verdict verdict, step_verdict;
    double metric_us, tokens_per_s, bound_us;
    double rank_load;    /**< fullest rank over the mean, mean of the exchanges; NAN: not known */
    double slots_bound;  /**< what the plan's slots allow of it (place/bound.h) */
    double memory_bytes; /**< of experts' weights on a rank */
    double moved_bytes;  /**< of weights, once, all ranks; NAN: not known */
    double move_us;      /**< what that takes, simulated as one exchange; NAN: not known */
    double payback_steps, payback_lo, payback_hi; /**< by the step's ratio and its interval */
    double cables;                                /**< NAN: not known */
    bool keeps_slo;
};

struct ms_advise_options {
    const char *scenario;
    const char *const *sets;
    size_t n_sets;
    const char *platforms; /**< "a.xml,b.xml" or NULL */
    const char *metric;    /**< NULL: report.metric */
    double slo_us;         /**< 0: none */
    int n_procs;
    int repeats, layers; /**< of the held-out batches; 0: enough for a verdict, at most 8 layers */
    void (*tell)(const char *what, size_t n);
};

struct ms_advised {
    char metric[64];
    int stat;
    int n_layers, of_layers, n_repeats;
    int history_seed;
    struct ms_advice *base;
    struct ms_advice *best[MS_PLANS_TOLD];
    size_t n_best, n_evaluations, n_candidates, n_impossible;
    struct ms_advice *cheapest; /**< that keeps the SLO; NULL: none does, or none asked for */
    double slo_us, margin;
    struct ms_advice all[MS_PLANS_MOST];
    size_t n;
    struct ms_inputs inputs;
    double rank_max_over_mean;
};

/** @param out zeroed; finish frees on any return @param errs of the scenario itself */
enum ms_status ms_advise(const struct ms_advise_options *o, struct ms_advised *out,
                         struct ms_errs *errs, int *signal_number, struct ms_err *err);
void ms_advise_finish(struct ms_advised *a);

void ms_advise_text(const struct ms_advised *a, FILE *out);
void ms_advise_json(const struct ms_advised *a, struct ms_buf *out);
/** Plans as scenario fragments, and their placements as serving systems read them, into a folder. */
enum ms_status ms_advise_export(const struct ms_advised *a, const char *dir, struct ms_err *err);

/** Is a key of a section ("placement") among what the plan sets? */
bool ms_advise_changes(const struct ms_advice *p, const char *section);
/** Were both simulated with the same hardware profile? If not, start-ups count for one of them alone. */
bool ms_advise_same_hardware(const struct ms_advised *a, const struct ms_advice *p);
/** advise_cost.c: memory, weights moved, what moving takes (simulated) and when it is paid, of the
 *  best plans. */
enum ms_status ms_advise_costs(struct ms_advised *a, uint64_t seed, int n_procs, int *signal_number,
                               struct ms_err *err);
/** advise_heat.c: ranks and links before and after a plan. */
void ms_advise_heat_text(const struct ms_advised *a, const struct ms_advice *p, FILE *out);
void ms_advise_heat_json(const struct ms_advised *a, const struct ms_advice *p, struct ms_json *j);

/** candidates.c: all plans for the scenario of a->all[0]. */
void ms_advise_candidates(struct ms_advised *a, const struct ms_scenario *s,
                          const struct ms_platform *p, const char *platforms);
/** Joins of the best placement and the best exchange. */
void ms_advise_combine(struct ms_advised *a, const struct ms_advice *x, const struct ms_advice *y);
/** advise_placement.c: who holds what under a plan in repeat 0, all its layers. */
/** @param rank_node the node of each rank, owned by the caller (free); NULL: not asked for */
enum ms_status ms_advise_placement(const struct ms_advice *p, int layers, uint64_t seed,
                                   struct ms_placement *out, int **rank_node, struct ms_err *err);

#endif
