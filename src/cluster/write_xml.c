/* A fabric as SimGrid XML. Three layouts, chosen for what SimGrid 3.32 does with them (measured,
 * 1024 GPUs, all pairs):
 *
 * - edges: a Cluster zone for each edge switch (NICs as host_links, NVLink as bypassRoutes), a Full
 * zone above with a route for each pair of edges. Loading is linear and a route is a look-up: 2048
 * GPUs load in 0.1 s, 0.6 us a route.
 * - flat: one Floyd zone with GPUs, leaves, hubs and NVSwitches, one-hop routes. For rails, where
 * the GPUs of a node hang on different leaves and zones, being a tree, cannot nest both. 0.4 s at
 * 1024 GPUs, growing with the cube: beyond 600 vertices DijkstraCache, which pays for each source
 * asked. NVLink stretches carry a zero-latency FATPIPE link (nvswitch_N), since cost is the number
 * of links and a detour over a neighbour's NVLink and NIC would tie with the spine.
 * - pairs: a Full zone with every pair written out, for dmodk and ecmp. */
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "cluster/blueprint.h"

struct writer {
    const struct ms_blueprint *f;
    struct ms_buf *out; /* what the sink has not taken yet */
    const struct ms_text_sink *sink;
    bool stopped; /* by the sink */
};

enum { PIECE = 1 << 16 };

/* After whole rows. @return false: no more is wanted */
static bool goes_on(struct writer *w, size_t at_least)
{
    if (w->out->n >= at_least && !w->stopped && !w->out->failed) {
        w->stopped = !w->sink->take(w->sink->ctx, w->out->p, w->out->n);
        w->out->n = 0;
    }
    return !w->stopped && !w->out->failed;
}

/* Rows that come by the hundred thousand are written without printf. */
static void add(struct ms_buf *row, const char *text, int number)
{
    char digit[12], *at = digit + sizeof digit;
    *--at = '\0';
    do
        *--at = (char)('0' + number % 10);
    while ((number /= 10) > 0);
    ms_buf_adds(row, text);
    ms_buf_adds(row, at);
}

/* The shortest of "46.5GBps", "50000Bps" that says the same number. */
static const char *rate(double Bps, char *out)
{
    char num[32];
    ms_number(Bps / 1e9, num);
    if (strtod(num, NULL) * 1e9 == Bps && !strchr(num, 'e'))
        sprintf(out, "%sGBps", num);
    else
        sprintf(out, "%sBps", ms_number(Bps, num));
    return out;
}

static const char *latency(double s, char *out)
{
    char num[32];
    double us = s * 1e6;
    snprintf(num, sizeof num, "%.12g", us); /* 0.45e-6 * 1e6 is 0.44999999999999996 */
    sprintf(out, "%sus", s == 0 ? "0" : num);
    return out;
}

static void link_row(struct writer *w, const char *indent, const char *name, double Bps, double s,
                     const char *policy, int cables)
{
    char r[48], l[48];
    ms_buf_printf(w->out, "%s<link id=\"%s\" bandwidth=\"%s\" latency=\"%s\" sharing_policy=\"%s\"",
                  indent, name, rate(Bps, r), latency(s, l), policy);
    if (cables)
        ms_buf_printf(w->out, "><prop id=\"cables\" value=\"%d\"/></link>\n", cables);
    else
        ms_buf_adds(w->out, "/>\n");
}

/* Whether a GPU is the first of its node on its NIC. */
static bool first_on_nic(const struct ms_blueprint *f, int g)
{
    for (int h = g / f->M * f->M; h < g; h++)
        if (ms_blueprint_nic(f, h) == ms_blueprint_nic(f, g))
            return false;
    return true;
}

static void gpu_link(struct writer *w, const char *indent, const char *kind, int g)
{
    const struct ms_topology_params *p = w->f->p;
    bool nvl = !strcmp(kind, "nvl");
    char name[40];
    if (!nvl && !first_on_nic(w->f, g))
        return;
    double lat = nvl                      ? p->nvlink_latency_s
                 : p->link_latency_s >= 0 ? p->link_latency_s
                                          : p->nic_latency_s;
    snprintf(name, sizeof name, "%s_%d", kind, nvl ? g : ms_blueprint_nic(w->f, g));
    link_row(w, indent, name, nvl ? p->nvlink_bandwidth_Bps : p->nic_bandwidth_Bps, lat,
             "SPLITDUPLEX", nvl || w->f->ports_are_trunks ? 0 : w->f->planes);
}

