/* One optimiser step: forward, balancing losses, backward, gradient norm, AdamW, the router's
 * bias; and what the step's line in the history says. */
#include <math.h>

#include "moe/train_run.h"

enum {
    HIGH_STEPS = 100
}; /* in a row more than a nat above guessing, after warm-up: the loss diverges */

/* The first MoE layer whose router logits are not finite, as a layer number; -1 = none. */
static int bad_layer(const struct ms_train_run *r)
{
    for (int l = 0; l < r->L; l++) {
        const float *z = ms_model_router_logits(r->model)[l];
        for (size_t i = 0; i < (size_t)r->B * (size_t)r->T * (size_t)r->E; i++)
            if (!isfinite(z[i]))
                return ms_model_moe_layer_id(r->model, l);
    }
    return -1;
}

static void tensor_words(const struct ms_train_run *r, long part, char *out, size_t size)
{
    size_t n;
    const struct ms_param *p = &ms_model_params(r->model, &n)[part];
    if (p->layer >= 0)
        snprintf(out, size, "layer %d, tensor %s", p->layer, p->name);
    else
        snprintf(out, size, "layer none, tensor %s", p->name);
}

/* A cross-entropy or loss that is no number: a weight that is none, or the first layer that
 * overflows. */
static enum ms_status not_finite(const struct ms_train_run *r, const char *what, struct ms_err *err)
{
    char where[256];
    long part = ms_adamw_not_finite(&r->adamw, 0);
    int layer = bad_layer(r);
    if (part >= 0)
        tensor_words(r, part, where, sizeof where);
    else if (layer >= 0)
        snprintf(where, sizeof where, "layer %d, tensor router logits", layer);
    else
        snprintf(where, sizeof where, "layer none, tensor logits");
    return ms_err_set(err, MS_FAILED,
                      "step %lld: %s is not finite; first in %s. The last checkpoint is kept",
                      (long long)r->state.step, what, where);
}

static enum ms_status bad_gradient(const struct ms_train_run *r, struct ms_err *err)
{
    char where[256] = "layer none, tensor none: only the sum of squares overflows";
    long part = ms_adamw_not_finite(&r->adamw, 1);
    if (part >= 0)
        tensor_words(r, part, where, sizeof where);
    return ms_err_set(
        err, MS_FAILED,
        "step %lld: the gradient is not finite; first in %s. The last checkpoint is kept",
        (long long)r->state.step, where);
}

/* Guessing costs ln V; a model far above it has diverged. The tensor named has the largest gradient
 * per value. */
static enum ms_status check_divergence(struct ms_train_run *r, struct ms_err *err)
{
    double guess = log(ms_model_config(r->model)->vocab), largest = -1;
    bool warm = r->state.step >= r->p->optimizer.warmup;
    r->state.n_high = warm && r->ce > guess + 1 ? r->state.n_high + 1 : 0;
    if (r->state.n_high < HIGH_STEPS && !(r->state.step > 0 && r->ce > 3 * guess + 10))
        return MS_OK;
    char where[256];
    long worst = 0;
    for (size_t i = 0; i < r->adamw.n_parts; i++) {
        const struct ms_adamw_part *p = &r->adamw.parts[i];
        double sum = 0;
        for (size_t j = 0; j < p->n; j++)
            sum += (double)p->gradient[j] * (double)p->gradient[j];
        if (sum / (double)p->n > largest) {
            largest = sum / (double)p->n;
            worst = (long)i;
        }
    }
    tensor_words(r, worst, where, sizeof where);
    return ms_err_set(err, MS_FAILED,
                      "step %lld: the loss diverges: cross-entropy %.3g nats, guessing costs %.3g; "
                      "the largest gradient "
                      "is in %s. The last checkpoint is kept; a lower train.optimizer.lr or a "
                      "longer warmup may help",
                      (long long)r->state.step, r->ce, guess, where);
}

