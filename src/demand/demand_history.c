/* Decides which loads a placement sees: batches of the same repeat before its first step, never one
 * that is scored. What requests chose then is drawn by mean and spread; without requests a past batch
 * is another draw of the same popularity. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "demand/demand_history.h"
#include "routing/sample.h"

enum { MOST_BATCHES = 12, MOST_TOKENS = 1 << 18 };

int ms_demand_past_steps(const struct ms_demand *d, int epoch, int64_t *step)
{
    const struct ms_place_params *p = d->in.place;
    int own = epoch > 0 && p->rebalance.history > 0 ? p->rebalance.history : p->history;
    int history = own > 0 ? own : 1;
    int n = history < MOST_BATCHES ? history : MOST_BATCHES;
    int64_t first = (int64_t)epoch * d->epoch_steps;
    for (int b = 0; b < n; b++)
        step[b] = first - 1 - (int64_t)p->stale_steps - (int64_t)b * history / n;
    return n;
}

static int falling(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return x < y ? 1 : x > y ? -1 : 0;
}

/* All steps before the run that any of its placements sees: falling, each once. */
static enum ms_status list_past(struct ms_demand *d, struct ms_err *err)
{
    size_t n = 0, kept = 0;
    if (d->past_step)
        return MS_OK;
    d->past_step = MS_NEW(&d->run, int64_t, (size_t)d->n_epochs * MOST_BATCHES);
    if (!d->past_step)
        return ms_err_set(err, MS_NOMEM, "out of memory");
    for (int k = 0; k < d->n_epochs; k++) {
        int64_t step[MOST_BATCHES];
        int of_epoch = ms_demand_past_steps(d, k, step);
        for (int b = 0; b < of_epoch; b++)
            if (step[b] < 0)
                d->past_step[n++] = step[b];
    }
    qsort(d->past_step, n, sizeof *d->past_step, falling);
    for (size_t i = 0; i < n; i++)
        if (kept == 0 || d->past_step[kept - 1] != d->past_step[i])
            d->past_step[kept++] = d->past_step[i];
    d->n_past = (int)kept;
    return MS_OK;
}

static int past_row(const struct ms_demand *d, int64_t step)
{
    int i = 0;
    while (i < d->n_past && d->past_step[i] != step)
        i++;
    return i;
}

/* The stream of a past batch: its number among those of the first placement, so that its draws do not
 * depend on later ones. */
static uint64_t stream_of(const struct ms_demand *d, int64_t at)
{
    int64_t step[MOST_BATCHES];
    int n = ms_demand_past_steps(d, 0, step);
    for (int b = 0; b < n; b++)
        if (step[b] == at)
            return (uint64_t)b;
    return (uint64_t)(MOST_BATCHES - at);
}

/* ---- requests ---- */

enum ms_status ms_demand_look_back(struct ms_demand *d, struct ms_requests_problem *p,
                                   struct ms_err *err)
{
    if (!d->strategy->needs_load)
        return MS_OK;
    enum ms_status s = list_past(d, err);
    if (s != MS_OK)
        return s;
    p->past = d->past_step;
    p->n_past = d->n_past;
    size_t n = d->recorded ? ms_cell(p->n_past, d->L, 0) * (size_t)d->E
                           : (size_t)p->n_past * (size_t)d->D * MS_VARIANTS;
    d->seen = MS_NEW(&d->run, double, n);
    if (!d->seen)
        return ms_err_set(err, MS_NOMEM, "out of memory for %d past batches", p->n_past);
    p->see = ms_demand_see;
    p->ctx = d;
    return MS_OK;
}

/* Recorded requests: their own experts. Else how many tokens each pattern had. */
void ms_demand_see(void *ctx, int batch, const struct ms_run *run)
{
    struct ms_demand *d = ctx;
    if (!d->recorded) {
        d->seen[(size_t)batch * (size_t)d->D * MS_VARIANTS + run->request] += run->n_tokens;
        return;
    }
    const struct ms_trace *t = &d->trace;
    int each = t->n_tokens / t->n_requests;
    for (int l = 0; l < d->L; l++) {
        double *load = d->seen + ms_cell(batch, d->L, l) * (size_t)d->E;
        for (int k = 0; k < run->n_tokens; k++) {
            int token = (int)run->request * each + run->first + k;
            const uint16_t *id =
                t->ids + ms_cell(token, t->n_layers, l % t->n_layers) * (size_t)d->K;
            for (int i = 0; i < d->K; i++)
                load[id[i]] += id[i] < d->E;
        }
    }
}