static bool nvlinks(const struct ms_blueprint *f)
{
    return f->nvlink_only || (f->M > 1 && !f->p->no_nvlink);
}

static void host_row(struct writer *w, const char *indent, int g)
{
    char speed[32];
    ms_buf_printf(w->out,
                  "%s<host id=\"gpu%d\" speed=\"%sf\"><prop id=\"node\" value=\"n%d\"/></host>\n",
                  indent, g, ms_number(w->f->p->gpu_speed_flops, speed), g / w->f->M);
}

static void trunk_rows(struct writer *w)
{
    const struct ms_blueprint *f = w->f;
    const struct ms_topology_params *p = f->p;
    double cable = p->cable_bandwidth_Bps > 0 ? p->cable_bandwidth_Bps : p->nic_bandwidth_Bps;
    double lat = p->link_latency_s >= 0 ? p->link_latency_s : p->trunk_latency_s;
    char name[64];
    cable /= f->planes;
    for (int t = 0; t < f->n_trunks; t++) {
        const struct ms_trunk *k = &f->trunk[t];
        if (p->multipath == MS_MULTIPATH_SPRAY) {
            link_row(w, "    ", k->name, k->cables * cable, lat, "SPLITDUPLEX", k->cables);
            continue;
        }
        for (int c = 0; c < k->cables; c++) {
            snprintf(name, sizeof name, "%s_c%d", k->name, c);
            link_row(w, "    ", name, cable, lat, "SPLITDUPLEX", 1);
        }
    }
}

static void prop_row(struct writer *w, const char *key, const char *value)
{
    ms_buf_printf(w->out, "    <prop id=\"%s\" value=\"%s\"/>\n", key, value);
}

static void open_top(struct writer *w, const char *routing, const char *topology,
                     const char *command)
{
    static const char *const transits[] = {"none", "nvlink", "pxn"};
    static const char *const multipaths[] = {"spray", "dmodk", "ecmp"};
    const struct ms_blueprint *f = w->f;
    char num[32];
    ms_buf_adds(w->out, "<?xml version=\"1.0\"?>\n"
                        "<!DOCTYPE platform SYSTEM \"https://simgrid.org/simgrid.dtd\">\n"
                        "<platform version=\"4.1\">\n");
    ms_buf_printf(w->out, "  <zone id=\"cluster\" routing=\"%s\">\n", routing);
    prop_row(w, "topology", topology);
    prop_row(w, "generated_by", command);
    if (f->p->hardware && *f->p->hardware && strcmp(f->p->hardware, "none") != 0)
        prop_row(w, "hardware", f->p->hardware);
    prop_row(w, "multipath", multipaths[f->p->multipath]);
    prop_row(w, "transit", transits[f->transit]);
    snprintf(num, sizeof num, "%d", f->planes);
    if (f->planes > 1)
        prop_row(w, "planes", num);
    snprintf(num, sizeof num, "%d", f->n_switches);
    prop_row(w, "switches", num);
    snprintf(num, sizeof num, "%d", f->n_cables);
    prop_row(w, "cables", num);
}

static void bypass_rows(struct writer *w, const char *in, int g)
{
    int first = g / w->f->M * w->f->M;
    for (int h = first; h < first + w->f->M; h++) {
        if (h == g)
            continue;
        ms_buf_adds(w->out, in);
        add(w->out, "<bypassRoute src=\"gpu", g);
        add(w->out, "\" dst=\"gpu", h);
        add(w->out, "\"><link_ctn id=\"nvl_", g);
        add(w->out, "_UP\"/><link_ctn id=\"nvl_", h);
        ms_buf_adds(w->out, "_DOWN\"/></bypassRoute>\n");
    }
}

static void gpu_links(struct writer *w, const char *in, const int *gpu, int n)
{
    const struct ms_blueprint *f = w->f;
    for (int i = 0; i < n; i++) {
        gpu_link(w, in, f->nvlink_only ? "nvl" : "nic", gpu[i]);
        if (!f->nvlink_only && nvlinks(f))
            gpu_link(w, in, "nvl", gpu[i]);
    }
}

