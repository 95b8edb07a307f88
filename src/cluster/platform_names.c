/* Who is who: zones, hosts, routers and links by name, and the graph they form. */
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/huge.h"
#include "cluster/platform_check.h"

struct slot {
    const char *name;
    int value;
};

struct ms_names {
    struct slot *slot;
    size_t n, size; /* size is a power of two */
};

struct ms_names *ms_names_new(struct ms_arena *a, int expected)
{
    struct ms_names *t = MS_NEW(a, struct ms_names, 1);
    if (!t)
        return NULL;
    t->size = 64;
    while (t->size < 2 * (size_t)expected)
        t->size *= 2;
    t->slot = MS_NEW(a, struct slot, t->size);
    return t->slot ? t : NULL;
}

static size_t place(const struct ms_names *t, const char *name)
{
    size_t i = ms_hash64(name, strlen(name)) & (t->size - 1);
    while (t->slot[i].name && strcmp(t->slot[i].name, name) != 0)
        i = (i + 1) & (t->size - 1);
    return i;
}

int ms_names_find(const struct ms_names *t, const char *name)
{
    size_t i = place(t, name);
    return t->slot[i].name ? t->slot[i].value : -1;
}

static bool grow(struct ms_check *c, struct ms_names *t)
{
    struct ms_names old = *t;
    t->slot = MS_NEW(c->arena, struct slot, 2 * old.size);
    if (!t->slot) {
        *t = old;
        c->nomem = true;
        return false;
    }
    t->size = 2 * old.size;
    for (size_t i = 0; i < old.size; i++)
        if (old.slot[i].name)
            t->slot[place(t, old.slot[i].name)] = old.slot[i];
    return true;
}

bool ms_names_add(struct ms_check *c, struct ms_names *t, const char *name, int value)
{
    if (2 * (t->n + 1) > t->size && !grow(c, t))
        return true;
    size_t i = place(t, name);
    if (t->slot[i].name)
        return false;
    t->slot[i] = (struct slot){name, value};
    t->n++;
    return true;
}

const char *ms_names_nearest(struct ms_check *c, const struct ms_names *t, const char *word)
{
    /* Each name against the word costs time: big platforms get no suggestion. Names are gathered by
     * value, so that the answer does not depend on hash order. */
    const char *names[4096] = {NULL};
    if (t->n > 4096 || c->n_suggestions++ >= 20)
        return NULL;
    for (size_t i = 0; i < t->size; i++)
        if (t->slot[i].name && t->slot[i].value < 4096)
            names[t->slot[i].value] = t->slot[i].name;
    return ms_nearest(word, names, 4096);
}

/* An array that grows by doubling, until it takes n and one more. */
static void *more(struct ms_check *c, void *array, int n, int *cap, size_t size)
{
    if (n < *cap)
        return array;
    int wider = *cap ? 2 * *cap : 64;
    while (wider <= n)
        wider *= 2;
    void *p = ms_huge_realloc(array, (size_t)wider * size);
    if (!p) {
        c->nomem = true;
        return array;
    }
    *cap = wider;
    return p;
}

void ms_graph_finish(struct ms_graph *g)
{
    for (int z = 0; z < g->n_zones; z++)
        free(g->zone[z].joined);
    free(g->point);
    free(g->zone);
    free(g->hop);
    free(g->hop_link);
    free(g->link);
    free(g->link_el);
    *g = (struct ms_graph){0};
}

int ms_graph_point(struct ms_check *c, struct ms_point p)
{
    struct ms_graph *g = c->graph;
    g->point = more(c, g->point, g->n_points, &g->cap_points, sizeof *g->point);
    if (c->nomem)
        return -1;
    if (p.name && !ms_names_add(c, c->points, p.name, g->n_points)) {
        const struct ms_point *old = &g->point[ms_names_find(c->points, p.name)];
        ms_check_error(c, p.el, "the name '%s' is taken: line %d", p.name,
                       c->xml->el[old->el].line);
    }
    p.local = -1;
    g->point[g->n_points] = p;
    return g->n_points++;
}

