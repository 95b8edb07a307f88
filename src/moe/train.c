/* The training loop: makes or resumes a run, one step after the other, evaluation and
 * checkpoints when they are due, and the end in order. */
#include "moe/train.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "moe/checkpoint.h"
#include "moe/train_run.h"

double ms_train_clock(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static bool is_random(const struct ms_train_params *p)
{
    return strcmp(p->init, "random") == 0;
}

static enum ms_status make_model(struct ms_train_run *r, const struct ms_moe_config *c,
                                 struct ms_err *err)
{
    struct ms_model_options o = {.B = (int)r->p->batch,
                                 .T = (int)r->p->seq,
                                 .train = true,
                                 .router = r->p->router,
                                 .params = &r->p->router_params,
                                 .pool = r->pool};
    enum ms_status s = ms_train_memory_check(r->p, c, err);
    return s ? s : ms_model_create(c, &o, &r->model, err);
}

/* The model at step 0: random, or the checkpoint to fine-tune. */
static enum ms_status first_model(struct ms_train_run *r, struct ms_err *err)
{
    struct ms_checkpoint *c = NULL;
    enum ms_status s;
    if (is_random(r->p)) {
        struct ms_moe_config config = ms_train_config(&r->p->model);
        s = make_model(r, &config, err);
        if (!s)
            ms_model_init(r->model, r->p->seed);
        return s;
    }
    s = ms_checkpoint_open(r->p->init, &c, err);
    s = s ? s : make_model(r, ms_checkpoint_config(c), err);
    s = s ? s : ms_checkpoint_load(c, r->model, err);
    if (!s && !(r->config_text = strdup(ms_checkpoint_config_text(c))))
        s = ms_err_set(err, MS_NOMEM, "no memory for %s/config.json", r->p->init);
    ms_checkpoint_close(c);
    return s;
}

static enum ms_status make_parts(struct ms_train_run *r, struct ms_err *err)
{
    size_t n;
    const struct ms_param *params = ms_model_params(r->model, &n);
    struct ms_adamw_part *parts = MS_NEW(&r->arena, struct ms_adamw_part, n);
    if (!parts)
        return ms_err_set(err, MS_NOMEM, "no memory for %zu tensors", n);
    for (size_t i = 0; i < n; i++)
        parts[i] = (struct ms_adamw_part){params[i].name, params[i].value, params[i].gradient,
                                          params[i].n};
    return ms_adamw_init(&r->adamw, &r->arena, r->p->optimizer, parts, n, err);
}

static enum ms_status make_memory(struct ms_train_run *r, struct ms_err *err)
{
    const struct ms_moe_config *c = ms_model_config(r->model);
    r->B = (int)r->p->batch;
    r->T = (int)r->p->seq;
    r->L = ms_model_moe_layers(r->model);
    r->E = c->experts;
    r->K = c->top_k;
    r->score = ms_router_score(r->p->router, &r->p->router_params, r->K);
    size_t N = (size_t)r->B * (size_t)r->T, E = (size_t)r->E, D = (size_t)r->data.n_domains;
    r->tokens = MS_NEW(&r->arena, int32_t, N);
    r->targets = MS_NEW(&r->arena, int32_t, N);
    r->row_domain = MS_NEW(&r->arena, int, (size_t)r->B);
    r->values = MS_NEW(&r->arena, double, r->p->n_losses);
    r->load = MS_NEW(&r->arena, double, E);
    r->scratch = MS_NEW(&r->arena, double, E);
    r->domain_counts = MS_NEW(&r->arena, int64_t, D * (size_t)r->L * E);
    r->heldout = MS_NEW(&r->arena, struct ms_perplexity, D);
    if (!r->tokens || !r->targets || !r->row_domain || !r->values || !r->load || !r->scratch ||
        !r->domain_counts || !r->heldout)
        return ms_err_set(err, MS_NOMEM, "no memory for a batch of %zu tokens", N);
    enum ms_status s = ms_loss_state_init(&r->losses, &r->arena, r->L, r->B, r->E, err);
    return s ? s : make_parts(r, err);
}

/* Texts are read as the checkpoint to fine-tune reads them. */
static enum ms_status open_data(struct ms_train_run *r, struct ms_err *err)
{
    struct ms_text_codec codec = {0};
    struct ms_checkpoint *c = NULL;
    enum ms_status s = MS_OK;
    if (r->p->data.n_text > 0 && !is_random(r->p)) {
        s = ms_checkpoint_open(r->p->init, &c, err);
        if (!s)
            s = ms_text_codec_open(&codec, r->p->init, ms_checkpoint_config(c)->vocab, err);
        ms_checkpoint_close(c);
    }
    s = s ? s : ms_data_open(&r->data, r->p, &codec, err);
    ms_text_codec_finish(&codec);
    return s;
}

static enum ms_status open_run(struct ms_train_run *r, struct ms_err *err)
{
    bool found = false;
    enum ms_status s = ms_train_params_check(r->p, err);
    s = s ? s : open_data(r, err);
    if (!s && !(r->pool = ms_pool_create(r->o->threads)))
        s = ms_err_set(err, MS_NOMEM, "cannot start %d threads", r->o->threads);
    s = s ? s : first_model(r, err);
    s = s ? s : make_memory(r, err);
    s = s ? s : ms_train_identity(r, err);
    s = s ? s : ms_dir_make(r->o->dir, err);
    s = s ? s : ms_train_log_lock(r, err);
    s = s ? s : ms_train_state_load(r, &found, err);
    s = s ? s : ms_train_log_open(r, err);
    if (!s && !found)
        s = ms_train_state_save(r, err);
    return s;
}

static void close_run(struct ms_train_run *r)
{
    ms_train_log_close(r);
    ms_model_destroy(r->model);
    ms_data_finish(&r->data);
    ms_pool_destroy(r->pool);
    ms_arena_finish(&r->arena);
    free(r->config_text);
}

static bool due(int64_t step, int64_t every, int64_t steps)
{
    return step == steps || (every > 0 && step % every == 0);
}

/* Texts hold out enough for one window. */
static bool has_heldout(const struct ms_train_run *r)
{
    for (int d = 0; d < r->data.n_domains; d++)
        if (r->data.domains[d].text.ids.n - r->data.domains[d].n_train > (size_t)r->T)
            return true;
    return false;
}

static void report(struct ms_train_run *r, double start)
{
    struct ms_train_progress *g = &r->progress;
    double wall = r->forward_s + r->backward_s + r->update_s,
           now = wall > 0 ? r->B * r->T / wall : 0;
    g->step = r->state.step;
    g->steps = r->p->steps;
    g->wall_s = ms_train_clock() - start;
    g->tokens_per_s = g->tokens_per_s > 0 ? 0.9 * g->tokens_per_s + 0.1 * now : now;
    g->ce = r->ce;
    if (r->o->progress)
        r->o->progress(r->o->ctx, g);
}

static enum ms_status loop(struct ms_train_run *r, struct ms_err *err)
{
    double start = ms_train_clock();
    int64_t steps = r->p->steps;
    enum ms_status s = MS_OK;
    r->progress.first = r->state.step;
    r->progress.heldout_ce = NAN;
    while (!s && r->state.step < steps) {
        s = ms_train_step(r, err);
        if (s)
            break;
        bool evaluate = has_heldout(r) && due(r->state.step, r->p->evaluate_every, steps);
        if (evaluate)
            s = ms_train_evaluate(r, err);
        s = s ? s : ms_train_log_step(r, evaluate, err);
        bool stop = r->o->stop && *r->o->stop;
        if (!s && (stop || due(r->state.step, r->p->checkpoint_every, steps)))
            s = ms_train_state_save(r, err);
        if (!s)
            report(r, start);
        if (!s && stop && r->state.step < steps)
            s = ms_err_set(err, MS_INTERRUPTED,
                           "stopped after step %lld; the same command goes on from there",
                           (long long)r->state.step - 1);
    }
    return s;
}

enum ms_status ms_train_run(const struct ms_train_params *p, const struct ms_train_options *o,
                            struct ms_err *err)
{
    struct ms_train_run r = {.p = p, .o = o, .lock_fd = -1};
    enum ms_status s = open_run(&r, err);
    s = s ? s : loop(&r, err);
    close_run(&r);
    return s;
}
