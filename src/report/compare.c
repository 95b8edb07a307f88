#include "report/compare.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "report/compare_choose.h"

static enum ms_status nomem(struct ms_err *err)
{
    return ms_err_set(err, MS_NOMEM, "out of memory comparing results");
}

/* ---- groups ---- */

/* Does every value of `by` go with one value of this key? Then it cannot split groups. */
static bool follows(struct ms_comparison *c, const struct ms_results *s, const char *key)
{
    for (size_t i = 0; i < s->n; i++)
        for (size_t k = 0; k < i; k++) {
            if (!s->r[i].ok || !s->r[k].ok)
                continue;
            if (strcmp(ms_result_label(&s->r[i], c->by, &c->arena),
                       ms_result_label(&s->r[k], c->by, &c->arena)) == 0 &&
                strcmp(ms_result_label(&s->r[i], key, &c->arena),
                       ms_result_label(&s->r[k], key, &c->arena)) != 0)
                return false;
        }
    return true;
}

static enum ms_status find_followers(struct ms_comparison *c, const struct ms_results *s,
                                     struct ms_err *err)
{
    c->along = MS_NEW(&c->arena, const char *, s->n_keys);
    if (!c->along)
        return nomem(err);
    for (size_t i = 0; i < s->n_keys; i++)
        if (strcmp(s->key[i], c->by) != 0 && follows(c, s, s->key[i]))
            c->along[c->n_along++] = s->key[i];
    return MS_OK;
}

static bool splits(const struct ms_comparison *c, const char *key)
{
    for (size_t i = 0; i < c->n_along; i++)
        if (strcmp(c->along[i], key) == 0)
            return false;
    return strcmp(key, c->by) != 0;
}

static const char *title_of(struct ms_comparison *c, const struct ms_results *s,
                            const struct ms_result *r)
{
    struct ms_buf b = {0};
    ms_buf_adds(&b, "");
    for (size_t i = 0; i < s->n_keys; i++) {
        if (!splits(c, s->key[i]))
            continue;
        const char *label = ms_result_label(r, s->key[i], &c->arena);
        if (*label)
            ms_buf_printf(&b, "%s%s=%s", b.n ? ", " : "", s->key[i], label);
    }
    const char *title = b.failed ? NULL : ms_arena_strdup(&c->arena, b.p);
    ms_buf_finish(&b);
    return title;
}

static enum ms_status add_to_group(struct ms_comparison *c, const struct ms_results *s,
                                   const struct ms_result *r, struct ms_err *err)
{
    const char *title = title_of(c, s, r);
    struct ms_compare_group *g = c->group;
    if (!title)
        return nomem(err);
    while (g < c->group + c->n_groups && strcmp(g->title, title) != 0)
        g++;
    if (g == c->group + c->n_groups) {
        *g = (struct ms_compare_group){.title = title,
                                       .row = MS_NEW(&c->arena, struct ms_compare_row, s->n)};
        if (!g->row)
            return nomem(err);
        c->n_groups++;
    }
    const char *label = ms_result_label(r, c->by, &c->arena);
    for (size_t i = 0; i < g->n; i++)
        if (strcmp(g->row[i].label, label) == 0)
            return ms_err_set(err, MS_INVALID,
                              "two results for %s '%s': case %s of '%s' and case %s of '%s'; they "
                              "differ in something "
                              "that is not an axis (settings, input files or versions), so a "
                              "comparison would hide it",
                              c->by, label, g->row[i].r->id, g->row[i].r->source, r->id, r->source);
    g->row[g->n++] = (struct ms_compare_row){
        .r = r, .label = label, .value = r->ok ? ms_result_number(r, c->metric) : NAN};
    return MS_OK;
}

static bool is_about_tokens(const char *key)
{
    static const char *const starts[] = {"model", "workload", "routing",
                                         "seed",  "repeats",  "scenario"};
    for (size_t i = 0; i < sizeof starts / sizeof *starts; i++)
        if (strncmp(key, starts[i], strlen(starts[i])) == 0)
            return true;
    return false;
}