int ms_graph_zone(struct ms_check *c, struct ms_zone z)
{
    struct ms_graph *g = c->graph;
    g->zone = more(c, g->zone, g->n_zones, &g->cap_zones, sizeof *g->zone);
    if (c->nomem)
        return -1;
    int id = g->n_zones++;
    g->zone[id] = z;
    g->zone[id].hub_in = g->zone[id].hub_out = g->zone[id].backbone = -1;
    g->zone[id].point = ms_graph_point(
        c, (struct ms_point){
               .name = z.name, .type = POINT_ZONE, .zone = z.parent, .itself = id, .el = z.el});
    if (z.routing == ROUTING_CLUSTER && !c->nomem) {
        struct ms_point hub = {.type = POINT_INNER, .zone = id, .itself = -1, .el = z.el};
        int in = ms_graph_point(c, hub), out = ms_graph_point(c, hub);
        g->zone[id].hub_in = in;
        g->zone[id].hub_out = out;
    }
    return id;
}

int ms_graph_link(struct ms_check *c, int el, const char *name, double bw, double lat,
                  enum ms_link_policy policy, int cables)
{
    struct ms_graph *g = c->graph;
    g->link = more(c, g->link, g->n_links, &g->cap_links, sizeof *g->link);
    g->link_el = more(c, g->link_el, g->n_links, &g->cap_link_el, sizeof *g->link_el);
    if (c->nomem)
        return -1;
    if (!ms_names_add(c, c->links, name, g->n_links))
        ms_check_error(c, el, "a second link '%s'; the first is on line %d", name,
                       c->xml->el[g->link_el[ms_names_find(c->links, name)]].line);
    g->link[g->n_links] = (struct ms_platform_link){name, bw, lat, policy, cables};
    g->link_el[g->n_links] = el;
    return g->n_links++;
}

static const char *joined(struct ms_check *c, const char *a, const char *b)
{
    char *s = ms_arena_alloc(c->arena, strlen(a) + strlen(b) + 1, 1);
    if (!s) {
        c->nomem = true;
        return "";
    }
    strcpy(s, a);
    strcat(s, b);
    return s;
}

bool ms_duplex(const char *policy)
{
    return !strcmp(policy, "SPLITDUPLEX") || !strcmp(policy, "FULLDUPLEX");
}

int ms_graph_duplex(struct ms_check *c, int el, const char *name, double bw, double lat,
                    const char *policy, int cables)
{
    if (!ms_duplex(policy))
        return ms_graph_link(c, el, name, bw, lat,
                             strcmp(policy, "FATPIPE") ? MS_LINK_SHARED : MS_LINK_FATPIPE, cables);
    int up = ms_graph_link(c, el, joined(c, name, "_UP"), bw, lat, MS_LINK_SHARED, cables);
    ms_graph_link(c, el, joined(c, name, "_DOWN"), bw, lat, MS_LINK_SHARED, cables);
    return up;
}

void ms_graph_hop(struct ms_check *c, struct ms_hop h, const int *links, int n)
{
    struct ms_graph *g = c->graph;
    g->hop = more(c, g->hop, g->n_hops, &g->cap_hops, sizeof *g->hop);
    if (c->nomem)
        return;
    h.first = g->n_hop_links;
    h.n_links = n;
    g->hop[g->n_hops++] = h;
    g->hop_link = more(c, g->hop_link, g->n_hop_links + n, &g->cap_hop_links, sizeof *g->hop_link);
    if (c->nomem || n == 0)
        return;
    memcpy(g->hop_link + g->n_hop_links, links, (size_t)n * sizeof *links);
    g->n_hop_links += n;
}

