/* Decides what the closing table of a run shows: a row a case, what varies first, then the times
 * and what they are to be held against. */
#include "report/overview.h"

#include <math.h>
#include <string.h>

#include "stats/percentile.h"

static const char *series_of(const struct ms_results *s)
{
    static const char *const names[] = {"exchange", "layer", "step"};
    char path[32];
    for (size_t w = 0; w < 3; w++)
        for (size_t i = 0; i < s->n; i++) {
            snprintf(path, sizeof path, "%s.n", names[w]);
            if (!isnan(ms_result_number(&s->r[i], path)))
                return names[w];
        }
    return names[0];
}

/* "32 exchanges a case", or the range. */
static bool print_counts(const struct ms_results *s, const char *series, FILE *out)
{
    char path[40];
    double least = INFINITY, most = 0;
    snprintf(path, sizeof path, "%s.n", series);
    for (size_t i = 0; i < s->n; i++) {
        double n = ms_result_number(&s->r[i], path);
        least = isnan(n) ? least : fmin(least, n);
        most = isnan(n) ? most : fmax(most, n);
    }
    if (most == 0)
        return false;
    if (least == most)
        fprintf(out, "%.0f %s%s a case", most, series, most == 1 ? "" : "s");
    else
        fprintf(out, "%.0f to %.0f %ss a case", least, most, series);
    return true;
}

/* Where the variance of the times lies, least and most over the cases. */
static void print_variance(const struct ms_results *s, const char *series, FILE *out)
{
    static const struct {
        const char *path, *words;
    } part[] = {{"variance.layer", "between layers"},
                {"variance.batch", "between batches"},
                {"variance.within", "within"}};
    double least[3] = {1, 1, 1}, most[3] = {0, 0, 0};
    size_t n = 0;
    for (size_t i = 0; i < s->n; i++) {
        n += isnan(ms_result_number(&s->r[i], part[0].path)) ? 0 : 1;
        for (int k = 0; k < 3; k++) {
            double v = ms_result_number(&s->r[i], part[k].path);
            least[k] = isnan(v) ? least[k] : fmin(least[k], v);
            most[k] = isnan(v) ? most[k] : fmax(most[k], v);
        }
    }
    if (n == 0 || most[0] + most[1] + most[2] <= 0)
        return;
    fprintf(out, "variance of %s times: ", strcmp(series, "step") == 0 ? "layer" : series);
    for (int k = 0; k < 3; k++) {
        if (100 * (most[k] - least[k]) < 1)
            fprintf(out, "%.0f %% %s%s", 100 * most[k], part[k].words, k < 2 ? ", " : "\n");
        else
            fprintf(out, "%.0f to %.0f %% %s%s", 100 * least[k], 100 * most[k], part[k].words,
                    k < 2 ? ", " : "\n");
    }
}

/* "workload.tokens_per_rank" is too long a title where its last word says the same. */
static const char *last_word(const struct ms_results *s, const char *key)
{
    const char *dot = strrchr(key, '.');
    for (size_t i = 0; dot && i < s->n_keys; i++) {
        const char *other = strrchr(s->key[i], '.');
        if (strcmp(s->key[i], key) != 0 && strcmp(other ? other : s->key[i], dot) == 0)
            return key;
    }
    return dot ? dot + 1 : key;
}

static void add_time(struct ms_table *t, const struct ms_result *r, const char *series, int percent,
                     bool *starred)
{
    char path[40];
    snprintf(path, sizeof path, "%s.p%d_us", series, percent);
    double v = ms_result_number(r, path);
    bool carried = ms_result_units(r) >= (double)ms_percentile_needs(percent);
    if (isnan(v)) {
        ms_table_cell(t, MS_DIM, "-");
        return;
    }
    *starred = *starred || !carried;
    ms_table_cell(t, MS_PLAIN, "%.*f%s", v < 99.95 ? 2 : 1, v, carried ? "" : "*");
}

static void add_plain(struct ms_table *t, double v, const char *format_prefix)
{
    if (isnan(v))
        ms_table_cell(t, MS_DIM, "-");
    else
        ms_table_cell(t, MS_PLAIN, "%s%.2f", format_prefix, v);
}

static void add_columns(struct ms_table *t, const struct ms_results *s, const char *series)
{
    char title[32];
    ms_table_column(t, "case", MS_LEFT, 0);
    for (size_t k = 0; k < s->n_keys; k++)
        ms_table_column(t, last_word(s, s->key[k]), MS_LEFT, 0);
    snprintf(title, sizeof title, "%s p50 us", series);
    ms_table_column(t, title, MS_RIGHT, 0);
    ms_table_column(t, "p95 us", MS_RIGHT, 0);
    ms_table_column(t, "p99 us", MS_RIGHT, 0);
    ms_table_column(t, "slowdown p99", MS_RIGHT, 1);
    ms_table_column(t, "rank max/mean", MS_RIGHT, 1);
}

