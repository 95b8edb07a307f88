/* How a group of rows fixes constants: least squares on the relative error, constants that the rows say
 * nothing of let go, and each size of the rows left out in turn and predicted. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "hardware/calibrate_group.h"
#include "hardware/row_form.h"

enum { N_STARTS = 32, N_STARTS_AGAIN = 6 };
static const double NOISE = 0.01; /* of a measured number, at least */
static const double FLOOR = 0.02;
static const double TOLERANCE = 0.08;
static const double LOOSE = 0.7; /* a standard error beyond this fixes nothing */

/* A group of rows under the solver. */
struct problem {
    struct ms_hardware_kernels k; /* what is not fitted stays */
    const struct ms_fit *fit;
    const struct ms_form_load *load; /* [fit->n] */
    const bool *out;                 /* [fit->n] rows left out; NULL: none */
    bool usual;                      /* keep what they do not fix near its usual size */
    int n_in, n_prior;
    int free[MS_MOST_PARAMETERS]; /* which constants x stands for */
    int n_free;
    double low[MS_MOST_PARAMETERS], high[MS_MOST_PARAMETERS], scale[MS_MOST_PARAMETERS];
};

/* Start-up between nodes is that within one, and more for each doubling or message: where rows of one
 * number of nodes cannot tell the parts apart, this does. It weighs less than a tenth of a row. */
static const double PRIOR_WEIGHT = 0.07;
/* A constant that the rows left in say nothing of is of its usual size. */
static const double USUAL_WEIGHT = 0.1;

static bool has_prior(const struct ms_fit *fit, const struct ms_fit_constant *c)
{
    return c->leg >= 0 && fit->node_alpha_s[c->leg] > 0 && strcmp(c->of->key, "alpha") == 0;
}

static void set_constant(struct ms_hardware_kernels *k, const struct ms_fit_constant *c, double v)
{
    double *at = (double *)((char *)k + c->of->offset);
    at[c->leg > 0] = v;
    if (c->leg < 0 && !c->of->both)
        at[1] = v;
}

static double form_us(const struct ms_hardware_kernels *k, const struct ms_measured_row *r,
                      const struct ms_form_load *load)
{
    int leg = ms_row_form_leg(r);
    if (r->leg == MS_LEG_NOTIFY)
        return 1e6 * ms_form_notify_s(k, load, leg);
    double s = ms_form_leg_s(k, load, leg);
    return 1e6 * (ms_row_without_notify(r) ? s - ms_form_notify_s(k, load, leg) : s);
}

/* Beyond TOLERANCE an error counts in proportion, not by its square: one odd row does not pull the
 * others along (soft L1; Triggs et al., "Bundle adjustment", 1999, 3.3). */
static double softened(double e)
{
    double s = TOLERANCE * sqrt(2 * (sqrt(1 + pow(e / TOLERANCE, 2)) - 1));
    return e < 0 ? -s : s;
}

static void residuals(void *ctx, const double *x, double *r)
{
    struct problem *p = ctx;
    struct ms_hardware_kernels k = p->k;
    for (int i = 0; i < p->n_free; i++)
        set_constant(&k, &p->fit->constant[p->free[i]], x[i]);
    int at = 0;
    for (size_t i = 0; i < p->fit->n; i++)
        if (!p->out || !p->out[i])
            r[at++] =
                softened(form_us(&k, p->fit->row[i], &p->load[i]) / p->fit->row[i]->value_us - 1);
    for (int i = 0; i < p->n_free; i++) {
        const struct ms_fit_constant *c = &p->fit->constant[p->free[i]];
        if (has_prior(p->fit, c))
            r[at++] = PRIOR_WEIGHT * (x[i] / p->fit->node_alpha_s[c->leg] - 1);
        else if (p->usual)
            r[at++] = USUAL_WEIGHT * (x[i] / c->of->start - 1);
    }
}

static struct ms_least_squares set_up(struct problem *p)
{
    p->n_free = p->n_in = p->n_prior = 0;
    for (int i = 0; i < p->fit->n_constants; i++) {
        const struct ms_fit_constant *c = &p->fit->constant[i];
        if (!c->fixed) {
            set_constant(&p->k, c, c->base);
            continue;
        }
        p->low[p->n_free] = c->of->low;
        p->high[p->n_free] = c->of->high;
        p->scale[p->n_free] = c->of->start;
        p->n_prior += p->usual || has_prior(p->fit, c);
        p->free[p->n_free++] = i;
    }
    for (size_t i = 0; i < p->fit->n; i++)
        p->n_in += !p->out || !p->out[i];
    return (struct ms_least_squares){.n_parameters = p->n_free,
                                     .n_residuals = p->n_in + p->n_prior,
                                     .low = p->low,
                                     .high = p->high,
                                     .scale = p->scale,
                                     .ctx = p,
                                     .residuals = residuals};
}

