/* How far the simulated numbers lie from the measured ones: by family, by system, library and leg,
 * and within which bounds they must. */
#include "fidelity/judge.h"

#include <math.h>
#include <string.h>

#include "base/csv.h"

static bool matches(const char *asked, const char *has)
{
    return !asked || strcmp(asked, has) == 0;
}

/* In a file of bounds: rows whose recorded traffic is skewed, of any leg; and those whose is not. */
static const char SKEWED[] = "skewed", EVEN[] = "even";
/* Skew may cost so much more in accuracy. */
static const double SKEWED_TO_EVEN = 1.3;

static bool matches_leg(const char *asked, const struct ms_measured_row *r)
{
    if (asked && (strcmp(asked, SKEWED) == 0 || strcmp(asked, EVEN) == 0))
        return r->traffic && ms_measured_is_skewed(r) == (strcmp(asked, SKEWED) == 0);
    return matches(asked, ms_measured_leg_name(r->leg));
}

/* Rows of fit = no count where a sum has no others. */
static void sum_up(const struct ms_fidelity *f, struct ms_fidelity_sum *s)
{
    double abs_yes = 0, abs_all = 0, worst_all = 0, bias_yes = 0, bias_all = 0;
    s->n = s->n_all = 0;
    s->worst = 0;
    for (size_t i = 0; i < f->n; i++) {
        const struct ms_measured_row *r = f->row[i].row;
        if (f->row[i].skipped || !matches(s->family, r->family) ||
            !matches(s->hardware, r->hardware) || !matches(s->library, r->library) ||
            !matches_leg(s->leg, r))
            continue;
        double e = f->row[i].error;
        s->n_all++;
        abs_all += fabs(e);
        bias_all += e;
        worst_all = fmax(worst_all, fabs(e));
        if (r->fit != MS_FIT_YES)
            continue;
        s->n++;
        abs_yes += fabs(e);
        bias_yes += e;
        s->worst = fmax(s->worst, fabs(e));
    }
    s->mean_all = s->n_all ? abs_all / s->n_all : NAN;
    s->mean = s->n ? abs_yes / s->n : s->mean_all;
    s->bias = s->n ? bias_yes / s->n : s->n_all ? bias_all / s->n_all : NAN;
    s->worst = s->n ? s->worst : s->n_all ? worst_all : NAN;
}

static bool same(const struct ms_fidelity_sum *s, const struct ms_measured_row *r)
{
    return matches(s->family, r->family) && matches(s->hardware, r->hardware) &&
           matches(s->library, r->library) && matches(s->leg, ms_measured_leg_name(r->leg));
}

static void collect(struct ms_fidelity *f, bool parts)
{
    struct ms_fidelity_sum *sum = parts ? f->part : f->family;
    size_t n = 0;
    for (size_t i = 0; i < f->n; i++) {
        const struct ms_measured_row *r = f->row[i].row;
        size_t k = 0;
        while (k < n && !same(&sum[k], r))
            k++;
        if (k < n || f->row[i].skipped)
            continue;
        sum[n++] = (struct ms_fidelity_sum){.family = r->family,
                                            .hardware = parts ? r->hardware : NULL,
                                            .library = parts ? r->library : NULL,
                                            .leg = parts ? ms_measured_leg_name(r->leg) : NULL,
                                            .bound_mean = NAN,
                                            .even_mean = NAN,
                                            .bound_worst = NAN};
    }
    for (size_t k = 0; k < n; k++)
        sum_up(f, &sum[k]);
    *(parts ? &f->n_parts : &f->n_families) = n;
}

/* ---- bounds ---- */

enum column { FAMILY, LEG, LIBRARY, MEAN, WORST, N_COLUMNS };
static const char *const names[] = {"family", "leg", "library", "mean", "worst"};