static void add_row(struct ms_table *t, const struct ms_results *s, const struct ms_result *r,
                    const char *series, bool *starred)
{
    ms_table_row(t);
    ms_table_cell(t, MS_PLAIN, "%s", r->id);
    for (size_t k = 0; k < s->n_keys; k++)
        ms_table_cell(t, MS_PLAIN, "%s", ms_result_label(s, r, s->key[k]));
    if (!r->ok) {
        ms_table_cell(t, MS_RED, "failed");
        return;
    }
    add_time(t, r, series, 50, starred);
    add_time(t, r, series, 95, starred);
    add_time(t, r, series, 99, starred);
    double slowdown = ms_result_number(r, "slowdown.vs_balanced_p99");
    bool carried = ms_result_units(r) >= (double)ms_percentile_needs(99);
    if (isnan(slowdown))
        ms_table_cell(t, MS_DIM, "-");
    else
        ms_table_cell(t, MS_PLAIN, "x%.2f%s", slowdown, carried ? "" : "*");
    add_plain(t, ms_result_number(r, "imbalance.rank_max_over_mean"), "");
}

/* ---- trainings ---- */

static const struct {
    const char *title, *path;
    int decimals;
} training_columns[] = {
    {"steps", "training.steps", 0},
    {"ce", "training.ce", 3},
    {"held-out ce", "training.heldout_ce", 3},
    {"perplexity", "training.heldout_ppl", 2},
    {"Gini", "imbalance.gini", 3},
    {"max/mean", "imbalance.max_over_mean", 2},
};
enum { N_TRAINING = sizeof training_columns / sizeof *training_columns };

static bool is_training(const struct ms_results *s)
{
    for (size_t i = 0; i < s->n; i++)
        if (!isnan(ms_result_number(&s->r[i], "training.steps")))
            return true;
    return false;
}

static enum ms_status print_trainings(const struct ms_results *s, FILE *out,
                                      const struct ms_term *term)
{
    struct ms_table *t = ms_table_create();
    if (!t)
        return MS_NOMEM;
    ms_table_column(t, "case", MS_LEFT, 0);
    for (size_t k = 0; k < s->n_keys; k++)
        ms_table_column(t, last_word(s, s->key[k]), MS_LEFT, 0);
    for (size_t c = 0; c < N_TRAINING; c++)
        ms_table_column(t, training_columns[c].title, MS_RIGHT, 0);
    for (size_t i = 0; i < s->n; i++) {
        ms_table_row(t);
        ms_table_cell(t, MS_PLAIN, "%s", s->r[i].id);
        for (size_t k = 0; k < s->n_keys; k++)
            ms_table_cell(t, MS_PLAIN, "%s", ms_result_label(s, &s->r[i], s->key[k]));
        for (size_t c = 0; c < N_TRAINING && s->r[i].ok; c++)
            ms_table_cell(t, MS_PLAIN, "%.*f", training_columns[c].decimals,
                          ms_result_number(&s->r[i], training_columns[c].path));
        if (!s->r[i].ok)
            ms_table_cell(t, MS_RED, "failed");
    }
    bool printed = ms_table_print(t, out, term);
    ms_table_destroy(t);
    fprintf(out, "ce, Gini and max/mean: means of the last tenth of the steps; each case's folder "
                 "has its history, loads and checkpoint\n");
    return printed ? MS_OK : MS_NOMEM;
}

enum ms_status ms_overview_print(const struct ms_results *s, FILE *out, const struct ms_term *term)
{
    if (is_training(s))
        return print_trainings(s, out, term);
    struct ms_table *t = ms_table_create();
    const char *series = series_of(s);
    bool starred = false;
    if (t)
        add_columns(t, s, series);
    for (size_t i = 0; t && i < s->n; i++)
        add_row(t, s, &s->r[i], series, &starred);
    bool printed = ms_table_print(t, out, term);
    ms_table_destroy(t);
    bool counted = print_counts(s, series, out);
    if (starred)
        fprintf(out,
                "; * marks a percentile they do not carry (independent repeats: p50 needs %zu, p95 "
                "%zu, p99 %zu)",
                ms_percentile_needs(50), ms_percentile_needs(95), ms_percentile_needs(99));
    if (counted || starred)
        fputc('\n', out);
    print_variance(s, series, out);
    char note[200];
    if (ms_results_hardware_note(s, note, sizeof note))
        fprintf(out, "%s\n", note);
    return printed ? MS_OK : MS_NOMEM;
}
