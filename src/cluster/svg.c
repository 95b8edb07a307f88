/* Draws a platform as SVG: colours, strokes, labels and the legend. Where everything stands is
 * decided in svg_layout.c. */
#include "cluster/svg.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/units.h"
#include "cluster/svg_picture.h"

/* Colours: one a leaf (Okabe and Ito's palette, told apart by the colour-blind), greens for NVLink,
 * greys for the rest. */
static const char *const palette[] = {"#0072b2", "#d55e00", "#009e73", "#cc79a7",
                                      "#e69f00", "#56b4e9", "#8c6d31", "#6a51a3"};
enum { N_COLOURS = 8, MAX_HOSTS = 4096 };

static void escaped(struct ms_buf *o, const char *s)
{
    for (; *s; s++)
        if (*s == '&' || *s == '<' || *s == '>')
            ms_buf_adds(o, *s == '&' ? "&amp;" : *s == '<' ? "&lt;" : "&gt;");
        else
            ms_buf_add(o, s, 1);
}

static void text_at(struct ms_svg_picture *d, double x, double y, double size, const char *anchor,
                    const char *colour, const char *s)
{
    ms_buf_printf(d->out,
                  "<text x=\"%.1f\" y=\"%.1f\" font-size=\"%.3g\" text-anchor=\"%s\" fill=\"%s\">",
                  x, y, size, anchor, colour);
    escaped(d->out, s);
    ms_buf_adds(d->out, "</text>\n");
}

static double stroke(const struct ms_svg_picture *d, double Bps)
{
    double s = 1.0 + 0.7 * log2(Bps / d->least_Bps);
    return s < 1 ? 1 : s > 7 ? 7 : s;
}

/* One legend row for each kind of link and rate. @return its colour */
static const char *note_kind(struct ms_svg_picture *d, const struct ms_wiring_edge *e, bool nvlink,
                             bool nic, bool arc)
{
    static const char *const arcs[] = {"#0072b2", "#e69f00", "#009e73",
                                       "#cc79a7", "#56b4e9", "#8c6d31"};
    char rate[32], name[48];
    int n_arcs = 0;
    ms_platform_link_kind(d->p->link[e->link].name, name, sizeof name);
    if (nvlink || nic)
        snprintf(name, sizeof name, "%s", nvlink ? "NVLink" : "NIC");
    for (int i = 0; i < d->n_kinds; i++) {
        n_arcs += d->kind[i].arc;
        if (d->kind[i].bandwidth_Bps == e->bandwidth_Bps && d->kind[i].cables == e->cables &&
            !strcmp(d->kind[i].name, name))
            return d->kind[i].colour;
    }
    const char *colour = nvlink ? "#74c476" : nic ? "#969696" : arc ? arcs[n_arcs % 6] : "#636363";
    if (d->n_kinds == MS_SVG_KINDS)
        return colour;
    struct ms_svg_kind *k = &d->kind[d->n_kinds++];
    *k = (struct ms_svg_kind){.width = stroke(d, e->bandwidth_Bps),
                              .colour = colour,
                              .bandwidth_Bps = e->bandwidth_Bps,
                              .cables = e->cables,
                              .arc = arc};
    snprintf(k->name, sizeof k->name, "%s", name);
    ms_units_show(e->bandwidth_Bps, MS_UNIT_RATE, rate, sizeof rate);
    if (e->cables > 1)
        snprintf(k->text, sizeof k->text, "%s %s (%d cables)", name, rate, e->cables);
    else
        snprintf(k->text, sizeof k->text, "%s %s", name, rate);
    return colour;
}

static const char *leaf_colour(const struct ms_svg_picture *d, int v)
{
    int leaf = 0;
    for (int k = 0; k < v; k++)
        leaf += d->w->vertex[k].tier == 1;
    return palette[leaf % N_COLOURS];
}

const char *ms_svg_heat_colour(double utilisation, double most, char *out)
{
    static const double stop[][4] = {
        {0, 222, 227, 235}, {0.4, 107, 174, 214}, {0.75, 253, 174, 97}, {1, 165, 0, 38}};
    double t = most > 0 ? utilisation / most : 0;
    int i = 0;
    t = t < 0 ? 0 : t > 1 ? 1 : t;
    while (i < 2 && t > stop[i + 1][0])
        i++;
    double f = (t - stop[i][0]) / (stop[i + 1][0] - stop[i][0]);
    unsigned c[3];
    for (int k = 0; k < 3; k++)
        c[k] = (unsigned)(stop[i][k + 1] + f * (stop[i + 1][k + 1] - stop[i][k + 1])) & 0xff;
    snprintf(out, 8, "#%02x%02x%02x", c[0], c[1], c[2]);
    return out;
}

/* The busier direction's colour, and the words on both as the edge's title. NULL: the heat knows
 * neither. */
