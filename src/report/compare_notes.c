/* Decides what a comparison says in words; every sentence is a count or a number of its rows, and
 * none is said that the rows do not carry. */
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "report/compare.h"
#include "stats/percentile.h"

enum { MAX_NOTES = 40 };

static void __attribute__((format(printf, 2, 3))) add(struct ms_comparison *c, const char *fmt, ...)
{
    char text[600];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    const char *copy = ms_arena_strdup(&c->arena, text);
    if (copy && c->n_notes < MAX_NOTES)
        c->note[c->n_notes++] = copy;
}

struct tally {
    size_t rows, ties, faster, slower, failed, no_interval, few, oracle;
    double few_repeats;
};

static struct tally count(const struct ms_compare_group *g)
{
    struct tally t = {0};
    for (size_t i = 0; i < g->n; i++) {
        const struct ms_compare_row *r = &g->row[i];
        t.failed += !r->r->ok;
        t.oracle += ms_result_true(r->r, "oracle");
        if (i == 0 || isnan(r->ratio.ratio))
            continue;
        t.rows++;
        t.ties += r->verdict == MS_VERDICT_TIE;
        t.faster += r->verdict == MS_VERDICT_FASTER;
        t.slower += r->verdict == MS_VERDICT_SLOWER;
        t.no_interval += !r->ratio.has_interval;
        if (r->ratio.few_repeats && r->ratio.has_interval) {
            t.few++;
            t.few_repeats = ms_result_number(r->r, "repeats");
        }
    }
    return t;
}

static struct tally count_all(const struct ms_comparison *c)
{
    struct tally all = {0};
    for (size_t i = 0; i < c->n_groups; i++) {
        struct tally t = count(&c->group[i]);
        all.rows += t.rows;
        all.ties += t.ties;
        all.faster += t.faster;
        all.slower += t.slower;
        all.failed += t.failed;
        all.no_interval += t.no_interval;
        all.few += t.few;
        all.oracle += t.oracle;
        all.few_repeats = t.few ? t.few_repeats : all.few_repeats;
    }
    return all;
}

/* The smallest and largest slowdown against the balanced twin. @return false: somebody has none */
static bool slowdowns(const struct ms_compare_group *g, double *lo, double *hi)
{
    *lo = INFINITY;
    *hi = 0;
    for (size_t i = 0; i < g->n; i++) {
        double v = ms_result_number(g->row[i].r, "slowdown.vs_balanced_p99");
        if (isnan(v))
            return false;
        *lo = fmin(*lo, v);
        *hi = fmax(*hi, v);
    }
    return g->n > 0;
}

static const char *thing_of(struct ms_comparison *c)
{
    char text[200];
    if (strcmp(c->by, "platform") == 0)
        return "topologies";
    snprintf(text, sizeof text, "values of %s", c->by);
    const char *copy = ms_arena_strdup(&c->arena, text);
    return copy ? copy : c->by;
}

/* All alternatives of a group tie: the key does not matter there. With the twin's help: is it the
 * routing? */
static void note_ties(struct ms_comparison *c, const struct ms_compare_group *g)
{
    struct tally t = count(g);
    char where[200];
    double lo, hi;
    snprintf(where, sizeof where, "%s%s", g->title, *g->title ? ": " : "");
    if (t.rows == 0)
        return;
    if (t.ties < t.rows) {
        if (t.ties > 0)
            add(c, "%s%zu of %zu %s are ties with %s.", where, t.ties, t.rows + 1, thing_of(c),
                c->baseline);
        return;
    }
    add(c,
        "%s%s does not matter here: all %zu alternatives tie with %s (within %g %%, or an interval "
        "that spans 1).",
        where, strcmp(c->by, "platform") == 0 ? "Topology" : c->by, t.rows, c->baseline,
        100 * c->margin);
    if (slowdowns(g, &lo, &hi) && lo >= 1 + c->margin)
        add(c,
            "%sUneven routing does: every case is x%.2f to x%.2f of its own balanced twin at p99.",
            where, lo, hi);
}

static void note_spread(struct ms_comparison *c, const struct ms_compare_group *g)
{
    double lo, hi;
    if (c->n_groups == 1 && slowdowns(g, &lo, &hi) && lo < 1 + c->margin && hi < 1 + c->margin)
        add(c, "No case is slower than its balanced twin by more than the margin: the load is "
               "even, or something else binds.");
}

/* A star has ports and no fabric: whoever is as fast as it cannot be waiting for a fabric. */
static void note_ports(struct ms_comparison *c, const struct ms_compare_group *g)
{
    const struct ms_compare_row *star = NULL;
    size_t near = 0, n = 0;
    for (size_t i = 0; i < g->n && strcmp(c->by, "platform") == 0 && c->is_series; i++)
        if (strcmp(ms_result_text(g->row[i].r, "platform.topology", ""), "star") == 0 &&
            g->row[i].value > 0)
            star = &g->row[i];
    if (!star)
        return;
    for (size_t i = 0; i < g->n; i++) {
        n += g->row[i].r->ok && &g->row[i] != star;
        near += &g->row[i] != star && fabs(g->row[i].value / star->value - 1) < c->margin;
    }
    if (near > 0)
        add(c,
            "%s%s%zu of %zu are within %g %% of %s, which has ports and no fabric: they wait for "
            "the port of a rank.",
            g->title, *g->title ? ": " : "", near, n, 100 * c->margin, star->label);
}

