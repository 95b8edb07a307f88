/* Which members of a zone have a route to each other: zone by zone, as SimGrid composes them. A pair
 * without one is worth a warning here and an error where two ranks need it: SimGrid would abort. */
#include <stdlib.h>
#include <string.h>

#include "cluster/platform_check.h"

/* The vertices of one zone: its hosts, routers and child zones, numbered locally. */
struct level {
    int zone;
    int *member, n; /* points */
    int *local;     /* [n_points] number in this zone, -1 */
    int *need;      /* members that must be joined, as local numbers: hosts, zones, gateways */
    int n_need;
};

static const char *label(const struct ms_check *c, int p)
{
    return c->graph->point[p].name ? c->graph->point[p].name : "(hub)";
}

static void gather(struct ms_check *c, struct level *l, const int *first, const int *next)
{
    const struct ms_point *point = c->graph->point;
    l->n = l->n_need = 0;
    for (int p = first[l->zone]; p >= 0; p = next[p]) {
        if (point[p].type == POINT_INNER)
            continue;
        l->local[p] = l->n;
        if (point[p].type != POINT_ROUTER || point[p].gateway)
            l->need[l->n_need++] = l->n;
        l->member[l->n++] = p;
    }
}

enum { MAX_UNJOINED_MEMBERS = 20000 };

/* Count the pairs of needed members whose bit is not set, say so once, and keep the bits. */
static void keep_unjoined(struct ms_check *c, const struct level *l, unsigned char *seen)
{
    size_t n = (size_t)l->n, missing = 0;
    int a = -1, b = -1;
    struct ms_zone *z = &c->graph->zone[l->zone];
    for (int i = 0; i < l->n_need; i++)
        for (int j = 0; j < l->n_need; j++) {
            size_t k = (size_t)l->need[i] * n + (size_t)l->need[j];
            if (i == j || seen[k / 8] >> k % 8 & 1)
                continue;
            if (missing++ == 0) {
                a = l->member[l->need[i]];
                b = l->member[l->need[j]];
            }
        }
    if (!missing) {
        free(seen);
        return;
    }
    z->joined = seen;
    z->n_members = l->n;
    for (int i = 0; i < l->n; i++)
        c->graph->point[l->member[i]].local = i;
    c->graph->n_unjoined += missing;
    ms_check_warn(c, z->el,
                  "zone '%s': no route from '%s' to '%s'%s; an error where two ranks need one "
                  "(%zu of %zu pairs have none)",
                  z->name, label(c, a), label(c, b), missing > 1 ? ", nor between other pairs" : "",
                  missing, (size_t)l->n_need * (size_t)(l->n_need - 1));
}

static unsigned char *pair_bits(struct ms_check *c, const struct level *l)
{
    size_t n = (size_t)l->n;
    unsigned char *bits = NULL;
    if (l->n > MAX_UNJOINED_MEMBERS)
        ms_check_error(c, c->graph->zone[l->zone].el,
                       "zone '%s' has pairs without a route among %d members: too many to tell "
                       "which (at most %d)",
                       c->graph->zone[l->zone].name, l->n, MAX_UNJOINED_MEMBERS);
    else if (!(bits = calloc(n * n / 8 + 1, 1)))
        c->nomem = true;
    return bits;
}

static void set_bit(unsigned char *bits, size_t n, int a, int b)
{
    size_t k = (size_t)a * n + (size_t)b;
    bits[k / 8] |= (unsigned char)(1u << k % 8);
}

/* Full: each ordered pair needs its own route. hops: those of this zone. */
static void check_full(struct ms_check *c, const struct level *l, const int *hops, int n_hops)
{
    unsigned char *seen = pair_bits(c, l);
    for (int i = 0; seen && i < n_hops; i++) {
        const struct ms_hop *h = &c->graph->hop[hops[i]];
        set_bit(seen, (size_t)l->n, l->local[h->src], l->local[h->dst]);
    }
    if (seen)
        keep_unjoined(c, l, seen);
}

/* The members reached from one along hops (forward), or that reach it. */
static bool reach(struct ms_check *c, const struct level *l, const int *hops, int n_hops, int from,
                  bool forward, unsigned char *seen)
{
    int *start = calloc((size_t)l->n + 1, sizeof *start),
        *to = malloc(((size_t)n_hops + 1) * sizeof *to);
    int *stack = malloc(((size_t)l->n + 1) * sizeof *stack), depth = 0;
    bool good = start && to && stack;
    for (int pass = 0; good && pass < 2; pass++) {
        for (int i = 0; i < n_hops; i++) {
            const struct ms_hop *h = &c->graph->hop[hops[i]];
            int a = l->local[forward ? h->src : h->dst], b = l->local[forward ? h->dst : h->src];
            if (pass == 0)
                start[a + 1 <= l->n ? a + 1 : l->n]++;
            else
                to[start[a]++] = b;
        }
        for (int v = 0; pass == 0 && v < l->n; v++)
            start[v + 1] += start[v];
    }
    if (good)
        seen[stack[depth++] = from] = 1;
    while (good && depth) {
        int v = stack[--depth]; /* after the second pass start[v] is the end of v's list */
        for (int k = v ? start[v - 1] : 0; k < start[v]; k++)
            if (!seen[to[k]])
                seen[stack[depth++] = to[k]] = 1;
    }
    free(start);
    free(to);
    free(stack);
    c->nomem |= !good;
    return good;
}

