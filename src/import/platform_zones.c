/* A fabric as a zone a leaf, where every NVLink domain hangs on one leaf: ways inside are the
 * zone's, ways between leaves are written out; no padding, and faster to load. */
#include <stdlib.h>

#include "import/platform_writer.h"

static void bypasses(struct ms_writer *w, int a, const int *gpu, int n)
{
    for (int i = 0; i < n; i++) {
        int b = gpu[i];
        bool mesh = ms_write_mesh_Bps(w, a, b) > 0;
        bool at_switch = a != b && w->m->gpu[a].domain == w->m->gpu[b].domain &&
                         ms_write_has_nvlink(w, a) && ms_write_has_nvlink(w, b);
        if (!mesh && !at_switch)
            continue;
        ms_buf_adds(w->out, "    <bypassRoute src=\"");
        ms_write_gpu_id(w, a);
        ms_buf_adds(w->out, "\" dst=\"");
        ms_write_gpu_id(w, b);
        ms_buf_adds(w->out, "\">");
        if (mesh)
            ms_write_mesh_ctn(w, a, b);
        else
            ms_buf_printf(w->out, "<link_ctn id=\"nvl_%d_UP\"/><link_ctn id=\"nvl_%d_DOWN\"/>",
                          w->number[a], w->number[b]);
        ms_buf_adds(w->out, "</bypassRoute>\n");
    }
}

/* What stands in the zone of one leaf. gpu: those on it, in order. */
static void leaf_zone(struct ms_writer *w, int h, const int *gpu, int n)
{
    char leaf[40];
    ms_write_hub_name(w, h, leaf, sizeof leaf);
    ms_buf_printf(w->out, "    <zone id=\"zone_%s\" routing=\"Cluster\">\n", leaf);
    for (int p = 0; p < w->l->n_ports; p++)
        if (w->l->port[p].hub == h)
            ms_write_port(w, p);
    for (int i = 0; i < n; i++)
        if (ms_write_has_nvlink(w, gpu[i]))
            ms_write_nvlink(w, gpu[i]);
        else
            ms_write_mesh(w, gpu[i], gpu, n);
    for (int i = 0; i < n; i++)
        ms_write_host(w, "    ", gpu[i]);
    ms_buf_printf(w->out, "    <router id=\"%s\"/>\n", leaf);
    for (int i = 0; i < n; i++) {
        int p = w->port_of_gpu[gpu[i]];
        ms_buf_adds(w->out, "    <host_link id=\"");
        ms_write_gpu_id(w, gpu[i]);
        ms_buf_printf(w->out, "\" up=\"nic_%d_UP\" down=\"nic_%d_DOWN\"/>\n", p, p);
    }
    for (int i = 0; i < n; i++)
        bypasses(w, gpu[i], gpu, n);
    ms_buf_adds(w->out, "    </zone>\n");
}

static void zone_route(struct ms_writer *w, int a, int b, const int *by)
{
    char from[40], to[40], name[100];
    int way[256], n = 0;
    ms_write_hub_name(w, a, from, sizeof from);
    ms_write_hub_name(w, b, to, sizeof to);
    for (int h = b; h != a && n < 256; h = ms_write_other_end(w, by[h], h))
        way[n++] = by[h];
    ms_buf_printf(w->out,
                  "    <zoneRoute src=\"zone_%s\" dst=\"zone_%s\" gw_src=\"%s\" gw_dst=\"%s\">",
                  from, to, from, to);
    for (int at = a; n--; at = ms_write_other_end(w, way[n], at)) {
        ms_write_trunk_name(w, way[n], name, sizeof name);
        ms_buf_printf(w->out, "<link_ctn id=\"%s\" direction=\"%s\"/>", name,
                      w->l->trunk[way[n]].a == at ? "UP" : "DOWN");
    }
    ms_buf_adds(w->out, "</zoneRoute>\n");
}

void ms_write_zones(struct ms_writer *w, const char *command)
{
    int n = w->m->n_gpus, hubs = w->l->n_hubs;
    int *gpu = calloc((size_t)n + 1, sizeof *gpu),
        *mem = malloc(3 * ((size_t)hubs + 1) * sizeof *mem);
    w->out->failed |= !gpu || !mem;
    ms_write_top(w, "Full", command);
    for (int h = 0; h < hubs && !w->out->failed; h++) {
        int k = 0;
        if (w->l->hub[h].level != 1)
            continue;
        for (int i = 0; i < n; i++)
            if (w->l->port[w->port_of_gpu[w->order[i]]].hub == h)
                gpu[k++] = w->order[i];
        leaf_zone(w, h, gpu, k);
    }
    ms_write_trunks(w);
    for (int a = 0; a < hubs && !w->out->failed; a++) {
        if (w->l->hub[a].level != 1)
            continue;
        ms_write_search(w, a, mem, mem + hubs, mem + 2 * hubs);
        for (int b = a + 1; b < hubs; b++)
            if (w->l->hub[b].level == 1 && mem[b] > 0)
                zone_route(w, a, b, mem + hubs);
    }
    free(gpu);
    free(mem);
}
