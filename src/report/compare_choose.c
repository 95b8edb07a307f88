/* Decides what is compared: the key, the metric and the baseline, from the options, the study's own
 * wishes and what the records carry. */
#include "report/compare_choose.h"

#include <math.h>
#include <string.h>

static enum ms_status nomem(struct ms_err *err)
{
    return ms_err_set(err, MS_NOMEM, "out of memory comparing results");
}

/* ---- the key ---- */

static bool is(const char *a, const char *b)
{
    return b && strcmp(a, b) == 0;
}

enum ms_status ms_compare_choose_key(struct ms_comparison *c, const struct ms_results *s,
                                     const char *by, bool alone, struct ms_err *err)
{
    char allowed[512];
    if (by && ms_results_column(s, by) == s->n_columns)
        return ms_err_set(err, MS_USAGE, "--by: '%s' is not a key of these results%s", by,
                          ms_allowed(allowed, sizeof allowed, by, s->key, s->n_keys));
    if (!by && s->by && ms_results_column(s, s->by) < s->n_columns && !is(s->by, c->x))
        by = s->by;
    for (size_t i = 0; !by && i < s->n_keys; i++)
        if (strcmp(s->key[i], "platform") == 0)
            by = s->key[i];
    for (size_t i = 0; !by && i < s->n_keys; i++)
        if (!is(s->key[i], c->x) || s->n_keys == 1)
            by = s->key[i];
    if (!by && alone && s->n > 0)
        by = "platform"; /* a page of one case: what every record answers to */
    if (!by)
        return ms_err_set(err, MS_INVALID,
                          "nothing varies in these results: there is nothing to compare");
    c->by = by;
    return MS_OK;
}

/* ---- the metric ---- */

static const struct {
    const char *name;
    int stat;
} members[] = {{"p50_us", 50},
               {"p95_us", 95},
               {"p99_us", 99},
               {"max_us", MS_STAT_MAX},
               {"mean_us", MS_STAT_MEAN}};
enum { N_MEMBERS = sizeof members / sizeof *members };

static bool parse_series(struct ms_comparison *c, const char *metric)
{
    const char *dot = strchr(metric, '.');
    for (enum ms_series w = 0; dot && w < MS_N_SERIES; w++) {
        const char *name = ms_series_name(w);
        if (strncmp(metric, name, (size_t)(dot - metric)) != 0 || name[dot - metric] != '\0')
            continue;
        for (int i = 0; i < N_MEMBERS; i++)
            if (strcmp(dot + 1, members[i].name) == 0) {
                c->series = w;
                c->stat = members[i].stat;
                return true;
            }
    }
    return false;
}

const struct ms_compare_row *ms_compare_end(const struct ms_compare_group *g, bool largest)
{
    const struct ms_compare_row *end = NULL;
    for (size_t i = 0; i < g->n; i++) {
        const struct ms_compare_row *r = &g->row[i];
        if (r->r->ok && !isnan(r->value) &&
            (!end || (largest ? r->value > end->value : r->value < end->value)))
            end = r;
    }
    return end;
}

const struct ms_result *ms_compare_first_ok(const struct ms_results *s)
{
    for (size_t i = 0; i < s->n; i++)
        if (s->r[i].ok)
            return &s->r[i];
    return NULL;
}

/* Paths of numbers a record has, for the message. */
static size_t list_metrics(const struct ms_result *r, const char **out, size_t most)
{
    size_t n = 0;
    for (size_t i = 0; i < r->facts.n && n < most; i++) {
        const char *path = r->names->text[r->facts.fact[i].path];
        if (!isnan(r->facts.fact[i].number) && strchr(path, '.'))
            out[n++] = path;
    }
    return n;
}

