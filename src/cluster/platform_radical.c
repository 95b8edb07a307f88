/* SimGrid's ready-made clusters: radicals, topo_parameters, and the hosts and links they stand
 * for. */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "cluster/platform_check.h"

enum { MAX_HOSTS = 400000 };

/* Walk "0-3,8-11". out: NULL to count only. @return how many, -1 with *fault */
static int walk_radical(const char *p, int *out, const char **fault)
{
    int n = 0;
    *fault = "must look like 0-63 or 0-3,8-11";
    for (;; p++) {
        char *end;
        if (*p < '0' || *p > '9' || strspn(p, "0123456789") > 9)
            return -1;
        long a = strtol(p, &end, 10), b = a;
        if (*end == '-') {
            p = end + 1;
            if (*p < '0' || *p > '9' || strspn(p, "0123456789") > 9)
                return -1;
            b = strtol(p, &end, 10);
        }
        if (b < a)
            return *fault = "counts downwards, so it names no host", -1;
        if (b - a >= MAX_HOSTS || n + (b - a) >= MAX_HOSTS)
            return *fault = "names more than 400000 hosts", -1;
        for (long v = a; v <= b; v++, n++)
            if (out)
                out[n] = (int)v;
        p = end;
        if (!*p)
            return n;
        if (*p != ',')
            return -1;
    }
}

/* The numbers of a radical. @return how many, -1 with *fault, or without one: no memory */
static int explode(struct ms_check *c, const char *text, int **out, const char **fault)
{
    int n = walk_radical(text, NULL, fault);
    if (n < 0)
        return -1;
    *fault = NULL;
    *out = MS_NEW(c->arena, int, (size_t)n);
    c->nomem |= !*out;
    return *out ? walk_radical(text, *out, &(const char *){NULL}) : -1;
}

/* Whole numbers >= 1 between separators, up to stop. @return how many, -1 on anything else */
static int numbers(const char **p, char stop, long *out, int max)
{
    int n = 0;
    for (;; (*p)++) {
        if (**p < '0' || **p > '9' || strspn(*p, "0123456789") > 6 || n == max)
            return -1;
        out[n] = strtol(*p, (char **)p, 10);
        if (out[n++] < 1)
            return -1;
        if (**p == stop)
            return n;
        if (**p != ',')
            return -1;
    }
}

static long product(const long *v, int n, int step)
{
    long r = 1;
    for (int i = 0; i < n; i += step)
        r = r > 100000000 ? r : r * v[i];
    return r;
}

/* How many hosts the parameters ask for. @return -1 with `want`: what they must look like */
static long torus_hosts(const char *p, const char **want)
{
    long v[8];
    int n = numbers(&p, '\0', v, 8);
    *want = "the sizes of its dimensions, 1 or more each, such as 4,4,4";
    return n < 0 ? -1 : product(v, n, 1);
}

static long fat_tree_hosts(const char *p, const char **want)
{
    long levels, v[3][8];
    *want = "LEVELS;DOWN,…;UP,…;CABLES,… with as many numbers as levels, 1 or more each, such as "
            "2;4,4;1,2;1,2";
    if (numbers(&p, ';', &levels, 1) != 1 || levels > 8)
        return -1;
    for (int k = 0; k < 3; k++) {
        p++;
        if (numbers(&p, k < 2 ? ';' : '\0', v[k], 8) != levels)
            return -1;
    }
    return product(v[0], (int)levels, 1);
}

static long dragonfly_hosts(const char *p, long v[7], const char **want)
{
    *want =
        "GROUPS,CABLES;CHASSIS,CABLES;ROUTERS,CABLES;NODES, 1 or more each, such as 3,4;3,2;3,1;2";
    for (int k = 0; k < 3; k++, p++)
        if (numbers(&p, ';', v + 2 * k, 2) != 2)
            return -1;
    return numbers(&p, '\0', v + 6, 1) == 1 ? product(v, 7, 2) : -1;
}

static void check_topology(struct ms_check *c, int i, const char *topology, int n_hosts)
{
    const struct ms_xml_el *e = &c->xml->el[i];
    const char *text = ms_xml_get(e, "topo_parameters", ""), *want = NULL,
               *id = ms_xml_get(e, "id", "");
    long shape[7] = {0};
    long need = !strcmp(topology, "TORUS")      ? torus_hosts(text, &want)
                : !strcmp(topology, "FAT_TREE") ? fat_tree_hosts(text, &want)
                                                : dragonfly_hosts(text, shape, &want);
    if (need < 0)
        ms_check_error(c, i, "cluster '%s': topo_parameters '%.100s' of a %s must be %s", id, text,
                       topology, want);
    else if (need != n_hosts)
        ms_check_error(
            c, i, "cluster '%s': topo_parameters '%.100s' make %ld hosts, but the radical names %d",
            id, text, need, n_hosts);
    else if (shape[0] > shape[4]) /* DragonflyZone.cpp looks a group up among a chassis' routers */
        ms_check_error(
            c, i,
            "cluster '%s': a DRAGONFLY needs no more groups (%ld) than routers a chassis "
            "(%ld): SimGrid crashes",
            id, shape[0], shape[4]);
}

struct machine {
    const char *prefix, *suffix;
    double speed, bw, lat, limiter;
    const char *sharing, *node;
    int el, zone;
    bool links; /* false: SimGrid makes them */
};

