/* A map and its levels as XML. SimGrid takes the way of fewest links, so links without a limit pad
 * the ways that must not win: NVLink must be shorter than any way over the fabric between GPUs of its
 * domain, and longer than the fabric between any two leaves, lest a route pass through a third GPU.
 * Where every domain hangs on one leaf, a zone a leaf needs no padding and loads faster. */
#include "import/write_platform.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"

enum { FLOYD_VERTICES = 1300, MAX_ZONES = 1024 };

static const double nic_latency_s = 1.4e-6, trunk_latency_s = 0.45e-6, nvlink_latency_s = 0.5e-6;

struct writer {
    const struct ms_map *m;
    const struct ms_levels *l;
    const struct ms_import_options *o;
    struct ms_buf *out;
    int *order;       /* GPUs by node name and index */
    int *number;      /* of each GPU in that order */
    int *first, *way; /* trunks of each hub: way[first[h]] … */
    int *port_of_gpu;
    int longest; /* trunks between two leaves */
    int nvlink_pads, nic_pads;
    bool zones; /* a zone a leaf */
};

static void escaped(struct ms_buf *o, const char *s)
{
    for (; *s; s++)
        if (strchr("&<>\"", *s))
            ms_buf_printf(o, "&#%d;", *s);
        else
            ms_buf_add(o, s, 1);
}

static void quantity(struct ms_buf *o, double v, double unit, const char *word, const char *plain)
{
    char num[40];
    snprintf(num, sizeof num, "%.12g", v / unit);
    if (strtod(num, NULL) * unit == v || plain == NULL)
        ms_buf_printf(o, "%s%s", num, word);
    else
        ms_buf_printf(o, "%s%s", ms_number(v, num), plain);
}

static double latency_of(const struct writer *w, double said, double otherwise)
{
    return w->o->latency_s >= 0 ? w->o->latency_s : said >= 0 ? said : otherwise;
}

static void link_row(struct writer *w, const char *name, double Bps, double s, const char *policy,
                     int cables)
{
    ms_buf_printf(w->out, "    <link id=\"%s\" bandwidth=\"", name);
    quantity(w->out, Bps, 1e9, "GBps", "Bps");
    ms_buf_adds(w->out, "\" latency=\"");
    quantity(w->out, s, 1e-6, "us", NULL);
    ms_buf_printf(w->out, "\" sharing_policy=\"%s\"", policy);
    if (cables)
        ms_buf_printf(w->out, "><prop id=\"cables\" value=\"%d\"/></link>\n", cables);
    else
        ms_buf_adds(w->out, "/>\n");
}

static void hub_name(const struct writer *w, int h, char *out, size_t size)
{
    static const char *const words[] = {"", "leaf", "spine", "core"};
    int level = w->l->hub[h].level, k = 0;
    for (int i = 0; i < h; i++)
        k += w->l->hub[i].level == level;
    if (level < 4)
        snprintf(out, size, "%s%d", words[level], k);
    else
        snprintf(out, size, "level%d_%d", level, k);
}

/* "leaf_3" into the hub above, "peer_2_5" beside. */
static void trunk_name(const struct writer *w, int t, char *out, size_t size)
{
    const struct ms_hub_trunk *k = &w->l->trunk[t];
    char a[40], b[40];
    hub_name(w, k->a, a, sizeof a);
    hub_name(w, k->b, b, sizeof b);
    size_t word = strcspn(a, "0123456789"), other = strcspn(b, "0123456789");
    if (w->l->hub[k->a].level == w->l->hub[k->b].level)
        snprintf(out, size, "peer_%s_%s", a + word, b + other);
    else
        snprintf(out, size, "%.*s_%s", (int)word, a, a + word);
}

struct ranked {
    const char *node;
    int index, gpu;
};

static int by_name(const void *a, const void *b)
{
    const struct ranked *x = a, *y = b;
    int c = ms_natural_cmp(x->node, y->node);
    return c ? c : x->index != y->index ? x->index - y->index : x->gpu - y->gpu;
}