/* Nobody asked for this percentile by name: take the highest that every record carries. */
static enum ms_status fall_back(struct ms_comparison *c, const struct ms_results *s,
                                struct ms_err *err)
{
    const int carried[] = {99, 95, 50};
    int best = 50;
    if (c->stat < 1 || c->stat > 99)
        return MS_OK;
    for (int i = 2; i >= 0; i--) {
        bool all = carried[i] <= c->stat;
        for (size_t k = 0; all && k < s->n; k++)
            all = !s->r[k].ok || ms_compare_carries(&s->r[k], carried[i]);
        best = all ? carried[i] : best;
    }
    if (best == c->stat)
        return MS_OK;
    char path[40];
    c->stat = best;
    snprintf(path, sizeof path, "%s.p%d_us", ms_series_name(c->series), c->stat);
    c->metric = ms_arena_strdup(&c->arena, path);
    return c->metric ? MS_OK : nomem(err);
}

/* Has any record this number? */
static bool met(const struct ms_results *s, const char *metric)
{
    bool any = false;
    for (size_t i = 0; i < s->n && !any; i++)
        any = s->r[i].ok && !isnan(ms_result_number(&s->r[i], metric));
    return any;
}

/* The exchange, or what every record has: with overlap there are no exchanges, a training has no
 * times at all. */
static const char *usual_metric(const struct ms_results *s, bool layer_at_least)
{
    static const char *const usual[] = {"exchange.p99_us", "layer.p99_us", "step.p99_us",
                                        "training.heldout_ppl", "training.ce"};
    for (size_t k = layer_at_least; k < sizeof usual / sizeof *usual; k++) {
        bool all = true;
        for (size_t i = 0; i < s->n && all; i++)
            all = !s->r[i].ok || !isnan(ms_result_number(&s->r[i], usual[k]));
        if (all)
            return usual[k];
    }
    return usual[layer_at_least];
}

/* A straggler enters late and waits in no exchange of its own: the layer is what feels it. */
static bool has_stragglers(const struct ms_result *r)
{
    return ms_result_true(r, "caption.stragglers");
}

enum ms_status ms_compare_choose_metric(struct ms_comparison *c, const struct ms_results *s,
                                        const char *told, struct ms_err *err)
{
    const struct ms_result *r = ms_compare_first_ok(s);
    if (!r)
        return ms_err_set(err, MS_INVALID,
                          "every case of these results failed: there is nothing to compare");
    const char *wanted = told ? told : s->metric;
    c->metric = wanted ? wanted : usual_metric(s, has_stragglers(r));
    if (!met(s, c->metric)) {
        const char *names[128];
        char allowed[512];
        size_t n = list_metrics(r, names, 128);
        return ms_err_set(err, MS_USAGE,
                          "%s: '%s' is not a number of these records, such as step.p99_us%s%s",
                          told ? "--metric" : "report.metric", c->metric,
                          ms_allowed(allowed, sizeof allowed, c->metric, names, n),
                          told ? "" : " (the study asks for it; --metric NAME asks for another)");
    }
    c->is_series = parse_series(c, c->metric);
    c->is_rate = strcmp(c->metric, "step.tokens_per_s") == 0;
    if (c->is_rate) {
        c->series = MS_SERIES_STEP;
        c->stat = MS_STAT_MEAN;
    }
    return c->is_series && !wanted ? fall_back(c, s, err) : MS_OK;
}

enum ms_status ms_compare_choose_baseline(struct ms_comparison *c, const struct ms_results *s,
                                          const char *told, struct ms_err *err)
{
    const char *names[256];
    char allowed[512];
    size_t n = 0;
    c->baseline = told;
    for (size_t i = 0; i < s->n; i++) {
        const char *label = ms_result_label(s, &s->r[i], c->by);
        if (told && strcmp(label, told) == 0)
            return MS_OK;
        if (!told && s->r[i].ok) {
            c->baseline = label;
            return MS_OK;
        }
        bool seen = false;
        for (size_t k = 0; k < n && !seen; k++)
            seen = strcmp(names[k], label) == 0;
        if (!seen && n < 256)
            names[n++] = label;
    }
    return ms_err_set(err, MS_USAGE, "--baseline: '%s' is not a value of %s%s", told, c->by,
                      ms_allowed(allowed, sizeof allowed, told, names, n));
}
