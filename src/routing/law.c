/* Decides which law a name and its parameters stand for, and in which order its numbers go to the
 * experts. The laws themselves are a table. */
#include "routing/law.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define X(name) extern const struct ms_law ms_law_##name;
#include "law_registry.inc"
#undef X

static const struct ms_law *const laws[] = {
#define X(name) &ms_law_##name,
#include "law_registry.inc"
#undef X
    NULL,
};

/* Points of the laws that real models were measured at. */
static const struct ms_law_preset presets[] = {
    {"balanced-lbl",
     "a well balanced model (Mixtral 8x7B): max/mean 1.2",
     "target",
     {{"max_over_mean", 1.2}}},
    {"mixed-domain", "OLMoE on mixed text: max/mean 2.7", "target", {{"max_over_mean", 2.7}}},
    {"single-domain",
     "OLMoE on one domain (arXiv, code, Wikipedia): max/mean 6",
     "target",
     {{"max_over_mean", 6}}},
    {"r1-ep32",
     "DeepSeek-R1 served at EP32 before balancing: the busiest rank 2.56 times the mean",
     "lognormal",
     {{"sigma", 1.13}}},
    {"collapse",
     "trained without a balancing loss: max/mean 12",
     "target",
     {{"max_over_mean", 12}}},
    {.name = NULL},
};

const struct ms_law *const *ms_laws(void)
{
    return laws;
}

const struct ms_law_preset *ms_law_presets(void)
{
    return presets;
}

static const struct ms_law_preset *preset_find(const char *name)
{
    for (const struct ms_law_preset *p = presets; p->name; p++)
        if (!strcmp(p->name, name))
            return p;
    return NULL;
}

const struct ms_law *ms_law_find(const char *name)
{
    const struct ms_law_preset *p = preset_find(name);
    if (p)
        name = p->law;
    for (int i = 0; laws[i]; i++)
        if (!strcmp(laws[i]->name, name))
            return laws[i];
    return NULL;
}

static enum ms_status unknown_law(const char *name, struct ms_err *err)
{
    const char *names[64];
    size_t n = 0;
    for (int i = 0; laws[i]; i++)
        names[n++] = laws[i]->name;
    for (const struct ms_law_preset *p = presets; p->name; p++)
        names[n++] = p->name;
    char allowed[512];
    return ms_err_at(err, MS_INVALID, NULL, 0, 0, "routing.popularity.law",
                     "'%s' is not a popularity law%s", name,
                     ms_allowed(allowed, sizeof allowed, name, names, n));
}

/* Give one parameter; false: the law has none of that name. */
static bool set_param(const struct ms_law *law, const struct ms_law_param *p, double *param)
{
    for (const struct ms_field *f = law->fields; f && f->key; f++)
        if (!strcmp(f->key, p->key)) {
            param[f->offset / sizeof(double)] = p->value;
            return true;
        }
    return false;
}

static enum ms_status check_params(const struct ms_law *law, const double *param,
                                   struct ms_err *err)
{
    for (const struct ms_field *f = law->fields; f && f->key; f++) {
        double v = param[f->offset / sizeof(double)];
        if (isnan(v) || (v >= f->min && v <= f->max && !(f->above_min && v == f->min)))
            continue;
        char key[64];
        snprintf(key, sizeof key, "routing.popularity.%s", f->key);
        return ms_err_at(err, MS_INVALID, NULL, 0, 0, key, "%g is not in %g..%g (%s)", v, f->min,
                         f->max, f->help);
    }
    return MS_OK;
}

enum ms_status ms_law_resolve(const struct ms_popularity *p, const struct ms_law **law,
                              double *param, struct ms_err *err)
{
    const struct ms_law *l = ms_law_find(p->law);
    if (!l)
        return unknown_law(p->law, err);
    for (const struct ms_field *f = l->fields; f && f->key; f++)
        param[f->offset / sizeof(double)] =
            !strcmp(f->fallback, "none") ? NAN : strtod(f->fallback, NULL);
    const struct ms_law_preset *preset = preset_find(p->law);
    if (preset && p->n_params == 0)
        for (int i = 0; i < MS_LAW_MAX_PARAMS && preset->param[i].key; i++)
            set_param(l, &preset->param[i], param);
    for (int i = 0; i < p->n_params; i++) {
        if (set_param(l, &p->param[i], param))
            continue;
        char key[64];
        snprintf(key, sizeof key, "routing.popularity.%s", p->param[i].key);
        return ms_err_at(err, MS_INVALID, NULL, 0, 0, key, "the law %s has no such parameter",
                         p->law);
    }
    *law = l;
    return check_params(l, param, err);
}

static int falling(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x < y) - (x > y);
}

static void permute(struct ms_rng *rng, double *f, int n)
{
    for (int i = n; i > 1; i--) {
        uint32_t j = ms_rng_below(rng, (uint32_t)i);
        double t = f[i - 1];
        f[i - 1] = f[j];
        f[j] = t;
    }
}

enum ms_status ms_law_draw(const struct ms_law *law, const double *param, int order, int n_experts,
                           int top_k, struct ms_rng *rng, double *f, struct ms_err *err)
{
    enum ms_status s = law->draw(param, n_experts, top_k, rng, f, err);
    if (s != MS_OK)
        return s;
    /* A weight of nothing could never be chosen, not even as the last of top_k: keep it tiny. */
    double sum = 0, top = 0;
    for (int e = 0; e < n_experts; e++)
        top = fmax(top, f[e]);
    for (int e = 0; e < n_experts; e++) {
        f[e] = law->inclusion ? f[e] : fmax(f[e], top * 1e-12);
        sum += f[e];
    }
    for (int e = 0; e < n_experts; e++)
        f[e] /= sum;
    if (order == MS_ORDER_SORTED)
        qsort(f, (size_t)n_experts, sizeof *f, falling);
    else
        permute(rng, f, n_experts);
    return MS_OK;
}