/* ---- one group ---- */
/* Four digits are more than any row fixes. */
static double rounded(double v)
{
    char text[32];
    snprintf(text, sizeof text, "%.4g", v);
    return strtod(text, NULL);
}

static double error_of(const struct ms_fit *fit, const struct ms_form_load *load, size_t i,
                       const struct ms_hardware_kernels *k)
{
    return fabs(form_us(k, fit->row[i], &load[i]) / fit->row[i]->value_us - 1);
}

static void measure(struct ms_fit *fit, const struct ms_form_load *load)
{
    double sum = 0;
    fit->worst = 0;
    for (size_t i = 0; i < fit->n; i++) {
        fit->form_us[i] = form_us(&fit->kernels, fit->row[i], &load[i]);
        double e = error_of(fit, load, i, &fit->kernels);
        sum += e;
        fit->worst = fmax(fit->worst, e);
    }
    fit->mean = sum / (double)fit->n;
}

/* Fit; a constant that comes out loose goes back to the base's, and the others are fitted again: the
 * last one of the family first, whose constants stand in the order of what a leg needs. */
static enum ms_status solve(struct ms_fit *fit, const struct ms_form_load *load,
                            const struct ms_hardware_kernels *base, int n_starts)
{
    double x[MS_MOST_PARAMETERS], error[MS_MOST_PARAMETERS], sum;
    for (;;) {
        struct problem p = {.k = *base, .fit = fit, .load = load};
        struct ms_least_squares ls = set_up(&p);
        int loose = -1;
        for (int i = 0; i < p.n_free; i++) {
            const struct ms_fit_constant *c = &fit->constant[p.free[i]];
            double first = c->value > 0 ? c->value : c->base > 0 ? c->base : c->of->start;
            x[i] = fmin(c->of->high, fmax(c->of->low, first));
        }
        if (p.n_free > 0 && (ms_least_squares_solve(&ls, n_starts, x, &sum) != MS_OK ||
                             ms_least_squares_errors(&ls, x, NOISE, error) != MS_OK))
            return MS_NOMEM;
        for (int i = 0; i < p.n_free; i++) {
            struct ms_fit_constant *c = &fit->constant[p.free[i]];
            c->value = rounded(x[i]);
            c->error = error[i];
            if (error[i] > LOOSE && !has_prior(fit, c))
                loose = i;
        }
        fit->kernels = p.k;
        for (int i = 0; i < p.n_free; i++)
            set_constant(&fit->kernels, &fit->constant[p.free[i]], fit->constant[p.free[i]].value);
        if (loose < 0)
            return MS_OK;
        struct ms_fit_constant *c = &fit->constant[p.free[loose]];
        c->fixed = false;
        c->value = c->base;
    }
}

/* Akaike's criterion ("A new look at the statistical model identification", IEEE TAC 19, 1974): the less
 * the better; published numbers are not better than to FLOOR. */
static double criterion(const struct ms_fit *fit, const struct ms_form_load *load)
{
    double n = (double)fit->n, sum = 0;
    int constants = 0;
    for (int i = 0; i < fit->n_constants; i++)
        constants += fit->constant[i].fixed;
    for (size_t i = 0; i < fit->n; i++)
        sum += pow(softened(error_of(fit, load, i, &fit->kernels)), 2);
    return n * log(sum / n + FLOOR * FLOOR) + constants * 2;
}

/* Let go of constants that explain no more than their number does, the last of the family first. */
static enum ms_status simplify(struct ms_fit *fit, const struct ms_form_load *load,
                               const struct ms_hardware_kernels *base)
{
    double best = criterion(fit, load);
    for (int i = fit->n_constants - 1; i >= 0; i--) {
        struct ms_fit simpler = *fit;
        struct ms_fit_constant *c = &simpler.constant[i];
        if (!c->fixed || has_prior(fit, c))
            continue;
        c->fixed = false;
        c->agrees = c->base > 0;
        c->value = c->base;
        if (solve(&simpler, load, base, N_STARTS_AGAIN) != MS_OK)
            return MS_NOMEM;
        double without = criterion(&simpler, load);
        if (without > best)
            continue;
        best = without;
        *fit = simpler;
    }
    return MS_OK;
}

