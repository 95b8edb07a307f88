/* Dinic's algorithm on doubles: levels by breadth first, blocking flows by depth first; what is
 * below a billionth of the largest capacity counts as nothing. */
#include "cluster/max_flow.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

void ms_max_flow_init(struct ms_max_flow *f, int n)
{
    *f = (struct ms_max_flow){.n = n};
    f->head = malloc((size_t)n * 4 * sizeof *f->head);
    if (!f->head) {
        f->failed = true;
        return;
    }
    f->level = f->head + n;
    f->at = f->level + n;
    f->queue = f->at + n;
    memset(f->head, 0xff, (size_t)n * sizeof *f->head);
}

void ms_max_flow_edge(struct ms_max_flow *f, int from, int to, double capacity)
{
    if (f->failed)
        return;
    if (f->n_edges + 2 > f->cap_edges) {
        int cap = f->cap_edges ? 2 * f->cap_edges : 1024;
        struct ms_max_flow_edge *e = realloc(f->edge, (size_t)cap * sizeof *e);
        if (!e) {
            f->failed = true;
            return;
        }
        f->edge = e;
        f->cap_edges = cap;
    }
    f->edge[f->n_edges] = (struct ms_max_flow_edge){to, f->head[from], capacity};
    f->head[from] = f->n_edges++;
    f->edge[f->n_edges] = (struct ms_max_flow_edge){from, f->head[to], 0};
    f->head[to] = f->n_edges++;
    if (isfinite(capacity) && capacity > f->largest)
        f->largest = capacity;
}

static bool levels(struct ms_max_flow *f, int s, int t, double eps)
{
    int first = 0, last = 0;
    memset(f->level, 0xff, (size_t)f->n * sizeof *f->level);
    f->level[s] = 0;
    f->queue[last++] = s;
    while (first < last && f->level[t] < 0) {
        int v = f->queue[first++];
        for (int e = f->head[v]; e >= 0; e = f->edge[e].next)
            if (f->edge[e].left > eps && f->level[f->edge[e].to] < 0) {
                f->level[f->edge[e].to] = f->level[v] + 1;
                f->queue[last++] = f->edge[e].to;
            }
    }
    return f->level[t] >= 0;
}

/* Push up to `want` from v along rising levels. Recursion is as deep as the shortest path is
 * long. */
static double push(struct ms_max_flow *f, int v, int t, double want, double eps)
{
    double sent = 0;
    if (v == t)
        return want;
    for (int *e = &f->at[v]; *e >= 0 && want - sent > eps; *e = f->edge[*e].next) {
        struct ms_max_flow_edge *d = &f->edge[*e];
        if (d->left <= eps || f->level[d->to] != f->level[v] + 1)
            continue;
        double most = want - sent < d->left ? want - sent : d->left;
        double got = push(f, d->to, t, most, eps);
        if (isfinite(d->left))
            d->left -= got;
        f->edge[*e ^ 1].left += got;
        sent += got;
        if (want - sent <= eps)
            break;
    }
    return sent;
}

double ms_max_flow_solve(struct ms_max_flow *f, int source, int sink)
{
    double eps = 1e-9 * f->largest, total = 0;
    while (!f->failed && levels(f, source, sink, eps)) {
        memcpy(f->at, f->head, (size_t)f->n * sizeof *f->at);
        double got = push(f, source, sink, INFINITY, eps);
        if (!isfinite(got))
            return INFINITY;
        if (got <= eps)
            break;
        total += got;
    }
    return total;
}

void ms_max_flow_finish(struct ms_max_flow *f)
{
    free(f->edge);
    free(f->head);
    *f = (struct ms_max_flow){0};
}
