/* Opens a checkpoint to be looked at: its own router from the weights' metadata, another token
 * assignment on its logits, and its choices over texts. */
#include "moe/observer.h"

#include <stdlib.h>
#include <string.h>

#include "moe/text.h"

enum { TOKENS_A_CALL = 8192, LOGITS_A_CALL = 1 << 25, HELD_VALUES = 1 << 28 };

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

static int rows_a_call(const struct ms_moe_config *c, const struct ms_observer_options *o, int N)
{
    long rows = TOKENS_A_CALL / N, most = LOGITS_A_CALL / ((long)N * c->vocab);
    rows = rows < most || o->counts_only ? rows : most;
    if (o->n_windows > 0 && rows > (long)o->n_windows)
        rows = (long)o->n_windows;
    return rows > 1 ? (int)rows : 1;
}

static bool rope_bf16(const struct ms_moe_config *c, int rope)
{
    enum { TOLD_APART = 256 };
    return rope == MS_ROPE_BFLOAT16 ||
           (rope == MS_ROPE_AUTO && c->bf16 && c->max_positions <= TOLD_APART);
}

/* Loaded whole, or bound to the files. */
static enum ms_status make_model(struct ms_observer *p, const struct ms_observer_options *o,
                                 struct ms_err *err)
{
    const struct ms_moe_config *c = ms_checkpoint_config(p->checkpoint);
    bool large = ms_checkpoint_values(p->checkpoint) > HELD_VALUES;
    if (o->stream == MS_STREAM_ALWAYS || (o->stream == MS_STREAM_AUTO && large)) {
        p->source = ms_checkpoint_source_new(p->checkpoint);
        if (!p->source)
            return ms_err_set(err, MS_NOMEM, "out of memory");
    }
    struct ms_model_options m = {.B = p->B,
                                 .T = p->N,
                                 .router = p->own,
                                 .params = &p->own_params,
                                 .pool = p->pool,
                                 .source = p->source,
                                 .no_head = o->counts_only,
                                 .rope_bf16 = rope_bf16(c, o->rope)};
    enum ms_status s = ms_model_create(c, &m, &p->model, err);
    if (s)
        return s;
    return p->source ? ms_checkpoint_source_bind(p->source, p->model, err)
                     : ms_checkpoint_load(p->checkpoint, p->model, err);
}

enum ms_status ms_observer_open(struct ms_observer *p, const char *folder,
                                const struct ms_observer_options *o, struct ms_err *err)
{
    *p = (struct ms_observer){0};
    enum ms_status s = ms_checkpoint_open(folder, &p->checkpoint, err);
    if (s)
        return s;
    const struct ms_moe_config *c = ms_checkpoint_config(p->checkpoint);
    own_router(p);
    p->N = o->N > 0 ? o->N : c->max_positions;
    p->B = o->B > 0 ? o->B : rows_a_call(c, o, p->N);
    p->n_layers = ms_moe_config_moe_layers(c);
    p->n_experts = c->experts;
    p->top_k = c->top_k;
    p->pool = ms_pool_create(o->threads);
    s = p->pool ? make_model(p, o, err)
                : ms_err_set(err, MS_NOMEM, "cannot start %d threads", o->threads);
    if (s)
        ms_observer_close(p);
    return s;
}

