/* What SimGrid needs of a platform to say the routes of a few hosts: these, the zones around them, the
 * routes and links that join them. All other hosts stand bare in a zone of their own. */
#include "cluster/platform_outline.h"

#include <stdlib.h>

#include "base/json.h"
#include "cluster/platform_check.h"

struct outline {
    const struct ms_graph *g;
    unsigned char *point; /* [n_points] kept */
    unsigned char *link;  /* [n_links] kept */
    const struct ms_hop **hop;
    int n_hops; /* kept */
    struct ms_buf *out;
};

static void attribute(struct ms_buf *o, const char *key, const char *value)
{
    ms_buf_printf(o, " %s=\"", key);
    ms_xml_escape(o, value);
    ms_buf_adds(o, "\"");
}

/* A host or router that is not a zone's inner point. */
static bool is_place(const struct ms_point *p)
{
    return p->type == POINT_HOST || p->type == POINT_ROUTER;
}

/* Zones hold a host that is asked for; routers stay where their zone does. */
static void keep_points(struct outline *o, const struct ms_platform *p, const int *host, int n)
{
    const struct ms_graph *g = o->g;
    for (int i = 0; i < n; i++) {
        int at = p->host_point[host[i]];
        for (; at >= 0 && !o->point[at];
             at = g->point[at].zone >= 0 ? g->zone[g->point[at].zone].point : -1)
            o->point[at] = 1;
    }
    for (int i = 0; i < g->n_points; i++) {
        int zone = g->point[i].zone;
        if (zone >= 0 && (g->point[i].type == POINT_ROUTER || g->point[i].type == POINT_INNER))
            o->point[i] = o->point[g->zone[zone].point];
    }
}

static void keep_hops(struct outline *o)
{
    const struct ms_graph *g = o->g;
    for (int h = 0; h < g->n_hops; h++) {
        const struct ms_hop *k = &g->hop[h];
        if (!o->point[k->src] || !o->point[k->dst])
            continue;
        o->hop[o->n_hops++] = k;
        for (int i = 0; i < k->n_links; i++)
            o->link[g->hop_link[k->first + i]] = 1;
    }
}

/* First, where SimGrid finds a link by its name at once. */
static void write_bare(struct outline *o)
{
    const struct ms_graph *g = o->g;
    char a[32], b[32];
    ms_buf_adds(o->out, "<zone id=\"_bare\" routing=\"None\">\n");
    for (int i = 0; i < g->n_points; i++) {
        if (g->point[i].type != POINT_HOST || o->point[i])
            continue;
        ms_buf_adds(o->out, "<host");
        attribute(o->out, "id", g->point[i].name);
        ms_buf_adds(o->out, " speed=\"1f\"/>\n");
    }
    for (int l = 0; l < g->n_links; l++) {
        if (!o->link[l])
            continue;
        ms_buf_adds(o->out, "<link");
        attribute(o->out, "id", g->link[l].name);
        ms_buf_printf(o->out, " bandwidth=\"%sBps\" latency=\"%ss\" sharing_policy=\"%s\"/>\n",
                      ms_number(g->link[l].bandwidth_Bps, a), ms_number(g->link[l].latency_s, b),
                      g->link[l].policy == MS_LINK_FATPIPE ? "FATPIPE" : "SHARED");
    }
    ms_buf_adds(o->out, "</zone>\n");
}

static void write_host_links(struct outline *o, int zone)
{
    const struct ms_graph *g = o->g;
    const struct ms_zone *z = &g->zone[zone];
    for (int i = 0; i < o->n_hops; i++) {
        const struct ms_hop *up = o->hop[i], *down = i + 1 < o->n_hops ? o->hop[i + 1] : NULL;
        if (up->zone != zone || up->to != z->hub_in || g->point[up->from].type != POINT_HOST)
            continue;
        if (!down || down->from != z->hub_out || down->to != up->from)
            continue; /* see ms_graph_star: both at once */
        ms_buf_adds(o->out, "<host_link");
        attribute(o->out, "id", g->point[up->from].name);
        attribute(o->out, "up", g->link[g->hop_link[up->first]].name);
        attribute(o->out, "down", g->link[g->hop_link[down->first]].name);
        ms_buf_adds(o->out, "/>\n");
    }
}