static enum ms_status bound_header(const struct ms_csv *c, struct ms_err *err)
{
    for (int i = 0; i < N_COLUMNS; i++)
        if (i >= c->n_fields || strcmp(c->field[i], names[i]) != 0)
            return ms_err_at(
                err, MS_INVALID, c->path, c->line, 0, NULL,
                "the columns of a file of bounds are family, leg, library, mean, worst");
    return MS_OK;
}

static enum ms_status bound_of(struct ms_fidelity *f, const struct ms_csv *c,
                               struct ms_fidelity_sum *out, struct ms_err *err)
{
    double v[2] = {NAN, NAN};
    if (c->n_fields < N_COLUMNS)
        return ms_err_at(err, MS_INVALID, c->path, c->line, 0, NULL,
                         "%d fields, but a bound has %d", c->n_fields, N_COLUMNS);
    for (int i = MEAN; i <= WORST; i++)
        if (*c->field[i] && (!ms_csv_number(c->field[i], &v[i - MEAN]) || v[i - MEAN] <= 0))
            return ms_err_at(err, MS_INVALID, c->path, c->line, 0, names[i],
                             "'%s' is not a share such as 0.05", c->field[i]);
    const char *word[3] = {0};
    for (int i = FAMILY; i <= LIBRARY; i++)
        if (*c->field[i] && !(word[i] = ms_arena_strdup(&f->arena, c->field[i])))
            return ms_err_set(err, MS_NOMEM, "out of memory for bounds");
    *out = (struct ms_fidelity_sum){.family = word[FAMILY],
                                    .leg = word[LEG],
                                    .library = word[LIBRARY],
                                    .bound_mean = v[0],
                                    .bound_worst = v[1],
                                    .even_mean = NAN};
    sum_up(f, out);
    if (word[LEG] && strcmp(word[LEG], SKEWED) == 0) {
        struct ms_fidelity_sum even = *out;
        even.leg = EVEN;
        sum_up(f, &even);
        out->even_mean = even.mean;
        out->bound_mean = fmax(out->bound_mean, SKEWED_TO_EVEN * even.mean);
    }
    out->beyond = out->n > 0 && (out->mean > out->bound_mean || out->worst > out->bound_worst);
    return MS_OK;
}

static enum ms_status read_bounds(struct ms_fidelity *f, const char *path, struct ms_err *err)
{
    enum { MOST = 256 };
    struct ms_csv c = {0};
    enum ms_status s = ms_csv_open(&c, NULL, path, err);
    f->bound = MS_NEW(&f->arena, struct ms_fidelity_sum, MOST);
    if (s == MS_OK && !f->bound)
        s = ms_err_set(err, MS_NOMEM, "out of memory for bounds");
    if (s == MS_OK)
        s = ms_csv_next(&c, err);
    if (s == MS_OK)
        s = bound_header(&c, err);
    while (s == MS_OK && (s = ms_csv_next(&c, err)) == MS_OK && c.n_fields && f->n_bounds < MOST) {
        s = bound_of(f, &c, &f->bound[f->n_bounds], err);
        f->n_bounds += s == MS_OK && f->bound[f->n_bounds].n > 0;
    }
    ms_csv_finish(&c);
    return s;
}

enum ms_status ms_fidelity_judge(struct ms_fidelity *f, const char *bounds, struct ms_err *err)
{
    f->family = MS_NEW(&f->arena, struct ms_fidelity_sum, f->n);
    f->part = MS_NEW(&f->arena, struct ms_fidelity_sum, f->n);
    if (!f->family || !f->part)
        return ms_err_set(err, MS_NOMEM, "out of memory for sums");
    collect(f, false);
    collect(f, true);
    enum ms_status s = bounds ? read_bounds(f, bounds, err) : MS_OK;
    for (size_t i = 0; i < f->n_families; i++)
        for (size_t k = 0; k < f->n_bounds; k++)
            f->family[i].beyond |=
                f->bound[k].beyond && strcmp(f->bound[k].family, f->family[i].family) == 0;
    return s;
}
