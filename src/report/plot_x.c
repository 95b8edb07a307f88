/* Decides how a metric is drawn against a number: a panel for each combination of the keys that the number
 * does not depend on, a line for each value of the compared one, a bar for each interval. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "report/plot_parts.h"

enum { WIDTH = 900, PANEL = 420, HEAD = 40, LEGEND_LINE = 70, LETTER = 8 }; /* pixels */

struct point {
    size_t panel, line;
    double x, y, lo, hi;
};

struct drawing {
    bool *along; /* [results->n_keys] the abscissa differs along this key: it makes no panels */
    double x_lo, x_hi;
    struct ms_strings panels, lines;
    struct point *point;
    size_t n;
};

static int in_order(const void *a, const void *b)
{
    const struct point *p = a, *q = b;
    if (p->panel != q->panel)
        return p->panel < q->panel ? -1 : 1;
    if (p->line != q->line)
        return p->line < q->line ? -1 : 1;
    return (p->x > q->x) - (p->x < q->x);
}

static bool add_point(const struct ms_comparison *c, const struct ms_compare_row *r,
                      struct drawing *d)
{
    struct ms_buf title = {0};
    double x = ms_compare_x(c, r->r);
    if (isnan(x) || isnan(r->value))
        return true;
    ms_compare_title(c, r->r, d->along, &title);
    bool ok = !title.failed;
    bool same = strcmp(c->by, c->x) == 0;
    if (ok)
        d->point[d->n++] = (struct point){
            .panel = ms_strings_add(&d->panels, title.p),
            .line = ms_strings_add(&d->lines, same ? c->metric : r->label),
            .x = x,
            .y = r->value,
            .lo = isnan(r->value_lo) ? r->value : r->value_lo,
            .hi = isnan(r->value_hi) ? r->value : r->value_hi,
        };
    ms_buf_finish(&title);
    return ok;
}

/* Do records that differ in one key only differ in the abscissa? @return 0 or 1, -1: no memory */
static int is_along(const struct ms_comparison *c, size_t key)
{
    const struct ms_results *s = c->results;
    struct ms_strings rest = {0};
    double *first = malloc((s->n + 1) * sizeof *first);
    bool *without = calloc(s->n_keys + 1, sizeof *without);
    int along = first && without ? strcmp(s->key[key], c->x) == 0 : -1;
    if (without)
        without[key] = true;
    for (size_t i = 0; along == 0 && i < s->n; i++) {
        struct ms_buf title = {0};
        double x = ms_compare_x(c, &s->r[i]);
        ms_compare_title(c, &s->r[i], without, &title);
        ms_buf_printf(&title, "\n%s", ms_result_label(s, &s->r[i], c->by));
        size_t met = rest.n, at = title.failed ? 0 : ms_strings_add(&rest, title.p);
        if (title.failed || rest.failed)
            along = -1;
        else if (at == met)
            first[at] = x;
        else if (!isnan(x) && !isnan(first[at]) && x != first[at])
            along = 1;
        ms_buf_finish(&title);
    }
    ms_strings_finish(&rest);
    free(first);
    free(without);
    return along;
}

static bool find_along(const struct ms_comparison *c, struct drawing *d)
{
    const struct ms_results *s = c->results;
    d->along = calloc(s->n_keys + 1, sizeof *d->along);
    for (size_t k = 0; d->along && k < s->n_keys; k++) {
        int along = is_along(c, k);
        if (along < 0)
            return false;
        d->along[k] = along > 0;
    }
    return d->along;
}

/* Of all panels: what is compared has one scale. */
static void find_range(struct drawing *d)
{
    d->x_lo = INFINITY;
    d->x_hi = -INFINITY;
    for (size_t i = 0; i < d->n; i++) {
        d->x_lo = fmin(d->x_lo, d->point[i].x);
        d->x_hi = fmax(d->x_hi, d->point[i].x);
    }
    double margin = 0.02 * (d->x_hi - d->x_lo);
    if (!(margin > 0))
        margin = fmax(0.1 * fabs(d->x_hi), 0.1);
    d->x_lo -= margin;
    d->x_hi += margin;
}

static enum ms_status collect(const struct ms_comparison *c, struct drawing *d, struct ms_err *err)
{
    size_t most = 0;
    for (size_t g = 0; g < c->n_groups; g++)
        most += c->group[g].n;
    d->point = malloc((most + 1) * sizeof *d->point);
    bool ok = d->point && find_along(c, d);
    for (size_t g = 0; ok && g < c->n_groups; g++)
        for (size_t i = 0; ok && i < c->group[g].n; i++)
            ok = add_point(c, &c->group[g].row[i], d);
    if (!ok || d->panels.failed || d->lines.failed)
        return ms_err_set(err, MS_NOMEM, "out of memory for the picture");
    if (d->n == 0)
        return ms_err_set(err, MS_USAGE,
                          "--x: '%s' is neither a key with numbers nor a number of these records",
                          c->x);
    qsort(d->point, d->n, sizeof *d->point, in_order);
    find_range(d);
    return MS_OK;
}