static bool order_gpus(struct writer *w)
{
    int n = w->m->n_gpus;
    struct ranked *r = calloc((size_t)n + 1, sizeof *r);
    w->order = calloc((size_t)n + 1, sizeof *w->order);
    w->number = calloc((size_t)n + 1, sizeof *w->number);
    w->port_of_gpu = calloc((size_t)n + 1, sizeof *w->port_of_gpu);
    bool good = r && w->order && w->number && w->port_of_gpu;
    for (int g = 0; good && g < n; g++) {
        const struct ms_map_gpu *u = &w->m->gpu[g];
        r[g] = (struct ranked){w->m->nodes.text[u->node], u->index, g};
        w->port_of_gpu[g] = w->l->port_of_nic[w->m->nic_of_gpu[u->first_nic]];
    }
    if (good)
        qsort(r, (size_t)n, sizeof *r, by_name);
    for (int i = 0; good && i < n; i++) {
        w->order[i] = r[i].gpu;
        w->number[r[i].gpu] = i;
    }
    free(r);
    return good;
}

static bool index_trunks(struct writer *w)
{
    const struct ms_levels *l = w->l;
    w->first = calloc((size_t)l->n_hubs + 2, sizeof *w->first);
    w->way = calloc(2 * (size_t)l->n_trunks + 1, sizeof *w->way);
    int *at = calloc((size_t)l->n_hubs + 2, sizeof *at);
    bool good = w->first && w->way && at;
    for (int t = 0; good && t < l->n_trunks; t++) {
        w->first[l->trunk[t].a + 1]++;
        w->first[l->trunk[t].b + 1]++;
    }
    for (int h = 0; good && h < l->n_hubs; h++)
        at[h + 1] = w->first[h + 1] += w->first[h];
    for (int t = 0; good && t < l->n_trunks; t++) {
        w->way[at[l->trunk[t].a]++] = t;
        w->way[at[l->trunk[t].b]++] = t;
    }
    free(at);
    return good;
}

static int other_end(const struct writer *w, int t, int h)
{
    return w->l->trunk[t].a == h ? w->l->trunk[t].b : w->l->trunk[t].a;
}

/* Fewest trunks from one hub to all: far[h], and the trunk by which h is reached. */
static void search(const struct writer *w, int from, int *far, int *by, int *queue)
{
    int head = 0, tail = 0;
    for (int h = 0; h < w->l->n_hubs; h++)
        far[h] = -1;
    far[from] = 0;
    queue[tail++] = from;
    while (head < tail) {
        int h = queue[head++];
        for (int k = w->first[h]; k < w->first[h + 1]; k++) {
            int to = other_end(w, w->way[k], h);
            if (far[to] >= 0)
                continue;
            far[to] = far[h] + 1;
            by[to] = w->way[k];
            queue[tail++] = to;
        }
    }
}

/* How far leaves are apart, and whether each domain hangs on one leaf. */
static bool measure(struct writer *w)
{
    const struct ms_levels *l = w->l;
    int n = l->n_hubs, *mem = malloc(3 * ((size_t)n + 1) * sizeof *mem), least = 1 << 20,
        leaves = 0;
    int *leaf_of = malloc(((size_t)w->m->n_gpus + w->m->nodes.n + 2) * sizeof *leaf_of);
    if (!mem || !leaf_of) {
        free(mem);
        free(leaf_of);
        return false;
    }
    for (int h = 0; h < n; h++) {
        if (l->hub[h].level != 1)
            continue;
        leaves++;
        search(w, h, mem, mem + n, mem + 2 * n);
        for (int b = 0; b < n; b++)
            if (l->hub[b].level == 1 && mem[b] > w->longest)
                w->longest = mem[b];
    }
    w->zones = leaves <= MAX_ZONES && leaves > 1;
    for (int g = 0; g < w->m->n_gpus; g++)
        leaf_of[g] = -1;
    for (int g = 0; g < w->m->n_gpus; g++) {
        int d = w->m->gpu[g].domain, hub = l->port[w->port_of_gpu[g]].hub;
        if (d < 0)
            continue;
        if (leaf_of[d] >= 0 && leaf_of[d] != hub)
            w->zones = false;
        else if (leaf_of[d] == hub)
            least = 0;
        leaf_of[d] = hub;
    }
    least = least ? 2 : 0;
    w->nvlink_pads = w->longest - 1 < 1 ? 1 : w->longest - 1;
    w->nic_pads = w->nvlink_pads + 2 - least - 1 > 0 ? w->nvlink_pads + 2 - least - 1 : 0;
    free(mem);
    free(leaf_of);
    return true;
}

