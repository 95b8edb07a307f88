/* Routes: what they name exists, comes before them and stands where it must; every pair of hosts is
 * joined. */
#include <stdlib.h>
#include <string.h>

#include "cluster/platform_check.h"

enum { MAX_NAME = 4096 };

static int find_point(struct ms_check *c, int i, const char *attr, int zone, bool want_zone)
{
    const struct ms_xml_el *e = &c->xml->el[i];
    const char *name = ms_xml_get(e, attr, "");
    const struct ms_graph *g = c->graph;
    int p = ms_names_find(c->points, name);
    if (p < 0) {
        const char *near = ms_names_nearest(c, c->points, name);
        ms_check_error(c, i, "%s: %s '%s' does not exist%s%s%s", e->name, attr, name,
                       near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
        return -1;
    }
    if (want_zone != (g->point[p].type == POINT_ZONE)) {
        ms_check_error(c, i, "%s: %s '%s' is a %s; %s", e->name, attr, name,
                       g->point[p].type == POINT_ZONE   ? "zone"
                       : g->point[p].type == POINT_HOST ? "host"
                                                        : "router",
                       want_zone ? "only zones can be joined here (use <route>)"
                                 : "zones are joined by <zoneRoute>");
        return -1;
    }
    if (g->point[p].zone != zone) {
        ms_check_error(c, i, "%s: %s '%s' stands in another zone than '%s'", e->name, attr, name,
                       g->zone[zone].name);
        return -1;
    }
    return p;
}

/* The host or router through which a zone is entered: inside that zone, at any depth. */
static int find_gateway(struct ms_check *c, int i, const char *attr, int zone_point)
{
    const struct ms_xml_el *e = &c->xml->el[i];
    const char *name = ms_xml_get(e, attr, "");
    struct ms_graph *g = c->graph;
    int p = ms_names_find(c->points, name);
    if (p < 0 || g->point[p].type == POINT_ZONE) {
        ms_check_error(c, i, "%s: %s '%s' is no host or router", e->name, attr, name);
        return -1;
    }
    int z = g->point[p].zone;
    while (z >= 0 && z != g->point[zone_point].itself)
        z = g->zone[z].parent;
    if (z < 0) {
        ms_check_error(c, i, "%s: the gateway %s '%s' does not stand in zone '%s'", e->name, attr,
                       name, g->point[zone_point].name);
        return -1;
    }
    g->point[p].gateway = true;
    return p;
}

/* "nic_0_UP" into out: MAX_NAME bytes. */
static const char *with_way(char *out, const char *name, const char *way)
{
    size_t n = strnlen(name, 4000);
    memcpy(out, name, n);
    out[n] = '_';
    strcpy(out + n + 1, way); /* UP or DOWN */
    return out;
}

/* One <link_ctn>: the link and, for the way back, the other direction of a SPLITDUPLEX link.
 * @return false on error */
static bool find_link(struct ms_check *c, int i, int *there, int *back)
{
    const struct ms_xml_el *e = &c->xml->el[i];
    const char *name = ms_xml_get(e, "id", ""), *dir = ms_xml_get(e, "direction", "NONE");
    const struct ms_graph *g = c->graph;
    char joined[MAX_NAME], up[MAX_NAME];
    bool duplex = strcmp(dir, "NONE") != 0;
    const char *full = duplex ? with_way(joined, name, dir) : name;
    int l = ms_names_find(c->links, full);
    if (l < 0) {
        const char *near = ms_names_nearest(c, c->links, full);
        if (!duplex && ms_names_find(c->links, with_way(up, name, "UP")) >= 0)
            ms_check_error(c, i, "link_ctn: '%s' is SPLITDUPLEX: say direction=\"UP\" or \"DOWN\"",
                           name);
        else if (duplex && ms_names_find(c->links, name) >= 0)
            ms_check_error(c, i, "link_ctn: '%s' has no directions; only SPLITDUPLEX links have",
                           name);
        else
            ms_check_error(c, i, "link_ctn: there is no link '%s'%s%s%s", full,
                           near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
        return false;
    }
    if (g->link_el[l] > i) {
        ms_check_error(c, i, "link_ctn: link '%s' is declared only later, on line %d", full,
                       c->xml->el[g->link_el[l]].line);
        return false;
    }
    *there = l;
    *back = !duplex ? l : !strcmp(dir, "UP") ? l + 1 : l - 1;
    return true;
}

enum { MAX_ROUTE_LINKS = 1024 };

/* @return links of the route, -1 after an error */
static int route_links(struct ms_check *c, int i, int *there, int *back)
{
    const struct ms_xml_el *el = c->xml->el;
    int n = 0;
    bool good = true;
    for (int k = i + 1; k < el[i].end; k = el[k].end) {
        if (c->kind[k] != EL_LINK_CTN)
            continue;
        if (n == MAX_ROUTE_LINKS) {
            ms_check_error(c, i, "%s: more than %d links", el[i].name, MAX_ROUTE_LINKS);
            return -1;
        }
        good &= find_link(c, k, &there[n], &back[n]);
        n++;
    }
    if (n == 0)
        ms_check_error(c, i, "%s from '%s' to '%s' holds no link", el[i].name,
                       ms_xml_get(&el[i], "src", ""), ms_xml_get(&el[i], "dst", ""));
    return good && n ? n : -1;
}

struct ends {
    int src, dst, from, to; /* of zone routes: the zones' points, and the gateways */
};

static bool route_ends(struct ms_check *c, int i, int zone, struct ends *e)
{
    bool zones = c->kind[i] == EL_ZONE_ROUTE || c->kind[i] == EL_BYPASS_ZONE_ROUTE;
    e->src = e->from = find_point(c, i, "src", zone, zones);
    e->dst = e->to = find_point(c, i, "dst", zone, zones);
    if (e->src < 0 || e->dst < 0)
        return false;
    if (zones) {
        e->from = find_gateway(c, i, "gw_src", e->src);
        e->to = find_gateway(c, i, "gw_dst", e->dst);
    }
    if (e->from < 0 || e->to < 0)
        return false;
    return true;
}

static bool zone_takes_routes(struct ms_check *c, int i, int zone)
{
    enum ms_routing r = c->graph->zone[zone].routing;
    if (c->kind[i] == EL_BYPASS_ROUTE || c->kind[i] == EL_BYPASS_ZONE_ROUTE)
        return true;
    if (r == ROUTING_NONE || r == ROUTING_CLUSTER) {
        ms_check_error(c, i, "<%s> in zone '%s', whose routing=\"%s\" takes none",
                       c->xml->el[i].name, c->graph->zone[zone].name,
                       r == ROUTING_NONE ? "None" : "Cluster");
        return false;
    }
    return true;
}

static uint64_t pair_key(int a, int b, bool bypass)
{
    return (uint64_t)bypass << 63 | (uint64_t)(uint32_t)a << 32 | (uint32_t)b;
}

/* Pairs already routed, open addressing; SimGrid refuses a pair's second route. */
struct pairs {
    uint64_t *key;
    int *el;
    size_t n, size;
};

static bool pairs_add(struct ms_check *c, struct pairs *t, uint64_t key, int el, int *first)
{
    size_t i = (size_t)((key ^ key >> 29) * 0x9e3779b97f4a7c15u >> 20) & (t->size - 1);
    for (; t->el[i]; i = (i + 1) & (t->size - 1))
        if (t->key[i] == key) {
            *first = t->el[i];
            return false;
        }
    t->key[i] = key;
    t->el[i] = el;
    t->n++;
    return true;
}

static void one_route(struct ms_check *c, struct pairs *t, int i)
{
    int zone = c->el_zone[i], first = 0;
    static const char *const no[] = {"NO", "no"};
    int there[MAX_ROUTE_LINKS], back[MAX_ROUTE_LINKS], turned[MAX_ROUTE_LINKS];
    bool bypass = c->kind[i] == EL_BYPASS_ROUTE || c->kind[i] == EL_BYPASS_ZONE_ROUTE;
    const char *word = ms_xml_get(&c->xml->el[i], "symmetrical", "YES");
    bool both = !bypass && strcmp(word, no[0]) != 0 && strcmp(word, no[1]) != 0;
    struct ends e;
    if (!zone_takes_routes(c, i, zone) || !route_ends(c, i, zone, &e))
        return;
    int n = route_links(c, i, there, back);
    if (n < 0)
        return;
    const struct ms_point *p = c->graph->point;
    if (e.src == e.dst && c->graph->zone[zone].routing != ROUTING_FULL) {
        ms_check_error(
            c, i,
            "a route from '%s' to itself is for Full zones only (SimGrid aborts); leave it out",
            p[e.src].name);
        return;
    }
    if (!pairs_add(c, t, pair_key(e.src, e.dst, bypass), i, &first)) {
        ms_check_error(c, i, "a second %s from '%s' to '%s'; the first is on line %d",
                       c->xml->el[i].name, p[e.src].name, p[e.dst].name, c->xml->el[first].line);
        return;
    }
    if (e.src == e.dst) /* a loopback: ranks never send to themselves */
        return;
    if (both && !pairs_add(c, t, pair_key(e.dst, e.src, bypass), i, &first)) {
        ms_check_error(
            c, i,
            "%s from '%s' to '%s' is symmetrical, but the way back has its own on line %d: say "
            "symmetrical=\"NO\"",
            c->xml->el[i].name, p[e.src].name, p[e.dst].name, c->xml->el[first].line);
        return;
    }
    struct ms_hop h = {
        .from = e.from, .to = e.to, .src = e.src, .dst = e.dst, .zone = zone, .bypass = bypass};
    struct ms_hop way_back = {
        .from = e.to, .to = e.from, .src = e.dst, .dst = e.src, .zone = zone, .back = true};
    ms_graph_hop(c, h, there, n);
    for (int k = 0; k < n; k++)
        turned[k] = back[n - 1 - k];
    if (both)
        ms_graph_hop(c, way_back, turned, n);
}

void ms_check_routes(struct ms_check *c)
{
    struct pairs t = {.size = 64};
    size_t n_routes = 0;
    for (int i = 0; i < c->xml->n; i++)
        n_routes += c->kind[i] >= EL_ROUTE && c->kind[i] <= EL_BYPASS_ZONE_ROUTE;
    while (t.size < 4 * n_routes)
        t.size *= 2;
    t.key = MS_NEW(c->arena, uint64_t, t.size);
    t.el = MS_NEW(c->arena, int, t.size);
    c->nomem |= !t.key || !t.el;
    for (int i = 0; i < c->xml->n && !c->nomem; i++)
        if (c->kind[i] >= EL_ROUTE && c->kind[i] <= EL_BYPASS_ZONE_ROUTE)
            one_route(c, &t, i);
}
