/* Who was busy, as figures: experts by layer as a heat map, ranks as curves from the busiest on. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "report/figure_parts.h"

enum { MOST_CURVES = 12 };

/* ---- experts ---- */

/* White at nothing over a third of full blue at the mean to dark red at the fullest of the map. */
static void colour_of(double v, double most, char *out, size_t size)
{
    double t = v <= 1 ? 0.35 * v : 0.35 + 0.65 * (most > 1 ? (v - 1) / (most - 1) : 0);
    static const double stop[][4] = {
        {0, 255, 255, 255}, {0.35, 146, 197, 222}, {0.7, 244, 165, 96}, {1, 165, 0, 38}};
    int i = 0;
    while (i < 2 && t > stop[i + 1][0])
        i++;
    double f = fmin(1, (t - stop[i][0]) / (stop[i + 1][0] - stop[i][0]));
    snprintf(out, size, "#%02x%02x%02x", (unsigned)(stop[i][1] + f * (stop[i + 1][1] - stop[i][1])),
             (unsigned)(stop[i][2] + f * (stop[i + 1][2] - stop[i][2])),
             (unsigned)(stop[i][3] + f * (stop[i + 1][3] - stop[i][3])));
}

static double most_of(const json_t *layers)
{
    const json_t *layer, *v;
    size_t l, e;
    double most = 1;
    json_array_foreach((json_t *)layers, l, layer) json_array_foreach((json_t *)layer, e, v) most =
        fmax(most, json_number_value(v));
    return most;
}

static void draw_experts(struct ms_buf *b, const json_t *layers, double most)
{
    const json_t *layer, *v;
    size_t l, e, n = json_array_size(json_array_get(layers, 0)), L = json_array_size(layers);
    struct ms_scale x = {0, (double)n, MS_FIGURE_LEFT, MS_FIGURE_W - MS_FIGURE_RIGHT};
    double row = L <= 4 ? 24 : L <= 16 ? 14 : 6;
    double bottom = MS_FIGURE_TOP + row * (double)L;
    char colour[16], number[24];
    ms_figure_begin(b, "Load of each expert over the mean of its layer",
                    (int)bottom + MS_FIGURE_BOTTOM);
    json_array_foreach((json_t *)layers, l, layer)
    {
        double y = MS_FIGURE_TOP + row * (double)l;
        if (L <= 16 || l % 4 == 0)
            ms_buf_printf(b, "<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%zu</text>\n",
                          MS_FIGURE_LEFT - 6, y + row / 2 + 4, l);
        json_array_foreach((json_t *)layer, e, v)
        {
            colour_of(json_number_value(v), most, colour, sizeof colour);
            ms_buf_printf(b,
                          "<rect x=\"%.2f\" y=\"%.1f\" width=\"%.2f\" height=\"%.1f\" "
                          "fill=\"%s\"><title>layer %zu, expert %zu: %s</title></rect>",
                          ms_figure_at(&x, (double)e), y,
                          ms_figure_at(&x, 1) - ms_figure_at(&x, 0) + 0.3, row, colour, l, e,
                          ms_plain_number(json_number_value(v), number));
        }
        ms_buf_adds(b, "\n");
    }
    ms_figure_y_title(b, MS_FIGURE_TOP, bottom, L > 1 ? "layer" : "");
    ms_figure_x_axis(b, &x, bottom, bottom, "expert");
}

enum ms_status ms_figure_experts(struct ms_buf *b, const struct ms_compare_row *r)
{
    char caption[400];
    json_t *record = ms_result_json(r->r);
    const json_t *layers = json_object_get(json_object_get(record, "loads"), "expert");
    if (!record)
        return MS_NOMEM;
    if (json_array_size(json_array_get(layers, 0)) > 0) {
        double most = most_of(layers);
        draw_experts(b, layers, most);
        snprintf(caption, sizeof caption,
                 "What each expert is asked for over the mean of its layer (white nothing, blue "
                 "the mean, dark red the fullest, %.3g times the mean), %s; a row a layer, mean of "
                 "the repeats.",
                 most, r->label);
        ms_figure_end(b, caption);
    }
    json_decref(record);
    return MS_OK;
}

