#include "cluster/svg.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/units.h"
#include "cluster/wiring.h"

/* Colours: one a leaf (Okabe and Ito's palette, told apart by the colour-blind), greens for NVLink,
 * greys for the rest. */
static const char *const palette[] = {"#0072b2", "#d55e00", "#009e73", "#cc79a7",
                                      "#e69f00", "#56b4e9", "#8c6d31", "#6a51a3"};
enum { N_COLOURS = 8, TITLE_H = 64, LEGEND_H = 30, MAX_HOSTS = 4096, MAX_KINDS = 12 };

struct kind {
    char text[96];
    double width;
    const char *colour;
    double bandwidth_Bps;
    int cables, tier_a, tier_b;
};

struct picture {
    const struct ms_platform *p;
    const struct ms_wiring *w;
    struct ms_buf *out;
    double *x, *y; /* [vertices] middle */
    double *box_x; /* [nodes] left */
    int n_nodes, M, cols, rows;
    double gpu, box_w, box_h, width, height, base; /* base: top of the node boxes */
    double least_Bps;                              /* of trunks and NICs */
    struct kind kind[MAX_KINDS];
    int n_kinds;
};

static void measure(struct picture *d)
{
    const struct ms_platform *p = d->p;
    d->n_nodes = p->n_nodes ? p->n_nodes : p->n_hosts;
    d->M = 1;
    for (int n = 0; n < p->n_nodes; n++)
        d->M = p->node_size[n] > d->M ? p->node_size[n] : d->M;
    d->gpu = d->n_nodes <= 16 ? 18 : d->n_nodes <= 32 ? 12 : 8;
    d->cols = d->M <= 4 ? (d->M + 1) / 2 : d->M <= 16 ? 4 : 12;
    d->cols = d->cols < 1 ? 1 : d->cols;
    d->rows = (d->M + d->cols - 1) / d->cols;
    d->box_w = d->cols * (d->gpu + 4) + 8;
    d->box_h = d->rows * (d->gpu + 4) + (d->n_nodes <= 32 ? 40 : 14);
    double gap = d->n_nodes <= 16 ? 18 : 6;
    d->width = d->n_nodes * (d->box_w + gap) + 48;
    double left = d->width < 900 ? (900 - d->n_nodes * (d->box_w + gap) + gap) / 2 : 24;
    d->width = d->width < 900 ? 900 : d->width;
    for (int n = 0; n < d->n_nodes; n++)
        d->box_x[n] = left + n * (d->box_w + gap);
}

static int compare_x(const void *a, const void *b)
{
    const double *x = a, *y = b;
    return x[0] != y[0] ? (x[0] < y[0] ? -1 : 1) : x[1] < y[1] ? -1 : x[1] > y[1];
}

/* One tier in a row: over the middle of what hangs below, then apart so that boxes do not meet. */
static void place_tier(struct picture *d, int tier, double y, double (*row)[2])
{
    const struct ms_wiring *w = d->w;
    int n = 0;
    for (int v = 0; v < w->n_vertices; v++) {
        double sum = 0, count = 0;
        if (w->vertex[v].tier != tier || w->vertex[v].place != MS_PLACE_SWITCH)
            continue;
        for (int e = 0; e < w->n_edges; e++)
            if (w->edge[e].b == v && w->vertex[w->edge[e].a].tier == tier - 1) {
                sum += d->x[w->edge[e].a];
                count++;
            }
        row[n][0] = count > 0 ? floor(sum / count) : d->width / 2;
        row[n++][1] = v;
    }
    qsort(row, (size_t)n, sizeof *row, compare_x);
    double room = (d->width - 60) / (n ? n : 1), least = room < 92 ? room : 92, last = -1e9, shift;
    for (int i = 0; i < n; i++) {
        row[i][0] = row[i][0] < last + least ? last + least : row[i][0];
        last = row[i][0];
    }
    shift = n ? (row[0][0] + row[n - 1][0]) / 2 - d->width / 2 : 0;
    shift = n && (row[n - 1][0] > d->width - 40 || n > 2) ? shift : 0;
    for (int i = 0; i < n; i++) {
        d->x[(int)row[i][1]] = row[i][0] - shift;
        d->y[(int)row[i][1]] = y;
    }
}

static bool flat_tier(const struct ms_wiring *w, int tier)
{
    for (int e = 0; e < w->n_edges; e++)
        if (w->vertex[w->edge[e].a].tier == tier && w->vertex[w->edge[e].b].tier == tier &&
            w->vertex[w->edge[e].a].place == MS_PLACE_SWITCH)
            return true;
    return false;
}

