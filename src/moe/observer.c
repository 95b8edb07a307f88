/* Opens a checkpoint to be looked at: its own router from the weights' metadata, another token
 * assignment on its logits, and its choices over texts. */
#include "moe/observer.h"

#include <stdlib.h>
#include <string.h>

#include "moe/data.h"

enum { TOKENS_A_CALL = 8192, LOGITS_A_CALL = 1 << 25 };

/* "NAME groups=… …" as a training run notes it; anything else is a family's top_k. */
static void own_router(struct ms_observer *p)
{
    char name[64] = "top_k";
    struct ms_router_params q = ms_router_params_default();
    const char *note = ms_checkpoint_metadata(p->checkpoint, "moesim_router");
    long long groups = 1, limit = 0;
    if (note &&
        sscanf(note, "%63s groups=%lld group_limit=%lld group_score=%d weights=%d scale=%lf", name,
               &groups, &limit, &q.group_score, &q.weights, &q.scale) == 6) {
        q.groups = groups;
        q.group_limit = limit;
    } else {
        q = ms_router_params_default();
    }
    p->own = ms_router_find(name);
    p->own_params = q;
    if (!p->own) {
        p->own = ms_router_find("top_k");
        p->own_params = ms_router_params_default();
    }
}

static int rows_a_call(const struct ms_moe_config *c, int N, size_t n_windows)
{
    long rows = TOKENS_A_CALL / N, most = LOGITS_A_CALL / ((long)N * c->vocab);
    rows = rows < most ? rows : most;
    if (n_windows > 0 && rows > (long)n_windows)
        rows = (long)n_windows;
    return rows > 1 ? (int)rows : 1;
}

enum ms_status ms_observer_open(struct ms_observer *p, const char *folder, int N, int B,
                                size_t n_windows, int threads, struct ms_err *err)
{
    *p = (struct ms_observer){0};
    enum ms_status s = ms_checkpoint_open(folder, &p->checkpoint, err);
    if (s)
        return s;
    const struct ms_moe_config *c = ms_checkpoint_config(p->checkpoint);
    own_router(p);
    p->N = N > 0 ? N : c->max_positions;
    p->B = B > 0 ? B : rows_a_call(c, p->N, n_windows);
    p->n_layers = ms_moe_config_moe_layers(c);
    p->n_experts = c->experts;
    p->top_k = c->top_k;
    p->pool = ms_pool_create(threads);
    struct ms_model_options o = {
        .B = p->B, .T = p->N, .router = p->own, .params = &p->own_params, .pool = p->pool};
    s = p->pool ? ms_model_create(c, &o, &p->model, err)
                : ms_err_set(err, MS_NOMEM, "cannot start %d threads", threads);
    s = s ? s : ms_checkpoint_load(p->checkpoint, p->model, err);
    if (s)
        ms_observer_close(p);
    return s;
}

void ms_observer_close(struct ms_observer *p)
{
    ms_model_destroy(p->model);
    if (p->checkpoint)
        ms_checkpoint_close(p->checkpoint);
    ms_pool_destroy(p->pool);
    *p = (struct ms_observer){0};
}

enum ms_status ms_observer_use(struct ms_observer *p, const struct ms_router *assign,
                               double capacity_factor, int drop_policy, const uint8_t *excluded,
                               bool *causal, struct ms_err *err)
{
    struct ms_router_params q = p->own_params;
    const struct ms_router *router = p->own;
    q.capacity_factor = capacity_factor;
    q.drop_policy = drop_policy;
    q.excluded = excluded;
    if (strcmp(assign->name, "top_k") != 0 || p->own->expert_choice) {
        p->bent = *assign;
        p->bent.score = ms_router_score(p->own, &p->own_params, p->top_k);
        p->bent.weights = p->own->weights;
        if (p->own->score == MS_SCORE_SOFTMAX && p->bent.score == MS_SCORE_SIGMOID && p->top_k > 1)
            p->bent.weights = MS_WEIGHTS_RENORMALISED; /* DeepSeek-V3's group_limited */
        q.groups = 1;
        router = &p->bent;
    }
    if (causal)
        *causal = router->causal &&
                  !(capacity_factor > 0); /* who is dropped depends on the whole batch */
    return ms_model_set_router(p->model, router, &q, err);
}

/* ---- choices ---- */

