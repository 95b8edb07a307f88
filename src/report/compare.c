/* Decides which records stand side by side and what each is divided by: keys, groups, baseline,
 * order. */
#include "report/compare.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "report/compare_choose.h"
#include "stats/percentile.h"

static enum ms_status nomem(struct ms_err *err)
{
    return ms_err_set(err, MS_NOMEM, "out of memory comparing results");
}

/* ---- groups ---- */

/* Does every value of `by` go with one value of this key? Then it cannot split groups. other:
 * scratch, [texts] */
static bool follows(const struct ms_results *s, size_t by, size_t key, size_t *other)
{
    memset(other, 0, s->texts.n * sizeof *other);
    for (size_t i = 0; i < s->n; i++) {
        const size_t *label = s->r[i].label;
        if (!s->r[i].ok)
            continue;
        if (other[label[by]] && other[label[by]] != label[key] + 1)
            return false;
        other[label[by]] = label[key] + 1;
    }
    return true;
}

static enum ms_status find_followers(struct ms_comparison *c, const struct ms_results *s,
                                     struct ms_err *err)
{
    size_t by = ms_results_column(s, c->by), *scratch = malloc((s->texts.n + 1) * sizeof *scratch);
    c->along = MS_NEW(&c->arena, const char *, s->n_keys);
    bool failed = !c->along || !scratch;
    for (size_t i = 0; !failed && i < s->n_keys; i++)
        if (strcmp(s->key[i], c->by) != 0 &&
            follows(s, by, ms_results_column(s, s->key[i]), scratch))
            c->along[c->n_along++] = s->key[i];
    free(scratch);
    return failed ? nomem(err) : MS_OK;
}

/* Does a key that varies tell groups apart? */
static bool splits(const struct ms_comparison *c, const char *key)
{
    for (size_t i = 0; i < c->n_along; i++)
        if (strcmp(c->along[i], key) == 0)
            return false;
    return strcmp(key, c->by) != 0;
}

void ms_compare_title(const struct ms_comparison *c, const struct ms_result *r, const bool *without,
                      struct ms_buf *out)
{
    const struct ms_results *s = c->results;
    ms_buf_adds(out, "");
    for (size_t i = 0; i < s->n_keys; i++) {
        if (!splits(c, s->key[i]) || (without && without[i]))
            continue;
        const char *label = ms_result_label(s, r, s->key[i]);
        if (*label)
            ms_buf_printf(out, "%s%s=%s", out->n ? ", " : "", s->key[i], label);
    }
}

/* A value that says by itself what it is a value of. */
static bool is_word(const char *label)
{
    return ((*label >= 'a' && *label <= 'z') || (*label >= 'A' && *label <= 'Z')) &&
           strcmp(label, "true") != 0 && strcmp(label, "false") != 0 && strcmp(label, "none") != 0;
}

/* The title in front of a sentence: words alone, numbers with the last word of their key. */
static const char *brief_title(struct ms_comparison *c, const struct ms_result *r)
{
    const struct ms_results *s = c->results;
    struct ms_buf b = {0};
    ms_buf_adds(&b, "");
    for (size_t i = 0; i < s->n_keys; i++) {
        const char *label = splits(c, s->key[i]) ? ms_result_label(s, r, s->key[i]) : "";
        const char *dot = strrchr(s->key[i], '.');
        if (!*label)
            continue;
        ms_buf_adds(&b, b.n ? ", " : "");
        if (!is_word(label))
            ms_buf_printf(&b, "%s=", dot ? dot + 1 : s->key[i]);
        ms_buf_adds(&b, label);
    }
    char *copy = b.failed ? NULL : ms_arena_strdup(&c->arena, b.p);
    ms_buf_finish(&b);
    return copy;
}

/* The number of the group a record belongs to. */
static size_t group_of(struct ms_comparison *c, const struct ms_result *r)
{
    struct ms_buf b = {0};
    ms_compare_title(c, r, NULL, &b);
    size_t number = b.failed ? 0 : ms_strings_add(&c->titles, b.p);
    c->titles.failed = c->titles.failed || b.failed;
    ms_buf_finish(&b);
    return number;
}

static enum ms_status check_once(const struct ms_comparison *c, size_t *met, struct ms_err *err)
{
    size_t by = ms_results_column(c->results, c->by), n_rows = 0;
    for (size_t g = 0; g < c->n_groups; g++) {
        const struct ms_compare_row *row = c->group[g].row;
        size_t first = n_rows + 1;
        for (size_t i = 0; i < c->group[g].n; i++) {
            const struct ms_result *r = row[i].r;
            size_t *at = &met[r->label[by]];
            if (*at >= first) {
                const struct ms_result *b = row[*at - first].r;
                return ms_err_set(err, MS_INVALID,
                                  "two results for %s '%s': case %s of '%s' and case %s of '%s'; "
                                  "they differ in something that is not an axis (settings, input "
                                  "files or versions), so a comparison would hide it",
                                  c->by, row[i].label, b->id, b->source, r->id, r->source);
            }
            *at = ++n_rows;
        }
    }
    return MS_OK;
}

