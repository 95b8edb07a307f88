/* Brings the tensors of an open checkpoint into a model, whole or (as a source of weights) piece by
 * piece while it runs; what is missing, misshapen, left over or not finite is refused by name. */
#include <jansson.h>
#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "moe/checkpoint_files.h"
#include "moe/checkpoint_names.h"
#include "moe/model.h"

/* Shape and type as config.json makes them. */
static enum ms_status check_tensor(const struct ms_found f, int n_dims, const size_t *shape,
                                   struct ms_err *err)
{
    const struct ms_st_tensor *t = f.tensor;
    const char *path = ms_st_path(f.file);
    bool same = t->n_dims == n_dims;
    for (int d = 0; same && d < n_dims; d++)
        same = t->shape[d] == shape[d];
    if (!same) {
        char have[160] = "", want[160] = "";
        for (int d = 0; d < t->n_dims; d++)
            snprintf(have + strlen(have), sizeof have - strlen(have), d ? ", %zu" : "%zu",
                     t->shape[d]);
        for (int d = 0; d < n_dims; d++)
            snprintf(want + strlen(want), sizeof want - strlen(want), d ? ", %zu" : "%zu",
                     shape[d]);
        return ms_err_at(err, MS_INVALID, path, 0, 0, t->name,
                         "has shape [%s], but config.json makes it [%s]", have, want);
    }
    if (t->type != MS_ST_F32 && t->type != MS_ST_BF16 && t->type != MS_ST_F16 &&
        t->type != MS_ST_F64)
        return ms_err_at(err, MS_INVALID, path, 0, 0, t->name,
                         "%s is not a weight type; allowed: F32, BF16, F16, F64",
                         ms_st_type_name(t->type));
    return MS_OK;
}

static bool all_finite(const float *v, size_t n, size_t *bad)
{
    for (size_t i = 0; i < n; i++)
        if (!isfinite(v[i])) {
            *bad = i;
            return false;
        }
    return true;
}

static enum ms_status not_finite(const struct ms_found f, size_t i, struct ms_err *err)
{
    return ms_err_at(err, MS_INVALID, ms_st_path(f.file), 0, 0, f.tensor->name,
                     "element %zu is not finite", i);
}

static enum ms_status take(const struct ms_found f, int n_dims, const size_t *shape, float *out,
                           struct ms_err *err)
{
    enum ms_status s = check_tensor(f, n_dims, shape, err);
    size_t bad;
    if (s)
        return s;
    ms_st_floats(f.tensor, 0, f.tensor->count, out);
    return all_finite(out, f.tensor->count, &bad) ? MS_OK : not_finite(f, bad, err);
}

/* Call with every stored tensor of a parameter in order: its piece, or the whole (stacked).
 * @return as the call, or MS_INVALID where one is missing */
typedef enum ms_status each_fn(void *ctx, const struct ms_param *p, struct ms_found f, int n_dims,
                               const size_t *shape, size_t offset, struct ms_err *err);

static enum ms_status each_piece(const struct ms_checkpoint *c, const struct ms_param *p,
                                 each_fn *each, void *ctx, size_t *n_used, struct ms_err *err)
{
    struct ms_found whole =
        ms_tensor_stacked(p) ? ms_checkpoint_find(c, p->name) : (struct ms_found){0};
    if (whole.tensor) {
        ++*n_used;
        return each(ctx, p, whole, p->n_dims, p->shape, 0, err);
    }
    for (size_t i = 0; i < ms_tensor_pieces(p); i++) {
        struct ms_tensor_piece piece = ms_tensor_piece(c->config.family, p, i);
        struct ms_found f = ms_checkpoint_find(c, piece.name);
        if (!f.tensor && piece.other[0])
            f = ms_checkpoint_find(c, piece.other);
        if (!f.tensor)
            return ms_err_at(err, MS_INVALID, ms_st_path(c->files[0]), 0, 0, piece.name,
                             "is missing from the checkpoint");
        enum ms_status s = each(ctx, p, f, piece.n_dims, piece.shape, piece.offset, err);
        if (s)
            return s;
        ++*n_used;
    }
    return MS_OK;
}

