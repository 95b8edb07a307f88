/* Where training tokens come from: texts as bytes with a held-out tail, drawn by (seed, step,
 * row), or a token array in its own order. */
#include "moe/data.h"

#include <limits.h>
#include <string.h>

#include "base/rng.h"

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* "jargon.txt.gz" -> "jargon" */
static void stem_of(const char *path, char *out, size_t size)
{
    char once[PATH_MAX];
    ms_path_stem(path, once, sizeof once);
    size_t n = strlen(path);
    if (n > 3 && strcmp(path + n - 3, ".gz") == 0)
        ms_path_stem(once, out, size);
    else
        snprintf(out, size, "%s", once);
}

/* level 0: stems, 1: file names, 2: paths */
static const char *domain_name(struct ms_arena *a, const char *path, int level)
{
    char stem[PATH_MAX];
    stem_of(path, stem, sizeof stem);
    return ms_arena_strdup(a, level == 0 ? stem : level == 1 ? base_name(path) : path);
}

static enum ms_status name_domains(struct ms_data *d, const struct ms_train_params *p,
                                   struct ms_err *err)
{
    bool unique = false;
    for (int level = 0; level < 3 && !unique; level++) {
        unique = true;
        for (int i = 0; i < d->n_domains; i++) {
            d->domains[i].name = domain_name(&d->arena, p->data.text[i], level);
            if (!d->domains[i].name)
                return ms_err_set(err, MS_NOMEM, "no memory for the names of the texts");
            for (int j = 0; j < i; j++)
                unique = unique && strcmp(d->domains[i].name, d->domains[j].name) != 0;
        }
    }
    if (!unique)
        return ms_err_at(err, MS_INVALID, NULL, 0, 0, "train.data.text",
                         "the same file is given twice");
    return MS_OK;
}

/* A part that fills no window would be held out for nothing. */
static enum ms_status check_heldout(const struct ms_domain *m, const struct ms_train_params *p,
                                    const char *path, struct ms_err *err)
{
    size_t held = m->text.ids.n - m->n_train;
    if (p->data.heldout <= 0 || p->evaluate_every <= 0 || held > (size_t)p->seq)
        return MS_OK;
    return ms_err_at(err, MS_INVALID, path, 0, 0, "train.data.heldout",
                     "the held-out part has %zu tokens, fewer than train.seq + 1 = %lld: nothing "
                     "could be evaluated; take a longer text, a larger share, or heldout: 0",
                     held, (long long)p->seq + 1);
}

static enum ms_status open_texts(struct ms_data *d, const struct ms_train_params *p,
                                 const struct ms_text_codec *codec, struct ms_err *err)
{
    enum ms_status s = MS_OK;
    d->n_domains = (int)p->data.n_text;
    d->domains = MS_NEW(&d->arena, struct ms_domain, p->data.n_text);
    d->steps = INT64_MAX;
    if (!d->domains)
        return ms_err_set(err, MS_NOMEM, "no memory for %d texts", d->n_domains);
    for (int i = 0; i < d->n_domains && !s; i++) {
        struct ms_domain *m = &d->domains[i];
        s = ms_token_text_read(codec, p->data.text[i], &m->text, err);
        if (s)
            return s;
        m->n_train = m->text.ids.n - (size_t)((double)m->text.ids.n * p->data.heldout);
        if (m->n_train < (size_t)p->seq + 1)
            return ms_err_at(err, MS_INVALID, p->data.text[i], 0, 0, "train.data.text",
                             "%zu tokens to train on are fewer than train.seq + 1 = %lld",
                             m->n_train, (long long)p->seq + 1);
        s = check_heldout(m, p, p->data.text[i], err);
    }
    if (s)
        return s;
    return name_domains(d, p, err);
}