static bool place_all(struct picture *d)
{
    const struct ms_wiring *w = d->w;
    double(*row)[2] = calloc((size_t)w->n_vertices + 1, sizeof *row);
    int tiers = w->n_tiers - 1;
    double y = TITLE_H;
    if (!row)
        return false;
    for (int t = tiers; t >= 1; t--)
        y += (flat_tier(w, t) ? 150 : 20) + 100;
    d->base = y + 10;
    for (int v = 0; v < w->n_vertices; v++) {
        const struct ms_wiring_vertex *k = &w->vertex[v];
        if (k->place != MS_PLACE_HOST)
            continue;
        int local = d->p->n_nodes ? d->p->host_local[k->host] : 0;
        d->x[v] = d->box_x[k->node] + 6 + local % d->cols * (d->gpu + 4) + d->gpu / 2;
        d->y[v] = d->base + 8 + local / d->cols * (d->gpu + 4) + d->gpu / 2;
    }
    for (int t = 1; t <= tiers; t++) {
        y -= 100;
        place_tier(d, t, y + 30, row);
        y -= flat_tier(w, t) ? 150 : 20;
    }
    free(row);
    return true;
}

static void escaped(struct ms_buf *o, const char *s)
{
    for (; *s; s++)
        if (*s == '&' || *s == '<' || *s == '>')
            ms_buf_adds(o, *s == '&' ? "&amp;" : *s == '<' ? "&lt;" : "&gt;");
        else
            ms_buf_add(o, s, 1);
}

static void text_at(struct picture *d, double x, double y, int size, const char *anchor,
                    const char *colour, const char *s)
{
    ms_buf_printf(d->out,
                  "<text x=\"%.1f\" y=\"%.1f\" font-size=\"%d\" text-anchor=\"%s\" fill=\"%s\">", x,
                  y, size, anchor, colour);
    escaped(d->out, s);
    ms_buf_adds(d->out, "</text>\n");
}

static double stroke(const struct picture *d, double Bps)
{
    double s = 1.0 + 0.7 * log2(Bps / d->least_Bps);
    return s < 1 ? 1 : s > 7 ? 7 : s;
}

/* One legend row for each rate between each pair of tiers. */
static void note_kind(struct picture *d, const struct ms_wiring_edge *e, const char *what,
                      const char *colour)
{
    char rate[32];
    int a = d->w->vertex[e->a].tier, b = d->w->vertex[e->b].tier;
    for (int i = 0; i < d->n_kinds; i++)
        if (d->kind[i].bandwidth_Bps == e->bandwidth_Bps && d->kind[i].tier_a == a &&
            d->kind[i].tier_b == b && d->kind[i].cables == e->cables)
            return;
    if (d->n_kinds == MAX_KINDS)
        return;
    struct kind *k = &d->kind[d->n_kinds++];
    *k = (struct kind){.width = stroke(d, e->bandwidth_Bps),
                       .colour = colour,
                       .bandwidth_Bps = e->bandwidth_Bps,
                       .cables = e->cables,
                       .tier_a = a,
                       .tier_b = b};
    ms_units_show(e->bandwidth_Bps, MS_UNIT_RATE, rate, sizeof rate);
    if (e->cables > 1)
        snprintf(k->text, sizeof k->text, "%s %s (%d cables)", what, rate, e->cables);
    else
        snprintf(k->text, sizeof k->text, "%s %s", what, rate);
}

static const char *leaf_colour(const struct picture *d, int v)
{
    int leaf = 0;
    for (int k = 0; k < v; k++)
        leaf += d->w->vertex[k].tier == 1;
    return palette[leaf % N_COLOURS];
}

static void draw_edge(struct picture *d, const struct ms_wiring_edge *e, const char *colour)
{
    double xa = d->x[e->a], ya = d->y[e->a], xb = d->x[e->b], yb = d->y[e->b],
           s = stroke(d, e->bandwidth_Bps);
    const struct ms_wiring_vertex *a = &d->w->vertex[e->a], *b = &d->w->vertex[e->b];
    bool arc = a->tier == b->tier;
    if (arc) {
        double lift = 20 + 0.32 * fabs(xb - xa);
        lift = lift > 250 ? 250 : lift;
        ms_buf_printf(d->out,
                      "<path d=\"M%.1f %.1f Q%.1f %.1f %.1f %.1f\" fill=\"none\" stroke=\"%s\" "
                      "stroke-width=\"%.2f\" "
                      "opacity=\"0.75\"/>\n",
                      xa, ya - 11, (xa + xb) / 2, ya - 11 - lift, xb, yb - 11, colour, s);
        return;
    }
    bool nic = a->place == MS_PLACE_HOST;
    ms_buf_printf(d->out,
                  "<path d=\"M%.1f %.1f C%.1f %.1f %.1f %.1f %.1f %.1f\" fill=\"none\" "
                  "stroke=\"%s\" stroke-width=\"%.2f\" "
                  "opacity=\"%s\"/>\n",
                  xa, ya - (nic ? d->gpu / 2 : 11), xa, ya - (nic ? 40 : 50), xb,
                  yb + (nic ? 60 : 50), xb, yb + 11, colour, s, nic ? "0.55" : "0.85");
}