static enum ms_status load_piece(void *ctx, const struct ms_param *p, struct ms_found f, int n_dims,
                                 const size_t *shape, size_t offset, struct ms_err *err)
{
    return take(f, n_dims, shape, p->value + offset, err);
}

static enum ms_status load_bias(const struct ms_checkpoint *c, struct ms_model *m, size_t *n_used,
                                struct ms_err *err)
{
    size_t E = (size_t)c->config.experts;
    for (int i = 0; i < ms_model_moe_layers(m); i++) {
        char name[192];
        ms_tensor_bias(m, i, name, sizeof name);
        struct ms_found f = ms_checkpoint_find(c, name);
        memset(ms_model_router_bias(m) + (size_t)i * E, 0, E * sizeof(float));
        if (!f.tensor)
            continue;
        ++*n_used;
        enum ms_status s = take(f, 1, &E, ms_model_router_bias(m) + (size_t)i * E, err);
        if (s)
            return s;
    }
    return MS_OK;
}

/* Names that carry nothing of ours to compute. */
static bool ignorable(const struct ms_checkpoint *c, const char *name)
{
    return strstr(name, "rotary_emb.inv_freq") || strstr(name, "mlp.gate_noise.weight") ||
           (c->config.tied && strcmp(name, "lm_head.weight") == 0);
}

/* A tensor that no parameter took would change the result of the model it belongs to. */
static enum ms_status refuse_strangers(const struct ms_checkpoint *c, const struct ms_model *m,
                                       struct ms_err *err)
{
    size_t n;
    const struct ms_param *params = ms_model_params(m, &n);
    json_t *known = json_object(); /* a set of names */
    char name[192];
    for (size_t i = 0; i < n; i++) {
        json_object_set_new(known, params[i].name, json_true());
        for (size_t j = 0; j < ms_tensor_pieces(&params[i]); j++) {
            struct ms_tensor_piece p = ms_tensor_piece(c->config.family, &params[i], j);
            json_object_set_new(known, p.name, json_true());
            json_object_set_new(known, p.other, json_true());
        }
    }
    for (int i = 0; i < ms_model_moe_layers(m); i++) {
        ms_tensor_bias(m, i, name, sizeof name);
        json_object_set_new(known, name, json_true());
    }
    enum ms_status s = known ? MS_OK : ms_err_set(err, MS_NOMEM, "out of memory");
    for (size_t f = 0; !s && f < c->n_files; f++)
        for (size_t i = 0; !s && i < ms_st_count(c->files[f]); i++) {
            const char *have = ms_st_at(c->files[f], i)->name;
            if (!json_object_get(known, have) && !ignorable(c, have))
                s = ms_err_at(err, MS_INVALID, ms_st_path(c->files[f]), 0, 0, have,
                              "is not a tensor of the model in config.json");
        }
    json_decref(known);
    return s;
}

/* A new gate on a model trained without has no noise to learn from. */
static bool is_new_gate(const struct ms_checkpoint *c, const struct ms_param *p)
{
    const char *rest = ms_tensor_rest(p);
    return rest && strcmp(rest, "mlp.gate_noise.weight") == 0 &&
           !ms_checkpoint_find(c, p->name).tensor;
}

/* Every parameter of the model through `each`, the routers' biases into the model, and no tensor left
 * over. */
static enum ms_status walk(const struct ms_checkpoint *c, struct ms_model *m, each_fn *each,
                           void *ctx, struct ms_err *err)
{
    size_t n, used = 0, stored = 0;
    const struct ms_param *params = ms_model_params(m, &n);
    for (size_t i = 0; i < n; i++) {
        if (is_new_gate(c, &params[i])) {
            if (params[i].value)
                memset(params[i].value, 0, params[i].n * sizeof(float));
            continue;
        }
        enum ms_status s = each_piece(c, &params[i], each, ctx, &used, err);
        if (s)
            return s;
    }
    enum ms_status s = load_bias(c, m, &used, err);
    for (size_t f = 0; f < c->n_files; f++)
        stored += ms_st_count(c->files[f]);
    return s || used == stored ? s : refuse_strangers(c, m, err);
}