/* SimGrid looks for a link by its name zone by zone, in their order, for each mention of it: where
 * there are many zones the links of all stand in the first one. */
enum { MANY_EDGES = 64 };

/* What stands in one edge switch's Cluster zone. */
static void edge_inside(struct writer *w, const char *in, int e, const int *gpu, int n)
{
    const struct ms_blueprint *f = w->f;
    const char *kind = f->nvlink_only ? "nvl" : "nic";
    if (f->n_edges <= MANY_EDGES)
        gpu_links(w, in, gpu, n);
    else if (e == 0)
        gpu_links(w, in, gpu, f->n_gpus);
    for (int i = 0; i < n; i++)
        host_row(w, in, gpu[i]);
    ms_buf_printf(w->out, "%s<router id=\"switch%d\"/>\n", in, e);
    for (int i = 0; i < n; i++) {
        int link = f->nvlink_only ? gpu[i] : ms_blueprint_nic(f, gpu[i]);
        ms_buf_printf(w->out, "%s<host_link id=\"gpu%d\" up=\"%s_%d_UP\" down=\"%s_%d_DOWN\"/>\n",
                      in, gpu[i], kind, link, kind, link);
    }
    for (int i = 0; i < n && !f->nvlink_only && nvlinks(f); i++)
        bypass_rows(w, in, gpu[i]);
}

static void zone_route(struct writer *w, int a, int b)
{
    const struct ms_blueprint *f = w->f;
    struct ms_route_hop hop[MS_MAX_ROUTE_HOPS];
    int n = f->route(f, a, b, hop);
    add(w->out, "    <zoneRoute src=\"edge", a);
    add(w->out, "\" dst=\"edge", b);
    add(w->out, "\" gw_src=\"switch", a);
    add(w->out, "\" gw_dst=\"switch", b);
    ms_buf_adds(w->out, f->mirrored ? "\">" : "\" symmetrical=\"NO\">");
    for (int i = 0; i < n; i++) {
        ms_buf_adds(w->out, "<link_ctn id=\"");
        ms_buf_adds(w->out, f->trunk[hop[i].trunk].name);
        ms_buf_adds(w->out, hop[i].down ? "\" direction=\"DOWN\"/>" : "\" direction=\"UP\"/>");
    }
    ms_buf_adds(w->out, "</zoneRoute>\n");
}

static void write_edges(struct writer *w, const char *topology, const char *command, const int *gpu,
                        const int *start)
{
    const struct ms_blueprint *f = w->f;
    open_top(w, f->n_edges == 1 ? "Cluster" : "Full", topology, command);
    if (f->n_edges == 1) {
        edge_inside(w, "    ", 0, gpu, f->n_gpus);
        return;
    }
    for (int e = 0; e < f->n_edges && goes_on(w, PIECE); e++) {
        ms_buf_printf(w->out, "    <zone id=\"edge%d\" routing=\"Cluster\">\n", e);
        edge_inside(w, "      ", e, gpu + start[e], start[e + 1] - start[e]);
        ms_buf_adds(w->out, "    </zone>\n");
    }
    trunk_rows(w);
    for (int a = 0; a < f->n_edges && goes_on(w, PIECE); a++)
        for (int b = f->mirrored ? a + 1 : 0; b < f->n_edges; b++)
            if (a != b)
                zone_route(w, a, b);
}

/* Where GPUs of a node share a leaf the way over it must not be shorter than NVLink: two links without
 * a limit pad every NIC's way up. */
static void pad(struct writer *w, int edge)
{
    if (w->f->shared_nics && nvlinks(w->f))
        ms_buf_printf(w->out, "<link_ctn id=\"pad_%d_0\"/><link_ctn id=\"pad_%d_1\"/>", edge, edge);
}

static void pad_links(struct writer *w)
{
    char name[40];
    for (int e = 0; e < w->f->n_edges && w->f->shared_nics; e++)
        for (int k = 0; k < 2; k++) {
            snprintf(name, sizeof name, "pad_%d_%d", e, k);
            link_row(w, "    ", name, w->f->p->nvlink_bandwidth_Bps, 0, "FATPIPE", 0);
        }
}