static void draw_edges(struct picture *d)
{
    const struct ms_wiring *w = d->w;
    for (int e = 0; e < w->n_edges; e++) {
        const struct ms_wiring_edge *k = &w->edge[e];
        const struct ms_wiring_vertex *a = &w->vertex[k->a], *b = &w->vertex[k->b];
        bool nvlink = b->place == MS_PLACE_NVSWITCH, nic = a->place == MS_PLACE_HOST && !nvlink;
        const char *colour = nvlink               ? "#74c476"
                             : nic                ? leaf_colour(d, k->b)
                             : a->tier == b->tier ? palette[(a->tier + e) % 2 ? 0 : 5]
                                                  : "#636363";
        note_kind(d, k,
                  nvlink ? "NVLink"
                  : nic  ? "NIC"
                         : "trunk",
                  nic      ? "#969696"
                  : nvlink ? colour
                           : "#636363");
        if (!nvlink)
            draw_edge(d, k, colour);
    }
}

static void draw_switches(struct picture *d)
{
    const struct ms_wiring *w = d->w;
    static const char *const names[] = {"", "leaf", "spine", "core", "top"};
    char label[64];
    int seen[5] = {0};
    for (int v = 0; v < w->n_vertices; v++) {
        const struct ms_wiring_vertex *k = &w->vertex[v];
        if (k->place != MS_PLACE_SWITCH || k->tier < 1)
            continue;
        int t = k->tier < 4 ? k->tier : 4, ports = 0;
        for (int e = 0; e < w->n_edges; e++)
            ports += w->edge[e].a == v || w->edge[e].b == v ? w->edge[e].cables : 0;
        snprintf(label, sizeof label, "%s %d", names[t], seen[t]++);
        ms_buf_printf(d->out,
                      "<g><title>%s: %d ports</title><rect x=\"%.1f\" y=\"%.1f\" width=\"76\" "
                      "height=\"22\" rx=\"5\" "
                      "fill=\"%s\" stroke=\"%s\" stroke-width=\"1.4\"/>",
                      k->name ? k->name : label, ports, d->x[v] - 38, d->y[v] - 11,
                      t == 1 ? "#f7fbff" : "#f0f0f0", t == 1 ? leaf_colour(d, v) : "#525252");
        text_at(d, d->x[v], d->y[v] + 4, 11, "middle", "#252525", label);
        ms_buf_adds(d->out, "</g>\n");
    }
}

static void draw_nodes(struct picture *d)
{
    const struct ms_wiring *w = d->w;
    bool *nvswitch = calloc((size_t)d->n_nodes + 1, sizeof *nvswitch);
    for (int v = 0; nvswitch && v < w->n_vertices; v++)
        if (w->vertex[v].place == MS_PLACE_NVSWITCH)
            nvswitch[w->vertex[v].node] = true;
    double top = d->base, bar = d->base + 6 + d->rows * (d->gpu + 4);
    bool labels = d->n_nodes <= 32;
    for (int n = 0; n < d->n_nodes; n++) {
        ms_buf_printf(
            d->out,
            "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" rx=\"6\" fill=\"#fafafa\" "
            "stroke=\"#969696\"/>\n",
            d->box_x[n], top, d->box_w, d->box_h);
        if (nvswitch && nvswitch[n]) {
            ms_buf_printf(d->out,
                          "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%d\" rx=\"2\" "
                          "fill=\"#74c476\"/>\n",
                          d->box_x[n] + 4, bar, d->box_w - 8, labels ? 12 : 4);
            if (labels && d->box_w > 52)
                text_at(d, d->box_x[n] + d->box_w / 2, bar + 9.5, 9, "middle", "#00441b",
                        "NVSwitch");
        }
        if (labels && d->p->n_nodes)
            text_at(d, d->box_x[n] + d->box_w / 2, top + d->box_h - 6, 11, "middle", "#252525",
                    d->p->node_name[n]);
    }
    free(nvswitch);
    for (int v = 0; v < w->n_vertices; v++) {
        const struct ms_wiring_vertex *k = &w->vertex[v];
        char local[16];
        if (k->place != MS_PLACE_HOST)
            continue;
        ms_buf_printf(d->out,
                      "<g><title>%s</title><rect x=\"%.1f\" y=\"%.1f\" width=\"%.0f\" "
                      "height=\"%.0f\" rx=\"3\" "
                      "fill=\"#deebf7\" stroke=\"#3182bd\" stroke-width=\"0.8\"/>",
                      d->p->host_name[k->host], d->x[v] - d->gpu / 2, d->y[v] - d->gpu / 2, d->gpu,
                      d->gpu);
        snprintf(local, sizeof local, "%d", d->p->n_nodes ? d->p->host_local[k->host] : k->host);
        if (d->gpu >= 12)
            text_at(d, d->x[v], d->y[v] + d->gpu * 0.2, d->gpu >= 18 ? 10 : 7, "middle", "#08306b",
                    local);
        ms_buf_adds(d->out, "</g>\n");
    }
}