static enum ms_status open_tokens(struct ms_data *d, const struct ms_train_params *p,
                                  struct ms_err *err)
{
    struct ms_npy *t = &d->tokens;
    enum ms_status s = ms_npy_read(p->data.tokens, t, err);
    if (s)
        return s;
    const char *file = p->data.tokens;
    if (t->n_dims != 3 || t->type >= MS_NPY_F4)
        return ms_err_at(
            err, MS_INVALID, file, 0, 0, "train.data.tokens",
            "an array of %d dimensions of type %s; needed: int32 [steps, batch, seq+1]", t->n_dims,
            ms_npy_descr(t->type));
    if (t->shape[1] != (size_t)p->batch || t->shape[2] != (size_t)p->seq + 1)
        return ms_err_at(err, MS_INVALID, file, 0, 0, "train.data.tokens",
                         "shape [%zu, %zu, %zu] does not fit train.batch %lld and train.seq %lld: "
                         "needed [steps, "
                         "%lld, %lld]",
                         t->shape[0], t->shape[1], t->shape[2], (long long)p->batch,
                         (long long)p->seq, (long long)p->batch, (long long)p->seq + 1);
    if (t->shape[0] < (size_t)p->steps)
        return ms_err_at(err, MS_INVALID, file, 0, 0, "train.steps",
                         "%lld steps, but the file holds %zu", (long long)p->steps, t->shape[0]);
    for (size_t i = 0; i < t->count; i++) {
        int64_t v;
        if (!ms_npy_integer(t, i, &v) || v < 0 || v > INT32_MAX)
            return ms_err_at(err, MS_INVALID, file, 0, 0, "train.data.tokens",
                             "element %zu is not a token", i);
    }
    d->steps = (int64_t)t->shape[0];
    d->n_domains = 1;
    d->domains = MS_NEW(&d->arena, struct ms_domain, 1);
    if (!d->domains || !(d->domains[0].name = domain_name(&d->arena, file, 0)))
        return ms_err_set(err, MS_NOMEM, "no memory for the names of the texts");
    return MS_OK;
}

enum ms_status ms_data_open(struct ms_data *d, const struct ms_train_params *p,
                            const struct ms_text_codec *codec, struct ms_err *err)
{
    d->batch = (int)p->batch;
    d->seq = (int)p->seq;
    d->seed = p->seed;
    enum ms_status s = p->data.tokens ? open_tokens(d, p, err) : open_texts(d, p, codec, err);
    if (s)
        ms_data_finish(d);
    return s;
}

void ms_data_finish(struct ms_data *d)
{
    for (int i = 0; d->domains && i < d->n_domains; i++)
        ms_token_text_finish(&d->domains[i].text);
    ms_npy_finish(&d->tokens);
    ms_arena_finish(&d->arena);
    *d = (struct ms_data){0};
}

static void token_row(const struct ms_data *d, int64_t step, int b, int32_t *tokens,
                      int32_t *targets)
{
    size_t first = ((size_t)step * (size_t)d->batch + (size_t)b) * ((size_t)d->seq + 1);
    for (int t = 0; t < d->seq; t++) {
        int64_t in = 0, out = 0;
        ms_npy_integer(&d->tokens, first + (size_t)t, &in);
        ms_npy_integer(&d->tokens, first + (size_t)t + 1, &out);
        tokens[t] = (int32_t)in;
        targets[t] = (int32_t)out;
    }
}

static void text_row(const struct ms_data *d, int64_t step, int b, int32_t *tokens,
                     int32_t *targets, int *domain)
{
    *domain = (int)(((uint64_t)step * (uint64_t)d->batch + (uint64_t)b) % (uint64_t)d->n_domains);
    const struct ms_domain *m = &d->domains[*domain];
    struct ms_rng rng;
    ms_rng_init(&rng, d->seed, "batch", (uint64_t)step, (uint64_t)b, 0);
    uint64_t places = m->n_train - (size_t)d->seq; /* each has seq inputs and one target more */
    uint64_t at =
        places <= UINT32_MAX ? ms_rng_below(&rng, (uint32_t)places) : ms_rng_u64(&rng) % places;
    memcpy(tokens, m->text.ids.id + at, (size_t)d->seq * sizeof *tokens);
    memcpy(targets, m->text.ids.id + at + 1, (size_t)d->seq * sizeof *targets);
}

void ms_data_batch(const struct ms_data *d, int64_t step, int32_t *tokens, int32_t *targets,
                   int *domain)
{
    for (int b = 0; b < d->batch; b++) {
        size_t row = (size_t)b * (size_t)d->seq;
        domain[b] = 0;
        if (d->tokens.data)
            token_row(d, step, b, tokens + row, targets + row);
        else
            text_row(d, step, b, tokens + row, targets + row, &domain[b]);
    }
}