static void host_row(struct writer *w, const char *in, int g)
{
    const struct ms_map_gpu *u = &w->m->gpu[g];
    int nic = w->m->nic_of_gpu[u->first_nic];
    char speed[40];
    ms_buf_printf(w->out, "%s<host id=\"", in);
    escaped(w->out, w->m->nodes.text[u->node]);
    ms_buf_printf(w->out, "-gpu%d\" speed=\"%sf\"><prop id=\"node\" value=\"", u->index,
                  ms_number(w->o->gpu_speed_flops, speed));
    escaped(w->out, w->m->nodes.text[u->node]);
    ms_buf_printf(w->out, "\"/><prop id=\"gpu\" value=\"%d\"/><prop id=\"nic\" value=\"", u->index);
    escaped(w->out, w->m->nic[nic].name);
    ms_buf_adds(w->out, "\"/>");
    if (w->m->rail_of_nic)
        ms_buf_printf(w->out, "<prop id=\"rail\" value=\"%d\"/>", w->m->rail_of_nic[nic]);
    if (u->domain >= 0 && u->nvlink_Bps > 0)
        ms_buf_printf(w->out, "<prop id=\"nvlink\" value=\"%d\"/>", u->domain);
    ms_buf_adds(w->out, "</host>\n");
}

static void gpu_id(struct writer *w, int g)
{
    escaped(w->out, w->m->nodes.text[w->m->gpu[g].node]);
    ms_buf_printf(w->out, "-gpu%d", w->m->gpu[g].index);
}

/* At a switch. */
static bool has_nvlink(const struct writer *w, int g)
{
    return w->m->gpu[g].domain >= 0 && w->m->gpu[g].nvlink_Bps > 0 && !w->m->gpu[g].peer_Bps;
}

/* A link from GPU to GPU: its rate, 0 none. */
static double mesh_Bps(const struct writer *w, int a, int b)
{
    const struct ms_map_gpu *x = &w->m->gpu[a], *y = &w->m->gpu[b];
    bool same = x->node == y->node && a != b && x->domain >= 0 && x->domain == y->domain;
    return same && x->peer_Bps && y->peer_Bps ? x->peer_Bps[y->place] : 0;
}

static void prop(struct writer *w, const char *key, const char *value)
{
    ms_buf_printf(w->out, "    <prop id=\"%s\" value=\"", key);
    escaped(w->out, value);
    ms_buf_adds(w->out, "\"/>\n");
}

static void open_top(struct writer *w, const char *routing, const char *command)
{
    char num[32];
    int switches = 0, cables = 0;
    for (int s = 0; s < w->m->n_switches; s++)
        switches += w->m->sw[s].level > 0;
    for (int t = 0; t < w->l->n_trunks; t++)
        cables += w->l->trunk[t].cables;
    for (int p = 0; p < w->l->n_ports; p++)
        cables += w->l->port[p].cables;
    ms_buf_adds(w->out, "<?xml version=\"1.0\"?>\n"
                        "<!DOCTYPE platform SYSTEM \"https://simgrid.org/simgrid.dtd\">\n"
                        "<platform version=\"4.1\">\n");
    ms_buf_printf(w->out, "  <zone id=\"cluster\" routing=\"%s\">\n", routing);
    prop(w, "topology", "imported");
    prop(w, "generated_by", command);
    prop(w, "multipath", "spray");
    prop(w, "transit", "none");
    if (w->o->hardware)
        prop(w, "hardware", w->o->hardware);
    snprintf(num, sizeof num, "%d", w->l->planes);
    if (w->l->planes > 1)
        prop(w, "planes", num);
    snprintf(num, sizeof num, "%d", switches);
    prop(w, "switches", num);
    snprintf(num, sizeof num, "%d", cables);
    prop(w, "cables", num);
}

static void port_link(struct writer *w, int p)
{
    const struct ms_port *k = &w->l->port[p];
    char name[40];
    snprintf(name, sizeof name, "nic_%d", p);
    link_row(w, name, k->rate_Bps * w->o->rate_factor, latency_of(w, k->latency_s, nic_latency_s),
             "SPLITDUPLEX", k->cables);
}

