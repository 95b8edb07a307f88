/* A fabric as one zone: every GPU, hub and NVSwitch a vertex, shortest ways found by SimGrid.
 * Links without a limit pad the ways that must not win. */
#include <stdlib.h>

#include "import/platform_writer.h"

enum { FLOYD_VERTICES = 1300 };

static void flat_routes(struct ms_writer *w, int g)
{
    struct ms_buf *o = w->out;
    int p = w->port_of_gpu[g], d = w->m->gpu[g].domain, k = w->number[g];
    char leaf[40];
    ms_write_hub_name(w, w->l->port[p].hub, leaf, sizeof leaf);
    ms_buf_adds(o, "    <route src=\"");
    ms_write_gpu_id(w, g);
    ms_buf_printf(o, "\" dst=\"%s\" symmetrical=\"NO\"><link_ctn id=\"nic_%d_UP\"/>", leaf, p);
    ms_write_pads(w, "pad", w->l->port[p].hub, w->nic_pads);
    ms_buf_printf(o, "</route>\n    <route src=\"%s\" dst=\"", leaf);
    ms_write_gpu_id(w, g);
    ms_buf_printf(o, "\" symmetrical=\"NO\"><link_ctn id=\"nic_%d_DOWN\"/></route>\n", p);
    if (!ms_write_has_nvlink(w, g))
        return;
    ms_buf_adds(o, "    <route src=\"");
    ms_write_gpu_id(w, g);
    ms_buf_printf(o, "\" dst=\"nvs%d\" symmetrical=\"NO\"><link_ctn id=\"nvl_%d_UP\"/>", d, k);
    ms_write_pads(w, "nvswitch", d, w->nvlink_pads);
    ms_buf_printf(o, "</route>\n    <route src=\"nvs%d\" dst=\"", d);
    ms_write_gpu_id(w, g);
    ms_buf_printf(o, "\" symmetrical=\"NO\"><link_ctn id=\"nvl_%d_DOWN\"/></route>\n", k);
}

/* As long as the way over a switch would be: no third GPU lies on a shorter one. */
static void flat_mesh_routes(struct ms_writer *w, int a)
{
    for (int i = 0; i < w->m->n_gpus; i++) {
        int b = w->order[i];
        if (!(ms_write_mesh_Bps(w, a, b) > 0))
            continue;
        ms_buf_adds(w->out, "    <route src=\"");
        ms_write_gpu_id(w, a);
        ms_buf_adds(w->out, "\" dst=\"");
        ms_write_gpu_id(w, b);
        ms_buf_adds(w->out, "\" symmetrical=\"NO\">");
        ms_write_mesh_ctn(w, a, b);
        ms_write_pads(w, "mesh", w->number[b], w->nvlink_pads + 1);
        ms_buf_adds(w->out, "</route>\n");
    }
}

/* Is it the first GPU of its NVSwitch in order? seen: [domain], to begin with all false */
static bool first_at_switch(const struct ms_writer *w, int g, bool *seen)
{
    int d = w->m->gpu[g].domain;
    if (!ms_write_has_nvlink(w, g) || seen[d])
        return false;
    return seen[d] = true;
}

static void flat_links(struct ms_writer *w, bool *seen)
{
    const struct ms_map *m = w->m;
    for (int p = 0; p < w->l->n_ports; p++)
        ms_write_port(w, p);
    for (int i = 0; i < m->n_gpus; i++)
        if (ms_write_has_nvlink(w, w->order[i]))
            ms_write_nvlink(w, w->order[i]);
        else if (m->gpu[w->order[i]].peer_Bps)
            ms_write_mesh(w, w->order[i], w->order, m->n_gpus);
    ms_write_trunks(w);
    for (int h = 0; h < w->l->n_hubs; h++)
        if (w->l->hub[h].level == 1)
            ms_write_pad_links(w, "pad", h, w->nic_pads);
    for (int i = 0; i < m->n_gpus; i++) {
        int g = w->order[i];
        if (m->gpu[g].peer_Bps && m->gpu[g].domain >= 0) /* a GPU's own: they join nothing */
            ms_write_pad_links(w, "mesh", w->number[g], w->nvlink_pads + 1);
        if (first_at_switch(w, g, seen))
            ms_write_pad_links(w, "nvswitch", m->gpu[g].domain, w->nvlink_pads);
    }
}

static void flat_vertices(struct ms_writer *w, bool *seen)
{
    char name[100];
    for (int i = 0; i < w->m->n_gpus; i++)
        ms_write_host(w, "    ", w->order[i]);
    for (int h = 0; h < w->l->n_hubs; h++) {
        ms_write_hub_name(w, h, name, sizeof name);
        ms_buf_printf(w->out, "    <router id=\"%s\"/>\n", name);
    }
    for (int i = 0; i < w->m->n_gpus; i++)
        if (first_at_switch(w, w->order[i], seen))
            ms_buf_printf(w->out, "    <router id=\"nvs%d\"/>\n", w->m->gpu[w->order[i]].domain);
}

static void flat_trunk_routes(struct ms_writer *w)
{
    char name[100], a[40], b[40];
    for (int t = 0; t < w->l->n_trunks; t++) {
        ms_write_trunk_name(w, t, name, sizeof name);
        ms_write_hub_name(w, w->l->trunk[t].a, a, sizeof a);
        ms_write_hub_name(w, w->l->trunk[t].b, b, sizeof b);
        ms_buf_printf(w->out,
                      "    <route src=\"%s\" dst=\"%s\"><link_ctn id=\"%s\" direction=\"UP\"/>"
                      "</route>\n",
                      a, b, name);
    }
}

void ms_write_flat(struct ms_writer *w, const char *command)
{
    const struct ms_map *m = w->m;
    int n = m->n_gpus, nodes = (int)m->nodes.n, domains = nodes + n;
    bool *seen = calloc(2 * ((size_t)domains + 1), sizeof *seen);
    if (!seen) {
        w->out->failed = true;
        return;
    }
    ms_write_top(w, n + w->l->n_hubs + nodes > FLOYD_VERTICES ? "DijkstraCache" : "Floyd", command);
    flat_links(w, seen);
    flat_vertices(w, seen + domains + 1);
    for (int i = 0; i < n; i++) {
        flat_routes(w, w->order[i]);
        if (m->gpu[w->order[i]].peer_Bps)
            flat_mesh_routes(w, w->order[i]);
    }
    flat_trunk_routes(w);
    free(seen);
}
