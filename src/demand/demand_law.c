/* Decides the popularity of experts where a law gives it: one draw a (repeat, layer), and how it
 * drifts from step to step. */
#include <math.h>

#include "demand/demand_history.h"
#include "routing/sample.h"

/* One draw now finds what the law refuses for this model. */
static enum ms_status try_law(struct ms_demand *d, struct ms_sampler *sampler, double *f,
                              struct ms_err *err)
{
    struct ms_rng rng;
    struct ms_err local = {0};
    ms_rng_init(&rng, d->in.seed, "popularity", 0, 0, 0);
    enum ms_status s = ms_law_draw(d->law, d->law->order, d->E, d->K, &rng, f, err);
    if (s != MS_OK)
        return s;
    s = ms_sampler_set(sampler, f, d->inclusion, &local);
    if (s != MS_OK)
        return ms_err_at(err, s, NULL, 0, 0, "routing.popularity", "%s", local.text);
    if (d->inclusion) {
        d->note.has_requested = true;
        d->note.requested_max_over_mean = ms_traffic_max_over_mean(f, d->E, 1);
    }
    return MS_OK;
}

enum ms_status ms_demand_open_law(struct ms_demand *d, struct ms_err *err)
{
    enum ms_status s = MS_OK;
    d->law = &d->in.routing->popularity;
    d->inclusion = d->law->law->inclusion;
    double *f = MS_NEW(&d->arena, double, (size_t)d->E);
    struct ms_sampler *sampler = ms_sampler_create(d->in.model);
    s = f && sampler ? try_law(d, sampler, f, err) : ms_err_set(err, MS_NOMEM, "out of memory");
    ms_sampler_destroy(sampler);
    if (s == MS_OK && d->in.workload->requests.phase != MS_REQUESTS_NONE) {
        d->inclusion = true; /* what a request's tokens draw from */
        s = ms_demand_law_domains(d, err);
    }
    return s;
}

/* Scale f [n] to sum 1 with none above most: what passes it goes to the others in proportion. */
static void scale_capped(double *f, int n, double most)
{
    for (int pass = 0; pass <= n; pass++) {
        double left = 1, rest = 0;
        bool cut = false;
        for (int e = 0; e < n; e++) {
            left -= f[e] < 0 ? most : 0; /* negative: cut already */
            rest += f[e] < 0 ? 0 : f[e];
        }
        for (int e = 0; e < n; e++)
            if (f[e] >= 0 && f[e] / rest * left > most) {
                f[e] = -1;
                cut = true;
            }
        for (int e = 0; e < n && !cut; e++)
            f[e] = f[e] < 0 ? most : f[e] / rest * left;
        if (!cut)
            return;
    }
}

/* drift d: ln p <- sqrt(1 - d^2) ln p + d x (a fresh draw of the law, always shuffled), so that the
 * spread of ln p stays what the law says. Inclusion frequencies stay possible: none above
 * 1 / top_k. */
static enum ms_status drift(struct ms_demand *d, const double *before, struct ms_rng *rng,
                            double *fresh, double *now, struct ms_err *err)
{
    double amount = d->in.routing->drift, keep = sqrt(1 - amount * amount), top = -INFINITY;
    enum ms_status s = ms_law_draw(d->law, MS_ORDER_SHUFFLED, d->E, d->K, rng, fresh, err);
    if (s != MS_OK)
        return s;
    for (int e = 0; e < d->E; e++) {
        now[e] = keep * log(fmax(before[e], 1e-300)) + amount * log(fmax(fresh[e], 1e-300));
        top = fmax(top, now[e]);
    }
    for (int e = 0; e < d->E; e++)
        now[e] = exp(now[e] - top);
    scale_capped(now, d->E, d->law->law->inclusion ? 1.0 / d->K : 1);
    return MS_OK;
}

enum ms_status ms_demand_draw_past(struct ms_demand *d, int repeat, int64_t n_steps,
                                   struct ms_err *err)
{
    const struct ms_routing_params *r = d->in.routing;
    if (!d->law || r->drift <= 0)
        return MS_OK;
    uint64_t draw = r->redraw == MS_REDRAW_POPULARITY ? (uint64_t)repeat : 0;
    size_t E = (size_t)d->E, a_step = ms_cell(d->L, d->D, 0) * E;
    double *fresh = MS_NEW(&d->run, double, E);
    d->past_steps = n_steps;
    d->past_popularity = MS_NEW(&d->run, double, (size_t)n_steps *a_step);
    if (!fresh || !d->past_popularity)
        return ms_err_set(err, MS_NOMEM, "out of memory for %lld past steps", (long long)n_steps);
    for (int64_t back = 0; back < n_steps; back++)
        for (int i = 0; i < d->L * d->D; i++) {
            double *f = d->past_popularity + (size_t)back * a_step + (size_t)i * E;
            struct ms_rng rng;
            ms_rng_init(&rng, d->in.seed, "past_popularity", draw, (uint64_t)(i / d->D),
                        (uint64_t)(i % d->D) << 32 | (uint64_t)back);
            enum ms_status s =
                drift(d, back ? f - a_step : d->popularity + (size_t)i * E, &rng, fresh, f, err);
            if (s != MS_OK)
                return s;
        }
    return MS_OK;
}

const double *ms_demand_past(const struct ms_demand *d, int64_t step, int layer, int domain)
{
    if (!d->past_popularity || step >= 0 || -step > d->past_steps)
        return NULL;
    size_t row = (size_t)(-step - 1) * (size_t)d->L + (size_t)layer;
    return d->past_popularity + (row * (size_t)d->D + (size_t)domain) * (size_t)d->E;
}

enum ms_status ms_demand_draw_popularity(struct ms_demand *d, int repeat, struct ms_err *err)
{
    if (!d->law)
        return MS_OK;
    const struct ms_routing_params *r = d->in.routing;
    uint64_t draw = r->redraw == MS_REDRAW_POPULARITY ? (uint64_t)repeat : 0;
    size_t E = (size_t)d->E, a_step = ms_cell(d->L, d->D, 0) * E;
    double *fresh = MS_NEW(&d->run, double, E);
    d->popularity_steps = r->drift > 0 ? d->P : 1;
    d->popularity = MS_NEW(&d->run, double, (size_t)d->popularity_steps *a_step);
    if (!fresh || !d->popularity)
        return ms_err_set(err, MS_NOMEM, "out of memory");
    for (int step = 0; step < d->popularity_steps; step++)
        for (int i = 0; i < d->L * d->D; i++) {
            double *f = d->popularity + (size_t)step * a_step + (size_t)i * E;
            struct ms_rng rng;
            ms_rng_init(&rng, d->in.seed, "popularity", draw, (uint64_t)(i / d->D),
                        (uint64_t)(i % d->D) << 32 | (unsigned)step);
            enum ms_status s = step == 0
                                   ? ms_law_draw(d->law, d->law->order, d->E, d->K, &rng, f, err)
                                   : drift(d, f - a_step, &rng, fresh, f, err);
            if (s != MS_OK)
                return s;
        }
    return MS_OK;
}