static const char *heat_of(const struct ms_svg_picture *d, const struct ms_wiring_edge *e,
                           char *colour, char *title, size_t size)
{
    const char *name = d->p->link[e->link].name;
    size_t n = strlen(name);
    char both[2][300], words[160];
    double u, most = -1;
    bool up = n > 3 && strcmp(name + n - 3, "_UP") == 0;
    snprintf(both[0], sizeof both[0], "%s", name);
    both[1][0] = '\0';
    if (up)
        snprintf(both[1], sizeof both[1], "%.*s_DOWN", (int)n - 3, name);
    *title = '\0';
    for (int i = 0; i < 2; i++) {
        if (!*both[i] || !d->heat->of(d->heat->ctx, both[i], &u, words, sizeof words))
            continue;
        size_t at = strlen(title);
        snprintf(title + at, size - at, "%s%s", at ? "; " : "", words);
        most = u > most ? u : most;
    }
    return ms_svg_heat_colour(most > 0 ? most : 0, d->heat->most, colour);
}

static void draw_edge(struct ms_svg_picture *d, const struct ms_wiring_edge *e, const char *colour)
{
    char hot[8], title[400] = "";
    if (d->heat)
        colour = heat_of(d, e, hot, title, sizeof title);
    double xa = d->x[e->a], ya = d->y[e->a], xb = d->x[e->b], yb = d->y[e->b], half = 11 * d->k;
    double s = stroke(d, e->bandwidth_Bps), lift = 20 * d->k + 0.32 * fabs(xb - xa);
    const struct ms_wiring_vertex *a = &d->w->vertex[e->a], *b = &d->w->vertex[e->b];
    bool nic = a->place == MS_PLACE_HOST;
    lift = lift > 250 * d->k ? 250 * d->k : lift;
    if (a->tier == b->tier)
        ms_buf_printf(d->out, "<path d=\"M%.1f %.1f Q%.1f %.1f %.1f %.1f\"", xa, ya - half,
                      (xa + xb) / 2, ya - half - lift, xb, yb - half);
    else
        ms_buf_printf(d->out, "<path d=\"M%.1f %.1f C%.1f %.1f %.1f %.1f %.1f %.1f\"", xa,
                      ya - (nic ? d->gpu / 2 : half), xa, ya - (nic ? 40 : 50) * d->k, xb,
                      yb + (nic ? 60 : 50) * d->k, xb, yb + half);
    ms_buf_printf(d->out, " fill=\"none\" stroke=\"%s\" stroke-width=\"%.2f\" opacity=\"%s\">",
                  colour, d->heat ? s + 1 : s,
                  d->heat ? "1"
                  : nic   ? "0.55"
                          : "0.85");
    if (*title) {
        ms_buf_adds(d->out, "<title>");
        escaped(d->out, title);
        ms_buf_adds(d->out, "</title>");
    }
    ms_buf_adds(d->out, "</path>\n");
}

static void draw_edges(struct ms_svg_picture *d)
{
    const struct ms_wiring *w = d->w;
    for (int e = 0; e < w->n_edges; e++) {
        const struct ms_wiring_edge *k = &w->edge[e];
        const struct ms_wiring_vertex *a = &w->vertex[k->a], *b = &w->vertex[k->b];
        bool nvlink = b->place == MS_PLACE_NVSWITCH, nic = a->place == MS_PLACE_HOST && !nvlink;
        bool arc = a->tier == b->tier;
        const char *colour = note_kind(d, k, nvlink || d->nvlink_only, nic, arc);
        if (nic && !d->nvlink_only)
            colour = leaf_colour(d, k->b);
        if (!nvlink)
            draw_edge(d, k, colour);
    }
}

/* "leaf 3"; "switch 3" where switches of a tier are joined; "router 3" where there are none but in
 * the nodes. */
static const char *tier_word(const struct ms_svg_picture *d, int tier)
{
    static const char *const names[] = {"", "leaf", "spine", "core", "top"};
    if (d->nvlink_only)
        return "NVSwitch";
    if (ms_svg_flat_tier(d->w, tier))
        return d->p->n_switches == 0 ? "router" : "switch";
    return names[tier < 4 ? tier : 4];
}