static void draw_frame(struct picture *d, const struct ms_platform_cost *cost)
{
    const struct ms_platform *p = d->p;
    char line[256], rate[32];
    int n = 0;
    ms_buf_printf(d->out,
                  "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %.0f %.0f\" "
                  "width=\"%.0f\" height=\"%.0f\" "
                  "font-family=\"Helvetica, Arial, sans-serif\">\n<rect width=\"100%%\" "
                  "height=\"100%%\" fill=\"white\"/>\n",
                  d->width, d->height, d->width, d->height);
    text_at(d, 24, 30, 20, "start", "#111111", p->name);
    n += snprintf(line + n, sizeof line - (size_t)n, "%s%s%d GPUs", p->topology ? p->topology : "",
                  p->topology ? ", " : "", p->n_hosts);
    if (p->n_nodes)
        n += snprintf(line + n, sizeof line - (size_t)n, " in %d node%s", p->n_nodes,
                      p->n_nodes == 1 ? "" : "s");
    if (p->planes > 1)
        n += snprintf(line + n, sizeof line - (size_t)n, ", %d planes drawn as one", p->planes);
    if (cost->n_switches >= 0)
        n += snprintf(line + n, sizeof line - (size_t)n, " · %d switches", cost->n_switches);
    if (cost->n_cables >= 0)
        n += snprintf(line + n, sizeof line - (size_t)n, " · %d cables", cost->n_cables);
    if (cost->bisection_per_gpu_Bps >= 0)
        snprintf(line + n, sizeof line - (size_t)n, " · bisection %s a GPU",
                 ms_units_show(cost->bisection_per_gpu_Bps, MS_UNIT_RATE, rate, sizeof rate));
    text_at(d, 24, 50, 13, "start", "#525252", line);
}

static void draw_legend(struct picture *d)
{
    double x = 24, y = d->base + d->box_h + 28;
    for (int i = 0; i < d->n_kinds; i++) {
        double w = 44 + 6.6 * (double)strlen(d->kind[i].text);
        if (x + w > d->width - 10) {
            x = 24;
            y += 22;
        }
        ms_buf_printf(d->out,
                      "<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" stroke=\"%s\" "
                      "stroke-width=\"%.2f\"/>\n",
                      x, y, x + 26, y, d->kind[i].colour, d->kind[i].width);
        text_at(d, x + 32, y + 4, 12, "start", "#252525", d->kind[i].text);
        x += w;
    }
}

static enum ms_status draw(struct picture *d, const struct ms_platform_cost *cost)
{
    const struct ms_wiring *w = d->w;
    d->least_Bps = INFINITY;
    for (int e = 0; e < w->n_edges; e++)
        if (w->edge[e].bandwidth_Bps < d->least_Bps)
            d->least_Bps = w->edge[e].bandwidth_Bps;
    measure(d);
    if (!place_all(d))
        return MS_NOMEM;
    d->height = d->base + d->box_h + 80;
    draw_frame(d, cost);
    draw_edges(d);
    draw_switches(d);
    draw_nodes(d);
    draw_legend(d);
    ms_buf_adds(d->out, "</svg>\n");
    return d->out->failed ? MS_NOMEM : MS_OK;
}

enum ms_status ms_svg_platform(const struct ms_platform *p, const struct ms_platform_cost *cost,
                               struct ms_buf *out, struct ms_err *err)
{
    struct ms_wiring w;
    struct picture d = {.p = p, .w = &w, .out = out};
    if (p->n_hosts > MAX_HOSTS)
        return ms_err_set(err, MS_INFEASIBLE, "%d GPUs are too many for a picture (at most %d)",
                          p->n_hosts, MAX_HOSTS);
    enum ms_status s = ms_wiring_find(p, &w, err);
    if (s != MS_OK)
        return s;
    d.x = calloc((size_t)w.n_vertices + 1, sizeof *d.x);
    d.y = calloc((size_t)w.n_vertices + 1, sizeof *d.y);
    d.box_x = calloc((size_t)p->n_hosts + 1, sizeof *d.box_x);
    s = d.x && d.y && d.box_x ? draw(&d, cost) : MS_NOMEM;
    free(d.x);
    free(d.y);
    free(d.box_x);
    ms_wiring_finish(&w);
    return s == MS_OK ? MS_OK : ms_err_set(err, s, "no memory for the picture");
}
