/* Where everything of a picture stands: node boxes in a row, switches in tiers above what hangs
 * below them. */
#include <math.h>
#include <stdlib.h>

#include "cluster/svg_picture.h"

static void measure(struct ms_svg_picture *d)
{
    const struct ms_platform *p = d->p;
    d->n_nodes = p->n_nodes ? p->n_nodes : p->n_hosts;
    d->M = 1;
    for (int n = 0; n < p->n_nodes; n++)
        d->M = p->node_size[n] > d->M ? p->node_size[n] : d->M;
    d->gpu = d->n_nodes <= 16 ? 18 : d->n_nodes <= 32 ? 12 : 8;
    d->cols = d->M <= 4 || d->n_nodes > 16 ? 2 : d->M <= 16 ? 4 : 12;
    d->cols = d->M < d->cols ? d->M : d->cols;
    d->cols = d->cols < 1 ? 1 : d->cols;
    d->rows = (d->M + d->cols - 1) / d->cols;
    d->box_w = d->cols * (d->gpu + 4) + 8;
    d->box_h = d->rows * (d->gpu + 4) + (d->n_nodes <= 32 ? 40 : 14);
    double gap = d->n_nodes <= 16 ? 18 : 6;
    d->width = d->n_nodes * (d->box_w + gap) + 48;
    double left = d->width < 900 ? (900 - d->n_nodes * (d->box_w + gap) + gap) / 2 : 24;
    d->width = d->width < 900 ? 900 : d->width;
    d->k = d->width / 1300 < 1 ? 1 : d->width / 1300 > 3 ? 3 : d->width / 1300;
    d->switch_w = 76 * d->k;
    for (int n = 0; n < d->n_nodes; n++)
        d->box_x[n] = left + n * (d->box_w + gap);
}

struct slot {
    double x;
    int first, vertex; /* first: the smallest place among those below */
};

static int compare_slots(const void *a, const void *b)
{
    const struct slot *p = a, *q = b;
    return p->first != q->first ? (p->first < q->first ? -1 : 1)
                                : (p->vertex > q->vertex) - (p->vertex < q->vertex);
}

/* The switches of a tier in the order of the first host (or switch) below, each over the middle of
 * what hangs below. */
static int gather_tier(const struct ms_svg_picture *d, int tier, const int *order, struct slot *row)
{
    const struct ms_wiring *w = d->w;
    int n = 0;
    for (int v = 0; v < w->n_vertices; v++) {
        double sum = 0, count = 0;
        int first = 1 << 30;
        if (w->vertex[v].tier != tier || w->vertex[v].place != MS_PLACE_SWITCH)
            continue;
        for (int e = 0; e < w->n_edges; e++)
            if (w->edge[e].b == v && w->vertex[w->edge[e].a].tier == tier - 1) {
                sum += d->x[w->edge[e].a];
                count++;
                first = order[w->edge[e].a] < first ? order[w->edge[e].a] : first;
            }
        row[n++] = (struct slot){count > 0 ? floor(sum / count) : d->width / 2, first, v};
    }
    qsort(row, (size_t)n, sizeof *row, compare_slots);
    return n;
}

/* One tier in a row, apart so that boxes do not meet, moved back to the middle where that pushed it
 * aside. */
static void place_tier(struct ms_svg_picture *d, int tier, double y, int *order, struct slot *row)
{
    int n = gather_tier(d, tier, order, row);
    double room = (d->width - 60) / (n ? n : 1), want = 92 * d->k,
           least = room < want ? room : want, last = -1e9;
    double before = 0, after = 0;
    d->switch_w = 0.83 * least < d->switch_w ? 0.83 * least : d->switch_w;
    for (int i = 0; i < n; i++)
        before += row[i].x / n;
    for (int i = 0; i < n; i++) {
        row[i].x = row[i].x < last + least ? last + least : row[i].x;
        last = row[i].x;
        after += row[i].x / n;
    }
    double shift = after - before, half = least / 2;
    bool too_wide = n > 1 && row[n - 1].x - row[0].x + least > d->width - 20;
    for (int i = 0; too_wide && i < n; i++) /* pushed too far apart: spread evenly */
        row[i].x = 10 + half + i * (d->width - 20 - least) / (n - 1);
    if (n && row[n - 1].x - shift + half > d->width - 10) /* everything inside the picture */
        shift = row[n - 1].x + half - (d->width - 10);
    if (n && row[0].x - shift - half < 10)
        shift = row[0].x - half - 10;
    for (int i = 0; i < n; i++) {
        d->x[row[i].vertex] = row[i].x - shift;
        d->y[row[i].vertex] = y;
        order[row[i].vertex] = i;
    }
}

bool ms_svg_flat_tier(const struct ms_wiring *w, int tier)
{
    for (int e = 0; e < w->n_edges; e++)
        if (w->vertex[w->edge[e].a].tier == tier && w->vertex[w->edge[e].b].tier == tier &&
            w->vertex[w->edge[e].a].place == MS_PLACE_SWITCH)
            return true;
    return false;
}

static void place_hosts(struct ms_svg_picture *d, int *order)
{
    for (int v = 0; v < d->w->n_vertices; v++) {
        const struct ms_wiring_vertex *k = &d->w->vertex[v];
        if (k->place != MS_PLACE_HOST)
            continue;
        int local = d->p->n_nodes ? d->p->host_local[k->host] : 0;
        d->x[v] = d->box_x[k->node] + 6 + local % d->cols * (d->gpu + 4) + d->gpu / 2;
        d->y[v] = d->base + 8 + local / d->cols * (d->gpu + 4) + d->gpu / 2;
        order[v] = k->host;
    }
}

bool ms_svg_layout(struct ms_svg_picture *d)
{
    measure(d);
    int n = d->w->n_vertices + 1, tiers = d->w->n_tiers - 1;
    struct slot *row = calloc((size_t)n, sizeof *row);
    int *order = calloc((size_t)n, sizeof *order);
    double y = MS_SVG_TITLE_H * d->k;
    for (int t = tiers; t >= 1; t--)
        y += ((ms_svg_flat_tier(d->w, t) ? 150 : t == tiers ? 0 : 20) + 100) * d->k;
    d->base = y + 10;
    if (row && order)
        place_hosts(d, order);
    for (int t = 1; row && order && t <= tiers; t++) {
        y -= 100 * d->k;
        place_tier(d, t, y + 30 * d->k, order, row);
        y -= (ms_svg_flat_tier(d->w, t) ? 150 : 20) * d->k;
    }
    bool good = row && order;
    free(row);
    free(order);
    return good;
}
