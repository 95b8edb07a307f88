/** @file perplexity.h  Cross-entropy of a model over windows of tokens, and what its routers chose
 *  there.
 *
 *  Window w of a text has inputs t[w*N .. w*N+N-1] and targets one later; an incomplete last window
 *  is dropped. Windows go through the model in batches of as many rows as it was made for; routers
 *  and assignments that look at the whole batch (causal = false) see one such batch. Sums in
 *  double, in the order of the text. */
#ifndef MS_MOE_PERPLEXITY_H
#define MS_MOE_PERPLEXITY_H

#include "moe/model.h"
#include "moe/router.h"

/** Windows of one text. Borrowed. */
struct ms_windows {
    const int32_t *id; /**< window w has the N+1 ids from id[w * stride] on */
    size_t stride;     /**< N for a text, N+1 for an array of rows */
    size_t n_windows;
    int N; /**< window length */
};

/** Windows of n ids that follow each other. */
struct ms_windows ms_windows_of(const int32_t *id, size_t n, int N);

/** What came of it. counts is the caller's: [moe_layers][E], added to; may be NULL. */
struct ms_perplexity {
    int64_t tokens; /**< targets counted */
    double ce, ppl; /**< mean nats, and its exponential; 0 and 1 without tokens */
    int64_t *counts;
    /** [tokens][moe_layers][K], filled; may be NULL; only for routers with K experts a token */
    uint16_t *choices;
    /** Called after each batch while the model still has its routings; may be NULL. What it returns
     *  ends the run where it is not MS_OK. */
    enum ms_status (*batch)(void *ctx, struct ms_model *m, const struct ms_model_input *in,
                            struct ms_err *err);
    void *ctx;
};

/** Run every window (at most max_windows; 0 = all) through m's present router, not training.
 *  @param B rows a call, at most the model's; max_windows for a part of the text
 *  @return MS_OK; MS_INVALID: a token outside the vocabulary; MS_NOMEM */
enum ms_status ms_perplexity_run(struct ms_model *m, const struct ms_windows *w, int B,
                                 size_t max_windows, uint64_t seed, struct ms_perplexity *out,
                                 struct ms_err *err);

#endif