enum { HOT = 2 }; /* a rank with twice the mean load is worth a sentence */

static bool same_hot(const struct ms_result *a, const struct ms_result *b)
{
    return ms_result_number(a, "tail.layer") == ms_result_number(b, "tail.layer") &&
           ms_result_number(a, "tail.rank") == ms_result_number(b, "tail.rank") &&
           ms_result_number(a, "tail.expert") == ms_result_number(b, "tail.expert");
}

/* Is it the same hot expert that is there in the tail of most alternatives? Record: `tail`. */
static void note_hot(struct ms_comparison *c, const struct ms_compare_group *g)
{
    const struct ms_result *first = g->row[0].r;
    size_t same = 0, n = 0;
    if (!c->is_series || strcmp(c->by, "platform") != 0 ||
        !(ms_result_number(first, "tail.rank_load_over_mean") >= HOT))
        return;
    for (size_t i = 0; i < g->n; i++) {
        const struct ms_result *r = g->row[i].r;
        n += r->ok;
        same += r->ok && ms_result_number(r, "tail.share") > 0.5 && same_hot(r, first);
    }
    if (n < 2 || 2 * same <= n)
        return;
    add(c,
        "%s%son %zu of %zu the slowest 1 %% of exchanges are mostly those of layer %.0f, where "
        "expert %.0f gives rank %.0f x%.1f of "
        "the mean load.",
        g->title, *g->title ? ": " : "", same, n, ms_result_number(first, "tail.layer"),
        ms_result_number(first, "tail.expert"), ms_result_number(first, "tail.rank"),
        ms_result_number(first, "tail.rank_load_over_mean"));
}

/* A key that differs along the compared one is part of the comparison: say where. */
static void note_along(struct ms_comparison *c)
{
    const struct ms_compare_group *g = &c->group[0];
    for (size_t k = 0; k < c->n_along; k++) {
        struct ms_buf b = {0};
        const char *base = ms_result_label(c->results, g->row[0].r, c->along[k]);
        for (size_t i = 1; i < g->n; i++) {
            const char *label = ms_result_label(c->results, g->row[i].r, c->along[k]);
            if (g->row[i].r->ok && strcmp(label, base) != 0)
                ms_buf_printf(&b, "%s%s for %s", b.n ? ", " : "", label, g->row[i].label);
        }
        if (b.n > 0 && !b.failed)
            add(c, "%s is %s, but %s.", c->along[k], base, b.p);
        ms_buf_finish(&b);
    }
}

static void note_baseline(struct ms_comparison *c)
{
    for (size_t i = 0; i < c->n_groups; i++)
        if (!c->group[i].row[0].is_baseline)
            add(c, "%s%s%s has no ratios there: no result to divide by.", c->group[i].title,
                *c->group[i].title ? ": " : "", c->baseline);
}

static void note_support(struct ms_comparison *c)
{
    char path[40];
    double least = INFINITY;
    if (!c->is_series)
        return;
    snprintf(path, sizeof path, "%s.n", ms_series_name(c->series));
    for (size_t i = 0; i < c->n_groups; i++)
        for (size_t k = 0; k < c->group[i].n; k++)
            least =
                fmin(least, c->group[i].row[k].r->ok ? ms_result_number(c->group[i].row[k].r, path)
                                                     : INFINITY);
    if (least < (double)ms_percentile_needs(99))
        add(c, "* %g %s times do not carry this percentile (p95 needs %zu, p99 %zu)%s.", least,
            ms_series_name(c->series), ms_percentile_needs(95), ms_percentile_needs(99),
            c->stat == 99 || c->stat > 99 || c->stat < 1
                ? ""
                : "; the ratio is of the highest that is carried");
}

enum ms_status ms_compare_add_notes(struct ms_comparison *c)
{
    c->note = MS_NEW(&c->arena, const char *, MAX_NOTES);
    if (!c->note)
        return MS_NOMEM;
    for (size_t i = 0; i < c->n_groups; i++) {
        note_ties(c, &c->group[i]);
        note_ports(c, &c->group[i]);
        note_hot(c, &c->group[i]);
        note_spread(c, &c->group[i]);
    }
    struct tally t = count_all(c);
    note_along(c);
    note_baseline(c);
    note_support(c);
    if (t.few > 0)
        add(c, "Intervals from %g repeats are rough; %d or more are wanted.", t.few_repeats,
            MS_BOOT_FEW_REPEATS);
    if (t.no_interval > 0 && c->is_series)
        add(c, "%zu ratios have no interval (%s): their verdict is the margin alone.",
            t.no_interval,
            c->series == MS_SERIES_RANK ? "rank times are not kept in records"
                                        : "fewer than two repeats, or not the same number");
    if (t.oracle > 0)
        add(c, "Placements marked 'oracle' saw the very loads they are scored on.");
    if (c->n_missing > 0)
        add(c, "%zu cases have no result yet; `moesim run` again goes on.", c->n_missing);
    if (t.failed > 0)
        add(c, "%zu cases failed; `moesim run` again tries them again.", t.failed);
    return MS_OK;
}
