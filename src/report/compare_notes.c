/* Decides what a comparison says in words; every sentence is a count or a number of its rows, and
 * none is said that the rows do not carry. */
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/pool.h"
#include "report/compare.h"
#include "report/node_loads.h"
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
    size_t rows, ties, faster, slower, unclear, failed, degraded, oracle;
    size_t few, no_interval;
    int repeats; /* of a row with too few */
};

static void count(const struct ms_compare_group *g, struct tally *t)
{
    for (size_t i = 0; i < g->n; i++) {
        const struct ms_compare_row *r = &g->row[i];
        t->failed += !r->r->ok;
        t->degraded += strcmp(ms_result_text(r->r, "status", ""), "degraded") == 0;
        t->oracle += ms_result_true(r->r, "oracle");
        if (i == 0 || isnan(r->ratio.ratio))
            continue;
        t->rows++;
        t->ties += r->verdict == MS_VERDICT_TIE;
        t->faster += r->verdict == MS_VERDICT_FASTER;
        t->slower += r->verdict == MS_VERDICT_SLOWER;
        t->unclear += r->verdict == MS_VERDICT_UNCLEAR;
        t->no_interval += !r->ratio.has_interval;
        if (r->ratio.has_interval && r->ratio.n_repeats < MS_VERDICT_REPEATS) {
            t->few++;
            t->repeats = r->ratio.n_repeats;
        }
    }
}

