/* Decides what the picture of a comparison shows and where: writes the gnuplot script and has it
 * drawn. */
#include "report/plot_parts.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "stats/percentile.h"

static const double LEFT_END = 0.49; /* of the left panel, as a share of the width */
enum { WIDTH = 1380, ROW_TOP = 70, ROW_LINE = 26, ROW_LEAST = 330, LABEL_PX = 9, HEAD = 40 };

const char *ms_plot_colour(size_t number)
{
    static const char *const colours[] = {"#000000", "#0072b2", "#d55e00", "#009e73",
                                          "#cc79a7", "#e69f00", "#56b4e9", "#8c564b",
                                          "#7f7f7f", "#6a3d9a", "#b22222", "#17a2b8"};
    return colours[number % (sizeof colours / sizeof *colours)];
}

/* ---- what is drawn ---- */

struct drawn {
    const struct ms_compare_row *row;
    struct ms_clustered sample;
    double p50, tail;
    const char *colour;
};

static int by_double(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The same label has the same colour in every group: labels are numbered as they are met. */
static bool number_labels(const struct ms_comparison *c, struct ms_strings *labels)
{
    for (size_t g = 0; g < c->n_groups; g++)
        for (size_t i = 0; i < c->group[g].n; i++)
            ms_strings_add(labels, c->group[g].row[i].label);
    return !labels->failed;
}

static void prepare(const struct ms_comparison *c, const struct ms_compare_group *g,
                    struct ms_strings *labels, struct ms_arena *arena, struct drawn *out, size_t *n)
{
    char path[40];
    snprintf(path, sizeof path, "%s.p50_us", ms_series_name(c->series));
    *n = 0;
    for (size_t i = 0; i < g->n; i++) {
        struct drawn *d = &out[*n];
        *d = (struct drawn){.row = &g->row[i], .tail = g->row[i].value};
        if (!g->row[i].r->ok || !ms_result_samples(g->row[i].r, c->series, arena, &d->sample))
            continue;
        d->p50 = ms_result_number(g->row[i].r, path);
        d->colour = ms_plot_colour(ms_strings_add(labels, g->row[i].label));
        (*n)++;
    }
}

/* ---- the script ---- */

static void quoted(struct ms_buf *b, const char *text, bool is_format)
{
    ms_buf_adds(b, "'");
    for (const char *c = text; *c; c++) {
        if (*c == '\'' || (is_format && *c == '%'))
            ms_buf_add(b, c, 1);
        if ((unsigned char)*c >= ' ')
            ms_buf_add(b, c, 1);
    }
    ms_buf_adds(b, "'");
}

void ms_plot_quoted(struct ms_buf *b, const char *text)
{
    quoted(b, text, false);
}

void ms_plot_tic(struct ms_buf *b, const char *text)
{
    quoted(b, text, true);
}

void ms_plot_head(struct ms_buf *b, enum ms_picture kind, int width, int height, const char *output)
{
    const double px = 96; /* an inch of a screen */
    static const char *const font = "Helvetica,DejaVu Sans,Arial,sans-serif";
    ms_buf_adds(b, "set encoding utf8\nset terminal ");
    if (kind == MS_PDF)
        ms_buf_printf(b, "pdfcairo size %.3f,%.3f font 'DejaVu Sans,9'", width / px, height / px);
    else
        ms_buf_printf(b, "%s size %d,%d font '%s,12'", kind == MS_PNG ? "pngcairo" : "svg", width,
                      height, kind == MS_PNG ? "DejaVu Sans" : font);
    ms_buf_adds(b, " noenhanced background rgb 'white'\n");
    if (output) {
        ms_buf_adds(b, "set output ");
        ms_plot_quoted(b, output);
        ms_buf_adds(b, "\n");
    }
    ms_buf_adds(b, "set border 3 lc rgb '#444444'\nset xtics nomirror\nset ytics nomirror\n");
}

static void stat_name(const struct ms_comparison *c, char *out, size_t size)
{
    if (c->stat == MS_STAT_MAX || c->stat == MS_STAT_MEAN)
        snprintf(out, size, "%s", c->stat == MS_STAT_MAX ? "max" : "mean");
    else
        snprintf(out, size, "p%d", c->stat);
}

void ms_plot_metric_name(const struct ms_comparison *c, char *out, size_t size)
{
    char stat[16];
    stat_name(c, stat, sizeof stat);
    if (c->is_series)
        snprintf(out, size, "%s %s, microseconds", ms_series_name(c->series), stat);
    else
        snprintf(out, size, "%s", c->is_rate ? "tokens a second" : c->metric);
}

static void add_data(struct ms_buf *b, size_t group, const struct drawn *d, size_t n)
{
    ms_buf_printf(b, "$tail%zu << EOD\n", group);
    for (size_t i = 0; i < n; i++) {
        bool known = !isnan(d[i].row->value_lo);
        ms_buf_printf(b, "%zu %.6g %.6g %.6g %.6g %s\n", i, d[i].p50, d[i].tail,
                      known ? d[i].row->value_lo : d[i].tail,
                      known ? d[i].row->value_hi : d[i].tail, d[i].colour + 1);
    }
    ms_buf_adds(b, "EOD\n");
}

/* Share of times above t, from 1 down to 1/n: one step a value. */
static enum ms_status add_curve(struct ms_buf *b, size_t group, size_t row,
                                const struct ms_clustered *s)
{
    double *v = malloc((s->n + 1) * sizeof *v);
    if (!v)
        return MS_NOMEM;
    memcpy(v, s->value, s->n * sizeof *v);
    qsort(v, s->n, sizeof *v, by_double);
    ms_buf_printf(b, "$curve%zu_%zu << EOD\n", group, row);
    for (size_t i = 0; i < s->n; i++)
        ms_buf_printf(b, "%.6g %.6g\n", v[i], (double)(s->n - i) / (double)s->n);
    ms_buf_adds(b, "EOD\n");
    free(v);
    return MS_OK;
}

static void add_tail_panel(struct ms_buf *b, const struct ms_comparison *c, size_t group,
                           const struct drawn *d, size_t n, double left)
{
    char tail[16];
    stat_name(c, tail, sizeof tail);
    ms_buf_printf(b, "set lmargin at screen %.4f\nset rmargin at screen %.4f\n", left, LEFT_END);
    ms_buf_printf(b, "unset logscale y\nset yrange [%g:-0.7]\nset ytics scale 0 (",
                  (double)n - 0.3);
    for (size_t i = 0; i < n; i++) {
        ms_buf_adds(b, i ? ", " : "");
        ms_plot_tic(b, d[i].row->label);
        ms_buf_printf(b, " %zu", i);
    }
    ms_buf_printf(b,
                  ")\nunset grid\nset grid xtics lc rgb '#dddddd' lt 1\n"
                  "set xlabel '%s time, microseconds'\nset key at graph 1,1 right bottom "
                  "horizontal Right noreverse maxrows 1 maxcols 2 samplen 0.5 font ',10'\n",
                  ms_series_name(c->series));
    ms_buf_printf(
        b,
        "set ylabel ''\nplot $tail%zu using 2:1:($3-$2):(0):(int(('0x'.strcol(6))+0)) with vectors "
        "nohead lw 1.5 lc rgb var notitle, \\\n"
        "  '' using 2:1:(int(('0x'.strcol(6))+0)) with points pt 6 ps 1.0 lw 2 lc rgb "
        "var notitle, \\\n"
        "  '' using 3:1:4:5:(int(('0x'.strcol(6))+0)) with xerrorbars pt 7 ps 0.9 lw 2 "
        "lc rgb var notitle, \\\n"
        "%s  NaN with points pt 7 lc rgb '#444444' title '%s, 95%% interval'\n",
        group,
        c->stat == 50 ? "" : "  NaN with points pt 6 lw 2 lc rgb '#444444' title 'p50', \\\n",
        tail);
}

/* Where the longest time stands in the panel's width: right of it there is room for the curves' names. */
static double curves_end(const struct drawn *d, size_t n)
{
    int most = 0;
    for (size_t i = 0; i < n; i++)
        most = ms_text_width(d[i].row->label) > most ? ms_text_width(d[i].row->label) : most;
    double key_px = 7.2 * most + 56, panel_px = (0.978 - 0.565) * WIDTH;
    return fmax(0.4, 1 - key_px / panel_px);
}

static void add_curve_panel(struct ms_buf *b, const struct ms_comparison *c, size_t group,
                            const struct drawn *d, size_t n)
{
    size_t most = 0;
    double longest = 0;
    for (size_t i = 0; i < n; i++) {
        most = d[i].sample.n > most ? d[i].sample.n : most;
        for (size_t k = 0; k < d[i].sample.n; k++)
            longest = fmax(longest, d[i].sample.value[k]);
    }
    ms_buf_printf(b, "set xrange [0:%g]\n", longest > 0 ? longest / curves_end(d, n) : 1);
    ms_buf_printf(
        b,
        "set lmargin at screen 0.565\nset rmargin at screen 0.978\n"
        "set yrange [%g:1]\nset logscale y\nset ytics scale 0.5 autofreq\nset ytics add "
        "('1' 1, '0.1' "
        "0.1, '0.01' 0.01, '0.001' 0.001)\n"
        "set grid xtics ytics lc rgb '#dddddd' lt 1\nset ylabel 'share longer than t' "
        "offset 1\n"
        "set xlabel 't, microseconds of %s'\nset key at graph 0.995, graph 0.97 right top "
        "vertical Left maxrows 40 "
        "reverse samplen 1.2 font ',10' opaque\n",
        most ? 0.9 / (double)most : 0.1, ms_series_name(c->series));
    ms_buf_adds(b, "plot ");
    for (size_t k = 0; k < n; k++) {
        ms_buf_printf(b, "%s$curve%zu_%zu using 1:2 with steps lw %s lc rgb '%s' title ",
                      k ? ", \\\n  " : "", group, k, d[k].row->is_baseline ? "2.5" : "1.8",
                      d[k].colour);
        ms_plot_quoted(b, d[k].row->label);
    }
    ms_buf_adds(b, "\nset xrange [0:*]\n");
}

static double label_width(const struct ms_comparison *c)
{
    int most = ms_text_width(c->by);
    for (size_t g = 0; g < c->n_groups; g++)
        for (size_t i = 0; i < c->group[g].n; i++) {
            int w = ms_text_width(c->group[g].row[i].label);
            most = w > most ? w : most;
        }
    double share = (LABEL_PX * (double)most + 20) / WIDTH;
    return share > 0.3 ? 0.3 : share;
}

static int group_height(size_t n)
{
    int h = ROW_TOP + 66 + ROW_LINE * (int)n;
    return h < ROW_LEAST ? ROW_LEAST : h;
}

static enum ms_status add_group(struct ms_buf *b, const struct ms_comparison *c, size_t group,
                                const struct drawn *d, size_t n, double bottom, double height)
{
    add_data(b, group, d, n);
    for (size_t i = 0; i < n; i++)
        if (add_curve(b, group, i, &d[i].sample) != MS_OK)
            return MS_NOMEM;
    double px = group_height(n);
    ms_buf_printf(b, "set bmargin at screen %.4f\nset tmargin at screen %.4f\n",
                  bottom + height * 62 / px, bottom + height * (1 - 50 / px));
    ms_buf_printf(b, "set label 1 ");
    ms_plot_quoted(b, c->group[group].title);
    ms_buf_printf(b, " at screen 0.012, screen %.4f left noenhanced font ',13'\n",
                  bottom + height * (1 - 18 / px));
    ms_buf_adds(b, "set label 3 "); /* names the left axis, above its tics */
    ms_plot_quoted(b, c->by);
    ms_buf_printf(b, " at screen %.4f, screen %.4f right noenhanced font ',12'\n",
                  label_width(c) - 0.006, bottom + height * (1 - 42 / px));
    add_tail_panel(b, c, group, d, n, label_width(c));
    ms_buf_adds(b, "unset label\n");
    add_curve_panel(b, c, group, d, n);
    return MS_OK;
}

static void add_head(struct ms_buf *b, const struct ms_comparison *c, const char *output,
                     enum ms_picture kind, int height)
{
    ms_plot_head(b, kind, WIDTH, height, output);
    ms_buf_adds(b, "set xrange [0:*]\nset multiplot\nset label 2 ");
    ms_plot_quoted(b, c->caption);
    ms_buf_printf(b, " at screen 0.012, screen %.4f left noenhanced font ',14'\n",
                  1 - 20.0 / height);
}

static enum ms_status add_groups(struct ms_buf *b, const struct ms_comparison *c,
                                 struct ms_strings *labels, int total, struct ms_err *err)
{
    double top = 1 - (double)HEAD / total;
    enum ms_status s = MS_OK;
    for (size_t g = 0; s == MS_OK && g < c->n_groups; g++) {
        struct ms_arena arena = {0};
        struct drawn *d = MS_NEW(&arena, struct drawn, c->group[g].n);
        size_t n = 0;
        if (d)
            prepare(c, &c->group[g], labels, &arena, d, &n);
        s = d ? MS_OK : MS_NOMEM;
        double height = (double)group_height(c->group[g].n) / total;
        if (s == MS_OK && n > 0)
            s = add_group(b, c, g, d, n, top - height, height);
        top -= height;
        ms_arena_finish(&arena);
    }
    return s;
}

enum ms_status ms_plot_script(const struct ms_comparison *c, const char *output,
                              enum ms_picture kind, struct ms_buf *out, struct ms_err *err)
{
    int total = 0;
    if (c->x)
        return ms_plot_x_script(c, output, kind, out, err);
    if (!c->is_series || c->series == MS_SERIES_RANK)
        return ms_err_set(
            err, MS_USAGE,
            "--plot: records keep no samples of '%s'; a picture needs exchange, dispatch, combine, "
            "layer or step times",
            c->metric);
    for (size_t g = 0; g < c->n_groups; g++)
        total += group_height(c->group[g].n);
    total += HEAD;
    add_head(out, c, output, kind, total);
    struct ms_strings labels = {0};
    enum ms_status s =
        number_labels(c, &labels) ? add_groups(out, c, &labels, total, err) : MS_NOMEM;
    ms_strings_finish(&labels);
    ms_buf_adds(out, "unset multiplot\nset output\n");
    return s == MS_OK && out->failed ? ms_err_set(err, MS_NOMEM, "out of memory for the picture")
                                     : s;
}

/* ---- drawing ---- */

static bool kind_of(const char *path, enum ms_picture *kind)
{
    static const char *const endings[] = {".svg", ".png", ".pdf"};
    size_t n = strlen(path);
    for (enum ms_picture k = MS_SVG; k <= MS_PDF; k++)
        if (n > 4 && strcmp(path + n - 4, endings[k]) == 0) {
            *kind = k;
            return true;
        }
    return false;
}

enum ms_status ms_plot_to(const char *path, ms_plot_script_fn *write, const void *ctx,
                          struct ms_err *err)
{
    enum ms_picture kind;
    struct ms_buf script = {0};
    if (!kind_of(path, &kind))
        return ms_err_set(err, MS_USAGE, "--plot: '%s' ends in none of .svg, .png, .pdf", path);
    enum ms_status s = write(ctx, NULL, kind, &script, err);
    if (s == MS_OK)
        s = ms_plot_draw(path, &script, err);
    ms_buf_finish(&script);
    return s;
}

static enum ms_status write_compare(const void *ctx, const char *output, enum ms_picture kind,
                                    struct ms_buf *out, struct ms_err *err)
{
    return ms_plot_script(ctx, output, kind, out, err);
}

enum ms_status ms_plot_compare(const struct ms_comparison *c, const char *path, struct ms_err *err)
{
    return ms_plot_to(path, write_compare, c, err);
}