void ms_observer_close(struct ms_observer *p)
{
    ms_model_destroy(p->model);
    ms_checkpoint_source_free(p->source);
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

/* Texts as ids, and how many windows they hold. */
struct reading {
    struct ms_text_codec codec;
    struct ms_token_text *text; /* [n] */
    size_t n, windows;
};

static void reading_finish(struct reading *r)
{
    for (size_t i = 0; r->text && i < r->n; i++)
        ms_token_text_finish(&r->text[i]);
    free(r->text);
    ms_text_codec_finish(&r->codec);
}

static enum ms_status read_texts(struct reading *r, const char *folder,
                                 const struct ms_choice_input *in, const struct ms_moe_config *c,
                                 struct ms_err *err)
{
    int N = in->N > 0 ? in->N : c->max_positions;
    r->n = in->tokens ? 1 : in->n_text;
    r->text = calloc(r->n + 1, sizeof *r->text);
    if (!r->text)
        return ms_err_set(err, MS_NOMEM, "no memory for %zu texts", r->n);
    enum ms_status s = in->tokens ? MS_OK : ms_text_codec_open(&r->codec, folder, c->vocab, err);
    for (size_t i = 0; i < r->n && !s; i++) {
        s = in->tokens ? ms_token_text_npy(in->tokens, c->vocab, &r->text[i], err)
                       : ms_token_text_read(&r->codec, in->text[i], &r->text[i], err);
        if (!s)
            r->windows += ms_token_text_windows(&r->text[i], N).n_windows;
    }
    if (!s && r->windows == 0)
        s = ms_err_at(err, MS_INVALID, folder, 0, 0, NULL,
                      "the texts hold no whole window of %d tokens", N);
    return s;
}

static enum ms_status run_texts(struct ms_observer *p, const struct reading *r, size_t most,
                                uint64_t seed, struct ms_choices *c, struct ms_err *err)
{
    size_t left = most;
    enum ms_status s = MS_OK;
    for (size_t i = 0; i < r->n && left > 0 && !s; i++) {
        struct ms_windows w = ms_token_text_windows(&r->text[i], p->N);
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

static enum ms_status choose(struct ms_observer *p, const struct reading *r,
                             const struct ms_choice_input *in, struct ms_choices *out,
                             struct ms_err *err)
{
    size_t windows = r->windows, N = (size_t)p->N;
    if (in->max_tokens > 0 && windows > (in->max_tokens + N - 1) / N)
        windows = (in->max_tokens + N - 1) / N;
    enum ms_status s = ms_observer_use(p, in->assign, 0, MS_DROP_PROBS, NULL, NULL, err);
    s = s ? s : choices_make(out, p, windows * N, err);
    return s ? s : run_texts(p, r, windows, in->seed, out, err);
}

/* Windows of an array are as long as its rows. */
static int window_of(const struct reading *r, int N)
{
    return r->text[0].row ? (int)r->text[0].row - 1 : N;
}

static enum ms_status prepare(struct reading *r, const char *folder,
                              const struct ms_choice_input *in, struct ms_err *err)
{
    struct ms_checkpoint *c = NULL;
    if (in->assign && in->assign->expert_choice)
        return ms_err_set(
            err, MS_INVALID,
            "expert_choice gives a token any number of experts: no trace of k experts");
    enum ms_status s = ms_checkpoint_open(folder, &c, err);
    s = s ? s : read_texts(r, folder, in, ms_checkpoint_config(c), err);
    ms_checkpoint_close(c);
    return s;
}

enum ms_status ms_choices_of(const char *folder, const struct ms_choice_input *in,
                             struct ms_choices *out, struct ms_err *err)
{
    struct ms_observer p = {0};
    struct reading r = {0};
    *out = (struct ms_choices){0};
    enum ms_status s = prepare(&r, folder, in, err);
    if (!s) {
        struct ms_observer_options o = {.N = window_of(&r, in->N),
                                        .n_windows = r.windows,
                                        .threads = in->threads,
                                        .counts_only = true};
        s = ms_observer_open(&p, folder, &o, err);
    }
    s = s ? s : choose(&p, &r, in, out, err);
    ms_observer_close(&p);
    reading_finish(&r);
    if (s)
        ms_choices_finish(out);
    return s;
}

enum ms_status ms_choices_check(const char *folder, const struct ms_choice_input *in,
                                struct ms_err *err)
{
    struct reading r = {0};
    enum ms_status s = prepare(&r, folder, in, err);
    reading_finish(&r);
    return s;
}