static enum ms_status check_same_work(const struct ms_comparison *c,
                                      const struct ms_compare_group *g, struct ms_err *err)
{
    const struct ms_result *b = g->row[0].r;
    for (size_t i = 1; i < g->n && !is_about_tokens(c->by); i++)
        if (g->row[i].r->ok && b->ok && strcmp(g->row[i].r->work_hash, b->work_hash) != 0)
            return ms_err_set(
                err, MS_INVALID,
                "%s '%s' (case %s of '%s') and '%s' (case %s of '%s') do not move the same tokens: "
                "seed, "
                "repeats, model, workload or routing differ; compare --by what differs",
                c->by, g->row[0].label, b->id, b->source, g->row[i].label, g->row[i].r->id,
                g->row[i].r->source);
    return MS_OK;
}

/* ---- ratios ---- */

static int by_value(const void *a, const void *b)
{
    const struct ms_compare_row *x = a, *y = b;
    if (x->is_baseline != y->is_baseline)
        return x->is_baseline ? -1 : 1;
    if (isnan(x->value) != isnan(y->value))
        return isnan(x->value) ? 1 : -1;
    if (x->value != y->value && !isnan(x->value))
        return x->value < y->value ? -1 : 1;
    return ms_natural_cmp(x->label, y->label);
}

static struct ms_ratio plain_ratio(double a, double b)
{
    return (struct ms_ratio){.ratio = b > 0 ? a / b : NAN, .lo = NAN, .hi = NAN, .p_value = 1};
}

static enum ms_status ratio_of(struct ms_comparison *c, struct ms_compare_row *row,
                               const struct ms_compare_row *base, struct ms_err *err)
{
    struct ms_clustered a, b;
    row->ratio = plain_ratio(row->value, base->value);
    if (!c->is_series || c->series == MS_SERIES_RANK || isnan(row->value) || isnan(base->value))
        return MS_OK;
    if (!ms_result_samples(row->r, c->series, &c->arena, &a) ||
        !ms_result_samples(base->r, c->series, &c->arena, &b) || a.n_repeats != b.n_repeats)
        return MS_OK; /* a ratio without an interval: the notes say why */
    uint64_t seed = (uint64_t)ms_result_number(base->r, "seed");
    struct ms_ratio r;
    enum ms_status s = ms_boot_ratio(&a, &b, c->stat, seed, &r, err);
    double exact = row->ratio.ratio; /* of the unrounded record */
    row->ratio = r;
    row->ratio.ratio = exact;
    return s;
}

static enum ms_status judge(struct ms_comparison *c, struct ms_compare_group *g, struct ms_err *err)
{
    double *p = MS_NEW(&c->arena, double, g->n);
    bool *reject = MS_NEW(&c->arena, bool, g->n);
    size_t m = 0;
    if (!p || !reject)
        return nomem(err);
    for (size_t i = 1; i < g->n; i++)
        if (g->row[i].ratio.has_interval)
            p[m++] = g->row[i].ratio.p_value;
    if (ms_holm(p, m, 0.05, reject) != MS_OK)
        return nomem(err);
    m = 0;
    for (size_t i = 1; i < g->n; i++) {
        bool rejected = g->row[i].ratio.has_interval ? reject[m++] : false;
        g->row[i].verdict = ms_verdict(&g->row[i].ratio, c->margin, rejected);
    }
    return MS_OK;
}

static enum ms_status compare_group(struct ms_comparison *c, struct ms_compare_group *g,
                                    struct ms_err *err)
{
    for (size_t i = 0; i < g->n; i++)
        g->row[i].is_baseline = strcmp(g->row[i].label, c->baseline) == 0;
    qsort(g->row, g->n, sizeof *g->row, by_value);
    enum ms_status s = check_same_work(c, g, err);
    for (size_t i = 0; i < g->n; i++)
        g->row[i].ratio = plain_ratio(NAN, NAN);
    for (size_t i = 1; s == MS_OK && i < g->n && g->row[0].is_baseline; i++)
        s = ratio_of(c, &g->row[i], &g->row[0], err);
    if (s == MS_OK && g->row[0].is_baseline)
        s = judge(c, g, err);
    return s;
}