static void nvlink_link(struct writer *w, int g)
{
    char name[40];
    snprintf(name, sizeof name, "nvl_%d", w->number[g]);
    link_row(w, name, w->m->gpu[g].nvlink_Bps * w->o->rate_factor,
             w->m->nvlink_latency_s > 0 ? w->m->nvlink_latency_s : nvlink_latency_s, "SPLITDUPLEX",
             0);
}

/* The links of a GPU with those that have a higher number. gpu: those of its zone, or all. */
static void mesh_links(struct writer *w, int a, const int *gpu, int n)
{
    char name[64];
    for (int i = 0; i < n; i++) {
        int b = gpu[i];
        if (w->number[b] <= w->number[a] || !(mesh_Bps(w, a, b) > 0))
            continue;
        snprintf(name, sizeof name, "peer_%d_%d", w->number[a], w->number[b]);
        link_row(w, name, mesh_Bps(w, a, b) * w->o->rate_factor, nvlink_latency_s, "SPLITDUPLEX",
                 0);
    }
}

static void mesh_link_ctn(struct writer *w, int a, int b)
{
    int x = w->number[a], y = w->number[b];
    ms_buf_printf(w->out, "<link_ctn id=\"peer_%d_%d\" direction=\"%s\"/>", x < y ? x : y,
                  x < y ? y : x, x < y ? "UP" : "DOWN");
}

static void trunk_links(struct writer *w)
{
    char name[100];
    for (int t = 0; t < w->l->n_trunks; t++) {
        const struct ms_hub_trunk *k = &w->l->trunk[t];
        trunk_name(w, t, name, sizeof name);
        link_row(w, name, k->rate_Bps * w->o->rate_factor,
                 latency_of(w, k->latency_s, trunk_latency_s), "SPLITDUPLEX", k->cables);
    }
}

/* Each NVSwitch and each leaf has pads of its own: a link that all share would join them all. */
static void pads(struct writer *w, const char *kind, int number, int n)
{
    for (int k = 0; k < n; k++)
        ms_buf_printf(w->out, "<link_ctn id=\"%s_%d_%d\"/>", kind, number, k);
}

static void pad_links(struct writer *w, const char *kind, int number, int n)
{
    char name[64];
    for (int k = 0; k < n; k++) {
        snprintf(name, sizeof name, "%s_%d_%d", kind, number, k);
        link_row(w, name, 1e15, 0, "FATPIPE", 0);
    }
}

static void flat_routes(struct writer *w, int g)
{
    struct ms_buf *o = w->out;
    int p = w->port_of_gpu[g], d = w->m->gpu[g].domain, k = w->number[g];
    char leaf[40];
    hub_name(w, w->l->port[p].hub, leaf, sizeof leaf);
    ms_buf_adds(o, "    <route src=\"");
    gpu_id(w, g);
    ms_buf_printf(o, "\" dst=\"%s\" symmetrical=\"NO\"><link_ctn id=\"nic_%d_UP\"/>", leaf, p);
    pads(w, "pad", w->l->port[p].hub, w->nic_pads);
    ms_buf_printf(o, "</route>\n    <route src=\"%s\" dst=\"", leaf);
    gpu_id(w, g);
    ms_buf_printf(o, "\" symmetrical=\"NO\"><link_ctn id=\"nic_%d_DOWN\"/></route>\n", p);
    if (!has_nvlink(w, g))
        return;
    ms_buf_adds(o, "    <route src=\"");
    gpu_id(w, g);
    ms_buf_printf(o, "\" dst=\"nvs%d\" symmetrical=\"NO\"><link_ctn id=\"nvl_%d_UP\"/>", d, k);
    pads(w, "nvswitch", d, w->nvlink_pads);
    ms_buf_printf(o, "</route>\n    <route src=\"nvs%d\" dst=\"", d);
    gpu_id(w, g);
    ms_buf_printf(o, "\" symmetrical=\"NO\"><link_ctn id=\"nvl_%d_DOWN\"/></route>\n", k);
}

/* As long as the way over a switch would be: no third GPU lies on a shorter one. */
static void flat_mesh_routes(struct writer *w, int a)
{
    for (int i = 0; i < w->m->n_gpus; i++) {
        int b = w->order[i];
        if (!(mesh_Bps(w, a, b) > 0))
            continue;
        ms_buf_adds(w->out, "    <route src=\"");
        gpu_id(w, a);
        ms_buf_adds(w->out, "\" dst=\"");
        gpu_id(w, b);
        ms_buf_adds(w->out, "\" symmetrical=\"NO\">");
        mesh_link_ctn(w, a, b);
        pads(w, "mesh", w->number[b], w->nvlink_pads + 1);
        ms_buf_adds(w->out, "</route>\n");
    }
}

