/* The table of popularity laws and presets, and one draw of a law put into expert order: what is
 * common to all laws. */
#include "routing/law.h"

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

/* Ranges measured on real models. OLMoE, Mixtral and DeepSeek-R1: tokens of the busiest expert (of
 * the busiest rank for r1-ep32) over the mean. */
static const struct ms_law_preset presets[] = {
    {"balanced-lbl", "a well balanced model (Mixtral 8x7B): max/mean 1.2", "target",
     "max_over_mean", "1.2"},
    {"mixed-domain", "OLMoE on mixed text: max/mean 2.7", "target", "max_over_mean", "2.7"},
    {"single-domain", "OLMoE on one domain (arXiv, code, Wikipedia): max/mean 6", "target",
     "max_over_mean", "6"},
    {"r1-ep32", "DeepSeek-R1 served at EP32 before balancing: the busiest rank 2.56 times the mean",
     "lognormal", "sigma", "1.13"},
    {"collapse", "trained without a balancing loss: max/mean 12", "target", "max_over_mean", "12"},
    {0},
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

enum ms_status ms_popularity_init(struct ms_popularity *p, const char *name, bool preset_value,
                                  struct ms_arena *arena, struct ms_err *err)
{
    const struct ms_law *law = ms_law_find(name);
    const struct ms_law_preset *preset = preset_find(name);
    *p = (struct ms_popularity){.law = law, .order = MS_ORDER_SHUFFLED};
    if (!law)
        return ms_err_at(err, MS_INVALID, NULL, 0, 0, "routing.popularity.law",
                         "'%s' is not a popularity law", name);
    p->params = ms_arena_alloc(arena, 1, law->params_size);
    if (!p->params)
        return ms_err_set(err, MS_NOMEM, "out of memory");
    ms_field_defaults(law->fields, p->params);
    if (!preset || !preset_value)
        return MS_OK;
    const struct ms_field *f = ms_field_find(law->fields, preset->key);
    return ms_field_parse(f, preset->value, true, NULL, (char *)p->params + f->offset, err);
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

enum ms_status ms_law_draw(const struct ms_popularity *p, int order, int n_experts, int top_k,
                           struct ms_rng *rng, double *f, struct ms_err *err)
{
    enum ms_status s = p->law->draw(p->params, n_experts, top_k, rng, f, err);
    if (s != MS_OK)
        return s;
    /* A weight of nothing could never be chosen, not even as the last of top_k: keep it tiny. */
    double sum = 0, top = 0;
    for (int e = 0; e < n_experts; e++)
        top = fmax(top, f[e]);
    for (int e = 0; e < n_experts; e++) {
        f[e] = p->law->inclusion ? f[e] : fmax(f[e], top * 1e-12);
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
