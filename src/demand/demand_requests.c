/* Decides what a request's tokens choose: the inclusion of its domain, bent by the factors of its
 * variant; and draws the tokens of an exchange pattern by pattern. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "demand/demand_history.h"
#include "routing/inclusion.h"
#include "routing/sample.h"

/* exp(N(0, tilt)) on every weight of a variant; drawn once, the same in every repeat: a variant is a
 * kind of request that comes again. */
static enum ms_status fill_bank(struct ms_demand *d, struct ms_err *err)
{
    double tilt = d->in.workload->requests.tilt;
    if (tilt <= 0 || d->bank)
        return MS_OK;
    size_t rows = (size_t)d->D * MS_VARIANTS * (size_t)d->L, E = (size_t)d->E;
    d->bank = MS_NEW(&d->arena, float, rows *E);
    if (!d->bank)
        return ms_err_set(err, MS_NOMEM, "out of memory for the variants of %d domains", d->D);
    for (size_t i = 0; i < rows; i++) {
        struct ms_rng rng;
        ms_rng_init(&rng, d->in.seed, "tilt", i / (size_t)d->L, i % (size_t)d->L, 0);
        for (size_t e = 0; e < E; e++)
            d->bank[i * E + e] = (float)exp(tilt * ms_rng_normal(&rng));
    }
    return MS_OK;
}

const double *ms_demand_domain(const struct ms_demand *d, int step, int layer, int domain)
{
    if (d->law) {
        int at = step < d->popularity_steps ? step : d->popularity_steps - 1;
        return d->popularity +
               (ms_cell(at, d->L, layer) * (size_t)d->D + (size_t)domain) * (size_t)d->E;
    }
    return d->domain_f + ms_cell(domain, d->domain_layers, layer % d->domain_layers) * (size_t)d->E;
}

/* All domains' frequencies, by weight: what a token of any request chooses. */
static enum ms_status average(struct ms_demand *d, struct ms_err *err)
{
    size_t rows = ms_cell(d->popularity ? d->popularity_steps : 1, d->L, 0), E = (size_t)d->E;
    double top = 0;
    d->mean_f = MS_NEW(&d->run, double, rows *E);
    if (!d->mean_f)
        return ms_err_set(err, MS_NOMEM, "out of memory");
    for (size_t i = 0; i < rows; i++) {
        double *mean = d->mean_f + i * E;
        int step = (int)(i / (size_t)d->L), layer = (int)(i % (size_t)d->L);
        for (int k = 0; k < d->D; k++) {
            const double *f = ms_demand_domain(d, step, layer, k);
            for (int e = 0; e < d->E; e++)
                mean[e] += d->weight[k] * f[e];
        }
        ms_inclusion_of(d->in.model, mean);
        top += ms_traffic_max_over_mean(mean, d->E, 1);
    }
    d->note.has_requested = true;
    d->note.requested_max_over_mean = top / (double)rows;
    return MS_OK;
}

enum ms_status ms_demand_draw_requests(struct ms_demand *d, int repeat, struct ms_err *err)
{
    const struct ms_request_params *q = &d->in.workload->requests;
    if (q->phase == MS_REQUESTS_NONE)
        return MS_OK;
    struct ms_requests_problem p = {.params = q,
                                    .n_steps = d->P,
                                    .n_groups = d->Q,
                                    .n_ranks = d->G,
                                    .n_domains = d->D,
                                    .weight = d->weight,
                                    .tokens = d->tokens,
                                    .seed = d->in.seed,
                                    .repeat = repeat,
                                    .recorded = d->recorded,
                                    .n_recorded = d->trace.n_requests};
    if (d->recorded)
        p.recorded_tokens = d->trace.n_tokens / d->trace.n_requests;
    enum ms_status s = ms_demand_look_back(d, &p, err);
    if (s == MS_OK)
        s = ms_requests_draw(&p, &d->run, &d->requests, err);
    if (s == MS_OK)
        s = fill_bank(d, err);
    if (s == MS_OK && !d->recorded)
        s = average(d, err);
    return s;
}

/* By what its tokens include, the request's own tilt left out. */
int ms_demand_hot_domain(const struct ms_demand *d, int step, int layer, int group, int expert,
                         double *share)
{
    double by[MS_MOST_DOMAINS] = {0}, all = 0;
    int best = -1;
    if (!d->requests.run || d->recorded || d->D < 2 || expert < 0)
        return -1;
    size_t row = ms_cell(step, d->Q, group) * (size_t)d->G;
    for (size_t i = d->requests.start[row]; i < d->requests.start[row + (size_t)d->G]; i++)
        by[d->requests.run[i].request / MS_VARIANTS] += d->requests.run[i].n_tokens;
    for (int k = 0; k < d->D; k++) {
        by[k] *= ms_demand_domain(d, step, layer, k)[expert];
        all += by[k];
        best = best < 0 || by[k] > by[best] ? k : best;
    }
    *share = all > 0 ? by[best] / all : 0;
    return all > 0 ? best : -1;
}