static void nic_route(struct writer *w, int g)
{
    const struct ms_blueprint *f = w->f;
    int nic = ms_blueprint_nic(f, g);
    if (!f->shared_nics) {
        ms_buf_printf(w->out,
                      "    <route src=\"gpu%d\" dst=\"switch%d\"><link_ctn id=\"nic_%d\" "
                      "direction=\"UP\"/></route>\n",
                      g, f->edge[g], nic);
        return;
    }
    ms_buf_printf(w->out,
                  "    <route src=\"gpu%d\" dst=\"switch%d\" symmetrical=\"NO\"><link_ctn "
                  "id=\"nic_%d_UP\"/>",
                  g, f->edge[g], nic);
    pad(w, f->edge[g]);
    ms_buf_printf(w->out,
                  "</route>\n    <route src=\"switch%d\" dst=\"gpu%d\" symmetrical=\"NO\">"
                  "<link_ctn id=\"nic_%d_DOWN\"/></route>\n",
                  f->edge[g], g, nic);
}

static void flat_routes(struct writer *w, int g)
{
    const struct ms_blueprint *f = w->f;
    struct ms_buf *o = w->out;
    int n = g / f->M;
    nic_route(w, g);
    if (!nvlinks(f))
        return;
    ms_buf_printf(
        o,
        "    <route src=\"gpu%d\" dst=\"nvs%d\" symmetrical=\"NO\"><link_ctn id=\"nvl_%d_UP\"/>"
        "<link_ctn id=\"nvswitch_%d\"/></route>\n",
        g, n, g, n);
    ms_buf_printf(o,
                  "    <route src=\"nvs%d\" dst=\"gpu%d\" symmetrical=\"NO\"><link_ctn "
                  "id=\"nvl_%d_DOWN\"/></route>\n",
                  n, g, g);
    if (f->transit == MS_TRANSIT_NONE)
        return;
    /* Forwarding by the GPU on the destination's rail, at the source: a way of its own, cheaper
     * than the other orders. */
    ms_buf_printf(o,
                  "    <route src=\"gpu%d\" dst=\"pxn%d\" symmetrical=\"NO\"><link_ctn "
                  "id=\"nvl_%d_UP\"/></route>\n",
                  g, n, g);
    if (!first_on_nic(f, g))
        return;
    ms_buf_printf(o,
                  "    <route src=\"pxn%d\" dst=\"switch%d\" symmetrical=\"NO\"><link_ctn "
                  "id=\"nvl_%d_DOWN\"/>"
                  "<link_ctn id=\"nic_%d_UP\"/>",
                  n, f->edge[g], g, ms_blueprint_nic(f, g));
    pad(w, f->edge[g]);
    ms_buf_adds(o, "</route>\n");
}

static void write_flat(struct writer *w, const char *topology, const char *command)
{
    const struct ms_blueprint *f = w->f;
    int n_nodes = nvlinks(f) ? f->n_gpus / f->M : 0;
    int vertices = f->n_gpus + f->n_edges + f->n_hubs + (f->transit ? 2 : 1) * n_nodes;
    char name[40];
    open_top(w, vertices > 600 ? "DijkstraCache" : "Floyd", topology, command);
    for (int g = 0; g < f->n_gpus; g++) {
        gpu_link(w, "    ", "nic", g);
        if (nvlinks(f))
            gpu_link(w, "    ", "nvl", g);
    }
    for (int n = 0; n < n_nodes; n++) {
        snprintf(name, sizeof name, "nvswitch_%d", n);
        link_row(w, "    ", name, f->p->nvlink_bandwidth_Bps, 0, "FATPIPE", 0);
    }
    if (nvlinks(f))
        pad_links(w);
    trunk_rows(w);
    for (int g = 0; g < f->n_gpus; g++)
        host_row(w, "    ", g);
    for (int e = 0; e < f->n_edges; e++)
        ms_buf_printf(w->out, "    <router id=\"switch%d\"/>\n", e);
    for (int h = 0; h < f->n_hubs; h++)
        ms_buf_printf(w->out, "    <router id=\"spine%d\"/>\n", h);
    for (int n = 0; n < n_nodes; n++)
        ms_buf_printf(w->out,
                      f->transit ? "    <router id=\"nvs%d\"/>\n    <router id=\"pxn%d\"/>\n"
                                 : "    <router id=\"nvs%d\"/>\n",
                      n, n);
    for (int g = 0; g < f->n_gpus && goes_on(w, PIECE); g++)
        flat_routes(w, g);
    for (int e = 0; e < f->n_edges; e++)
        if (f->hub[e] >= 0)
            ms_buf_printf(w->out,
                          "    <route src=\"switch%d\" dst=\"spine%d\"><link_ctn id=\"%s\" "
                          "direction=\"UP\"/></route>\n",
                          e, f->hub[e], f->trunk[e].name);
}

