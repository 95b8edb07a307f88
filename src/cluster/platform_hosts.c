/* The hosts of a platform: which there are and in what order, the node each stands in, and which stay
 * when a case selects or groups them. */
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cluster/platform_check.h"

struct host_ref {
    const char *name;
    int point;
};

static int by_name(const void *a, const void *b)
{
    return ms_natural_cmp(((const struct host_ref *)a)->name, ((const struct host_ref *)b)->name);
}

static bool hosts_fill(struct ms_platform *p, const struct ms_graph *g)
{
    struct host_ref *ref = MS_NEW(&p->arena, struct host_ref, (size_t)g->n_points);
    if (!ref)
        return false;
    for (int i = 0; i < g->n_points; i++)
        if (g->point[i].type == POINT_HOST)
            ref[p->n_hosts++] = (struct host_ref){g->point[i].name, i};
    size_t n = (size_t)p->n_hosts;
    qsort(ref, n, sizeof *ref, by_name);
    p->host_name = MS_NEW(&p->arena, const char *, n);
    p->host_speed = MS_NEW(&p->arena, double, n);
    p->host_node = MS_NEW(&p->arena, int, n);
    p->host_local = MS_NEW(&p->arena, int, n);
    p->host_point = MS_NEW(&p->arena, int, n);
    if (!p->host_name || !p->host_speed || !p->host_node || !p->host_local || !p->host_point)
        return false;
    for (size_t i = 0; i < n; i++) {
        p->host_name[i] = ref[i].name;
        p->host_speed[i] = g->point[ref[i].point].speed;
        p->host_point[i] = ref[i].point;
        p->host_node[i] = p->host_local[i] = -1;
    }
    return true;
}

static bool nodes_alloc(struct ms_platform *p)
{
    p->node_name = MS_NEW(&p->arena, const char *, (size_t)p->n_hosts);
    p->node_size = MS_NEW(&p->arena, int, (size_t)p->n_hosts);
    return p->node_name && p->node_size;
}

static void even_nodes(struct ms_platform *p)
{
    p->gpus_per_node = p->n_nodes ? p->node_size[0] : 0;
    for (int n = 1; n < p->n_nodes; n++)
        if (p->node_size[n] != p->gpus_per_node) {
            p->gpus_per_node = 0;
            return;
        }
}

/* Node ids from the `node` properties: all hosts have one, or none. */
static void nodes_fill(struct ms_check *c, struct ms_platform *p)
{
    struct ms_names *seen = ms_names_new(&p->arena, p->n_hosts);
    const struct ms_point *point = c->graph->point;
    bool any = false;
    for (int i = 0; i < p->n_hosts; i++)
        any |= !!point[p->host_point[i]].node;
    if (!any || !seen || !nodes_alloc(p)) {
        c->nomem |= any && (!seen || !p->node_size);
        return;
    }
    for (int i = 0; i < p->n_hosts; i++) {
        const struct ms_point *h = &point[p->host_point[i]];
        if (!h->node) {
            ms_check_error(c, h->el, "host '%s' has no property node, but other hosts have",
                           h->name);
            continue;
        }
        int n = ms_names_find(seen, h->node);
        if (n < 0) {
            n = p->n_nodes++;
            p->node_name[n] = h->node;
            ms_names_add(c, seen, h->node, n);
        }
        p->host_node[i] = n;
        p->host_local[i] = p->node_size[n]++;
    }
    even_nodes(p);
}

void ms_check_hosts(struct ms_check *c, struct ms_platform *p)
{
    if (!hosts_fill(p, c->graph)) {
        c->nomem = true;
        return;
    }
    if (p->n_hosts == 0)
        ms_check_error(c, 0, "the platform has no host");
    nodes_fill(c, p);
}

static void *twin(struct ms_platform *p, const void *array, size_t n, size_t size)
{
    void *copy = ms_arena_alloc(&p->arena, n + 1, size);
    if (copy && array)
        memcpy(copy, array, n * size);
    return copy;
}

