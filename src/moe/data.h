/** @file data.h  What a model learns from and is judged on: text files as bytes, or token arrays.
 *
 *  A text file is one domain; its bytes are tokens, or what the tokenizer of the checkpoint to
 *  fine-tune makes of them; its last share is held out and never trained on. Row b of step s takes domain (s*B + b)
 *  mod n and a place drawn from the stream (seed, "batch", step, row), so a batch depends on its
 *  number alone. Token arrays are used in order. */
#ifndef MS_MOE_DATA_H
#define MS_MOE_DATA_H

#include "base/arena.h"
#include "base/npy.h"
#include "moe/text.h"
#include "moe/train.h"

struct ms_domain {
    const char *name;          /**< the file's stem; its name, then its path where stems collide */
    struct ms_token_text text; /**< ids; none for token arrays */
    size_t n_train;            /**< ids before the held-out part */
};

/** Zero-initialise; finish frees. */
struct ms_data {
    struct ms_arena arena;
    struct ms_domain *domains; /**< [n_domains] */
    int n_domains;
    struct ms_npy tokens; /**< of `data.tokens`: [steps][batch][seq+1] */
    int batch, seq;
    int64_t steps; /**< of the token array; otherwise without end */
    uint64_t seed;
};

/** Read everything. @return MS_OK; MS_INVALID: missing file, too short a text, a shape that is not
 *  [steps, batch, seq+1]; MS_IO; MS_NOMEM */
enum ms_status ms_data_open(struct ms_data *d, const struct ms_train_params *p,
                            const struct ms_text_codec *codec, struct ms_err *err);
void ms_data_finish(struct ms_data *d);
/** @param tokens, targets [batch][seq]  @param domain [batch] receives each row's domain */
void ms_data_batch(const struct ms_data *d, int64_t step, int32_t *tokens, int32_t *targets,
                   int *domain);

#endif