static void inner_hop(struct ms_check *c, int zone, int from, int to, const int *links, int n)
{
    ms_graph_hop(c, (struct ms_hop){.from = from, .to = to, .src = from, .dst = to, .zone = zone},
                 links, n);
}

void ms_graph_star(struct ms_check *c, int zone, int host, int up, int down)
{
    const struct ms_zone *z = &c->graph->zone[zone];
    inner_hop(c, zone, host, z->hub_in, &up, 1);
    inner_hop(c, zone, z->hub_out, host, &down, 1);
    c->graph->point[host].linked = true;
}

/* A property that is a direct child, or NULL. */
static const char *prop_of(const struct ms_check *c, int i, const char *key)
{
    const struct ms_xml_el *el = c->xml->el;
    for (int k = i + 1; k < el[i].end; k = el[k].end)
        if (c->kind[k] == EL_PROP && !strcmp(ms_xml_get(&el[k], "id", ""), key))
            return ms_xml_get(&el[k], "value", "");
    return NULL;
}

static enum ms_routing routing_of(const char *word)
{
    return !strcasecmp(word, "Full")      ? ROUTING_FULL
           : !strcasecmp(word, "Floyd")   ? ROUTING_FLOYD
           : !strcasecmp(word, "Cluster") ? ROUTING_CLUSTER
           : !strcasecmp(word, "None")    ? ROUTING_NONE
                                          : ROUTING_DIJKSTRA;
}

static void name_link(struct ms_check *c, int i)
{
    const struct ms_xml_el *e = &c->xml->el[i];
    const char *cables = prop_of(c, i, "cables");
    double bw = 0;
    int n = cables ? atoi(cables) : 0;
    ms_quantity(ms_xml_get(e, "bandwidth", ""), ATTR_RATE, &bw);
    if (cables && (n < 1 || n > 1000000 || strspn(cables, "0123456789") != strlen(cables)))
        ms_check_error(c, i, "link '%s': property cables '%s' must be a whole number, 1 or more",
                       ms_xml_get(e, "id", ""), cables);
    ms_graph_duplex(c, i, ms_xml_get(e, "id", ""), bw, ms_check_latency(c, i),
                    ms_xml_get(e, "sharing_policy", "SHARED"), n);
}

static void name_backbone(struct ms_check *c, int i, int zone)
{
    const struct ms_xml_el *e = &c->xml->el[i];
    double bw = 0, lat = 0;
    ms_quantity(ms_xml_get(e, "bandwidth", ""), ATTR_RATE, &bw);
    ms_quantity(ms_xml_get(e, "latency", ""), ATTR_TIME, &lat);
    int link = ms_graph_link(c, i, ms_xml_get(e, "id", ""), bw, lat, MS_LINK_SHARED, 0);
    if (c->nomem)
        return;
    struct ms_zone *z = &c->graph->zone[zone];
    if (z->routing != ROUTING_CLUSTER)
        ms_check_error(c, i, "<backbone> is only for zones with routing=\"Cluster\"");
    else if (z->backbone >= 0)
        ms_check_error(c, i, "zone '%s' has a backbone already", z->name);
    z->backbone = link;
}

static void name_host_link(struct ms_check *c, int i, int zone)
{
    static const char *const side[] = {"up", "down"};
    const struct ms_xml_el *e = &c->xml->el[i];
    struct ms_graph *g = c->graph;
    int host = ms_names_find(c->points, ms_xml_get(e, "id", "")), link[2];
    if (g->zone[zone].routing != ROUTING_CLUSTER) {
        ms_check_error(c, i, "<host_link> is only for zones with routing=\"Cluster\"");
        return;
    }
    if (host < 0 || g->point[host].zone != zone || g->point[host].type != POINT_HOST) {
        ms_check_error(c, i, "host_link: '%s' is no host declared before it in zone '%s'",
                       ms_xml_get(e, "id", ""), g->zone[zone].name);
        return;
    }
    for (int k = 0; k < 2; k++) {
        const char *name = ms_xml_get(e, side[k], "");
        if ((link[k] = ms_names_find(c->links, name)) < 0) {
            const char *near = ms_names_nearest(c, c->links, name);
            ms_check_error(c, i, "host_link of '%s': there is no link '%s' before it%s%s%s",
                           g->point[host].name, name, near ? "; did you mean '" : "",
                           near ? near : "", near ? "'?" : "");
            return;
        }
    }
    if (g->point[host].linked)
        ms_check_error(c, i, "a second host_link of '%s'", g->point[host].name);
    ms_graph_star(c, zone, host, link[0], link[1]);
}