static bool starts_line(const struct drawing *d, size_t i)
{
    return i == 0 || d->point[i].panel != d->point[i - 1].panel ||
           d->point[i].line != d->point[i - 1].line;
}

static void add_data(struct ms_buf *b, const struct drawing *d)
{
    for (size_t i = 0; i < d->n; i++) {
        const struct point *p = &d->point[i];
        if (starts_line(d, i))
            ms_buf_printf(b, "$line%zu_%zu << EOD\n", p->panel, p->line);
        ms_buf_printf(b, "%.9g %.9g %.9g %.9g\n", p->x, p->y, p->lo, p->hi);
        if (i + 1 == d->n || starts_line(d, i + 1))
            ms_buf_adds(b, "EOD\n");
    }
}

static void add_panel(struct ms_buf *b, const struct drawing *d, size_t panel, double bottom,
                      double height)
{
    bool first = true;
    ms_buf_printf(b, "set bmargin at screen %.4f\nset tmargin at screen %.4f\nset title ",
                  bottom + 0.16 * height, bottom + 0.88 * height);
    ms_plot_quoted(b, d->panels.text[panel]);
    ms_buf_adds(b, "\nplot ");
    for (size_t i = 0; i < d->n; i++) {
        const struct point *p = &d->point[i];
        if (p->panel != panel || !starts_line(d, i))
            continue;
        ms_buf_printf(b,
                      "%s$line%zu_%zu using 1:2:3:4 with yerrorbars pt 7 ps 0.7 lw 1.5 lc rgb '%s' "
                      "notitle, \\\n  '' using 1:2 with lines lw 2 lc rgb '%s' title ",
                      first ? "" : ", \\\n  ", panel, p->line, ms_plot_colour(p->line),
                      ms_plot_colour(p->line));
        ms_plot_quoted(b, d->lines.text[p->line]);
        first = false;
    }
    ms_buf_adds(b, "\n");
}

/* Where the panels end, as a share of the width: the longest name of the legend stands beside
 * them. */
static double right_of_panels(const struct ms_strings *lines)
{
    size_t longest = 0;
    for (size_t i = 0; i < lines->n; i++)
        longest = strlen(lines->text[i]) > longest ? strlen(lines->text[i]) : longest;
    double right = 1 - (double)(LEGEND_LINE + LETTER * (int)longest) / WIDTH;
    return right > 0.5 ? right : 0.5;
}

enum ms_status ms_plot_x_script(const struct ms_comparison *c, const char *output,
                                enum ms_picture kind, struct ms_buf *out, struct ms_err *err)
{
    struct drawing d = {0};
    char name[160];
    enum ms_status s = collect(c, &d, err);
    int total = HEAD + PANEL * (int)d.panels.n;
    double right = right_of_panels(&d.lines);
    if (s == MS_OK) {
        ms_plot_head(out, kind, WIDTH, total, output);
        ms_plot_metric_name(c, name, sizeof name);
        ms_buf_adds(out, "set multiplot\nset label 1 ");
        ms_plot_quoted(out, c->caption);
        ms_buf_printf(out,
                      " at screen 0.012, screen %.4f left noenhanced font ',14'\nset lmargin at "
                      "screen 0.10\nset rmargin at screen %.3f\nset key at screen %.3f, graph 1 "
                      "left top Left reverse samplen 1.2\nset grid xtics ytics lc rgb '#dddddd' lt "
                      "1\nset xlabel ",
                      1 - 20.0 / total, right, right + 0.015);
        ms_plot_quoted(out, c->x);
        ms_buf_adds(out, "\nset ylabel ");
        ms_plot_quoted(out, name);
        ms_buf_printf(out, "\nset xrange [%.9g:%.9g]\nset yrange [0:*]\n", d.x_lo, d.x_hi);
        add_data(out, &d);
    }
    for (size_t p = 0; s == MS_OK && p < d.panels.n; p++) {
        double height = (double)PANEL / total;
        add_panel(out, &d, p, 1 - (double)HEAD / total - height * (double)(p + 1), height);
        ms_buf_adds(out, "unset label 1\n");
    }
    ms_buf_adds(out, "unset multiplot\nset output\n");
    ms_strings_finish(&d.panels);
    ms_strings_finish(&d.lines);
    free(d.along);
    free(d.point);
    return s == MS_OK && out->failed ? ms_err_set(err, MS_NOMEM, "out of memory for the picture")
                                     : s;
}
