/* Who is plugged into whom: ends of links that follow each other on a route are one place, and
 * places become hosts, NVSwitches and switches in tiers. */
#include "cluster/wiring.h"

#include <stdlib.h>
#include <string.h>

#include "cluster/platform_check.h"

/* Places before they are joined: the points, then start and end of each link. */
struct places {
    const struct ms_platform *p;
    const struct ms_graph *g;
    int *parent, n;
    bool *duplex; /* [links] the UP direction of a SPLITDUPLEX link */
    bool apart;   /* hosts are not joined with ends that several of them share */
    struct plug *plug;
    int n_plugs;
    int *sharers; /* [places] by root: hosts plugged in, where there are several */
};

/* A host at the end of a link. */
struct plug {
    int end, host; /* places; end becomes its root */
};

static int root(struct places *s, int v)
{
    while (s->parent[v] != v)
        v = s->parent[v] = s->parent[s->parent[v]];
    return v;
}

static void join(struct places *s, int a, int b)
{
    a = root(s, a);
    b = root(s, b);
    if (a < b) /* the smaller stays: points before link ends */
        s->parent[b] = a;
    else
        s->parent[a] = b;
}

static bool is_host(const struct places *s, int v)
{
    return v < s->g->n_points && s->g->point[v].type == POINT_HOST;
}

/* A point of a route and the end of a link there. */
static void meet(struct places *s, int point, int end)
{
    if (s->apart && is_host(s, point) != is_host(s, end))
        s->plug[s->n_plugs++] =
            is_host(s, point) ? (struct plug){end, point} : (struct plug){point, end};
    else
        join(s, point, end);
}

static int start_of(const struct places *s, int l)
{
    return s->g->n_points + 2 * l;
}

static bool one_way(const struct places *s, int l)
{
    return s->duplex[l] || (l > 0 && s->duplex[l - 1]);
}

static void join_hop(struct places *s, const struct ms_hop *h)
{
    int at = h->from;
    for (int k = 0; k < h->n_links; k++) {
        int l = s->g->hop_link[h->first + k];
        bool turned = h->back && !one_way(s, l);
        if (s->g->link[l].policy == MS_LINK_FATPIPE)
            continue;
        meet(s, at, start_of(s, l) + turned);
        at = start_of(s, l) + !turned;
    }
    meet(s, at, h->to);
}

static bool find_duplex(struct places *s)
{
    for (int l = 0; l + 1 < s->g->n_links; l++) {
        const char *a = s->g->link[l].name, *b = s->g->link[l + 1].name;
        size_t n = strlen(a);
        s->duplex[l] = n > 3 && !strcmp(a + n - 3, "_UP") && strlen(b) == n + 2 &&
                       !strncmp(a, b, n - 2) && !strcmp(b + n - 3, "_DOWN");
        if (s->duplex[l]) {
            join(s, start_of(s, l), start_of(s, l + 1) + 1);
            join(s, start_of(s, l) + 1, start_of(s, l + 1));
        }
    }
    return true;
}

/* Vertices in order of their smallest place. vertex_of[place] for roots. */
static int number_vertices(struct places *s, struct ms_wiring *w, int *vertex_of)
{
    w->vertex = MS_NEW(&w->arena, struct ms_wiring_vertex, (size_t)s->n);
    if (!w->vertex)
        return -1;
    for (int v = 0; v < s->n; v++)
        vertex_of[v] = -1;
    for (int i = 0; i < s->p->n_hosts; i++) {
        int r = root(s, s->p->host_point[i]);
        if (vertex_of[r] >= 0)
            return 0; /* two hosts in one place */
        vertex_of[r] = w->n_vertices;
        w->vertex[w->n_vertices++] = (struct ms_wiring_vertex){
            MS_PLACE_HOST, i, s->p->n_nodes ? s->p->host_node[i] : i, 0, s->p->host_name[i]};
    }
    for (int l = 0; l < s->g->n_links; l++)
        for (int end = 0; end < 2 && s->g->link[l].policy == MS_LINK_SHARED; end++) {
            int r = root(s, start_of(s, l) + end);
            if (vertex_of[r] >= 0 || (s->sharers && s->sharers[r] > 1))
                continue;
            vertex_of[r] = w->n_vertices;
            w->vertex[w->n_vertices++] =
                (struct ms_wiring_vertex){MS_PLACE_SWITCH, -1, -1, -1, NULL};
        }
    for (int v = 0; v < s->g->n_points; v++) {
        int k = vertex_of[root(s, v)];
        if (k >= 0 && s->g->point[v].type == POINT_ROUTER && !w->vertex[k].name)
            w->vertex[k].name = s->g->point[v].name;
    }
    return 1;
}

