/* How errors of measured rows look as a table, as CSV, as JSON and as markdown. */
#include "report/fidelity_print.h"

#include <math.h>
#include <string.h>

#include "base/csv.h"
#include "base/json.h"

enum { FEW_ROWS = 40 };

static const char *fit_name(const struct ms_fidelity_row *f)
{
    static const char *const names[] = {"yes", "no", "skip"};
    return names[f->row->fit];
}

/* ---- tables ---- */

static void share_cell(struct ms_table *t, enum ms_style style, double v, bool sign)
{
    if (isnan(v))
        ms_table_cell(t, style, "%s", "");
    else
        ms_table_cell(t, style, sign ? "%+.1f %%" : "%.1f %%", 100 * v);
}

static void sum_cells(struct ms_table *t, const struct ms_fidelity_sum *s, enum ms_style style)
{
    if (s->n > 0 && s->n < s->n_all)
        ms_table_cell(t, style, "%d of %d", s->n, s->n_all);
    else
        ms_table_cell(t, style, s->n > 0 ? "%d" : "%d unfitted", s->n_all);
    share_cell(t, style, s->mean, false);
    share_cell(t, style, s->worst, false);
    share_cell(t, style, s->bias, true);
}

static void sum_columns(struct ms_table *t)
{
    ms_table_column(t, "rows", MS_RIGHT, 0);
    ms_table_column(t, "mean error", MS_RIGHT, 0);
    ms_table_column(t, "worst", MS_RIGHT, 0);
    ms_table_column(t, "bias", MS_RIGHT, 1);
}

static struct ms_table *parts_table(const struct ms_fidelity *f)
{
    struct ms_table *t = ms_table_create();
    ms_table_column(t, "family", MS_LEFT, 0);
    ms_table_column(t, "hardware", MS_LEFT, 0);
    ms_table_column(t, "library", MS_LEFT, 0);
    ms_table_column(t, "leg", MS_LEFT, 0);
    sum_columns(t);
    for (size_t i = 0; i < f->n_parts; i++) {
        const struct ms_fidelity_sum *s = &f->part[i];
        ms_table_row(t);
        ms_table_cell(t, MS_PLAIN, "%s", s->family);
        ms_table_cell(t, MS_PLAIN, "%s", s->hardware);
        ms_table_cell(t, MS_PLAIN, "%s", s->library);
        ms_table_cell(t, MS_PLAIN, "%s", s->leg);
        sum_cells(t, s, MS_PLAIN);
    }
    return t;
}

/* Families, and below each the lines of bounds.csv that are about it. */
static struct ms_table *families_table(const struct ms_fidelity *f)
{
    struct ms_table *t = ms_table_create();
    ms_table_column(t, "family", MS_LEFT, 0);
    sum_columns(t);
    ms_table_column(t, "bound", MS_RIGHT, 0);
    ms_table_column(t, "", MS_LEFT, 0);
    for (size_t i = 0; i < f->n_families; i++) {
        ms_table_row(t);
        ms_table_cell(t, MS_BOLD, "%s", f->family[i].family);
        sum_cells(t, &f->family[i], MS_BOLD);
        ms_table_cell(t, MS_PLAIN, "%s", "");
        ms_table_cell(t, MS_RED, "%s", f->family[i].beyond ? "beyond its bound" : "");
        for (size_t k = 0; k < f->n_bounds; k++) {
            const struct ms_fidelity_sum *b = &f->bound[k];
            char bound[64] = "";
            if (strcmp(b->family, f->family[i].family) != 0)
                continue;
            if (!isnan(b->bound_mean))
                snprintf(bound, sizeof bound, "%.3g %%", 100 * b->bound_mean);
            if (!isnan(b->bound_worst))
                snprintf(bound + strlen(bound), sizeof bound - strlen(bound), "%sworst %g %%",
                         *bound ? ", " : "", 100 * b->bound_worst);
            ms_table_row(t);
            ms_table_cell(t, MS_PLAIN, "  %s%s%s", b->library ? b->library : "",
                          b->library && b->leg ? " " : "",
                          b->leg       ? b->leg
                          : b->library ? ""
                                       : "all legs");
            sum_cells(t, b, MS_PLAIN);
            ms_table_cell(t, MS_PLAIN, "%s", bound);
            char even[48] = "";
            if (!isnan(b->even_mean))
                snprintf(even, sizeof even, ", even ones %.1f %%", 100 * b->even_mean);
            ms_table_cell(t, b->beyond ? MS_RED : MS_GREEN, "%s%s", b->beyond ? "beyond" : "within",
                          even);
        }
    }
    return t;
}