/* Counts around their means, as tokens that choose one by one would have them. */
static void scatter(const struct ms_demand *d, struct ms_rng rng, double *load)
{
    double tokens = 0;
    for (int e = 0; e < d->E; e++)
        tokens += load[e] / d->K;
    for (int e = 0; e < d->E && tokens > 0; e++) {
        double pi = fmin(load[e] / tokens, 1);
        load[e] += sqrt(load[e] * (1 - pi)) * ms_rng_normal(&rng);
        load[e] = fmax(nearbyint(load[e]), 0);
    }
}

static enum ms_status by_requests(struct ms_demand *d, int repeat, double *load, struct ms_err *err)
{
    int n_batches = d->n_past;
    const int64_t *step = d->past_step;
    size_t E = (size_t)d->E, patterns = (size_t)d->D * MS_VARIANTS;
    size_t each = d->bank ? 1 : MS_VARIANTS; /* variants that choose alike */
    double *f = MS_NEW(&d->run, double, E);
    if (!f)
        return ms_err_set(err, MS_NOMEM, "out of memory");
    for (int l = 0; l < d->L; l++)
        for (size_t p = 0; p < patterns; p += each)
            for (int b = 0; b < n_batches; b++) {
                double n = 0, *mean = load + ms_cell(b, d->L, l) * E;
                for (size_t v = p; v < p + each; v++)
                    n += d->seen[(size_t)b * patterns + v];
                if (b == 0 || d->past_popularity)
                    ms_demand_pattern(d, step[b], l, (int)(p / each), f);
                for (size_t e = 0; e < E; e++)
                    mean[e] += n * f[e] * d->K;
            }
    for (int b = 0; b < n_batches; b++)
        for (int l = 0; l < d->L; l++) {
            struct ms_rng rng;
            ms_rng_init(&rng, d->in.seed, "past", (uint64_t)repeat, (uint64_t)l,
                        stream_of(d, step[b]));
            scatter(d, rng, load + ms_cell(b, d->L, l) * E);
        }
    return MS_OK;
}

/* ---- no requests ---- */

/* n tokens as a rank would choose in a layer, added to load [E]. */
static enum ms_status add_choice(struct ms_demand *d, struct ms_sampler *s, struct ms_rng *stream,
                                 int64_t step, int layer, int rank, int n, uint16_t *chosen,
                                 double *load, struct ms_err *err)
{
    if (d->trace.ids) {
        ms_demand_draw_ids(d, stream, layer, n, chosen);
    } else {
        const double *f = ms_demand_past(d, step, layer, 0);
        if (!f)
            f = ms_demand_frequencies(d, 0, layer, 0, rank);
        enum ms_status status = ms_sampler_set(s, f, d->inclusion, err);
        if (status != MS_OK)
            return status;
        stream->ctr[1] = (uint32_t)rank;
        ms_sampler_begin(s, *stream);
        ms_sampler_draw(s, n, chosen, NULL);
    }
    for (int i = 0; i < n * d->K; i++)
        load[chosen[i]]++;
    return MS_OK;
}