const char *ms_demand_domain_name(const struct ms_demand *d, int domain)
{
    return d->domain_name ? d->domain_name[domain] : NULL;
}

/* ---- the tokens of an exchange ---- */

/** Runs of an exchange by pattern, and where each one's tokens stand. */
struct sorted {
    const struct ms_run *run; /* [n] */
    int n, n_patterns;
    int *start;         /* [n_patterns + 1] */
    int *order;         /* [n] runs by pattern */
    size_t *at;         /* [n] tokens before a run */
    size_t total, most; /* tokens in all, and of the largest pattern */
};

static int pattern_of(const struct ms_demand *d, const struct ms_run *run)
{
    return (int)(d->bank ? run->request : run->request / MS_VARIANTS);
}

/* The runs of an exchange, rank by rank, of those that are there. */
static const struct ms_run *runs_of(const struct ms_demand *d, struct ms_arena *a, int step,
                                    int group, int *n)
{
    const size_t *start = d->requests.start + ms_cell(step, d->Q, group) * (size_t)d->G;
    *n = (int)(start[d->G] - start[0]);
    if (!d->lost)
        return d->requests.run + start[0];
    struct ms_run *run = MS_NEW(a, struct ms_run, (size_t)*n + 1);
    *n = 0;
    for (int r = 0; r < d->G && run; r++)
        for (size_t i = start[r]; i < start[r + 1] && !d->lost->gone[r]; i++)
            run[(*n)++] = d->requests.run[i];
    return run;
}

static bool sort_runs(const struct ms_demand *d, struct ms_arena *a, int step, int group,
                      struct sorted *s)
{
    *s = (struct sorted){.n_patterns = d->bank ? d->D * MS_VARIANTS : d->D};
    s->run = runs_of(d, a, step, group, &s->n);
    if (!s->run)
        return false;
    s->start = MS_NEW(a, int, (size_t)s->n_patterns + 2);
    s->order = MS_NEW(a, int, (size_t)s->n);
    s->at = MS_NEW(a, size_t, (size_t)s->n);
    size_t *tokens = MS_NEW(a, size_t, (size_t)s->n_patterns);
    if (!s->start || !s->order || !s->at || !tokens)
        return false;
    for (int i = 0; i < s->n; i++) {
        int p = pattern_of(d, &s->run[i]);
        s->at[i] = s->total;
        s->total += (size_t)s->run[i].n_tokens;
        tokens[p] += (size_t)s->run[i].n_tokens;
        s->most = tokens[p] > s->most ? tokens[p] : s->most;
        s->start[p + 2]++;
    }
    for (int p = 0; p < s->n_patterns; p++)
        s->start[p + 2] += s->start[p + 1];
    for (int i = 0; i < s->n; i++)
        s->order[s->start[pattern_of(d, &s->run[i]) + 1]++] = i;
    return true;
}

void ms_demand_pattern(const struct ms_demand *d, int64_t step, int layer, int pattern, double *f)
{
    int domain = d->bank ? pattern / MS_VARIANTS : pattern;
    const double *past = ms_demand_past(d, step, layer, domain);
    memcpy(f, past ? past : ms_demand_domain(d, step < 0 ? 0 : (int)step, layer, domain),
           (size_t)d->E * sizeof *f);
    if (d->bank) {
        const float *factor = d->bank + ms_cell(pattern, d->L, layer) * (size_t)d->E;
        for (int e = 0; e < d->E; e++)
            f[e] *= factor[e];
    }
    ms_inclusion_of(d->in.model, f);
}

/* All tokens of a pattern at once, then each to its run. */
static void deal(const struct sorted *s, int pattern, size_t K, const uint16_t *drawn,
                 const float *drawn_prob, uint16_t *chosen, float *prob)
{
    for (int i = s->start[pattern]; i < s->start[pattern + 1]; i++) {
        int run = s->order[i];
        size_t n = (size_t)s->run[run].n_tokens * K;
        memcpy(chosen + s->at[run] * K, drawn, n * sizeof *drawn);
        drawn += n;
        if (!prob)
            continue;
        memcpy(prob + s->at[run] * K, drawn_prob, n * sizeof *drawn_prob);
        drawn_prob += n;
    }
}

