/* How SimGrid is let search for the paths of a zone, where another way than the file's finds the same ones
 * sooner. Floyd's table costs the cube of the members before anything is answered: a large zone whose routes
 * make a tree, where each pair has one path, is searched by Dijkstra. Dijkstra's searches from one member to
 * all others for every pair: SimGrid may keep what it found. */
#include <stdlib.h>
#include <string.h>

#include "cluster/platform_check.h"

enum {
    FLOYD_MEMBERS = 600,     /* below, the table costs less than a second */
    CACHED_MEMBERS = 1 << 13 /* what is kept is 8 bytes a pair */
};

struct edge {
    int a, b; /* a < b */
};

static int by_ends(const void *x, const void *y)
{
    const struct edge *e = x, *f = y;
    return e->a != f->a ? (e->a > f->a) - (e->a < f->a) : (e->b > f->b) - (e->b < f->b);
}

static int root_of(int *up, int v)
{
    while (up[v] != v)
        v = up[v] = up[up[v]];
    return v;
}

/* Do n members hang together by exactly n - 1 pairs? */
static bool is_tree(struct edge *e, int n_edges, int *up, int n)
{
    int joined = 0;
    qsort(e, (size_t)n_edges, sizeof *e, by_ends);
    for (int v = 0; v < n; v++)
        up[v] = v;
    for (int i = 0; i < n_edges; i++) {
        if (i > 0 && by_ends(&e[i - 1], &e[i]) == 0)
            continue; /* the way back */
        int a = root_of(up, e[i].a), b = root_of(up, e[i].b);
        if (a == b)
            return false;
        up[a] = b;
        joined++;
    }
    return joined == n - 1;
}

static bool routes_make_a_tree(const struct ms_check *c, const int *local, int n_members,
                               const int *hops, int n_hops)
{
    struct edge *e = malloc(((size_t)n_hops + 1) * sizeof *e);
    int *up = malloc((size_t)n_members * sizeof *up);
    bool tree = e && up;
    for (int i = 0; tree && i < n_hops; i++) {
        const struct ms_hop *h = &c->graph->hop[hops[i]];
        int a = local[h->src], b = local[h->dst];
        tree = !h->bypass;
        e[i] = (struct edge){a < b ? a : b, a < b ? b : a};
    }
    tree = tree && is_tree(e, n_hops, up, n_members);
    free(e);
    free(up);
    return tree;
}

void ms_check_search(struct ms_check *c, int zone, const int *local, int n_members, const int *hops,
                     int n_hops)
{
    const struct ms_zone *z = &c->graph->zone[zone];
    const char *word = ms_xml_get(&c->xml->el[z->el], "routing", "");
    bool cached =
        strcasecmp(word, "Floyd") == 0
            ? n_members >= FLOYD_MEMBERS && routes_make_a_tree(c, local, n_members, hops, n_hops)
            : strcasecmp(word, "Dijkstra") == 0 && n_members <= CACHED_MEMBERS;
    if (!cached)
        return;
    if (!c->as_cached)
        c->as_cached = MS_NEW(c->arena, uint8_t, (size_t)c->xml->n);
    if (c->as_cached)
        c->as_cached[z->el] = 1;
    c->copy |= c->as_cached != NULL;
}