static void write_route(struct outline *o, const struct ms_hop *h)
{
    const struct ms_graph *g = o->g;
    bool zones = g->point[h->src].type == POINT_ZONE;
    const char *word = h->bypass ? zones ? "bypassZoneRoute" : "bypassRoute"
                       : zones   ? "zoneRoute"
                                 : "route";
    ms_buf_printf(o->out, "<%s", word);
    attribute(o->out, "src", g->point[h->src].name);
    attribute(o->out, "dst", g->point[h->dst].name);
    if (zones) {
        attribute(o->out, "gw_src", g->point[h->from].name);
        attribute(o->out, "gw_dst", g->point[h->to].name);
    }
    ms_buf_adds(o->out, h->bypass ? ">" : " symmetrical=\"NO\">");
    for (int i = 0; i < h->n_links; i++) {
        ms_buf_adds(o->out, "<link_ctn");
        attribute(o->out, "id", g->link[g->hop_link[h->first + i]].name);
        ms_buf_adds(o->out, "/>");
    }
    ms_buf_printf(o->out, "</%s>\n", word);
}

static void write_zone(struct outline *o, int zone)
{
    static const char *const words[] = {[ROUTING_FULL] = "Full",
                                        [ROUTING_FLOYD] = "Floyd",
                                        [ROUTING_DIJKSTRA] = "DijkstraCache",
                                        [ROUTING_CLUSTER] = "Cluster",
                                        [ROUTING_NONE] = "None"};
    const struct ms_graph *g = o->g;
    ms_buf_adds(o->out, "<zone");
    attribute(o->out, "id", g->zone[zone].name);
    attribute(o->out, "routing", words[g->zone[zone].routing]);
    ms_buf_adds(o->out, ">\n");
    for (int z = zone + 1; z < g->n_zones; z++)
        if (g->zone[z].parent == zone && o->point[g->zone[z].point])
            write_zone(o, z);
    for (int i = 0; i < g->n_points; i++) {
        const struct ms_point *p = &g->point[i];
        if (p->zone != zone || !o->point[i] || !is_place(p))
            continue;
        ms_buf_printf(o->out, "<%s", p->type == POINT_HOST ? "host" : "router");
        attribute(o->out, "id", p->name);
        ms_buf_adds(o->out, p->type == POINT_HOST ? " speed=\"1f\"/>\n" : "/>\n");
    }
    if (g->zone[zone].routing == ROUTING_CLUSTER)
        write_host_links(o, zone);
    for (int i = 0; i < o->n_hops; i++)
        if (o->hop[i]->zone == zone && g->point[o->hop[i]->src].type != POINT_INNER &&
            g->point[o->hop[i]->dst].type != POINT_INNER)
            write_route(o, o->hop[i]);
    ms_buf_adds(o->out, "</zone>\n");
}

enum ms_status ms_platform_outline(const struct ms_platform *p, const int *host, int n,
                                   struct ms_buf *out, struct ms_err *err)
{
    const struct ms_graph *g = p->graph;
    struct outline o = {.g = g, .out = out};
    o.point = calloc((size_t)g->n_points + 1, 1);
    o.link = calloc((size_t)g->n_links + 1, 1);
    o.hop = malloc(((size_t)g->n_hops + 1) * sizeof(const struct ms_hop *));
    bool good = o.point && o.link && o.hop;
    if (good) {
        keep_points(&o, p, host, n);
        keep_hops(&o);
        ms_buf_adds(out, "<?xml version=\"1.0\"?>\n"
                         "<!DOCTYPE platform SYSTEM \"https://simgrid.org/simgrid.dtd\">\n"
                         "<platform version=\"4.1\">\n<zone id=\"_outline\" routing=\"None\">\n");
        write_bare(&o);
        write_zone(&o, 0);
        ms_buf_adds(out, "</zone>\n</platform>\n");
    }
    free(o.point);
    free(o.link);
    free(o.hop);
    return good && !out->failed ? MS_OK : ms_err_set(err, MS_NOMEM, "no memory for %s", p->path);
}

static int by_name(const void *a, const void *b)
{
    return ms_natural_cmp((*(const struct ms_platform_link *const *)a)->name,
                          (*(const struct ms_platform_link *const *)b)->name);
}

const struct ms_platform_link **ms_platform_links_by_name(const struct ms_platform *p)
{
    size_t n = (size_t)p->n_links;
    const struct ms_platform_link **row = malloc((n + 1) * sizeof(const struct ms_platform_link *));
    for (size_t i = 0; row && i < n; i++)
        row[i] = &p->link[i];
    if (row)
        qsort(row, n, sizeof *row, by_name);
    return row;
}