static enum ms_status choose_by_pattern(const struct ms_demand *d, struct ms_sampler *sampler,
                                        struct ms_demand_exchange x, struct ms_arena *a,
                                        uint16_t *chosen, float *prob, struct ms_err *err)
{
    struct sorted s;
    size_t K = (size_t)d->K;
    double *f = MS_NEW(a, double, (size_t)d->E);
    bool ok = f && sort_runs(d, a, x.step, x.group, &s);
    uint16_t *drawn = ok ? MS_NEW(a, uint16_t, s.most * K) : NULL;
    float *drawn_prob = ok && prob ? MS_NEW(a, float, s.most *K) : NULL;
    if (!drawn || (prob && !drawn_prob))
        return ms_err_set(err, MS_NOMEM, "out of memory");
    for (int p = 0; p < s.n_patterns; p++) {
        size_t n = 0;
        for (int i = s.start[p]; i < s.start[p + 1]; i++)
            n += (size_t)s.run[s.order[i]].n_tokens;
        if (n == 0)
            continue;
        struct ms_rng stream;
        ms_rng_init(&stream, d->in.seed, "pattern", (uint64_t)x.repeat,
                    (uint64_t)x.step << 32 | (unsigned)x.layer,
                    (uint64_t)x.group << 32 | (unsigned)p);
        ms_demand_pattern(d, x.step, x.layer, p, f);
        enum ms_status status = ms_sampler_set(sampler, f, true, err);
        if (status != MS_OK)
            return status;
        ms_sampler_begin(sampler, stream);
        ms_sampler_draw(sampler, (int)n, drawn, drawn_prob);
        deal(&s, p, K, drawn, drawn_prob, chosen, prob);
    }
    return MS_OK;
}

/* Recorded requests: the experts their tokens chose. */
static enum ms_status choose_recorded(const struct ms_demand *d, struct ms_demand_exchange x,
                                      struct ms_arena *a, uint16_t *chosen, struct ms_err *err)
{
    const struct ms_trace *t = &d->trace;
    size_t K = (size_t)d->K;
    int each = t->n_tokens / t->n_requests, layer = x.layer % t->n_layers, n;
    const struct ms_run *run = runs_of(d, a, x.step, x.group, &n);
    for (int i = 0; i < n && run; i++) {
        for (int k = 0; k < run[i].n_tokens; k++, chosen += K) {
            int token = (int)run[i].request * each + run[i].first + k;
            memcpy(chosen, t->ids + ms_cell(token, t->n_layers, layer) * K, K * sizeof *chosen);
        }
    }
    return run ? MS_OK : ms_err_set(err, MS_NOMEM, "out of memory");
}

enum ms_status ms_demand_choose(const struct ms_demand *d, struct ms_sampler *sampler,
                                struct ms_demand_exchange x, uint16_t *chosen, float *prob,
                                struct ms_err *err)
{
    struct ms_arena scratch = {0};
    enum ms_status s = MS_OK;
    if (d->recorded)
        s = choose_recorded(d, x, &scratch, chosen, err);
    else
        s = choose_by_pattern(d, sampler, x, &scratch, chosen, prob, err);
    ms_arena_finish(&scratch);
    return s;
}

/* A prompt is there for the one step that it is packed into. */
static void add_prompts(const struct ms_demand *d, double *stays)
{
    size_t P = (size_t)d->P;
    for (size_t step = 0; step < P; step++)
        for (int q = 0; q < d->Q; q++) {
            const size_t *first = d->requests.start + ms_cell((int)step, d->Q, q) * (size_t)d->G;
            stays[((size_t)q * P + step) * P + step] += (double)(first[d->G] - first[0]);
        }
}

void ms_demand_add_stays(const struct ms_demand *d, double *stays)
{
    size_t P = (size_t)d->P;
    if (d->in.workload->requests.phase == MS_REQUESTS_PREFILL && d->repeat >= 0)
        add_prompts(d, stays);
    if (d->in.workload->requests.phase != MS_REQUESTS_DECODE || d->repeat < 0)
        return;
    for (int q = 0; q < d->Q; q++)
        for (int r = 0; r < d->G; r++) {
            int64_t slots = ms_demand_tokens(d, 0, 0, q, r);
            for (int64_t slot = 0; slot < slots; slot++) {
                int first = 0;
                for (int step = 1; step <= d->P; step++) {
                    size_t row = ms_cell(step, d->Q, q) * (size_t)d->G + (size_t)r;
                    bool there = step < d->P && slot < ms_demand_tokens(d, step, 0, q, r);
                    if (there && d->requests.run[d->requests.start[row] + (size_t)slot].first > 0)
                        continue;
                    stays[((size_t)q * P + (size_t)first) * P + (size_t)step - 1]++;
                    first = step;
                    if (!there)
                        break;
                }
            }
        }
}