enum ms_status ms_checkpoint_load(const struct ms_checkpoint *c, struct ms_model *m,
                                  struct ms_err *err)
{
    return walk(c, m, load_piece, NULL, err);
}

/* ---- a source of weights ---- */

/* The stored tensors of one parameter, equally large. */
struct stored {
    struct ms_found *piece; /* [n] */
    size_t n, cap, each;
};

struct ms_checkpoint_source {
    struct ms_weight_source source;
    const struct ms_checkpoint *c;
    const struct ms_param *params;
    struct stored *of; /* [n_params] */
    size_t n_params;
    struct ms_found broken; /* the first tensor with a value that is not finite */
    size_t broken_at;
    atomic_flag taken;
    struct ms_arena arena;
};

static enum ms_status keep_piece(void *ctx, const struct ms_param *p, struct ms_found f, int n_dims,
                                 const size_t *shape, size_t offset, struct ms_err *err)
{
    struct ms_checkpoint_source *x = ctx;
    struct stored *o = &x->of[p - x->params];
    enum ms_status s = check_tensor(f, n_dims, shape, err);
    if (s)
        return s;
    if (!o->piece) {
        o->each = f.tensor->count;
        o->cap = o->each ? p->n / o->each : 0;
        o->piece = MS_NEW(&x->arena, struct ms_found, o->cap + 1);
    }
    if (!o->piece || o->n > o->cap)
        return ms_err_set(err, MS_NOMEM, "out of memory for the places of weights");
    o->piece[o->n++] = f;
    return MS_OK;
}

static bool fetch(void *ctx, const struct ms_param *p, size_t first, size_t n, float *out)
{
    struct ms_checkpoint_source *x = ctx;
    const struct stored *o = &x->of[p - x->params];
    if (o->n == 0) { /* a new gate */
        memset(out, 0, n * sizeof *out);
        return true;
    }
    while (n > 0) {
        struct ms_found f = o->piece[first / o->each];
        size_t at = first % o->each, m = o->each - at < n ? o->each - at : n, bad;
        ms_st_floats(f.tensor, at, m, out);
        if (!all_finite(out, m, &bad)) {
            if (!atomic_flag_test_and_set(&x->taken)) {
                x->broken = f;
                x->broken_at = at + bad;
            }
            return false;
        }
        first += m;
        out += m;
        n -= m;
    }
    return true;
}

/* The pages stay in the page cache; they are no longer this process's. */
static void done(void *ctx)
{
    struct ms_checkpoint_source *x = ctx;
    for (size_t f = 0; f < x->c->n_files; f++)
        ms_st_drop(x->c->files[f]);
}

static enum ms_status why(void *ctx, struct ms_err *err)
{
    struct ms_checkpoint_source *x = ctx;
    return not_finite(x->broken, x->broken_at, err);
}

struct ms_weight_source *ms_checkpoint_source_new(const struct ms_checkpoint *c)
{
    struct ms_checkpoint_source *x = calloc(1, sizeof *x);
    if (!x)
        return NULL;
    x->c = c;
    x->source = (struct ms_weight_source){x, fetch, done, why};
    atomic_flag_clear(&x->taken);
    return &x->source;
}

enum ms_status ms_checkpoint_source_bind(struct ms_weight_source *s, struct ms_model *m,
                                         struct ms_err *err)
{
    struct ms_checkpoint_source *x = s->ctx;
    x->params = ms_model_params(m, &x->n_params);
    x->of = MS_NEW(&x->arena, struct stored, x->n_params);
    if (!x->of)
        return ms_err_set(err, MS_NOMEM, "out of memory for the places of weights");
    return walk(x->c, m, keep_piece, x, err);
}

void ms_checkpoint_source_free(struct ms_weight_source *s)
{
    if (!s)
        return;
    struct ms_checkpoint_source *x = s->ctx;
    ms_arena_finish(&x->arena);
    free(x);
}