/* ---- left out ---- */

static double size_of(const struct ms_measured_row *r, enum ms_fit_size size)
{
    switch (size) {
    case MS_SIZE_RANKS:
        return r->ranks;
    case MS_SIZE_TOKENS:
        return ms_row_in_bytes(r) ? fmax(r->bytes_sent, r->bytes_received) : (double)r->tokens;
    case MS_SIZE_HIDDEN:
        return r->hidden;
    case MS_SIZE_EXPERTS:
        return r->experts;
    case MS_SIZE_SMS:
        return r->sms;
    default:
        return 0;
    }
}

/* The rows of one size predicted from all the others, by constants that these fix. */
static enum ms_status leave_out(const struct ms_fit *fit, const struct ms_form_load *load,
                                const struct ms_hardware_kernels *base, const bool *out,
                                struct ms_fit_left_out *l)
{
    double x[MS_MOST_PARAMETERS], sum;
    struct problem p = {.k = *base, .fit = fit, .load = load, .out = out, .usual = true};
    struct ms_least_squares ls = set_up(&p);
    for (int i = 0; i < p.n_free; i++)
        x[i] = fit->constant[p.free[i]].of->start;
    enum ms_status s = p.n_free > 0 ? ms_least_squares_solve(&ls, N_STARTS_AGAIN, x, &sum) : MS_OK;
    struct ms_fit others = *fit;
    others.kernels = p.k;
    for (int i = 0; i < p.n_free; i++) {
        others.constant[p.free[i]].value = x[i];
        set_constant(&others.kernels, &fit->constant[p.free[i]], x[i]);
    }
    for (size_t i = 0; i < fit->n && s == MS_OK; i++)
        if (out[i]) {
            double e = error_of(fit, load, i, &others.kernels);
            l->n++;
            l->mean += e;
            l->worst = fmax(l->worst, e);
        }
    l->mean /= l->n > 0 ? l->n : 1;
    return s;
}

static enum ms_status leave_out_sizes(struct ms_arena *arena, struct ms_fit *fit,
                                      const struct ms_form_load *load,
                                      const struct ms_hardware_kernels *base, enum ms_fit_size size)
{
    bool *out = MS_NEW(arena, bool, fit->n), *done = MS_NEW(arena, bool, fit->n);
    enum ms_status s = out && done ? MS_OK : MS_NOMEM;
    for (size_t first = 0; first < fit->n && s == MS_OK; first++) {
        if (done[first])
            continue;
        double value = size_of(fit->row[first], size);
        size_t n_out = 0;
        for (size_t i = 0; i < fit->n; i++) {
            out[i] = size_of(fit->row[i], size) == value;
            done[i] = done[i] || out[i];
            n_out += out[i];
        }
        if (n_out == fit->n)
            break;
        struct ms_fit_left_out *l = &fit->left_out[fit->n_left_out++];
        *l = (struct ms_fit_left_out){.size = size, .value = value};
        s = leave_out(fit, load, base, out, l);
    }
    return s;
}

enum ms_status ms_fit_group(struct ms_arena *arena, struct ms_fit *fit,
                            const struct ms_form_load *load, const struct ms_hardware_kernels *base)
{
    fit->left_out = MS_NEW(arena, struct ms_fit_left_out, MS_N_SIZES * fit->n);
    if (!fit->left_out)
        return MS_NOMEM;
    enum ms_status s = solve(fit, load, base, N_STARTS);
    if (s == MS_OK)
        s = simplify(fit, load, base);
    if (s == MS_OK)
        measure(fit, load);
    for (int size = 0; size < MS_N_SIZES && s == MS_OK; size++)
        s = leave_out_sizes(arena, fit, load, base, (enum ms_fit_size)size);
    return s;
}

double ms_fit_left_out_mean(const struct ms_fit *fit, enum ms_fit_size size,
                            const struct ms_fit_left_out **worst)
{
    double sum = 0, n = 0;
    *worst = NULL;
    for (int i = 0; i < fit->n_left_out; i++) {
        const struct ms_fit_left_out *l = &fit->left_out[i];
        if (l->size != size)
            continue;
        sum += l->mean * l->n;
        n += l->n;
        if (!*worst || l->mean > (*worst)->mean)
            *worst = l;
    }
    return n > 0 ? sum / n : NAN;
}