/* A link whose end several hosts share: an edge from each. */
static void shared_edges(const struct places *s, struct ms_wiring *w, const int *vertex_of, int end,
                         struct ms_wiring_edge edge)
{
    bool at_a = edge.a < 0;
    edge.sharers = s->sharers[end];
    for (int i = 0; i < s->n_plugs; i++) {
        if (s->plug[i].end != end)
            continue;
        *(at_a ? &edge.a : &edge.b) = vertex_of[s->plug[i].host];
        w->edge[w->n_edges++] = edge;
    }
}

static bool collect_edges(struct places *s, struct ms_wiring *w, const int *vertex_of)
{
    w->edge = MS_NEW(&w->arena, struct ms_wiring_edge, (size_t)s->g->n_links + (size_t)s->n_plugs);
    if (!w->edge)
        return false;
    for (int l = 0; l < s->g->n_links; l++) {
        const struct ms_platform_link *k = &s->g->link[l];
        int x = root(s, start_of(s, l)), y = root(s, start_of(s, l) + 1);
        int a = vertex_of[x], b = vertex_of[y];
        if (k->policy == MS_LINK_FATPIPE || x == y || (l > 0 && s->duplex[l - 1]))
            continue;
        struct ms_wiring_edge edge = {a, b, k->bandwidth_Bps, k->cables, l, 1};
        if (a >= 0 && b >= 0)
            w->edge[w->n_edges++] = edge;
        else if (a >= 0 || b >= 0)
            shared_edges(s, w, vertex_of, a >= 0 ? y : x, edge);
    }
    return true;
}

static int by_plug(const void *a, const void *b)
{
    const struct plug *x = a, *y = b;
    return x->end != y->end ? x->end - y->end : x->host - y->host;
}

/* Ends that one host has are that host's place; those of several stay apart, plugs kept once. */
static bool settle_plugs(struct places *s)
{
    int kept = 0;
    s->sharers = calloc((size_t)s->n + 1, sizeof *s->sharers);
    for (int i = 0; i < s->n_plugs; i++)
        s->plug[i].end = root(s, s->plug[i].end);
    if (s->n_plugs)
        qsort(s->plug, (size_t)s->n_plugs, sizeof *s->plug, by_plug);
    for (int i = 0; s->sharers && i < s->n_plugs; i++)
        if (i == 0 || by_plug(&s->plug[i], &s->plug[i - 1])) {
            struct plug one = s->plug[i];
            s->sharers[one.end]++;
            s->plug[kept++] = one;
        }
    s->n_plugs = kept;
    for (int i = 0; s->sharers && i < kept; i++)
        if (s->sharers[s->plug[i].end] == 1)
            join(s, s->plug[i].end, s->plug[i].host);
    return s->sharers;
}

/* A switch all of whose neighbours are hosts of one node, in a platform where it is not the only
 * switch. */
static void find_nvswitches(struct ms_wiring *w)
{
    int switches = 0;
    for (int v = 0; v < w->n_vertices; v++) {
        w->vertex[v].node = w->vertex[v].place == MS_PLACE_HOST ? w->vertex[v].node : -2;
        switches += w->vertex[v].place == MS_PLACE_SWITCH;
    }
    for (int e = 0; e < w->n_edges; e++)
        for (int side = 0; side < 2; side++) {
            struct ms_wiring_vertex *v = &w->vertex[side ? w->edge[e].b : w->edge[e].a];
            const struct ms_wiring_vertex *o = &w->vertex[side ? w->edge[e].a : w->edge[e].b];
            if (v->place != MS_PLACE_SWITCH)
                continue;
            int node = o->place == MS_PLACE_HOST ? o->node : -1;
            v->node = v->node == -2 || v->node == node ? node : -1;
        }
    for (int v = 0; v < w->n_vertices; v++) {
        struct ms_wiring_vertex *k = &w->vertex[v];
        if (k->place != MS_PLACE_SWITCH)
            continue;
        if (k->node >= 0 && switches > 1)
            k->place = MS_PLACE_NVSWITCH;
        else
            k->node = -1;
        k->tier = k->place == MS_PLACE_NVSWITCH ? 0 : -1;
    }
}