static double compute_losses(struct ms_train_run *r)
{
    struct ms_loss_problem q = {.L = r->L,
                                .T = r->B * r->T,
                                .E = r->E,
                                .K = r->K,
                                .S = r->B,
                                .micro_batches = (int)r->p->micro_batches,
                                .groups = (int)r->p->router_params.groups,
                                .group_limit = (int)r->p->router_params.group_limit,
                                .normalise = r->p->normalise,
                                .score = r->score,
                                .logits = ms_model_router_logits(r->model),
                                .routes = ms_model_routes(r->model),
                                .pool = r->pool};
    if (r->p->n_losses == 0 || r->L == 0)
        return 0;
    return ms_loss_compute(r->p->losses, (int)r->p->n_losses, &q, &r->losses, r->values,
                           ms_model_router_dlogits(r->model), ms_model_dnoise(r->model));
}

/* Choices by domain: row b of the batch is one sequence. */
static void count_domains(struct ms_train_run *r)
{
    size_t grid = (size_t)r->L * (size_t)r->E;
    const struct ms_routes *routes = ms_model_routes(r->model);
    for (size_t i = 0; i < (size_t)r->data.n_domains * grid; i++)
        r->domain_counts[i] = 0;
    for (int l = 0; l < r->L; l++)
        for (int i = 0; i < routes[l].n_selected; i++)
            r->domain_counts[(size_t)r->row_domain[routes[l].token[i] / r->T] * grid +
                             (size_t)l * (size_t)r->E + (size_t)routes[l].expert[i]]++;
}

static enum ms_status update(struct ms_train_run *r, struct ms_err *err)
{
    r->grad_norm = ms_adamw_norm(&r->adamw, r->pool);
    if (!isfinite(r->grad_norm))
        return bad_gradient(r, err);
    enum ms_status s = check_divergence(r, err);
    if (s)
        return s;
    ms_adamw_step(&r->adamw, r->grad_norm, r->pool);
    for (int l = 0; l < r->L && r->p->bias_update > 0; l++)
        ms_router_bias_update(ms_model_router_bias(r->model) + (size_t)l * (size_t)r->E,
                              ms_model_routes(r->model)[l].selected, r->E, r->p->bias_update);
    return MS_OK;
}

enum ms_status ms_train_step(struct ms_train_run *r, struct ms_err *err)
{
    double start = ms_train_clock();
    ms_data_batch(&r->data, r->state.step, r->tokens, r->targets, r->row_domain);
    struct ms_model_input in = {
        .B = r->B, .T = r->T, .tokens = r->tokens, .targets = r->targets, .train = true};
    in.seed = r->p->seed;
    in.step = (uint64_t)r->state.step;
    in.first_token = 0;
    enum ms_status s = ms_model_forward(r->model, &in, &r->ce, err);
    if (s)
        return s;
    if (!isfinite(r->ce))
        return not_finite(r, "the cross-entropy", err);
    r->loss = r->ce + compute_losses(r);
    if (!isfinite(r->loss))
        return not_finite(r, "a balancing loss", err);
    count_domains(r);
    double after_forward = ms_train_clock();
    ms_model_backward(r->model);
    double after_backward = ms_train_clock();
    s = update(r, err);
    if (s)
        return s;
    r->state.step++;
    r->forward_s = after_forward - start;
    r->backward_s = after_backward - after_forward;
    r->update_s = ms_train_clock() - after_backward;
    return MS_OK;
}

enum ms_status ms_train_evaluate(struct ms_train_run *r, struct ms_err *err)
{
    double sum = 0;
    int judged = 0;
    for (int d = 0; d < r->data.n_domains; d++) {
        const struct ms_domain *m = &r->data.domains[d];
        const struct ms_token_ids *ids = &m->text.ids;
        size_t n = ids->n - m->n_train;
        struct ms_windows w = ms_windows_of(n ? ids->id + m->n_train : NULL, n, r->T);
        r->heldout[d] = (struct ms_perplexity){0};
        enum ms_status s =
            ms_perplexity_run(r->model, &w, r->B, 0, r->p->seed, &r->heldout[d], err);
        if (s)
            return s;
        sum += r->heldout[d].ce;
        judged += r->heldout[d].tokens > 0;
    }
    r->progress.heldout_ce = judged > 0 ? sum / judged : NAN;
    return MS_OK;
}