static void name_host(struct ms_check *c, int i, int zone)
{
    const struct ms_xml_el *e = &c->xml->el[i];
    struct ms_point p = {.name = ms_xml_get(e, "id", ""),
                         .type = POINT_HOST,
                         .zone = zone,
                         .itself = -1,
                         .el = i,
                         .node = prop_of(c, i, "node")};
    ms_speed(ms_xml_get(e, "speed", ""), ms_xml_get(e, "pstate", "0"), &p.speed);
    if (p.node && !*p.node)
        ms_check_error(c, i, "host '%s': its property node is empty", p.name);
    ms_graph_point(c, p);
}

static void name_one(struct ms_check *c, int i, int zone)
{
    const struct ms_xml_el *e = &c->xml->el[i];
    switch ((enum ms_el)c->kind[i]) {
    case EL_HOST:
        name_host(c, i, zone);
        break;
    case EL_ROUTER:
        ms_graph_point(c, (struct ms_point){.name = ms_xml_get(e, "id", ""),
                                            .type = POINT_ROUTER,
                                            .zone = zone,
                                            .itself = -1,
                                            .el = i});
        break;
    case EL_LINK:
        name_link(c, i);
        break;
    case EL_BACKBONE:
        name_backbone(c, i, zone);
        break;
    case EL_HOST_LINK:
        name_host_link(c, i, zone);
        break;
    case EL_CLUSTER:
        ms_check_cluster(c, i, zone);
        break;
    case EL_CABINET:
        ms_check_cabinet(c, i, zone);
        break;
    default:
        break;
    }
}

/* A Cluster zone's inside: backbone between its hubs, routers at both. */
static void join_hubs(struct ms_check *c)
{
    struct ms_graph *g = c->graph;
    for (int z = 0; z < g->n_zones && !c->nomem; z++)
        if (g->zone[z].routing == ROUTING_CLUSTER)
            inner_hop(c, z, g->zone[z].hub_in, g->zone[z].hub_out, &g->zone[z].backbone,
                      g->zone[z].backbone >= 0);
    for (int p = 0; p < g->n_points && !c->nomem; p++) {
        if (g->point[p].type != POINT_ROUTER ||
            g->zone[g->point[p].zone].routing != ROUTING_CLUSTER)
            continue;
        inner_hop(c, g->point[p].zone, p, g->zone[g->point[p].zone].hub_in, NULL, 0);
        inner_hop(c, g->point[p].zone, g->zone[g->point[p].zone].hub_out, p, NULL, 0);
    }
}

void ms_check_names(struct ms_check *c)
{
    for (int i = 0; i < c->xml->n && !c->nomem; i++) {
        const struct ms_xml_el *e = &c->xml->el[i];
        int parent = e->parent, zone = -1;
        if (parent > 0)
            zone = c->el_zone[parent];
        c->el_zone[i] = zone;
        if (c->kind[i] == EL_ZONE)
            c->el_zone[i] = ms_graph_zone(
                c, (struct ms_zone){.name = ms_xml_get(e, "id", ""),
                                    .parent = zone,
                                    .el = i,
                                    .routing = routing_of(ms_xml_get(e, "routing", ""))});
        else if (zone >= 0 || c->kind[i] == EL_CLUSTER)
            name_one(c, i, zone);
    }
    join_hubs(c);
}