/* Who reaches whom, one search a member: only where the quick look found that not all do. */
static void check_each_path(struct ms_check *c, const struct level *l, const int *hops, int n_hops)
{
    unsigned char *bits = pair_bits(c, l), *out = bits ? calloc((size_t)l->n + 1, 1) : NULL;
    for (int i = 0; out && i < l->n; i++) {
        memset(out, 0, (size_t)l->n);
        if (!reach(c, l, hops, n_hops, i, true, out))
            break;
        for (int k = 0; k < l->n; k++)
            if (out[k])
                set_bit(bits, (size_t)l->n, i, k);
    }
    c->nomem |= bits && !out;
    free(out);
    if (bits && !c->nomem)
        keep_unjoined(c, l, bits);
    else
        free(bits);
}

/* Floyd, Dijkstra: all needed members reach each other. */
static void check_paths(struct ms_check *c, const struct level *l, const int *hops, int n_hops)
{
    unsigned char *out = calloc((size_t)l->n + 1, 1), *in = calloc((size_t)l->n + 1, 1);
    bool all = out && in && reach(c, l, hops, n_hops, l->need[0], true, out) &&
               reach(c, l, hops, n_hops, l->need[0], false, in);
    for (int i = 0; all && i < l->n_need; i++)
        all = out[l->need[i]] && in[l->need[i]];
    c->nomem |= !out || !in;
    free(out);
    free(in);
    if (!all && !c->nomem)
        check_each_path(c, l, hops, n_hops);
}

static void check_cluster_zone(struct ms_check *c, const struct level *l)
{
    for (int i = 0; i < l->n; i++) {
        const struct ms_point *p = &c->graph->point[l->member[i]];
        if (p->type == POINT_HOST && !p->linked)
            ms_check_error(
                c, p->el,
                "host '%s' has no <host_link>, which a zone with routing=\"Cluster\" needs",
                p->name);
        if (p->type == POINT_ZONE)
            ms_check_error(
                c, p->el,
                "zone '%s' inside a zone with routing=\"Cluster\", which holds hosts only",
                p->name);
    }
}

static void check_level(struct ms_check *c, const struct level *l, const int *hops, int n_hops)
{
    const struct ms_zone *z = &c->graph->zone[l->zone];
    if (z->routing == ROUTING_CLUSTER)
        check_cluster_zone(c, l);
    else if (z->routing == ROUTING_NONE && l->n_need > 1)
        check_full(c, l, hops, 0);
    else if (z->routing == ROUTING_FULL && l->n_need > 1)
        check_full(c, l, hops, n_hops);
    else if ((z->routing == ROUTING_FLOYD || z->routing == ROUTING_DIJKSTRA) && l->n_need > 1)
        check_paths(c, l, hops, n_hops);
    if (z->routing == ROUTING_FLOYD || z->routing == ROUTING_DIJKSTRA)
        ms_check_search(c, l->zone, l->local, l->n, hops, n_hops);
}

/* Lists by zone: first[z], then next[i] … (-1 ends), in rising order. */
static void chain(int n, const int *zone_of, int n_zones, int *first, int *next)
{
    for (int z = 0; z < n_zones; z++)
        first[z] = -1;
    for (int i = n; i-- > 0;) {
        if (zone_of[i] < 0)
            continue;
        next[i] = first[zone_of[i]];
        first[zone_of[i]] = i;
    }
}

void ms_check_connected(struct ms_check *c)
{
    const struct ms_graph *g = c->graph;
    size_t np = (size_t)g->n_points + 1, nh = (size_t)g->n_hops + 1, nz = (size_t)g->n_zones + 1;
    int *mem = malloc((4 * np + 3 * nh + 2 * nz + nh + np) * sizeof *mem);
    if (!mem) {
        c->nomem = true;
        return;
    }
    struct level l = {.member = mem, .local = mem + np, .need = mem + 2 * np};
    int *next_point = mem + 3 * np, *zone_of = mem + 4 * np, *next_hop = zone_of + nh + np;
    int *list = next_hop + nh, *first_point = list + nh, *first_hop = first_point + nz;
    for (int p = 0; p < g->n_points; p++)
        zone_of[p] = g->point[p].zone;
    chain(g->n_points, zone_of, g->n_zones, first_point, next_point);
    for (int h = 0; h < g->n_hops; h++)
        zone_of[h] = g->hop[h].zone;
    chain(g->n_hops, zone_of, g->n_zones, first_hop, next_hop);
    for (l.zone = 0; l.zone < g->n_zones && !c->nomem; l.zone++) {
        int n = 0;
        gather(c, &l, first_point, next_point);
        for (int h = first_hop[l.zone]; h >= 0; h = next_hop[h])
            list[n++] = h;
        check_level(c, &l, list, n);
    }
    free(mem);
}
