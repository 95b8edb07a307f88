/* Routes are asked for once a pair and kept end to end in one array; latency and bandwidth once for
 * all routes that have the same. */
#include "sim/route_table.h"

#include <stdlib.h>
#include <string.h>

#include "base/huge.h"

enum ms_status ms_route_table_init(struct ms_route_table *r, int n_groups, int n_ranks,
                                   struct ms_err *err)
{
    memset(r, 0, sizeof *r);
    r->n_groups = n_groups;
    r->n_ranks = n_ranks;
    r->pair = calloc((size_t)n_groups * (size_t)n_ranks * (size_t)n_ranks, sizeof *r->pair);
    r->scratch.max_links = 64;
    r->scratch.links = malloc(r->scratch.max_links * sizeof *r->scratch.links);
    if (!r->pair || !r->scratch.links) {
        ms_route_table_finish(r);
        return ms_err_set(err, MS_NOMEM, "out of memory for the routes of %d x %d ranks", n_groups,
                          n_ranks);
    }
    return MS_OK;
}

void ms_route_table_finish(struct ms_route_table *r)
{
    if (!r)
        return;
    free(r->pair);
    free(r->first);
    free(r->shape);
    free(r->link);
    free(r->shapes);
    free(r->scratch.links);
    memset(r, 0, sizeof *r);
}

/* *p holds n items of `size` bytes after this, doubling from at least 256. */
static bool hold(void **p, size_t size, size_t n, size_t *cap)
{
    if (n <= *cap)
        return true;
    size_t next = *cap > 256 ? *cap : 256;
    while (next < n)
        next += next / 2;
    void *q = ms_huge_realloc(*p, next * size);
    if (!q)
        return false;
    *p = q;
    *cap = next;
    return true;
}

static bool reserve(struct ms_route_table *r, size_t n_links)
{
    size_t cap = r->route_cap, shapes = r->shape_cap, cap_first = cap;
    void *first = r->first, *shape = r->shape, *table = r->shapes, *link = r->link;
    bool ok = hold(&first, sizeof *r->first, (size_t)r->n_routes + 2, &cap_first);
    r->first = first;
    size_t cap_shape = cap;
    ok = ok && hold(&shape, sizeof *r->shape, (size_t)r->n_routes + 2, &cap_shape);
    r->shape = shape;
    ok = ok && hold(&link, sizeof *r->link, r->n_link + n_links, &r->link_cap);
    r->link = link;
    ok = ok && hold(&table, sizeof *r->shapes, (size_t)r->n_shapes + 1, &shapes);
    r->shapes = table;
    if (ok) {
        r->route_cap = (uint32_t)cap_shape;
        r->shape_cap = (uint32_t)shapes;
    }
    return ok;
}

/* The number of a shape: most routes repeat one of the last few. */
static uint32_t shape_of(struct ms_route_table *r, double latency_s, double bandwidth_Bps)
{
    for (uint32_t back = 1; back <= 16 && back <= r->n_shapes; back++) {
        const struct ms_route_shape *s = &r->shapes[r->n_shapes - back];
        if (s->latency_s == latency_s && s->bandwidth_Bps == bandwidth_Bps)
            return r->n_shapes - back;
    }
    r->shapes[r->n_shapes] = (struct ms_route_shape){latency_s, bandwidth_Bps};
    return r->n_shapes++;
}

static enum ms_status ask(struct ms_route_table *r, int group, int src, int dst, struct ms_err *err)
{
    struct ms_route *t = &r->scratch;
    enum ms_status s = r->fetch(r->ctx, group, src, dst, t, err);
    if (!s && t->n > t->max_links) {
        uint32_t *more = realloc(t->links, t->n * sizeof *more);
        if (!more)
            return ms_err_set(err, MS_NOMEM, "out of memory for a route of %zu links", t->n);
        t->links = more;
        t->max_links = t->n;
        s = r->fetch(r->ctx, group, src, dst, t, err);
    }
    return s;
}

enum ms_status ms_route_table_get(struct ms_route_table *r, int group, int src, int dst,
                                  uint32_t *route, struct ms_err *err)
{
    size_t n = (size_t)r->n_ranks;
    uint32_t *pair = &r->pair[((size_t)group * n + (size_t)src) * n + (size_t)dst];
    if (!*pair) {
        enum ms_status s = ask(r, group, src, dst, err);
        if (s)
            return s;
        const struct ms_route *t = &r->scratch;
        if (!reserve(r, t->n))
            return ms_err_set(err, MS_NOMEM, "out of memory for routes (%u kept)", r->n_routes);
        if (!r->n_routes)
            r->first[0] = 0;
        memcpy(r->link + r->n_link, t->links, t->n * sizeof *t->links);
        r->n_link += t->n;
        r->shape[r->n_routes] = shape_of(r, t->latency_s, t->bandwidth_Bps);
        r->first[++r->n_routes] = r->n_link;
        *pair = r->n_routes;
    }
    *route = *pair - 1;
    return MS_OK;
}

/* A cache line of sources at a time, for the table is read across. */
enum { SOURCES = 16 };

enum ms_status ms_route_table_return(struct ms_route_table *r, int group, struct ms_err *err)
{
    int n = r->n_ranks;
    uint8_t *wanted = malloc((size_t)n * SOURCES);
    enum ms_status s = wanted ? MS_OK : ms_err_set(err, MS_NOMEM, "out of memory for routes");
    for (int first = 0; first < n && s == MS_OK; first += SOURCES) {
        int n_src = n - first < SOURCES ? n - first : SOURCES;
        for (int dst = 0; dst < n; dst++)
            for (int i = 0; i < n_src; i++)
                wanted[i * n + dst] =
                    ms_route_table_has(r, group, (uint32_t)dst, (uint32_t)(first + i));
        for (int i = 0; i < n_src; i++)
            for (int dst = 0; dst < n && s == MS_OK; dst++) {
                uint32_t route;
                if (wanted[i * n + dst])
                    s = ms_route_table_get(r, group, first + i, dst, &route, err);
            }
    }
    free(wanted);
    return s;
}