void ms_choices_finish(struct ms_choices *c)
{
    free(c->layer_id);
    free(c->expert);
    *c = (struct ms_choices){0};
}

static enum ms_status choices_make(struct ms_choices *c, const struct ms_observer *p,
                                   size_t n_tokens, struct ms_err *err)
{
    *c = (struct ms_choices){.n_layers = p->n_layers, .n_experts = p->n_experts, .top_k = p->top_k};
    c->layer_id = calloc((size_t)c->n_layers + 1, sizeof *c->layer_id);
    c->expert = calloc(n_tokens * (size_t)c->n_layers * (size_t)c->top_k + 1, sizeof *c->expert);
    if (!c->layer_id || !c->expert)
        return ms_err_set(err, MS_NOMEM, "no memory for the experts of %zu tokens", n_tokens);
    for (int l = 0; l < c->n_layers; l++)
        c->layer_id[l] = ms_model_moe_layer_id(p->model, l);
    return MS_OK;
}

static enum ms_status run_texts(struct ms_observer *p, const struct ms_buf *texts, size_t n_text,
                                size_t max_windows, uint64_t seed, struct ms_choices *c,
                                struct ms_err *err)
{
    size_t left = max_windows;
    enum ms_status s = MS_OK;
    for (size_t i = 0; i < n_text && left > 0 && !s; i++) {
        struct ms_windows w = ms_windows_of_bytes(texts[i].p, texts[i].n, p->N);
        struct ms_perplexity x = {.choices = c->expert +
                                             c->n_tokens * (size_t)c->n_layers * (size_t)c->top_k};
        if (w.n_windows == 0)
            continue;
        s = ms_perplexity_run(p->model, &w, p->B, left, seed, &x, err);
        c->n_tokens += (size_t)x.tokens;
        left -= (size_t)x.tokens / (size_t)p->N;
    }
    return s;
}

static enum ms_status choose_texts(struct ms_observer *p, const char *folder,
                                   const struct ms_buf *texts, size_t n_text,
                                   const struct ms_router *assign, size_t max_tokens, uint64_t seed,
                                   struct ms_choices *out, struct ms_err *err)
{
    size_t windows = 0, N = (size_t)p->N;
    if (ms_model_config(p->model)->vocab != 256)
        return ms_err_at(err, MS_INVALID, folder, 0, 0, NULL,
                         "a vocabulary of %d tokens; text needs 256 (bytes)",
                         ms_model_config(p->model)->vocab);
    for (size_t i = 0; i < n_text; i++)
        windows += ms_windows_of_bytes(texts[i].p, texts[i].n, p->N).n_windows;
    if (windows == 0)
        return ms_err_at(err, MS_INVALID, folder, 0, 0, NULL,
                         "the texts hold no whole window of %d tokens", p->N);
    if (max_tokens > 0 && windows > (max_tokens + N - 1) / N)
        windows = (max_tokens + N - 1) / N;
    enum ms_status s = ms_observer_use(p, assign, 0, MS_DROP_PROBS, NULL, NULL, err);
    s = s ? s : choices_make(out, p, windows * N, err);
    return s ? s : run_texts(p, texts, n_text, windows, seed, out, err);
}

enum ms_status ms_choices_of_text(const char *folder, const char *const *text, size_t n_text,
                                  const struct ms_router *assign, int N, size_t max_tokens,
                                  uint64_t seed, int threads, struct ms_choices *out,
                                  struct ms_err *err)
{
    struct ms_observer p = {0};
    enum ms_status s = MS_OK;
    *out = (struct ms_choices){0};
    if (assign->expert_choice)
        return ms_err_set(
            err, MS_INVALID,
            "expert_choice gives a token any number of experts: no trace of k experts");
    struct ms_buf *texts = calloc(n_text + 1, sizeof *texts);
    if (!texts)
        return ms_err_set(err, MS_NOMEM, "no memory for %zu texts", n_text);
    for (size_t i = 0; i < n_text && !s; i++)
        s = ms_text_read(text[i], &texts[i], err);
    s = s ? s : ms_observer_open(&p, folder, N, 0, 0, threads, err);
    s = s ? s : choose_texts(&p, folder, texts, n_text, assign, max_tokens, seed, out, err);
    ms_observer_close(&p);
    for (size_t i = 0; i < n_text; i++)
        ms_buf_finish(&texts[i]);
    free(texts);
    if (s)
        ms_choices_finish(out);
    return s;
}