enum ms_status ms_platform_own_hosts(struct ms_platform *p, struct ms_err *err)
{
    size_t n = (size_t)p->n_hosts, nodes = (size_t)p->n_nodes;
    p->host_name = twin(p, p->host_name, n, sizeof *p->host_name);
    p->host_speed = twin(p, p->host_speed, n, sizeof *p->host_speed);
    p->host_node = twin(p, p->host_node, n, sizeof *p->host_node);
    p->host_local = twin(p, p->host_local, n, sizeof *p->host_local);
    p->host_point = twin(p, p->host_point, n, sizeof *p->host_point);
    p->link_ends = twin(p, p->link_ends, (size_t)p->n_links, sizeof *p->link_ends);
    p->node_name = twin(p, p->node_name, nodes, sizeof *p->node_name);
    p->node_size = twin(p, p->node_size, nodes, sizeof *p->node_size);
    bool good = p->host_name && p->host_speed && p->host_node && p->host_local && p->host_point &&
                p->link_ends && p->node_name && p->node_size;
    return good ? MS_OK : ms_err_set(err, MS_NOMEM, "no memory");
}

/* Whether any pattern matches; the first that does is marked. */
static bool matches(const char *name, const char *const *pattern, size_t n, bool *used)
{
    bool any = false;
    for (size_t k = 0; k < n; k++)
        if (!fnmatch(pattern[k], name, 0))
            any = used[k] = true;
    return any;
}

/* Nodes again, of the hosts that stayed. */
static enum ms_status renumber_nodes(struct ms_platform *p)
{
    const char **name = p->node_name;
    int *number = MS_NEW(&p->arena, int, (size_t)p->n_nodes + 1), n = 0;
    if (p->n_nodes == 0)
        return MS_OK;
    if (!number || !nodes_alloc(p))
        return MS_NOMEM;
    for (int i = 0; i < p->n_nodes; i++)
        number[i] = -1;
    for (int h = 0; h < p->n_hosts; h++) {
        int *to = &number[p->host_node[h]];
        if (*to < 0) {
            *to = n++;
            p->node_name[*to] = name[p->host_node[h]];
        }
        p->host_node[h] = *to;
        p->host_local[h] = p->node_size[*to]++;
    }
    p->n_nodes = n;
    even_nodes(p);
    return MS_OK;
}

enum ms_status ms_platform_select(struct ms_platform *p, const char *const *pattern, size_t n,
                                  struct ms_err *err)
{
    bool *used = MS_NEW(&p->arena, bool, n + 1);
    int *new_host = MS_NEW(&p->arena, int, (size_t)p->n_hosts + 1), kept = 0;
    if (!used || !new_host)
        return ms_err_set(err, MS_NOMEM, "no memory");
    for (int h = 0; h < p->n_hosts; h++) {
        new_host[h] = -1;
        if (!matches(p->host_name[h], pattern, n, used))
            continue;
        new_host[h] = kept;
        p->host_name[kept] = p->host_name[h];
        p->host_speed[kept] = p->host_speed[h];
        p->host_node[kept] = p->host_node[h];
        p->host_point[kept++] = p->host_point[h];
    }
    for (size_t k = 0; k < n; k++)
        if (!used[k])
            return ms_err_set(err, MS_INVALID, "'%s' matches none of the %d hosts of %s ('%s' …)",
                              pattern[k], p->n_hosts, p->path, p->host_name[0]);
    for (int l = 0; l < p->n_links; l++)
        for (int k = 0; k < 2; k++) {
            int *in = &p->link_ends[l].into[k], *out = &p->link_ends[l].out_of[k];
            *in = *in < 0 ? *in : new_host[*in];
            *out = *out < 0 ? *out : new_host[*out];
        }
    p->n_hosts = kept;
    return renumber_nodes(p) == MS_OK ? MS_OK : ms_err_set(err, MS_NOMEM, "no memory");
}

enum ms_status ms_platform_group(struct ms_platform *p, int gpus_per_node, struct ms_err *err)
{
    char name[32];
    if (p->n_nodes)
        return ms_err_set(err, MS_INVALID, "%s has `node` properties of its own", p->path);
    if (gpus_per_node < 1 || p->n_hosts % gpus_per_node)
        return ms_err_set(err, MS_INVALID, "%d hosts of %s are no multiple of %d a node",
                          p->n_hosts, p->path, gpus_per_node);
    if (!nodes_alloc(p))
        return MS_NOMEM;
    for (int i = 0; i < p->n_hosts; i++) {
        p->host_node[i] = i / gpus_per_node;
        p->host_local[i] = i % gpus_per_node;
        if (p->host_local[i])
            continue;
        snprintf(name, sizeof name, "n%d", p->n_nodes);
        p->node_size[p->n_nodes] = gpus_per_node;
        if (!(p->node_name[p->n_nodes++] = ms_arena_strdup(&p->arena, name)))
            return MS_NOMEM;
    }
    p->gpus_per_node = gpus_per_node;
    return MS_OK;
}