static void write_pairs(struct writer *w, const char *topology, const char *command)
{
    const struct ms_blueprint *f = w->f;
    ms_link_name names[MS_MAX_ROUTE_HOPS + 8];
    open_top(w, "Full", topology, command);
    for (int g = 0; g < f->n_gpus; g++) {
        if (!f->nvlink_only)
            gpu_link(w, "    ", "nic", g);
        if (nvlinks(f))
            gpu_link(w, "    ", "nvl", g);
    }
    trunk_rows(w);
    for (int g = 0; g < f->n_gpus; g++)
        host_row(w, "    ", g);
    for (int a = 0; a < f->n_gpus && goes_on(w, PIECE); a++)
        for (int b = 0; b < f->n_gpus; b++) {
            if (a == b)
                continue;
            ms_buf_printf(w->out, "    <route src=\"gpu%d\" dst=\"gpu%d\" symmetrical=\"NO\">", a,
                          b);
            int n = ms_blueprint_links(f, a, b, names);
            for (int i = 0; i < n; i++)
                ms_buf_printf(w->out, "<link_ctn id=\"%s\"/>", names[i]);
            ms_buf_adds(w->out, "</route>\n");
        }
}

/* GPUs sorted by edge: start[e] .. start[e+1]. @return NULL: no memory */
static int *by_edge(const struct ms_blueprint *f, int **start)
{
    int *s = MS_NEW(f->arena, int, (size_t)f->n_edges + 2),
        *gpu = MS_NEW(f->arena, int, (size_t)f->n_gpus);
    if (!s || !gpu)
        return NULL;
    for (int g = 0; g < f->n_gpus; g++)
        s[f->edge[g] + 2]++;
    for (int e = 0; e < f->n_edges; e++)
        s[e + 2] += s[e + 1];
    for (int g = 0; g < f->n_gpus; g++)
        gpu[s[f->edge[g] + 1]++] = g;
    *start = s;
    return gpu;
}

enum { MAX_PAIRS_GPUS = 512, MAX_EDGES = 1024 };

enum ms_status ms_blueprint_write(const struct ms_blueprint *f, const char *topology,
                                  const char *command, const struct ms_text_sink *sink,
                                  struct ms_err *err)
{
    struct ms_buf rows = {0};
    struct writer w = {.f = f, .out = &rows, .sink = sink};
    bool pairs = f->p->multipath != MS_MULTIPATH_SPRAY;
    int *start, *gpu = by_edge(f, &start);
    if (!gpu)
        return ms_err_set(err, MS_NOMEM, "no memory");
    if (pairs && f->n_gpus > MAX_PAIRS_GPUS)
        return ms_err_set(err, MS_INFEASIBLE,
                          "dmodk and ecmp write a route for each pair of GPUs: %d GPUs are too "
                          "many (at most %d); use "
                          "--multipath spray",
                          f->n_gpus, MAX_PAIRS_GPUS);
    if (!pairs && !f->rails && f->n_edges > MAX_EDGES)
        return ms_err_set(err, MS_INFEASIBLE, "%d edge switches are too many (at most %d)",
                          f->n_edges, MAX_EDGES);
    if (pairs)
        write_pairs(&w, topology, command);
    else if (f->rails)
        write_flat(&w, topology, command);
    else
        write_edges(&w, topology, command, gpu, start);
    ms_buf_adds(&rows, "  </zone>\n</platform>\n");
    goes_on(&w, 0);
    bool failed = rows.failed;
    ms_buf_finish(&rows);
    return failed ? ms_err_set(err, MS_NOMEM, "no memory for a file of this size") : MS_OK;
}