static void find_tiers(struct ms_wiring *w)
{
    bool more = true;
    for (int tier = 1; more; tier++) {
        more = false;
        for (int e = 0; e < w->n_edges; e++)
            for (int side = 0; side < 2; side++) {
                struct ms_wiring_vertex *v = &w->vertex[side ? w->edge[e].b : w->edge[e].a];
                const struct ms_wiring_vertex *o = &w->vertex[side ? w->edge[e].a : w->edge[e].b];
                if (v->tier >= 0 || o->tier != tier - 1 || o->place == MS_PLACE_NVSWITCH)
                    continue;
                v->tier = tier;
                more = true;
            }
        w->n_tiers = tier;
    }
    for (int e = 0; e < w->n_edges; e++) {
        struct ms_wiring_edge *k = &w->edge[e];
        if (w->vertex[k->a].tier > w->vertex[k->b].tier ||
            (w->vertex[k->a].place == MS_PLACE_NVSWITCH &&
             w->vertex[k->b].place == MS_PLACE_HOST)) {
            int a = k->a;
            k->a = k->b;
            k->b = a;
        }
    }
}

/* All places from nothing; apart: several hosts may share the end of a link. */
static bool join_all(struct places *s, bool apart)
{
    s->apart = apart;
    for (int v = 0; v < s->n; v++)
        s->parent[v] = v;
    find_duplex(s);
    if (apart && !s->plug)
        s->plug = malloc((2 * (size_t)s->g->n_hops + 1) * sizeof *s->plug);
    if (apart && !s->plug)
        return false;
    for (int h = 0; h < s->g->n_hops; h++)
        join_hop(s, &s->g->hop[h]);
    return !apart || settle_plugs(s);
}

static enum ms_status build(struct places *s, struct ms_wiring *w, int *vertex_of)
{
    join_all(s, false);
    int good = number_vertices(s, w, vertex_of);
    if (good == 0) {
        w->n_vertices = 0;
        good = join_all(s, true) ? number_vertices(s, w, vertex_of) : -1;
    }
    if (good < 0 || (good && !collect_edges(s, w, vertex_of)))
        return MS_NOMEM;
    if (!good)
        return MS_INFEASIBLE;
    find_nvswitches(w);
    find_tiers(w);
    return MS_OK;
}

enum ms_status ms_wiring_find(const struct ms_platform *p, struct ms_wiring *out,
                              struct ms_err *err)
{
    struct places s = {.p = p, .g = p->graph, .n = p->graph->n_points + 2 * p->graph->n_links};
    struct ms_wiring w = {0};
    *out = w;
    if (!p->links_complete)
        return ms_err_set(err, MS_INFEASIBLE, "%s has links that only SimGrid knows", p->path);
    s.parent = malloc((size_t)s.n * sizeof *s.parent);
    s.duplex = calloc((size_t)s.g->n_links + 1, sizeof *s.duplex);
    int *vertex_of = malloc((size_t)s.n * sizeof *vertex_of);
    enum ms_status status = s.parent && s.duplex && vertex_of ? MS_OK : MS_NOMEM;
    if (status == MS_OK)
        status = build(&s, &w, vertex_of);
    free(s.parent);
    free(s.duplex);
    free(s.plug);
    free(s.sharers);
    free(vertex_of);
    if (status == MS_OK)
        *out = w;
    else
        ms_arena_finish(&w.arena);
    if (status == MS_INFEASIBLE)
        return ms_err_set(
            err, status,
            "the routes of %s use links so that it cannot be told who is plugged into whom",
            p->path);
    return status == MS_OK ? MS_OK : ms_err_set(err, status, "no memory");
}

void ms_wiring_finish(struct ms_wiring *w)
{
    ms_arena_finish(&w->arena);
    *w = (struct ms_wiring){0};
}