/* ---- ranks ---- */

static int falling(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x < y) - (x > y);
}

/* A row's rank loads from the busiest on; *n 0: it has none. NULL: no memory */
static double *rank_loads(const struct ms_result *r, size_t *n)
{
    json_t *record = ms_result_json(r), *v;
    const json_t *rank = json_object_get(json_object_get(record, "loads"), "rank");
    size_t i;
    *n = json_array_size(rank);
    double *load = record ? calloc(*n + 1, sizeof *load) : NULL;
    json_array_foreach((json_t *)rank, i, v) if (load) load[i] = json_number_value(v);
    if (load && *n > 0)
        qsort(load, *n, sizeof *load, falling);
    json_decref(record);
    return load;
}

struct ranks {
    double *load[MOST_CURVES];
    size_t n[MOST_CURVES];
    size_t n_rows;
};

static void draw_ranks(struct ms_buf *b, const struct ms_compare_group *g, const struct ranks *k)
{
    struct ms_scale x = {1, 2, MS_FIGURE_LEFT, MS_FIGURE_W - MS_FIGURE_RIGHT};
    struct ms_scale y = {0, 1, MS_FIGURE_H - MS_FIGURE_BOTTOM, MS_FIGURE_TOP};
    for (size_t i = 0; i < k->n_rows; i++) {
        x.hi = fmax(x.hi, (double)k->n[i]);
        y.hi = fmax(y.hi, k->load[i][0]);
    }
    ms_figure_begin(b, "Load of the ranks over their mean, from the busiest on", MS_FIGURE_H);
    ms_figure_y_title(b, y.from, y.to, "selections over the mean");
    ms_figure_y_axis(b, &y);
    ms_figure_x_axis(b, &x, MS_FIGURE_H - MS_FIGURE_BOTTOM, MS_FIGURE_TOP,
                     "ranks, the busiest first");
    for (size_t i = 0; i < k->n_rows; i++) {
        ms_buf_printf(b, "<path fill=\"none\" stroke-width=\"%s\" class=\"c%zu\" d=\"",
                      i ? "1.6" : "2.6", i % 12);
        for (size_t r = 0; r < k->n[i]; r++)
            ms_buf_printf(b, "%c%.1f %.1f", r ? 'L' : 'M', ms_figure_at(&x, (double)r + 1),
                          ms_figure_at(&y, k->load[i][r]));
        ms_buf_adds(b, "\"/>\n");
    }
    ms_figure_drawn(b);
    if (k->n_rows > 1)
        ms_figure_legend(b, g, k->n_rows);
    ms_figure_caption(b, k->n_rows > 1 || g->n < 2
                             ? "Selections that each rank computes over the mean, after placement, "
                               "layers and repeats together. The first point is the rank that the "
                               "others wait for."
                             : "Selections that each rank computes over the mean, after placement, "
                               "layers and repeats together: the same in all rows. The first point "
                               "is the rank that the others wait for.");
}

enum ms_status ms_figure_ranks(struct ms_buf *b, const struct ms_compare_group *g)
{
    struct ranks k = {0};
    enum ms_status s = MS_OK;
    bool differ = false;
    for (; s == MS_OK && k.n_rows < MOST_CURVES && k.n_rows < g->n; k.n_rows++) {
        size_t i = k.n_rows;
        k.load[i] = rank_loads(g->row[i].r, &k.n[i]);
        if (!k.load[i])
            s = MS_NOMEM;
        else if (k.n[i] == 0)
            break;
        else
            differ = differ || k.n[i] != k.n[0] ||
                     memcmp(k.load[i], k.load[0], k.n[0] * sizeof *k.load[0]) != 0;
    }
    size_t all = k.n_rows;
    if (!differ && k.n_rows > 1)
        k.n_rows = 1; /* the rows move the same tokens: one curve stands for all */
    if (s == MS_OK && k.n_rows > 0 && k.n[0] > 1)
        draw_ranks(b, g, &k);
    for (size_t i = 0; i <= all && i < MOST_CURVES; i++)
        free(k.load[i]);
    return s;
}