static void draw_switches(struct ms_svg_picture *d)
{
    const struct ms_wiring *w = d->w;
    int seen[5] = {0};
    char label[64];
    for (int v = 0; v < w->n_vertices; v++) {
        const struct ms_wiring_vertex *k = &w->vertex[v];
        if (k->place != MS_PLACE_SWITCH || k->tier < 1)
            continue;
        int t = k->tier < 4 ? k->tier : 4;
        double cables = 0;
        for (int e = 0; e < w->n_edges; e++)
            if (w->edge[e].a == v || w->edge[e].b == v)
                cables += (double)w->edge[e].cables / w->edge[e].sharers;
        int ports = (int)(cables + 0.5);
        snprintf(label, sizeof label, "%s %d", tier_word(d, k->tier), seen[t]++);
        ms_buf_printf(d->out,
                      "<g><title>%s: %d ports</title><rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" "
                      "height=\"%.1f\" "
                      "rx=\"5\" fill=\"%s\" stroke=\"%s\" stroke-width=\"1.4\"/>",
                      k->name ? k->name : label, ports, d->x[v] - d->switch_w / 2,
                      d->y[v] - 11 * d->k, d->switch_w, 22 * d->k, t == 1 ? "#f7fbff" : "#f0f0f0",
                      t == 1 ? leaf_colour(d, v) : "#525252");
        text_at(d, d->x[v], d->y[v] + 4 * d->k, d->switch_w / 7, "middle", "#252525", label);
        ms_buf_adds(d->out, "</g>\n");
    }
}

static void draw_nodes(struct ms_svg_picture *d)
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

static void draw_frame(struct ms_svg_picture *d, const struct ms_platform_cost *cost)
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
    text_at(d, 24, 30 * d->k, 20 * d->k, "start", "#111111", p->name);
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
    text_at(d, 24, 50 * d->k, 13 * d->k, "start", "#525252", line);
}

static void draw_legend(struct ms_svg_picture *d)
{
    double x = 24, y = d->base + d->box_h + 28 * d->k;
    bool spray = ms_platform_prop(d->p, "multipath") &&
                 !strcmp(ms_platform_prop(d->p, "multipath"), "spray");
    for (int i = 0; i < d->n_kinds; i++) {
        double w = (44 + 6.8 * (double)strlen(d->kind[i].text)) * d->k;
        if (x + w > d->width - 10) {
            x = 24;
            y += 22 * d->k;
        }
        ms_buf_printf(d->out,
                      "<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" stroke=\"%s\" "
                      "stroke-width=\"%.2f\"/>\n",
                      x, y, x + 26 * d->k, y, d->kind[i].colour, d->kind[i].width);
        text_at(d, x + 32 * d->k, y + 4 * d->k, 12 * d->k, "start", "#252525", d->kind[i].text);
        x += w;
    }
    if (spray && d->w->n_tiers > 2)
        text_at(d, 24, y + 24 * d->k, 11 * d->k, "start", "#636363",
                "A box above the leaves stands for all switches over which its trunks spray their "
                "packets evenly.");
}

static void draw_scale(struct ms_svg_picture *d)
{
    enum { STEPS = 24 };
    double x = 24, y = d->base + d->box_h + 22 * d->k, w = 9 * d->k;
    char colour[8], text[64];
    for (int i = 0; i < STEPS; i++)
        ms_buf_printf(
            d->out, "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" fill=\"%s\"/>\n",
            x + i * w, y, w + 0.5, 12 * d->k, ms_svg_heat_colour((i + 0.5) / STEPS, 1, colour));
    snprintf(text, sizeof text, "0 to %.0f %% of what a link can carry while an exchange is active",
             100 * d->heat->most);
    text_at(d, x + STEPS * w + 8 * d->k, y + 10 * d->k, 12 * d->k, "start", "#252525", text);
}

static enum ms_status draw(struct ms_svg_picture *d, const struct ms_platform_cost *cost)
{
    const struct ms_wiring *w = d->w;
    d->least_Bps = INFINITY;
    for (int e = 0; e < w->n_edges; e++)
        if (w->edge[e].bandwidth_Bps < d->least_Bps)
            d->least_Bps = w->edge[e].bandwidth_Bps;
    if (!ms_svg_layout(d))
        return MS_NOMEM;
    d->height = d->base + d->box_h + 80 * d->k;
    draw_frame(d, cost);
    draw_edges(d);
    draw_switches(d);
    draw_nodes(d);
    if (d->heat)
        draw_scale(d);
    else
        draw_legend(d);
    ms_buf_adds(d->out, "</svg>\n");
    return d->out->failed ? MS_NOMEM : MS_OK;
}

enum ms_status ms_svg_platform(const struct ms_platform *p, const struct ms_platform_cost *cost,
                               const struct ms_svg_heat *heat, struct ms_buf *out,
                               struct ms_err *err)
{
    struct ms_wiring w;
    struct ms_svg_picture d = {.p = p, .w = &w, .out = out, .heat = heat};
    if (p->n_hosts > MAX_HOSTS)
        return ms_err_set(err, MS_INFEASIBLE, "%d GPUs are too many for a picture (at most %d)",
                          p->n_hosts, MAX_HOSTS);
    d.nvlink_only = p->topology && !strcmp(p->topology, "nvlink");
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