/* The smallest and largest slowdown against the balanced twin. @return false: somebody has none */
static bool slowdowns(const struct ms_comparison *c, const struct ms_compare_group *g, double *lo,
                      double *hi)
{
    *lo = INFINITY;
    *hi = 0;
    for (size_t i = 0; i < g->n; i++) {
        double v = ms_compare_slowdown(c, g->row[i].r);
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

/* How many of the others tie or stay open. Where all tie the key does not matter; with the twin's
 * help: does the routing? */
static void note_ties(struct ms_comparison *c, const struct ms_compare_group *g)
{
    struct tally t = {0};
    char where[200];
    double lo, hi;
    count(g, &t);
    snprintf(where, sizeof where, "%s%s", g->brief, *g->brief ? ": " : "");
    if (t.rows == 0)
        return;
    if (t.ties < t.rows) {
        if (t.ties > 0)
            add(c, "%s%zu of %zu other %s tie with %s.", where, t.ties, t.rows, thing_of(c),
                c->baseline);
        if (t.unclear > 0 && t.few == 0)
            add(c,
                "%s%zu of %zu %s unclear: the interval reaches into the margin of %g %% and out of "
                "it, or is none; more repeats decide.",
                where, t.unclear, t.rows, t.unclear == 1 ? "is" : "are", 100 * c->margin);
        return;
    }
    char others[64];
    snprintf(others, sizeof others, "intervals of all %zu others lie", t.rows);
    add(c, "%s%s does not matter here: the %s within %g %% of %s.", where,
        strcmp(c->by, "platform") == 0 ? "Topology" : c->by,
        t.rows == 1 ? "other's interval lies" : others, 100 * c->margin, c->baseline);
    if (slowdowns(c, g, &lo, &hi) && lo >= 1 + c->margin)
        add(c,
            "%sUneven routing does: every case is x%.2f to x%.2f of its own balanced twin at p%d.",
            where, lo, hi, c->stat);
}

static void note_spread(struct ms_comparison *c, const struct ms_compare_group *g)
{
    double lo, hi;
    if (c->n_groups == 1 && slowdowns(c, g, &lo, &hi) && lo < 1 + c->margin && hi < 1 + c->margin)
        add(c, "No case is slower than its balanced twin by more than the margin: the load is "
               "even, or something else binds.");
}

/* The exchange leaves out the wait for late ranks, which the step has in it. */
static void note_step(struct ms_comparison *c, const struct ms_compare_group *g)
{
    bool is_step = c->series == MS_SERIES_STEP && (c->is_series || c->is_rate);
    for (size_t i = 1, told = 0; i < g->n && told < 3 && !is_step; i++) {
        const struct ms_compare_row *r = &g->row[i];
        bool differs = r->verdict != MS_VERDICT_NONE && r->verdict != MS_VERDICT_UNCLEAR &&
                       r->step_verdict != MS_VERDICT_NONE &&
                       r->step_verdict != MS_VERDICT_UNCLEAR && r->verdict != r->step_verdict;
        if (!differs)
            continue;
        add(c,
            "%s%s%s by this metric: %s; by the step as a whole: %s (mean step x%.3f [%.3f, %.3f]; "
            "--metric step.tokens_per_s).",
            g->brief, *g->brief ? ": " : "", r->label, ms_compare_word(c, r->verdict),
            ms_verdict_name(r->step_verdict), r->step.ratio, r->step.lo, r->step.hi);
        told++;
    }
}

static void note_hardware(struct ms_comparison *c, const struct ms_compare_group *g)
{
    if (g->mixed_hardware)
        add(c,
            "%s%sthe hardware in force differs (column hardware), so there is no verdict across "
            "it: "
            "`hardware: NAME` in the scenario gives all cases the same.",
            g->brief, *g->brief ? ": " : "");
}

static void note_no_hardware(struct ms_comparison *c)
{
    char note[200];
    if (ms_results_hardware_note(c->results, note, sizeof note))
        add(c, "%s.", note);
}

/* Packet simulators and measurements agree that many senders into one port are slower than its rate
 * allows, by how much depends on the transport: from 1.6 to 1161 times for 32 senders of 64 KiB. */
static void note_fan_in(struct ms_comparison *c)
{
    enum { MANY = 16 };
    size_t n = 0, most = 0;
    for (size_t k = 0; k < c->n_groups; k++)
        for (size_t i = 0; i < c->group[k].n; i++) {
            double fan_in = ms_result_number(c->group[k].row[i].r, "fan_in");
            n += fan_in > MANY;
            most = fan_in > (double)most ? (size_t)fan_in : most;
        }
    if (n > 0)
        add(c,
            "%zu row%s a rank receive from up to %zu ranks of other nodes at once: congestion "
            "control is not modelled, so with a fan-in above %d over RDMA the tail is a lower "
            "bound.",
            n, n == 1 ? " has" : "s have", most, MANY);
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
            g->brief, *g->brief ? ": " : "", near, n, 100 * c->margin, star->label);
}

/* Slower though its ranks are no less even: hot ranks that share a node fill what enters the node. */
static void note_nodes(struct ms_comparison *c, const struct ms_compare_group *g)
{
    const struct ms_result *first = g->row[0].r;
    double rank = ms_result_number(first, "imbalance.rank_max_over_mean");
    double node = c->is_series && first->ok ? ms_result_node_max(first) : NAN;
    for (size_t i = 1; i < g->n && isfinite(node) && rank > 0; i++) {
        const struct ms_compare_row *r = &g->row[i];
        if (!r->r->ok || !(r->value > g->row[0].value * (1 + c->margin)) ||
            !(ms_result_number(r->r, "imbalance.rank_max_over_mean") < 1.02 * rank))
            continue;
        double mine = ms_result_node_max(r->r);
        if (!(mine > 1.2 * node))
            continue;
        add(c,
            "%s%s%s is slower than %s although its ranks are no less even: one node has %.2f times "
            "the mean node's load (%s: %.2f), since hot experts share it. `moesim place` and "
            "`advise` tell the nodes' loads.",
            g->brief, *g->brief ? ": " : "", r->label, g->row[0].label, mine, g->row[0].label,
            node);
    }
}

/* A rank with twice the mean load is worth a sentence, when it is there in five exchanges of two
 * repeats. */
enum { HOT = 2, HOT_LEAST = 5 };

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
    double met = ms_result_number(first, "tail.n") * ms_result_number(first, "tail.share");
    if (!c->is_series || strcmp(c->by, "platform") != 0 || !(met >= HOT_LEAST) ||
        !(ms_result_number(first, "tail.repeats") >= 2) ||
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
        g->brief, *g->brief ? ": " : "", same, n, ms_result_number(first, "tail.layer"),
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
            add(c, "%s%s%s has no ratios there: no result to divide by.", c->group[i].brief,
                *c->group[i].brief ? ": " : "", c->baseline);
}

/* The fewest independent units of a row, and the repeats that gave them. */
static double least_units(const struct ms_comparison *c, double *repeats)
{
    double least = INFINITY;
    for (size_t g = 0; g < c->n_groups; g++)
        for (size_t i = 0; i < c->group[g].n; i++) {
            const struct ms_compare_row *r = &c->group[g].row[i];
            if (!r->r->ok || r->units >= least)
                continue;
            least = r->units;
            *repeats = ms_result_number(r->r, "repeats");
        }
    return least;
}

bool ms_compare_shows_tail(const struct ms_comparison *c, const struct ms_compare_group *g)
{
    bool all = c->is_series && g->n > 0;
    for (size_t i = 0; i < g->n && all; i++)
        all = g->row[i].r->ok && ms_compare_carries(g->row[i].r, 99);
    return all;
}

/* Where the variance lies, of cases that carry a tail. */
static void note_variance(struct ms_comparison *c, const struct ms_compare_group *g)
{
    static const char *const part[] = {"variance.layer", "variance.batch", "variance.within"};
    double lo[3], hi[3];
    if (!ms_compare_shows_tail(c, g) || c->series > MS_SERIES_LAYER)
        return;
    for (int k = 0; k < 3; k++) {
        lo[k] = INFINITY;
        hi[k] = -INFINITY;
        for (size_t i = 0; i < g->n; i++) {
            double share = 100 * ms_result_number(g->row[i].r, part[k]);
            if (isnan(share))
                return;
            lo[k] = fmin(lo[k], share);
            hi[k] = fmax(hi[k], share);
        }
    }
    add(c,
        "%s%sthe variance of %s times lies between layers (%.0f to %.0f %%), between batches (%.0f "
        "to %.0f %%) and within (%.0f to %.0f %%).",
        g->brief, *g->brief ? ": " : "",
        isnan(ms_result_number(g->row[0].r, "exchange.n")) ? "layer" : "exchange", lo[0], hi[0],
        lo[1], hi[1], lo[2], hi[2]);
}

/* What equal draws on both sides are worth. */
static void note_pairs(struct ms_comparison *c)
{
    double least = INFINITY, most = 0;
    for (size_t g = 0; g < c->n_groups; g++)
        for (size_t i = 1; i < c->group[g].n; i++) {
            double v = c->group[g].row[i].paired;
            least = isnan(v) ? least : fmin(least, v);
            most = isnan(v) ? most : fmax(most, v);
        }
    if (!isfinite(least))
        return;
    char range[64];
    if (most - least < 0.01)
        snprintf(range, sizeof range, "%.1f", 100 * most);
    else
        snprintf(range, sizeof range, "%.1f to %.1f", 100 * least, 100 * most);
    add(c,
        "Repeats are paired (the same draws on both sides): the variance of a difference is %s %% "
        "of what unpaired runs would have.",
        range);
}

/* What a percentile that is not carried would take. */
static void note_support(struct ms_comparison *c)
{
    double repeats = 1, least = least_units(c, &repeats);
    int want = c->stat == 99 || c->stat < 1 || c->stat > 99 ? 99 : c->stat == 95 ? 99 : 95;
    double needs = (double)ms_percentile_needs(want);
    if (!c->is_series || !(least < needs) || !(least > 0))
        return;
    double factor = needs / least, minutes = c->results->wall_s * factor / ms_cores() / 60;
    char took[80] = "";
    if (c->results->wall_s > 0)
        snprintf(took, sizeof took, ", about %.*f minute%s on %d cores", minutes < 10 ? 1 : 0,
                 minutes, minutes == 1 ? "" : "s", ms_cores());
    add(c,
        "* not carried: %.3g independent repeats of the routing stand behind these percentiles; "
        "p50 "
        "needs %zu, p95 %zu, p99 %zu. repeats=%.0f would carry p%d%s.",
        least, ms_percentile_needs(50), ms_percentile_needs(95), ms_percentile_needs(99),
        ceil(repeats * factor), want, took);
}

/* Why there are no verdicts, or none that can be trusted. */
static void note_verdicts(struct ms_comparison *c, const struct tally *t)
{
    if (t->rows == 0)
        return;
    if (!c->is_series && !c->is_rate)
        add(c, "Records keep no samples of %s: ratios only, no verdict.", c->metric);
    else if (c->is_series && c->stat == MS_STAT_MAX)
        add(c, "A maximum has no interval that could be trusted, so there is no verdict.");
    else if (t->no_interval > 0)
        add(c, "%zu ratios have no interval (%s), so their verdict is open.", t->no_interval,
            c->series == MS_SERIES_RANK ? "rank times are not kept in records"
                                        : "fewer than two repeats, or not the same number");
    if (t->few > 0)
        add(c, "Under %d repeats (here %d) intervals are too short, so there is no verdict.",
            MS_VERDICT_REPEATS, t->repeats);
}

enum ms_status ms_compare_add_notes(struct ms_comparison *c)
{
    c->note = MS_NEW(&c->arena, const char *, MAX_NOTES);
    if (!c->note)
        return MS_NOMEM;
    struct tally t = {0};
    for (size_t i = 0; i < c->n_groups; i++) {
        const struct ms_compare_group *g = &c->group[i];
        count(g, &t);
        note_ties(c, g);
        note_step(c, g);
        note_hardware(c, g);
        note_ports(c, g);
        note_hot(c, g);
        note_nodes(c, g);
        note_spread(c, g);
        note_variance(c, g);
    }
    note_along(c);
    note_no_hardware(c);
    note_fan_in(c);
    note_baseline(c);
    note_verdicts(c, &t);
    note_pairs(c);
    note_support(c);
    if (t.oracle > 0)
        add(c, "Placements marked 'oracle' saw the very loads they are scored on.");
    if (c->n_missing > 0)
        add(c, "%zu cases have no result yet; `moesim run` again goes on.", c->n_missing);
    if (t.degraded > 0)
        add(c,
            "%zu case%s lost ranks while repeats were under way (degraded in the record): times "
            "are those of the exchanges that were completed.",
            t.degraded, t.degraded == 1 ? "" : "s");
    if (t.failed > 0)
        add(c, "%zu cases failed; `moesim run` again tries them again.", t.failed);
    return MS_OK;
}