static struct ms_table *rows_table(const struct ms_fidelity *f)
{
    struct ms_table *t = ms_table_create();
    ms_table_column(t, "row", MS_LEFT, 0);
    ms_table_column(t, "leg", MS_LEFT, 1);
    ms_table_column(t, "measured us", MS_RIGHT, 0);
    ms_table_column(t, "simulated us", MS_RIGHT, 0);
    ms_table_column(t, "error", MS_RIGHT, 0);
    for (size_t i = 0; i < f->n; i++) {
        const struct ms_fidelity_row *r = &f->row[i];
        if (r->skipped)
            continue;
        ms_table_row(t);
        ms_table_cell(t, MS_PLAIN, "%s", r->row->id);
        ms_table_cell(t, MS_PLAIN, "%s", ms_measured_leg_name(r->row->leg));
        ms_table_cell(t, MS_PLAIN, "%.1f", r->row->value_us);
        ms_table_cell(t, MS_PLAIN, "%.1f", r->simulated_us);
        share_cell(t, MS_PLAIN, r->error, true);
    }
    return t;
}

/* The reason without what is of the row alone. */
static size_t reason_length(const struct ms_fidelity_row *r)
{
    return r->failed ? strlen(r->skipped) : strcspn(r->skipped, ";");
}

static bool same_reason(const struct ms_fidelity_row *a, const struct ms_fidelity_row *b)
{
    return a->skipped && b->skipped && strcmp(a->row->family, b->row->family) == 0 &&
           reason_length(a) == reason_length(b) &&
           strncmp(a->skipped, b->skipped, reason_length(a)) == 0;
}

/* Reasons, each once, with how many rows it is said of. */
static void print_skipped(const struct ms_fidelity *f, FILE *out)
{
    for (size_t i = 0; i < f->n; i++) {
        const struct ms_fidelity_row *r = &f->row[i];
        size_t n = 0, before = 0;
        for (size_t k = 0; k < f->n && r->skipped; k++)
            if (same_reason(&f->row[k], r)) {
                n++;
                before += k < i;
            }
        if (n > 0 && before == 0)
            fprintf(out, "%s: %zu row%s of %s (%s%s): %.*s\n", r->failed ? "failed" : "skipped", n,
                    n == 1 ? "" : "s", r->row->family, r->row->id, n == 1 ? "" : ", …",
                    (int)reason_length(r), r->skipped);
    }
}

static bool print_and_destroy(struct ms_table *t, FILE *out, const struct ms_term *term)
{
    bool ok = ms_table_print(t, out, term);
    ms_table_destroy(t);
    return ok;
}

bool ms_fidelity_table(const struct ms_fidelity *f, bool rows, FILE *out,
                       const struct ms_term *term)
{
    bool ok = true;
    if (f->n_simulated > 0 && (rows || f->n_simulated <= FEW_ROWS)) {
        ok = print_and_destroy(rows_table(f), out, term);
        fputc('\n', out);
    }
    if (ok && f->n_parts > 0) {
        ok = print_and_destroy(parts_table(f), out, term);
        fputc('\n', out);
    }
    ok = ok && (f->n_families == 0 || print_and_destroy(families_table(f), out, term));
    fprintf(out, "%s%zu rows: %zu simulated, %zu skipped", f->n_families ? "\n" : "", f->n,
            f->n_simulated, f->n_skipped);
    fprintf(out, f->n_failed ? ", %zu failed\n" : "\n", f->n_failed);
    print_skipped(f, out);
    return ok;
}

bool ms_fidelity_markdown(const struct ms_fidelity *f, FILE *out)
{
    struct ms_table *families = families_table(f), *parts = parts_table(f);
    bool ok = ms_table_markdown(families, out);
    fputc('\n', out);
    ok = ok && ms_table_markdown(parts, out);
    ms_table_destroy(families);
    ms_table_destroy(parts);
    return ok;
}

