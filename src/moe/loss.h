/** @file loss.h  Balancing losses on the router: value and gradient, any weighted sum.
 *
 *  A loss is one const struct in its own file loss_<name>.c and one word in meson.build. Formulas
 *  and sources: in those files. Per layer and averaged over layers unless said otherwise. Nearly
 *  all of them depend on two tables only, which the frame makes once: P[l][s][e], the mean over the
 *  tokens of sequence s of the router's probability, and C[l][s][e], how often the sequence chose
 *  the expert (before drops). L layers, T tokens, S sequences of T/S tokens, E experts, K choices a
 *  token. Sums in double, in fixed order. */
#ifndef MS_MOE_LOSS_H
#define MS_MOE_LOSS_H

#include "moe/router.h"

enum ms_normalise { MS_NORMALISE_PER_CHOICE, MS_NORMALISE_HF };

struct ms_loss_problem {
    int L, T, E, K;
    int S; /**< sequences; divides T */
    /** parts of the batch that `switch` balances on their own; divides S; 0 = 1 */
    int micro_batches;
    int groups, group_limit; /**< devices of `device` and `communication`; 0 = 1 group, no limit */
    int normalise;           /**< enum ms_normalise */
    enum ms_score score;     /**< of the router */
    const float *const *logits;     /**< [L] -> [T][E] */
    const struct ms_routes *routes; /**< [L], as ms_router_forward left them */
    struct ms_pool *pool;           /**< may be NULL */
};

/** What a loss sees and where it leaves its gradient. */
struct ms_loss_state {
    const struct ms_loss_problem *problem;
    double *P, *dP;        /**< [L][S][E]; dP += gradient of the *weighted* loss */
    double *C;             /**< [L][S][E] */
    double *mean, *dmean;  /**< [L][E] over all tokens; dmean += likewise */
    double *f;             /**< [L][E]: share of the K*T choices that went to e (sums to 1) */
    double *scratch;       /**< [4*E + 4] */
    float *const *dlogits; /**< [L] -> [T][E], for losses on the logits themselves */
    float *const *dnoise;  /**< [L] -> [T][E] or NULL */
};

struct ms_loss {
    const char *name, *help;
    double usual_weight;
    /** @return the value; adds weight x gradient to the state's sinks. */
    double (*value)(struct ms_loss_state *s, double weight);
};

struct ms_loss_term {
    const struct ms_loss *loss;
    double weight;
};

/** Every loss, NULL-terminated. */
extern const struct ms_loss *const ms_losses[];
const struct ms_loss *ms_loss_find(const char *name);

/** Owned by the arena. @return MS_OK, MS_NOMEM */
enum ms_status ms_loss_state_init(struct ms_loss_state *s, struct ms_arena *a, int L, int S, int E,
                                  struct ms_err *err);
/** All terms at once.
 *  @param values [n], unweighted  @param dlogits [L] -> [T][E], the weighted gradient is added
 *  @param dnoise [L] -> [T][E] or NULL  @return sum of weight x value */
double ms_loss_compute(const struct ms_loss_term *terms, int n, const struct ms_loss_problem *p,
                       struct ms_loss_state *s, double *values, float *const *dlogits,
                       float *const *dnoise);

#endif