static void write_flat(struct writer *w, const char *command)
{
    const struct ms_map *m = w->m;
    int n = m->n_gpus, domains = (int)m->nodes.n + n, vertices = n + w->l->n_hubs + (int)m->nodes.n;
    bool *seen = calloc((size_t)domains + 1, sizeof *seen);
    char name[100];
    open_top(w, vertices > FLOYD_VERTICES ? "DijkstraCache" : "Floyd", command);
    for (int p = 0; p < w->l->n_ports; p++)
        port_link(w, p);
    for (int i = 0; i < n; i++)
        if (has_nvlink(w, w->order[i]))
            nvlink_link(w, w->order[i]);
        else if (m->gpu[w->order[i]].peer_Bps)
            mesh_links(w, w->order[i], w->order, n);
    trunk_links(w);
    for (int h = 0; h < w->l->n_hubs; h++)
        if (w->l->hub[h].level == 1)
            pad_links(w, "pad", h, w->nic_pads);
    for (int i = 0; i < n && seen; i++) {
        int g = w->order[i];
        if (m->gpu[g].peer_Bps && m->gpu[g].domain >= 0)
            pad_links(w, "mesh", w->number[g],
                      w->nvlink_pads + 1); /* a GPU's own: they join nothing */
        if (!has_nvlink(w, g) || seen[m->gpu[g].domain])
            continue;
        seen[m->gpu[g].domain] = true;
        pad_links(w, "nvswitch", m->gpu[g].domain, w->nvlink_pads);
    }
    if (seen)
        memset(seen, 0, (size_t)domains * sizeof *seen);
    for (int i = 0; i < n; i++)
        host_row(w, "    ", w->order[i]);
    for (int h = 0; h < w->l->n_hubs; h++) {
        hub_name(w, h, name, sizeof name);
        ms_buf_printf(w->out, "    <router id=\"%s\"/>\n", name);
    }
    for (int i = 0; i < n && seen; i++) {
        int g = w->order[i];
        if (!has_nvlink(w, g) || seen[m->gpu[g].domain])
            continue;
        seen[m->gpu[g].domain] = true;
        ms_buf_printf(w->out, "    <router id=\"nvs%d\"/>\n", m->gpu[g].domain);
    }
    for (int i = 0; i < n; i++) {
        flat_routes(w, w->order[i]);
        if (m->gpu[w->order[i]].peer_Bps)
            flat_mesh_routes(w, w->order[i]);
    }
    for (int t = 0; t < w->l->n_trunks; t++) {
        char a[40], b[40];
        trunk_name(w, t, name, sizeof name);
        hub_name(w, w->l->trunk[t].a, a, sizeof a);
        hub_name(w, w->l->trunk[t].b, b, sizeof b);
        ms_buf_printf(w->out,
                      "    <route src=\"%s\" dst=\"%s\"><link_ctn id=\"%s\" direction=\"UP\"/>"
                      "</route>\n",
                      a, b, name);
    }
    w->out->failed |= !seen;
    free(seen);
}

static void bypasses(struct writer *w, int a, const int *gpu, int n)
{
    for (int i = 0; i < n; i++) {
        int b = gpu[i];
        bool mesh = mesh_Bps(w, a, b) > 0;
        bool at_switch = a != b && w->m->gpu[a].domain == w->m->gpu[b].domain && has_nvlink(w, a) &&
                         has_nvlink(w, b);
        if (!mesh && !at_switch)
            continue;
        ms_buf_adds(w->out, "    <bypassRoute src=\"");
        gpu_id(w, a);
        ms_buf_adds(w->out, "\" dst=\"");
        gpu_id(w, b);
        ms_buf_adds(w->out, "\">");
        if (mesh)
            mesh_link_ctn(w, a, b);
        else
            ms_buf_printf(w->out, "<link_ctn id=\"nvl_%d_UP\"/><link_ctn id=\"nvl_%d_DOWN\"/>",
                          w->number[a], w->number[b]);
        ms_buf_adds(w->out, "</bypassRoute>\n");
    }
}

