/* AdamW over a list of tensors: the gradient's norm in fixed chunks and a fixed order, then one
 * update of every value, so that no bit depends on the number of threads. */
#include "moe/adamw.h"

#include <math.h>
#include <string.h>

#include "moe/kernels.h"

enum { CHUNK = 16384 }; /* values of one work item */

struct ms_adamw_chunk {
    const struct ms_adamw_part *part;
    size_t first, n; /* in the part */
    size_t at;       /* in m and v */
};

static const char *const names[] = {"adamw", NULL};

const struct ms_field ms_adamw_fields[] = {
    {.key = "name",
     .type = MS_FIELD_ENUM,
     .offset = offsetof(struct ms_adamw_params, name),
     .names = names,
     .fallback = "adamw",
     .help = "the optimiser"},
    {.key = "lr",
     .type = MS_FIELD_NUMBER,
     .offset = offsetof(struct ms_adamw_params, lr),
     .min = 0,
     .max = 10,
     .fallback = "1e-3",
     .help = "learning rate after warm-up"},
    {.key = "eps",
     .type = MS_FIELD_NUMBER,
     .offset = offsetof(struct ms_adamw_params, eps),
     .min = 0,
     .max = 1,
     .above_min = true,
     .fallback = "1e-8",
     .help = "added to the root of the second moment"},
    {.key = "weight_decay",
     .type = MS_FIELD_NUMBER,
     .offset = offsetof(struct ms_adamw_params, weight_decay),
     .min = 0,
     .max = 10,
     .fallback = "0.1",
     .help = "decoupled weight decay, on every parameter"},
    {.key = "clip",
     .type = MS_FIELD_NUMBER,
     .offset = offsetof(struct ms_adamw_params, clip),
     .min = 0,
     .max = 1e9,
     .fallback = "1.0",
     .help = "largest global norm of the gradient; 0 = no clipping"},
    {.key = "warmup",
     .type = MS_FIELD_INT,
     .offset = offsetof(struct ms_adamw_params, warmup),
     .min = 0,
     .max = 1e9,
     .fallback = "50",
     .help = "steps of linear warm-up"},
    {0},
};

struct ms_adamw_params ms_adamw_params_default(void)
{
    return (struct ms_adamw_params){.lr = 1e-3,
                                    .betas = {0.9, 0.95},
                                    .eps = 1e-8,
                                    .weight_decay = 0.1,
                                    .clip = 1.0,
                                    .warmup = 50};
}

static void cut_chunks(struct ms_adamw *o)
{
    struct ms_adamw_chunk *c = o->chunks;
    size_t at = 0;
    for (size_t i = 0; i < o->n_parts; i++) {
        for (size_t first = 0; first < o->parts[i].n; first += CHUNK) {
            size_t n = o->parts[i].n - first < CHUNK ? o->parts[i].n - first : CHUNK;
            *c++ = (struct ms_adamw_chunk){&o->parts[i], first, n, at};
            at += n;
        }
    }
}

enum ms_status ms_adamw_init(struct ms_adamw *o, struct ms_arena *a, struct ms_adamw_params params,
                             const struct ms_adamw_part *parts, size_t n_parts, struct ms_err *err)
{
    *o = (struct ms_adamw){
        .params = params, .parts = parts, .n_parts = n_parts, .kernels = ms_kernels_pick()};
    for (size_t i = 0; i < n_parts; i++) {
        o->n_values += parts[i].n;
        o->n_chunks += (parts[i].n + CHUNK - 1) / CHUNK;
    }
    o->m = MS_NEW(a, float, o->n_values);
    o->v = MS_NEW(a, float, o->n_values);
    o->chunks = MS_NEW(a, struct ms_adamw_chunk, o->n_chunks);
    o->sums = MS_NEW(a, double, o->n_chunks);
    if (!o->m || !o->v || !o->chunks || !o->sums)
        return ms_err_set(err, MS_NOMEM, "no memory for the optimiser's state of %zu parameters",
                          o->n_values);
    cut_chunks(o);
    return MS_OK;
}

static void norm_item(void *ctx, size_t item, int thread)
{
    struct ms_adamw *o = ctx;
    const struct ms_adamw_chunk *c = &o->chunks[item];
    o->sums[item] = o->kernels->squares(c->n, c->part->gradient + c->first);
}

double ms_adamw_norm(struct ms_adamw *o, struct ms_pool *pool)
{
    double sum = 0;
    ms_pool_run(pool, o->n_chunks, norm_item, o);
    for (size_t i = 0; i < o->n_chunks; i++)
        sum += o->sums[i];
    return sqrt(sum);
}

long ms_adamw_not_finite(const struct ms_adamw *o, int of_gradient)
{
    for (size_t i = 0; i < o->n_parts; i++) {
        const float *v = of_gradient ? o->parts[i].gradient : o->parts[i].value;
        for (size_t j = 0; j < o->parts[i].n; j++)
            if (!isfinite(v[j]))
                return (long)i;
    }
    return -1;
}

static void step_item(void *ctx, size_t item, int thread)
{
    const struct ms_adamw *o = ctx;
    const struct ms_adamw_chunk *c = &o->chunks[item];
    struct ms_adamw_rates q = {.clip = (float)o->factor,
                               .beta1 = (float)o->params.betas[0],
                               .rest1 = (float)(1 - o->params.betas[0]),
                               .beta2 = (float)o->params.betas[1],
                               .rest2 = (float)(1 - o->params.betas[1]),
                               .keep = (float)(1 - o->lr_now * o->params.weight_decay),
                               .rate = (float)(o->lr_now / o->correction1),
                               .root = (float)(1 / sqrt(o->correction2)),
                               .eps = (float)o->params.eps};
    o->kernels->adamw(c->n, &q, c->part->gradient + c->first, c->part->value + c->first,
                      o->m + c->at, o->v + c->at);
}

void ms_adamw_step(struct ms_adamw *o, double norm, struct ms_pool *pool)
{
    const struct ms_adamw_params *p = &o->params;
    double ramp = o->n_steps < p->warmup ? (double)(o->n_steps + 1) / (double)p->warmup : 1;
    o->n_steps++;
    o->lr_now = p->lr * ramp;
    o->correction1 = 1 - pow(p->betas[0], (double)o->n_steps);
    o->correction2 = 1 - pow(p->betas[1], (double)o->n_steps);
    double factor = p->clip > 0 ? p->clip / (norm + 1e-6) : 1;
    o->factor = factor < 1 ? factor : 1;
    ms_pool_run(pool, o->n_chunks, step_item, o);
}
