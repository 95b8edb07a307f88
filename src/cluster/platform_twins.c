/* Interchangeable links, found by the neighbours of the routers they lead to. */
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "cluster/platform_check.h"

struct row {
    int from, link;
    uint64_t neighbours; /* of the router it leads to */
    double bandwidth_Bps;
};

/* Order-free digest of the points around each point. A sum of hashes: the same set gives the same
 * number. */
static uint64_t *digests(const struct ms_graph *g)
{
    uint64_t *d = calloc((size_t)g->n_points + 1, sizeof *d);
    for (int h = 0; d && h < g->n_hops; h++)
        d[g->hop[h].to] += ms_hash64(&g->hop[h].from, sizeof g->hop[h].from);
    return d;
}

static int by_group(const void *a, const void *b)
{
    const struct row *x = a, *y = b;
    if (x->from != y->from)
        return x->from < y->from ? -1 : 1;
    if (x->neighbours != y->neighbours)
        return x->neighbours < y->neighbours ? -1 : 1;
    if (x->bandwidth_Bps != y->bandwidth_Bps)
        return x->bandwidth_Bps < y->bandwidth_Bps ? -1 : 1;
    return x->link < y->link ? -1 : x->link > y->link;
}

enum ms_status ms_platform_twins(const struct ms_platform *p, int *twin)
{
    const struct ms_graph *g = p->graph;
    uint64_t *d = digests(g);
    struct row *row = malloc(((size_t)g->n_hops + 1) * sizeof *row);
    int n = 0;
    for (int l = 0; l < g->n_links; l++)
        twin[l] = l;
    for (int h = 0; d && row && h < g->n_hops; h++) {
        const struct ms_hop *k = &g->hop[h];
        int l = k->n_links == 1 ? g->hop_link[k->first] : -1;
        if (l >= 0 && g->point[k->from].type == POINT_ROUTER &&
            g->point[k->to].type == POINT_ROUTER && g->link[l].policy == MS_LINK_SHARED)
            row[n++] = (struct row){k->from, l, d[k->to], g->link[l].bandwidth_Bps};
    }
    bool good = d && row;
    if (good)
        qsort(row, (size_t)n, sizeof *row, by_group);
    for (int i = 1; good && i < n; i++)
        if (row[i].from == row[i - 1].from && row[i].neighbours == row[i - 1].neighbours &&
            row[i].bandwidth_Bps == row[i - 1].bandwidth_Bps)
            twin[row[i].link] = twin[row[i - 1].link];
    free(d);
    free(row);
    return good ? MS_OK : MS_NOMEM;
}