/* ---- for scripts ---- */

void ms_fidelity_csv(const struct ms_fidelity *f, struct ms_buf *out)
{
    char v[32];
    ms_buf_adds(
        out,
        "id,family,fit,hardware,library,leg,statistic,measured_us,simulated_us,error,skipped\n");
    for (size_t i = 0; i < f->n; i++) {
        const struct ms_fidelity_row *r = &f->row[i];
        const char *const words[] = {r->row->id,
                                     r->row->family,
                                     fit_name(r),
                                     r->row->hardware,
                                     r->row->library,
                                     ms_measured_leg_name(r->row->leg),
                                     ms_measured_statistic_name(r->row->statistic)};
        for (size_t k = 0; k < sizeof words / sizeof *words; k++) {
            ms_csv_cell(out, words[k]);
            ms_buf_adds(out, ",");
        }
        const double numbers[] = {r->row->value_us, r->simulated_us, r->error};
        for (int k = 0; k < 3; k++)
            ms_buf_printf(out, "%s,", isnan(numbers[k]) ? "" : ms_number(numbers[k], v));
        ms_csv_cell(out, r->skipped ? r->skipped : "");
        ms_buf_adds(out, "\n");
    }
}

static void json_sum(struct ms_json *j, const struct ms_fidelity_sum *s, bool part)
{
    ms_json_object(j, NULL);
    ms_json_string(j, "family", s->family);
    if (part) {
        ms_json_string(j, "hardware", s->hardware);
        ms_json_string(j, "library", s->library);
        ms_json_string(j, "leg", s->leg);
    }
    ms_json_integer(j, "n", s->n > 0 ? s->n : s->n_all);
    ms_json_number(j, "mean_abs_error", s->mean);
    ms_json_number(j, "worst_abs_error", s->worst);
    ms_json_number(j, "bias", s->bias);
    ms_json_bool(j, "fitted", s->n > 0);
    ms_json_integer(j, "n_all", s->n_all);
    ms_json_number(j, "mean_abs_error_all", s->mean_all);
    if (!part)
        ms_json_bool(j, "beyond_bound", s->beyond);
    ms_json_end_object(j);
}

void ms_fidelity_json(const struct ms_fidelity *f, struct ms_buf *out)
{
    struct ms_json j = {.out = out};
    ms_json_object(&j, NULL);
    ms_json_array(&j, "rows");
    for (size_t i = 0; i < f->n; i++) {
        const struct ms_fidelity_row *r = &f->row[i];
        if (r->skipped)
            continue;
        ms_json_object(&j, NULL);
        ms_json_string(&j, "id", r->row->id);
        ms_json_string(&j, "family", r->row->family);
        ms_json_string(&j, "fit", fit_name(r));
        ms_json_number(&j, "measured_us", r->row->value_us);
        ms_json_number(&j, "simulated_us", r->simulated_us);
        ms_json_number(&j, "error", r->error);
        ms_json_end_object(&j);
    }
    ms_json_end_array(&j);
    ms_json_array(&j, "families");
    for (size_t i = 0; i < f->n_families; i++)
        json_sum(&j, &f->family[i], false);
    ms_json_end_array(&j);
    ms_json_array(&j, "parts");
    for (size_t i = 0; i < f->n_parts; i++)
        json_sum(&j, &f->part[i], true);
    ms_json_end_array(&j);
    ms_json_array(&j, "skipped");
    for (size_t i = 0; i < f->n; i++) {
        const struct ms_fidelity_row *r = &f->row[i];
        if (!r->skipped)
            continue;
        ms_json_object(&j, NULL);
        ms_json_string(&j, "id", r->row->id);
        ms_json_string(&j, "family", r->row->family);
        ms_json_string(&j, "fit", fit_name(r));
        ms_json_string(&j, "reason", r->skipped);
        ms_json_bool(&j, "failed", r->failed);
        ms_json_end_object(&j);
    }
    ms_json_end_array(&j);
    ms_json_end_object(&j);
    ms_buf_adds(out, "\n");
}