/* Records to their groups, in the order of records. */
static enum ms_status fill_groups(struct ms_comparison *c, const size_t *number, struct ms_err *err)
{
    const struct ms_results *s = c->results;
    c->n_groups = c->titles.n;
    c->group = MS_NEW(&c->arena, struct ms_compare_group, c->n_groups);
    struct ms_compare_row *row = MS_NEW(&c->arena, struct ms_compare_row, s->n);
    size_t *met = MS_NEW(&c->arena, size_t, s->texts.n);
    if (!c->group || !row || !met)
        return nomem(err);
    for (size_t i = 0; i < s->n; i++)
        c->group[number[i]].n++;
    for (size_t g = 0; g < c->n_groups; g++) {
        c->group[g].title = c->titles.text[g];
        c->group[g].row = row;
        row += c->group[g].n;
        c->group[g].n = 0;
    }
    for (size_t i = 0; i < s->n; i++) {
        struct ms_compare_group *g = &c->group[number[i]];
        const struct ms_result *r = &s->r[i];
        g->row[g->n++] = (struct ms_compare_row){
            .r = r,
            .label = ms_result_label(s, r, c->by),
            .value = r->ok ? ms_result_number(r, c->metric) : NAN,
        };
    }
    return check_once(c, met, err);
}

static enum ms_status make_groups(struct ms_comparison *c, struct ms_err *err)
{
    const struct ms_results *s = c->results;
    size_t *number = MS_NEW(&c->arena, size_t, s->n);
    if (!number)
        return nomem(err);
    for (size_t i = 0; i < s->n; i++)
        number[i] = group_of(c, &s->r[i]);
    return c->titles.failed ? nomem(err) : fill_groups(c, number, err);
}

static bool starts_like_tokens(const char *key)
{
    static const char *const starts[] = {"model", "workload", "routing",
                                         "seed",  "repeats",  "scenario"};
    for (size_t i = 0; i < sizeof starts / sizeof *starts; i++)
        if (strncmp(key, starts[i], strlen(starts[i])) == 0)
            return true;
    return false;
}

/* Is the comparison itself about what is moved? Its key, or one of those that go along with it. */
static bool is_about_tokens(const struct ms_comparison *c)
{
    for (size_t i = 0; i < c->n_along; i++)
        if (starts_like_tokens(c->along[i]))
            return true;
    return starts_like_tokens(c->by);
}

static enum ms_status check_same_work(const struct ms_comparison *c,
                                      const struct ms_compare_group *g, struct ms_err *err)
{
    const struct ms_result *b = g->row[0].r;
    for (size_t i = 1; i < g->n && !is_about_tokens(c); i++)
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

/* ---- order ---- */

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

static enum ms_status compare_group(struct ms_comparison *c, struct ms_compare_group *g,
                                    struct ms_err *err)
{
    for (size_t i = 0; i < g->n; i++)
        g->row[i].is_baseline = strcmp(g->row[i].label, c->baseline) == 0;
    qsort(g->row, g->n, sizeof *g->row, by_value);
    g->brief = brief_title(c, g->row[0].r);
    enum ms_status s = g->brief ? check_same_work(c, g, err) : nomem(err);
    return s == MS_OK ? ms_compare_judge(c, g, err) : s;
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
    bool training = !isnan(ms_result_number(r, "training.steps"));
    ms_buf_printf(&b, "%s, %g %s", ms_result_text(r, "caption.scenario", "results"),
                  ms_result_number(r, training ? "training.steps" : "ranks"),
                  training ? "steps of training" : "ranks");
    if (ms_result_number(r, "groups") > 1)
        ms_buf_printf(&b, " in each of %g groups", ms_result_number(r, "groups"));
    for (size_t i = 0; !training && i < sizeof own / sizeof *own; i++) {
        bool same = strcmp(own[i], c->by) != 0;
        for (size_t k = 0; k < s->n_keys; k++)
            same = same && strcmp(s->key[k], own[i]) != 0;
        if (same)
            ms_buf_printf(&b, ", %s", ms_result_label(s, r, own[i]));
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
    c->results = s;
    c->margin = o->margin >= 0 ? o->margin : s->margin;
    c->n_missing = s->n_wanted > s->n ? s->n_wanted - s->n : 0;
    c->x = o->x;
    enum ms_status status = ms_compare_choose_key(c, s, o->by, o->alone, err);
    if (status == MS_OK)
        status = ms_compare_choose_metric(c, s, o->metric, err);
    if (status == MS_OK)
        status = ms_compare_choose_baseline(c, s, o->baseline, err);
    if (status == MS_OK)
        status = find_followers(c, s, err);
    if (status == MS_OK)
        status = make_groups(c, err);
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
    ms_strings_finish(&c->titles);
    *c = (struct ms_comparison){0};
}

const char *ms_compare_word(const struct ms_comparison *c, enum ms_verdict v)
{
    if (c->is_rate && v == MS_VERDICT_FASTER)
        return ms_verdict_name(MS_VERDICT_SLOWER);
    if (c->is_rate && v == MS_VERDICT_SLOWER)
        return ms_verdict_name(MS_VERDICT_FASTER);
    return ms_verdict_name(v);
}

double ms_compare_x(const struct ms_comparison *c, const struct ms_result *r)
{
    const char *label = ms_results_column(c->results, c->x) < c->results->n_columns
                            ? ms_result_label(c->results, r, c->x)
                            : "";
    char *end;
    double v = strtod(label, &end);
    return *label && !*end ? v : ms_result_number(r, c->x);
}

bool ms_compare_carries(const struct ms_result *r, int percent)
{
    return ms_result_units(r) >= (double)ms_percentile_needs(percent);
}

double ms_compare_slowdown(const struct ms_comparison *c, const struct ms_result *r)
{
    char path[48];
    bool own = c->series ==
               (isnan(ms_result_number(r, "exchange.n")) ? MS_SERIES_LAYER : MS_SERIES_EXCHANGE);
    if (!c->is_series || !own || c->stat < 1 || c->stat > 99)
        return NAN;
    snprintf(path, sizeof path, "slowdown.vs_balanced_p%d", c->stat);
    return ms_result_number(r, path);
}