/* As many tokens in all as the batches had, or enough to tell loads by a hundredth. */
static enum ms_status by_popularity(struct ms_demand *d, int repeat, double *load,
                                    struct ms_err *err)
{
    int64_t first[MOST_BATCHES];
    int n_batches = ms_demand_past_steps(d, 0, first);
    struct ms_sampler *s = ms_sampler_create(d->in.model);
    bool differ = ms_demand_ranks_differ(d);
    double real = 0;
    for (int r = 0; r < d->G; r++)
        real += (double)ms_demand_tokens(d, 0, 0, 0, r);
    int n_ranks = differ ? d->G : 1;
    int n = (int)fmin(fmax(real, 256), (double)MOST_TOKENS / n_batches) / n_ranks + 1;
    uint16_t *chosen = malloc(((size_t)n + 1) * (size_t)d->K * sizeof *chosen);
    enum ms_status status = s && chosen ? MS_OK : ms_err_set(err, MS_NOMEM, "out of memory");
    for (int b = 0; b < d->n_past; b++)
        for (int l = 0; l < d->L && status == MS_OK; l++) {
            struct ms_rng stream;
            ms_rng_init(&stream, d->in.seed, "loads", (uint64_t)repeat, (uint64_t)l,
                        stream_of(d, d->past_step[b]));
            for (int r = 0; r < n_ranks && status == MS_OK; r++)
                status = add_choice(d, s, &stream, d->past_step[b], l, r, n, chosen,
                                    load + ms_cell(b, d->L, l) * (size_t)d->E, err);
        }
    ms_sampler_destroy(s);
    free(chosen);
    return status;
}

/* Loads of all steps before the run that its placements see. */
static enum ms_status load_past(struct ms_demand *d, int repeat, struct ms_err *err)
{
    enum ms_status s = list_past(d, err);
    if (s != MS_OK || d->past_load || d->n_past == 0)
        return s;
    s = ms_demand_draw_past(d, repeat, -d->past_step[d->n_past - 1], err);
    if (s != MS_OK)
        return s;
    size_t n = ms_cell(d->n_past, d->L, 0) * (size_t)d->E;
    d->past_load = MS_NEW(&d->run, double, n);
    if (!d->past_load)
        return ms_err_set(err, MS_NOMEM, "out of memory for %d past batches", d->n_past);
    if (d->recorded && d->seen)
        memcpy(d->past_load, d->seen, n * sizeof *d->past_load);
    else if (d->seen)
        return by_requests(d, repeat, d->past_load, err);
    else
        return by_popularity(d, repeat, d->past_load, err);
    return MS_OK;
}

/* What a step of the run chose, all groups together, in a layer. */
static void add_step(const struct ms_demand *d, int64_t step, int layer, double *load)
{
    for (int q = 0; q < d->Q; q++) {
        const struct ms_traffic *t =
            &d->traffic[ms_cell((int)step, d->L, layer) * (size_t)d->Q + (size_t)q];
        for (int e = 0; e < d->E; e++)
            load[e] += t->expert_tokens[e];
    }
}

/* Batches of before the run are samples of their own size: made as large as those of the run. */
static void even_out(const struct ms_demand *d, int n_batches, double *load)
{
    for (int l = 0; l < d->L; l++) {
        double want = 0;
        for (int b = 0; b < n_batches; b++) {
            double sum = 0, *of = load + ms_cell(b, d->L, l) * (size_t)d->E;
            for (int e = 0; e < d->E; e++)
                sum += of[e];
            want = b == 0 ? sum : want;
            for (int e = 0; e < d->E && sum > 0; e++)
                of[e] *= want / sum;
        }
    }
}

enum ms_status ms_demand_past_loads(struct ms_demand *d, int repeat, int epoch, double **load,
                                    int *n_batches, struct ms_err *err)
{
    int64_t step[MOST_BATCHES];
    int B = ms_demand_past_steps(d, epoch, step);
    size_t each = ms_cell(d->L, d->E, 0);
    enum ms_status s = load_past(d, repeat, err);
    if (s != MS_OK)
        return s;
    *n_batches = B;
    *load = MS_NEW(&d->run, double, (size_t)B *each);
    if (!*load)
        return ms_err_set(err, MS_NOMEM, "out of memory for %d past batches", B);
    for (int b = 0; b < B; b++) {
        double *to = *load + (size_t)b * each;
        if (step[b] < 0)
            memcpy(to, d->past_load + (size_t)past_row(d, step[b]) * each, each * sizeof *to);
        for (int l = 0; l < d->L && step[b] >= 0; l++)
            add_step(d, step[b], l, to + ms_cell(l, d->E, 0));
    }
    if (epoch > 0)
        even_out(d, B, *load);
    return MS_OK;
}