/* What stands in the zone of one leaf. gpu: those on it, in order. */
static void leaf_zone(struct writer *w, int h, const int *gpu, int n)
{
    char leaf[40];
    hub_name(w, h, leaf, sizeof leaf);
    ms_buf_printf(w->out, "    <zone id=\"zone_%s\" routing=\"Cluster\">\n", leaf);
    for (int p = 0; p < w->l->n_ports; p++)
        if (w->l->port[p].hub == h)
            port_link(w, p);
    for (int i = 0; i < n; i++)
        if (has_nvlink(w, gpu[i]))
            nvlink_link(w, gpu[i]);
        else
            mesh_links(w, gpu[i], gpu, n);
    for (int i = 0; i < n; i++)
        host_row(w, "    ", gpu[i]);
    ms_buf_printf(w->out, "    <router id=\"%s\"/>\n", leaf);
    for (int i = 0; i < n; i++) {
        int p = w->port_of_gpu[gpu[i]];
        ms_buf_adds(w->out, "    <host_link id=\"");
        gpu_id(w, gpu[i]);
        ms_buf_printf(w->out, "\" up=\"nic_%d_UP\" down=\"nic_%d_DOWN\"/>\n", p, p);
    }
    for (int i = 0; i < n; i++)
        bypasses(w, gpu[i], gpu, n);
    ms_buf_adds(w->out, "    </zone>\n");
}

static void zone_route(struct writer *w, int a, int b, const int *by)
{
    char from[40], to[40], name[100];
    int way[256], n = 0;
    hub_name(w, a, from, sizeof from);
    hub_name(w, b, to, sizeof to);
    for (int h = b; h != a && n < 256; h = other_end(w, by[h], h))
        way[n++] = by[h];
    ms_buf_printf(w->out,
                  "    <zoneRoute src=\"zone_%s\" dst=\"zone_%s\" gw_src=\"%s\" gw_dst=\"%s\">",
                  from, to, from, to);
    for (int at = a; n--; at = other_end(w, way[n], at)) {
        trunk_name(w, way[n], name, sizeof name);
        ms_buf_printf(w->out, "<link_ctn id=\"%s\" direction=\"%s\"/>", name,
                      w->l->trunk[way[n]].a == at ? "UP" : "DOWN");
    }
    ms_buf_adds(w->out, "</zoneRoute>\n");
}

static void write_zones(struct writer *w, const char *command)
{
    int n = w->m->n_gpus, hubs = w->l->n_hubs;
    int *gpu = calloc((size_t)n + 1, sizeof *gpu),
        *mem = malloc(3 * ((size_t)hubs + 1) * sizeof *mem);
    w->out->failed |= !gpu || !mem;
    open_top(w, "Full", command);
    for (int h = 0; h < hubs && !w->out->failed; h++) {
        int k = 0;
        if (w->l->hub[h].level != 1)
            continue;
        for (int i = 0; i < n; i++)
            if (w->l->port[w->port_of_gpu[w->order[i]]].hub == h)
                gpu[k++] = w->order[i];
        leaf_zone(w, h, gpu, k);
    }
    trunk_links(w);
    for (int a = 0; a < hubs && !w->out->failed; a++) {
        if (w->l->hub[a].level != 1)
            continue;
        search(w, a, mem, mem + hubs, mem + 2 * hubs);
        for (int b = a + 1; b < hubs; b++)
            if (w->l->hub[b].level == 1 && mem[b] > 0)
                zone_route(w, a, b, mem + hubs);
    }
    free(gpu);
    free(mem);
}

enum ms_status ms_import_write(const struct ms_map *m, const struct ms_levels *l,
                               const struct ms_import_options *o, const char *command,
                               struct ms_buf *out, struct ms_err *err)
{
    struct writer w = {.m = m, .l = l, .o = o, .out = out};
    bool good = order_gpus(&w) && index_trunks(&w) && measure(&w);
    if (good && w.zones)
        write_zones(&w, command);
    else if (good)
        write_flat(&w, command);
    ms_buf_adds(out, "  </zone>\n</platform>\n");
    free(w.order);
    free(w.number);
    free(w.first);
    free(w.way);
    free(w.port_of_gpu);
    return good && !out->failed ? MS_OK : ms_err_set(err, MS_NOMEM, "no memory");
}