/* ---- the whole ---- */

static enum ms_status make_caption(struct ms_comparison *c, const struct ms_results *s,
                                   struct ms_err *err)
{
    static const char *const own[] = {"exchange.algorithm", "network.model", "placement.strategy"};
    const struct ms_result *r = ms_compare_first_ok(s);
    struct ms_buf b = {0};
    char path[40];
    snprintf(path, sizeof path, "%s.n", c->is_series ? ms_series_name(c->series) : "exchange");
    ms_buf_printf(&b, "%s, %g ranks", ms_result_text(r, "caption.scenario", "results"),
                  ms_result_number(r, "ranks"));
    if (ms_result_number(r, "groups") > 1)
        ms_buf_printf(&b, " in each of %g groups", ms_result_number(r, "groups"));
    for (size_t i = 0; i < sizeof own / sizeof *own; i++) {
        bool same = strcmp(own[i], c->by) != 0;
        for (size_t k = 0; k < s->n_keys; k++)
            same = same && strcmp(s->key[k], own[i]) != 0;
        if (same)
            ms_buf_printf(&b, ", %s", ms_result_label(r, own[i], &c->arena));
    }
    if (!isnan(ms_result_number(r, path)))
        ms_buf_printf(&b, ", %g %ss a case", ms_result_number(r, path),
                      c->is_series ? ms_series_name(c->series) : "exchange");
    c->caption = b.failed ? NULL : ms_arena_strdup(&c->arena, b.p);
    ms_buf_finish(&b);
    return c->caption ? MS_OK : nomem(err);
}

static enum ms_status make(struct ms_comparison *c, const struct ms_results *s,
                           const struct ms_compare_options *o, struct ms_err *err)
{
    c->margin = o->margin >= 0 ? o->margin : s->margin;
    c->n_missing = s->n_wanted > s->n ? s->n_wanted - s->n : 0;
    enum ms_status status = ms_compare_choose_key(c, s, o->by, err);
    if (status == MS_OK)
        status = ms_compare_choose_metric(c, s, o->metric, err);
    if (status == MS_OK)
        status = ms_compare_choose_baseline(c, s, o->baseline, err);
    if (status == MS_OK)
        status = find_followers(c, s, err);
    c->group = MS_NEW(&c->arena, struct ms_compare_group, s->n);
    if (status == MS_OK && !c->group)
        status = nomem(err);
    for (size_t i = 0; status == MS_OK && i < s->n; i++)
        status = add_to_group(c, s, &s->r[i], err);
    for (size_t i = 0; status == MS_OK && i < c->n_groups; i++)
        status = compare_group(c, &c->group[i], err);
    if (status == MS_OK)
        status = make_caption(c, s, err);
    if (status == MS_OK && ms_compare_add_notes(c) != MS_OK)
        status = nomem(err);
    return status;
}

enum ms_status ms_compare_make(struct ms_comparison *out, const struct ms_results *results,
                               const struct ms_compare_options *options, struct ms_err *err)
{
    struct ms_comparison c = {0};
    enum ms_status s = make(&c, results, options, err);
    if (s != MS_OK) {
        ms_compare_finish(&c);
        return s;
    }
    *out = c;
    return MS_OK;
}

void ms_compare_finish(struct ms_comparison *c)
{
    ms_arena_finish(&c->arena);
    *c = (struct ms_comparison){0};
}

const char *ms_compare_word(const struct ms_comparison *c, enum ms_verdict v)
{
    if (v == MS_VERDICT_TIE || c->is_series)
        return ms_verdict_name(v);
    if (c->more_is_better)
        return v == MS_VERDICT_FASTER ? "slower" : "faster";
    return v == MS_VERDICT_FASTER ? "lower" : "higher";
}
