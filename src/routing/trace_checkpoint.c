/* routing.source: checkpoint: a trained model's routers run over text, their choices kept as token
 * ids. */
#include <string.h>

#include "base/pool.h"
#include "moe/observer.h"
#include "routing/trace.h"

enum { TOKENS = 16384 }; /* of the texts; ranks draw theirs from these */

static enum ms_status fits(const struct ms_choices *c, const struct ms_trace_request *q,
                           struct ms_err *err)
{
    if (q->n_experts > 0 && c->n_experts != q->n_experts)
        return ms_err_at(err, MS_INVALID, q->path, 0, 0, "model.experts",
                         "%d, but the checkpoint has %d experts a layer", q->n_experts,
                         c->n_experts);
    if (q->top_k > 0 && c->top_k != q->top_k)
        return ms_err_at(err, MS_INVALID, q->path, 0, 0, "model.top_k",
                         "%d, but the checkpoint's tokens take %d", q->top_k, c->top_k);
    return MS_OK;
}

static enum ms_status take(const struct ms_choices *c, struct ms_trace *out, struct ms_err *err)
{
    struct ms_trace t = {
        .n_steps = 1, .n_ranks = 1, .n_layers = c->n_layers, .n_experts = c->n_experts};
    size_t n = c->n_tokens * (size_t)c->n_layers * (size_t)c->top_k;
    t.n_tokens = (int)c->n_tokens;
    t.top_k = c->top_k;
    t.layer_id = MS_NEW(&t.arena, int, (size_t)c->n_layers);
    t.ids = MS_NEW(&t.arena, uint16_t, n);
    if (!t.layer_id || !t.ids) {
        ms_arena_finish(&t.arena);
        return ms_err_set(err, MS_NOMEM, "no memory for the experts of %zu tokens", c->n_tokens);
    }
    memcpy(t.layer_id, c->layer_id, (size_t)c->n_layers * sizeof *t.layer_id);
    memcpy(t.ids, c->expert, n * sizeof *t.ids);
    *out = t;
    return MS_OK;
}

enum ms_status ms_trace_from_checkpoint(const struct ms_trace_request *q,
                                        const struct ms_trace_texts *texts, struct ms_trace *out,
                                        struct ms_err *err)
{
    struct ms_choices c;
    const char *name = texts->assignment ? texts->assignment : "top_k";
    struct ms_choice_input in = {.text = texts->text,
                                 .n_text = (size_t)texts->n_text,
                                 .tokens = texts->tokens,
                                 .assign = ms_assign_find(name),
                                 .max_tokens = TOKENS,
                                 .seed = texts->seed,
                                 .threads = texts->n_threads};
    if (!in.assign || in.assign->expert_choice)
        return ms_err_at(err, MS_INVALID, NULL, 0, 0, "routing.assignment",
                         "'%s' gives a token no fixed number of experts; a checkpoint's traffic "
                         "needs top_k of them",
                         name);
    enum ms_status s = ms_choices_of(q->path, &in, &c, err);
    if (s)
        return s;
    s = fits(&c, q, err);
    s = s ? s : take(&c, out, err);
    ms_choices_finish(&c);
    return s;
}