static const char *format(struct ms_check *c, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
static const char *format(struct ms_check *c, const char *fmt, ...)
{
    va_list ap, again;
    va_start(ap, fmt);
    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, fmt, ap);
    char *s = n < 0 ? NULL : ms_arena_alloc(c->arena, (size_t)n + 1, 1);
    if (s)
        vsnprintf(s, (size_t)n + 1, fmt, again);
    va_end(again);
    va_end(ap);
    c->nomem |= !s;
    return s ? s : "";
}

static void add_host(struct ms_check *c, const struct machine *m, int number, const char *link_name)
{
    int host = ms_graph_point(
        c, (struct ms_point){.name = format(c, "%s%d%s", m->prefix, number, m->suffix),
                             .type = POINT_HOST,
                             .zone = m->zone,
                             .itself = -1,
                             .el = m->el,
                             .speed = m->speed,
                             .node = m->node});
    if (c->nomem || !m->links)
        return;
    int up = ms_graph_duplex(c, m->el, link_name, m->bw, m->lat, m->sharing, 0);
    if (!c->nomem)
        ms_graph_star(c, m->zone, host, up, up + ms_duplex(m->sharing));
}

static double quantity(const struct ms_xml_el *e, const char *attr, enum ms_attr_kind kind)
{
    double v = 0;
    const char *text = ms_xml_get(e, attr, "");
    if (*text)
        ms_quantity(text, kind, &v);
    return v;
}

static const char *node_prop(const struct ms_check *c, int i)
{
    for (int k = i + 1; k < c->xml->el[i].end; k++)
        if (!strcmp(ms_xml_get(&c->xml->el[k], "id", ""), "node"))
            return ms_xml_get(&c->xml->el[k], "value", NULL);
    return NULL;
}

static double speed_of(const struct ms_xml_el *e)
{
    double v = 0;
    ms_speed(ms_xml_get(e, "speed", ""), "0", &v);
    return v;
}

static struct machine machine_of(struct ms_check *c, int i, int zone, const char *policy)
{
    const struct ms_xml_el *e = &c->xml->el[i];
    return (struct machine){.prefix = ms_xml_get(e, "prefix", ""),
                            .suffix = ms_xml_get(e, "suffix", ""),
                            .speed = speed_of(e),
                            .bw = quantity(e, "bw", ATTR_RATE),
                            .lat = quantity(e, "lat", ATTR_TIME),
                            .sharing = policy,
                            .node = node_prop(c, i),
                            .el = i,
                            .zone = zone,
                            .links = true};
}

static int hosts_of(struct ms_check *c, int i, int **number)
{
    const char *radical = ms_xml_get(&c->xml->el[i], "radical", ""), *fault = NULL;
    int n = explode(c, radical, number, &fault);
    if (n < 0 && fault)
        ms_check_error(c, i, "<%s>: radical '%.100s' %s", c->xml->el[i].name, radical, fault);
    return n;
}

void ms_check_cluster(struct ms_check *c, int i, int parent_zone)
{
    const struct ms_xml_el *e = &c->xml->el[i];
    const char *id = ms_xml_get(e, "id", ""), *topology = ms_xml_get(e, "topology", "FLAT");
    const char *router = ms_xml_get(e, "router_id", "");
    bool flat = !strcmp(topology, "FLAT");
    int *number, n = hosts_of(c, i, &number);
    if (n < 0)
        return;
    if (!flat)
        check_topology(c, i, topology, n);
    int zone = ms_graph_zone(c, (struct ms_zone){.name = id,
                                                 .parent = parent_zone,
                                                 .el = i,
                                                 .routing = flat ? ROUTING_CLUSTER : ROUTING_OWN});
    struct machine m = machine_of(c, i, zone, ms_xml_get(e, "sharing_policy", "SPLITDUPLEX"));
    m.links = flat;
    c->graph->own_links |= !flat || *ms_xml_get(e, "limiter_link", "");
    for (int k = 0; k < n && !c->nomem; k++)
        add_host(c, &m, number[k], format(c, "%s_link_%d", id, number[k]));
    if (c->nomem ||
        !flat) /* SimGrid's torus, fat-tree and dragonfly clusters have no router to enter by */
        return;
    if (!*router)
        router = format(c, "%s%s_router%s", m.prefix, id, m.suffix);
    ms_graph_point(c,
                   (struct ms_point){
                       .name = router, .type = POINT_ROUTER, .zone = zone, .itself = -1, .el = i});
    if (*ms_xml_get(e, "bb_bw", ""))
        c->graph->zone[zone].backbone = ms_graph_link(
            c, i, format(c, "%s_backbone", id), quantity(e, "bb_bw", ATTR_RATE),
            quantity(e, "bb_lat", ATTR_TIME),
            strcmp(ms_xml_get(e, "bb_sharing_policy", "SHARED"), "FATPIPE") ? MS_LINK_SHARED
                                                                            : MS_LINK_FATPIPE,
            0);
}

void ms_check_cabinet(struct ms_check *c, int i, int zone)
{
    int *number, n = hosts_of(c, i, &number);
    if (c->graph->zone[zone].routing != ROUTING_CLUSTER) {
        ms_check_error(c, i, "<cabinet> is only for zones with routing=\"Cluster\"");
        return;
    }
    struct machine m = machine_of(c, i, zone, "SPLITDUPLEX");
    for (int k = 0; k < n && !c->nomem; k++)
        add_host(c, &m, number[k], format(c, "link_%s%d%s", m.prefix, number[k], m.suffix));
}
